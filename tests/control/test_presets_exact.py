"""Every preset, frame by frame, against poses written down from its definition: to 1e-9, with any easing.

Nothing of the package computes the expected poses: sines and cosines of the stated angle, and for cameras that face
something scipy's rotations about the world's axes.
"""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from comfyui_fulldit.control.camera.presets import PRESETS, preset

FRAMES = 13
FOV, ASPECT = 62.0, 1.4
EASES = {
    "linear": lambda p: p,
    "smooth": lambda p: 3 * p**2 - 2 * p**3,
    "cubic_in": lambda p: p**3,
    "back_out": lambda p: 1 + 2.70158 * (p - 1) ** 3 + 1.70158 * (p - 1) ** 2,
}


def turned(axis: str, degrees: float) -> np.ndarray:
    """About the camera's own axis, right-handed: y is down, so about +y it turns to the right."""
    return Rotation.from_euler(axis, degrees, degrees=True).as_matrix()


def faced(pan: float, tilt: float, roll: float = 0.0) -> np.ndarray:
    """Pan right, then tilt up, then roll clockwise, in degrees: intrinsic rotations about y, x, z."""
    return Rotation.from_euler("YXZ", [pan, tilt, roll], degrees=True).as_matrix()


def sin(degrees: float) -> float:
    return float(np.sin(np.radians(degrees)))


def cos(degrees: float) -> float:
    return float(np.cos(np.radians(degrees)))


def degrees_of(opposite: float, adjacent: float) -> float:
    return float(np.degrees(np.arctan2(opposite, adjacent)))


def arc(side: float, amount: float, p: float):
    around, up, distance = side * amount * p, amount / 4 * p, 1 - 0.2 * p
    place = [distance * sin(around) * cos(up), -distance * sin(up), 1 - distance * cos(around) * cos(up)]
    # On the right of the subject it looks left, and from above it looks down.
    return faced(-around, -up), place


def spiral(amount: float, p: float):
    x, y, z = amount * p * cos(360 * p), amount * p * sin(360 * p), 0.3 * amount * p
    ahead = 1 - z
    return faced(degrees_of(-x, ahead), degrees_of(y, np.hypot(x, ahead))), [x, y, z]


def fly_through(amount: float, p: float):
    way = degrees_of(amount / 10 * np.pi * sin(360 * p), amount)
    bank = 8 * sin(180 * p) * sin(540 * p)
    return faced(way, 0, bank), [amount / 10 * sin(180 * p) ** 2, 0, amount * p]


EYE, HERE = np.eye(3), [0.0, 0.0, 0.0]
# name: amount, and the rotation, position and zoom at progress p.
CLOSED = {
    "static": (None, lambda a, p: (EYE, HERE, 1)),
    "pan_left": (35, lambda a, p: (turned("y", -a * p), HERE, 1)),
    "pan_right": (270, lambda a, p: (turned("y", a * p), HERE, 1)),
    "tilt_up": (40, lambda a, p: (turned("x", a * p), HERE, 1)),
    "tilt_down": (25, lambda a, p: (turned("x", -a * p), HERE, 1)),
    "roll_cw": (50, lambda a, p: (turned("z", a * p), HERE, 1)),
    "roll_ccw": (15, lambda a, p: (turned("z", -a * p), HERE, 1)),
    "truck_left": (0.7, lambda a, p: (EYE, [-a * p, 0, 0], 1)),
    "truck_right": (1.3, lambda a, p: (EYE, [a * p, 0, 0], 1)),
    "pedestal_up": (0.4, lambda a, p: (EYE, [0, -a * p, 0], 1)),
    "pedestal_down": (0.9, lambda a, p: (EYE, [0, a * p, 0], 1)),
    "dolly_in": (0.6, lambda a, p: (EYE, [0, 0, a * p], 1)),
    "dolly_out": (2.0, lambda a, p: (EYE, [0, 0, -a * p], 1)),
    "orbit_left": (70, lambda a, p: (turned("y", a * p), [-sin(a * p), 0, 1 - cos(a * p)], 1)),
    "orbit_right": (360, lambda a, p: (turned("y", -a * p), [sin(a * p), 0, 1 - cos(a * p)], 1)),
    "orbit_up": (50, lambda a, p: (turned("x", -a * p), [0, -sin(a * p), 1 - cos(a * p)], 1)),
    "orbit_down": (30, lambda a, p: (turned("x", a * p), [0, sin(a * p), 1 - cos(a * p)], 1)),
    "arc_left": (45, lambda a, p: (*arc(-1, a, p), 1)),
    "arc_right": (45, lambda a, p: (*arc(1, a, p), 1)),
    "crane_up": (0.8, lambda a, p: (turned("x", -degrees_of(a * p, 1)), [0, -a * p, 0], 1)),
    "crane_down": (0.5, lambda a, p: (turned("x", degrees_of(a * p, 1)), [0, a * p, 0], 1)),
    "zoom_in": (2.5, lambda a, p: (EYE, HERE, a**p)),
    "zoom_out": (1.7, lambda a, p: (EYE, HERE, a**-p)),
    "dolly_zoom": (0.5, lambda a, p: (EYE, [0, 0, a * p], 1 - a * p)),
    "spiral": (0.4, lambda a, p: (*spiral(a, p), 1)),
    "fly_through": (2.4, lambda a, p: (*fly_through(a, p), 1)),
}


def test_every_preset_has_a_closed_form():
    # A hand's sway follows its seed: tests of its own.
    assert set(CLOSED) | {"handheld"} == set(PRESETS)


@pytest.mark.parametrize("ease", EASES)
@pytest.mark.parametrize("name", CLOSED)
def test_every_frame_is_the_closed_form(name, ease):
    amount, closed = CLOSED[name]
    path = preset(name, frames=FRAMES, amount=amount, fov=FOV, aspect=ASPECT, ease=ease)
    focal = 0.5 / np.tan(np.radians(FOV / 2))
    for frame in range(FRAMES):
        rotation, position, zoom = closed(amount, EASES[ease](frame / (FRAMES - 1)))
        assert np.abs(path.c2w[frame, :, :3] - rotation).max() < 1e-9, frame
        assert np.abs(path.c2w[frame, :, 3] - position).max() < 1e-9, frame
        assert np.abs(path.intrinsics[frame] - [focal * zoom, focal * ASPECT * zoom, 0.5, 0.5]).max() < 1e-9, frame


@pytest.mark.parametrize("frames", [2, 17, 77])
@pytest.mark.parametrize("name", CLOSED)
def test_the_last_frame_reaches_the_stated_end(name, frames):
    amount, closed = CLOSED[name]
    path = preset(name, frames=frames, amount=amount, ease="sine_in_out")
    rotation, position, zoom = closed(amount, 1.0)
    assert np.abs(path.c2w[-1, :, :3] - rotation).max() < 1e-9
    assert np.abs(path.c2w[-1, :, 3] - position).max() < 1e-9
    assert path.intrinsics[-1, 0] / path.intrinsics[0, 0] == pytest.approx(zoom, abs=1e-9)


def test_flying_through_passes_the_subject_on_its_right_and_ends_facing_ahead():
    path = preset("fly_through", frames=77, amount=2)
    beside = np.abs(path.c2w[:, 2, 3] - 1).argmin()
    assert path.c2w[beside, 0, 3] == pytest.approx(0.2, abs=0.01)
    assert path.c2w[-1] == pytest.approx(np.array([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 2.0]]))
    # It turns right at first: the horizon sinks on the side it turns to, so its right side points down.
    assert path.c2w[10, 0, 2] > 0 and path.c2w[10, 1, 0] > 0
