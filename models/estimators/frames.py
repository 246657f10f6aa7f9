"""Frames of a video as the estimators of depth take them: one at a time, checked, as tensors."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np
import torch
from einops import rearrange
from torch import Tensor

from ...control.errors import UserError

Canceled = Callable[[], bool]


def frame_tensors(frames: Iterable[np.ndarray]) -> Iterator[Tensor]:
    """Yield frames (H, W, 3 or 4), float in 0..1 or uint8, as (3, H, W) float32 in 0..1.

    Raises UserError for another shape, frames of several sizes, NaN and infinity.
    """
    size = None
    for number, frame in enumerate(frames):
        frame = np.asarray(frame)
        if frame.ndim != 3 or frame.shape[2] not in (3, 4) or min(frame.shape) < 1:
            raise UserError(f"frame {number} has shape {frame.shape}; (height, width, 3) was expected")
        size = size or frame.shape[:2]
        if frame.shape[:2] != size:
            raise UserError(f"frame {number} has another size than the first: use frames of one size")
        if frame.dtype != np.uint8 and not np.isfinite(frame).all():
            raise UserError(f"frame {number} holds NaN or infinity")
        scale = 255 if frame.dtype == np.uint8 else 1
        image = torch.from_numpy(np.ascontiguousarray(frame[..., :3], np.float32))
        yield rearrange(image, "h w c -> c h w") / scale


def batches(images: Iterable[Tensor], size: int) -> Iterator[Tensor]:
    """Yield images (3, H, W) stacked, `size` at a time (N, 3, H, W); the last batch may be smaller."""
    waiting: list[Tensor] = []
    for image in images:
        waiting.append(image)
        if len(waiting) == size:
            yield torch.stack(waiting)
            waiting = []
    if waiting:
        yield torch.stack(waiting)


def stop_if(canceled: Canceled | None, frame: int) -> None:
    """Raise UserError where `canceled` returns True."""
    if canceled is not None and canceled():
        raise UserError(f"estimating depth was stopped at frame {frame}")
