"""Camera movements of the world: from a composed view, a path of camera-to-world matrices and intrinsics.

World and camera axes are x right, y down, z forward. The composed view lies inside the path (between 25 and 75 % of
it), so that the subject stays in view for most of a large movement; everything else about a trajectory is relative
to its first frame anyway. Amounts are drawn large enough to be seen at 64x96.

Shapes: T frames. A new movement is a function and an entry of SEEN_MOVEMENTS or UNSEEN_MOVEMENTS; changing the order of
entries, or of random draws, changes the world.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from ..control.camera.cubic_curves import catmull_rom
from ..control.camera.rotations import from_pan_tilt_roll, look_at_rotation
from ..control.camera.shake import sum_of_sines
from ..control.camera.trajectory import make_poses
from ..control.errors import UserError

# The camera stays at least this far above the ground, in distances of the composed view.
MIN_HEIGHT = 0.12


@dataclass(frozen=True)
class CameraPath:
    """c2w (T,3,4) and intrinsics (T,4) in float64, with the movement's name and direction (+1 or -1)."""

    movement: str
    direction: int
    c2w: np.ndarray
    intrinsics: np.ndarray

    @property
    def caption(self) -> str:
        """A sentence about the movement."""
        forward, backward = MOVEMENTS[self.movement].captions
        return forward if self.direction > 0 else backward


@dataclass(frozen=True)
class Draw:
    """What was drawn for a path before its movement: `progress` (T,) from 0 to 1, eased or not, the part of it at which
    the view is the composed one, the direction (+1 or -1), and the strength (0 to 1) of the movement."""

    rng: np.random.Generator
    progress: np.ndarray
    composed_at: float
    direction: int
    strength: float

    def amount(self, weakest: float, strongest: float) -> float:
        """Return the amount at the drawn strength."""
        return weakest + (strongest - weakest) * self.strength

    @property
    def offset(self) -> np.ndarray:
        """Progress since the composed view (T,), negative before it; its sign follows the direction."""
        offset: np.ndarray = self.direction * (self.progress - self.composed_at)
        return offset


@dataclass(frozen=True)
class Motion:
    """How a camera departs from its composed view, frame by frame; numbers stand for all frames.

    azimuth, elevation: degrees around the target, added to those of the composed view (T,). distance: to the target, as
    a factor (T,). shift: right, down and forward (T,3) in distances of the composed view, along the camera's axes, or
    the world's if in_world_axes. pan, tilt, roll: degrees (T,). zoom: factor of the focal length (T,). target_shift:
    (T,3) like shift, in world axes; where it is not None the camera looks at the shifted target, without pan, tilt and
    roll.
    """

    azimuth: np.ndarray | float = 0.0
    elevation: np.ndarray | float = 0.0
    distance: np.ndarray | float = 1.0
    shift: np.ndarray = field(default_factory=lambda: np.zeros((1, 3)))
    in_world_axes: bool = False
    pan: np.ndarray | float = 0.0
    tilt: np.ndarray | float = 0.0
    roll: np.ndarray | float = 0.0
    zoom: np.ndarray | float = 1.0
    target_shift: np.ndarray | None = None


def _along(axis: int, values: np.ndarray) -> np.ndarray:
    """Return values (T,) along one axis: (T,3)."""
    result: np.ndarray = np.eye(3)[axis] * values[:, None]
    return result


def _static(draw: Draw) -> Motion:
    return Motion()


def _pan(draw: Draw) -> Motion:
    return Motion(pan=draw.amount(14, 34) * draw.offset)


def _tilt(draw: Draw) -> Motion:
    return Motion(tilt=-draw.amount(9, 22) * draw.offset)


def _roll(draw: Draw) -> Motion:
    return Motion(roll=draw.amount(12, 36) * draw.offset)


def _truck(draw: Draw) -> Motion:
    return Motion(shift=_along(0, draw.amount(0.25, 0.6) * draw.offset))


def _pedestal(draw: Draw) -> Motion:
    return Motion(shift=_along(1, draw.amount(0.15, 0.35) * draw.offset), in_world_axes=True)


def _dolly(draw: Draw) -> Motion:
    return Motion(shift=_along(2, draw.amount(0.25, 0.55) * draw.offset))


def _orbit(draw: Draw) -> Motion:
    return Motion(azimuth=draw.amount(20, 60) * draw.offset)


def _arc(draw: Draw) -> Motion:
    return Motion(azimuth=draw.amount(18, 45) * draw.offset, elevation=draw.amount(8, 18) * draw.progress)


def _crane(draw: Draw) -> Motion:
    rising = draw.progress if draw.direction < 0 else 1 - draw.progress
    return Motion(elevation=draw.amount(12, 28) * rising)


def _zoom(draw: Draw) -> Motion:
    return Motion(zoom=draw.amount(1.35, 1.9) ** draw.offset)


def _handheld(draw: Draw) -> Motion:
    rates, phases = draw.rng.uniform(0.5, 2.6, (6, 3)), draw.rng.uniform(0, 2 * np.pi, (6, 3))
    # Over the clip's length, not its seconds; divided by 1.7 the amplitude is about 1.
    times = np.linspace(0, 1, len(draw.progress))
    shake = sum_of_sines(times, rates, phases) / 1.7 * draw.amount(0.6, 1.3)
    pan, tilt, roll = (np.array([3.5, 2.5, 2.5]) * shake[:, :3]).T
    return Motion(pan=pan, tilt=tilt, roll=roll, shift=0.035 * shake[:, 3:])


def _spline(draw: Draw) -> Motion:
    positions = draw.rng.uniform(-1, 1, (4, 3)) * np.array([0.32, 0.12, 0.26])
    targets = draw.rng.uniform(-1, 1, (4, 3)) * np.array([0.14, 0.05, 0.05])
    return Motion(
        shift=catmull_rom(positions, draw.progress),
        in_world_axes=True,
        target_shift=catmull_rom(targets, draw.progress),
    )


def _spiral(draw: Draw) -> Motion:
    return Motion(azimuth=draw.amount(25, 60) * draw.offset, distance=1 - draw.amount(0.2, 0.4) * draw.offset)


def _dolly_zoom(draw: Draw) -> Motion:
    forward = draw.amount(0.25, 0.45) * draw.offset
    return Motion(shift=_along(2, forward), zoom=1 - forward)


def _pan_dolly(draw: Draw) -> Motion:
    forward = draw.amount(0.2, 0.4) * (draw.progress - draw.composed_at)
    return Motion(pan=draw.amount(12, 24) * draw.offset, shift=_along(2, forward))


def _zigzag(draw: Draw) -> Motion:
    swing = draw.direction * np.sin(2 * np.pi * draw.progress)
    return Motion(shift=_along(0, draw.amount(0.12, 0.3) * swing))


def _orbit_roll(draw: Draw) -> Motion:
    return Motion(azimuth=draw.amount(20, 60) * draw.offset, roll=draw.amount(10, 24) * draw.offset)


@dataclass(frozen=True)
class Movement:
    """A movement's function, and the sentences about it in direction +1 and -1."""

    motion: Callable[[Draw], Motion]
    captions: tuple[str, str]


SEEN_MOVEMENTS: dict[str, Movement] = {
    "static": Movement(_static, ("The camera stands still.", "The camera stands still.")),
    "pan": Movement(_pan, ("The camera pans right.", "The camera pans left.")),
    "tilt": Movement(_tilt, ("The camera tilts down.", "The camera tilts up.")),
    "roll": Movement(_roll, ("The camera rolls clockwise.", "The camera rolls counterclockwise.")),
    "truck": Movement(_truck, ("The camera moves right.", "The camera moves left.")),
    "pedestal": Movement(_pedestal, ("The camera sinks.", "The camera rises.")),
    "dolly": Movement(_dolly, ("The camera moves in.", "The camera moves back.")),
    "orbit": Movement(_orbit, ("The camera orbits to the right.", "The camera orbits to the left.")),
    "arc": Movement(_arc, ("The camera arcs up to the right.", "The camera arcs up to the left.")),
    "crane": Movement(_crane, ("The camera cranes down.", "The camera cranes up.")),
    "zoom": Movement(_zoom, ("The camera zooms in.", "The camera zooms out.")),
    "handheld": Movement(_handheld, ("The camera is handheld.", "The camera is handheld.")),
    "spline": Movement(_spline, ("The camera flies along a curve.", "The camera flies along a curve.")),
}
UNSEEN_MOVEMENTS: dict[str, Movement] = {
    "spiral": Movement(_spiral, ("The camera spirals inwards.", "The camera spirals outwards.")),
    "dolly_zoom": Movement(
        _dolly_zoom, ("The camera moves in while it zooms out.", "The camera moves back while it zooms in.")
    ),
    "pan_dolly": Movement(_pan_dolly, ("The camera moves in and pans right.", "The camera moves in and pans left.")),
    "zigzag": Movement(_zigzag, ("The camera swings right and left.", "The camera swings left and right.")),
    "orbit_roll": Movement(
        _orbit_roll, ("The camera orbits to the right and rolls.", "The camera orbits to the left and rolls.")
    ),
}
MOVEMENTS = {**SEEN_MOVEMENTS, **UNSEEN_MOVEMENTS}
SEEN, UNSEEN = tuple(SEEN_MOVEMENTS), tuple(UNSEEN_MOVEMENTS)


def make_path(
    rng: np.random.Generator,
    movement: str,
    frames: int,
    distance: float,
    elevation: float,
    target: np.ndarray,
    fx: float,
    aspect: float,
) -> CameraPath:
    """Return a path of `movement` whose composed view looks at `target` (3,) from `distance` and `elevation` (radians).

    fx: of the composed view, in image widths. aspect: width / height. Raises UserError for an unknown movement.
    """
    if movement not in MOVEMENTS:
        raise UserError(f"the camera movement '{movement}' is unknown; known are {', '.join(MOVEMENTS)}")
    direction = 1 if rng.random() < 0.5 else -1
    composed_at = rng.uniform(0.25, 0.75)
    progress = np.linspace(0, 1, frames)
    if rng.random() < 0.5:
        progress = progress * progress * (3 - 2 * progress)
    motion = MOVEMENTS[movement].motion(Draw(rng, progress, composed_at, direction, strength=rng.random()))
    c2w = _poses(motion, frames, distance, elevation, target)
    zoom, half = np.broadcast_to(motion.zoom, frames), np.full(frames, 0.5)
    return CameraPath(movement, direction, c2w, np.stack([fx * zoom, fx * aspect * zoom, half, half], -1))


def _poses(motion: Motion, frames: int, distance: float, elevation: float, target: np.ndarray) -> np.ndarray:
    """Return the camera-to-world poses (T,3,4) of a motion."""
    azimuth = np.radians(np.broadcast_to(motion.azimuth, frames))
    elevations = elevation + np.radians(np.broadcast_to(motion.elevation, frames))
    distances = distance * np.broadcast_to(motion.distance, frames)
    level = distances * np.cos(elevations)
    offset = np.stack([np.sin(azimuth) * level, -distances * np.sin(elevations), -np.cos(azimuth) * level], -1)
    eye = target + offset
    rotation = look_at_rotation(-offset)
    # Pedestal and truck keep to the world's axes, dolly follows the view; all are what the word says on a set.
    shift = distance * np.broadcast_to(motion.shift, (frames, 3))
    eye = eye + (shift if motion.in_world_axes else np.einsum("tij,tj->ti", rotation, shift))
    if motion.target_shift is not None:
        rotation = look_at_rotation(target + distance * motion.target_shift - eye)
    else:
        zero = np.zeros(frames)
        pan, tilt, roll = (np.broadcast_to(angle, frames) for angle in (motion.pan, motion.tilt, motion.roll))
        # A pan turns about the world's vertical, so the horizon stays level.
        about_vertical = from_pan_tilt_roll(np.stack([pan, zero, zero], -1))
        rotation = about_vertical @ rotation @ from_pan_tilt_roll(np.stack([zero, tilt, roll], -1))
    eye[:, 1] = np.minimum(eye[:, 1], -MIN_HEIGHT * distance)
    return make_poses(rotation, eye)
