"""Camera paths through a few keyframes: what a path editor draws.

A key says at which part of the clip the camera is where, and what it looks at or how it is turned. Positions, targets
and lenses run on a monotone cubic (it never runs past a key), turns as `turns.py` says. Between two keys that have a
target the camera keeps looking at it (or at the point between both). `web/camera_path/path.mjs` computes the same; the
shared file `tests/fixtures/camera_keys.json` holds both to it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import UserError
from . import rotations
from .easing import EASES, eased
from .presets import intrinsics_of
from .trajectory import CameraTrajectory, compose, invert
from .turns import slopes, turning

Vector = tuple[float, float, float]
Quaternion = tuple[float, float, float, float]


@dataclass(frozen=True)
class Key:
    """One keyframe. time: 0 (first frame) to 1 (last). position: x right, y down, z forward, in subject distances.

    target: the point that is looked at; the image is upright but for the roll in `turn`. Without it `rotation`, a
    quaternion w x y z (camera to world); without that `turn`: pan right, tilt up, roll clockwise, in degrees.
    fov: horizontal, in degrees. ease: how the speed is spread from here to the next key (EASES).
    """

    time: float
    position: Vector = (0.0, 0.0, 0.0)
    target: Vector | None = None
    turn: Vector = (0.0, 0.0, 0.0)
    fov: float = 50.0
    rotation: Quaternion | None = None
    ease: str = "linear"

    def matrix(self) -> np.ndarray:
        """The camera-to-world rotation (3, 3)."""
        pan, tilt, roll = np.radians(self.turn)
        if self.target is not None:
            forward = np.subtract(self.target, self.position)
            if np.linalg.norm(forward) < 1e-6:
                raise UserError(f"the camera key at {self.time:g} looks at the point where it stands: move one of them")
            return rotations.looking(forward) @ rotations.from_vector(np.array([0, 0, roll]))
        if self.rotation is not None:
            w, x, y, z = np.divide(self.rotation, np.linalg.norm(self.rotation))
            vector = np.array([x, y, z])
            sine = np.linalg.norm(vector)
            return rotations.from_vector(vector * (2 * np.arctan2(sine, w) / sine if sine > 1e-12 else 2.0))
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
    if name == "ease":
        if value not in EASES:
            raise UserError(f"the ease of camera key {number} is {value!r}: choose one of {', '.join(EASES)}")
        return value
    size = {"time": (), "fov": (), "rotation": (4,)}.get(name, (3,))
    try:
        array = np.asarray(value, np.float64)
    except (TypeError, ValueError):
        array = np.array(np.nan)
    if array.shape != size or not np.isfinite(array).all() or (name == "rotation" and np.abs(array).max() < 1e-6):
        raise UserError(f"'{name}' of camera key {number} is {value!r}; {_EXPECTED[len(size) and size[0]]} expected")
    return float(array) if not size else tuple(float(entry) for entry in array)


_EXPECTED = {0: "a number", 3: "three numbers", 4: "a quaternion w x y z (four numbers, not all 0)"}


def path_from_state(
    state: str | dict[str, Any], frames: int = 17, fps: float = 8.0, aspect: float = 1.5
) -> CameraTrajectory:
    """The path of an editor's state: a JSON object (or its text) with "keys" and, where wanted, "ease" and "turns".

    Raises UserError for what is no such object.
    """
    try:
        value = json.loads(state) if isinstance(state, str) else state
    except (json.JSONDecodeError, RecursionError) as error:
        raise UserError(f"the camera path is not JSON ({error})") from error
    if not isinstance(value, dict) or "keys" not in value:
        raise UserError(
            'the camera path must be a JSON object with keys, such as {"format": "fulldit-camera", "version": 1,'
            ' "keys": [{"time": 0}, {"time": 1, "position": [0.3, 0, 0]}]}'
        )
    keys = keys_from_json(value["keys"])
    return path_through(keys, frames, fps, aspect, str(value.get("ease", "linear")), str(value.get("turns", "exact")))


def path_through(
    keys: Sequence[Key],
    frames: int = 17,
    fps: float = 8.0,
    aspect: float = 1.5,
    ease: str = "linear",
    turns: str = "exact",
) -> CameraTrajectory:
    """The smooth path through the keys, relative to its first camera. One key gives a still camera.

    ease: spreads the speed over the whole path, on top of the eases of the keys. turns: 'exact' or 'fluid'.
    Raises UserError for no keys, times outside 0..1 or not increasing, unknown eases and turns.
    """
    if not keys:
        raise UserError("a camera path needs at least one key")
    times = np.array([key.time for key in keys], np.float64)
    if not ((times >= 0) & (times <= 1)).all() or (np.diff(times) < 1e-6).any():
        raise UserError(f"the keys stand at the times {times.tolist()}; increasing times within 0..1 were expected")
    at = eased(np.linspace(0, 1, frames) if frames > 1 else np.zeros(1), ease)
    at = _eased_between(times, [key.ease for key in keys], np.clip(at, times[0], times[-1]))
    position = _cubic(times, np.array([key.position for key in keys], np.float64), at)
    rotation = turning(times, np.stack([key.matrix() for key in keys]), turns)(at)
    _keep_looking(times, keys, at, position, rotation)
    fov = _cubic(times, np.array([[key.fov] for key in keys], np.float64), at)[:, 0]
    intrinsics = np.stack([intrinsics_of(float(degrees), aspect) for degrees in fov])
    c2w = np.concatenate([rotation, position[..., None]], 2)
    return CameraTrajectory(compose(invert(c2w[:1]), c2w), intrinsics, fps)


def _segment(times: np.ndarray, at: np.ndarray) -> np.ndarray:
    """The number of the key at or before each time, never the last."""
    return np.clip(np.searchsorted(times, at, side="right") - 1, 0, max(len(times) - 2, 0))


def _eased_between(times: np.ndarray, eases: Sequence[str], at: np.ndarray) -> np.ndarray:
    """The times `at` (M,) with every key's ease applied up to the next key. Eases that overshoot leave the segment."""
    if len(times) == 1:
        return at
    left = _segment(times, at)
    out = at.copy()
    for segment in np.unique(left):
        if eases[segment] != "linear":
            chosen = left == segment
            width = times[segment + 1] - times[segment]
            out[chosen] = times[segment] + width * eased((at[chosen] - times[segment]) / width, eases[segment])
    return out


def _cubic(times: np.ndarray, points: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Points (M, D) at times `at` on a cubic through `points` (N, D) that never runs past them, unless `at` leaves the
    keys' times: there it goes on as it ends.
    """
    if len(times) == 1:
        return np.repeat(points, len(at), 0)
    steps = np.diff(times)[:, None]
    tangents = slopes(steps, np.diff(points, axis=0) / steps)
    left = _segment(times, at)
    width = steps[left]
    u = (at - times[left])[:, None] / width
    return (
        (1 + 2 * u) * (1 - u) ** 2 * points[left]
        + u * (1 - u) ** 2 * width * tangents[left]
        + u**2 * (3 - 2 * u) * points[left + 1]
        + u**2 * (u - 1) * width * tangents[left + 1]
    )


def _keep_looking(
    times: np.ndarray, keys: Sequence[Key], at: np.ndarray, position: np.ndarray, rotation: np.ndarray
) -> None:
    """Between two keys with a target, turn the cameras `rotation` (M, 3, 3) toward it, in place.

    Runs of such keys are one curve of the target and of the roll. A camera that stands on its target keeps its turn.
    """
    aimed = [key.target is not None for key in keys]
    first = 0
    while first < len(keys):
        last = first
        while aimed[first] and last + 1 < len(keys) and aimed[last + 1]:
            last += 1
        if last > first:
            left = _segment(times, at)
            chosen = np.flatnonzero((left >= first) & (left < last))
            run = keys[first : last + 1]
            wanted = np.array([[*key.target, key.turn[2]] for key in run], np.float64)
            wanted = _cubic(times[first : last + 1], wanted, at[chosen])
            forward = wanted[:, :3] - position[chosen]
            far = np.linalg.norm(forward, axis=1) > 1e-6
            chosen, forward, roll = chosen[far], forward[far], np.radians(wanted[far, 3])
            rotation[chosen] = rotations.looking(forward) @ rotations.from_vector(roll[:, None] * np.array([0, 0, 1.0]))
        first = last + 1
