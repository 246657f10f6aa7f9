"""How well the autoencoder reconstructs: PSNR of each kind of clip, and whether it flickers.

`dtype` is what the network computes in (common/precision.py); None asks the device.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ...models.devices import pick_dtype
from ...models.vae.autoencoder import VAE
from ..common.precision import autocast
from .vae_clips import as_input


def channels_last(x: Tensor) -> Tensor:
    """Lay a clip out channels last: on CPUs the bfloat16 kernels are twice as fast so."""
    return x.contiguous(memory_format=torch.channels_last_3d)


def psnr(y: Tensor, x: Tensor) -> float:
    """Return the peak signal to noise ratio in dB of clamped images, both in [-1, 1], from the error over all."""
    return float(-10 * torch.log10((y.clamp(-1, 1) - x).div(2).square().mean().clamp_min(1e-10)))


def encode(vae: VAE, clips: Tensor, dtype: torch.dtype | None = None) -> Tensor:
    """Return raw float32 latents of clips in [-1, 1], computed in `dtype`, a few at a time."""
    with torch.no_grad(), autocast(clips.device, dtype or pick_dtype(clips.device)):
        return torch.cat([vae.encode(channels_last(part)).float() for part in _parts(clips)])


def reconstruct(vae: VAE, clips: Tensor, dtype: torch.dtype | None = None) -> Tensor:
    """Return clips in [-1, 1] encoded and decoded whole in `dtype`: float32, clamped."""
    with torch.no_grad(), autocast(clips.device, dtype or pick_dtype(clips.device)):
        return torch.cat([vae.decode(vae.encode(channels_last(part))).float().clamp(-1, 1) for part in _parts(clips)])


def _parts(clips: Tensor) -> tuple[Tensor, ...]:
    return torch.split(clips, 1 if clips.shape[2] > 1 else 8)


def evaluate(vae: VAE, held_out: dict[str, Tensor], dtype: torch.dtype | None = None) -> dict[str, float]:
    """Return the PSNR of each kind of held-out clips (uint8)."""
    device = next(vae.parameters()).device
    inputs = {kind: as_input(clips).to(device) for kind, clips in held_out.items()}
    return {kind: round(psnr(reconstruct(vae, x, dtype), x), 2) for kind, x in inputs.items()}


def errors(vae: VAE, clips: Tensor, dtype: torch.dtype | None = None) -> dict[str, float]:
    """Return mean absolute errors in steps of 0..255: of the `frames`, and of the `changes` from each to the next.

    A reconstruction flickers where that of the changes is the larger.
    """
    x = as_input(clips).to(next(vae.parameters()).device)
    wrong = reconstruct(vae, x, dtype) - x
    return {
        name: round(float(error.abs().mean()) * 127.5, 3)
        for name, error in (("frames", wrong), ("changes", wrong.diff(dim=2)))
    }
