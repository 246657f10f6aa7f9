"""Resizing in plain numpy, so that no image library decides what a control looks like."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import TypeVar

import numpy as np

Filter = Callable[[np.ndarray], np.ndarray]
T = TypeVar("T", float, np.ndarray)
MOST_WEIGHTS = 2**23  # of a resampling matrix
REACH = 3  # of the widest filter


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


def resize_cubic(array: np.ndarray, height: int, width: int) -> np.ndarray:
    """Return images (H, W, ...) resized to (height, width, ...), float32: bicubic, widened when shrinking.

    Keys' filter with a = -0.5: what PIL calls BICUBIC, less its rounding to bytes. Values go a little beyond those of
    the image at edges.
    """
    return _resampled(array, height, width, cubic)


def _resampled(array: np.ndarray, height: int, width: int, filter: Filter) -> np.ndarray:
    array = np.asarray(array, np.float32)
    if array.shape[:2] == (height, width):
        return array
    if array.shape[0] < height and array.shape[1] > width:  # what shrinks comes first: the other side only adds to it
        array = np.moveaxis(_resampled_rows(np.moveaxis(array, 1, 0), width, filter), 0, 1)
        return _resampled_rows(array, height, filter)
    array = _resampled_rows(array, height, filter)
    return np.moveaxis(_resampled_rows(np.moveaxis(array, 1, 0), width, filter), 0, 1)


def _resampled_rows(array: np.ndarray, new: int, filter: Filter) -> np.ndarray:
    """Return an array (N, ...) with its first axis resampled to `new`."""
    size = array.shape[0]
    if size * new <= MOST_WEIGHTS:
        rows: np.ndarray = np.tensordot(resampling_matrix(size, new, filter), array, (1, 0))
        return rows
    # Nearly all weights of a long side are 0, and all of them together may not fit into memory.
    rows = np.empty((new, *array.shape[1:]), np.float32)
    for at in range(new):
        center, radius = _center(at, size, new), max(size / new, 1.0)
        low, high = max(0, int(center - REACH * radius)), min(size, int(center + REACH * radius) + 2)
        weights = _weights(np.arange(low, high)[None] - center, radius, filter)[0]
        rows[at] = np.tensordot(weights, array[low:high], (0, 0))
    return rows


def triangle(x: np.ndarray) -> np.ndarray:
    """Return the weights at the distances x of a filter that falls to 0 at 1."""
    weights: np.ndarray = np.maximum(0, 1 - np.abs(x))
    return weights


def cubic(x: np.ndarray) -> np.ndarray:
    """Return the weights at the distances x of Keys' piecewise cubic with a = -0.5, which ends at 2."""
    x = np.abs(x)
    inner, outer = 1.5 * x**3 - 2.5 * x**2 + 1, -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
    weights: np.ndarray = np.where(x < 1, inner, np.where(x < 2, outer, 0))
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
    center = _center(np.arange(new), size, new)
    matrix = _weights(np.arange(size)[None] - center[:, None], max(size / new, 1.0), filter)
    matrix.setflags(write=False)
    return matrix


def _center(at: T, size: int, new: int) -> T:
    """Return where pixels of a resampled axis lie among the old ones."""
    return (at + 0.5) * (size / new) - 0.5


def _weights(distance: np.ndarray, radius: float, filter: Filter) -> np.ndarray:
    """Return the weights (new, old) of pixels at these distances, in pixels, with the sum 1 for each new one."""
    weights = filter(distance / radius)
    normalized: np.ndarray = (weights / weights.sum(1, keepdims=True)).astype(np.float32)
    return normalized


def indices(count: int, frames: int) -> np.ndarray:
    """Return which of `count` frames to take for `frames` frames spread evenly over the whole clip (nearest)."""
    chosen: np.ndarray = np.round(np.linspace(0, count - 1, frames)).astype(int)
    return chosen
