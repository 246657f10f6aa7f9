"""Camera movements that a person can picture: how does a point of the world move in the image?"""

from __future__ import annotations

import numpy as np
import pytest

from comfyui_fulldit.control.camera import CameraTrajectory
from comfyui_fulldit.control.camera.easing import EASING_NAMES
from comfyui_fulldit.control.camera.presets import PRESETS, preset
from comfyui_fulldit.control.camera.trajectory import project
from comfyui_fulldit.control.errors import UserError

SUBJECT = np.array([[0.0, 0.0, 1.0]])


def travel(name: str, point=SUBJECT, **options) -> np.ndarray:
    """How far the point moves in the image from the first frame to the last: (x right, y down)."""
    path = preset(name, **options)
    positions = project(np.atleast_2d(np.asarray(point, float)), path.w2c(), path.intrinsics)
    return positions[-1, 0] - positions[0, 0]


@pytest.mark.parametrize(
    ("name", "axis", "sign"),
    [
        ("pan_right", 0, -1),
        ("pan_left", 0, 1),
        ("tilt_up", 1, 1),
        ("tilt_down", 1, -1),
        ("truck_right", 0, -1),
        ("truck_left", 0, 1),
        ("pedestal_up", 1, 1),
        ("pedestal_down", 1, -1),
    ],
)
def test_the_subject_moves_against_the_camera(name, axis, sign):
    moved = travel(name)
    assert sign * moved[axis] > 0.1
    assert abs(moved[1 - axis]) < 1e-12


@pytest.mark.parametrize("name", ["dolly_in", "zoom_in"])
def test_moving_in_and_zooming_in_spread_the_image(name):
    right_and_low = [[0.1, 0.1, 1.0]]
    assert (travel(name, right_and_low) > 0.02).all()
    assert (travel(name.replace("in", "out"), right_and_low) < -0.01).all()


def test_a_clockwise_roll_lifts_what_is_on_the_right():
    # The camera's right side sinks, so in the image the right side of the world rises.
    assert travel("roll_cw", [[0.2, 0.0, 1.0]])[1] < -0.05
    assert travel("roll_ccw", [[0.2, 0.0, 1.0]])[1] > 0.05


@pytest.mark.parametrize(
    "name",
    [
        "orbit_left",
        "orbit_right",
        "orbit_up",
        "orbit_down",
        "crane_up",
        "crane_down",
        "arc_left",
        "arc_right",
        "spiral",
    ],
)
def test_the_subject_stays_in_the_center(name):
    path = preset(name)
    assert project(SUBJECT, path.w2c(), path.intrinsics) == pytest.approx(0.5)


@pytest.mark.parametrize(("side", "sign"), [("right", -1), ("left", 1)])
def test_orbit_moves_the_background_against_the_foreground(side, sign):
    far, near = [[0.0, 0.0, 3.0]], [[0.0, 0.0, 0.5]]
    assert sign * travel(f"orbit_{side}", far)[0] < -0.05  # the background follows the camera
    assert sign * travel(f"orbit_{side}", near)[0] > 0.05


@pytest.mark.parametrize(("side", "sign"), [("up", -1), ("down", 1)])
def test_orbit_from_above_lifts_the_background_in_the_image(side, sign):
    assert sign * travel(f"orbit_{side}", [[0.0, 0.0, 3.0]])[1] > 0.05
    assert sign * travel(f"orbit_{side}", [[0.0, 0.0, 0.5]])[1] < -0.05


def test_dolly_zoom_keeps_the_subject_and_opens_the_background():
    assert abs(travel("dolly_zoom", [[0.2, 0.1, 1.0]])).max() < 1e-12
    assert travel("dolly_zoom", [[0.6, 0.3, 3.0]])[0] < -0.02


def test_the_last_pose_has_its_closed_form():
    c, s = np.cos(np.radians(30)), np.sin(np.radians(30))
    last = preset("pan_right", amount=30).c2w[-1]
    assert last == pytest.approx(np.array([[c, 0, s, 0], [0, 1, 0, 0], [-s, 0, c, 0]]))
    last = preset("orbit_right", amount=30).c2w[-1]
    assert last == pytest.approx(np.array([[c, 0, -s, s], [0, 1, 0, 0], [s, 0, c, 1 - c]]))
    assert preset("truck_left", amount=0.7).c2w[-1, :, 3] == pytest.approx([-0.7, 0, 0])
    assert preset("zoom_in", amount=2).intrinsics[-1, :2] == pytest.approx(2 * preset("static").intrinsics[0, :2])
    assert preset("zoom_out", amount=2).fov()[-1, 0] > preset("static").fov()[0, 0]


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("frames", [1, 2, 17])
def test_every_preset_starts_at_the_identity_and_is_smooth(name, frames):
    path = preset(name, frames=frames)
    assert isinstance(path, CameraTrajectory) and path.frames == frames
    assert path.c2w[0] == pytest.approx(np.eye(3, 4))
    if frames == 17:
        assert np.abs(np.diff(path.c2w, axis=0)).max() < 0.2
        assert name == "static" or np.ptp(path.c2w, axis=0).max() + np.ptp(path.intrinsics, axis=0).max() > 0.02


@pytest.mark.parametrize("kind", EASING_NAMES)
def test_every_ease_reaches_the_stated_end_exactly(kind):
    x = preset("truck_right", amount=1, ease=kind).c2w[:, 0, 3]
    assert x[0] == 0 and x[-1] == 1


def test_smooth_is_slow_at_both_ends():
    steps = np.diff(preset("truck_right", amount=1).c2w[:, 0, 3])
    assert steps[0] < steps[8] / 3 and steps[-1] < steps[8] / 3


def test_handheld_follows_its_seed_and_keeps_its_amount():
    a, b, c = (preset("handheld", amount=3, seed=seed) for seed in (0, 0, 1))
    assert np.array_equal(a.c2w, b.c2w) and not np.allclose(a.c2w, c.c2w)
    turned = np.degrees(np.arccos((np.trace(a.c2w[:, :, :3], axis1=1, axis2=2) - 1).clip(-2, 2) / 2))
    assert turned.max() == pytest.approx(3)


def test_fov_and_aspect_make_square_pixels():
    path = preset("static", fov=60, aspect=1.5)
    assert path.fov()[0, 0] == pytest.approx(60)
    assert path.intrinsics[0, 1] / path.intrinsics[0, 0] == pytest.approx(1.5)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"name": "pan_up"}, "pan_left"),
        ({"name": "nonsense"}, "truck_left"),
        ({"name": "zoom_in", "amount": 0}, "1 to 8"),
        ({"name": "pan_left", "amount": float("nan")}, "-360 to 360"),
        ({"name": "static", "frames": 0}, "at least 1"),
        ({"name": "pan_left", "ease": "bouncy"}, "smooth"),
        ({"name": "static", "fov": 200}, "field of view"),
        ({"name": "static", "aspect": 0}, "width / height"),
    ],
)
def test_invalid_presets_are_refused(arguments, says):
    with pytest.raises(UserError, match=says):
        preset(**arguments)
