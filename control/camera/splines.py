"""Camera paths through a few keyframes: what a path editor draws.

A key says at which part of the clip the camera is where, and what it looks at or how it is turned. Positions run on a
monotone cubic (it never runs past a key), turns on shortest arcs with the same change of speed.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import UserError
from . import rotations
from .presets import eased, intrinsics_of
from .trajectory import CameraTrajectory, compose, invert

Vector = tuple[float, float, float]


@dataclass(frozen=True)
class Key:
    """One keyframe. time: 0 (first frame) to 1 (last). position: x right, y down, z forward, in subject distances.

    target: the point that is looked at (upright picture); without it `turn`: pan right, tilt up, roll clockwise, in
    degrees. fov: horizontal, in degrees.
    """

    time: float
    position: Vector = (0.0, 0.0, 0.0)
    target: Vector | None = None
    turn: Vector = (0.0, 0.0, 0.0)
    fov: float = 50.0

    def rotation(self) -> np.ndarray:
        """The camera-to-world rotation (3, 3)."""
        if self.target is not None:
            forward = np.subtract(self.target, self.position)
            if np.linalg.norm(forward) < 1e-6:
                raise UserError(f"the camera key at {self.time:g} looks at the point where it stands: move one of them")
            return rotations.looking(forward)
        pan, tilt, roll = np.radians(self.turn)
        return (
            rotations.from_vector(np.array([0, pan, 0]))
            @ rotations.from_vector(np.array([tilt, 0, 0]))
            @ rotations.from_vector(np.array([0, 0, roll]))
        )


def keys_from_json(text: str | Sequence[dict]) -> list[Key]:
    """Keys from a widget's JSON: a list of objects with Key's fields. Raises UserError for anything else."""
    try:
        values: Any = json.loads(text) if isinstance(text, str) else text
    except json.JSONDecodeError as error:
        raise UserError(f"the camera keys are not JSON ({error})") from error
    if not isinstance(values, list) or not all(isinstance(value, dict) for value in values):
        raise UserError('the camera keys must be a list of objects such as {"time": 0, "position": [0, 0, 0]}')
    keys = []
    for number, value in enumerate(values):
        unknown = set(value) - set(Key.__dataclass_fields__)
        if unknown or "time" not in value:
            raise UserError(
                f"camera key {number} has {', '.join(sorted(unknown)) if unknown else 'no time'}:"
                f" the fields are {', '.join(Key.__dataclass_fields__)}"
            )
        fields = {name: _check(name, entry, number) for name, entry in value.items() if entry is not None}
        keys.append(Key(**fields))
    return keys


def _check(name: str, value: Any, number: int) -> Any:
    size = () if name in ("time", "fov") else (3,)
    try:
        array = np.asarray(value, np.float64)
    except (TypeError, ValueError):
        array = np.array(np.nan)
    if array.shape != size or not np.isfinite(array).all():
        raise UserError(
            f"'{name}' of camera key {number} is {value!r}; {'three numbers' if size else 'a number'} expected"
        )
    return float(array) if not size else tuple(float(entry) for entry in array)


def path_through(
    keys: Sequence[Key], frames: int = 17, fps: float = 8.0, aspect: float = 1.5, ease: str = "linear"
) -> CameraTrajectory:
    """The smooth path through the keys, relative to its first camera. One key gives a still camera.

    Raises UserError for no keys, times outside 0..1 or not increasing.
    """
    if not keys:
        raise UserError("a camera path needs at least one key")
    times = np.array([key.time for key in keys], np.float64)
    if not ((times >= 0) & (times <= 1)).all() or (np.diff(times) < 1e-6).any():
        raise UserError(f"the keys stand at the times {times.tolist()}; increasing times within 0..1 were expected")
    at = eased(np.linspace(0, 1, frames) if frames > 1 else np.zeros(1), ease)
    position = _cubic(times, np.array([key.position for key in keys], np.float64), at)
    rotation = _smooth_turns(times, np.stack([key.rotation() for key in keys]), at)
    fov = np.interp(at, times, [key.fov for key in keys])
    intrinsics = np.stack([intrinsics_of(float(degrees), aspect) for degrees in fov])
    c2w = np.concatenate([rotation, position[..., None]], 2)
    return CameraTrajectory(compose(invert(c2w[:1]), c2w), intrinsics, fps)


def _cubic(times: np.ndarray, points: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Points (M, 3) at times `at` on a cubic through `points` (N, 3), whose slope at a key follows its neighbours."""
    if len(times) == 1:
        return np.repeat(points, len(at), 0)
    at = np.clip(at, times[0], times[-1])
    steps = np.diff(times)[:, None]
    slopes = np.diff(points, axis=0) / steps
    middle = (slopes[:-1] * steps[1:] + slopes[1:] * steps[:-1]) / (steps[1:] + steps[:-1])
    # A key at which a coordinate turns back gets no slope there, so the path never runs past its keys.
    middle = np.where(slopes[:-1] * slopes[1:] > 0, middle, 0)
    limit = 3 * np.minimum(np.abs(slopes[:-1]), np.abs(slopes[1:]))
    tangents = np.concatenate([slopes[:1], np.clip(middle, -limit, limit), slopes[-1:]])
    left = np.clip(np.searchsorted(times, at, side="right") - 1, 0, len(times) - 2)
    width = (times[left + 1] - times[left])[:, None]
    u = (at - times[left])[:, None] / width
    return (
        (1 + 2 * u) * (1 - u) ** 2 * points[left] + u * (1 - u) ** 2 * width * tangents[left]
        + u**2 * (3 - 2 * u) * points[left + 1] + u**2 * (u - 1) * width * tangents[left + 1]
    )  # fmt: skip


def _smooth_turns(times: np.ndarray, keys: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Rotations (M, 3, 3) through `keys` (N, 3, 3): the same cubic, on the chain of turns between neighbours."""
    if len(times) < 3:
        return rotations.interpolate(times, keys, np.clip(at, times[0], times[-1]))
    turns = rotations.to_vector(np.swapaxes(keys[:-1], 1, 2) @ keys[1:])
    # How far along each turn the camera is, with the speed of both neighbours: the cubic of the path length.
    length = np.concatenate([[0.0], np.cumsum(np.linalg.norm(turns, axis=1))])
    travelled = _cubic(times, np.repeat(length[:, None], 3, 1), np.clip(at, times[0], times[-1]))[:, 0]
    left = np.clip(np.searchsorted(times, at, side="right") - 1, 0, len(times) - 2)
    whole = length[left + 1] - length[left]
    share = np.where(whole > 1e-12, (travelled - length[left]) / np.maximum(whole, 1e-12), 0)
    return keys[left] @ rotations.from_vector(turns[left] * np.clip(share, 0, 1)[:, None])
