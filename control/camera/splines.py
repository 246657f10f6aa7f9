"""Camera paths through a few keyframes: what a path editor draws.

A keyframe says where the camera is at which part of the clip, and what it looks at or how it is rotated. Positions,
targets and lenses run on a monotone cubic (it never overshoots a keyframe), rotations as `rotation_splines.py` says.
Between two keyframes that have a target the camera keeps looking at it (or at the point between both).
`web/camera_path/path.mjs` computes the same; the shared file `tests/fixtures/camera_keys.json` holds both to it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import UserError
from ..files import JsonObject
from . import rotations
from .cubic_curves import monotone_cubic, segment_index
from .easing import EASING_NAMES, apply_easing
from .presets import intrinsics_from_fov
from .rotation_splines import rotation_spline
from .rotations import ROLL_AXIS, about_axis
from .trajectory import CameraTrajectory, compose, invert, make_poses

Vector = tuple[float, float, float]
Quaternion = tuple[float, float, float, float]


@dataclass(frozen=True)
class Keyframe:
    """One keyframe; the fields are the JSON keys of an editor's state.

    time: 0 (first frame) to 1 (last). position: x right, y down, z forward, in subject distances.
    target: the point that the camera looks at; the image is upright but for the roll in `turn`. Without a target
    `rotation`, a quaternion w x y z (camera to world); without that `turn`: pan right, tilt up, roll clockwise, in
    degrees. fov: horizontal, in degrees. ease: how the speed is spread from here to the next keyframe (EASING_NAMES).
    """

    time: float
    position: Vector = (0.0, 0.0, 0.0)
    target: Vector | None = None
    turn: Vector = (0.0, 0.0, 0.0)
    fov: float = 50.0
    rotation: Quaternion | None = None
    ease: str = "linear"

    def c2w_rotation(self) -> np.ndarray:
        """Return the camera-to-world rotation (3, 3). Raises UserError for a camera at its own target."""
        if self.target is not None:
            forward = np.subtract(self.target, self.position)
            if np.linalg.norm(forward) < 1e-6:
                raise UserError(f"the camera key at {self.time:g} looks at its own position: move one of them")
            rolled: np.ndarray = rotations.look_at_rotation(forward) @ about_axis(ROLL_AXIS, np.radians(self.turn[2]))
            return rolled
        if self.rotation is not None:
            return rotations.from_quaternion(np.asarray(self.rotation, np.float64))
        return rotations.from_pan_tilt_roll(self.turn)


def keyframes_from_json(value: str | Sequence[JsonObject]) -> list[Keyframe]:
    """Return the keyframes of a JSON list of objects with Keyframe's fields (or of its text).

    Raises UserError for anything else.
    """
    try:
        entries: Any = json.loads(value) if isinstance(value, str) else value
    except (ValueError, RecursionError) as error:
        raise UserError(f"the camera keys are not JSON ({error})") from error
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise UserError('the camera keys must be a list of objects such as {"time": 0, "position": [0, 0, 0]}')
    return [_keyframe_from_json(entry, number) for number, entry in enumerate(entries)]


def _keyframe_from_json(value: JsonObject, number: int) -> Keyframe:
    known = Keyframe.__dataclass_fields__
    unknown = set(value) - set(known)
    fields = {name: entry for name, entry in value.items() if entry is not None}
    if unknown or "time" not in fields:
        raise UserError(
            f"camera key {number} has {', '.join(sorted(unknown)) if unknown else 'no time'}:"
            f" the fields are {', '.join(known)}"
        )
    return Keyframe(**{name: _checked_field(name, entry, number) for name, entry in fields.items()})


# What a field of so many numbers is called in an error.
_EXPECTED = {0: "a number", 3: "three numbers", 4: "a quaternion w x y z (four numbers, not all 0)"}


def _checked_field(name: str, value: Any, number: int) -> Any:
    """Return a field of keyframe `number` as Keyframe holds it. Raise UserError for a value of another kind."""
    if name == "ease":
        if value not in EASING_NAMES:
            raise UserError(
                f"the ease of camera key {number} is {str(value)[:60]!r}: choose one of {', '.join(EASING_NAMES)}"
            )
        return value
    size = {"time": 0, "fov": 0, "rotation": 4}.get(name, 3)
    try:
        array = np.asarray(value, np.float64)
    except (TypeError, ValueError, OverflowError):  # a whole number of 400 digits is none that a float can hold
        array = np.array(np.nan)
    shape = (size,) if size else ()
    if array.shape != shape or not np.isfinite(array).all() or (name == "rotation" and np.abs(array).max() < 1e-6):
        raise UserError(f"'{name}' of camera key {number} is {str(value)[:60]!r}; {_EXPECTED[size]} expected")
    return tuple(array.tolist()) if size else float(array)


def path_from_editor_state(
    state: str | JsonObject, frames: int = 17, fps: float = 8.0, aspect: float = 1.5
) -> CameraTrajectory:
    """Return the path of an editor's state: a JSON object (or its text) with "keys", optionally "ease" and "turns".

    "turns" is a kind of rotation spline. Raises UserError for anything else.
    """
    try:
        value = json.loads(state) if isinstance(state, str) else state
    except (ValueError, RecursionError) as error:
        raise UserError(f"the camera path is not JSON ({error})") from error
    if not isinstance(value, dict) or "keys" not in value:
        raise UserError(
            'the camera path must be a JSON object with keys, such as {"format": "fulldit-camera", "version": 1,'
            ' "keys": [{"time": 0}, {"time": 1, "position": [0.3, 0, 0]}]}'
        )
    keyframes = keyframes_from_json(value["keys"])
    ease, turns = str(value.get("ease", "linear")), str(value.get("turns", "exact"))
    return path_through_keyframes(keyframes, frames, fps, aspect, ease, turns)


def path_through_keyframes(
    keyframes: Sequence[Keyframe],
    frames: int = 17,
    fps: float = 8.0,
    aspect: float = 1.5,
    ease: str = "linear",
    turns: str = "exact",
) -> CameraTrajectory:
    """Return the smooth path through the keyframes, relative to its first camera. One keyframe gives a still camera.

    ease: spreads the speed over the whole path, on top of the eases of the keyframes. turns: a kind of rotation spline,
    'exact' or 'fluid'. Raises UserError for no keyframes, for times outside 0..1 or not increasing, and for unknown
    eases and turns.
    """
    if not keyframes:
        raise UserError("a camera path needs at least one key")
    times = np.array([keyframe.time for keyframe in keyframes], np.float64)
    if not ((times >= 0) & (times <= 1)).all() or (np.diff(times) < 1e-6).any():
        raise UserError(f"the keys have the times {times.tolist()}; increasing times within 0..1 were expected")
    at = apply_easing(np.linspace(0, 1, frames) if frames > 1 else np.zeros(1), ease)
    at = _ease_segments(times, [keyframe.ease for keyframe in keyframes], np.clip(at, times[0], times[-1]))
    position = monotone_cubic(times, np.array([keyframe.position for keyframe in keyframes], np.float64), at)
    rotation = rotation_spline(times, np.stack([keyframe.c2w_rotation() for keyframe in keyframes]), turns)(at)
    rotation = _aim_at_targets(times, keyframes, at, position, rotation)
    fov = monotone_cubic(times, np.array([[keyframe.fov] for keyframe in keyframes], np.float64), at)[:, 0]
    intrinsics = np.stack([intrinsics_from_fov(float(degrees), aspect) for degrees in fov])
    c2w = make_poses(rotation, position)
    return CameraTrajectory(compose(invert(c2w[:1]), c2w), intrinsics, fps)


def _ease_segments(times: np.ndarray, eases: Sequence[str], at: np.ndarray) -> np.ndarray:
    """Return times `at` (M,) with every keyframe's ease applied up to the next keyframe."""
    if len(times) == 1:
        return at
    left = segment_index(times, at)
    result = at.copy()
    for segment in np.unique(left):
        if eases[segment] != "linear":
            inside = left == segment
            width = times[segment + 1] - times[segment]
            progress = apply_easing((at[inside] - times[segment]) / width, eases[segment])
            result[inside] = times[segment] + width * progress
    return result


def _aim_at_targets(
    times: np.ndarray, keyframes: Sequence[Keyframe], at: np.ndarray, position: np.ndarray, rotation: np.ndarray
) -> np.ndarray:
    """Return rotations (M, 3, 3) that look at the target between two keyframes that have one, else `rotation`.

    In each run of such keyframes target and roll are one curve. A camera at its target keeps its rotation.
    """
    rotation = rotation.copy()
    segment = segment_index(times, at)
    for first, last in _runs_with_target(keyframes):
        frames = np.flatnonzero((segment >= first) & (segment < last))
        run = keyframes[first : last + 1]
        aims = np.array([[*(keyframe.target or ()), keyframe.turn[2]] for keyframe in run], np.float64)
        aims = monotone_cubic(times[first : last + 1], aims, at[frames])
        forward = aims[:, :3] - position[frames]
        apart = np.linalg.norm(forward, axis=1) > 1e-6
        roll = about_axis(ROLL_AXIS, np.radians(aims[apart, 3]))
        rotation[frames[apart]] = rotations.look_at_rotation(forward[apart]) @ roll
    return rotation


def _runs_with_target(keyframes: Sequence[Keyframe]) -> list[tuple[int, int]]:
    """Return the first and last number of each run of two or more keyframes with a target."""
    runs = []
    first = None
    for number, keyframe in enumerate([*keyframes, None]):
        if keyframe is not None and keyframe.target is not None:
            first = number if first is None else first
        elif first is not None:
            runs.append((first, number - 1))
            first = None
    return [(first, last) for first, last in runs if last > first]
