"""The benchmark's bookkeeping: sets, pairs, resuming, and what stands in the file and on the card."""

import json

import pytest
import torch

from comfyui_fulldit.control.errors import UserError
from comfyui_fulldit.evaluation import bench
from comfyui_fulldit.evaluation.card import fill_card
from comfyui_fulldit.evaluation.measure import METRICS
from comfyui_fulldit.evaluation.table import markdown_table
from comfyui_fulldit.models.conditions import Conditions, Stream

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
        "results", "floor", "paired", "identity_swap", "checkpoint", "scenes", "machine", "seconds"
    }  # fmt: skip
    # The stand-in shows the truth under all conditions: exactly the floor, the whole way.
    everything = result["results"][KEYS[-1]]
    assert everything == result["floor"]
    gain = result["paired"][KEYS[-1]]["depth_mae"]
    assert gain["mean"] == pytest.approx(result["results"]["none"]["depth_mae"] - result["floor"]["depth_mae"])
    assert gain["share"] == pytest.approx(1)
    assert result["paired"]["camera"]["depth_mae"]["mean"] == 0
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

    real, seen = bench.measure_scene, []

    def stops(*given):
        seen.append(given[2].seed)
        if len(seen) == 2:
            raise KeyboardInterrupt
        return real(*given)

    monkeypatch.setattr(bench, "measure_scene", stops)
    with pytest.raises(KeyboardInterrupt):
        run()
    assert not path.exists()
    result = run()
    assert len(seen) == 3 and seen[1] == seen[2]
    for name in ("results", "floor", "paired", "identity_swap"):
        assert result[name] == whole[name]
    # Lines of other settings are not taken over.
    side = bench.SideFile(tmp_path / "side.jsonl", {"steps": 1}, True)
    side.add(0, {"seed": 1})
    assert bench.SideFile(side.path, {"steps": 1}, True).records == {0: {"seed": 1}}
    assert bench.SideFile(side.path, {"steps": 2}, True).records == {}


def test_exchange_changes_slots_and_the_key_alone():
    streams = tuple(Stream("reference", torch.full((1, 16, 1, 2, 2), float(k)), slot=k) for k in range(3))
    before = Conditions((*streams, Stream("depth", torch.zeros(1, 16, 2, 2, 2))), (2, 2, 2))
    after = bench.exchange(before)
    assert [stream.slot for stream in after.streams] == [1, 0, 2, None]
    assert all(a.data is b.data for a, b in zip(after.streams, before.streams, strict=True))
    assert after.key != before.key


def test_refusals():
    with pytest.raises(UserError, match="at least 2"):
        bench.run_control(scenes=1)
    with pytest.raises(UserError, match="at least 1"):
        bench.run_control(scenes=2, steps=0)


def test_table_and_card(benched, tmp_path):
    result = benched.result
    table = markdown_table(result)
    for name in KEYS:
        assert f"| {name} |" in table
    assert "held-out scenes" in table and "(100%)" in table
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
