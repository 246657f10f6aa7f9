"""Trajectories: closed-form poses, properties of any path, and refusals."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from comfyui_fulldit.control.camera import CameraTrajectory, rotations
from comfyui_fulldit.control.camera.presets import PRESETS, preset
from comfyui_fulldit.control.camera.splines import Keyframe, keyframes_from_json, path_through_keyframes
from comfyui_fulldit.control.camera.trajectory import compose, invert, project
from comfyui_fulldit.control.errors import UserError

LENS = np.array([0.9, 1.35, 0.5, 0.5])


def some_path(seed: int, frames: int = 9) -> CameraTrajectory:
    random = np.random.default_rng(seed)
    vector = np.cumsum(random.normal(0, 0.15, (frames, 3)), 0)
    position = np.cumsum(random.normal(0, 0.3, (frames, 3)), 0)
    lens = LENS * random.uniform(0.8, 1.2, (frames, 1))
    return CameraTrajectory(np.concatenate([rotations.from_rotvec(vector), position[..., None]], 2), lens)


paths = st.builds(some_path, st.integers(0, 10_000), st.integers(1, 12))
few = settings(max_examples=25, deadline=None)


@few
@given(paths)
def test_relative_starts_at_the_identity_and_keeps_what_the_camera_sees(path):
    relative = path.relative()
    assert relative.c2w[0] == pytest.approx(np.eye(3, 4))
    points = np.random.default_rng(0).normal(0, 1, (5, 3)) + (0, 0, 6)
    moved = points @ path.c2w[0, :, :3].T + path.c2w[0, :, 3]
    before = project(moved, path.w2c(), path.intrinsics)
    after = project(points, relative.w2c(), relative.intrinsics)
    assert np.allclose(before, after, atol=1e-8, equal_nan=True)


@few
@given(paths)
def test_w2c_is_the_inverse(path):
    assert np.allclose(compose(path.w2c(), path.c2w), np.eye(3, 4), atol=1e-12)
    assert np.allclose(invert(path.w2c()), path.c2w, atol=1e-12)


@few
@given(paths, st.integers(1, 30))
def test_resample_keeps_both_ends_and_the_same_count_changes_nothing(path, frames):
    new = path.resample(frames)
    assert new.frames == frames and np.allclose(new.c2w[0], path.c2w[0])
    if frames > 1:
        assert np.allclose(new.c2w[-1], path.c2w[-1]) and np.allclose(new.intrinsics[-1], path.intrinsics[-1])
    assert np.allclose(path.resample(path.frames).c2w, path.c2w, atol=1e-9)


@few
@given(st.integers(0, 10_000), st.floats(0, np.pi - 1e-4))
def test_rotation_vectors_round_trip(seed, angle):
    axis = np.random.default_rng(seed).normal(size=3)
    vector = axis / np.linalg.norm(axis) * angle
    assert np.allclose(rotations.to_rotvec(rotations.from_rotvec(vector)), vector, atol=1e-9)


def test_half_a_turn_is_exact_too():
    for axis in np.eye(3):
        turned = rotations.to_rotvec(rotations.from_rotvec(axis * np.pi))
        assert np.abs(turned) == pytest.approx(axis * np.pi)


def test_resample_turns_evenly():
    path = preset("pan_right", frames=2, amount=90)
    assert path.resample(3).c2w[1] == pytest.approx(preset("pan_right", frames=1, amount=0).c2w[0] @ _about_y(45))
    assert path.resample(5, fps=24).fps == 24


def _about_y(degrees: float) -> np.ndarray:
    square = np.eye(4)
    square[:3, :3] = rotations.from_rotvec(np.array([0, np.radians(degrees), 0]))
    return square


def test_scaled_touches_positions_alone():
    path = some_path(3)
    assert np.allclose(path.scaled(2).c2w[:, :, 3], 2 * path.c2w[:, :, 3])
    assert np.array_equal(path.scaled(2).c2w[:, :, :3], path.c2w[:, :, :3])


def test_field_of_view_of_a_known_lens():
    path = CameraTrajectory(np.eye(3, 4)[None], [0.5, 0.5 / np.sqrt(3), 0.5, 0.5])
    assert path.fov()[0] == pytest.approx([90, 120])


def test_points_behind_the_camera_have_no_position():
    path = preset("static", frames=1)
    assert np.isnan(project(np.array([[0, 0, -1.0]]), path.w2c(), path.intrinsics)).all()


def test_rounded_matrices_are_made_exact_and_fields_cannot_be_written():
    path = some_path(1)
    again = CameraTrajectory(np.round(path.c2w, 5), path.intrinsics)
    gram = np.swapaxes(again.c2w[:, :, :3], 1, 2) @ again.c2w[:, :, :3]
    assert np.abs(gram - np.eye(3)).max() < 1e-12
    with pytest.raises(ValueError):
        path.c2w[0, 0, 0] = 5


def test_4x4_poses_and_one_lens_for_all_frames_are_accepted():
    square = np.repeat(np.eye(4)[None], 3, 0)
    assert CameraTrajectory(square, LENS).intrinsics.shape == (3, 4)


EYE = np.repeat(np.eye(3, 4)[None], 3, 0)


@pytest.mark.parametrize(
    ("c2w", "lens", "options", "says"),
    [
        (np.eye(3), LENS, {}, "shape"),
        (EYE[:0], LENS, {}, "shape"),
        ("camera", LENS, {}, "regular array"),
        ([[[1, 0], [0]]], LENS, {}, "regular array"),
        (EYE * np.nan, LENS, {}, "frame 0 are not finite"),
        (EYE * 2, LENS, {}, "not a rotation"),
        (EYE * np.array([1, 1, -1, 1]), LENS, {}, "mirrors"),
        (EYE, LENS[:3], {}, "intrinsics have shape"),
        (EYE, LENS * np.inf, {}, "intrinsics of frame 0"),
        (EYE, LENS * -1, {}, "positive"),
        (EYE, LENS * 640, {}, "normalized"),
        (EYE, LENS, {"fps": 0}, "a number above 0"),
        (EYE, LENS, {"fps": 12e9}, "at most 100,000"),
        (EYE, LENS, {"fps": float("nan")}, "a number above 0"),
        (EYE, LENS, {"pixel_aspect": float("nan")}, "pixel aspect"),
    ],
)
def test_arrays_that_are_not_a_camera_are_refused(c2w, lens, options, says):
    with pytest.raises(UserError, match=says):
        CameraTrajectory(c2w, lens, **options)


def test_a_path_through_keys_meets_them_and_looks_where_it_should():
    target = (0.0, 0.0, 1.0)
    keys = [Keyframe(0, target=target), Keyframe(0.5, (0.3, 0, 0), target), Keyframe(1, (0.3, -0.4, 0), target, fov=40)]
    path = path_through_keyframes(keys, frames=17)
    assert path.c2w[8, :, 3] == pytest.approx([0.3, 0, 0])
    assert path.c2w[-1, :, 3] == pytest.approx([0.3, -0.4, 0])
    assert path.fov()[-1, 0] == pytest.approx(40)
    for frame in (0, 8, 16):
        assert project(np.array([target]), path.w2c(), path.intrinsics)[frame] == pytest.approx(0.5)
    assert path.c2w[:, 0, 3].max() <= 0.3 + 1e-12, "the curve must not run past its keys"


def test_turns_of_keys_add_up_to_the_preset():
    path = path_through_keyframes([Keyframe(0), Keyframe(1, turn=(20, 0, 0))], ease="smooth")
    assert path.c2w == pytest.approx(preset("pan_right", amount=20).c2w)
    assert path_through_keyframes(
        [
            Keyframe(1, turn=(0, 15, 0)),
        ],
        frames=3,
    ).c2w[2] == pytest.approx(np.eye(3, 4))
    up = path_through_keyframes([Keyframe(0), Keyframe(1, turn=(0, 15, 0))], frames=2)
    assert up.c2w[-1] == pytest.approx(preset("tilt_up", frames=2, amount=15).c2w[-1])


@few
@given(st.lists(st.floats(-40, 40), min_size=3, max_size=6), st.integers(2, 25))
def test_turning_through_keys_on_one_axis_never_overshoots(angles, frames):
    keys = [Keyframe(i / (len(angles) - 1), turn=(angle, 0, 0)) for i, angle in enumerate(angles)]
    path = path_through_keyframes(keys, frames=frames)
    pan = np.degrees(np.arctan2(path.c2w[:, 0, 2], path.c2w[:, 2, 2])) + angles[0]
    assert pan.max() <= max(angles) + 1e-6 and pan.min() >= min(angles) - 1e-6


def test_keyframes_are_read_from_the_json_of_a_widget():
    keys = keyframes_from_json('[{"time": 0}, {"time": 1, "position": [0, 0, 0.5], "target": null, "fov": 40}]')
    assert keys == [Keyframe(0.0), Keyframe(1.0, (0.0, 0.0, 0.5), None, fov=40.0)]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[{", "not JSON"),
        ("{}", "list of objects"),
        ('[{"position": [0, 0, 0]}]', "no time"),
        ('[{"time": null}]', "no time"),
        ('[{"time": 0, "speed": 3}]', "speed"),
        ('[{"time": 0, "position": [0, 0]}]', "three numbers"),
        ('[{"time": "soon"}]', "a number"),
    ],
)
def test_broken_keyframes_are_refused(text, says):
    with pytest.raises(UserError, match=says):
        keyframes_from_json(text)


@pytest.mark.parametrize(
    "keys",
    [[], [Keyframe(0.5), Keyframe(0.5)], [Keyframe(1), Keyframe(0)], [Keyframe(2)], [Keyframe(0, target=(0, 0, 0))]],
)
def test_keyframes_that_make_no_path_are_refused(keys):
    with pytest.raises(UserError):
        path_through_keyframes(keys)


@pytest.mark.parametrize("name", sorted(set(PRESETS) - {"handheld"}))
def test_every_fourth_of_65_frames_is_the_preset_of_17(name):
    assert preset(name, frames=65).resample(17).c2w == pytest.approx(preset(name, frames=17).c2w, abs=1e-9)
