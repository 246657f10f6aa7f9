"""Masks and tracks worked on: union, subtraction, grown, shrunk, softened, mended.

Everything takes masks (H, W) or tracks (F, H, W), 0..1, and gives float32 of the same shape. Lengths are in pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ..errors import UserError, need
from .inbetween import signed_distance
from .slots import check_range


def union(*masks: np.ndarray) -> np.ndarray:
    """What at least one of the masks covers."""
    return np.maximum.reduce(_alike(masks))


def subtract(mask: np.ndarray, *others: np.ndarray) -> np.ndarray:
    """What the first mask covers and no other does."""
    first, *rest = _alike((mask, *others))
    for other in rest:
        first = np.minimum(first, 1 - other)
    return first


def intersect(*masks: np.ndarray) -> np.ndarray:
    """What all the masks cover."""
    return np.minimum.reduce(_alike(masks))


def invert(mask: np.ndarray) -> np.ndarray:
    """What the mask does not cover."""
    return 1 - checked(mask)


def grow(mask: np.ndarray, pixels: float) -> np.ndarray:
    """The mask with its edge moved outward, or inward by a negative number; edges are soft over a pixel."""
    if not np.isfinite(pixels):
        raise UserError(f"a mask was to grow by {pixels} pixels; a number was expected")
    return _each(mask, lambda one: np.clip(0.5 + pixels - signed_distance(one), 0, 1)) if pixels else checked(mask)


def feather(mask: np.ndarray, pixels: float) -> np.ndarray:
    """The mask with an edge that is soft over `pixels` to either side."""
    if not (np.isfinite(pixels) and pixels >= 0):
        raise UserError(f"a mask was to be feathered by {pixels} pixels; a number of at least 0 was expected")
    if not pixels:
        return checked(mask)

    def softened(one: np.ndarray) -> np.ndarray:
        share = np.clip(0.5 - signed_distance(one) / (2 * pixels), 0, 1)
        return share * share * (3 - 2 * share)

    return _each(mask, softened)


def fill_holes(mask: np.ndarray, most: float = 0.25) -> np.ndarray:
    """The mask with the holes filled that are no larger than `most` times the area of what it covers."""
    return _mended(mask, most, holes=True)


def drop_specks(mask: np.ndarray, least: float = 0.05) -> np.ndarray:
    """The mask without the parts that are smaller than `least` times the area of its largest part."""
    return _mended(mask, least, holes=False)


def _mended(mask: np.ndarray, share: float, holes: bool) -> np.ndarray:
    if not 0 <= share <= 1:
        raise UserError(f"{share} was given as the share of a mask's area; a number from 0 to 1 was expected")
    try:
        from scipy import ndimage
    except ImportError as error:
        raise need("scipy", "mending masks") from error
    touching = np.ones((3, 3)) if not holes else None

    def mended(one: np.ndarray) -> np.ndarray:
        inside = one > 0.5
        parts, count = ndimage.label(~inside if holes else one > 0, structure=touching)
        areas = ndimage.sum_labels(inside if not holes else ~inside, parts, np.arange(1, count + 1))
        chosen = np.zeros(count + 1, bool)
        if holes:
            chosen[1:] = areas <= share * inside.sum()
            borders = (parts[0], parts[-1], parts[:, 0], parts[:, -1])
            chosen[np.unique(np.concatenate(borders))] = False
            return np.where(chosen[parts], 1, one)
        chosen[1:] = areas < share * areas.max(initial=0)
        return np.where(chosen[parts], 0, one)

    return _each(mask, mended)


def checked(mask: np.ndarray) -> np.ndarray:
    """A mask or track as float32 within 0..1; UserError for anything else."""
    mask = np.asarray(mask, np.float32)
    if mask.ndim not in (2, 3) or min(mask.shape) < 1:
        raise UserError(f"a mask has shape {mask.shape}; (height, width) or (frames, height, width) was expected")
    check_range(mask, "a mask")
    return np.clip(mask, 0, 1)


def _alike(masks: Sequence[np.ndarray]) -> list[np.ndarray]:
    if not masks:
        raise UserError("no mask was given; at least one was expected")
    masks = [checked(mask) for mask in masks]
    for mask in masks[1:]:
        if mask.shape != masks[0].shape:
            raise UserError(f"masks of the shapes {masks[0].shape} and {mask.shape} do not fit: resize one of them")
    return masks


def _each(mask: np.ndarray, work: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """`work` on every frame that is not empty; empty ones stay empty."""
    mask = checked(mask)
    frames = mask if mask.ndim == 3 else mask[None]
    done = np.zeros(frames.shape, np.float32)
    for number, frame in enumerate(frames):
        if (frame > 0.5).any():
            done[number] = work(frame)
    return done.reshape(mask.shape)
