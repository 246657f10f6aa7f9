"""Small images of clips for the report: a few frames side by side, and rows of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...control.images import indices, resize

HEIGHT, FRAMES = 72, 5


def strip(frames: Sequence[np.ndarray] | np.ndarray, height: int = HEIGHT, count: int = FRAMES) -> np.ndarray:
    """Return `count` frames, evenly spread, of (F, H, W, 3) or gray (F, H, W), 0..1, as one image (height, W', 3)."""
    chosen = [frames[place] for place in indices(len(frames), min(count, len(frames)))]
    width = max(1, round(height * chosen[0].shape[1] / chosen[0].shape[0]))
    colors = [np.repeat(frame[..., None], 3, 2) if frame.ndim == 2 else frame[..., :3] for frame in chosen]
    row: np.ndarray = np.concatenate([resize(frame, height, width) for frame in colors], 1).clip(0, 1)
    return row


def stack_strips(rows: Sequence[np.ndarray]) -> np.ndarray:
    """Return rows below each other, on black where one is narrower."""
    width = max(row.shape[1] for row in rows)
    padded = [np.pad(row, ((0, 2), (0, width - row.shape[1]), (0, 0))) for row in rows]
    image: np.ndarray = np.concatenate(padded)
    return image
