"""How far camera paths go, and whether one goes farther than a model has seen in training.

A network follows the movements it was trained on and guesses beyond. The reach is a few numbers that travel with a
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
from . import rotations
from .trajectory import CameraTrajectory

Range = tuple[float, float]


@dataclass(frozen=True)
class CameraMotionRange:
    """The range of movement of a set of clips, each relative to its first frame.

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

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values, rounded to six digits after the point."""
        values = dataclasses.asdict(self)
        return {
            name: [round(v, 6) for v in value] if isinstance(value, tuple) else round(value, 6)
            for name, value in values.items()
        }

    @classmethod
    def from_json(cls, value: Any) -> CameraMotionRange:
        """What `to_json` gave. Raises UserError for anything else."""
        names = {field.name: field.type for field in dataclasses.fields(cls)}
        if not isinstance(value, dict) or set(value) != set(names):
            raise UserError(f"a camera reach has the fields {', '.join(names)}; something else was given")
        read: dict[str, Any] = {}
        for name, entry in value.items():
            numbers = entry if names[name] == "Range" else [entry]
            good = isinstance(numbers, (list, tuple)) and len(numbers) == (2 if names[name] == "Range" else 1)
            if not good or not all(isinstance(n, (int, float)) and math.isfinite(n) for n in numbers):
                raise UserError(f"'{name}' of a camera reach is {entry!r}; {_expected(names[name])} expected")
            read[name] = tuple(float(n) for n in numbers) if names[name] == "Range" else entry
        return cls(**read)


def measure(paths: Iterable[CameraTrajectory]) -> CameraMotionRange:
    """The reach that covers all the paths. Raises UserError for none."""
    lows, highs, maxima = [], [], []
    for path in paths:
        c2w = path.relative().c2w
        # Beyond half a turn a pan goes on counting: neighbors are never that far apart.
        turns = np.degrees(np.unwrap(np.radians(rotations.to_turns(c2w[:, :, :3])), axis=0))
        values = np.concatenate([turns, c2w[:, :, 3], path.fov()[:, :1]], 1)
        lows.append(values.min(0))
        highs.append(values.max(0))
        maxima.append(
            [
                np.degrees(rotations.angle_between(np.eye(3), c2w[:, :, :3])).max(),
                np.linalg.norm(c2w[:, :, 3], axis=1).max(),
                path.angular_speed().max() / path.fps,
                path.speed().max() / path.fps,
            ]
        )
    if not lows:
        raise UserError("no camera path was given to measure the reach of")
    names = [field.name for field in dataclasses.fields(CameraMotionRange)]
    ranges = zip(np.min(lows, 0).tolist(), np.max(highs, 0).tolist(), strict=True)
    values: list[Any] = [*ranges, *np.max(maxima, 0).tolist(), len(lows)]
    return CameraMotionRange(**dict(zip(names, values, strict=True)))


# Field, the verb, and how its negative and positive side are called.
_ANGLES = (
    ("pan", "pans", "to the left", "to the right"),
    ("tilt", "tilts", "down", "up"),
    ("roll", "rolls", "counterclockwise", "clockwise"),
)
_WAYS = (
    ("right", "moves", "to the left", "to the right"),
    ("down", "moves", "up", "down"),
    ("forward", "moves", "back", "forward"),
)
_NEXT = "from one frame to the next"


def outside(trajectory: CameraTrajectory, reach: CameraMotionRange, margin: float = 0.05) -> list[str]:
    """Plain sentences about what the path does beyond the reach, the most serious first; empty when it stays within.

    margin: the share by which it may go beyond without a word.
    """
    own = measure([trajectory])
    found: list[tuple[float, str]] = []

    def compare(value: float, seen: float, least: float, sentence: str, unit: str) -> None:
        """`least` is what counts as movement at all; `sentence` has a place for the figure."""
        seen = max(seen, 0.0)
        if value > seen * (1 + margin) + least:
            trained = f"at most {_figure(seen)}{unit}" if seen > least else "none of that"
            sentence = f"The camera {sentence.format(_figure(value) + unit)}; the model was trained on {trained}."
            found.append((value / max(seen, least), sentence))

    for names, least, unit in ((_ANGLES, 0.5, " degrees"), (_WAYS, 0.01, "")):
        for name, verb, negative, positive in names:
            (low, high), (least_seen, most_seen) = getattr(own, name), getattr(reach, name)
            compare(high, most_seen, least, f"{verb} {positive} by {{}}", unit)
            compare(-low, -least_seen, least, f"{verb} {negative} by {{}}", unit)
    compare(own.turn_step, reach.turn_step, 0.1, f"turns by up to {{}} {_NEXT}", " degrees")
    compare(own.distance_step, reach.distance_step, 0.002, f"moves by up to {{}} {_NEXT}", "")
    if not found:
        # Within each direction, but not together: a diagonal.
        compare(own.turn, reach.turn, 0.5, "turns by {} in all", " degrees")
        compare(own.distance, reach.distance, 0.01, "moves {} away in all", "")
    sentences = [sentence for _, sentence in sorted(found, key=lambda entry: -entry[0])]
    low, high = reach.fov
    if own.fov[0] < low * (1 - margin) or own.fov[1] > high * (1 + margin):
        runs = (
            f"is {own.fov[0]:.0f}" if own.fov[1] - own.fov[0] < 1 else f"runs from {own.fov[0]:.0f} to {own.fov[1]:.0f}"
        )
        sentences.append(f"The field of view {runs} degrees; the model was trained on {low:.0f} to {high:.0f}.")
    return sentences


def _figure(value: float) -> str:
    return f"{value:.0f}" if value >= 10 else f"{value:.2g}"


def _expected(kind: str) -> str:
    return "two numbers were" if kind == "Range" else "a number was"
