"""One way through a clip from a provided mask: each frame's mask is the one before, moved by optical flow and cut anew.

A band along the moved mask's edge, and what the flow does not vouch for, is decided by color (`color_cut`); whether the
mask is still on its object, by `evidence`.
"""

from __future__ import annotations

import numpy as np

from .clip_flow import TRUSTED, Clip, Step, opencv
from .color_cut import MIN_PIXELS, Anchor, Moved, cut_by_color, surroundings
from .evidence import NOTHING, Evidence, Witness

# A cut that keeps less than this of what the flow vouches for, or makes the mask so many times larger, is rejected; the
# moved mask is kept then.
MIN_KEPT, MAX_GROWTH = 0.6, 1.7
# Two frames of which one, moved along the flow, is still so many gray levels from the other belong to two shots.
SHOT_CHANGE_LEVELS = 30.0


class Walk:
    """One way through the clip from a key, a frame at a time."""

    def __init__(self, clip: Clip, start: int, mask: np.ndarray, refine: bool):
        self.clip, self.at, self.mask = clip, start, mask
        self.initial_area = float((mask > 0.5).sum())
        self.lost: set[int] = set()
        self.cuts: set[int] = set()
        self.ended = False
        self.anchor = Anchor.of(clip.image(start), mask) if refine else None
        self.witness = Witness(clip, start, mask)

    def advance(self, number: int) -> tuple[np.ndarray, Evidence]:
        """Return the mask (H, W) of the neighboring frame `number`, and the evidence for it."""
        old, self.at = self.at, number
        if self.ended:
            return self._lose(number), NOTHING
        step = self.clip.step(old, number)
        if step.difference > SHOT_CHANGE_LEVELS:
            self.cuts.add(number)
            return self._lose(number), NOTHING
        moved = _move(step, self.clip.flow_size, self.mask)
        mask = self._sharpened(number, moved)
        # A few pixels that cling to something are not the object, unless it was as small from the beginning.
        if (mask > 0.5).sum() < max(1, min(MIN_PIXELS, 0.1 * self.initial_area)):
            return self._lose(number), NOTHING
        self.mask = np.zeros(self.clip.shape[1:], np.float32)
        self.mask[moved.part] = mask
        return self.mask, self.witness.advance(step, number, self.mask)

    def _sharpened(self, number: int, moved: Moved) -> np.ndarray:
        """Return the moved mask (h, w) with its edge cut by color, or steepened where colors are not used."""
        if self.anchor is None:
            return np.clip((moved.mask - 0.5) * 2 + 0.5, 0, 1)
        inside = moved.mask > 0.5
        if inside.sum() < MIN_PIXELS:
            return moved.mask
        cut = cut_by_color(self.clip.image(number, moved.part), moved, self.anchor)
        vouched = inside & (moved.confidence == TRUSTED)
        kept = (cut > 0.5)[vouched].mean() if vouched.sum() >= MIN_PIXELS else 1.0
        return cut if kept > MIN_KEPT and (cut > 0.5).sum() < MAX_GROWTH * inside.sum() else moved.mask

    def _lose(self, number: int) -> np.ndarray:
        """End the walk; return an empty mask (H, W)."""
        self.lost.add(number)
        self.ended = True
        self.mask = np.zeros(self.clip.shape[1:], np.float32)
        return self.mask


def _move(step: Step, flow_size: tuple[int, int], mask: np.ndarray) -> Moved:
    """Return a mask (H, W) moved by a step whose flow has `flow_size`, cropped to its surroundings."""
    cv2 = opencv()
    if not (mask > 0.5).any():
        return Moved(np.zeros((1, 1), np.float32), np.zeros((1, 1), np.uint8), (slice(0, 1), slice(0, 1)))
    height, width = mask.shape
    scale = np.array([flow_size[1] / width, flow_size[0] / height], np.float32)
    top, bottom, left, right = _reached_box(step, flow_size, mask, scale)
    x, y = np.meshgrid(np.arange(left, right, dtype=np.float32), np.arange(top, bottom, dtype=np.float32))
    small_x, small_y = (x + 0.5) * scale[0] - 0.5, (y + 0.5) * scale[1] - 0.5
    border = cv2.BORDER_REPLICATE
    back = cv2.remap(step.back, small_x, small_y, cv2.INTER_LINEAR, borderMode=border) / scale
    confidence = cv2.remap(step.confidence, small_x, small_y, cv2.INTER_NEAREST, borderMode=border)
    shifted = cv2.remap(mask, x + back[..., 0], y + back[..., 1], cv2.INTER_LINEAR, borderMode=border)
    moved = Moved(shifted, confidence, (slice(top, bottom), slice(left, right)))
    if not (shifted > 0.5).any():
        return moved
    rows, columns = surroundings(shifted, moved.widening)
    part = slice(top + rows.start, top + rows.stop), slice(left + columns.start, left + columns.stop)
    return Moved(shifted[rows, columns], confidence[rows, columns], part)


def _reached_box(
    step: Step, flow_size: tuple[int, int], mask: np.ndarray, scale: np.ndarray
) -> tuple[int, int, int, int]:
    """Return top, bottom, left and right of where the flow carries a mask (H, W), with room for its edge.

    scale (2,): the flow's pixels per pixel of the mask, x and y.
    """
    cv2 = opencv()
    height, width = mask.shape
    inside = mask > 0.5
    rows, columns = np.flatnonzero(inside.any(1)), np.flatnonzero(inside.any(0))
    small = cv2.resize(mask, flow_size[::-1], interpolation=cv2.INTER_AREA) > 0.25
    shifts = step.forth[small] / scale if small.any() else np.zeros((1, 2), np.float32)
    low, high = np.percentile(shifts, [2, 98], axis=0)
    margin = 0.2 * np.sqrt(inside.sum()) + 12
    left = int(np.clip(columns[0] + low[0] - margin, 0, width - 1))
    right = int(np.clip(columns[-1] + high[0] + margin + 1, left + 1, width))
    top = int(np.clip(rows[0] + low[1] - margin, 0, height - 1))
    bottom = int(np.clip(rows[-1] + high[1] + margin + 1, top + 1, height))
    return top, bottom, left, right
