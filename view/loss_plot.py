"""The loss of a training, step by step, as it grows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .canvas import Canvas
from .colors import GRID, NOW, SHADE
from .ticks import ticks

LEFT, RIGHT, TOP, FOOT = 44.0, 12.0, 12.0, 24.0  # margins in pixels
SMOOTH = 0.1  # weight of each step in the red line


def draw_losses(losses: Sequence[float], steps: int, height: int = 240, width: int = 400) -> np.ndarray:
    """Return an image (height, width, 3), 0..1: the losses of the last steps so far (gray, and smoothed in red) over
    the `steps` of the whole run. NaN, of a step that was skipped, is left out."""
    page = Canvas(height, width)
    values = np.array(losses, np.float64)
    places = np.arange(1, len(values) + 1)[np.isfinite(values)]
    values = values[np.isfinite(values)]
    high = 1.1 * float(values.max()) if len(values) and values.max() > 0 else 1.0

    def at(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Return pixels (N, 2) of steps and losses."""
        across = LEFT + x / max(steps, 1) * (width - LEFT - RIGHT)
        return np.stack([across, height - FOOT - y / high * (height - TOP - FOOT)], 1)

    for value in ticks(0.0, high, 4):
        page.line(at(np.array([0, steps]), np.array([value, value])), GRID)
        page.text(f"{value:g}", LEFT - 6, at(np.array([0]), np.array([value]))[0, 1] + 4, 0.36, align=1.0)
    for step in ticks(0.0, float(steps), 4):
        page.text(f"{step:g}", at(np.array([step]), np.array([0.0]))[0, 0], height - 8, 0.36, align=0.5)
    if len(values) > 1:
        page.line(at(places, values), SHADE)
        page.line(at(places, _smoothed(values)), NOW, 1.6)
    return page.image()


def _smoothed(values: np.ndarray) -> np.ndarray:
    """Return the running mean (N,) of values, whose first ones count alike."""
    result, mean = np.empty_like(values), 0.0
    for number, value in enumerate(values):
        mean += max(SMOOTH, 1 / (number + 1)) * (value - mean)
        result[number] = mean
    return result
