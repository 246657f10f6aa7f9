"""The surfaces that an image shows: every pixel a small square of a plane, from the depth about it.

A plane's disparity is an affine function of the pixel (u, v), so disparity is what is differentiated and compared here:
a plane comes out exactly, however steep it is. Where depth jumps, a pixel keeps to the side that it belongs to; nothing
spans a jump. Shapes: H height, W width of the source.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from .views import Size

# Two pixels whose disparities differ by more than this share, less what their planes explain, are of two surfaces.
JUMP = 0.02
# A slope is measured over three pixels where these bend by less than this share of their disparity.
BEND = 0.05
# A blurred edge: values between the nearest and the farthest within EDGE pixels, which differ by more than STEP of the
# nearer one, where disparity changes STEEPER times as fast as somewhere within CALM pixels on both sides.
EDGE, CALM, STEP, STEEPER = 3, 6, 0.05, 5.0
BETWEEN = 0.1  # of the step, from both of its ends


@dataclass(frozen=True, eq=False)
class Surface:
    """disparity (H, W), 0 = infinitely far, NaN = unknown; right and down (H, W): its change per pixel; whole (H, W):
    whether a pixel and those right of, below and diagonally below it are of one surface."""

    disparity: Tensor
    right: Tensor
    down: Tensor
    whole: Tensor

    @classmethod
    def of(cls, disparity: Tensor) -> Surface:
        """Return the surface of a disparity (H, W)."""
        right, down = _slope(disparity), _slope(disparity.T).T.contiguous()
        return cls(disparity, right, down, _whole(disparity, right, down))

    @property
    def size(self) -> Size:
        """Height and width."""
        height, width = self.disparity.shape
        return height, width


def to_disparity(depth: Tensor) -> Tensor:
    """Return 1 / depth, float32: 0 for infinity, NaN for what is unknown (NaN, or not above 0)."""
    depth = depth.float()
    return torch.where(depth > 0, depth.reciprocal(), torch.nan)


def sharpen(disparity: Tensor) -> Tensor:
    """Return disparity (H, W) without the values between two surfaces that estimators give to edges.

    Each becomes that of the nearest or the farthest pixel about it, whichever is closer to it. Planes and what bends
    stay as they are; what is steep for a few pixels only, as the side of a box, is taken for an edge.
    """
    window = (EDGE, EDGE)
    near, far = disparity, -disparity
    for axis in (0, 1):
        near, far = _largest(near, axis, window), _largest(far, axis, window)
    far = -far
    to_near, to_far, step = near - disparity, disparity - far, near - far
    blurred = (torch.minimum(to_near, to_far) > BETWEEN * step) & (step > STEP * near)
    blurred &= _is_steep(disparity) | _is_steep(disparity.T).T
    return torch.where(blurred, torch.where(to_near < to_far, near, far), disparity)


def resize_disparity(disparity: Tensor, size: Size) -> Tensor:
    """Return disparity (H, W) at another size: linear within a surface, the nearest pixel's at jumps and when it
    shrinks."""
    (height, width), (new_height, new_width) = disparity.shape, size
    if (height, width) == size:
        return disparity
    rows = _centers(height, new_height, disparity.device)
    columns = _centers(width, new_width, disparity.device)
    nearest = disparity[rows.round().long()[:, None], columns.round().long()[None]]
    if new_height < height or new_width < width:
        return nearest
    whole = Surface.of(disparity).whole
    top, left = rows.floor().long(), columns.floor().long()
    below, beside = (top + 1).clamp_(max=height - 1), (left + 1).clamp_(max=width - 1)
    share = (columns - left)[None]
    upper = torch.lerp(disparity[top[:, None], left], disparity[top[:, None], beside], share)
    lower = torch.lerp(disparity[below[:, None], left], disparity[below[:, None], beside], share)
    return torch.where(whole[top[:, None], left], torch.lerp(upper, lower, (rows - top)[:, None]), nearest)


def _centers(size: int, new: int, device: torch.device) -> Tensor:
    """Return where the centers of `new` pixels lie among `size` pixels (new,)."""
    return ((torch.arange(new, device=device) + 0.5) * (size / new) - 0.5).clamp_(0, size - 1)


def _slope(disparity: Tensor) -> Tensor:
    """Return the change per pixel along the rows (H, W).

    Of the three pixels to the left, about, and to the right of a pixel, those that bend least tell it: they are of one
    surface where any three are. Where all bend, the smaller of both steps does, 0 where these differ in sign.
    """
    height, width = disparity.shape
    step = disparity.new_zeros(height, width + 3)
    if width > 1:
        torch.sub(disparity[:, 1:], disparity[:, :-1], out=step[:, 2:-2])
    bend = disparity.new_full((height, width + 2), torch.inf)
    if width > 2:
        torch.sub(step[:, 3:-2], step[:, 2:-3], out=bend[:, 2:-2]).abs_()
    bend.nan_to_num_(torch.inf, torch.inf)
    before, after = step[:, 1:-2], step[:, 2:-1]
    left, middle, right = bend[:, :-2], bend[:, 1:-1], bend[:, 2:]
    least = torch.minimum(torch.minimum(left, middle), right)
    slope = torch.where(left <= right, before, after)
    slope = torch.where(middle <= least, (before + after) / 2, slope)
    smaller = torch.where(before.abs() < after.abs(), before, after)
    smaller = torch.where(before * after > 0, smaller, 0.0)
    return torch.where(least <= BEND * disparity, slope, smaller).nan_to_num_(0, 0, 0)


def _whole(disparity: Tensor, right: Tensor, down: Tensor) -> Tensor:
    beside = _same_surface(disparity[:, :-1], disparity[:, 1:], right[:, :-1], right[:, 1:])
    below = _same_surface(disparity[:-1], disparity[1:], down[:-1], down[1:])
    # Beyond the last pixel is that pixel again.
    beside = functional.pad(beside, (0, 1), value=True)
    below = functional.pad(below, (0, 0, 0, 1), value=True)
    whole = beside & below
    whole[:-1] &= beside[1:]
    whole[:, :-1] &= below[:, 1:]
    return whole


def _same_surface(one: Tensor, other: Tensor, slope: Tensor, other_slope: Tensor) -> Tensor:
    """Return whether the step between neighbors is what their slopes say."""
    return (other - one - (slope + other_slope) / 2).abs() <= JUMP * torch.maximum(one, other)


def _is_steep(disparity: Tensor) -> Tensor:
    """Return whether disparity changes much along the rows at a pixel (H, W), and little on both sides not far away."""
    steps = disparity.diff(dim=1).abs_().nan_to_num_(0)
    # What changes to both sides: beside a sharp edge, one does not.
    before, after = (functional.pad(steps, sides, value=torch.inf) for sides in ((1, 0), (0, 1)))
    change = torch.minimum(before, after)
    calm_before, calm_after = (_largest(-change, 1, window) for window in ((CALM, 0), (0, CALM)))
    return change > STEEPER * torch.maximum(-calm_before, -calm_after)


def _largest(values: Tensor, axis: int, window: tuple[int, int]) -> Tensor:
    """Return the largest of the values (H, W) from so many pixels before each to so many after it, along an axis.

    NaN, which is unknown, does not count.
    """
    values = values.nan_to_num(-torch.inf, torch.inf, -torch.inf)
    values = functional.pad(values, (*window, 0, 0) if axis else (0, 0, *window), value=-torch.inf)
    width, wanted = 1, sum(window) + 1  # of the stretch whose largest values these are
    while width < wanted:
        step = min(width, wanted - width)
        count = values.shape[axis] - step
        values = torch.maximum(values.narrow(axis, 0, count), values.narrow(axis, step, count))
        width += step
    return values
