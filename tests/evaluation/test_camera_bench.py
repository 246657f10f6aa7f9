"""`fulldit bench camera`: what it measures is right, and what cannot be measured is said."""

from __future__ import annotations

import json

import numpy as np
import pytest

from comfyui_fulldit.control.camera import CameraTrajectory
from comfyui_fulldit.control.errors import UserError
from comfyui_fulldit.evaluation.tools import camera_bench as bench
from comfyui_fulldit.evaluation.tools.textured_room import projection, render_room

pytest.importorskip("cv2")


def test_cameras_come_back_exactly_from_every_format():
    skipped: dict[str, str] = {}
    errors = bench.round_trips(skipped)
    assert {"fulldit", "colmap", "realestate10k", "tum", "transforms"} <= set(errors)
    for name, error in errors.items():
        assert error["rot_deg"] < 1e-5 and error["trans_rel"] < 1e-6, name
    assert all(name.startswith("roundtrip ") for name in skipped)


def test_plucker_coordinates_are_those_of_the_definition():
    assert bench.plucker_difference() < 1e-6


def test_directions_are_compared_for_the_frames_that_have_moved():
    target = np.array([[0, 0, 0], [0.001, 0, 0], [1, 0, 0], [2, 0, 0]], float)
    positions = np.array([[0, 0, 0], [0, 9, 0], [0.1, 0.1, 0], [5, 0, 0]], float)
    assert bench.direction_errors(target, positions) == pytest.approx([45, 0])
    assert bench.direction_errors(target, 0 * positions) == pytest.approx([90, 90])
    assert len(bench.direction_errors(0 * target, positions)) == 0


def test_a_video_without_an_estimate_counts_as_wrong():
    path = CameraTrajectory(np.tile(np.eye(3, 4), (4, 1, 1)), np.array([1.0, 1.5, 0.5, 0.5]))
    figures = bench.measure_clip(np.full((4, 64, 96, 3), 128, np.uint8), path)
    assert figures["rot_deg"] == 180 and "few points" in figures["error"]


def test_a_run_writes_the_errors_of_every_clip_and_their_medians(tmp_path):
    path = tmp_path / "camera.json"
    result = bench.run_camera(path, clips=("world tilt",), frames=7, height=160, width=288)
    assert json.loads(path.read_text()) == result
    clip = result["from_video"]["world tilt"]
    assert clip["rot_deg"] < 1 and clip["trans_deg"] is None
    assert clip["seconds"] > 0 and 0.3 < clip["inliers"] <= 1
    assert result["from_video"]["median"]["rot_deg"] == clip["rot_deg"]


def test_unknown_clips_are_refused():
    with pytest.raises(UserError, match="moon"):
        bench.run_camera(clips=("room moon",))


def test_the_projection_puts_points_where_the_camera_sees_them():
    clip = projection(np.array([0.9, 1.6, 0.45, 0.55])) @ np.array([0.2, -0.1, 2.0, 1.0])
    x, y = clip[:2] / clip[3]
    assert (x + 1) / 2 == pytest.approx(0.9 * 0.1 + 0.45)
    assert (1 - y) / 2 == pytest.approx(1.6 * -0.05 + 0.55)


def test_the_room_moves_left_when_the_camera_moves_right():
    pose = np.tile(np.eye(3, 4), (2, 1, 1))
    pose[1, 0, 3] = 0.3
    try:
        frames = render_room(pose, np.tile([1.0, 1.5, 0.5, 0.5], (2, 1)), 64, 96)
    except UserError as error:
        pytest.skip(str(error))
    assert frames.shape == (2, 64, 96, 3) and frames.std() > 10
    first, second = frames[:, 20:44, :].astype(float).mean(-1)

    def difference(shift: int) -> float:
        """The mean difference of the frames if the second shows everything `shift` pixels further right."""
        left, right = max(0, -shift), max(0, shift)
        return float(np.abs(first[:, left : 96 - right] - second[:, right : 96 - left]).mean())

    assert min(range(-25, 26), key=difference) < 0
