"""The fixed statistics of Wan 2.1 latents (comfy/latent_formats.py, class Wan21; Wan-Video/Wan2.1).

The generator reads `(z - mean) / std`. After training, an affine of every channel is folded into the miniature's
autoencoder, so that its raw latents have this very mean and deviation: one latent format serves both scales.
"""

from __future__ import annotations

import torch
from torch import Tensor

LATENT_MEAN = (
    -0.7571,
    -0.7089,
    -0.9113,
    0.1075,
    -0.1745,
    0.9653,
    -0.1517,
    1.5508,
    0.4134,
    -0.0715,
    0.5517,
    -0.3632,
    -0.1922,
    -0.9497,
    0.2503,
    -0.2921,
)
LATENT_STD = (
    2.8184,
    1.4541,
    2.3275,
    2.6558,
    1.2196,
    1.7708,
    2.6052,
    2.0743,
    3.2687,
    2.1526,
    2.8652,
    1.5579,
    1.6382,
    1.1253,
    2.8251,
    1.9160,
)


def _per_channel(values: tuple[float, ...], like: Tensor) -> Tensor:
    """Return one value per channel, shaped to multiply a latent (B, C, T, h, w) like `like`."""
    return torch.tensor(values, device=like.device, dtype=like.dtype).view(1, -1, 1, 1, 1)


def normalize_latent(z: Tensor) -> Tensor:
    """Return raw latents (B, 16, T, h, w) as the generator reads them: zero mean, unit deviation per channel."""
    return (z - _per_channel(LATENT_MEAN, z)) / _per_channel(LATENT_STD, z)


def denormalize_latent(z: Tensor) -> Tensor:
    """Return latents of the generator (B, 16, T, h, w) as the autoencoder decodes them."""
    return z * _per_channel(LATENT_STD, z) + _per_channel(LATENT_MEAN, z)
