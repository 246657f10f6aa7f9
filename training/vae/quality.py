"""How well the autoencoder reconstructs: PSNR of each kind of clip, and whether it flickers."""

from __future__ import annotations

import torch
from torch import Tensor

from ...models.vae.autoencoder import VAE
from .vae_clips import as_input


def channels_last(x: Tensor) -> Tensor:
    """Lays a clip out channels last: on CPUs the bfloat16 kernels are twice as fast so."""
    return x.contiguous(memory_format=torch.channels_last_3d)


def psnr(y: Tensor, x: Tensor) -> float:
    """Peak signal to noise in dB of clamped images, both in [-1, 1], from the error over all of them."""
    return float(-10 * torch.log10((y.clamp(-1, 1) - x).div(2).square().mean().clamp_min(1e-10)))


def _parts(clips: Tensor) -> tuple[Tensor, ...]:
    return clips.split(1 if clips.shape[2] > 1 else 8)


@torch.no_grad()
def autocast_encode(vae: VAE, clips: Tensor) -> Tensor:
    """Raw float32 latents of clips in [-1, 1], a few at a time, under bfloat16 autocast."""
    with torch.autocast(clips.device.type, torch.bfloat16):
        return torch.cat([vae.encode(channels_last(part)).float() for part in _parts(clips)])


@torch.no_grad()
def reconstruct(vae: VAE, clips: Tensor) -> Tensor:
    """Clips in [-1, 1] encoded and decoded whole under bfloat16 autocast: float32, clamped."""
    parts = []
    with torch.autocast(clips.device.type, torch.bfloat16):
        for part in _parts(clips):
            parts.append(vae.decode(vae.encode(channels_last(part))).float().clamp(-1, 1))
    return torch.cat(parts)


def evaluate(vae: VAE, held_out: dict[str, Tensor]) -> dict[str, float]:
    """PSNR of each kind of held-out clip (uint8)."""
    device = next(vae.parameters()).device
    inputs = {kind: as_input(clips).to(device) for kind, clips in held_out.items()}
    return {kind: round(psnr(reconstruct(vae, x), x), 2) for kind, x in inputs.items()}


def errors(vae: VAE, clips: Tensor) -> dict[str, float]:
    """Mean absolute errors in steps of 0..255: of the `frames`, and of the `changes` from each to the next. A
    reconstruction flickers where that of the changes is the larger."""
    x = as_input(clips).to(next(vae.parameters()).device)
    wrong = reconstruct(vae, x) - x
    return {
        name: round(float(error.abs().mean()) * 127.5, 3)
        for name, error in (("frames", wrong), ("changes", wrong.diff(dim=2)))
    }
