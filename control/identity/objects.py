"""Tracks of several objects at once, as SAM 3's tracker gives them, to slots.

Masks of objects are (F, N, H, W): F frames, N objects. They are read a frame of an object at a time, so that a long
clip needs no more memory than its tracks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ..errors import UserError
from ..images import weights
from .report import NamedTrack, spans, track_report, whereabouts

ORDERS = ("given", "area", "seen", "left")
# How many pixels a byte holds.
ONES = np.array([bin(byte).count("1") for byte in range(256)], np.uint8)


def slots_from_objects(
    masks: np.ndarray,
    size: tuple[int, int] | None = None,
    order: str | Sequence[int] = "given",
    most: int = 3,
    packed: bool = False,
    progress: Callable[[], object] | None = None,
) -> tuple[list[np.ndarray], list[int]]:
    """Tracks of several objects (F, N, H, W), as SAM 3's tracker gives them, as one track (F, height, width) per slot.

    size: (height, width) of the tracks, by default that of the masks. order: 'given', 'area' (largest first), 'seen'
    (who comes first), 'left' (from left to right, where they are first seen), or the numbers of the objects for slot 0,
    1, ... most: how many slots there are; further objects are left out. packed: eight pixels a byte, as SAM3_TRACK_DATA
    holds them. progress is called after each of the F frames, whatever the number of objects. Gives the tracks,
    float32 0..1, and the number of the object that each shows. Raises UserError for another shape, an object that is
    not there, and where nothing is seen at all.
    """
    masks = np.asarray(masks)
    if masks.ndim != 4 or min(masks.shape) < 1:
        raise UserError(f"the masks of the objects have shape {masks.shape}; (frames, objects, height, width) expected")
    if packed and masks.dtype != np.uint8:
        raise UserError(f"packed masks are bytes, these are {masks.dtype}")
    if isinstance(order, str):
        if order not in ORDERS:
            raise UserError(f"the order of objects is '{order}'; {', '.join(ORDERS)} or numbers were expected")
        ranks = {number: _rank(masks[:, number], order, packed) for number in range(masks.shape[1])}
        numbers = sorted((number for number, rank in ranks.items() if rank is not None), key=ranks.__getitem__)
        if not numbers:
            raise UserError("none of the objects is seen in any frame: was anything found?")
    else:
        numbers = list(order)
        for number in numbers:
            if not 0 <= number < masks.shape[1]:
                raise UserError(f"object {number} was asked for, but there are the objects 0 to {masks.shape[1] - 1}")
    numbers = numbers[:most]
    height, width = size or (masks.shape[2], masks.shape[3] * (8 if packed else 1))
    tracks = [np.zeros((len(masks), height, width), np.float32) for _ in numbers]
    for at in range(len(masks)):
        for number, track in zip(numbers, tracks, strict=True):
            _fit(_opened(masks[at, number], packed), track[at])
        if progress is not None:
            progress()
    return tracks, numbers


def objects_report(count: int, numbers: Sequence[int], tracks: Sequence[np.ndarray], scores: Sequence[float]) -> str:
    """What came out of `count` objects, in lines: which is in which slot, how sure it was found, what to look at."""
    lines = [f"{count} object{'s' * (count != 1)} in {len(tracks[0])} frames."]
    for slot, (number, track) in enumerate(zip(numbers, tracks, strict=True)):
        found = f", found with a score of {float(scores[number]):.0%}" if number < len(scores) else ""
        lines.append(f"track{slot + 1}: object {number}{found}, {whereabouts(track)}.")
    left = sorted(set(range(count)) - set(numbers))
    if left:
        lines.append(f"Left out: object{'s' * (len(left) > 1)} {spans(np.array(left))}.")
    named = [NamedTrack(f"object {number}", track) for number, track in zip(numbers, tracks, strict=True)]
    return "\n".join([*lines, *track_report(named)])


def _opened(mask: np.ndarray, packed: bool) -> np.ndarray:
    """One mask (H, W), bool or 0 and 1."""
    return np.unpackbits(mask, axis=-1, bitorder="little") if packed else mask > 0.5


def _rank(masks: np.ndarray, order: str, packed: bool) -> float | None:
    """Where an object (F, H, W) stands in an order; None where it is seen in no frame."""
    seen = (at for at, mask in enumerate(masks) if (mask if packed else mask > 0.5).any())
    first = next(seen, None)
    if first is None or order == "given":
        return None if first is None else 0
    if order == "area":
        return -float(sum(int((ONES[mask] if packed else mask > 0.5).sum()) for mask in masks))
    if order == "seen":
        return first
    across = _opened(masks[first], packed).sum(0)
    return float(across @ np.arange(len(across))) / float(across.sum())


def _fit(mask: np.ndarray, place: np.ndarray) -> None:
    """Resize a mask (H, W) into an empty image, as `images.resize` does; the time goes with the mask's own extent."""
    parts, matrices = [], []
    for axis in (0, 1):
        inside = np.flatnonzero(mask.any(1 - axis))
        if not len(inside):
            return
        own = slice(inside[0], inside[-1] + 1)
        matrix = weights(mask.shape[axis], place.shape[axis])[:, own]
        reached = np.flatnonzero(matrix.any(1))
        if not len(reached):
            return
        reached = slice(reached[0], reached[-1] + 1)
        parts.append((own, reached))
        matrices.append(matrix[reached])
    (rows, down), (columns, across) = parts
    place[down, across] = np.clip(matrices[0] @ mask[rows, columns].astype(np.float32) @ matrices[1].T, 0, 1)
