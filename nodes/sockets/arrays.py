"""Between ComfyUI's tensors (B H W C, values 0..1) and control's numpy arrays: changed here and nowhere else."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...control.errors import UserError


def to_images(image: Any, what: str, channels: tuple[int, ...] = (3,)) -> np.ndarray:
    """IMAGE (N, H, W, C) -> (N, H, W, C) float32. `channels` says how many are kept at most (alpha is dropped)."""
    array = _numbers(image, what)
    if array.ndim == 3:
        array = array[None]
    if array.ndim != 4 or array.shape[0] < 1 or array.shape[-1] < 3:
        raise UserError(f"{what} has shape {tuple(array.shape)}; an IMAGE (frames, height, width, 3) was expected.")
    return np.ascontiguousarray(array[..., : max(channels)])


def to_masks(mask: Any, what: str) -> np.ndarray:
    """MASK (N, H, W) or (H, W) -> (N, H, W) float32."""
    array = _numbers(mask, what)
    if array.ndim == 2:
        array = array[None]
    if array.ndim != 3 or array.shape[0] < 1:
        raise UserError(f"{what} has shape {tuple(array.shape)}; a MASK (frames, height, width) was expected.")
    return array


def to_tensor(array: np.ndarray) -> Any:
    """numpy (float, any shape) -> the float32 CPU tensor that IMAGE and MASK sockets carry."""
    import torch

    return torch.from_numpy(np.ascontiguousarray(array, np.float32))


def _numbers(tensor: Any, what: str) -> np.ndarray:
    array = tensor.detach().float().cpu().numpy() if hasattr(tensor, "detach") else np.asarray(tensor, np.float32)
    if not np.isfinite(array).all():
        raise UserError(f"{what} holds NaN or infinity; values between 0 and 1 were expected. Look at the node before.")
    return array
