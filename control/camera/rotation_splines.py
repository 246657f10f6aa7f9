"""Smooth rotation through keyframes, in the coordinates of rotation vectors.

Between two keyframes the rotation since the first is a rotation vector whose three coordinates run on cubics, so that
angles are never distorted by Euler coordinates. There are two ways to choose the angular velocity at the inner
keyframes (the "turns" of an editor's state):

'fluid': even the angular acceleration is continuous (scipy's RotationSpline). Like every such curve it may overshoot a
    keyframe that the camera leaves at another speed than it came.
'exact': the limited tangents of the positions' monotone cubic, so that a pan never overshoots its keyframes.

A rotation that two neighboring keyframes share is held between them. `web/camera_path/turns.mjs` computes the same.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np

from ..errors import UserError
from . import rotations
from .cubic_curves import cubic_hermite, monotone_tangents, segment_index

KINDS = ("fluid", "exact")
# Radians between neighboring keyframes below which the rotation is held.
HELD_BELOW = 1e-9

# Rotations (M, 3, 3) at times (M,).
RotationCurve = Callable[[np.ndarray], np.ndarray]


def rotation_spline(times: np.ndarray, keys: np.ndarray, kind: str) -> RotationCurve:
    """Return the curve, a function of times (M,), through rotations `keys` (N, 3, 3) at increasing `times` (N,).

    Outside of the times the curve goes on as at its end (easings that overshoot need that). Raises UserError for an
    unknown kind, and where 'fluid' needs SciPy and it is not installed.
    """
    if kind not in KINDS:
        raise UserError(f"turns of the kind '{kind}' are unknown: choose one of {', '.join(KINDS)}")
    if len(times) == 1:
        return lambda at: np.repeat(keys, len(at), 0)
    runs = _runs(keys)
    curves = [_run_curve(times[first : last + 1], keys[first : last + 1], kind) for first, last in runs]
    starts = np.array([times[first] for first, _ in runs])

    def evaluate(at: np.ndarray) -> np.ndarray:
        result = np.empty((len(at), 3, 3))
        run_index = np.clip(np.searchsorted(starts, at, side="right") - 1, 0, len(curves) - 1)
        for number, curve in enumerate(curves):
            in_run = run_index == number
            if in_run.any():
                result[in_run] = curve(at[in_run])
        return result

    return evaluate


def _steps_between(keys: np.ndarray) -> np.ndarray:
    """Return the rotation vectors (N-1, 3) that lead from each rotation (N, 3, 3) to the next."""
    return rotations.to_rotvec(np.swapaxes(keys[:-1], 1, 2) @ keys[1:])


def _runs(keys: np.ndarray) -> list[tuple[int, int]]:
    """Return the first and last key of each run, split at held rotations, so that a held rotation is exactly still."""
    held = np.linalg.norm(_steps_between(keys), axis=1) < HELD_BELOW
    # A key is between two runs when the rotation is held on one of its sides.
    inner = [number for number in range(1, len(keys) - 1) if held[number - 1] or held[number]]
    return list(pairwise([0, *inner, len(keys) - 1]))


def _run_curve(times: np.ndarray, keys: np.ndarray, kind: str) -> RotationCurve:
    """Return the curve through one run of keys."""
    if len(times) == 2:
        arc = _steps_between(keys)
        duration = times[1] - times[0]
        return lambda at: keys[:1] @ rotations.from_rotvec((at[:, None] - times[0]) / duration * arc)
    return _fluid_curve(times, keys) if kind == "fluid" else _exact_curve(times, keys)


def _fluid_curve(times: np.ndarray, keys: np.ndarray) -> RotationCurve:
    try:
        from scipy.spatial.transform import Rotation, RotationSpline
    except ImportError as error:
        raise UserError(
            "camera paths with fluid turns need SciPy: pip install scipy, or set the path's turns to 'exact'"
        ) from error
    spline = RotationSpline(times, Rotation.from_matrix(keys))
    return lambda at: spline(at).as_matrix()


def _exact_curve(times: np.ndarray, keys: np.ndarray) -> RotationCurve:
    arcs = _steps_between(keys)
    steps = np.diff(times)[:, None]
    # A rotation leaves its own axis in place, so the velocities on both sides are known in the axes of the key between.
    leaving = monotone_tangents(steps, arcs / steps)
    arriving = _rotvec_velocity(arcs, leaving[1:])

    def evaluate(at: np.ndarray) -> np.ndarray:
        left = segment_index(times, at)
        width = steps[left]
        u = (at - times[left])[:, None] / width
        vector = cubic_hermite(u, 0.0, arcs[left], width * leaving[left], width * arriving[left])
        result: np.ndarray = keys[left] @ rotations.from_rotvec(vector)
        return result

    return evaluate


def _rotvec_velocity(vector: np.ndarray, angular_velocity: np.ndarray) -> np.ndarray:
    """Return the rates of rotation vectors (N, 3) under angular velocities (N, 3) in the rotated axes (Bortz 1971)."""
    angle = np.linalg.norm(vector, axis=1, keepdims=True)
    half = np.maximum(angle, 1e-4) / 2
    factor = np.where(angle < 1e-3, 1 / 12 + angle**2 / 720, (1 - half / np.tan(half)) / (4 * half**2))
    once = np.cross(vector, angular_velocity)
    rate: np.ndarray = angular_velocity + once / 2 + factor * np.cross(vector, once)
    return rate
