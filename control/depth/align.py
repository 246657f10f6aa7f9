"""Scale and shift: most estimators give disparity up to both, and give every chunk of a long clip its own."""

from __future__ import annotations

import numpy as np

from ..errors import UserError

SAMPLES = 60_000
TUKEY = 4.685  # where Tukey's bisquare ends, in spreads
TO_SIGMA = 1.4826  # the deviation of a normal distribution by its median absolute deviation


def fit_scale_shift(
    source: np.ndarray, target: np.ndarray, robust: bool = True, steps: int = 12
) -> tuple[float, float, float]:
    """Return scale, shift and residual of target = scale * source + shift in least squares over all known values.

    robust: reweighted with Tukey's bisquare at 4.685 times the spread (Holland and Welsch 1977), so that what moves
    or differs does not count. Values that are not finite in either are left out. A source that is the same everywhere
    does not determine the scale: it is 1 then. residual: mean absolute difference of what counted, as a share of the
    target's spread. Raises UserError where nothing is known in both, or the shapes differ.
    """
    x, y = _known_samples(np.asarray(source), np.asarray(target))
    weight = np.ones(x.size)
    scale, shift = _fit_line(x, y, weight)
    for _ in range(steps if robust else 0):
        difference = np.abs(y - scale * x - shift)
        spread = TO_SIGMA * float(np.median(difference))
        if spread <= 1e-9 * max(float(np.abs(y).max()), 1e-30):
            break  # more than half agree to the last digit
        weight = np.clip(1 - (difference / (TUKEY * spread)) ** 2, 0, None) ** 2
        before = (scale, shift)
        scale, shift = _fit_line(x, y, weight)
        if abs(scale - before[0]) <= 1e-7 * abs(scale) and abs(shift - before[1]) <= 1e-7 * (abs(shift) + 1e-12):
            break
    difference = np.abs(y - scale * x - shift)
    extent = float(np.subtract(*np.quantile(y, [0.98, 0.02])))
    residual = float((difference * weight).sum() / max(weight.sum(), 1e-12)) / extent if extent > 0 else 0.0
    return scale, shift, residual


def _known_samples(source: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return at most about SAMPLES values (N,) of source and target that are known in both."""
    if source.shape != target.shape:
        raise UserError(f"depth of shape {source.shape} cannot be aligned with one of shape {target.shape}")
    known = np.isfinite(source) & np.isfinite(target)
    x, y = source[known].astype(np.float64), target[known].astype(np.float64)
    if not x.size:
        raise UserError("two chunks of depth have no known value in common, so they cannot be aligned")
    stride = -(-x.size // SAMPLES)
    return x[::stride], y[::stride]


def _fit_line(x: np.ndarray, y: np.ndarray, weight: np.ndarray) -> tuple[float, float]:
    """Return scale and shift of y = scale * x + shift in weighted least squares."""
    total = weight.sum()
    if total <= 0:
        return 1.0, float(np.median(y - x))
    mean_x, mean_y = float((weight * x).sum() / total), float((weight * y).sum() / total)
    offset = x - mean_x
    variance = float((weight * offset * offset).sum() / total)
    if variance <= 1e-12 * max(mean_x * mean_x, 1e-30):
        return 1.0, mean_y - mean_x
    scale = float((weight * offset * (y - mean_y)).sum() / total) / variance
    return scale, mean_y - scale * mean_x
