"""The masks benchmark measures what it says, and worse masks get worse figures."""

from __future__ import annotations

import json

import numpy as np
import pytest

from comfyui_fulldit import cli
from comfyui_fulldit.control.errors import UserError
from comfyui_fulldit.control.identity.inbetween import Between
from comfyui_fulldit.control.identity.shapes import rasterize
from comfyui_fulldit.evaluation.tools import masks_bench

pytest.importorskip("cv2")


@pytest.fixture
def small(monkeypatch):
    """A benchmark of one outline, two motions and small images."""
    monkeypatch.setattr(masks_bench, "HEIGHT", 96)
    monkeypatch.setattr(masks_bench, "WIDTH", 144)
    monkeypatch.setattr(masks_bench, "OUTLINES", {"kite": masks_bench.OUTLINES["kite"]})
    monkeypatch.setattr(masks_bench, "MOTIONS", {name: masks_bench.MOTIONS[name] for name in ("moves_far", "turns")})


def test_the_command_writes_the_figures(small, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(masks_bench.run_masks, "__kwdefaults__", {"frames": 3, "height": 96, "width": 144})
    path = tmp_path / "masks.json"
    assert cli.main(["bench", "masks", "--scenes", "1", "--json", str(path), "--quiet"]) == 0
    result = json.loads(path.read_text())
    assert result["inbetween_iou"] > 0.95 and set(result["inbetween"]["motions"]) == {"moves_far", "turns"}
    assert result["propagation_iou"] > 0.8 and 0 < result["propagation_ms_per_frame"] < 1000
    assert result["state_kb"] < 200
    row = result["propagation"]["objects"][0]
    assert row["scene"] == 0 and 0 < row["held_iou"] <= 1 and row["lost"] == 0
    assert "propagation_iou" in capsys.readouterr().out


def test_in_betweens_without_alignment_have_a_low_iou(small, monkeypatch):
    monkeypatch.setattr(Between, "at", lambda self, w: (1 - w) * self.one.mask + w * self.other.mask)
    assert masks_bench.measure_inbetweens()["motions"]["moves_far"] < 0.6


def test_outlines_turn_about_their_center_of_mass(small):
    for turn in (0, 90):
        mask = rasterize(masks_bench.place_outline("kite", (0.5, 0.5), 0.5, turn), 96, 144)
        center = [(mask.sum(1 - axis) @ (np.arange(mask.shape[axis]) + 0.5)) / mask.sum() for axis in (0, 1)]
        assert center == pytest.approx([48, 72], abs=0.05)


def test_a_run_without_scenes_is_refused():
    with pytest.raises(UserError, match="0 scenes"):
        masks_bench.run_masks(scenes=0)


def test_two_empty_masks_have_no_iou():
    assert masks_bench.iou(np.zeros((2, 2)), np.zeros((2, 2))) is None
