"""Between ComfyUI's tensors (B H W C, values 0..1) and control's numpy arrays: changed here and nowhere else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from einops import repeat

from ...control.errors import UserError
from .types import ImageTensor, MaskTensor

if TYPE_CHECKING:
    from torch import Tensor


def to_images(image: ImageTensor, name: str, max_channels: int = 3) -> np.ndarray:
    """Return an IMAGE as an array (N, H, W, C) float32, with at most `max_channels` channels (alpha is dropped).

    A single image (H, W, C) becomes a batch of one. Raises UserError, calling the images `name`, for other shapes and
    values that are not finite.
    """
    array = _finite(image, name)
    if array.ndim == 3:
        array = array[None]
    if array.ndim != 4 or array.shape[0] < 1 or array.shape[-1] < 3:
        raise UserError(f"{name} has shape {tuple(array.shape)}; an IMAGE (frames, height, width, 3) was expected.")
    return np.ascontiguousarray(array[..., :max_channels])


def to_masks(mask: MaskTensor, name: str) -> np.ndarray:
    """Return a MASK (N, H, W) or (H, W) as an array (N, H, W) float32.

    Raises UserError, calling the mask `name`, for other shapes and values that are not finite.
    """
    array = _finite(mask, name)
    if array.ndim == 2:
        array = array[None]
    if array.ndim != 3 or array.shape[0] < 1:
        raise UserError(f"{name} has shape {tuple(array.shape)}; a MASK (frames, height, width) was expected.")
    return array


def to_tensor(array: np.ndarray) -> Tensor:
    """Return an array of floats as the float32 CPU tensor that IMAGE and MASK sockets carry."""
    import torch

    return torch.from_numpy(np.ascontiguousarray(array, np.float32))


def to_gray_images(values: np.ndarray) -> ImageTensor:
    """Return (F, H, W), 0..1, as a gray IMAGE (F, H, W, 3)."""
    return to_tensor(repeat(values, "f h w -> f h w c", c=3))


def to_array(tensor: Tensor | np.ndarray) -> np.ndarray:
    """Return a tensor's numbers as float32; they may be infinite, as depth is in the sky."""
    if not hasattr(tensor, "detach"):
        return np.asarray(tensor, np.float32)
    array: np.ndarray = tensor.detach().float().cpu().numpy()
    return array


def describe_value(value: object) -> str:
    """Return what came in place of an expected dict of tensors, for an error: its keys, or its class."""
    return ", ".join(map(str, value)) if isinstance(value, Mapping) else type(value).__name__


def _finite(tensor: Tensor, name: str) -> np.ndarray:
    array = to_array(tensor)
    if not np.isfinite(array).all():
        raise UserError(f"{name} holds NaN or infinity; values between 0 and 1 were expected. Look at the node before.")
    return array
