"""Properties of every camera path: hypothesis searches for a counterexample."""

from __future__ import annotations

import os

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from comfyui_fulldit.control.camera import CameraTrajectory, edit, rotations
from comfyui_fulldit.control.camera.interpolate import METHODS
from comfyui_fulldit.control.camera.presets import preset
from comfyui_fulldit.control.camera.trajectory import compose, invert, project
from comfyui_fulldit.control.errors import UserError

scipy_spatial = pytest.importorskip("scipy.spatial.transform")
# scipy has rigid transforms since 1.16, which Python 3.10 does not get.
HERE = [method for method in METHODS if method != "screw" or hasattr(scipy_spatial, "RigidTransform")]
# The same examples every time, so that a change is to blame when one fails; FULLDIT_EXAMPLES=1000 looks for new ones.
EXAMPLES = int(os.environ.get("FULLDIT_EXAMPLES", "0"))
few = settings(max_examples=EXAMPLES or 20, deadline=None, derandomize=not EXAMPLES)
small = st.floats(-3, 3, allow_subnormal=False)
angle = st.floats(-1.2, 1.2, allow_subnormal=False)
zoom = st.floats(0.5, 1.9)  # three paths joined stay below the largest focal length


@st.composite
def paths(draw, least: int = 1, most: int = 8) -> CameraTrajectory:
    """Any path whose neighbors are less than half a turn apart, with any lens, fps and unit."""
    frames = draw(st.integers(least, most))
    steps = np.array(draw(st.lists(st.tuples(angle, angle, angle), min_size=frames, max_size=frames)))
    rotation = [rotations.from_rotvec(steps[0])]
    for step in steps[1:]:
        rotation.append(rotation[-1] @ rotations.from_rotvec(step))
    position = np.array(draw(st.lists(st.tuples(small, small, small), min_size=frames, max_size=frames)))
    focal = np.array(draw(st.lists(zoom, min_size=frames, max_size=frames)))
    lens = np.stack([focal, 1.5 * focal, np.full(frames, 0.5), np.full(frames, 0.45)], 1)
    c2w = np.concatenate([np.stack(rotation), position[..., None]], 2)
    return CameraTrajectory(c2w, lens, fps=draw(st.sampled_from([8.0, 16.0, 23.976, 24.0])))


poses = paths(1, 1).map(lambda path: path.c2w[0])


def same(one: CameraTrajectory, other: CameraTrajectory, atol: float = 1e-9) -> bool:
    return (
        one.frames == other.frames
        and np.allclose(one.c2w, other.c2w, atol=atol)
        and np.allclose(one.intrinsics, other.intrinsics, atol=atol)
    )


@few
@given(poses, poses, poses)
def test_poses_are_a_group(a, b, c):
    assert np.allclose(compose(compose(a, b), c), compose(a, compose(b, c)), atol=1e-9)
    assert np.allclose(compose(a, invert(a)), np.eye(3, 4), atol=1e-9)
    assert np.allclose(invert(compose(a, b)), compose(invert(b), invert(a)), atol=1e-9)
    assert np.allclose(invert(invert(a)), a, atol=1e-12)


@few
@given(paths())
def test_composing_with_a_still_camera_changes_nothing(path):
    still = preset("static", frames=path.frames)
    assert same(edit.compose_movements(path, still), path)
    assert np.allclose(edit.compose_movements(still, path).c2w, path.relative().c2w, atol=1e-9)


@few
@given(paths(3, 3), paths(3, 3), paths(3, 3))
def test_composing_is_associative(a, b, c):
    assert same(
        edit.compose_movements(edit.compose_movements(a, b), c),
        edit.compose_movements(a, edit.compose_movements(b, c)),
        1e-8,
    )


@few
@given(paths())
def test_reversing_and_mirroring_twice_is_the_path(path):
    assert same(edit.reverse(edit.reverse(path)), path, 0)
    assert same(edit.mirror(edit.mirror(path)), path)
    assert np.array_equal(edit.reverse(path).c2w[0], path.c2w[-1])
    assert edit.reverse(path).distance()[-1] == pytest.approx(path.distance()[-1])


@few
@given(paths(), st.floats(-2, 2), st.floats(-1, 1), st.floats(2, 5))
def test_a_mirrored_path_sees_the_mirrored_world(path, x, y, z):
    start = path.relative()
    point = np.array([[x, y, z]])
    seen = project(point, start.w2c(), start.intrinsics)
    mirrored = edit.mirror(start)
    flipped = project(point * (-1, 1, 1), mirrored.w2c(), mirrored.intrinsics)
    assert np.allclose(flipped[..., 0], 1 - seen[..., 0], rtol=1e-6, equal_nan=True)
    assert np.allclose(flipped[..., 1], seen[..., 1], rtol=1e-6, equal_nan=True)


@few
@given(paths(), poses, st.data())
def test_relative_and_absolute_undo_each_other(path, start, data):
    frame = data.draw(st.integers(-path.frames, path.frames - 1))
    assert np.allclose(path.relative(frame).c2w[frame], np.eye(3, 4), atol=1e-9)
    assert same(path.relative(frame).absolute(path.c2w[0]), path)
    placed = path.absolute(start)
    assert np.allclose(placed.c2w[0], start, atol=1e-9)
    assert same(placed.relative(), path.relative())
    for values in ("speed", "angular_speed", "distance"):
        assert np.allclose(getattr(placed, values)(), getattr(path, values)(), atol=1e-5)


@few
@given(paths(), st.integers(1, 20), st.sampled_from(HERE))
def test_resampling_keeps_the_ends_and_meets_what_it_had(path, frames, method):
    new = path.resample(frames, method=method)
    assert new.frames == frames and np.allclose(new.c2w[0], path.c2w[0], atol=1e-9)
    if frames > 1:
        assert np.allclose(new.c2w[-1], path.c2w[-1], atol=1e-8)
        assert np.allclose(new.intrinsics[-1], path.intrinsics[-1], atol=1e-9)
    finer = path.resample(3 * (path.frames - 1) + 1, method=method)
    assert np.allclose(finer.c2w[::3], path.c2w, atol=1e-7), "the poses that were given are met exactly"


@few
@given(paths(2), st.floats(0, 1), st.sampled_from(HERE), poses)
def test_interpolation_does_not_depend_on_direction_or_world(path, time, method, start):
    # scipy's rotation spline counts from the earlier of two keys, so it is not quite the same backwards.
    assert method == "smooth" or same(path.at([time], method), edit.reverse(path).at([1 - time], method), 1e-6)
    moved = path.absolute(start).at([0, time], method).relative()
    assert same(moved, path.at([0, time], method).relative(), 1e-6)


@few
@given(paths(2), st.lists(st.floats(0, 1), min_size=1, max_size=5))
def test_linear_turns_are_scipys_slerp(path, times):
    slerp = scipy_spatial.Slerp(np.linspace(0, 1, path.frames), scipy_spatial.Rotation.from_matrix(path.c2w[:, :, :3]))
    assert np.allclose(path.at(times).c2w[:, :, :3], slerp(times).as_matrix(), atol=1e-9)


@few
@given(paths(2, 5), st.floats(1, 60))
def test_another_frame_rate_keeps_the_duration(path, fps):
    new = path.resample(fps=fps)
    assert abs(new.times()[-1] - path.times()[-1]) <= 0.5 / fps + 1e-9 and new.fps == fps
    assert np.allclose(new.c2w[0], path.c2w[0], atol=1e-9)


@few
@given(paths(2), paths(2), paths(2))
def test_joining_is_continuous_and_associative(a, b, c):
    b, c = b.replace(fps=a.fps), c.replace(fps=a.fps)
    path = edit.concatenate([a, b, c])
    assert path.frames == a.frames + b.frames + c.frames - 2
    assert same(path, edit.concatenate([edit.concatenate([a, b]), c]), 1e-8)
    assert path.distance()[-1] == pytest.approx(sum(p.distance()[-1] for p in (a, b, c)), abs=1e-8)
    second = CameraTrajectory(path.c2w[a.frames - 1 :][: b.frames], b.intrinsics)
    assert np.allclose(second.relative().c2w, b.relative().c2w, atol=1e-8)


@few
@given(paths(), st.floats(0.1, 4), st.floats(0.5, 1.5))
def test_scaling_movement_there_and_back(path, factor, power):
    there = edit.scale_movement(path, distance=factor, zoom=power)
    back = edit.scale_movement(there, distance=1 / factor, zoom=1 / power)
    assert same(back, path, 1e-7)
    still = edit.scale_movement(path, 0, 0, 0)
    assert np.allclose(still.c2w, path.c2w[:1], atol=1e-9) and np.allclose(still.intrinsics, path.intrinsics[:1])


@few
@given(paths(), small, small, st.floats(4, 8), st.booleans())
def test_the_target_of_look_at_is_in_the_center(path, x, y, z, keep_roll):
    start = path.relative().replace(intrinsics=np.array([1, 1.5, 0.5, 0.5]))
    assume(np.linalg.norm(start.c2w[:, :, 3] - (x, y, z), axis=1).min() > 1e-3)
    looking = edit.look_at(start, (x, y, z), keep_roll)
    assert np.allclose(looking.c2w[:, :, 3], start.c2w[:, :, 3], atol=1e-12)
    assert np.allclose(project(np.array([[x, y, z]]), looking.w2c(), looking.intrinsics), 0.5, atol=1e-6)


@few
@given(paths(2), st.floats(0.05, 2))
def test_smoothing_keeps_the_ends_and_shortens_the_way(path, seconds):
    smoothed = edit.smooth(path, seconds)
    assert np.allclose(smoothed.c2w[[0, -1]], path.c2w[[0, -1]], atol=1e-6)
    assert np.allclose(smoothed.intrinsics[[0, -1]], path.intrinsics[[0, -1]])
    assert smoothed.distance()[-1] <= path.distance()[-1] + 1e-6


@few
@given(paths())
def test_pan_tilt_and_roll_round_trip(path):
    angles = rotations.to_pan_tilt_roll(path.c2w[:, :, :3])
    assert np.allclose(rotations.from_pan_tilt_roll(angles), path.c2w[:, :, :3], atol=1e-7)
    assert np.abs(angles[:, 1]).max() <= 90


def test_screw_interpolation_keeps_an_orbit_on_its_circle_where_lines_cut_the_corner():
    pytest.importorskip("scipy", minversion="1.16")
    orbit = preset("orbit_right", frames=3, amount=120, ease="linear")
    exact = preset("orbit_right", frames=25, amount=120, ease="linear")
    assert orbit.resample(25, method="screw").c2w == pytest.approx(exact.c2w, abs=1e-9)
    assert np.abs(orbit.resample(25).c2w - exact.c2w).max() > 0.05
    assert (
        np.abs(orbit.resample(25, method="smooth").c2w - exact.c2w).max()
        < np.abs(orbit.resample(25).c2w - exact.c2w).max()
    )


def test_smooth_has_no_jumps_of_speed():
    path = preset("handheld", frames=9, amount=5)
    linear, smooth = (path.resample(129, method=method) for method in ("linear", "smooth"))
    jumps = [np.abs(np.diff(p.c2w[:, :, 3], 2, axis=0)).max() for p in (linear, smooth)]
    assert jumps[1] < jumps[0] / 4
    assert np.abs(np.diff(smooth.angular_speed())).max() < np.abs(np.diff(linear.angular_speed())).max() / 2


def test_speeds_of_a_known_movement():
    truck = preset("truck_right", frames=17, amount=2, fps=8, ease="linear")
    assert truck.speed() == pytest.approx(1.0) and truck.distance() == pytest.approx(np.linspace(0, 2, 17))
    assert truck.angular_speed() == pytest.approx(0)
    pan = preset("pan_left", frames=25, amount=90, fps=24, ease="linear")
    assert pan.angular_speed() == pytest.approx(90) and pan.speed() == pytest.approx(0)
    assert pan.times()[-1] == pytest.approx(1)
    still = preset("static", frames=1)
    assert still.speed().tolist() == still.angular_speed().tolist() == still.distance().tolist() == [0]


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda p: p.relative(5), "Frame 5 of a camera path of 3"),
        (lambda p: p.absolute(np.eye(3)), "shape"),
        (lambda p: p.absolute("here"), "regular array"),
        (lambda p: p.at([]), "list of numbers"),
        (lambda p: p.at([0, np.nan]), "list of numbers"),
        (lambda p: p.at([0.5], "cubic"), "choose one of linear, smooth, screw"),
        (lambda p: p.resample(0), "at least 1"),
        (lambda p: p.resample(fps=0), "positive"),
        (lambda p: p.resample(5, fps=-1), "a number above 0|positive"),
    ],
)
def test_invalid_arguments_are_refused(call, says):
    with pytest.raises(UserError, match=says):
        call(preset("pan_left", frames=3))
