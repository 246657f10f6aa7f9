"""Smooth turning through key rotations, in the coordinates of rotation vectors.

Between two keys the turn since the first is a rotation vector whose three numbers run on cubics, so that angles are
never distorted by Euler coordinates. Two ways to choose the speed of turning at the inner keys:

'fluid': no jump even of the angular acceleration (scipy's RotationSpline). Like every such curve it may swing a little
    past a key that the camera leaves at another speed than it came.
'exact': the limited slopes of the positions' cubic, so that a pan never runs past its keys.

A turn that two neighboring keys share is held between them. `web/camera_path/turns.mjs` computes the same.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..errors import UserError
from . import rotations

TURNS = ("fluid", "exact")
# Radians between neighboring keys below which the turn is held.
HELD = 1e-9


def turning(times: np.ndarray, keys: np.ndarray, kind: str) -> Callable[[np.ndarray], np.ndarray]:
    """A function of times (M,) that gives rotations (M, 3, 3) through `keys` (N, 3, 3) at increasing `times` (N,).

    Outside of the times the curve goes on as at its end (easings that overshoot want that). Raises UserError for an
    unknown kind, and where 'fluid' needs SciPy and it is not installed.
    """
    if kind not in TURNS:
        raise UserError(f"turns of the kind '{kind}' are unknown: choose one of {', '.join(TURNS)}")
    if len(times) == 1:
        return lambda at: np.repeat(keys, len(at), 0)
    arcs = rotations.to_vector(np.swapaxes(keys[:-1], 1, 2) @ keys[1:])
    held = np.linalg.norm(arcs, axis=1) < HELD
    # Runs of keys between held turns are curves of their own, so that a held turn is exactly still.
    runs, start = [], 0
    for segment in range(len(arcs)):
        if held[segment]:
            runs += [(start, segment), (segment, segment + 1)] if segment > start else [(segment, segment + 1)]
            start = segment + 1
    if start < len(arcs):
        runs.append((start, len(arcs)))
    curves = [(first, _curve(times[first : last + 1], keys[first : last + 1], kind)) for first, last in runs]
    starts = np.array([times[first] for first, _ in curves])

    def evaluate(at: np.ndarray) -> np.ndarray:
        out = np.empty((len(at), 3, 3))
        which = np.clip(np.searchsorted(starts, at, side="right") - 1, 0, len(curves) - 1)
        for number, (_, curve) in enumerate(curves):
            chosen = which == number
            if chosen.any():
                out[chosen] = curve(at[chosen])
        return out

    return evaluate


def _curve(times: np.ndarray, keys: np.ndarray, kind: str) -> Callable[[np.ndarray], np.ndarray]:
    """The curve through one run of keys."""
    arcs = rotations.to_vector(np.swapaxes(keys[:-1], 1, 2) @ keys[1:])
    steps = np.diff(times)[:, None]
    if len(times) == 2:
        return lambda at: keys[:1] @ rotations.from_vector((at[:, None] - times[0]) / steps[0] * arcs[:1])
    if kind == "fluid":
        return _fluid(times, keys)
    # A turn leaves its own axis where it is, so both neighbors' speeds are known in the axes of the key between.
    speeds = slopes(steps, arcs / steps)
    arriving = _vector_speed(arcs, speeds[1:])

    def evaluate(at: np.ndarray) -> np.ndarray:
        left = np.clip(np.searchsorted(times, at, side="right") - 1, 0, len(times) - 2)
        width = steps[left]
        u = (at - times[left])[:, None] / width
        vector = (
            u * (1 - u) ** 2 * width * speeds[left]
            + u**2 * (3 - 2 * u) * arcs[left]
            + u**2 * (u - 1) * width * arriving[left]
        )
        return keys[left] @ rotations.from_vector(vector)

    return evaluate


def _fluid(times: np.ndarray, keys: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    try:
        from scipy.spatial.transform import Rotation, RotationSpline
    except ImportError as error:
        raise UserError(
            "camera paths with fluid turns need SciPy: pip install scipy, or set the path's turns to 'exact'"
        ) from error
    spline = RotationSpline(times, Rotation.from_matrix(keys))
    return lambda at: spline(at).as_matrix()


def slopes(steps: np.ndarray, rates: np.ndarray) -> np.ndarray:
    """The slopes (N, D) at N keys of a cubic that never runs past them. steps: (N-1, 1) times between the keys, rates:
    (N-1, D) mean slopes between them. After Fritsch and Carlson (1980), coordinate by coordinate.
    """
    middle = (rates[:-1] * steps[1:] + rates[1:] * steps[:-1]) / (steps[1:] + steps[:-1])
    # Where a coordinate turns back it gets no slope.
    middle = np.where(rates[:-1] * rates[1:] > 0, middle, 0)
    limit = 3 * np.minimum(np.abs(rates[:-1]), np.abs(rates[1:]))
    return np.concatenate([rates[:1], np.clip(middle, -limit, limit), rates[-1:]])


def _vector_speed(vector: np.ndarray, speed: np.ndarray) -> np.ndarray:
    """How fast rotation vectors (N, 3) change under angular velocities (N, 3) in the turned axes (Bortz 1971)."""
    angle = np.linalg.norm(vector, axis=1, keepdims=True)
    half = np.maximum(angle, 1e-4) / 2
    third = np.where(angle < 1e-3, 1 / 12 + angle**2 / 720, (1 - half / np.tan(half)) / (4 * half**2))
    once = np.cross(vector, speed)
    return speed + once / 2 + third * np.cross(vector, once)
