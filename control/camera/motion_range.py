"""The range of camera movement that a model was trained on, and warnings about a path that leaves it.

A network follows the movements it was trained on and guesses beyond them. The range is a few numbers that travel with a
checkpoint as JSON; a path outside it still works, with a warning that says what is too much and by how much.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import UserError
from ..files import JsonObject
from . import rotations
from .trajectory import CameraTrajectory

Range = tuple[float, float]


@dataclass(frozen=True)
class CameraMotionRange:
    """The range of movement of a set of clips, each relative to its first frame; the fields are its JSON keys.

    pan, tilt, roll: degrees (right, up, clockwise are positive). right, down, forward: the camera's position in the
    clips' unit. fov: horizontal, degrees. turn, distance: the largest angle to and distance from the first camera.
    turn_step, distance_step: the largest from one frame to the next. clips: how many were measured.
    """

    pan: Range
    tilt: Range
    roll: Range
    right: Range
    down: Range
    forward: Range
    fov: Range
    turn: float
    distance: float
    turn_step: float
    distance_step: float
    clips: int = 1

    def to_json(self) -> JsonObject:
        """Return plain JSON values, rounded to six digits after the point."""
        values = dataclasses.asdict(self)
        return {
            name: [round(v, 6) for v in value] if isinstance(value, tuple) else round(value, 6)
            for name, value in values.items()
        }

    def joined(self, other: CameraMotionRange) -> CameraMotionRange:
        """Return the range of the clips of both."""
        values: dict[str, Any] = {"clips": self.clips + other.clips}
        for field in dataclasses.fields(self)[:-1]:
            ours, theirs = getattr(self, field.name), getattr(other, field.name)
            both = isinstance(ours, tuple)
            values[field.name] = (min(ours[0], theirs[0]), max(ours[1], theirs[1])) if both else max(ours, theirs)
        return CameraMotionRange(**values)

    @classmethod
    def from_json(cls, value: Any) -> CameraMotionRange:
        """Return the range that `to_json` wrote. Raises UserError for any other value."""
        is_range = {field.name: field.type == "Range" for field in dataclasses.fields(cls)}
        if not isinstance(value, dict) or set(value) != set(is_range):
            raise UserError(f"a camera motion range has the fields {', '.join(is_range)}; something else was given")
        return cls(**{name: _read_field(name, entry, is_range[name]) for name, entry in value.items()})


def _read_field(name: str, entry: Any, is_range: bool) -> Any:
    """Return a field of CameraMotionRange as its type has it. Raise UserError for anything but finite numbers."""
    numbers = entry if is_range else [entry]
    valid = isinstance(numbers, (list, tuple)) and len(numbers) == (2 if is_range else 1)
    if not valid or not all(isinstance(n, (int, float)) and math.isfinite(n) for n in numbers):
        expected = "two numbers were" if is_range else "a number was"
        raise UserError(f"'{name}' of a camera motion range is {entry!r}; {expected} expected")
    return tuple(float(n) for n in numbers) if is_range else entry


def measure_motion_range(paths: Iterable[CameraTrajectory]) -> CameraMotionRange:
    """Return the range that covers all the paths. Raises UserError for no paths."""
    lows, highs, maxima = [], [], []
    for path in paths:
        c2w = path.relative().c2w
        # Beyond half a turn a pan goes on counting: neighbors are never that far apart.
        angles = np.degrees(np.unwrap(np.radians(rotations.to_pan_tilt_roll(c2w[:, :, :3])), axis=0))
        ranged = np.concatenate([angles, c2w[:, :, 3], path.fov()[:, :1]], 1)
        lows.append(ranged.min(0))
        highs.append(ranged.max(0))
        maxima.append(
            [
                np.degrees(rotations.angle_between(np.eye(3), c2w[:, :, :3])).max(),
                np.linalg.norm(c2w[:, :, 3], axis=1).max(),
                path.angular_speed().max() / path.fps,
                path.speed().max() / path.fps,
            ]
        )
    if not lows:
        raise UserError("no camera path was given to measure the motion range of")
    names = [field.name for field in dataclasses.fields(CameraMotionRange)]
    ranges = zip(np.min(lows, 0).tolist(), np.max(highs, 0).tolist(), strict=True)
    values: list[Any] = [*ranges, *np.max(maxima, 0).tolist(), len(lows)]
    return CameraMotionRange(**dict(zip(names, values, strict=True)))


@dataclass(frozen=True)
class _Direction:
    """One sense of a movement: the range's field, whether its negative side, the words, and the least that counts."""

    field: str
    negative: bool
    words: str
    least: float
    unit: str

    def extent(self, motion: CameraMotionRange) -> float:
        """Return how far the movement goes in this sense, at least 0."""
        low, high = getattr(motion, self.field)
        return max(0.0, float(-low if self.negative else high))


_DEGREES, _LEAST_DEGREES, _LEAST_LENGTH = " degrees", 0.5, 0.01
_DIRECTIONS = (
    _Direction("pan", False, "pans to the right by {}", _LEAST_DEGREES, _DEGREES),
    _Direction("pan", True, "pans to the left by {}", _LEAST_DEGREES, _DEGREES),
    _Direction("tilt", False, "tilts up by {}", _LEAST_DEGREES, _DEGREES),
    _Direction("tilt", True, "tilts down by {}", _LEAST_DEGREES, _DEGREES),
    _Direction("roll", False, "rolls clockwise by {}", _LEAST_DEGREES, _DEGREES),
    _Direction("roll", True, "rolls counterclockwise by {}", _LEAST_DEGREES, _DEGREES),
    _Direction("right", False, "moves to the right by {}", _LEAST_LENGTH, ""),
    _Direction("right", True, "moves to the left by {}", _LEAST_LENGTH, ""),
    _Direction("down", False, "moves down by {}", _LEAST_LENGTH, ""),
    _Direction("down", True, "moves up by {}", _LEAST_LENGTH, ""),
    _Direction("forward", False, "moves forward by {}", _LEAST_LENGTH, ""),
    _Direction("forward", True, "moves back by {}", _LEAST_LENGTH, ""),
)


@dataclass(frozen=True)
class _Excess:
    """A movement beyond the range: by which factor, and a sentence about it."""

    factor: float
    sentence: str


def _excess(value: float, trained: float, least: float, margin: float, words: str, unit: str) -> list[_Excess]:
    """Return the excess of `value` over the trained maximum, if any. least: what counts as movement at all."""
    if value <= trained * (1 + margin) + least:
        return []
    known = f"at most {_figure(trained)}{unit}" if trained > least else "none of that"
    sentence = f"The camera {words.format(_figure(value) + unit)}; the model was trained on {known}."
    return [_Excess(value / max(trained, least), sentence)]


def motion_range_warnings(trajectory: CameraTrajectory, trained: CameraMotionRange, margin: float = 0.05) -> list[str]:
    """Return sentences about how the path exceeds the trained range, the worst first; empty where it stays within.

    margin: the share by which it may exceed the range without a warning.
    """
    own = measure_motion_range([trajectory])
    excesses: list[_Excess] = []
    for d in _DIRECTIONS:
        excesses += _excess(d.extent(own), d.extent(trained), d.least, margin, d.words, d.unit)
    step = "from one frame to the next"
    excesses += _excess(own.turn_step, trained.turn_step, 0.1, margin, f"turns by up to {{}} {step}", _DEGREES)
    excesses += _excess(own.distance_step, trained.distance_step, 0.002, margin, f"moves by up to {{}} {step}", "")
    if not excesses:
        # Within each direction, but not together: a diagonal.
        excesses += _excess(own.turn, trained.turn, _LEAST_DEGREES, margin, "turns by {} in all", _DEGREES)
        excesses += _excess(own.distance, trained.distance, _LEAST_LENGTH, margin, "moves {} away in all", "")
    sentences = [excess.sentence for excess in sorted(excesses, key=lambda excess: -excess.factor)]
    return sentences + _fov_warnings(own.fov, trained.fov, margin)


def _fov_warnings(own: Range, trained: Range, margin: float) -> list[str]:
    if own[0] >= trained[0] * (1 - margin) and own[1] <= trained[1] * (1 + margin):
        return []
    value = f"is {own[0]:.0f}" if own[1] - own[0] < 1 else f"runs from {own[0]:.0f} to {own[1]:.0f}"
    return [f"The field of view {value} degrees; the model was trained on {trained[0]:.0f} to {trained[1]:.0f}."]


def _figure(value: float) -> str:
    return f"{value:.0f}" if value >= 10 else f"{value:.2g}"
