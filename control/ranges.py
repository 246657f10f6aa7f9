"""Numbers of frames in words."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def format_ranges(numbers: Sequence[int] | np.ndarray) -> str:
    """Return sorted whole numbers as text: [3, 4, 5, 9] is '3-5, 9'."""
    numbers = np.asarray(numbers)
    parts = np.split(numbers, np.flatnonzero(np.diff(numbers) > 1) + 1)
    return ", ".join(f"{part[0]}-{part[-1]}" if len(part) > 1 else f"{part[0]}" for part in parts)


def name_frames(frames: Sequence[int] | np.ndarray) -> str:
    """Return sorted numbers of frames as part of a sentence: 'frame 3', 'frames 3-5, 9'."""
    return f"frame{'s' * (len(frames) != 1)} {format_ranges(frames)}"
