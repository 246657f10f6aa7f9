"""The colors that all drawings share, as (red, green, blue) in [0, 1]."""

from __future__ import annotations

import numpy as np

Color = tuple[float, float, float]

INK: Color = (0.12, 0.13, 0.16)
PAPER: Color = (0.97, 0.97, 0.96)
PATH: Color = (0.62, 0.66, 0.74)
NOW: Color = (0.85, 0.27, 0.16)  # the current frame, and limits
SUBJECT: Color = (0.20, 0.47, 0.75)
GRID: Color = (0.87, 0.88, 0.88)
SHADE: Color = (0.74, 0.76, 0.78)
NOTE: Color = (0.5, 0.52, 0.55)
FIRST_TO_LAST: tuple[Color, ...] = ((0.13, 0.45, 0.78), (0.49, 0.33, 0.67), (0.85, 0.27, 0.16))


def frame_color(index: float, count: int) -> Color:
    """Return the color of frame `index` of `count`: blue for the first, over violet, to red for the last."""
    share = 0.0 if count < 2 else float(np.clip(index / (count - 1), 0, 1))
    red, green, blue = (float(np.interp(share, [0, 0.5, 1], channel)) for channel in np.array(FIRST_TO_LAST).T)
    return red, green, blue


def lighter(color: Color, share: float) -> Color:
    """Return `color` mixed with `share` of white."""
    red, green, blue = (share + (1 - share) * channel for channel in color)
    return red, green, blue


def to_bytes(color: Color) -> tuple[int, int, int]:
    """Return `color` as three integers from 0 to 255."""
    red, green, blue = (round(255 * float(channel)) for channel in color)
    return red, green, blue
