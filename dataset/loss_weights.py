"""What an error in a latent counts: by channel, and by whether an object is there.

Letters: B clips, C channels, T h w latent frames and sides.
"""

from __future__ import annotations

import torch

from ..models.conditioning.encoder import encode_frames
from ..models.geometry import LatentGeometry, Size3
from ..models.vae import VAE
from ..models.vae.latent import denormalize_latent
from .clip_source import ClipSource

# Distance from an empty map's latent above which a position of the latent belongs to an object: half of a full color's.
PAINTED = 5.0


@torch.no_grad()
def channel_weights(vae: VAE, clips: ClipSource, power: float, count: int = 4) -> torch.Tensor:
    """Return what an error in each latent channel does to the image, to the `power`, with mean 1: (C,).

    Latents have unit variance in every channel, whether it carries the scene or the last traces of a texture, and the
    plain loss would spend most of a small network on what nobody sees. 0 gives that loss; 1 weighs by squared error of
    pixels.
    """
    latents = clips.get("video", range(min(count, len(clips)))).float()
    channels = latents.shape[1]
    if power == 0:
        return torch.ones(channels)
    weight = next(vae.parameters())

    def decoded(z: torch.Tensor) -> torch.Tensor:
        return vae.decode(denormalize_latent(z).to(weight)).float()

    plain = decoded(latents)
    noise = torch.randn(latents.shape, generator=torch.Generator().manual_seed(0))
    effects = []
    for channel in range(channels):
        moved = latents.clone()
        moved[:, channel] += 0.5 * noise[:, channel]
        effects.append((decoded(moved) - plain).square().mean())
    weights = torch.stack(effects).cpu() ** power
    return weights / weights.mean()


@torch.no_grad()
def blank_map(vae: VAE, geometry: LatentGeometry, size: Size3) -> torch.Tensor:
    """Return the latent (1, C, T, h, w) of an identity map with nobody in it; `size` is its (T, h, w)."""
    device = next(vae.parameters()).device
    return encode_frames(vae, torch.zeros(1, 3, *geometry.video_size(size), device=device))


def object_mask(maps: torch.Tensor, blank: torch.Tensor) -> torch.Tensor:
    """Return where the latents of identity maps (B, C, T, h, w) show an object: (B, 1, T, h, w) of 0 and 1."""
    distance: torch.Tensor = (maps - blank).norm(dim=1, keepdim=True)
    return (distance > PAINTED).float()
