"""Depth, object mask and features of the frames of a clip: a small U-Net over each, with the whole clip's mean in view.

A single image does not say what is the nearest and farthest of its clip. The mean of all frames goes into every one,
so that depth comes out as a depth condition has it: near 1 and far 0 over the whole clip.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from einops import reduce
from torch import Tensor, nn

from .layers import Conv, Residual, coordinates


class PerceptionOutput(NamedTuple):
    """depth (N, H, W) as a condition has it, about 0 to 1; disparity (N, H, W), in inverse units of the world, for
    ratios; objects (N, H, W) logits; features (N, C)."""

    depth: Tensor
    disparity: Tensor
    objects: Tensor
    features: Tensor


class Perception(nn.Module):
    """Images (N, 3, 64, 96) in [0, 1], all frames of one clip or of `clips` equally long ones."""

    mean: Tensor

    def __init__(self, widths: tuple[int, ...] = (32, 64, 96, 128)):
        super().__init__()
        a, *_ = widths
        self.stem = Conv(12 + 2, a)
        self.down = nn.ModuleList()
        for above, width in zip(widths, widths[1:], strict=False):
            self.down.append(nn.Sequential(Conv(above, width, 2), Residual(width)))
        self.overview = nn.Linear(widths[-1] * 6, widths[-1])
        self.middle = Residual(widths[-1])
        self.up = nn.ModuleList()
        for above, width in zip(reversed(widths[1:]), reversed(widths[:-1]), strict=True):
            self.up.append(nn.Sequential(Conv(above + width, width), *([Residual(width)] if width > a else [])))
        self.last = Conv(a + 12, a)
        self.head = nn.Conv2d(a, 12, 3, 1, 1)
        # The features of an average image; without subtracting them every two images would seem alike.
        self.register_buffer("mean", torch.zeros(widths[-1] * 6))

    def pooled(self, images: Tensor) -> Tensor:
        """Return what each image adds to the overview of its clip (N, C); `forward` takes its mean over a long clip."""
        return self._down(images)[2]

    def _down(self, images: Tensor) -> tuple[Tensor, list[Tensor], Tensor]:
        """Return the folded images, the activations of every level, and the pooled ones of the lowest."""
        folded = F.pixel_unshuffle(images - 0.5, 2)
        x = self.stem(torch.cat([folded, coordinates(folded)], 1))
        levels = [x]
        for down in self.down:
            x = down(x)
            levels.append(x)
        return folded, levels, F.adaptive_avg_pool2d(x.float(), (2, 3)).flatten(1)

    def forward(self, images: Tensor, clips: int = 1, mean: Tensor | None = None) -> PerceptionOutput:
        """Look at `images`. mean (1, C): that of the whole clip, where the images are only a piece of it."""
        folded, levels, pooled = self._down(images)
        x = levels[-1]
        pooled = reduce(pooled, "(clips frames) c -> clips c", "mean", clips=clips) if mean is None else mean
        overview = self.overview(pooled).repeat_interleave(len(x) // clips, 0)
        x = self.middle(x + overview[..., None, None].to(x.dtype))
        features = F.adaptive_avg_pool2d(x.float(), (2, 3)).flatten(1) - self.mean
        for up, beside in zip(self.up, reversed(levels[:-1]), strict=True):
            x = F.interpolate(x, size=beside.shape[-2:], mode="nearest")
            x = up(torch.cat([x, beside], 1))
        x = self.head(self.last(torch.cat([x, folded.to(x.dtype)], 1)))
        disparity, objects, depth = F.pixel_shuffle(x.float(), 2).unbind(1)
        return PerceptionOutput(depth + 0.5, F.softplus(disparity), objects, features)
