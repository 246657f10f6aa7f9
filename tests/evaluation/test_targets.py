"""Ratios and targets from figures that can be worked out by hand, from results of now and of before."""

import copy
import json

import numpy as np
import pytest

from comfyui_fulldit.cli import main
from comfyui_fulldit.control.errors import UserError
from comfyui_fulldit.evaluation.control.ratios import ALL, ratios_of_result
from comfyui_fulldit.evaluation.control.summary import key_of, summarize
from comfyui_fulldit.evaluation.control.targets import NAMES, read_result, run_targets, targets, targets_table
from comfyui_fulldit.evaluation.control.trial_figures import FIGURE_NAMES
from comfyui_fulldit.evaluation.control.trial_table import trial_lines
from comfyui_fulldit.evaluation.control.trials import condition_sets
from comfyui_fulldit.models.estimators.judge import HIGHER_IS_BETTER, METRICS
from comfyui_fulldit.models.estimators.metrics import ratio_and_error

FLOOR = {
    "rot_err": 0.5,
    "trans_err": 0.5,
    "cam_mc": 1.0,
    "depth_mae": 10.0,
    "identity_accuracy": 0.95,
    "mask_iou": 0.9,
    "smoothness": 0.98,
    "dynamic_degree": 2.0,
}
FAR = {"rot_err": 2.0, "trans_err": 1.0, "cam_mc": 3.0, "depth_mae": 20.0, "identity_accuracy": 0.8, "mask_iou": 0.7}


def records(shares, count=8, spread=0.1, painted=None, seed=0):
    """Scenes whose excess over the floor is `shares[set]` (or the share of everything, 1) of FAR, every scene harder
    or easier than the mean by a factor that all its sets have in common."""
    rng = np.random.default_rng(seed)
    found = []
    for number in range(count):
        factor = 1 + spread * (2 * number / (count - 1) - 1)

        def values(share, factor=factor):
            row = {m: FLOOR[m] + (-1 if m in HIGHER_IS_BETTER else 1) * share * far * factor for m, far in FAR.items()}
            noise = 0.001 * rng.standard_normal()
            return {**row, "smoothness": 0.98 + noise, "dynamic_degree": 2.0 * (1 - 0.2 * share) + noise}

        record = {"seed": number, "swap": number % 4 != 0, "painted": None}
        record["floor"] = {"values": values(0), "failed": []}
        record["results"] = {
            key_of(names): {"values": values(shares.get(key_of(names), 1)), "failed": []}
            for names in condition_sets(("camera", "identity", "depth"))
        }
        if painted is not None:
            rows = {key: {"values": values(painted), "failed": []} for key in ("identity", ALL)}
            record["painted"] = {"iou": 0.9, "results": rows, "against_exact": rows}
        found.append(record)
    return found


def result_of(given, family="seen", **changes):
    scenes = {"count": len(given), "family": family, "frames": 25, "height": 96, "width": 160, "steps": 20}
    return {
        **summarize(given),
        "checkpoint": {"file": "x", "fingerprint": "f" * 16},
        "scenes": {**scenes, "guidance": 2.0, "world": 1},
        "machine": {"cores": 2, "threads": 2, "device": "cpu"},
        "clip": {"seconds": 12.5, "default_steps": 20, "weights_mib": 30.0},
        "seconds": 1.0,
        **changes,
    }


def of(lines, *words):
    (one,) = [line for line in lines if all(word in line["line"] for word in words)]
    return one


SHARES = {"camera": 0.25, "identity": 0.125, "depth": 0.5, ALL: 0.25}


@pytest.fixture(scope="module")
def seen():
    return result_of(records(SHARES, painted=0.125))


def test_ratio_of_means_and_its_error():
    below = [1.0, 2.0, 3.0, 4.0]
    ratio, error = ratio_and_error([0.5 * value for value in below], below)
    assert ratio == pytest.approx(0.5) and error == pytest.approx(0, abs=1e-12)
    rng = np.random.default_rng(0)
    draws = []
    for _ in range(400):
        x = 2 + rng.standard_normal(50)
        draws.append(ratio_and_error(list(0.3 * x + 0.2 * rng.standard_normal(50)), list(x)))
    ratios, errors = np.array(draws).T
    assert ratios.mean() == pytest.approx(0.3, abs=0.01) and errors.mean() == pytest.approx(ratios.std(), rel=0.15)
    assert ratio_and_error([None, 1.0], [1.0, 2.0]) == (0.5, None)
    assert ratio_and_error([1.0], [None]) == (None, None) and ratio_and_error([1.0, 1.0], [0.0, -1.0]) == (None, None)


def test_every_figure_has_a_name():
    assert set(NAMES) == {*METRICS, *FIGURE_NAMES}


def test_lines_by_hand(seen):
    lines = targets(seen)
    # What all scenes have in common is no uncertainty: the error of a ratio of the same scenes is 0.
    for name, share, met in (("RotErr", 0.25, True), ("TransErr", 0.25, True), ("depth MAE", 0.5, False)):
        one = of(lines, name, "left of")
        assert one["value"] == pytest.approx(share) and one["se"] == pytest.approx(0, abs=1e-9) and one["met"] is met
    accuracy, iou = [
        line for line in lines if line["line"] in ("identity accuracy, identity given", "mask IoU, identity given")
    ]
    assert accuracy["value"] == pytest.approx(0.85) and accuracy["met"] is True
    assert iou["value"] == pytest.approx(0.8125) and iou["met"] is True
    swap = of(lines, "identity_swap")
    assert swap["value"] == pytest.approx(0.75) and swap["met"] is True
    assert of(lines, "RotErr", "all together")["value"] == pytest.approx(1)
    assert of(lines, "mask IoU", "all together")["value"] == pytest.approx(2)
    assert of(lines, "mask IoU", "all together")["met"] is False
    assert of(lines, "depth MAE", "all together")["value"] == pytest.approx(0.5)
    assert of(lines, "identity accuracy, identity given: painted")["value"] == pytest.approx(1)
    assert of(lines, "mask IoU, all given: painted")["value"] == pytest.approx(0.8125 / 0.725)
    worst = of(lines, "dynamic degree, the furthest off")
    assert worst["value"] == pytest.approx(0.8, abs=0.01) and worst["met"] is True
    assert of(lines, "dynamic degree, all given")["value"] == pytest.approx(0.95, abs=0.01)
    assert of(lines, "seconds")["met"] is True and of(lines, "MiB")["met"] is True
    assert [line["met"] for line in lines if line["group"] == "unseen"] == [None] * 6


def test_dynamic_degree_has_two_bounds():
    given = records(SHARES)
    for record in given:
        record["results"]["none"]["values"]["dynamic_degree"] = 3.0
    one = of(targets(result_of(given)), "dynamic degree, the furthest off (none)")
    assert one["value"] == pytest.approx(1.5, abs=0.01) and one["met"] is False and one["target"] == "0.7 to 1.3"


def tried(figures, **rows):
    """One scene's trial: rows and references by name, each with the same value or a dictionary of its own."""
    each = {name: {f: one[f] if isinstance(one, dict) else one for f in figures} for name, one in rows.items()}
    references = {name: each.pop(name) for name in ("truth", "vae", "other", "unchanged") if name in each}
    return {"rows": {key.replace("_and_", "+"): row for key, row in each.items()}, "references": references}


def test_known_frames_and_source_videos_have_lines_where_they_were_measured(seen):
    assert not [line for line in targets(seen) if line["group"] == "further"]
    given = records(SHARES)
    for record in given:
        floor = {"truth": {"known_psnr": 100, "cam_mc": 1.0}, "vae": {"known_psnr": 25.0, "cam_mc": 1.2}, "other": 5.0}
        known = {"none": 12.0, "camera": {"known_psnr": 12.0, "cam_mc": 1.5}, "known": 24.5}
        both = {"known_psnr": 24.5, "cam_mc": 1.4}
        start = tried(("known_psnr", "cam_mc"), **floor, **known, camera_and_known=both)
        rows = {"none": {"cam_mc": 4.0, "scene_looks": 0.8}, "camera": 1.5, "source": 2.0}
        both = {"cam_mc": 1.9, "scene_looks": 0.2}
        ends = {
            "truth": {"cam_mc": 1.0, "scene_looks": 0.0},
            "vae": {"cam_mc": 1.0, "scene_looks": 0.05},
            "other": 1.0,
            "unchanged": 7.0,
        }
        reshot = tried(("cam_mc", "scene_looks"), **ends, **rows, camera_and_source=both)
        record["trials"] = {"known.start": start, "source.reshot": reshot}
    result = result_of(given)
    lines = [line for line in targets(result) if line["group"] == "further"]
    # 0.5 dB; 0.4 of 0.5 from the truth's floor; 0.9 of 3; 0.2 of another scene's 1.
    assert [round(line["value"], 6) for line in lines] == [0.5, 0.8, 0.3, 0.2]
    assert all(line["met"] for line in lines) and "dB" in lines[0]["line"] and "below what the VAE" in lines[0]["line"]
    table = "\n".join(trial_lines(result["trials"]))
    assert "0.5 ± 0.0 dB below the VAE |" in table and "0.80 ± 0.00 of the camera alone |" in table
    assert (
        "| 1.000 ± 0.000 | 7.000 ± 0.000 | 0.20 ± 0.00 of another scene's |" in table
        and "0.30 ± 0.00 left of none |" in table
    )
    given[0]["trials"]["known.start"]["references"]["vae"]["known_psnr"] = 40.0
    assert of(targets(result_of(given)), "dB of")["met"] is False


def test_unseen_of_seen(seen):
    unseen = result_of(records({**SHARES, "camera": 0.35, "depth": 0.8}, seed=1), "unseen")
    lines = targets(seen, unseen)
    camera, depth = of(lines, "RotErr", "unseen"), of(lines, "depth MAE", "unseen")
    assert camera["value"] == pytest.approx(1.4) and camera["met"] is True and camera["se"] > 0
    assert depth["value"] == pytest.approx(1.6) and depth["met"] is False
    table = targets_table(lines)
    assert "| **missed** |" in table and "not wholly measured" not in table.lower()
    for change, words in (
        ({"scenes": {**unseen["scenes"], "family": "seen"}}, "families"),
        ({"checkpoint": {"file": "x", "fingerprint": "0" * 16}}, "different weights"),
        ({"scenes": {**unseen["scenes"], "steps": 10}}, "differ in steps"),
        ({"results": {}}, "the row 'own'"),
        ({"scenes": {**unseen["scenes"], "world": 2}}, "differ in world"),
    ):
        with pytest.raises(UserError, match=words):
            targets(seen, {**unseen, **change})


def test_at_the_floor_there_is_no_ratio():
    better = result_of(records({**SHARES, "camera": -0.1, ALL: -0.05}))
    one = of(targets(better), "RotErr", "all together")
    assert one["value"] is None and one["met"] is True and "at the floor" in one["line"]
    worse = result_of(records({**SHARES, "camera": -0.1}))
    assert of(targets(worse), "RotErr", "all together")["met"] is False


def test_time_counts_on_the_machine_and_the_size_that_were_asked(seen):
    def met(**changes):
        return of(targets({**seen, **changes}), "seconds")["met"]

    assert met(clip={**seen["clip"], "seconds": 16.0}) is False
    assert met(scenes={**seen["scenes"], "frames": 17}) is False
    assert met(clip={**seen["clip"], "default_steps": 40}) is None
    assert met(machine={**seen["machine"], "cores": 16}) is None
    assert met(machine={**seen["machine"], "device": "cuda"}) is None


def test_results_of_before_give_the_same_values_with_larger_errors(seen, tmp_path):
    old = copy.deepcopy(seen)
    for name in ("ratios", "clip", "painted"):
        del old[name]
    approximate = ratios_of_result(old)
    for group in ("left", "truth"):
        for key, row in approximate[group].items():
            for metric, one in row.items():
                exact = seen["ratios"][group][key][metric]
                assert one["ratio"] == pytest.approx(exact["ratio"])
                assert group == "truth" or one["se"] >= exact["se"] - 1e-9
    for metric, one in approximate["together"].items():
        assert one["ratio"] == pytest.approx(seen["ratios"]["together"][metric]["ratio"])
    path = tmp_path / "old.json"
    path.write_text(json.dumps(old))
    lines, table = run_targets(path)
    assert "earlier version" in table and "painted masks (`--masks painted`)" in table
    assert [line["met"] for line in lines if line["group"] in ("painted", "cost")] == [None] * 6


def test_the_command(seen, tmp_path, capsys):
    path = tmp_path / "seen.json"
    path.write_text(json.dumps(seen))
    assert main(["targets", str(path)]) == 0
    assert "measured targets are met" in capsys.readouterr().out
    assert main(["targets", str(path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["targets"] == targets(seen)
    (tmp_path / "cut.json").write_text(path.read_text()[:-50])
    (tmp_path / "other.json").write_text("{}")
    for name, words in (("cut", "not JSON"), ("other", "no result"), ("missing", "does not exist")):
        with pytest.raises(UserError, match=words):
            read_result(tmp_path / f"{name}.json")
        assert main(["targets", str(tmp_path / f"{name}.json")]) == 2


def test_bench_control_on_the_command_line(seen, tmp_path, capsys, monkeypatch):
    """Every option arrives, the unseen result is read before anything is measured, and the card gets its lines."""
    import comfyui_fulldit.evaluation.control.benchmark as bench

    asked = []
    monkeypatch.setattr(bench, "run_control", lambda **given: asked.append(given) or painted_seen)
    painted_seen = {**seen, "machine": {**seen["machine"]}}
    unseen = result_of(records({**SHARES, "camera": 0.35}, seed=1), "unseen")
    other, card = tmp_path / "unseen.json", tmp_path / "README.md"
    other.write_text(json.dumps(unseen))
    card.write_text("<!-- bench control -->\n<!-- /bench control -->\n")
    arguments = [
        "bench",
        "control",
        "--quiet",
        "--scenes",
        "3",
        "--steps",
        "2",
        "--masks",
        "painted",
        "--rows",
        "own,known.first",
        "--first-frame-pass",
        "0.5",
        "--world",
        "3",
        "--height",
        "96",
        "--card",
        str(card),
    ]
    arguments += ["--vae", "v", "--estimators", "e", "--checkpoint", "c", "--unseen"]
    assert main([*arguments, str(tmp_path / "missing.json")]) == 2 and not asked
    assert main([*arguments, str(other)]) == 0
    (given,) = asked
    given.pop("progress")
    assert given == {
        "checkpoint": "c",
        "scenes": 3,
        "steps": 2,
        "full": False,
        "json": None,
        "family": "seen",
        "masks": "painted",
        "rows": "own,known.first",
        "world": 3,
        "size": (None, 96, None),
        "first_frame_pass": 0.5,
        "vae": "v",
        "estimators": "e",
    }
    table = capsys.readouterr().err
    assert "unseen, of seen" in table and "| identity | painted |" in table
    assert "unseen, of seen" in card.read_text()
