"""Transforms of camera paths: geometry that a person can picture, exact ends, and refusals."""

from __future__ import annotations

import numpy as np
import pytest

from comfyui_fulldit.control.camera import CameraTrajectory, edit, rotations
from comfyui_fulldit.control.camera.easing import EASING_NAMES
from comfyui_fulldit.control.camera.presets import preset
from comfyui_fulldit.control.camera.shake import handheld_curves
from comfyui_fulldit.control.camera.trajectory import project
from comfyui_fulldit.control.errors import UserError

SUBJECT = np.array([[0.0, 0.0, 1.0]])


def image_positions(path: CameraTrajectory, point=SUBJECT) -> np.ndarray:
    """The position of a point of the world in each frame's image (F, 2), 0..1."""
    return project(np.atleast_2d(np.asarray(point, float)), path.w2c(), path.intrinsics)[:, 0]


def test_reversed_truck_right_moves_a_point_to_the_right():
    path = edit.reverse(preset("truck_right")).relative()
    x = image_positions(path)[:, 0]
    assert (np.diff(x) > 0).all()
    assert path.c2w[-1, :, 3] == pytest.approx([-0.3, 0, 0])


@pytest.mark.parametrize("name", ["pan", "truck", "orbit", "arc"])
def test_a_mirrored_movement_goes_the_other_way(name):
    mirrored = edit.mirror(preset(f"{name}_left"))
    assert mirrored.c2w == pytest.approx(preset(f"{name}_right").c2w, abs=1e-12)
    assert edit.mirror(preset("roll_cw")).c2w == pytest.approx(preset("roll_ccw").c2w, abs=1e-12)
    assert edit.mirror(preset("tilt_up")).c2w == pytest.approx(preset("tilt_up").c2w, abs=1e-12)


def test_joined_paths_go_on_where_the_one_before_ended():
    path = edit.concatenate(
        [preset("dolly_in", amount=0.4), preset("pan_right", amount=90), preset("dolly_in", amount=1)]
    )
    assert path.frames == 17 + 16 + 16
    assert path.c2w[16, :, 3] == pytest.approx([0, 0, 0.4])
    assert path.c2w[32, :, 2] == pytest.approx([1, 0, 0]), "after a quarter turn the camera looks to the right"
    assert path.c2w[48, :, 3] == pytest.approx([1, 0, 0.4]), "and 'in' is to the right now"
    assert path.speed().max() < 2 * preset("dolly_in", amount=1).speed().max()


def test_joined_zooms_multiply():
    path = edit.concatenate([preset("zoom_in", amount=2), preset("static"), preset("zoom_in", amount=1.5)])
    ratio = path.intrinsics[:, 0] / path.intrinsics[0, 0]
    assert ratio[16] == pytest.approx(2) and ratio[32] == pytest.approx(2) and ratio[-1] == pytest.approx(3)


def test_a_cut_keeps_all_frames_and_poses():
    one, two = preset("pan_left"), preset("truck_right").absolute(preset("pan_right").c2w[-1])
    path = edit.concatenate([one, two], continuous=False)
    assert path.frames == 34
    assert np.array_equal(path.c2w[:17], one.c2w) and np.array_equal(path.c2w[17:], two.c2w)


def test_joining_another_speed_of_frames_keeps_its_duration():
    path = edit.concatenate([preset("pan_left", fps=8), preset("truck_left", frames=49, fps=24)])
    assert path.fps == 8 and path.frames == 17 + 16
    assert edit.concatenate([preset("pan_left"), preset("static", frames=1), preset("pan_left")]).frames == 33


def test_an_orbit_with_a_dolly_on_top_comes_nearer_and_keeps_the_subject_in_the_center():
    path = edit.compose_movements(preset("orbit_right", amount=60), preset("dolly_in", amount=0.5))
    assert image_positions(path) == pytest.approx(0.5)
    assert np.linalg.norm(SUBJECT - path.c2w[-1, :, 3]) == pytest.approx(0.5)


def test_composing_multiplies_zooms_and_spreads_another_length():
    path = edit.compose_movements(preset("zoom_in", amount=2), preset("zoom_in", amount=3, frames=33))
    assert path.frames == 17
    assert path.intrinsics[-1, :2] / path.intrinsics[0, :2] == pytest.approx(6)


def test_half_a_movement_is_half_of_each_part():
    path = edit.scale_movement(preset("orbit_right", amount=30), distance=0.5, turn=0.5)
    full = preset("orbit_right", amount=30)
    assert path.c2w[:, :, 3] == pytest.approx(full.c2w[:, :, 3] / 2)
    assert rotations.to_pan_tilt_roll(path.c2w[-1, :, :3]) == pytest.approx([-15, 0, 0])
    zoomed = edit.scale_movement(preset("zoom_in", amount=4), zoom=0.5)
    assert zoomed.intrinsics[-1, 0] / zoomed.intrinsics[0, 0] == pytest.approx(2)
    assert edit.scale_movement(full).c2w == pytest.approx(full.c2w, abs=1e-12)


def test_rotations_beyond_half_a_turn_scale_too():
    around = preset("pan_right", amount=175)
    twice = edit.concatenate([around, around])
    half = edit.scale_movement(twice, turn=0.5)
    assert half.c2w[-1, :, :3] == pytest.approx(around.c2w[-1, :, :3])
    assert np.degrees(rotations.angle_between(half.c2w[:-1, :, :3], half.c2w[1:, :, :3])).max() < 12


def test_a_truck_that_looks_at_the_subject_turns_against_its_way():
    path = edit.look_at(preset("truck_right", amount=1))
    assert image_positions(path) == pytest.approx(0.5)
    assert rotations.to_pan_tilt_roll(path.c2w[-1, :, :3]) == pytest.approx([-45, 0, 0])


def test_looking_at_keeps_the_roll_only_when_asked():
    rolling = edit.compose_movements(preset("truck_right", amount=0.5), preset("roll_cw", amount=30))
    level, kept = edit.look_at(rolling), edit.look_at(rolling, keep_roll=True)
    assert rotations.to_pan_tilt_roll(level.c2w[-1, :, :3])[2] == pytest.approx(0)
    assert rotations.to_pan_tilt_roll(kept.c2w[-1, :, :3])[2] == pytest.approx(30, abs=4)
    assert image_positions(kept) == pytest.approx(0.5)


def test_a_target_may_move_and_is_seen_from_the_first_camera_wherever_that_stands():
    path = preset("static", frames=9)
    target = np.stack([np.linspace(0, 1, 9), np.zeros(9), np.ones(9)], 1)
    assert rotations.to_pan_tilt_roll(edit.look_at(path, target).c2w[-1, :, :3]) == pytest.approx([45, 0, 0])
    start = np.concatenate([rotations.from_rotvec(np.array([0.4, 1.0, -0.3])), [[3], [1], [2]]], 1)
    moved = preset("truck_right").absolute(start)
    assert edit.look_at(moved).relative().c2w == pytest.approx(edit.look_at(preset("truck_right")).c2w, abs=1e-12)


def test_smoothing_takes_a_shake_away_and_leaves_ends_and_even_movement():
    calm = edit.compose_movements(
        preset("truck_right", frames=65, ease="linear"), preset("pan_left", frames=65, ease="linear")
    )
    assert edit.smooth(calm, 1.0).c2w == pytest.approx(calm.c2w, abs=1e-9), "even movement has nothing to smooth"
    shaky = edit.add_handheld_shake(calm, degrees=1.0, distance=0.02, seed=3, hertz=3.0)
    smoothed = edit.smooth(shaky, 1.5)
    off = [
        np.degrees(rotations.angle_between(calm.c2w[:, :, :3], p.c2w[:, :, :3]))[8:-8].std() for p in (shaky, smoothed)
    ]
    jerk = [np.abs(np.diff(p.c2w, 3, axis=0)).max() for p in (shaky, smoothed)]
    assert jerk[1] < jerk[0] / 10 and off[1] < off[0]
    for end in (0, -1):
        assert smoothed.c2w[end] == pytest.approx(shaky.c2w[end], abs=1e-9)
    assert edit.smooth(shaky, 0) is shaky


def test_smoothing_a_zoom_keeps_its_ends():
    zoom = preset("zoom_in", amount=3, frames=17)
    smoothed = edit.smooth(zoom, 0.8)
    assert smoothed.intrinsics[[0, -1]] == pytest.approx(zoom.intrinsics[[0, -1]])


@pytest.mark.parametrize("kind", EASING_NAMES)
def test_easing_an_even_path_gives_the_eased_preset(kind):
    path = edit.ease(preset("truck_right", frames=33, ease="linear"), kind)
    assert path.c2w == pytest.approx(preset("truck_right", frames=33, ease=kind).c2w, abs=1e-9)
    panned = edit.ease(preset("pan_right", frames=33, ease="linear"), kind)
    assert panned.c2w == pytest.approx(preset("pan_right", frames=33, ease=kind).c2w, abs=1e-9)
    zoomed = edit.ease(preset("zoom_in", frames=129, ease="linear"), kind)
    assert zoomed.intrinsics == pytest.approx(preset("zoom_in", frames=129, ease=kind).intrinsics, rel=1e-4)


def test_a_shake_keeps_its_sizes_its_seed_and_the_first_frame():
    path = preset("static", frames=49)
    one, again, other = (edit.add_handheld_shake(path, 1.5, 0.03, seed=seed) for seed in (1, 1, 2))
    assert np.array_equal(one.c2w, again.c2w) and not np.allclose(one.c2w, other.c2w)
    assert np.degrees(rotations.angle_between(np.eye(3), one.c2w[:, :, :3])).max() == pytest.approx(1.5)
    assert np.linalg.norm(one.c2w[:, :, 3], axis=1).max() == pytest.approx(0.03)
    assert one.c2w[0] == pytest.approx(np.eye(3, 4))
    assert edit.add_handheld_shake(path, 0, 0).c2w == pytest.approx(path.c2w)
    fast = edit.add_handheld_shake(path, 1.5, 0.03, seed=1, hertz=3)
    assert fast.angular_speed().mean() > 1.5 * one.angular_speed().mean()


def test_the_same_seed_shakes_the_same_at_another_frame_rate():
    slow, fast = (handheld_curves(np.arange(n) / fps, 5) for n, fps in ((9, 8), (25, 24)))
    assert fast[::3] == pytest.approx(slow)


def test_a_lens_has_the_field_of_view_of_its_focal_length():
    path = preset("zoom_in", amount=2, aspect=1.5)
    assert edit.with_lens(path, focal_mm=18).fov()[0, 0] == pytest.approx(90)
    assert edit.with_lens(path, fov=60).fov()[0, 0] == pytest.approx(60)
    assert edit.with_lens(path, focal_mm=24.89, sensor_mm=24.89).intrinsics[0, :2] == pytest.approx([1, 1.5])
    kept = edit.with_lens(path, fov=60).intrinsics
    assert kept[-1, 0] / kept[0, 0] == pytest.approx(2)
    assert np.ptp(edit.with_lens(path, fov=60, keep_zoom=False).intrinsics, axis=0) == pytest.approx(0)


def test_dolly_zoom_keeps_the_size_of_the_subject_and_is_the_preset():
    path = edit.dolly_zoom(preset("dolly_in", amount=0.4))
    assert path.intrinsics == pytest.approx(preset("dolly_zoom", amount=0.4).intrinsics)
    edge = image_positions(edit.dolly_zoom(preset("dolly_out", amount=2), 3.0), [[0.6, 0.3, 3.0]])
    assert np.ptp(edge, axis=0) == pytest.approx(0, abs=1e-12)


SHORT = preset("truck_right", frames=5)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: edit.concatenate([]), "at least one"),
        (lambda: edit.concatenate([SHORT, SHORT.replace(pixel_aspect=2)]), "Camera path 2 has pixels of aspect 2"),
        (lambda: edit.scale_movement(SHORT, distance=np.nan), "distance"),
        (lambda: edit.look_at(SHORT, (0, 0)), "three numbers"),
        (lambda: edit.look_at(SHORT, (0.3, 0, 0)), "frame 4 is at the target"),
        (lambda: edit.smooth(SHORT, -1), "0 or more"),
        (lambda: edit.ease(SHORT, "bouncy"), "unknown"),
        (lambda: edit.add_handheld_shake(SHORT, degrees=-1), "degrees"),
        (lambda: edit.add_handheld_shake(SHORT, hertz=0), "hertz"),
        (lambda: edit.add_handheld_shake(SHORT, seed=-1), "seed"),
        (lambda: edit.with_lens(SHORT), "exactly one"),
        (lambda: edit.with_lens(SHORT, fov=50, focal_mm=30), "exactly one"),
        (lambda: edit.with_lens(SHORT, fov=180), "1 to 170"),
        (lambda: edit.with_lens(SHORT, focal_mm=35, sensor_mm=0), "positive"),
        (lambda: edit.dolly_zoom(preset("dolly_in", amount=1.5)), "passes the subject .* in frame"),
        (lambda: edit.dolly_zoom(SHORT, 0), "positive"),
    ],
)
def test_invalid_edits_are_refused(call, says):
    with pytest.raises(UserError, match=says):
        call()
