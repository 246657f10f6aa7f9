"""Rectified flow: a straight line from data (t = 0) to noise (t = 1), as Wan 2.1 and ComfyUI's flow sampling have it.

Letters: B clips, C channels, T latent frames, h w latent sides. `t` is one number per clip (B,) or per latent frame
(B, T).
"""

from __future__ import annotations

import torch


def broadcast_time(t: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """Return `t` (B,) or (B, T) shaped to multiply a latent (B, C, T, h, w). Raises ValueError for other shapes."""
    if t.ndim == 1:
        return t.view(-1, 1, 1, 1, 1).to(like)
    if t.ndim == 2:
        return t[:, None, :, None, None].to(like)
    raise ValueError(f"t must be (B,) or (B, T), not {tuple(t.shape)}")


def add_noise(data: torch.Tensor, noise: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
    """Return the point of the line at t: (1 - t) data + t noise."""
    t = broadcast_time(t, data)
    return (1 - t) * data + t * noise


def velocity(data: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
    """Return what the network predicts: the derivative of `add_noise` by t, noise - data, the same at every t."""
    return noise - data
