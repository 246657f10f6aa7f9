"""Camera files whose poses are not one frame apart: read by stamps and frame numbers, and what was done is said."""

from __future__ import annotations

import json

import numpy as np
import pytest

from comfyui_fulldit.control.camera import CameraTrajectory
from comfyui_fulldit.control.camera.even_times import spread_by_numbers, spread_by_seconds
from comfyui_fulldit.control.camera.formats import read_camera
from comfyui_fulldit.control.camera.rotations import angle_between, from_rotvec
from comfyui_fulldit.control.camera_condition import CameraCondition
from comfyui_fulldit.control.errors import UserError

# A camera that moves by one unit a second, along x; seen at these times, with a hole of half a second.
HOLED = (0.0, 0.1, 0.2, 0.7, 0.8)
NUMBERED = (11, 12, 13, 18, 19)


def tum(times) -> str:
    return "".join(f"{1.7e9 + time:.6f} {time:.6f} 0 0 0 0 0 1\n" for time in times)


def realestate(times) -> str:
    rows = (f"{time * 1e6:.0f} 0.5 0.9 0.5 0.5 0 0 1 0 0 {-time} 0 1 0 0 0 0 1 0\n" for time in times)
    return "https://a.video\n" + "".join(rows)


def sockets_rows(times) -> str:
    return json.dumps(
        [[time * 1e6, 0.5, 0.9, 0.5, 0.5, 0, 0, 1, 0, 0, -time, 0, 1, 0, 0, 0, 0, 1, 0] for time in times]
    )


def matrix_at(x: float) -> list[list[float]]:
    return [[1, 0, 0, x], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]


def transforms(names_or_times, key: str) -> str:
    value = {"camera_angle_x": 1.0, "w": 30, "h": 20, "fps": 10, "frames": []}
    for entry, time in zip(names_or_times, HOLED, strict=True):
        value["frames"].append({"file_path": "a.png", key: entry, "transform_matrix": matrix_at(time)})
    return json.dumps(value)


def colmap(folder, names):
    folder.mkdir()
    (folder / "cameras.txt").write_text("1 PINHOLE 30 20 30 30 15 10\n")
    lines = (f"{i} 1 0 0 0 {-t} 0 0 1 {name}\n\n" for i, (name, t) in enumerate(zip(names, HOLED, strict=True), 1))
    (folder / "images.txt").write_text("".join(lines))
    return folder


def recammaster(numbers) -> str:
    return json.dumps(
        {
            f"frame{n}": {"cam01": f"[1 0 0 0] [0 1 0 0] [0 0 1 0] [0 {100 * t} 0 1] "}
            for n, t in zip(numbers, HOLED, strict=True)
        }
    )


@pytest.mark.parametrize("text", [tum(HOLED), realestate(HOLED), sockets_rows(HOLED)], ids=["tum", "re10k", "rows"])
def test_a_hole_in_the_stamps_is_filled_and_said(tmp_path, text):
    (tmp_path / "a.txt").write_text(text)
    path = read_camera(tmp_path / "a.txt")
    assert path.fps == 10 and path.c2w[:, 0, 3] == pytest.approx(np.arange(9) / 10, abs=1e-5)
    assert path.notes == ("The camera file has no poses from 0.2 to 0.7 s (4 frames): they were filled in.",)
    assert read_camera(tmp_path / "a.txt", frames=5).c2w[:, 0, 3] == pytest.approx(np.linspace(0, 0.8, 5), abs=1e-5)


@pytest.mark.parametrize("kind", ["transforms", "colmap", "recammaster"])
def test_a_hole_in_the_frame_numbers_is_filled_and_said(tmp_path, kind):
    names = [f"clip2/frame_{number:04d}.jpg" for number in NUMBERED]
    if kind == "colmap":
        target = colmap(tmp_path / "model", names)
    else:
        target = tmp_path / "a.json"
        target.write_text(recammaster(NUMBERED) if kind == "recammaster" else transforms(names, "file_path"))
    path = read_camera(target)
    assert path.c2w[:, 0, 3] == pytest.approx(np.arange(9) / 10)
    assert path.notes == ("Frames 14 to 17 are missing in the camera file: they were filled in.",)


def test_time_stamps_as_names_and_times_of_frames_count(tmp_path):
    for key, values in (
        ("time", [0.5 * time for time in HOLED]),
        ("file_path", [f"{1.3e9 + t:.6f}.png" for t in HOLED]),
    ):
        (tmp_path / "a.json").write_text(transforms(values, key))
        path = read_camera(tmp_path / "a.json")
        assert path.fps == 10 and path.c2w[:, 0, 3] == pytest.approx(np.arange(9) / 10, abs=1e-5)


def test_stamps_without_a_common_step_are_sampled_evenly(tmp_path):
    times = np.array([0, 0.31, 0.42, 1.55, 2.0])
    (tmp_path / "a.tum").write_text(tum(times))
    path = read_camera(tmp_path / "a.tum", frames=9)
    assert path.c2w[:, 0, 3] == pytest.approx(np.linspace(0, 2, 9), abs=1e-5), "as fast at the end as at the start"
    assert "0.11 to 1.1 s apart" in path.notes[0] and "24 frames per second" in path.notes[0]
    assert read_camera(tmp_path / "a.tum").times()[-1] == pytest.approx(2), "and takes as long"


@pytest.mark.parametrize("unit", [1e3, 1e6, 1e9])
def test_stamps_since_1970_show_their_unit(tmp_path, unit):
    (tmp_path / "a.tum").write_text("".join(f"{int((1.7e9 + i / 25) * unit)} {i} 0 0 0 0 0 1\n" for i in range(5)))
    assert read_camera(tmp_path / "a.tum").fps == pytest.approx(25, rel=1e-3)


def turning(count: int) -> CameraTrajectory:
    """A camera that pans and zooms by the same amount from pose to pose."""
    angle = np.linspace(0, 1, count)
    rotation = from_rotvec(np.stack([0 * angle, angle, 0 * angle], 1))
    lens = np.stack([1 + angle, 1 + angle, 0.5 + 0 * angle, 0.5 + 0 * angle], 1)
    return CameraTrajectory(np.concatenate([rotation, angle[:, None, None] * np.ones((1, 3, 1))], 2), lens, fps=12)


def test_rotations_positions_and_lenses_are_filled_in_alike():
    whole = turning(11)
    kept = [0, 1, 2, 3, 9, 10]
    part = whole.replace(c2w=whole.c2w[kept], intrinsics=whole.intrinsics[kept])
    for filled in (spread_by_numbers(part, np.array(kept) + 100.0), spread_by_seconds(part, np.array(kept) / 12)):
        assert filled.fps == 12 and filled.intrinsics == pytest.approx(whole.intrinsics)
        assert angle_between(filled.c2w[:, :, :3], whole.c2w[:, :, :3]).max() < 1e-7
        assert filled.c2w[:, :, 3] == pytest.approx(whole.c2w[:, :, 3])


@pytest.mark.parametrize(
    "times",
    [
        np.arange(11) / 29.97,
        np.round(np.arange(11) / 30, 3),
        np.arange(11) / 30 + np.tile([0, 0.002], 6)[:11],
        np.zeros(11),
    ],
    ids=["even", "milliseconds", "jitter", "no times"],
)
def test_even_stamps_change_no_pose_and_are_not_worth_a_word(times):
    path = turning(11)
    again = spread_by_seconds(path, times)
    assert np.array_equal(again.c2w, path.c2w) and again.notes == ()
    assert spread_by_numbers(path, np.arange(11) * 10.0).notes == ()


def test_double_and_backward_stamps_are_said(tmp_path):
    (tmp_path / "a.txt").write_text(realestate((0, 0.1, 0.1, 0.2)))
    path = read_camera(tmp_path / "a.txt")
    assert path.frames == 3 and path.notes == ("1 pose at the time of the pose before: left out.",)
    (tmp_path / "a.txt").write_text(realestate((0, 0.2, 0.1)))
    path = read_camera(tmp_path / "a.txt")
    assert path.c2w[:, 0, 3] == pytest.approx([0, 0.1, 0.2]) and "they were sorted" in path.notes[0]


def test_numbers_that_are_no_frames_of_a_clip_do_not_make_a_flood_of_frames():
    path = turning(3)
    assert spread_by_numbers(path, np.array([1.0, 2.0, 20240101.0])).frames == 3
    few = spread_by_numbers(path, np.array([0.0, 10.0, 24.3]))
    assert few.frames == 3 and few.c2w[1, 0, 3] == pytest.approx(np.interp(12.15, [10, 24.3], [0.5, 1]))
    with pytest.raises(UserError, match="a time is damaged"):
        spread_by_seconds(path, np.array([0.0, 1e-3, 1e6]))


def test_many_gaps_are_named_in_one_sentence():
    numbers = np.array([1, 2, 4, 5, 7, 8, 10, 11, 13, 14, 16, 17.0])
    (note,) = spread_by_numbers(turning(12), numbers).notes
    assert note == "Frames 3, 6, 9, 12 and 1 more are missing in the camera file: they were filled in."


def test_the_warnings_of_the_condition_say_what_was_filled_in(tmp_path):
    (tmp_path / "a.tum").write_text(tum(HOLED))
    condition = CameraCondition(trajectory=read_camera(tmp_path / "a.tum", frames=5).relative().scaled(0.5))
    assert any("filled in" in warning for warning in condition.warnings())


def test_steps_of_eight_and_nine_frames_keep_their_number_of_poses():
    """As RealEstate10K's stamps are where a video was thinned out: no pose is missing, so none is added."""
    steps = np.array([8] * 8 + [9] * 7) / 29.97
    seconds = np.concatenate([[0.0], np.cumsum(steps)])
    c2w = np.tile(np.eye(3, 4), (16, 1, 1))
    c2w[:, 2, 3] = seconds  # one unit per second
    even = spread_by_seconds(CameraTrajectory(c2w, np.tile([1.0, 1.0, 0.5, 0.5], (16, 1))), seconds)
    assert even.frames == 16 and even.fps == pytest.approx(15 / seconds[-1])
    np.testing.assert_allclose(np.diff(even.c2w[:, 2, 3]), seconds[-1] / 15, rtol=1e-9)
    assert any("apart" in note for note in even.notes)


def test_two_clips_whose_times_begin_again_are_not_woven_into_one(tmp_path):
    (tmp_path / "a.txt").write_text(realestate((0.0, 0.1, 0.2, 0.001, 0.101, 0.201)))
    path = read_camera(tmp_path / "a.txt")
    assert path.frames == 6 and any("do not increase" in note for note in path.notes)
