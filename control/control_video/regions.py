"""Masks as control videos: a color per region, or a box around each. Masks are (N, F, H, W), 0..1."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..errors import UserError
from .drawing import as_floats, cv2, distinct_colors, stroke

# Regions have these colors in this order; what no mask covers is black.
LEAST_PIXELS = 1
# Of colors that are read from a drawing: how many, how different they are, and the least share of all pixels.
_MOST_COLORS, _SAME_COLOR, _LEAST_SHARE = 32, 0.2, 2e-4


def stack_masks(masks: Sequence[np.ndarray]) -> np.ndarray:
    """Return masks (F, H, W) of several regions as (N, F, H, W); a single frame holds for the whole clip.

    Raises UserError for masks of different lengths or sizes.
    """
    frames = max(len(mask) for mask in masks)
    for number, mask in enumerate(masks, 1):
        if len(mask) not in (1, frames) or mask.shape[1:] != masks[0].shape[1:]:
            raise UserError(
                f"mask {number} is {len(mask)} frames of {mask.shape[2]}x{mask.shape[1]}, others {frames} of"
                f" {masks[0].shape[2]}x{masks[0].shape[1]}: give masks of one length and size"
            )
    return np.stack([np.broadcast_to(mask, (frames, *mask.shape[1:])) for mask in masks])


def draw_segmentation(masks: np.ndarray, colors: np.ndarray | None = None) -> np.ndarray:
    """Return (F, H, W, 3): region k in color k (N, 3); later masks lie over earlier ones."""
    colors = distinct_colors(len(masks)) if colors is None else colors
    result = np.zeros((*masks.shape[1:], 3), np.float32)
    for mask, color in zip(masks, colors, strict=True):
        share = np.clip(mask, 0, 1)[..., None]
        result = result * (1 - share) + color * share
    return result


def labels_of(frames: np.ndarray) -> tuple[np.ndarray, int]:
    """Return which color each pixel (F, H, W) of drawings (F, H, W, 3) has, -1 for black, and how many there are.

    Colors that nearly nothing has, as of blurred borders, count as the nearest of the others.
    """
    codes: np.ndarray = np.round(frames.reshape(-1, 3) * 255).astype(np.int64) @ np.array([1 << 16, 1 << 8, 1])
    found, index, counts = np.unique(codes, return_inverse=True, return_counts=True)
    known = np.stack([found >> 16, found >> 8 & 255, found & 255], -1) / 255
    colors = np.zeros((1, 3))  # black
    for number in counts.argsort()[::-1]:
        if counts[number] < _LEAST_SHARE * len(codes) or len(colors) > _MOST_COLORS:
            break
        if np.linalg.norm(colors - known[number], axis=1).min() > _SAME_COLOR:
            colors = np.concatenate([colors, known[number : number + 1]])
    nearest = np.linalg.norm(known[:, None] - colors, axis=-1).argmin(1) - 1
    return nearest[index].reshape(frames.shape[:3]), len(colors) - 1


def boxes_of(masks: np.ndarray) -> np.ndarray:
    """Return the boxes (N, F, 4) of masks: left, top, right and bottom edge in pixels, right and bottom one past the
    last; all -1 where a mask is empty."""
    result = np.full((*masks.shape[:2], 4), -1, int)
    for k, t in np.argwhere((masks > 0.5).sum((2, 3)) >= LEAST_PIXELS):
        rows, columns = np.nonzero((masks[k, t] > 0.5).any(1))[0], np.nonzero((masks[k, t] > 0.5).any(0))[0]
        result[k, t] = columns[0], rows[0], columns[-1] + 1, rows[-1] + 1
    return result


def draw_boxes(boxes: np.ndarray, height: int, width: int) -> np.ndarray:
    """Return (F, H, W, 3): the outlines of boxes (N, F, 4) in distinct colors, those of later ones over earlier."""
    colors, thick = distinct_colors(len(boxes)) * 255, stroke(height, width) + 1
    frames = []
    for places in np.moveaxis(boxes, 1, 0):
        image = np.zeros((height, width, 3), np.uint8)
        for (left, top, right, bottom), color in zip(places.tolist(), colors.tolist(), strict=True):
            if right > left:
                cv2().rectangle(image, (left, top), (right - 1, bottom - 1), color, -1)
                inner = left + thick, top + thick, right - 1 - thick, bottom - 1 - thick
                if inner[2] >= inner[0] and inner[3] >= inner[1]:
                    cv2().rectangle(image, inner[:2], inner[2:], (0, 0, 0), -1)
        frames.append(as_floats(image))
    return np.stack(frames)
