"""A mask cut anew by color: GrabCut (Rother et al., SIGGRAPH 2004) decides a band along the edge of a moved mask.

Colors are learned from what is known alone, in the frame and in the image of the mask that was provided (the anchor),
so that they are not forgotten on the way.

Shapes: (h, w) parts of an image.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from .clip_flow import DOUBTED, TRUSTED, UNKNOWN, opencv

# GrabCut works on the surroundings of the mask at no more than so many pixels; the anchor gets half as many.
CUT_PIXELS, ANCHOR_PIXELS = 16_000, 8_000
# So many colors teach what the object looks like, and as many its surroundings, in the frame and in the anchor.
MAX_COLORS = 2_000
# The band that color decides extends so far in and out of the moved mask's edge, in square roots of its area.
INNER, OUTER = 0.06, 0.10
MIN_PIXELS = 20
# Below this share of a mask that the flow vouches for, the band becomes wider, up to four times.
DOUBTFUL = 0.6


@dataclass(frozen=True, eq=False)
class Moved:
    """A part of a mask moved along the flow. mask, confidence (h, w): the mask and `Step.confidence`; part: rows and
    columns of the image."""

    mask: np.ndarray
    confidence: np.ndarray
    part: tuple[slice, slice]

    @cached_property
    def trust(self) -> float:
        """The share of the mask that the flow vouches for."""
        inside = self.mask > 0.5
        return float((self.confidence[inside] == TRUSTED).mean()) if inside.any() else 0.0

    @property
    def widening(self) -> float:
        """How many times wider the band becomes: 1 where the flow vouches for most of the mask, up to 4 for none."""
        return 1 + 3 * max(0.0, 1 - self.trust / DOUBTFUL)


@dataclass(frozen=True, eq=False)
class Anchor:
    """Colors that a provided mask teaches: those of the object (N, 3) bytes, and those of its surroundings."""

    front: np.ndarray
    behind: np.ndarray

    @classmethod
    def of(cls, image: np.ndarray, mask: np.ndarray) -> Anchor:
        """Return the colors of a mask (H, W) that is not empty, and of its surroundings in an image (H, W, 3) bytes."""
        cv2 = opencv()
        part = surroundings(mask)
        size = _limited(mask[part].shape, ANCHOR_PIXELS)
        small = cv2.resize(np.ascontiguousarray(image[part]), size[::-1], interpolation=cv2.INTER_AREA)
        cover = cv2.resize(np.ascontiguousarray(mask[part]), size[::-1], interpolation=cv2.INTER_AREA) > 0.5
        return cls(_thinned(small[cover]), _thinned(small[~cover]))


def surroundings(mask: np.ndarray, widening: float = 1.0) -> tuple[slice, slice]:
    """Return the rows and columns of a mask (H, W) that is not empty, with a margin that shows its background."""
    inside = mask > 0.5
    margin = int(widening * max(8, 0.15 * np.sqrt(inside.sum()))) + 4
    rows, columns = np.flatnonzero(inside.any(1)), np.flatnonzero(inside.any(0))
    height, width = mask.shape
    return (
        slice(max(0, int(rows[0]) - margin), min(height, int(rows[-1]) + margin + 1)),
        slice(max(0, int(columns[0]) - margin), min(width, int(columns[-1]) + margin + 1)),
    )


def cut_by_color(image: np.ndarray, moved: Moved, anchor: Anchor) -> np.ndarray:
    """Return a moved mask cut anew by the colors of its image (h, w, 3) bytes: (h, w) float32 with soft edges.

    The mask comes back as it is where too few colors are known.
    """
    cv2 = opencv()
    size = _limited(moved.mask.shape, CUT_PIXELS)[::-1]
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    labels = _label(moved, size)
    front = np.concatenate([_thinned(small[labels == cv2.GC_FGD]), anchor.front])
    behind = np.concatenate([_thinned(small[labels == cv2.GC_BGD]), anchor.behind])
    if min(len(front), len(behind)) < MIN_PIXELS:
        return moved.mask
    colors = np.concatenate([front, behind])[None]
    sides = np.array([cv2.GC_FGD, cv2.GC_BGD], np.uint8)
    answers = np.repeat(sides, [len(front), len(behind)])[None].copy()
    models = np.zeros((1, 65)), np.zeros((1, 65))
    # GrabCut draws its first color clusters at random: the same draw every time makes results repeat.
    cv2.setRNGSeed(1)
    cv2.grabCut(colors, answers, None, *models, 0, cv2.GC_INIT_WITH_MASK)
    cv2.grabCut(small, labels, None, *models, 1, cv2.GC_EVAL_FREEZE_MODEL)
    cut = ((labels == cv2.GC_FGD) | (labels == cv2.GC_PR_FGD)).astype(np.float32)
    result: np.ndarray = cv2.resize(cut, moved.mask.shape[::-1], interpolation=cv2.INTER_LINEAR)
    return result


def _label(moved: Moved, size: tuple[int, int]) -> np.ndarray:
    """Return GrabCut's labels of a moved mask at a size (width, height): sure inside, sure outside, or undecided."""
    cv2 = opencv()
    inside = (cv2.resize(moved.mask, size, interpolation=cv2.INTER_AREA) > 0.5).astype(np.uint8)
    confidence = cv2.resize(moved.confidence, size, interpolation=cv2.INTER_NEAREST)
    unit = size[0] / moved.mask.shape[1] * float(np.sqrt((moved.mask > 0.5).sum()))
    depth = cv2.distanceTransform(np.pad(inside, 1, mode="edge"), cv2.DIST_L2, 3)[1:-1, 1:-1]
    distance = cv2.distanceTransform(1 - inside, cv2.DIST_L2, 3)
    inner, outer = moved.widening * max(2.0, INNER * unit), moved.widening * max(3.0, OUTER * unit)
    labels: np.ndarray = np.where(inside > 0, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    # What comes from beyond the image may be anything; what the flow only doubts, anything near the edge.
    labels[(depth > inner) & (confidence == TRUSTED) | (depth > 3 * inner) & (confidence == DOUBTED)] = cv2.GC_FGD
    labels[(distance > outer) & (confidence > UNKNOWN) | (distance > 3 * outer)] = cv2.GC_BGD
    return labels


def _thinned(colors: np.ndarray) -> np.ndarray:
    """Return at most MAX_COLORS of the colors (N, 3), evenly taken."""
    return colors[:: max(1, -(-len(colors) // MAX_COLORS))]


def _limited(shape: tuple[int, ...], most: int) -> tuple[int, int]:
    """Return height and width of at most about `most` pixels in the same proportions; never larger than they are."""
    share = min(1.0, (most / (shape[0] * shape[1])) ** 0.5)
    return max(2, round(shape[0] * share)), max(2, round(shape[1] * share))
