"""`fulldit bench trust`: wrong frames that are not named are missed, and right ones that are named are false alarms."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from comfyui_fulldit.control.camera import CameraTrajectory
from comfyui_fulldit.control.camera.from_video import Estimate
from comfyui_fulldit.control.errors import UserError
from comfyui_fulldit.evaluation.tools import trust_bench as bench
from comfyui_fulldit.evaluation.tools.camera_clips import HARD_CLIPS, render_hard
from comfyui_fulldit.evaluation.tools.mask_clips import HARD_MASKS, render_mask_clip

pytest.importorskip("cv2")


def straight(frames: int = 6, step: float = 0.2) -> CameraTrajectory:
    c2w = np.tile(np.eye(3, 4), (frames, 1, 1))
    c2w[:, 0, 3] = step * np.arange(frames)
    return CameraTrajectory(c2w, np.array([1.0, 1.5, 0.5, 0.5]))


def estimate(path: CameraTrajectory, **changes) -> Estimate:
    zero = np.zeros(path.frames)
    fine = Estimate(path, zero + 1, (), 1.0, True, True, "moving", np.zeros((1, 3)), zero, zero)
    return replace(fine, **changes)


def test_paths_are_compared_up_to_their_scale():
    degrees, way, lens = bench.camera_errors(estimate(straight(step=0.05)), straight())
    assert degrees.max() == 0 and way.max() < 1e-9 and lens.max() == 0


def test_a_frame_that_is_named_does_not_bend_the_scale_of_the_others():
    path = straight()
    c2w = path.c2w.copy()
    c2w[-1, 0, 3] *= 9
    _, way, _ = bench.camera_errors(estimate(path.replace(c2w=c2w), doubtful=(5,)), path)
    assert way[:-1].max() < 1e-9 and way[-1] > 10


def test_a_lens_and_its_zoom_count_where_they_are_claimed():
    path = straight()
    wide = path.replace(intrinsics=path.intrinsics * (0.8, 0.8, 1, 1))
    assert bench.camera_errors(estimate(wide), path)[2].max() == pytest.approx(0.2)
    for known in (True, False):
        unseen = estimate(wide, focal_known=known, focal_determined=False)
        assert bench.camera_errors(unseen, path)[2].max() == pytest.approx(0)
        zoom = path.replace(intrinsics=path.intrinsics * np.linspace(1, 1.5, path.frames)[:, None] ** (1, 1, 0, 0))
        assert bench.camera_errors(unseen, zoom)[2].max() == pytest.approx(1 / 3)
        assert bench.camera_errors(replace(unseen, zoom_determined=False), zoom)[2].max() == 0


def test_masks_are_lost_at_half_and_leak_at_one_and_a_half():
    truth = np.zeros((4, 20, 40), bool)
    truth[:, 5:15, 10:20] = True
    masks = truth.copy()
    masks[1, :, 14:] = False  # four tenths are left
    masks[2, :, 10:30] = True
    wrong, worst = bench.mask_errors(masks, truth)
    assert wrong.tolist() == [1, 2] and worst == pytest.approx(0.25)
    assert bench.mask_errors(truth, truth)[1] == 1


def test_the_summary_counts():
    rows = [
        {"verdict": "right", "alarm": False, "missed": False},
        {"verdict": "right", "alarm": True, "missed": False},
        {"verdict": "wrong", "alarm": True, "missed": False},
        {"verdict": "wrong", "alarm": False, "missed": True},
        {"verdict": "between", "alarm": True, "missed": False},
    ]
    summary = bench.summary(rows)
    assert (summary["clips"], summary["right"], summary["wrong"], summary["missed"]) == (5, 2, 2, 1)
    assert summary["false_alarms"] == 1 and summary["false_alarm_share"] == 0.5


@pytest.mark.parametrize("name", HARD_MASKS)
def test_every_drawn_clip_shows_its_thing_and_moves(name):
    video, truth = render_mask_clip(HARD_MASKS[name], 3, 60, 106, seed=3)
    assert video.shape == (3, 60, 106, 3) and truth.shape == (3, 60, 106)
    assert truth[0].sum() > 20 and (video[0] != video[-1]).any()
    again = render_mask_clip(HARD_MASKS[name], 3, 60, 106, seed=3)
    assert (again[0] == video).all() and (again[1] == truth).all()


def test_a_run_writes_its_verdicts(tmp_path, monkeypatch):
    monkeypatch.setattr(bench, "MASK_FRAMES", 4)
    monkeypatch.setattr(bench, "CAMERA_FRAMES", 5)
    try:
        render_hard(HARD_CLIPS["static"], 1, 32, 64)
        cameras = ("static",)
    except UserError:  # no OpenGL here
        cameras = ()
    path = tmp_path / "trust.json"
    result = bench.run_trust(path, cameras=cameras, masks=("slides",))
    assert json.loads(path.read_text()) == result
    assert result["masks"]["slides"]["verdict"] == "right" and result["masks_summary"]["missed"] == 0
    assert [row["verdict"] for row in result["camera"].values()] == ["right"] * len(cameras)
