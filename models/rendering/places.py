"""The places of the source that a target's pixels see, small gaps between them, and their colors.

Shapes: H height, W width of the target.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from einops import rearrange
from torch import Tensor
from torch.nn import functional

from .splat import NOTHING, band_rows, see, target_plane
from .surface import JUMP, Surface
from .views import Size, View

# Pixels to both sides of a gap, as (down, right) of one and the other: gaps are one pixel wide, or two.
SIDES = (
    ((0, -1), (0, 1)),
    ((-1, 0), (1, 0)),
    ((-1, -1), (1, 1)),
    ((-1, 1), (1, -1)),
    ((0, -1), (0, 2)),
    ((0, -2), (0, 1)),
    ((-1, 0), (2, 0)),
    ((-2, 0), (1, 0)),
)
BESIDE = sorted({side for pair in SIDES for side in pair})
BEYOND = -9.0  # pixels
# What shows through a gap is farther than both sides by at least this share.
BEHIND = 0.05


@dataclass(frozen=True, eq=False)
class Places:
    """What each pixel (H, W) of the target sees of the source: the place u, v in the source's pixels, the number of the
    pixel that it belongs to, and the disparity in the target; NOTHING in holes. square: whose plane that was."""

    u: Tensor
    v: Tensor
    number: Tensor
    disparity: Tensor
    square: Tensor

    @classmethod
    def seen(cls, surface: Surface, view: View, size: Size) -> Places:
        """Return what the target of a view sees, with its gaps closed."""
        square = see(surface, view, size)
        rows = band_rows(size[1], square.device)
        x = torch.arange(size[1], device=square.device)[None]
        y = torch.arange(size[0], device=square.device)[:, None]
        bands = [
            meet(surface, view, square[start : start + rows], x, y[start : start + rows])
            for start in range(0, size[0], rows)
        ]
        u, v, number, disparity = (torch.cat(parts) for parts in zip(*bands, strict=True))
        places = cls(u, v, number, disparity, square)
        places.close_gaps(surface, view)
        return places

    def close_gaps(self, surface: Surface, view: View) -> None:
        """Give gaps of one or two pixels, in place, what a neighbor's plane shows there.

        A gap is a pixel between two that are nearer than what it sees, or sees nothing; the place that a neighbor's
        plane shows there must be of the neighbor's surface, within a pixel of it. So the space between two surfaces
        stays open, however narrow.
        """
        pixel = _between_nearer(self.disparity).nonzero()
        if not len(pixel):
            return
        y, x = pixel.unbind(1)
        square = self._squares_beside(y, x)
        u, v, number, disparity = meet(surface, view, square, x, y)
        width = surface.size[1]
        row, column = number // width, number % width
        # Where the number stayed the square's own although the place is beyond it, the surface ends there.
        belongs = ((u - column).abs() <= 0.5) & ((v - row).abs() <= 0.5) & (square != NOTHING)
        belongs &= ((row - square // width).abs() <= 1) & ((column - square % width).abs() <= 1)
        nearest, side = disparity.masked_fill(~belongs, NOTHING).max(0)
        closed = nearest > _nearer_than(self.disparity[y, x])
        y, x, side = y[closed], x[closed], side[closed][None]
        for part, found in ((self.u, u), (self.v, v), (self.number, number), (self.disparity, disparity)):
            part[y, x] = found[:, closed].gather(0, side)[0]

    def _squares_beside(self, y: Tensor, x: Tensor) -> Tensor:
        """Return whose planes are seen at the places BESIDE each of pixels (N,): (places, N)."""
        height, width = self.square.shape
        offset = torch.tensor(BESIDE, device=y.device)[..., None]
        y, x = y + offset[:, 0], x + offset[:, 1]
        outside = (y < 0) | (y >= height) | (x < 0) | (x >= width)
        return self.square[y.clamp(0, height - 1), x.clamp(0, width - 1)].masked_fill(outside, NOTHING)

    def colors(self, image: Tensor, whole: Tensor, linear: bool) -> Tensor:
        """Return the colors (H, W, C) of an image (h, w, C), black in holes: of the pixels that the places belong to,
        or, if linear, between them within surfaces (see `Surface.whole`)."""
        holes = self.number == NOTHING
        pixels = image.reshape(-1, image.shape[2])
        colors = pixels.index_select(0, self.number.clamp_min(0).view(-1)).view(*holes.shape, -1)
        if linear:
            height, width = whole.shape
            cell = self.v.floor().clamp_(0, height - 1).long() * width + self.u.floor().clamp_(0, width - 1).long()
            inside = whole.view(-1).index_select(0, cell.view(-1)).view_as(cell)
            at = torch.stack([(self.u + 0.5) * (2 / width) - 1, (self.v + 0.5) * (2 / height) - 1], -1)
            planes = rearrange(image, "h w c -> 1 c h w")
            between = functional.grid_sample(planes, at[None], padding_mode="border", align_corners=False)
            colors = torch.where(inside[..., None], rearrange(between, "1 c h w -> h w c"), colors)
        return colors.masked_fill_(holes[..., None], 0)


def meet(surface: Surface, view: View, square: Tensor, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return where the rays of target pixels at x, y meet the planes of squares (numbers, or NOTHING).

    That is: u and v in the source, the number of the pixel there, or of the square itself where that pixel is of
    another surface, and the disparity in the target. x and y are shaped as the squares or spread to that.
    """
    height, width = surface.size
    index = square.clamp_min(0)
    row = torch.div(index, width, rounding_mode="floor")
    column, row = (index - row * width).float(), row.float()
    d, right, down = (_take(values, index) for values in (surface.disparity, surface.right, surface.down))
    plane, _ = target_plane(d, (right, down), (column, row), view)
    ray_u, ray_v, scale = (x * a + (y * b + c) for a, b, c in view.back)
    disparity = (plane[0] * ray_u).addcmul_(plane[1], ray_v).addcmul_(plane[2], scale).clamp_(min=0)
    scale = (disparity * view.origin[2]).add_(scale).reciprocal_()
    # Beyond the image is what has no place: where nothing was seen, and beside the horizon of a plane.
    u = (disparity * view.origin[0]).add_(ray_u).mul_(scale).nan_to_num_(*[BEYOND] * 3)
    v = (disparity * view.origin[1]).add_(ray_v).mul_(scale).nan_to_num_(*[BEYOND] * 3)
    next_column, next_row = u.round().clamp_(0, width - 1), v.round().clamp_(0, height - 1)
    number = next_row.long().mul_(width).add_(next_column.long())
    expected = torch.addcmul(d, right, next_column.sub_(column)).addcmul_(down, next_row.sub_(row))
    there = _take(surface.disparity, number)
    same = expected.sub_(there).abs_() <= JUMP * torch.maximum(d, there)
    number = torch.where(same, number, index)
    nothing = square == NOTHING
    return u, v, number.masked_fill_(nothing, NOTHING), disparity.masked_fill_(nothing, NOTHING)


def _take(values: Tensor, index: Tensor) -> Tensor:
    return values.view(-1).index_select(0, index.view(-1)).view_as(index)


def _nearer_than(disparity: Tensor) -> Tensor:
    """Return above which disparity something is in front of what a pixel sees, if that is not NOTHING."""
    return torch.maximum(disparity * (1 + BEHIND), disparity)


def _between_nearer(disparity: Tensor) -> Tensor:
    """Return which pixels (H, W) have nearer ones to both sides, at one or two pixels in one of the directions."""
    height, width = disparity.shape
    padded = functional.pad(disparity, (2, 2, 2, 2), value=NOTHING)
    result = torch.zeros_like(disparity, dtype=torch.bool)
    rows = band_rows(width, disparity.device)
    for start in range(0, height, rows):
        band = slice(start, min(start + rows, height))
        beside = {
            (down, right): padded[2 + down + band.start : 2 + down + band.stop, 2 + right : 2 + right + width]
            for down, right in BESIDE
        }
        # In the direction in which the farther one of both sides is nearest.
        nearest = torch.minimum(*(beside[side] for side in SIDES[0]))
        for one, other in SIDES[1:]:
            nearest = torch.maximum(nearest, torch.minimum(beside[one], beside[other]))
        torch.gt(nearest, _nearer_than(disparity[band]), out=result[band])
    return result
