"""Resizing in plain numpy, so that no image library decides what a control looks like."""

from __future__ import annotations

from functools import lru_cache

import numpy as np


def resize(array: np.ndarray, height: int, width: int) -> np.ndarray:
    """Return images (H, W, ...) resized to (height, width, ...), float32: triangle filter, widened when shrinking.

    Bilinear when enlarging, antialiased when shrinking; pixel centers at half steps.
    """
    array = np.asarray(array, np.float32)
    if array.shape[:2] == (height, width):
        return array
    array = np.tensordot(resampling_matrix(array.shape[0], height), array, (1, 0))
    return np.moveaxis(np.tensordot(resampling_matrix(array.shape[1], width), array, (1, 1)), 0, 1)


def resize_clip(clip: np.ndarray, height: int, width: int) -> np.ndarray:
    """Return a clip (F, H, W, ...) resized frame by frame to (F, height, width, ...), float32."""
    clip = np.asarray(clip, np.float32)
    if clip.shape[1:3] == (height, width):
        return clip
    return np.stack([resize(frame, height, width) for frame in clip])


@lru_cache(maxsize=4)
def resampling_matrix(size: int, new: int) -> np.ndarray:
    """Return the matrix (new, size) that resamples one axis as `resize` does; read-only."""
    scale = size / new
    radius = max(scale, 1.0)
    center = (np.arange(new) + 0.5) * scale - 0.5
    matrix: np.ndarray = np.maximum(0, 1 - np.abs(np.arange(size)[None] - center[:, None]) / radius)
    matrix = (matrix / matrix.sum(1, keepdims=True)).astype(np.float32)
    matrix.setflags(write=False)
    return matrix


def indices(count: int, frames: int) -> np.ndarray:
    """Return which of `count` frames to take for `frames` frames spread evenly over the whole clip (nearest)."""
    chosen: np.ndarray = np.round(np.linspace(0, count - 1, frames)).astype(int)
    return chosen
