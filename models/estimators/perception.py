"""Depth, object mask and features of single pictures: a small U-Net.

Disparity is predicted in inverse units of the procedural world and normalised over the clip afterwards, exactly as a
depth condition is, so that a wrong overall scale costs nothing.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .layers import Conv, Residual, coordinates


class Seen(NamedTuple):
    """disparity (N, H, W), not negative, larger is nearer; objects (N, H, W) logits; features (N, C)."""

    disparity: Tensor
    objects: Tensor
    features: Tensor


class Perception(nn.Module):
    """Pictures (N, 3, 64, 96) in [0, 1] -> `Seen`."""

    def __init__(self, widths: tuple[int, ...] = (32, 64, 96, 128)):
        super().__init__()
        a, *_ = widths
        self.stem = Conv(12 + 2, a)
        self.down = nn.ModuleList()
        for above, width in zip(widths, widths[1:], strict=False):
            self.down.append(nn.Sequential(Conv(above, width, 2), Residual(width)))
        self.middle = Residual(widths[-1])
        self.up = nn.ModuleList()
        for above, width in zip(reversed(widths[1:]), reversed(widths[:-1]), strict=True):
            self.up.append(nn.Sequential(Conv(above + width, width), *([Residual(width)] if width > a else [])))
        self.last = Conv(a + 12, a)
        self.head = nn.Conv2d(a, 8, 3, 1, 1)
        # What an average picture looks like to `features`; without it every two pictures would seem alike.
        self.register_buffer("mean", torch.zeros(widths[-1] * 6))

    def forward(self, pictures: Tensor) -> Seen:
        folded = F.pixel_unshuffle(pictures - 0.5, 2)
        x = self.stem(torch.cat([folded, coordinates(folded)], 1))
        kept = [x]
        for down in self.down:
            x = down(x)
            kept.append(x)
        x = self.middle(x)
        features = F.adaptive_avg_pool2d(x.float(), (2, 3)).flatten(1) - self.mean
        for up, beside in zip(self.up, reversed(kept[:-1]), strict=True):
            x = F.interpolate(x, size=beside.shape[-2:], mode="nearest")
            x = up(torch.cat([x, beside], 1))
        x = self.head(self.last(torch.cat([x, folded.to(x.dtype)], 1)))
        disparity, objects = F.pixel_shuffle(x.float(), 2).unbind(1)
        return Seen(F.softplus(disparity), objects, features)
