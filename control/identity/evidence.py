"""Whether a mask that was carried along a video is still on its object: what speaks for it, frame by frame.

Witnesses that the carrying does not use. Every pixel of a frame is traced back to the frame of the provided mask, by
the flow of all steps between: where that is certain, it says whether the pixel belonged to the object. The colors
inside the mask are compared with those of the object and of its surroundings in that frame; where these were alike from
the beginning, colors say nothing, and the area must be the one that the object's own flow lets expect.

Shapes: (h, w) the flow's own small size; histograms (B,).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..optical_flow import pixel_grid, remap
from .clip_flow import PURPOSE, TRUSTED, Clip, Step, opencv

# By so much the place in the provided mask's frame may be off: small pixels, and a share of the root of the area.
_EDGE_PIXELS, _EDGE_SHARE = 2.0, 0.08
# Flow does not see objects of fewer small pixels.
_MIN_TRACED = 300
# Levels of a color channel in a histogram.
_LEVELS = 8
# Colors of object and surroundings that overlap by more than this say nothing.
MAX_OVERLAP = 0.75
# Surroundings are as wide as this share of the root of the object's area.
_RING = 0.35
# An area so many times the expected one (or one of so many parts) takes all trust; the first takes none.
_FAIR_GROWTH, _WRONG_GROWTH = 1.2, 1.7
# The same for the area relative to the provided mask's, where only movement tells how it should be.
_FAIR_CHANGE, _WRONG_CHANGE = 1.1, 1.6
# A mask that loses or gains this in one step has jumped to something else, whatever it looks like.
_SUDDEN = 0.5
# Below this a mask is to be looked at.
DOUBTED = 0.5
# So many pixels are enough to see how an object grows, and so few are not.
_GROWTH_PIXELS, _MIN_GROWTH_PIXELS = 1500, 40


@dataclass(frozen=True)
class Evidence:
    """What speaks for a mask. known, foreign, missing, color: shares 0..1.

    known: of its pixels, those that could be traced back to the provided mask's frame. foreign: those of them that come
    from beside the object. missing: of the object's traced core, what the mask leaves out. color: how clearly its
    colors are the object's and not the surroundings'; None where these are alike. growth: its area relative to the one
    that is expected of the object. area: relative to the provided mask's. jumped: whether it changed to half or twice
    its area in one step, this one or an earlier one.
    """

    known: float
    foreign: float
    missing: float
    color: float | None
    growth: float
    area: float
    jumped: bool

    @property
    def trust(self) -> float:
        """How much can be relied on the mask, 0..1."""
        apart = max(self.foreign, self.missing)
        if self.jumped:
            return min(0.4, 1 - apart)
        if self.color is not None:
            # Colors that tell the object from its surroundings make up for some of what the tracing misses. That counts
            # by the provided mask: one that takes in more and more has all of the object besides.
            traced = min(self.known, 1 - self.area * (1 - self.known))
            agreement = 1 - (1.5 - 0.5 * self.color) * apart
            return float(np.clip(min(agreement, max(traced, self.color)), 0, 1))
        fair = min(
            _fairness(self.growth, _FAIR_GROWTH, _WRONG_GROWTH), _fairness(self.area, _FAIR_CHANGE, _WRONG_CHANGE)
        )
        return float(np.clip(min(1 - 1.5 * apart, self.known, fair), 0, 1))


# Where there is no mask.
NOTHING = Evidence(0.0, 0.0, 0.0, None, 1.0, 0.0, False)


def _fairness(ratio: float, fair: float, wrong: float) -> float:
    """Return 1 for a ratio of areas within a factor of `fair`, 0 beyond a factor of `wrong`."""
    change = max(ratio, 1 / max(ratio, 1e-6))
    return float(np.clip((wrong - change) / (wrong - fair), 0, 1))


class Witness:
    """The evidence as a walk leaves the provided mask's frame, step by step."""

    def __init__(self, clip: Clip, start: int, mask: np.ndarray):
        cv2 = opencv()
        self.clip = clip
        inside = self._small(mask) > 0.5
        self.area = self.expected = self.last_area = float(inside.sum())
        self.jumped = False
        # How far each pixel of the provided mask's frame is from the mask: negative inside.
        self.signed = _distance(inside) - _distance(~inside)
        self.origin = pixel_grid(*clip.flow_size)
        self.certain = np.ones(clip.flow_size, np.float32)
        width = max(2, round(_RING * self.area**0.5))
        around = cv2.dilate(inside.astype(np.uint8), np.ones((2 * width + 1, 2 * width + 1), np.uint8)) > 0
        self.front = _histogram(clip.color(start)[inside])
        self.behind = _histogram(clip.color(start)[around & ~inside])
        self.overlap = _overlap(self.front, self.behind)

    def _small(self, mask: np.ndarray) -> np.ndarray:
        cv2 = opencv()
        small: np.ndarray = cv2.resize(mask, self.clip.flow_size[::-1], interpolation=cv2.INTER_AREA)
        return small

    def advance(self, step: Step, number: int, mask: np.ndarray) -> Evidence:
        """Return the evidence for the mask (H, W) of frame `number`, to which `step` leads."""
        positions = pixel_grid(*self.clip.flow_size) + step.back
        self.origin = remap(self.origin, positions, PURPOSE)
        self.certain = remap(self.certain, positions, PURPOSE) * (step.confidence == TRUSTED)
        inside = self._small(mask) > 0.5
        self.expected *= _growth(step, inside)
        return self._judge(inside, self.clip.color(number))

    def _judge(self, inside: np.ndarray, image: np.ndarray) -> Evidence:
        area = float(inside.sum())
        if not area or not self.area:
            return NOTHING
        # Tiny things flicker: a few pixels are half of them.
        large = max(area, self.last_area) >= _MIN_TRACED
        self.jumped |= large and not _SUDDEN < area / max(self.last_area, 1e-6) < 1 / _SUDDEN
        self.last_area = area
        certain = self.certain > 0.9
        foreign = missing = 0.0
        if self.area >= _MIN_TRACED:
            edge = _EDGE_PIXELS + _EDGE_SHARE * self.area**0.5
            place = remap(self.signed, self.origin, PURPOSE)
            core = certain & (place < -edge)
            foreign = float((inside & certain & (place > edge)).sum()) / area
            missing = float((core & ~inside).sum()) / max(float(core.sum()), 0.1 * self.area)
        known = float((inside & certain).sum()) / area
        growth = area / max(self.expected, 1e-6)
        return Evidence(known, foreign, missing, self._color(image[inside]), growth, area / self.area, self.jumped)

    def _color(self, colors: np.ndarray) -> float | None:
        """Return how much more like the object than like its surroundings these colors (N, 3) are, 0..1."""
        if self.overlap > MAX_OVERLAP:
            return None
        now = _histogram(colors)
        more = _overlap(now, self.front) - _overlap(now, self.behind)
        return float(np.clip(2 * more / (1 - self.overlap), 0, 1))


def _growth(step: Step, inside: np.ndarray) -> float:
    """Return how many times larger the object becomes in a step: an affine fit to the flow well inside its mask."""
    cv2 = opencv()
    depth = cv2.distanceTransform(inside.astype(np.uint8), cv2.DIST_L2, 3)
    rows, columns = np.nonzero((depth > 0.1 * float(inside.sum()) ** 0.5) & (step.confidence == TRUSTED))
    if len(rows) < _MIN_GROWTH_PIXELS:
        return 1.0
    some = slice(None, None, max(1, len(rows) // _GROWTH_PIXELS))
    rows, columns = rows[some], columns[some]
    basis = np.stack([columns - columns.mean(), rows - rows.mean(), np.ones(len(rows))], 1)
    slopes = np.linalg.lstsq(basis, step.back[rows, columns].astype(np.float64), rcond=None)[0]
    shrink = float(np.linalg.det(np.eye(2) + slopes[:2]))
    return float(np.clip(1 / max(shrink, 1e-3), 0.7, 1.4))


def _distance(area: np.ndarray) -> np.ndarray:
    """Return how far each pixel is from the area (h, w) bool; far beyond the image where it is empty."""
    cv2 = opencv()
    if not area.any():
        return np.full(area.shape, 1e6, np.float32)
    distance: np.ndarray = cv2.distanceTransform((~area).astype(np.uint8), cv2.DIST_L2, 3)
    return distance


def _histogram(colors: np.ndarray) -> np.ndarray:
    """Return the shares (B,) of colors (N, 3) bytes in boxes, smoothed a little so that noise does not matter."""
    cv2 = opencv()
    levels = np.clip(colors.astype(np.int32) * _LEVELS // 256, 0, _LEVELS - 1)
    index = (levels * np.array([_LEVELS * _LEVELS, _LEVELS, 1])).sum(-1)
    counts = np.bincount(index, minlength=_LEVELS**3).astype(np.float32).reshape(_LEVELS, _LEVELS, _LEVELS)
    for axis in range(3):
        line = np.moveaxis(counts, axis, 0).reshape(_LEVELS, -1)
        line = cv2.filter2D(line, -1, np.array([[0.25], [0.5], [0.25]]), borderType=cv2.BORDER_REPLICATE)
        counts = np.moveaxis(line.reshape(_LEVELS, _LEVELS, _LEVELS), 0, axis)
    total: np.ndarray = counts.ravel() / max(float(counts.sum()), 1e-9)
    return total


def _overlap(one: np.ndarray, other: np.ndarray) -> float:
    """Return the Bhattacharyya coefficient of two histograms: 1 for equal ones, 0 for colors apart."""
    return float(np.sqrt(one * other).sum())
