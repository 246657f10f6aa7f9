"""The host's stock VAE on a CPU with our convolutions: the same numbers, in a third of the time in float32."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch

from ...models.vae.layers import conv3d


def use_fast_convolutions(vae: Any) -> None:
    """Let the 3D convolutions of a host's Wan VAE compute as `models.vae.layers.conv3d` does."""
    for module in vae.first_stage_model.modules():
        if isinstance(module, torch.nn.Conv3d) and isinstance(module.padding, tuple) and not module.padding[0]:
            # Seen by this VAE alone: an attribute of the instance goes before the method of its class.
            module._conv_forward = partial(_convolve, module.stride, module.padding)  # type: ignore[method-assign]


def _convolve(
    stride: tuple[int, ...],
    padding: tuple[int, ...],
    x: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor | None,
    autopad: str | None = None,
) -> torch.Tensor:
    """Convolve as `comfy.ops.disable_weight_init.Conv3d` does: with "causal_zero" x comes after frames of zeros, which
    the kernel's first slices would have read."""
    if autopad == "causal_zero":
        weight = weight[:, :, -x.shape[2] :]
    return conv3d(x, weight, bias, stride, padding)
