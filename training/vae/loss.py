"""What the autoencoder learns: to reconstruct images and their changes, from latents that a generator can predict."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ...models.vae.autoencoder import VAE
from .settings import VAESettings


def loss_of(vae: VAE, x: Tensor, settings: VAESettings, noise: Tensor) -> tuple[Tensor, dict[str, float]]:
    """Return the loss on clips x (B, 3, F, H, W) in [-1, 1] and its parts as numbers.

    Squared and absolute error, error of the change between frames, a touch of KL, and the error of what half-size
    latents decode to. `noise` (B, z, T, h, w) draws the latents from their posterior.
    """
    mean, log_variance = (part.float() for part in vae.posterior(x))
    log_variance = log_variance.clamp(-20, 10)
    z = mean + noise * torch.exp(0.5 * log_variance)
    y = vae.decode(z).float()
    mse, l1 = F.mse_loss(y, x), F.l1_loss(y, x)
    kl = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).mean()
    loss = mse + settings.l1 * l1 + settings.kl * kl
    parts = {"mse": mse.item(), "l1": l1.item(), "kl": kl.item()}
    if x.shape[2] > 1:
        motion = F.mse_loss(y.diff(dim=2), x.diff(dim=2))
        loss = loss + settings.motion * motion
        parts["motion"] = motion.item()
    if settings.scale and min(z.shape[3:]) > 1:
        scale = half_size_error(vae, z, x)
        loss = loss + settings.scale * scale
        parts["scale"] = scale.item()
    return loss, parts


def half_size_error(vae: VAE, z: Tensor, x: Tensor) -> Tensor:
    """Return the squared error of what latents z of half the size decode to, against clips x of half the size.

    This makes latents smooth, so that a generator finds in them what it can predict ("Improving the Diffusability of
    Autoencoders", arXiv 2502.14831, section 3: scale equivariance).
    """
    h, w = (side // 2 * 2 for side in z.shape[3:])  # an odd row or column has nothing to be averaged with
    small = vae.decode(F.avg_pool3d(z[..., :h, :w], (1, 2, 2))).float()
    side = vae.spatial_compression
    return F.mse_loss(small, F.avg_pool3d(x[..., : side * h, : side * w], (1, 2, 2)))
