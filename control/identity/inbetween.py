"""From one mask to the next: in-betweens that keep their form while it moves, grows, turns and stretches.

The algorithm, in plain arithmetic, so that the page's painter computes the same. All lengths are in pixels, x to the
right and y down, the center of pixel (row, column) at (column + 0.5, row + 0.5).

1. **Distance.** A mask's cover m is 0..1, and `inside` is where it is above 0.5. The signed distance of a pixel is
   0.5 - m where 0 < m < 1; where m = 0 it is the distance (center to center) to the nearest pixel of m > 0, plus 0.5
   less that pixel's m; where m = 1 it is 0.5 less the m of the nearest pixel of m < 1, less the distance to it. For a
   mask that is 1 everywhere, the places beyond the image are pixels of 0. Of equally near pixels any will do: it
   moves areas by no more than a five-hundredth. Beyond the image a distance is that of
   the nearest border pixel center plus the way to it; between centers it is bilinear.
2. **Moments** of a mask, weighted by m: its center c (mean position), its scale s (square root of its area) and its
   covariance (mean of the products of the offsets from c, plus 1/12 on the diagonal: a pixel is a square).
3. **Stretch** at a turn: the symmetric matrix P that takes A's covariance CA to D, which is B's turned back and divided
   by r^2, r = sB / sA: P = CA^-1/2 (CA^1/2 D CA^1/2)^1/2 CA^-1/2 (the optimal transport of one ellipse to the other).
   Where one of its two stretches is not within 1/4..4, P is the unit matrix.
4. **Turn** from A to B: both outlines (inside pixels with a neighbor of the four outside; the image's border does
   not count), thinned to at most 256 pixels in reading order (every n-th). The cost of an angle is the mean, over A's
   outline brought to B, of how much B's distance / sB differs there from A's own / sA, and the same of B's brought to
   A, halved; plus 0.02 for each half turn, plus 0.01 times the sum of the absolute logarithms of the two stretches.
   The cheapest of -180 to 175 degrees in steps of 5 (the smallest angle first) is refined: three times with steps of
   1, 0.2 and 0.04 degrees, five to either side.
5. **Forms cut by the image's border** (A or B has an inside pixel in the first or last row or column) have no
   moments to trust. P is the unit matrix then, and growth, turn and the place pB of A's center in B are searched for.
   The search begins with growth 1, turn 0 and the shift that brings together the left sides where neither is cut
   there, else the right sides, else the middles of both (likewise up and down); and once more with what steps 2 and 4
   say. Steps of one parameter that make the cost smaller (by more than 1e-9) are taken, in the order x, y (sA / 8),
   turn (10 degrees; a stated turn stays), growth (by e^(1/8)), forward before back, each at once; after a round
   without one the steps are halved, eight sizes in all. The cost is that of step 4 with P = 1 (own distances times
   growth), but a point that leaves the other's image counts 0, and 0.02 |log r| is added. The cheaper end wins, the
   first of equals. Where A is cut and B is not, the search goes from B to A and its result is turned round.
6. **Blend** at progress w: center, growth and stretch run linearly, the turn evenly: G = (1 - w + w r) R(w angle)
   ((1 - w) I + w P). A point x, u = G^-1 (x - c(w)), is cA + u in A and cB + r R(angle) P u in B (after step 5, cB is
   pB). Its value is (1 - w) dA (1 - w + w r) + w dB (1 - w + w r) / r; where one form is cut and the point lies beyond
   that form's image but within the other's, the other's distance counts alone, with weight 1. The mask is 0.5 less
   the value, kept within 0..1. Growth is kept above 0.05 where an ease runs past its ends.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..libraries import ndimage

OUTLINE = 256
LEAST_GROWTH = 0.05
# What half a turn, or a growth by e, costs, in scales: of two ways that fit alike (a square) the smaller is meant.
TURN_COST = 0.02
MOST_STRETCH = 4.0


PURPOSE = "masks between keyframes"


def signed_distance(mask: np.ndarray) -> np.ndarray:
    """Return the signed distance (H, W), float64, of a mask (H, W) that is not empty: negative inside. Step 1 above."""
    cover = np.asarray(mask, np.float64)
    transform = ndimage(PURPOSE).distance_transform_edt
    if cover.min() >= 1:
        whole: np.ndarray = 0.5 - transform(np.pad(cover, 1))[1:-1, 1:-1]
        return whole
    outside, near = transform(cover <= 0, return_indices=True)
    outside += 0.5 - cover[tuple(near)]
    inside, near = transform(cover >= 1, return_indices=True)
    inside = 0.5 - cover[tuple(near)] - inside
    return np.where(cover <= 0, outside, np.where(cover >= 1, inside, 0.5 - cover))


@dataclass(frozen=True, eq=False)
class Form:
    """A mask (H, W), not empty, with everything about it that its in-betweens need."""

    mask: np.ndarray

    @cached_property
    def inside(self) -> np.ndarray:
        """Which pixels (H, W) lie inside, bool."""
        return self.mask > 0.5

    @cached_property
    def distance(self) -> np.ndarray:
        """The signed distance (H, W)."""
        return signed_distance(self.mask)

    @cached_property
    def pixels(self) -> np.ndarray:
        """The centers (N, 2) x y of the pixels that it covers, wholly or in part."""
        return np.argwhere(self.mask > 0)[:, ::-1] + 0.5

    @cached_property
    def weights(self) -> np.ndarray:
        """How much of each of `pixels` it covers (N,), as shares of its area."""
        cover = self.mask[self.mask > 0].astype(np.float64)
        weights: np.ndarray = cover / cover.sum()
        return weights

    @cached_property
    def center(self) -> np.ndarray:
        """The mean position (2,), x y."""
        center: np.ndarray = self.weights @ self.pixels
        return center

    @cached_property
    def scale(self) -> float:
        """The square root of its area."""
        return float(np.sqrt(self.mask.sum(dtype=np.float64)))

    @cached_property
    def cut(self) -> bool:
        """Whether it touches the image's border, so that more of it may lie beyond."""
        inside = self.inside
        return bool(inside[0].any() or inside[-1].any() or inside[:, 0].any() or inside[:, -1].any())

    @cached_property
    def covariance(self) -> np.ndarray:
        """The covariance (2, 2) of its pixels: step 2."""
        offset = self.pixels - self.center
        covariance: np.ndarray = (offset.T * self.weights) @ offset + np.eye(2) / 12
        return covariance

    @cached_property
    def outline(self) -> np.ndarray:
        """At most OUTLINE pixel centers (N, 2) of the outline; the form's center alone where the image is full."""
        wide = np.pad(self.inside, 1, constant_values=True)
        kept = self.inside & ~(wide[:-2, 1:-1] & wide[2:, 1:-1] & wide[1:-1, :-2] & wide[1:-1, 2:])
        points = np.argwhere(kept)[:, ::-1] + 0.5
        return points[:: -(-len(points) // OUTLINE)] if len(points) else self.center[None]

    def at(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Return the signed distance at points (...)."""
        height, width = self.distance.shape
        column, row = np.clip(x - 0.5, 0, width - 1), np.clip(y - 0.5, 0, height - 1)
        beyond = np.hypot(x - 0.5 - column, y - 0.5 - row)
        left, top = np.minimum(column.astype(np.intp), width - 2), np.minimum(row.astype(np.intp), height - 2)
        left, top = np.maximum(left, 0), np.maximum(top, 0)
        right, bottom = column - left, row - top
        flat, place = self.distance.ravel(), top * width + left
        across, down = int(width > 1), width * int(height > 1)
        upper = flat[place] * (1 - right) + flat[place + across] * right
        lower = flat[place + down] * (1 - right) + flat[place + down + across] * right
        distance: np.ndarray = upper * (1 - bottom) + lower * bottom + beyond
        return distance

    def contains(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Return whether points (...) lie within the image."""
        height, width = self.mask.shape
        within: np.ndarray = (x >= 0) & (x <= width) & (y >= 0) & (y <= height)
        return within


def rotation(angle: float) -> np.ndarray:
    """Return the matrix (2, 2) that turns by `angle` radians, clockwise on the screen (x right, y down)."""
    cosine, sine = np.cos(angle), np.sin(angle)
    return np.array([[cosine, -sine], [sine, cosine]])


class Between:
    """The way from one form to another of the same size.

    `turn`: degrees, clockwise, where they are stated (they may be more than half a turn); None finds them. Results:
    `angle` in radians, `growth`, `stretch` (2, 2), and `centers`, two points (2,) that correspond.
    """

    def __init__(self, one: Form, other: Form, turn: float | None = None):
        self.one, self.other = one, other
        self.stretch = np.eye(2)
        if one.cut and not other.cut:
            growth, angle, centers = _align_cut(other, one, None if turn is None else -turn)
            self.growth, self.angle, self.centers = 1 / growth, -angle, centers[::-1]
            return
        if other.cut:
            self.growth, self.angle, self.centers = _align_cut(one, other, turn)
            return
        self.centers = (one.center, other.center)
        self.growth = other.scale / one.scale
        self.angle = float(np.radians(_find_turn(one, other) if turn is None else turn))
        self.stretch = _stretch(one, other, self.angle)

    def at(self, progress: float) -> np.ndarray:
        """Return the mask (H, W), float32, at `progress`: 0 the first form, 1 the other; a little beyond is allowed."""
        w, one, other = float(progress), self.one, self.other
        growth = max(1 - w + w * self.growth, LEAST_GROWTH)
        forward = growth * rotation(w * self.angle) @ ((1 - w) * np.eye(2) + w * self.stretch)
        center = (1 - w) * self.centers[0] + w * self.centers[1]
        height, width = one.mask.shape
        mask = np.zeros((height, width), np.float32)
        top, bottom, left, right = self._extent(forward, center, w)
        if top >= bottom or left >= right:
            return mask
        x = np.arange(left, right)[None] + 0.5 - center[0]
        y = np.arange(top, bottom)[:, None] + 0.5 - center[1]
        back = np.linalg.inv(forward)
        to_other = self.growth * rotation(self.angle) @ self.stretch @ back
        in_one, in_other = _transformed(back, x, y, self.centers[0]), _transformed(to_other, x, y, self.centers[1])
        first, second = growth * one.at(*in_one), growth / self.growth * other.at(*in_other)
        value = (1 - w) * first + w * second
        if one.cut or other.cut:
            within = one.contains(*in_one), other.contains(*in_other)
            value = np.where(one.cut & within[1] & ~within[0], second, value)
            value = np.where(other.cut & within[0] & ~within[1], first, value)
        mask[top:bottom, left:right] = np.clip(0.5 - value, 0, 1)
        return mask

    def _extent(self, forward: np.ndarray, center: np.ndarray, w: float) -> tuple[int, int, int, int]:
        """Return the part of the image (top, bottom, left, right) beyond which both distances are above 0.5."""
        height, width = self.one.mask.shape
        if not 0 <= w <= 1:
            return 0, height, 0, width
        to_one = np.linalg.inv(self.growth * rotation(self.angle) @ self.stretch)
        of_one = _corners(self.one) - self.centers[0]
        of_other = (_corners(self.other) - self.centers[1]) @ to_one.T
        corners = np.concatenate([of_one, of_other]) @ forward.T + center
        low, high = np.floor(corners.min(0)).astype(int), np.ceil(corners.max(0)).astype(int)
        return max(0, low[1]), min(height, high[1]), max(0, low[0]), min(width, high[0])


def _find_turn(one: Form, other: Form) -> float:
    """Return the turn from one form to the other in degrees: step 4."""
    own = [form.at(*form.outline.T) / form.scale for form in (one, other)]

    def cost(degrees: float) -> float:
        angle = np.radians(degrees)
        stretch = _stretch(one, other, angle)
        matrix = other.scale / one.scale * rotation(angle) @ stretch
        total = TURN_COST * (abs(degrees) / 180 + np.abs(np.log(_eigenvalues(stretch))).sum() / 2)
        for distance, start, to_end, end in ((own[0], one, matrix, other), (own[1], other, np.linalg.inv(matrix), one)):
            x, y = ((start.outline - start.center) @ to_end.T + end.center).T
            total += np.abs(end.at(x, y) / end.scale - distance).mean() / 2
        return float(total)

    best: float = min(sorted(range(-180, 180, 5), key=abs), key=cost)
    for step in (1.0, 0.2, 0.04):
        best = min((best + step * k for k in sorted(range(-5, 6), key=abs)), key=cost)
    return best


Alignment = tuple[float, float, tuple[np.ndarray, np.ndarray]]


def _align_cut(one: Form, other: Form, stated: float | None) -> Alignment:
    """Return growth, angle in radians and corresponding centers of forms of which the image cuts one: step 5.

    stated: the turn in degrees, clockwise, where it is known.
    """
    own = [form.at(*form.outline.T) for form in (one, other)]

    def cost(parameters: Sequence[float]) -> float:
        x_shift, y_shift, degrees, log_growth = parameters
        growth, angle = np.exp(log_growth), degrees if stated is None else stated
        matrix = growth * rotation(np.radians(angle))
        center = one.center + (x_shift, y_shift)
        total = TURN_COST * (abs(degrees) / 180 + abs(log_growth))
        sides = (
            (one, one.center, matrix, center, other, growth * own[0]),
            (other, center, np.linalg.inv(matrix), one.center, one, 1 / growth * own[1]),
        )
        for start, start_center, to_end, end_center, end, distance in sides:
            x, y = ((start.outline - start_center) @ to_end.T + end_center).T
            total += (np.abs(end.at(x, y) - distance) * end.contains(x, y)).mean() / end.scale / 2
        return float(total)

    moments = _find_turn(one, other) if stated is None else 0.0
    starts = (
        [*_shift(one, other), 0.0, 0.0],
        [*(other.center - one.center), moments, np.log(other.scale / one.scale)],
    )
    steps = [one.scale / 8, one.scale / 8, 10.0 if stated is None else 0.0, 1 / 8]
    best, _ = min((_descend(cost, start, steps) for start in starts), key=lambda end: end[1])
    angle = float(np.radians(best[2] if stated is None else stated))
    return float(np.exp(best[3])), angle, (one.center, one.center + best[:2])


def _shift(one: Form, other: Form) -> list[float]:
    """Return the shift, x y, that brings sides together that neither image cuts: step 5."""
    size = one.mask.shape[::-1]
    shift = []
    for axis in (0, 1):
        lows = [form.pixels[:, axis].min() - 0.5 for form in (one, other)]
        highs = [form.pixels[:, axis].max() + 0.5 for form in (one, other)]
        if min(lows) > 0:
            shift.append(float(lows[1] - lows[0]))
        elif max(highs) < size[axis]:
            shift.append(float(highs[1] - highs[0]))
        else:
            shift.append(float(lows[1] - lows[0] + highs[1] - highs[0]) / 2)
    return shift


def _descend(
    cost: Callable[[Sequence[float]], float], start: Sequence[float], steps: Sequence[float]
) -> tuple[list[float], float]:
    """Return the end of the search from `start`, and its cost: step 5."""
    best, least = list(start), cost(start)
    for halvings in range(8):
        better = True
        while better:
            better = False
            for number, step in enumerate(steps):
                for change in (step / 2**halvings, -step / 2**halvings):
                    tried = [*best]
                    tried[number] += change
                    value = cost(tried)
                    if value < least - 1e-9:
                        best, least, better = tried, value, True
                        break
    return best, least


def _corners(form: Form) -> np.ndarray:
    """Return the corners (4, 2) of a box around the form with 3 pixels to spare.

    Where the image cuts the form, the box is also around what may lie beyond.
    """
    low, high = form.pixels.min(0) - 3, form.pixels.max(0) + 3
    height, width = form.mask.shape
    hidden = max(0.0, -float(form.distance.min())) + 3
    low, high = low - hidden * (low < -2), high + hidden * (high > np.array([width, height]) + 2)
    return np.array([(x, y) for x in (low[0], high[0]) for y in (low[1], high[1])])


def _transformed(matrix: np.ndarray, x: np.ndarray, y: np.ndarray, center: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return (matrix[0, 0] * x + matrix[0, 1] * y + center[0], matrix[1, 0] * x + matrix[1, 1] * y + center[1])


def _root(matrix: np.ndarray) -> np.ndarray:
    """Return the square root of a symmetric positive matrix (2, 2), in closed form."""
    area = np.sqrt(max(matrix[0, 0] * matrix[1, 1] - matrix[0, 1] * matrix[1, 0], 0.0))
    root: np.ndarray = (matrix + area * np.eye(2)) / np.sqrt(matrix[0, 0] + matrix[1, 1] + 2 * area)
    return root


def _eigenvalues(matrix: np.ndarray) -> tuple[float, float]:
    """Return the eigenvalues of a symmetric matrix (2, 2), the smaller first, in closed form."""
    middle = (matrix[0, 0] + matrix[1, 1]) / 2
    apart = np.hypot((matrix[0, 0] - matrix[1, 1]) / 2, matrix[0, 1])
    return middle - apart, middle + apart


def _stretch(one: Form, other: Form, angle: float) -> np.ndarray:
    """Return the symmetric matrix P (2, 2) at a turn by `angle` radians: step 3."""
    back = rotation(-angle) * (one.scale / other.scale)
    root = _root(one.covariance)
    inverse = np.linalg.inv(root)
    matrix: np.ndarray = inverse @ _root(root @ back @ other.covariance @ back.T @ root) @ inverse
    low, high = _eigenvalues(matrix)
    return matrix if low >= 1 / MOST_STRETCH and high <= MOST_STRETCH else np.eye(2)
