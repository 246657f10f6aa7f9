"""Handheld camera shake as sums of slow sines, the same for the same seed."""

from __future__ import annotations

import numpy as np

from ..errors import UserError

# Rotation about three axes and translation along three; a hand rolls half as much as it pans and tilts.
_RELATIVE_SIZE = np.array([1, 1, 0.5, 1, 1, 1])
_SLOWEST, _FASTEST = 0.3, 2.0
_SINES = 4


def sum_of_sines(
    times: np.ndarray, rates: np.ndarray, phases: np.ndarray, amplitudes: np.ndarray | float = 1.0
) -> np.ndarray:
    """Return C smooth noise curves at `times` (F,): (F, C), each the sum of S sines.

    rates, phases, amplitudes: (C, S), in cycles per unit of time, radians, and any unit.
    """
    sines = np.sin(2 * np.pi * rates * np.asarray(times)[:, None, None] + phases)
    curves: np.ndarray = (amplitudes * sines).sum(-1)
    return curves


def handheld_curves(times: np.ndarray, seed: int = 0, hertz: float = 1.0) -> np.ndarray:
    """Return the unscaled shake of a hand (F, 6) at `times` in seconds: three rotations and three translations.

    They are 0 at the first time and of size about 1: sums of four sines between 0.3 and 2 Hz times `hertz`, slow ones
    larger. Raises UserError for a negative seed.
    """
    if seed < 0:
        raise UserError(f"the seed of a camera shake is {seed}; 0 or more was expected")
    random = np.random.default_rng(seed)
    rates = random.uniform(_SLOWEST, _FASTEST, (6, _SINES))
    phases = random.uniform(0, 2 * np.pi, (6, _SINES))
    curves = sum_of_sines(times, hertz * rates, phases, 1 / rates)
    shake: np.ndarray = (curves - curves[:1]) * _RELATIVE_SIZE
    return shake


def scale_to_maximum(curve: np.ndarray, length: float) -> np.ndarray:
    """Return vectors (F, 3) scaled so that the longest has `length`; vectors that are all 0 stay."""
    longest = np.linalg.norm(curve, axis=1).max()
    return curve * (length / longest if longest > 0 else 0.0)
