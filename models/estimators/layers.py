"""Convolution blocks that the estimators share, with batch norm: the networks are small and see batches of frames."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SIZE = (64, 96)  # height and width at which the estimators look


class Conv(nn.Module):
    """3x3 convolution, batch norm, SiLU; `stride` 2 halves the image."""

    def __init__(self, fan_in: int, fan_out: int, stride: int = 1, kernel: int = 3):
        super().__init__()
        self.conv = nn.Conv2d(fan_in, fan_out, kernel, stride, (kernel - 1) // 2, bias=False)
        self.norm = nn.BatchNorm2d(fan_out)

    def forward(self, x: Tensor) -> Tensor:
        return F.silu(self.norm(self.conv(x)))


class Residual(nn.Module):
    """Two convolutions beside the identity."""

    def __init__(self, width: int):
        super().__init__()
        self.first = Conv(width, width)
        self.second = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.norm = nn.BatchNorm2d(width)
        nn.init.zeros_(self.norm.weight)  # begins as the identity

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x + self.norm(self.second(self.first(x)))
        return out


def at_size(images: Tensor, size: tuple[int, int] = SIZE) -> Tensor:
    """Return images (N, C, H, W) resized to the estimators' size (N, C, *size); antialiased where they shrink."""
    if tuple(images.shape[-2:]) == tuple(size):
        return images
    return F.interpolate(images.float(), size=size, mode="bilinear", antialias=True, align_corners=False)


def coordinates(images: Tensor) -> Tensor:
    """Return x and y of the center of every pixel of images (N, C, H, W), from -1 to 1: (N, 2, H, W)."""
    n, _, height, width = images.shape
    y = (torch.arange(height, device=images.device, dtype=images.dtype) + 0.5) / height * 2 - 1
    x = (torch.arange(width, device=images.device, dtype=images.dtype) + 0.5) / width * 2 - 1
    return torch.stack([x.expand(height, width), y[:, None].expand(height, width)]).expand(n, 2, height, width)
