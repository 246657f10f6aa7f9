"""Does this region of an image show that reference? Both become unit vectors that are near where it does."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .layers import Conv, Residual

CROP = 48
GRAY = 0.5


def on_gray(images: Tensor, masks: Tensor) -> Tensor:
    """Images (N, 3, H, W) with everything outside of masks (N, H, W) gray, as references are shown."""
    return (images.float() - GRAY) * masks.float()[:, None] + GRAY


def crop(images: Tensor, masks: Tensor, size: int = CROP, margin: float = 0.04) -> Tensor:
    """The box around each mask, stretched to a square: (N, 3, H, W) and (N, H, W) -> (N, 3, size, size).

    Neither the outline of the mask nor the proportions of its box are left in the crop: both are given by whoever
    asks, so an identity that is known by them would be found in any image. An empty mask gives the whole image.
    """
    n, _, height, width = images.shape
    inside = masks > 0.5

    def span(seen: Tensor, length: int) -> tuple[Tensor, Tensor]:
        place = torch.arange(length, device=masks.device)
        low = torch.where(seen, place, length).amin(1)
        high = torch.where(seen, place, -1).amax(1) + 1
        return low.float(), torch.maximum(high.float(), low.float() + 1)

    left, right = span(inside.any(1), width)
    top, bottom = span(inside.any(2), height)
    empty = ~inside.flatten(1).any(1)
    left, top = torch.where(empty, 0, left), torch.where(empty, 0, top)
    right, bottom = torch.where(empty, width, right), torch.where(empty, height, bottom)
    theta = torch.zeros(n, 2, 3, device=images.device)
    theta[:, 0, 0] = (right - left) * (1 + 2 * margin) / width
    theta[:, 1, 1] = (bottom - top) * (1 + 2 * margin) / height
    theta[:, 0, 2], theta[:, 1, 2] = (left + right) / width - 1, (top + bottom) / height - 1
    grid = F.affine_grid(theta, (n, 3, size, size), align_corners=False)
    return F.grid_sample(images.float(), grid, padding_mode="border", align_corners=False)


class IdentityNet(nn.Module):
    """Crops (N, 3, 48, 48) of `crop` -> unit vectors (N, 64)."""

    def __init__(self, widths: tuple[int, int, int] = (32, 64, 128), dim: int = 64):
        super().__init__()
        a, b, c = widths
        self.body = nn.Sequential(Conv(3, a, 2), Conv(a, b, 2), Residual(b), Conv(b, c, 2), Residual(c))
        self.head = nn.Linear(2 * c, dim)
        self.log_scale = nn.Parameter(torch.tensor(2.3))

    def forward(self, crops: Tensor) -> Tensor:
        x = self.body(crops - GRAY).float()
        return F.normalize(self.head(torch.cat([x.mean((2, 3)), x.amax((2, 3))], 1)), dim=1)
