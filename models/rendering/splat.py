"""Which square of the source each pixel of the target sees: a z-buffer over all squares.

Every square is tested against the centers of the pixels that it may cover, by the exact intersection of the pixel's ray
with the square's plane: no cracks within a plane, whatever the magnification. Squares that turn their back or lie
behind the camera are left out. The nearest wins; of two at the very same distance the one that comes later in the
source, so that the result does not depend on the order. Work is cut into bands of rows that fit a processor's cache,
which makes it three times as fast and bounds the memory; most of it is done in place for the same reason.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from .surface import Surface
from .views import Size, View

# A square reaches so much beyond its pixel on each side that neighbors whose planes differ leave no crack.
MARGIN = 0.05
NOTHING = -1
# What comes nearer than this share of its distance is at the camera or behind it.
NEAREST = 1e-3
# Pixels in work at once, on a processor and elsewhere; and pixels that squares may cover beyond their first ones.
BAND, LARGE_BAND, MOST_OTHERS = 2**16, 2**22, 2**21

Plane = tuple[Tensor, Tensor, Tensor]


class _Squares(NamedTuple):
    """Squares of the source, all of one shape: their number in it, column and row (u, v), and plane: its product with
    a target's ray is the disparity there. From x, y on, wide and high, are the target's pixels that each may cover."""

    number: Tensor
    u: Tensor
    v: Tensor
    plane: Plane
    x: Tensor
    y: Tensor
    wide: Tensor
    high: Tensor


def band_rows(width: int, device: torch.device) -> int:
    """Return how many rows of an image are worked on at once."""
    return max(1, (BAND if device.type == "cpu" else LARGE_BAND) // width)


def see(surface: Surface, view: View, size: Size) -> Tensor:
    """Return for every pixel (height, width) of the target the number of the source's that it sees, or NOTHING."""
    height, width = size
    # One more place takes what is not seen.
    buffer = torch.full((height * width + 1,), NOTHING, dtype=torch.int64, device=surface.disparity.device)
    rows = band_rows(surface.size[1], buffer.device)
    for start in range(0, surface.size[0], rows):
        squares = _squares(surface, view, size, slice(start, min(start + rows, surface.size[0])))
        _draw(buffer, squares, view, size)
        for others in _other_pixels(squares):
            _draw(buffer, others, view, size)
    seen = buffer[:-1].view(size)
    return torch.where(seen < 0, NOTHING, seen.bitwise_and(0xFFFFFFFF))


def target_plane(
    d: Tensor, slopes: tuple[Tensor, Tensor], at: tuple[Tensor, Tensor], view: View
) -> tuple[Plane, Tensor]:
    """Return the planes of source pixels `at` (u, v), whose product with a target's ray is the disparity there, and
    whether they show the target their front. d: their disparities; slopes: these per pixel to the right and down."""
    (right, down), (u, v), origin = slopes, at, view.origin
    ahead = torch.addcmul(d, right, u, value=-1).addcmul_(down, v, value=-1)
    side = (right * -origin[0]).add_(down, alpha=-origin[1]).add_(ahead, alpha=-origin[2]).add_(1)
    faces = side > NEAREST
    side = side.reciprocal_()
    return (right * side, down * side, ahead.mul_(side)), faces


def _squares(surface: Surface, view: View, size: Size, rows: slice) -> _Squares:
    """Return the squares of some rows (rows, W); those that cannot be seen are 0 pixels wide."""
    d, slopes = surface.disparity[rows], (surface.right[rows], surface.down[rows])
    u = torch.arange(surface.size[1], dtype=torch.float32, device=d.device)[None]
    v = torch.arange(rows.start, rows.stop, dtype=torch.float32, device=d.device)[:, None]
    x, y, scale = (
        (u * a).add(v * b + c).add_(d, alpha=moved) for (a, b, c), moved in zip(view.forward, view.shift, strict=True)
    )
    plane, seen = target_plane(d, slopes, (u, v), view)
    seen.logical_and_(scale > NEAREST)
    scale = scale.reciprocal_()
    x, y = x.mul_(scale), y.mul_(scale)
    half = scale.mul_(0.5 + MARGIN)
    first_x, wide = _covered(x, _reach(x, slopes, view, 0).mul_(half), size[1])
    first_y, high = _covered(y, _reach(y, slopes, view, 1).mul_(half), size[0])
    seen.logical_and_(wide > 0).logical_and_(high > 0)
    unseen = seen.logical_not_()  # also where all of these are NaN, as depth is
    number = torch.arange(rows.start * surface.size[1], rows.stop * surface.size[1], device=d.device).view_as(d)
    return _Squares(number, u, v, plane, first_x, first_y, wide.masked_fill_(unseen, 0), high.masked_fill_(unseen, 0))


def _reach(at: Tensor, slopes: tuple[Tensor, Tensor], view: View, axis: int) -> Tensor:
    """Return how far pixels that are seen at a coordinate extend along it, before it is divided by their scale."""
    parallax = (at * -view.shift[2]).add_(view.shift[axis])
    wide, high = (
        (at * -view.forward[2][k]).add_(view.forward[axis][k]).addcmul_(parallax, slope).abs_()
        for k, slope in enumerate(slopes)
    )
    return wide.add_(high)


def _covered(at: Tensor, reach: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Return the first of `count` pixels whose centers lie within reach of a coordinate, and how many there are."""
    first = (at - reach).ceil_().clamp_(min=0)
    return first, at.add_(reach).floor_().clamp_(max=count - 1).sub_(first).add_(1)


def _draw(buffer: Tensor, squares: _Squares, view: View, size: Size) -> None:
    """Draw the first pixel of each square into the buffer, where its ray does meet the square."""
    x, y, (right, down, ahead) = squares.x, squares.y, squares.plane
    ray_u, ray_v, scale = ((x * a).add_(y, alpha=b).add_(c) for a, b, c in view.back)
    disparity = (right * ray_u).addcmul_(down, ray_v).addcmul_(ahead, scale)
    scale = scale.add_(disparity, alpha=view.origin[2])
    limit = scale * (0.5 + MARGIN)
    off_u = ray_u.add_(disparity, alpha=view.origin[0]).addcmul_(squares.u.expand_as(x), scale, value=-1).abs_()
    off_v = ray_v.add_(disparity, alpha=view.origin[1]).addcmul_(squares.v.expand_as(x), scale, value=-1).abs_()
    inside = torch.minimum(limit.sub_(torch.maximum(off_u, off_v, out=off_u)), disparity, out=off_v)
    seen = (inside >= 0).logical_and_(squares.wide > 0)
    place = y.int().mul_(size[1]).add_(x.int()).masked_fill_(seen.logical_not_(), len(buffer) - 1).long()
    # The bits of floats from 0 on are ordered as the floats are: disparity first, then the number.
    order = disparity.view(torch.int32).long().bitwise_left_shift_(32).bitwise_or_(squares.number)
    buffer.scatter_reduce_(0, place.view(-1), order.view(-1), "amax")


def _other_pixels(squares: _Squares) -> Iterator[_Squares]:
    """Yield the squares again (N,), once for each pixel that they may cover beyond their first, at that pixel."""
    count = (squares.wide * squares.high).sub_(1).clamp_(min=0).view(-1).long()
    end = count.cumsum(0)
    total = int(end[-1])
    parts = [len(count)] if total <= MOST_OTHERS else torch.bincount(end // MOST_OTHERS).tolist()
    start = done = 0
    for length in parts if total else ():
        part = slice(start, start + length)
        index = torch.repeat_interleave(torch.arange(part.start, part.stop, device=end.device), count[part])
        # A square's pixels are counted row by row from 0, which is drawn already.
        ordinal = torch.arange(done + 1, done + 1 + len(index), device=end.device)
        yield _at_pixel(squares, index, ordinal.sub_((end - count).index_select(0, index)))
        start, done = start + length, done + len(index)


def _at_pixel(squares: _Squares, index: Tensor, ordinal: Tensor) -> _Squares:
    """Return the squares `index` (N,) of a band, each at one of the pixels that it may cover."""
    x, y, wide, number, u, v, right, down, ahead = (
        values.expand_as(squares.x).reshape(-1).index_select(0, index)
        for values in (squares.x, squares.y, squares.wide, squares.number, squares.u, squares.v, *squares.plane)
    )
    rows = torch.div(ordinal, wide, rounding_mode="floor")
    x += ordinal - rows * wide
    return _Squares(number, u, v, (right, down, ahead), x, y.add_(rows), wide, wide)
