"""Camera movements by name.

The subject stands at distance 1 on the first camera's axis, which is the unit of all lengths: an orbit keeps it in the
center, a truck of 0.3 moves the camera by 0.3 of its distance. The first frame is always the identity pose and the last
reaches the stated amount exactly (a zoom is stated as a factor of the focal length).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..errors import UserError
from . import rotations
from .easing import eased
from .edit import sway
from .trajectory import CameraTrajectory

SUBJECT = np.array([0.0, 0.0, 1.0])
# A path is a function of progress (F,) 0..1 and the amount; it gives rotations (F,3,3), positions (F,3), zoom (F,).
Path = tuple[np.ndarray, np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Preset:
    """A movement: `doc` in a sentence, the `unit`, `default` and `range` of its amount, and the function behind it.

    around: it circles the subject, or keeps it in view, wherever the camera has got to when movements are combined.
    """

    doc: str
    unit: str
    default: float
    range: tuple[float, float]
    path: Callable[[np.ndarray, float], Path]
    around: bool = False


def _turn(axis: tuple[float, float, float]) -> Callable[[np.ndarray, float], Path]:
    def path(progress: np.ndarray, amount: float) -> Path:
        vector = np.radians(amount) * progress[:, None] * np.asarray(axis)
        return rotations.from_vector(vector), np.zeros((len(progress), 3)), np.ones(len(progress))

    return path


def _shift(direction: tuple[float, float, float]) -> Callable[[np.ndarray, float], Path]:
    def path(progress: np.ndarray, amount: float) -> Path:
        still = np.repeat(np.eye(3)[None], len(progress), 0)
        return still, amount * progress[:, None] * np.asarray(direction), np.ones(len(progress))

    return path


def _orbit(sign: float) -> Callable[[np.ndarray, float], Path]:
    """Around the subject on a level circle, always facing it. Moving right means turning left to keep it in view."""

    def path(progress: np.ndarray, amount: float) -> Path:
        angle = sign * np.radians(amount) * progress
        position = SUBJECT + np.stack([np.sin(angle), 0 * angle, -np.cos(angle)], -1)
        return rotations.looking(SUBJECT - position), position, np.ones(len(progress))

    return path


def _rise(sign: float) -> Callable[[np.ndarray, float], Path]:
    """Around the subject on an upright circle, always facing it."""

    def path(progress: np.ndarray, amount: float) -> Path:
        angle = sign * np.radians(amount) * progress
        position = SUBJECT + np.stack([0 * angle, -np.sin(angle), -np.cos(angle)], -1)
        return rotations.looking(SUBJECT - position), position, np.ones(len(progress))

    return path


def _arc(sign: float) -> Callable[[np.ndarray, float], Path]:
    """A quarter of the amount up and, at the end, a fifth nearer: an orbit as a crane operator would ride it."""

    def path(progress: np.ndarray, amount: float) -> Path:
        angle, rise = sign * np.radians(amount) * progress, np.radians(amount) / 4 * progress
        distance = 1 - 0.2 * progress
        offset = np.stack([np.sin(angle) * np.cos(rise), -np.sin(rise), -np.cos(angle) * np.cos(rise)], -1)
        position = SUBJECT + distance[:, None] * offset
        return rotations.looking(SUBJECT - position), position, np.ones(len(progress))

    return path


def _crane(sign: float) -> Callable[[np.ndarray, float], Path]:
    """Up (or down) while tilting to keep the subject in the center."""

    def path(progress: np.ndarray, amount: float) -> Path:
        position = np.stack([0 * progress, -sign * amount * progress, 0 * progress], -1)
        return rotations.looking(SUBJECT - position), position, np.ones(len(progress))

    return path


def _zoom(out: bool) -> Callable[[np.ndarray, float], Path]:
    def path(progress: np.ndarray, amount: float) -> Path:
        still = np.repeat(np.eye(3)[None], len(progress), 0)
        # Even steps of the logarithm look even.
        return still, np.zeros((len(progress), 3)), (1 / amount if out else amount) ** progress

    return path


def _dolly_zoom(progress: np.ndarray, amount: float) -> Path:
    """Forward by the amount while zooming out, so that the subject keeps its size and the background opens."""
    still = np.repeat(np.eye(3)[None], len(progress), 0)
    return still, amount * progress[:, None] * SUBJECT, 1 - amount * progress


def _spiral(progress: np.ndarray, amount: float) -> Path:
    """One turn on a growing circle in the image plane, facing the subject (the path of view-synthesis demos)."""
    angle, radius = 2 * np.pi * progress, amount * progress
    position = np.stack([radius * np.cos(angle), radius * np.sin(angle), 0.3 * radius], -1)
    return rotations.looking(SUBJECT - position), position, np.ones(len(progress))


def _fly_through(progress: np.ndarray, amount: float) -> Path:
    """Forward past the subject, on one swing to its right: x = amount/10 sin^2(pi p), z = amount p, facing its way.

    It banks into its turns like an aeroplane, by up to 8 degrees, and ends level, facing ahead.
    """
    swing = amount / 10
    position = np.stack([swing * np.sin(np.pi * progress) ** 2, 0 * progress, amount * progress], -1)
    ahead = np.stack([swing * np.pi * np.sin(2 * np.pi * progress), 0 * progress, np.full_like(progress, amount)], -1)
    bank = np.radians(8) * np.sin(np.pi * progress) * np.sin(3 * np.pi * progress)
    roll = rotations.from_vector(bank[:, None] * np.array([0.0, 0.0, 1.0]))
    return rotations.looking(ahead) @ roll, position, np.ones(len(progress))


def _static(progress: np.ndarray, amount: float) -> Path:
    return _shift((0, 0, 0))(progress, 0.0)


_DEGREES, _LENGTH, _FACTOR = "degrees", "subject distances", "times the focal length"
PRESETS: dict[str, Preset] = {
    "static": Preset("The camera stands still.", "", 0.0, (0.0, 0.0), _static),
    "pan_left": Preset("Turns to the left on the spot.", _DEGREES, 20.0, (-360, 360), _turn((0, -1, 0))),
    "pan_right": Preset("Turns to the right on the spot.", _DEGREES, 20.0, (-360, 360), _turn((0, 1, 0))),
    "tilt_up": Preset("Turns upwards on the spot.", _DEGREES, 15.0, (-89, 89), _turn((1, 0, 0))),
    "tilt_down": Preset("Turns downwards on the spot.", _DEGREES, 15.0, (-89, 89), _turn((-1, 0, 0))),
    "roll_cw": Preset("Rolls clockwise, as its operator sees it.", _DEGREES, 20.0, (-360, 360), _turn((0, 0, 1))),
    "roll_ccw": Preset("Rolls the other way.", _DEGREES, 20.0, (-360, 360), _turn((0, 0, -1))),
    "truck_left": Preset("Moves to the left without turning.", _LENGTH, 0.3, (-5, 5), _shift((-1, 0, 0))),
    "truck_right": Preset("Moves to the right without turning.", _LENGTH, 0.3, (-5, 5), _shift((1, 0, 0))),
    "pedestal_up": Preset("Rises without turning.", _LENGTH, 0.2, (-5, 5), _shift((0, -1, 0))),
    "pedestal_down": Preset("Sinks without turning.", _LENGTH, 0.2, (-5, 5), _shift((0, 1, 0))),
    "dolly_in": Preset("Moves forward, toward the subject.", _LENGTH, 0.4, (-5, 5), _shift((0, 0, 1))),
    "dolly_out": Preset("Moves backward, away from the subject.", _LENGTH, 0.4, (-5, 5), _shift((0, 0, -1))),
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
    "orbit_up": Preset("Circles up around the subject, facing it.", _DEGREES, 20.0, (-89, 89), _rise(1), True),
    "orbit_down": Preset("Circles down around the subject, facing it.", _DEGREES, 20.0, (-89, 89), _rise(-1), True),
    "fly_through": Preset("Flies past the subject, banking into the swing.", _LENGTH, 1.8, (0.1, 10), _fly_through),
}


def handheld(times: np.ndarray, amount: float, seed: int = 0, start: float = 0.0, end: float = 1.0) -> Path:
    """A hand's sway at `times` (F,) in seconds, whose largest turn is `amount` degrees.

    start, end: the part of the clip (0..1) in which the hand sways; inside the clip it fades in and out there.
    """
    wave = sway(times, seed)
    at = np.linspace(0, 1, len(times)) if len(times) > 1 else np.zeros(1)
    fade = (end - start) / 4
    if start > 0:
        wave = wave * eased((at - start) / fade, "smooth")[:, None]
    if end < 1:
        wave = wave * eased((end - at) / fade, "smooth")[:, None]
    # The last frame need not be the farthest here: the largest turn of the clip reaches the amount.
    most = np.linalg.norm(wave[:, :3], axis=1).max()
    wave = wave * (np.radians(amount) / most if most > 0 else 0.0)
    return rotations.from_vector(wave[:, :3]), wave[:, 3:] * 0.3, np.ones(len(times))


def checked(name: str, amount: float | None) -> tuple[Preset, float]:
    """The preset and its amount (None: its default). Raises UserError for an unknown name or an amount out of range."""
    if name not in PRESETS:
        close = [known for known in PRESETS if name and (name in known or known.split("_")[0] == name.split("_")[0])]
        raise UserError(f"the camera preset '{name}' is unknown: choose one of {', '.join(close or PRESETS)}")
    movement = PRESETS[name]
    amount = movement.default if amount is None else float(amount)
    least, most = movement.range
    if name != "static" and not least <= amount <= most:
        raise UserError(
            f"an amount of {amount:g} was given for '{name}'; {least:g} to {most:g} {movement.unit} was expected"
        )
    return movement, amount


def intrinsics_of(fov: float, aspect: float) -> np.ndarray:
    """fx fy cx cy (4,), normalized, of a horizontal field of view in degrees; aspect = width / height."""
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
    """The movement `name` of PRESETS over `frames` frames.

    amount: in the preset's unit; None = its default. fov: horizontal field of view in degrees. aspect: width / height
    of the image (square pixels). ease: how the speed is spread (EASES). seed: of 'handheld'. Raises UserError for an
    unknown name or ease and an amount out of the preset's range.
    """
    movement, amount = checked(name, amount)
    if frames < 1:
        raise UserError(f"a camera path of {frames} frames was asked for; at least 1 was expected")
    progress = eased(np.linspace(0, 1, frames) if frames > 1 else np.zeros(1), ease)
    if name == "handheld":
        rotation, position, zoom = handheld(np.arange(frames) / fps, amount, seed)
    else:
        rotation, position, zoom = movement.path(progress, amount)
    intrinsics = np.repeat(intrinsics_of(fov, aspect)[None], frames, 0)
    intrinsics[:, :2] *= zoom[:, None]
    return CameraTrajectory(np.concatenate([rotation, position[..., None]], 2), intrinsics, fps)
