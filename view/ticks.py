"""Round numbers for axes and grids."""

from __future__ import annotations

import numpy as np


def round_step(value: float) -> float:
    """Return the number nearest to `value` (above 0), by ratio, that is 1, 2, 2.5 or 5 times a power of ten."""
    power = 10.0 ** np.floor(np.log10(value))
    return float(min((m * power for m in (1, 2, 2.5, 5, 10)), key=lambda m: abs(np.log(m / value))))


def ticks(low: float, high: float, count: int) -> list[float]:
    """Return about `count` round numbers from `low` to `high`, evenly spaced."""
    step = round_step((high - low) / count)
    first = np.ceil(low / step - 1e-9) * step
    return [float(round(tick, 10)) + 0.0 for tick in np.arange(first, high + step * 1e-6, step)]
