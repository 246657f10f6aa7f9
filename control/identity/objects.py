"""Masklets of several objects at once, as SAM 3's tracker gives them, to slots.

Masks of objects are (F, N, H, W): F frames, N objects. They are read a frame of an object at a time, so that a long
clip needs no more memory than its masklets.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import UserError
from ..images import resampling_matrix
from ..ranges import format_ranges
from .report import NamedMasklet, describe_presence, masklet_report

ORDERS = ("given", "area", "seen", "left")
# How many pixels a byte holds.
BITS_SET = np.array([bin(byte).count("1") for byte in range(256)], np.uint8)


def masklets_from_objects(
    masks: np.ndarray,
    size: tuple[int, int] | None = None,
    order: str | Sequence[int] = "given",
    most: int = 3,
    packed: bool = False,
    progress: Callable[[], object] | None = None,
) -> tuple[list[np.ndarray], list[int]]:
    """Return the masks of several objects (F, N, H, W) as one masklet (F, height, width) per slot.

    size: (height, width) of the masklets, by default that of the masks. order: 'given', 'area' (largest first), 'seen'
    (who comes first), 'left' (from left to right, where they are first seen), or the numbers of the objects for slot 0,
    1, ... most: how many slots there are; further objects are left out. packed: eight pixels a byte, as SAM3_TRACK_DATA
    holds them. progress is called after each of the F frames, whatever the number of objects. Returns the masklets,
    float32 0..1, and the number of the object that each shows. Raises UserError for another shape, an object that is
    not there, and where nothing is seen at all.
    """
    objects = _Objects.of(masks, packed)
    numbers = objects.ranked(order) if isinstance(order, str) else objects.checked(order)
    numbers = numbers[:most]
    height, width = size or objects.size
    masklets = [np.zeros((objects.frames, height, width), np.float32) for _ in numbers]
    for at in range(objects.frames):
        for number, masklet in zip(numbers, masklets, strict=True):
            _resize_into(masklet[at], objects.mask(at, number))
        if progress is not None:
            progress()
    return masklets, numbers


def objects_report(count: int, numbers: Sequence[int], masklets: Sequence[np.ndarray], scores: Sequence[float]) -> str:
    """Return what came out of `count` objects, in lines: which is in which slot, its score, what to look at."""
    lines = [f"{count} object{'s' * (count != 1)} in {len(masklets[0])} frames."]
    for slot, (number, masklet) in enumerate(zip(numbers, masklets, strict=True)):
        score = f", found with a score of {float(scores[number]):.0%}" if number < len(scores) else ""
        lines.append(f"track{slot + 1}: object {number}{score}, {describe_presence(masklet)}.")
    left = sorted(set(range(count)) - set(numbers))
    if left:
        lines.append(f"Left out: object{'s' * (len(left) > 1)} {format_ranges(left)}.")
    named = [NamedMasklet(f"object {number}", masklet) for number, masklet in zip(numbers, masklets, strict=True)]
    return "\n".join([*lines, *masklet_report(named)])


@dataclass(frozen=True, eq=False)
class _Objects:
    """Masks (F, N, H, W) of objects: bool or 0..1, or packed, eight pixels a byte."""

    masks: np.ndarray
    packed: bool

    @classmethod
    def of(cls, masks: np.ndarray, packed: bool) -> _Objects:
        masks = np.asarray(masks)
        if masks.ndim != 4 or min(masks.shape) < 1:
            raise UserError(
                f"the masks of the objects have shape {masks.shape}; (frames, objects, height, width) was expected"
            )
        if packed and masks.dtype != np.uint8:
            raise UserError(f"packed masks are {masks.dtype}; bytes were expected")
        return cls(masks, packed)

    @property
    def frames(self) -> int:
        """The number of frames."""
        return len(self.masks)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.masks.shape[2], self.masks.shape[3] * (8 if self.packed else 1)

    def mask(self, frame: int, number: int) -> np.ndarray:
        """Return one mask (H, W), bool or 0 and 1."""
        mask = self.masks[frame, number]
        return np.unpackbits(mask, axis=-1, bitorder="little") if self.packed else mask > 0.5

    def checked(self, numbers: Sequence[int]) -> list[int]:
        """Return the numbers. Raises UserError for one that no object has."""
        count = self.masks.shape[1]
        for number in numbers:
            if not 0 <= number < count:
                raise UserError(f"object {number} was asked for, but there are the objects 0 to {count - 1}")
        return list(numbers)

    def ranked(self, order: str) -> list[int]:
        """Return the numbers of the objects that are seen, in one of ORDERS."""
        if order not in ORDERS:
            raise UserError(f"the order of objects is '{order}'; {', '.join(ORDERS)} or numbers were expected")
        ranks = {number: self._rank(number, order) for number in range(self.masks.shape[1])}
        seen = {number: rank for number, rank in ranks.items() if rank is not None}
        if not seen:
            raise UserError("none of the objects is seen in any frame: did the tracker find anything?")
        return sorted(seen, key=seen.__getitem__)

    def _rank(self, number: int, order: str) -> float | None:
        """Return what the object is sorted by; None where it is seen in no frame."""
        masks = self.masks[:, number]
        first = next((at for at, mask in enumerate(masks) if self._pixels(mask).any()), None)
        if first is None or order == "given":
            return None if first is None else 0
        if order == "area":
            return -float(sum(int((BITS_SET[mask] if self.packed else mask > 0.5).sum()) for mask in masks))
        if order == "seen":
            return first
        per_column = self.mask(first, number).sum(0)
        return float(per_column @ np.arange(len(per_column))) / float(per_column.sum())

    def _pixels(self, mask: np.ndarray) -> np.ndarray:
        """Return a mask as values that are not 0 where it is; packed bytes stay packed."""
        return mask if self.packed else mask > 0.5


def _resize_into(target: np.ndarray, mask: np.ndarray) -> None:
    """Resize a mask (H, W) into an empty image (h, w), as `images.resize` does.

    Only the mask's own extent is worked on, which takes a fraction of the time.
    """
    rows, columns = (_resampled_extent(mask, axis, target.shape[axis]) for axis in (0, 1))
    if rows is None or columns is None:
        return
    part = rows.matrix @ mask[rows.source, columns.source].astype(np.float32) @ columns.matrix.T
    target[rows.target, columns.target] = np.clip(part, 0, 1)


@dataclass(frozen=True, eq=False)
class _Extent:
    """What a mask covers along one axis, what of the resized image that reaches, and the matrix in between."""

    source: slice
    target: slice
    matrix: np.ndarray


def _resampled_extent(mask: np.ndarray, axis: int, new: int) -> _Extent | None:
    inside = np.flatnonzero(mask.any(1 - axis))
    if not len(inside):
        return None
    source = slice(int(inside[0]), int(inside[-1]) + 1)
    matrix = resampling_matrix(mask.shape[axis], new)[:, source]
    reached = np.flatnonzero(matrix.any(1))
    if not len(reached):
        return None
    target = slice(int(reached[0]), int(reached[-1]) + 1)
    return _Extent(source, target, matrix[target])
