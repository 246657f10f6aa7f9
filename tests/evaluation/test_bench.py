"""The benchmark's bookkeeping: sets, pairs, resuming, and what stands in the file and on the card."""

import json

import pytest
import torch

from comfyui_fulldit.control.errors import UserError
from comfyui_fulldit.evaluation.control import benchmark as bench
from comfyui_fulldit.evaluation.control.card import fill_card
from comfyui_fulldit.evaluation.control.scene_records import SceneRecords
from comfyui_fulldit.evaluation.control.table import markdown_table
from comfyui_fulldit.models.conditioning.condition_streams import ConditionStreams, Stream
from comfyui_fulldit.models.estimators.judge import METRICS
from comfyui_fulldit.models.weights.fingerprint import weights_fingerprint

KEYS = ["none", "camera", "identity", "depth", "camera+identity", "camera+depth", "identity+depth"]
KEYS += ["camera+identity+depth"]


def test_layout_and_pairs(benched):
    result = benched.result
    assert json.loads(benched.path.read_text()) == result
    assert sum(benched.steps[1:]) == benched.steps[0] == 18
    assert list(result["results"]) == KEYS
    for row in (*result["results"].values(), result["floor"]):
        assert set(row) == {*METRICS, "se", "n", "n_failed"}
        assert row["n"] == 2 and set(row["se"]) == set(METRICS)
    assert set(result) == {
        "results",
        "floor",
        "paired",
        "identity_swap",
        "ratios",
        "targets",
        "trials",
        "checkpoint",
        "scenes",
        "machine",
        "clip",
        "seconds",
    }
    # The stand-in shows the truth under all conditions: exactly the floor, the whole way.
    everything = result["results"][KEYS[-1]]
    assert everything == result["floor"]
    gain = result["paired"][KEYS[-1]]["depth_mae"]
    assert gain["mean"] == pytest.approx(result["results"]["none"]["depth_mae"] - result["floor"]["depth_mae"])
    assert gain["share"] == pytest.approx(1)
    assert result["paired"]["camera"]["depth_mae"]["mean"] == 0
    assert result["ratios"]["left"][KEYS[-1]]["depth_mae"] == {"ratio": 0, "se": 0}
    assert result["ratios"]["left"]["camera"]["depth_mae"]["ratio"] == pytest.approx(1)
    assert result["ratios"]["truth"][KEYS[-1]]["dynamic_degree"]["ratio"] == 1
    assert result["ratios"]["truth"]["none"]["dynamic_degree"]["ratio"] != pytest.approx(1, abs=0.1)
    assert result["clip"]["seconds"] >= 0 and result["clip"]["default_steps"] == 7
    assert not list(benched.path.parent.glob("*.jsonl"))
    # Conditions once per scene; the same noise for every set.
    assert benched.pipeline.encoded == 2
    assert {asked[1:3] for asked in benched.pipeline.asked} == {(3, 2.0)}
    assert len({asked[0] for asked in benched.pipeline.asked}) == 2


def test_goes_on_where_it_stopped(benched, stand_in, judge, tmp_path, monkeypatch):
    path = tmp_path / "bench.json"
    whole = benched.result

    def run():
        return bench.run_control(scenes=2, steps=3, pipeline=stand_in, judge=judge, json=path)

    real, seen = bench.SceneRun.record, []

    def stops(run, *given):
        seen.append(run.scene.seed)
        if len(seen) == 2:
            raise KeyboardInterrupt
        return real(run, *given)

    monkeypatch.setattr(bench.SceneRun, "record", stops)
    with pytest.raises(KeyboardInterrupt):
        run()
    assert not path.exists()
    result = run()
    assert len(seen) == 3 and seen[1] == seen[2]
    for name in ("results", "floor", "paired", "identity_swap"):
        assert result[name] == whole[name]
    # Lines of other settings are not taken over.
    side = SceneRecords(tmp_path / "side.jsonl", {"steps": 1}, True)
    side.add(0, {"seed": 1})
    assert SceneRecords(side.path, {"steps": 1}, True).found == {0: {"seed": 1}}
    assert SceneRecords(side.path, {"steps": 2}, True).found == {}


def test_painted_masks_beside_exact_ones(benched, stand_in, judge, tmp_path):
    path = tmp_path / "painted.json"
    result = bench.run_control(scenes=2, steps=3, masks="painted", pipeline=stand_in, judge=judge, json=path)
    for name in ("results", "floor", "paired", "identity_swap"):
        assert result[name] == benched.result[name]
    assert stand_in.encoded == 4
    painted = result["painted"]
    assert 0.6 < painted["masks_iou"]["mean"] < 1
    assert list(painted["results"]) == list(painted["against_exact"]) == ["identity", KEYS[-1]]
    # The stand-in shows the truth whatever the masks are: against the exact ones nothing changes, against the painted
    # ones it is off by as much as they are.
    assert painted["against_exact"][KEYS[-1]] == result["results"][KEYS[-1]]
    assert painted["results"][KEYS[-1]]["mask_iou"] != result["results"][KEYS[-1]]["mask_iou"]
    ratio = result["ratios"]["painted"][KEYS[-1]]["mask_iou"]["ratio"]
    assert ratio == pytest.approx(painted["results"][KEYS[-1]]["mask_iou"] / result["results"][KEYS[-1]]["mask_iou"])
    assert result["scenes"]["masks"] == "painted" and json.loads(path.read_text()) == result
    # After the eight sets, and one with references exchanged where there are two.
    assert ("identity",) in [asked[3] for asked in stand_in.asked[8:10]]
    table = markdown_table(result)
    assert "| identity | painted |" in table and "painted masks, of exact ones" in table


@pytest.mark.parametrize(
    "change", [{"masks": "painted"}, {"family": "unseen"}, {"steps": 4}, {"guidance": 1.0}, {"first_frame_pass": 0.5}]
)
def test_figures_of_other_settings_are_not_taken_over(change, stand_in, judge, tmp_path, monkeypatch):
    """A run that was stopped leaves what it measured; a run of other settings begins anew."""
    settings, seen = {"scenes": 2, "steps": 3}, []

    def stops(run, *given):
        seen.append(run.scene.seed)
        if len(seen) == 2:
            raise KeyboardInterrupt
        return {"seed": run.scene.seed}

    monkeypatch.setattr(bench.SceneRun, "record", stops)
    path = tmp_path / "bench.json"
    with pytest.raises(KeyboardInterrupt):
        bench.run_control(**settings, pipeline=stand_in, judge=judge, json=path)
    stand_in.truth.clear()
    monkeypatch.setattr(bench.SceneRun, "record", lambda run, *given: seen.append(run.scene.seed) or 1 / 0)
    with pytest.raises(ZeroDivisionError):
        bench.run_control(**{**settings, **change}, pipeline=stand_in, judge=judge, json=path)
    assert seen[2] == seen[0]


def test_other_estimators_and_other_weights_are_another_setting(judge, stand_in):
    before = weights_fingerprint(*judge.estimators.modules().values())
    assert before == weights_fingerprint(*judge.estimators.modules().values())
    one = weights_fingerprint(stand_in.model)
    with torch.no_grad():
        stand_in.model.weight.add_(1)
    assert weights_fingerprint(stand_in.model) != one


def test_exchange_changes_slots_and_the_key_alone():
    streams = tuple(Stream("reference", torch.full((1, 16, 1, 2, 2), float(k)), slot=k) for k in range(3))
    before = ConditionStreams((*streams, Stream("depth", torch.zeros(1, 16, 2, 2, 2))), (2, 2, 2))
    after = before.exchange_slots()
    assert [stream.slot for stream in after.streams] == [1, 0, 2, None]
    assert all(a.data is b.data for a, b in zip(after.streams, before.streams, strict=True))
    assert after.key != before.key


def test_refusals():
    with pytest.raises(UserError, match="at least 2"):
        bench.run_control(scenes=1)
    with pytest.raises(UserError, match="at least 1"):
        bench.run_control(scenes=2, steps=0)
    with pytest.raises(UserError, match="Family is 'old'; expected one of seen, unseen"):
        bench.run_control(scenes=2, family="old")
    with pytest.raises(UserError, match="Masks is 'none'"):
        bench.run_control(scenes=2, masks="none")


def test_table_and_card(benched, tmp_path):
    result = benched.result
    table = markdown_table(result)
    for name in KEYS:
        assert f"| {name} |" in table
    assert "held-out scenes" in table and "(100%)" in table
    assert "Of the ground truth's" in table and "measured targets are met" in table
    card = tmp_path / "README.md"
    card.write_text("before\n<!-- bench control -->\nold\n<!-- /bench control -->\nafter\n")
    fill_card(card, result)
    text = card.read_text()
    assert text.startswith("before\n") and text.endswith("after\n") and "old" not in text and table in text
    fill_card(card, result)
    assert card.read_text() == text
    card.write_text("no markers")
    with pytest.raises(UserError, match="lacks the lines"):
        fill_card(card, result)
    assert card.read_text() == "no markers"
