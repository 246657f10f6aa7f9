"""The loudness of a sound, frame by frame."""

from __future__ import annotations

import numpy as np

from .colors import NOW, PAPER, SUBJECT

ROOM = 0.08  # of the height, above and below the bars


def draw_loudness(values: np.ndarray, height: int, width: int) -> np.ndarray:
    """Return `(F, height, width, 3)`: a bar per frame for its loudness (F,) in 0..1, that of the frame in red."""
    count = len(values)
    bar = (np.arange(width) * count // width)[None, :]
    level = 1 - (np.arange(height) + 0.5)[:, None] / height
    filled = (level >= ROOM) & (level <= ROOM + np.maximum(values, 0.02)[bar] * (1 - 2 * ROOM))
    page = np.where(filled[..., None], np.array(SUBJECT, np.float32), np.array(PAPER, np.float32))
    frames = np.repeat(page[None].astype(np.float32), count, 0)
    for number in range(count):
        frames[number][filled & (bar == number)] = NOW
    return frames
