"""Camera movements by name.

The subject is at distance 1 on the first camera's axis, which is the unit of all lengths: an orbit keeps it in the
center, a truck of 0.3 moves the camera by 0.3 of its distance. The first frame is always the identity pose and the last
reaches the stated amount exactly (a zoom is stated as a factor of the focal length).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ..errors import UserError
from . import rotations
from .easing import apply_easing
from .rotations import PAN_AXIS, ROLL_AXIS, TILT_AXIS, about_axis
from .shake import handheld_curves
from .trajectory import CameraTrajectory, make_poses

SUBJECT = np.array([0.0, 0.0, 1.0])
# The translation of a handheld camera, in subject distances per radian of its rotation.
_SHIFT_PER_RADIAN = 0.3


class Movement(NamedTuple):
    """A movement relative to the first camera: rotations (F, 3, 3), positions (F, 3), and zoom (F,), which multiplies
    the focal length."""

    rotations: np.ndarray
    positions: np.ndarray
    zoom: np.ndarray

    def poses(self) -> np.ndarray:
        """Return the camera-to-world poses (F, 3, 4)."""
        return make_poses(self.rotations, self.positions)


# A movement as a function of progress (F,) from 0 to 1 and the amount.
MovementFunction = Callable[[np.ndarray, float], Movement]


@dataclass(frozen=True)
class Preset:
    """A movement: `doc` in a sentence, the `unit`, `default` and `range` of its amount, and the function behind it.

    faces_subject: it circles the subject or keeps it in view, wherever the camera is when movements are combined.
    """

    doc: str
    unit: str
    default: float
    range: tuple[float, float]
    movement: MovementFunction
    faces_subject: bool = False


def _rotate_only(rotation: np.ndarray) -> Movement:
    return Movement(rotation, np.zeros((len(rotation), 3)), np.ones(len(rotation)))


def _translate_only(positions: np.ndarray) -> Movement:
    return Movement(np.repeat(np.eye(3)[None], len(positions), 0), positions, np.ones(len(positions)))


def _face_subject(positions: np.ndarray) -> Movement:
    return Movement(rotations.look_at_rotation(SUBJECT - positions), positions, np.ones(len(positions)))


def _rotate(axis: np.ndarray, sign: float) -> MovementFunction:
    return lambda progress, amount: _rotate_only(about_axis(sign * axis, np.radians(amount) * progress))


def _translate(direction: tuple[float, float, float]) -> MovementFunction:
    return lambda progress, amount: _translate_only(amount * progress[:, None] * np.asarray(direction))


def _orbit(sign: float) -> MovementFunction:
    """Return a movement around the subject on a level circle, facing it: moving right means panning left."""

    def movement(progress: np.ndarray, amount: float) -> Movement:
        angle = sign * np.radians(amount) * progress
        return _face_subject(SUBJECT + np.stack([np.sin(angle), 0 * angle, -np.cos(angle)], -1))

    return movement


def _vertical_orbit(sign: float) -> MovementFunction:
    """Return a movement around the subject on an upright circle, facing it."""

    def movement(progress: np.ndarray, amount: float) -> Movement:
        angle = sign * np.radians(amount) * progress
        return _face_subject(SUBJECT + np.stack([0 * angle, -np.sin(angle), -np.cos(angle)], -1))

    return movement


def _arc(sign: float) -> MovementFunction:
    """Return an orbit that also rises by a quarter of the amount and, at the end, is a fifth nearer."""

    def movement(progress: np.ndarray, amount: float) -> Movement:
        azimuth, elevation = sign * np.radians(amount) * progress, np.radians(amount) / 4 * progress
        distance = 1 - 0.2 * progress
        offset = [np.sin(azimuth) * np.cos(elevation), -np.sin(elevation), -np.cos(azimuth) * np.cos(elevation)]
        return _face_subject(SUBJECT + distance[:, None] * np.stack(offset, -1))

    return movement


def _crane(sign: float) -> MovementFunction:
    """Return a movement up (or down) that tilts to keep the subject in the center."""

    def movement(progress: np.ndarray, amount: float) -> Movement:
        return _face_subject(np.stack([0 * progress, -sign * amount * progress, 0 * progress], -1))

    return movement


def _zoom(out: bool) -> MovementFunction:
    def movement(progress: np.ndarray, amount: float) -> Movement:
        still = _static(progress, amount)
        # Even steps of the logarithm look even.
        return still._replace(zoom=(1 / amount if out else amount) ** progress)

    return movement


def _dolly_zoom(progress: np.ndarray, amount: float) -> Movement:
    """Move forward by the amount while zooming out, so that the subject keeps its size and the background opens."""
    return _translate_only(amount * progress[:, None] * SUBJECT)._replace(zoom=1 - amount * progress)


def _spiral(progress: np.ndarray, amount: float) -> Movement:
    """Circle once on a growing radius in the image plane, facing the subject (the path of view-synthesis demos)."""
    angle, radius = 2 * np.pi * progress, amount * progress
    return _face_subject(np.stack([radius * np.cos(angle), radius * np.sin(angle), 0.3 * radius], -1))


def _fly_through(progress: np.ndarray, amount: float) -> Movement:
    """Fly past the subject on its right: x = amount/10 sin^2(pi p), z = amount p, facing the direction of flight.

    The camera banks into its turns like an airplane, by up to 8 degrees, and ends level, facing ahead.
    """
    swing = amount / 10
    positions = np.stack([swing * np.sin(np.pi * progress) ** 2, 0 * progress, amount * progress], -1)
    velocity = np.stack(
        [swing * np.pi * np.sin(2 * np.pi * progress), 0 * progress, np.full_like(progress, amount)], -1
    )
    bank = np.radians(8) * np.sin(np.pi * progress) * np.sin(3 * np.pi * progress)
    rotation = rotations.look_at_rotation(velocity) @ about_axis(ROLL_AXIS, bank)
    return Movement(rotation, positions, np.ones(len(progress)))


def _static(progress: np.ndarray, amount: float) -> Movement:
    return _translate_only(np.zeros((len(progress), 3)))


_DEGREES, _LENGTH, _FACTOR = "degrees", "subject distances", "times the focal length"
PRESETS: dict[str, Preset] = {
    "static": Preset("The camera stands still.", "", 0.0, (0.0, 0.0), _static),
    "pan_left": Preset("Turns to the left on the spot.", _DEGREES, 20.0, (-360, 360), _rotate(PAN_AXIS, -1)),
    "pan_right": Preset("Turns to the right on the spot.", _DEGREES, 20.0, (-360, 360), _rotate(PAN_AXIS, 1)),
    "tilt_up": Preset("Turns upwards on the spot.", _DEGREES, 15.0, (-89, 89), _rotate(TILT_AXIS, 1)),
    "tilt_down": Preset("Turns downwards on the spot.", _DEGREES, 15.0, (-89, 89), _rotate(TILT_AXIS, -1)),
    "roll_cw": Preset("Rolls clockwise, as its operator sees it.", _DEGREES, 20.0, (-360, 360), _rotate(ROLL_AXIS, 1)),
    "roll_ccw": Preset("Rolls the other way.", _DEGREES, 20.0, (-360, 360), _rotate(ROLL_AXIS, -1)),
    "truck_left": Preset("Moves to the left without turning.", _LENGTH, 0.3, (-5, 5), _translate((-1, 0, 0))),
    "truck_right": Preset("Moves to the right without turning.", _LENGTH, 0.3, (-5, 5), _translate((1, 0, 0))),
    "pedestal_up": Preset("Rises without turning.", _LENGTH, 0.2, (-5, 5), _translate((0, -1, 0))),
    "pedestal_down": Preset("Sinks without turning.", _LENGTH, 0.2, (-5, 5), _translate((0, 1, 0))),
    "dolly_in": Preset("Moves forward, toward the subject.", _LENGTH, 0.4, (-5, 5), _translate((0, 0, 1))),
    "dolly_out": Preset("Moves backward, away from the subject.", _LENGTH, 0.4, (-5, 5), _translate((0, 0, -1))),
    "orbit_left": Preset("Circles left around the subject, facing it.", _DEGREES, 25.0, (-360, 360), _orbit(-1), True),
    "orbit_right": Preset("Circles right around the subject, facing it.", _DEGREES, 25.0, (-360, 360), _orbit(1), True),
    "arc_left": Preset("Circles left, rises a little and comes nearer.", _DEGREES, 25.0, (-360, 360), _arc(-1), True),
    "arc_right": Preset("Circles right, rises a little and comes nearer.", _DEGREES, 25.0, (-360, 360), _arc(1), True),
    "crane_up": Preset("Rises while keeping the subject in the center.", _LENGTH, 0.4, (-5, 5), _crane(1), True),
    "crane_down": Preset("Sinks while keeping the subject in the center.", _LENGTH, 0.4, (-5, 5), _crane(-1), True),
    "zoom_in": Preset("Lengthens the focal length; the camera stands still.", _FACTOR, 1.6, (1, 8), _zoom(False)),
    "zoom_out": Preset("Shortens the focal length; the camera stands still.", _FACTOR, 1.6, (1, 8), _zoom(True)),
    "dolly_zoom": Preset("Forward and zooming out: the subject keeps its size.", _LENGTH, 0.4, (-3, 0.9), _dolly_zoom),
    "handheld": Preset("Small smooth sways of a hand, from the seed.", "degrees of sway", 2.0, (0, 15), _static),
    "spiral": Preset("One widening circle, facing the subject.", _LENGTH, 0.25, (-2, 2), _spiral, True),
    "orbit_up": Preset(
        "Circles up around the subject, facing it.", _DEGREES, 20.0, (-89, 89), _vertical_orbit(1), True
    ),
    "orbit_down": Preset(
        "Circles down around the subject, facing it.", _DEGREES, 20.0, (-89, 89), _vertical_orbit(-1), True
    ),
    "fly_through": Preset("Flies past the subject, banking into the swing.", _LENGTH, 1.8, (0.1, 10), _fly_through),
}


def _handheld(times: np.ndarray, amount: float, seed: int, start: float, end: float) -> Movement:
    """Return the shake of a hand at `times` (F,) in seconds, whose largest rotation is `amount` degrees.

    start, end: the part of the clip (0..1) in which the camera shakes; it fades in and out where these are inside.
    """
    curves = handheld_curves(times, seed)
    at = _clip_times(len(times))
    fade = (end - start) / 4
    if start > 0:
        curves = curves * apply_easing((at - start) / fade, "smooth")[:, None]
    if end < 1:
        curves = curves * apply_easing((end - at) / fade, "smooth")[:, None]
    # The last frame need not be the farthest here: the largest rotation of the clip reaches the amount.
    largest = np.linalg.norm(curves[:, :3], axis=1).max()
    curves = curves * (np.radians(amount) / largest if largest > 0 else 0.0)
    rotation = rotations.from_rotvec(curves[:, :3])
    return Movement(rotation, curves[:, 3:] * _SHIFT_PER_RADIAN, np.ones(len(times)))


def _clip_times(frames: int) -> np.ndarray:
    """Return the time of each frame, 0 for the first to 1 for the last."""
    return np.linspace(0, 1, frames) if frames > 1 else np.zeros(1)


def resolve_preset(name: str, amount: float | None) -> tuple[Preset, float]:
    """Return the preset and its amount (None: its default).

    Raises UserError for an unknown name or an amount out of the preset's range.
    """
    if name not in PRESETS:
        close = [known for known in PRESETS if name and (name in known or known.split("_")[0] == name.split("_")[0])]
        raise UserError(f"the camera preset '{name}' is unknown: choose one of {', '.join(close or PRESETS)}")
    chosen = PRESETS[name]
    amount = chosen.default if amount is None else float(amount)
    least, most = chosen.range
    if name != "static" and not least <= amount <= most:
        raise UserError(
            f"an amount of {amount:g} was given for '{name}'; {least:g} to {most:g} {chosen.unit} was expected"
        )
    return chosen, amount


def preset_movement(
    name: str,
    frames: int,
    fps: float,
    amount: float | None = None,
    ease: str = "smooth",
    seed: int = 0,
    start: float = 0.0,
    end: float = 1.0,
) -> Movement:
    """Return the movement `name` of PRESETS between the times `start` and `end` (0..1) of a clip of `frames` frames.

    The camera has not moved before `start` and keeps its pose after `end`; a handheld camera is still at both.
    Parameters and errors as in `preset`.
    """
    chosen, amount = resolve_preset(name, amount)
    if name == "handheld":
        return _handheld(np.arange(frames) / fps, amount, seed, start, end)
    return chosen.movement(apply_easing((_clip_times(frames) - start) / (end - start), ease), amount)


def intrinsics_from_fov(fov: float, aspect: float) -> np.ndarray:
    """Return fx fy cx cy (4,), normalized, of a horizontal field of view in degrees; aspect = width / height.

    Raises UserError for an angle outside 1..170 and an aspect that is not positive.
    """
    if not 1 <= fov <= 170:
        raise UserError(f"a field of view of {fov} degrees was given; 1 to 170 was expected")
    if not aspect > 0:
        raise UserError(f"the aspect is {aspect}; width / height was expected")
    focal = 0.5 / math.tan(math.radians(fov) / 2)
    return np.array([focal, focal * aspect, 0.5, 0.5])


def preset(
    name: str,
    frames: int = 17,
    amount: float | None = None,
    fps: float = 8.0,
    fov: float = 50.0,
    aspect: float = 1.5,
    ease: str = "smooth",
    seed: int = 0,
) -> CameraTrajectory:
    """Return the movement `name` of PRESETS as a path of `frames` frames.

    amount: in the preset's unit; None = its default. fov: horizontal field of view in degrees. aspect: width / height
    of the image (square pixels). ease: how the speed is spread (EASING_NAMES). seed: of 'handheld'. Raises UserError
    for an unknown name or ease and an amount out of the preset's range.
    """
    resolve_preset(name, amount)
    if frames < 1:
        raise UserError(f"a camera path of {frames} frames was asked for; at least 1 was expected")
    apply_easing(0.0, ease)
    movement = preset_movement(name, frames, fps, amount, ease, seed)
    intrinsics = np.repeat(intrinsics_from_fov(fov, aspect)[None], frames, 0)
    intrinsics[:, :2] *= movement.zoom[:, None]
    return CameraTrajectory(movement.poses(), intrinsics, fps)
