"""Does this region of an image show that reference? Both become unit vectors, which are near each other if so."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .layers import Conv, Residual

CROP = 48
GRAY = 0.5


def on_gray(images: Tensor, masks: Tensor) -> Tensor:
    """Return images (N, 3, H, W) with everything outside of masks (N, H, W) gray, as references are shown."""
    return (images.float() - GRAY) * masks.float()[:, None] + GRAY


def crop(images: Tensor, masks: Tensor, size: int = CROP, margin: float = 0.04) -> Tensor:
    """Return the box around each mask (N, H, W) of images (N, 3, H, W), stretched to a square: (N, 3, size, size).

    `margin` is what is added on each side, in shares of the box. Neither the outline of the mask nor the proportions of
    its box are left in the crop: the mask is part of the condition, so an identity that is known by these would be
    found in any image. An empty mask stands for the whole image.
    """
    n, _, height, width = images.shape
    inside = masks > 0.5
    left, right = _extent(inside.any(1))
    top, bottom = _extent(inside.any(2))
    theta = torch.zeros(n, 2, 3, device=images.device)
    theta[:, 0, 0] = (right - left) * (1 + 2 * margin) / width
    theta[:, 1, 1] = (bottom - top) * (1 + 2 * margin) / height
    theta[:, 0, 2], theta[:, 1, 2] = (left + right) / width - 1, (top + bottom) / height - 1
    grid = F.affine_grid(theta, [n, 3, size, size], align_corners=False)
    return F.grid_sample(images.float(), grid, padding_mode="border", align_corners=False)


def _extent(covered: Tensor) -> tuple[Tensor, Tensor]:
    """Return the first and one past the last covered position of each row (N, length); rows without any count as
    covered all over."""
    length = covered.shape[1]
    covered = covered | ~covered.any(1, keepdim=True)
    position = torch.arange(length, device=covered.device)
    first = torch.where(covered, position, length).amin(1)
    last = torch.where(covered, position, -1).amax(1)
    return first.float(), (last + 1).float()


class IdentityNet(nn.Module):
    """Crops (N, 3, 48, 48) of `crop` to unit vectors (N, 64)."""

    def __init__(self, widths: tuple[int, int, int] = (32, 64, 128), dim: int = 64):
        super().__init__()
        a, b, c = widths
        self.body = nn.Sequential(Conv(3, a, 2), Conv(a, b, 2), Residual(b), Conv(b, c, 2), Residual(c))
        self.head = nn.Linear(2 * c, dim)
        self.log_scale = nn.Parameter(torch.tensor(2.3))

    def forward(self, crops: Tensor) -> Tensor:
        x = self.body(crops - GRAY).float()
        return F.normalize(self.head(torch.cat([x.mean((2, 3)), x.amax((2, 3))], 1)), dim=1)
