"""Cubic curves through points: the Hermite basis, monotone cubics that never overshoot, and Catmull-Rom splines.

N points of D coordinates at increasing times (N,), evaluated at M times. `web/camera_path/path.mjs` computes the
monotone cubic as well.
"""

from __future__ import annotations

import numpy as np


def cubic_hermite(
    u: np.ndarray,
    start: np.ndarray | float,
    end: np.ndarray | float,
    start_tangent: np.ndarray,
    end_tangent: np.ndarray,
) -> np.ndarray:
    """Return the cubic (M, D) at `u` (M, 1), `start` at 0 and `end` at 1; the tangents are per unit of u."""
    value: np.ndarray = (
        (1 + 2 * u) * (1 - u) ** 2 * start
        + u * (1 - u) ** 2 * start_tangent
        + u**2 * (3 - 2 * u) * end
        + u**2 * (u - 1) * end_tangent
    )
    return value


def segment_index(times: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Return for each time of `at` (M,) the number of the segment between two of `times` (N,) that holds it.

    Times before the first or after the last belong to the first or last segment.
    """
    return np.clip(np.searchsorted(times, at, side="right") - 1, 0, max(len(times) - 2, 0))


def monotone_tangents(steps: np.ndarray, rates: np.ndarray) -> np.ndarray:
    """Return the tangents (N, D) with which a cubic never overshoots its N points (Fritsch and Carlson 1980).

    steps: (N-1, 1) times between the points. rates: (N-1, D) mean slopes between them. Each
    coordinate is by itself; where it changes its direction its tangent is 0.
    """
    middle = (rates[:-1] * steps[1:] + rates[1:] * steps[:-1]) / (steps[1:] + steps[:-1])
    middle = np.where(rates[:-1] * rates[1:] > 0, middle, 0)
    limit = 3 * np.minimum(np.abs(rates[:-1]), np.abs(rates[1:]))
    return np.concatenate([rates[:1], np.clip(middle, -limit, limit), rates[-1:]])


def monotone_cubic(times: np.ndarray, points: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Return the monotone cubic (M, D) through `points` (N, D) at times `at` (M,).

    It never overshoots its points within their times; outside of them the cubic of the end segment goes on.
    """
    if len(times) == 1:
        return np.repeat(points, len(at), 0)
    steps = np.diff(times)[:, None]
    tangents = monotone_tangents(steps, np.diff(points, axis=0) / steps)
    left = segment_index(times, at)
    width = steps[left]
    u = (at - times[left])[:, None] / width
    return cubic_hermite(u, points[left], points[left + 1], width * tangents[left], width * tangents[left + 1])


def catmull_rom(points: np.ndarray, progress: np.ndarray) -> np.ndarray:
    """Return the uniform Catmull-Rom spline (M, D) through `points` (N, D), N >= 2, at `progress` (M,) from 0 to 1.

    Beyond the ends the points are continued by point reflection.
    """
    tangents = np.concatenate([points[1:2] - points[:1], (points[2:] - points[:-2]) / 2, points[-1:] - points[-2:-1]])
    position = progress * (len(points) - 1)
    left = np.minimum(position.astype(int), len(points) - 2)
    u = (position - left)[:, None]
    return cubic_hermite(u, points[left], points[left + 1], tangents[left], tangents[left + 1])
