"""Does this region of a picture show that reference? Both become unit vectors that are near where it does."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .layers import Conv, Residual

CROP = 48
GREY = 0.5


def crop(pictures: Tensor, masks: Tensor, size: int = CROP, margin: float = 0.08) -> Tensor:
    """The masked thing alone on grey, filling a square: pictures (N, 3, H, W), masks (N, H, W) -> (N, 4, size, size).

    The fourth channel is the mask. Proportions are kept. An empty mask gives grey.
    """
    n, _, height, width = pictures.shape
    inside = masks > 0.5

    def span(seen: Tensor, length: int) -> tuple[Tensor, Tensor]:
        place = torch.arange(length, device=masks.device)
        low = torch.where(seen, place, length).amin(1)
        high = torch.where(seen, place, -1).amax(1) + 1
        return low.float(), torch.maximum(high.float(), low.float() + 1)

    left, right = span(inside.any(1), width)
    top, bottom = span(inside.any(2), height)
    side = torch.maximum(right - left, bottom - top) * (1 + 2 * margin)
    theta = torch.zeros(n, 2, 3, device=pictures.device)
    theta[:, 0, 0], theta[:, 1, 1] = side / width, side / height
    theta[:, 0, 2], theta[:, 1, 2] = (left + right) / width - 1, (top + bottom) / height - 1
    grid = F.affine_grid(theta, (n, 4, size, size), align_corners=False)
    soft = masks.float()[:, None]
    alone = torch.cat([(pictures.float() - GREY) * soft, soft], 1)
    cut = F.grid_sample(alone, grid, align_corners=False)
    return torch.cat([cut[:, :3] + GREY, cut[:, 3:]], 1) if n else cut


class IdentityNet(nn.Module):
    """Crops (N, 4, 48, 48) of `crop` -> unit vectors (N, 64)."""

    def __init__(self, widths: tuple[int, int, int] = (32, 64, 128), dim: int = 64):
        super().__init__()
        a, b, c = widths
        self.body = nn.Sequential(Conv(4, a, 2), Conv(a, b, 2), Residual(b), Conv(b, c, 2), Residual(c))
        self.head = nn.Linear(2 * c, dim)
        self.log_scale = nn.Parameter(torch.tensor(2.3))

    def forward(self, crops: Tensor) -> Tensor:
        x = self.body(crops - torch.tensor([GREY, GREY, GREY, 0.0], device=crops.device)[:, None, None]).float()
        weight = F.adaptive_avg_pool2d(crops[:, 3:].float(), x.shape[-2:]) + 1e-3
        mean = (x * weight).sum((2, 3)) / weight.sum((2, 3))
        return F.normalize(self.head(torch.cat([mean, x.amax((2, 3))], 1)), dim=1)
