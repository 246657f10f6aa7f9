"""Scale and shift: most estimators give disparity up to both, and give every chunk of a long clip its own."""

from __future__ import annotations

import numpy as np

from ..errors import UserError

SAMPLES = 60_000


def fit_scale_shift(
    source: np.ndarray, target: np.ndarray, weights: np.ndarray | None = None, robust: bool = True, steps: int = 12
) -> tuple[float, float, float]:
    """scale, shift and residual of target = scale * source + shift in least squares over all known values.

    robust: reweighted with Tukey's bisquare at 4.685 times the spread (Holland and Welsch 1977), so that things that
    move or differ do not count. Values that are not finite in either are left out. A source that is the same
    everywhere says nothing about scale: it is 1 then. residual: mean absolute difference of what counted, as a share
    of the target's spread. Raises UserError where nothing is known in both, or the shapes differ.
    """
    source, target = np.asarray(source), np.asarray(target)
    if source.shape != target.shape:
        raise UserError(f"depth of shape {source.shape} cannot be aligned with one of shape {target.shape}")
    known = np.isfinite(source) & np.isfinite(target)
    weight = None
    if weights is not None:
        known &= np.asarray(weights) > 0
        weight = np.asarray(weights, np.float64)[known]
    x, y = source[known].astype(np.float64), target[known].astype(np.float64)
    if not x.size:
        raise UserError("two chunks of depth have no known value in common, so they cannot be aligned")
    if x.size > SAMPLES:
        stride = -(-x.size // SAMPLES)
        x, y = x[::stride], y[::stride]
        weight = None if weight is None else weight[::stride]
    weight = np.ones(x.size) if weight is None else weight
    given = weight
    scale, shift = _line(x, y, weight)
    for _ in range(steps if robust else 0):
        off = np.abs(y - scale * x - shift)
        spread = 1.4826 * float(np.median(off))
        if spread <= 1e-9 * max(float(np.abs(y).max()), 1e-30):
            break  # more than half agree to the last digit
        weight = given * np.clip(1 - (off / (4.685 * spread)) ** 2, 0, None) ** 2
        before = (scale, shift)
        scale, shift = _line(x, y, weight)
        if abs(scale - before[0]) <= 1e-7 * abs(scale) and abs(shift - before[1]) <= 1e-7 * (abs(shift) + 1e-12):
            break
    off = np.abs(y - scale * x - shift)
    span = float(np.subtract(*np.quantile(y, [0.98, 0.02])))
    residual = float((off * weight).sum() / max(weight.sum(), 1e-12)) / span if span > 0 else 0.0
    return scale, shift, residual


def _line(x: np.ndarray, y: np.ndarray, weight: np.ndarray) -> tuple[float, float]:
    total = weight.sum()
    if total <= 0:
        return 1.0, float(np.median(y - x))
    mean_x, mean_y = float((weight * x).sum() / total), float((weight * y).sum() / total)
    over = x - mean_x
    variance = float((weight * over * over).sum() / total)
    if variance <= 1e-12 * max(mean_x * mean_x, 1e-30):
        return 1.0, mean_y - mean_x
    scale = float((weight * over * (y - mean_y)).sum() / total) / variance
    return scale, mean_y - scale * mean_x
