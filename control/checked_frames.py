"""The check of a clip of images that every condition with frames of its own makes."""

from __future__ import annotations

import numpy as np

from .errors import UserError
from .identity.slots import check_range

OVERSHOOT = 0.25  # so far beyond 0..1 may values lie that bicubic or Lanczos resizing has left: they are clipped


def checked_frames(frames: np.ndarray, what: str) -> np.ndarray:
    """Return images (F, H, W, 3) as float32, 0..1.

    Raises UserError, calling them `what`, for other shapes, NaN, and values far outside 0..1.
    """
    frames = np.asarray(frames, np.float32)
    if frames.ndim != 4 or frames.shape[3] != 3 or min(frames.shape) < 1:
        raise UserError(f"{what} has shape {frames.shape}; (frames, height, width, 3) was expected")
    check_range(frames, what, OVERSHOOT)
    return frames.clip(0, 1) if frames.min() < 0 or frames.max() > 1 else frames
