"""Resizing in plain numpy, so that no image library decides what a control looks like."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np

Filter = Callable[[np.ndarray], np.ndarray]


def resize(array: np.ndarray, height: int, width: int) -> np.ndarray:
    """Return images (H, W, ...) resized to (height, width, ...), float32: triangle filter, widened when shrinking.

    Bilinear when enlarging, antialiased when shrinking; pixel centers at half steps.
    """
    return _resampled(array, height, width, triangle)


def resize_sharp(array: np.ndarray, height: int, width: int) -> np.ndarray:
    """Return images (H, W, ...) resized to (height, width, ...), float32: Lanczos filter with three lobes.

    It is widened when shrinking, and values go a little beyond those of the image at edges: what PIL calls LANCZOS,
    less its rounding to bytes.
    """
    return _resampled(array, height, width, lanczos)


def _resampled(array: np.ndarray, height: int, width: int, filter: Filter) -> np.ndarray:
    array = np.asarray(array, np.float32)
    if array.shape[:2] == (height, width):
        return array
    array = np.tensordot(resampling_matrix(array.shape[0], height, filter), array, (1, 0))
    resized: np.ndarray = np.tensordot(resampling_matrix(array.shape[1], width, filter), array, (1, 1))
    return np.moveaxis(resized, 0, 1)


def triangle(x: np.ndarray) -> np.ndarray:
    """Return the weights at the distances x of a filter that falls to 0 at 1."""
    weights: np.ndarray = np.maximum(0, 1 - np.abs(x))
    return weights


def lanczos(x: np.ndarray) -> np.ndarray:
    """Return the weights at the distances x of a windowed sinc that ends at 3."""
    weights: np.ndarray = np.where(np.abs(x) < 3, np.sinc(x) * np.sinc(x / 3), 0)
    return weights


def resize_clip(clip: np.ndarray, height: int, width: int) -> np.ndarray:
    """Return a clip (F, H, W, ...) resized frame by frame to (F, height, width, ...), float32."""
    clip = np.asarray(clip, np.float32)
    if clip.shape[1:3] == (height, width):
        return clip
    return np.stack([resize(frame, height, width) for frame in clip])


@lru_cache(maxsize=4)
def resampling_matrix(size: int, new: int, filter: Filter = triangle) -> np.ndarray:
    """Return the matrix (new, size) that resamples one axis, by default as `resize` does; read-only."""
    scale = size / new
    radius = max(scale, 1.0)
    center = (np.arange(new) + 0.5) * scale - 0.5
    weights = filter((np.arange(size)[None] - center[:, None]) / radius)
    matrix: np.ndarray = (weights / weights.sum(1, keepdims=True)).astype(np.float32)
    matrix.setflags(write=False)
    return matrix


def indices(count: int, frames: int) -> np.ndarray:
    """Return which of `count` frames to take for `frames` frames spread evenly over the whole clip (nearest)."""
    chosen: np.ndarray = np.round(np.linspace(0, count - 1, frames)).astype(int)
    return chosen
