"""Depth from the embedded estimator, and its benchmark: small runs of the real thing."""

from __future__ import annotations

import json

import numpy as np
import pytest

from comfyui_fulldit.control.depth import normalize_depth
from comfyui_fulldit.control.errors import UserError
from comfyui_fulldit.evaluation.tools import depth_bench
from comfyui_fulldit.models.estimators.depth import NOTICE, embedded_estimators, estimate_depth
from comfyui_fulldit.models.estimators.layers import at_size
from comfyui_fulldit.scenes import render

torch = pytest.importorskip("torch")


@pytest.fixture(scope="module")
def estimators():
    return embedded_estimators()


@pytest.fixture(scope="module")
def clip():
    return render([2_000_000_000], 9, 64, 96)


def frames_of(clip) -> np.ndarray:
    return clip.video[0].permute(1, 2, 3, 0).numpy()


def test_the_embedded_estimator_estimates_disparity_frame_by_frame(clip, estimators):
    calls = []
    estimate = estimate_depth(frames_of(clip), lambda: calls.append(1), estimators=estimators)
    assert estimate.shape == (9, 64, 96) and estimate.dtype == np.float32 and len(calls) == 9
    exact = 1 / clip.depth[0].numpy()
    assert np.corrcoef(estimate.ravel(), exact.ravel())[0, 1] > 0.9


def test_an_estimate_is_that_of_the_whole_clip_at_once(clip, estimators):
    estimate = estimate_depth(frames_of(clip), estimators=estimators)
    # As the judge sees the clip in one piece, but for the halves in which images wait.
    with torch.no_grad():
        whole = estimators.perception(at_size(clip.video[0].permute(1, 0, 2, 3))).disparity.numpy()
    assert np.abs(estimate - whole).max() < 0.02


def test_an_estimate_does_not_depend_on_how_frames_are_grouped(clip, estimators, monkeypatch):
    estimate = estimate_depth(frames_of(clip), estimators=estimators)
    monkeypatch.setattr("comfyui_fulldit.models.estimators.depth.CHUNK", 4)
    grouped = estimate_depth((frame for frame in frames_of(clip)), estimators=estimators)
    assert np.abs(grouped - estimate).max() < 1e-4


def test_the_notice_names_the_world_that_the_estimator_was_trained_on():
    assert "procedural world" in NOTICE


def test_frames_of_bytes_and_of_other_sizes_are_estimated_at_the_size_that_is_asked_for(clip, estimators):
    video = (frames_of(clip)[:2] * 255).round().astype(np.uint8)
    small = estimate_depth(video, estimators=estimators)
    large = estimate_depth(video.repeat(2, 1).repeat(2, 2), size=(40, 60), estimators=estimators)
    assert large.shape == (2, 40, 60) and np.abs(large.mean() - small.mean()) < 0.1 * small.mean()
    assert normalize_depth(small, "disparity").frames == 2


@pytest.mark.parametrize(
    ("frames", "message"),
    [
        ([], "no frames"),
        ([np.zeros((8, 8))], "height, width, 3"),
        ([np.zeros((8, 8, 3)), np.zeros((8, 9, 3))], "another size"),
        ([np.full((8, 8, 3), np.nan)], "NaN"),
    ],
)
def test_frames_that_are_not_a_video_are_refused(frames, message, estimators):
    with pytest.raises(UserError, match=message):
        estimate_depth(frames, estimators=estimators)


def test_estimating_can_be_canceled(estimators):
    with pytest.raises(UserError, match="stopped at frame 0"):
        estimate_depth(np.zeros((2, 8, 8, 3)), cancel=lambda: True, estimators=estimators)


def test_the_benchmark_writes_flicker_and_errors_of_every_movement(tmp_path, monkeypatch):
    monkeypatch.setattr(depth_bench, "FRAMES", 8)
    monkeypatch.setattr(depth_bench, "HEIGHT", 96)
    monkeypatch.setattr(depth_bench, "WIDTH", 144)
    result = depth_bench.run_depth(tmp_path / "depth.json", long_frames=0, kinds=("pan", "dolly"))
    assert json.loads((tmp_path / "depth.json").read_text()) == result
    assert 0 < result["flicker_ratio"] < 1 and result["chunk_max_diff"] < 1e-3
    assert result["flicker_ratio"] == result["clips"]["pan"]["ratio"]
    assert result["clips"]["dolly"]["camera_error_ratio"] < result["clips"]["dolly"]["error_ratio"]
    assert result["peak_memory_mb"] is None


def test_an_unknown_movement_is_refused():
    with pytest.raises(UserError, match="Flight is not a movement"):
        depth_bench.run_depth(kinds=("flight",))


def test_memory_of_a_long_clip_is_measured_in_a_process_of_its_own(monkeypatch):
    monkeypatch.setattr(depth_bench, "LONG_HEIGHT", 64)
    monkeypatch.setattr(depth_bench, "LONG_WIDTH", 96)
    figures = depth_bench.long_run(6)
    assert 50 < figures["peak_memory_mb"] < 2000 and figures["seconds_per_frame"] > 0 and figures["frames"] == 6
