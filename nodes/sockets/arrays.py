"""Between ComfyUI's tensors (B H W C, values 0..1) and control's numpy arrays: changed here and nowhere else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from einops import repeat

from ...control.errors import UserError, shorten
from .types import ImageTensor, MaskTensor, TensorDict

if TYPE_CHECKING:
    from torch import Tensor

NUMBERS = "fiub"  # NumPy's kinds
MOST_SAMPLE_RATE = 2**24  # of a sound, per second


def to_images(image: ImageTensor, name: str, max_channels: int = 3) -> np.ndarray:
    """Return an IMAGE as an array (N, H, W, C) float32, with at most `max_channels` channels (alpha is dropped).

    A single image (H, W, C) becomes a batch of one. Raises UserError, calling the images `name`, for other shapes and
    values that are not finite.
    """
    array = _finite(image, name)
    if array.ndim == 3:
        array = array[None]
    if array.ndim != 4 or min(array.shape) < 1 or array.shape[-1] < 3:
        raise UserError(f"{name} has shape {tuple(array.shape)}; an IMAGE (frames, height, width, 3) was expected.")
    return np.ascontiguousarray(array[..., :max_channels])


def to_masks(mask: MaskTensor, name: str) -> np.ndarray:
    """Return a MASK (N, H, W) or (H, W) as an array (N, H, W) float32.

    Raises UserError, calling the mask `name`, for other shapes and values that are not finite.
    """
    array = _finite(mask, name)
    if array.ndim == 2:
        array = array[None]
    if array.ndim != 3 or min(array.shape) < 1:
        raise UserError(f"{name} has shape {tuple(array.shape)}; a MASK (frames, height, width) was expected.")
    return array


def to_samples(audio: TensorDict) -> tuple[np.ndarray, float]:
    """Return the samples (channels, S) float32 of an AUDIO and how many come in a second; a batch counts as channels.

    Raises UserError for anything else.
    """
    if not isinstance(audio, Mapping) or not {"waveform", "sample_rate"} <= set(audio):
        raise UserError(f"The sound is {describe_value(audio)}; an AUDIO was expected: connect Load Audio.")
    samples, rate = _finite(audio["waveform"], "the waveform"), audio["sample_rate"]
    if not samples.ndim or not samples.size or not isinstance(rate, (int, float)) or not 0 < rate <= MOST_SAMPLE_RATE:
        raise UserError(
            f"The sound has samples of shape {samples.shape}, {shorten(rate)} a second; (batch, channels, samples) was"
            f" expected. Look at the node before."
        )
    return samples.reshape(-1, samples.shape[-1]), float(rate)


def to_tensor(array: np.ndarray) -> Tensor:
    """Return an array of floats as the float32 CPU tensor that IMAGE and MASK sockets carry."""
    import torch

    return torch.from_numpy(np.ascontiguousarray(array, np.float32))


def to_gray_images(values: np.ndarray) -> ImageTensor:
    """Return (F, H, W), 0..1, as a gray IMAGE (F, H, W, 3)."""
    return to_tensor(repeat(values, "f h w -> f h w c", c=3))


def to_array(value: object, name: str) -> np.ndarray:
    """Return the numbers of a tensor or an array as float32; they may be infinite, as depth is in the sky.

    Raises UserError, calling the value `name`, for anything else.
    """
    import torch

    if isinstance(value, torch.Tensor) and not value.is_complex():
        array: np.ndarray = value.detach().float().cpu().numpy()
        return array
    if isinstance(value, np.ndarray) and value.dtype.kind in NUMBERS:
        return value.astype(np.float32)
    kind = f"of {value.dtype}" if isinstance(value, (torch.Tensor, np.ndarray)) else f"a {type(value).__name__}"
    raise UserError(f"{name} is {kind}; a tensor of numbers was expected. Look at the node before.")


def describe_value(value: object) -> str:
    """Return what came in place of an expected dict of tensors, for an error: its keys, or its class."""
    return ", ".join(map(str, value)) if isinstance(value, Mapping) else type(value).__name__


def _finite(tensor: Tensor, name: str) -> np.ndarray:
    array = to_array(tensor, name)
    if not np.isfinite(array).all():
        raise UserError(f"{name} holds NaN or infinity; values between 0 and 1 were expected. Look at the node before.")
    return array
