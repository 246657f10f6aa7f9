"""Tracks of several objects at once, as SAM 3's tracker gives them, to slots."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..errors import UserError
from ..images import resize


def slots_from_objects(
    masks: np.ndarray,
    size: tuple[int, int] | None = None,
    order: str | Sequence[int] = "given",
    most: int = 3,
    packed: bool = False,
) -> tuple[list[np.ndarray], list[int]]:
    """Tracks of several objects (F, N, H, W), as SAM 3's tracker gives them, as one track (F, height, width) per slot.

    size: (height, width) of the tracks, by default that of the masks. order: 'given', 'area' (largest first), 'seen'
    (who comes first), 'left' (from left to right, where they are first seen), or the numbers of the objects for slot 0,
    1, ... most: how many slots there are; further objects are left out. packed: eight pixels a byte, as SAM3_TRACK_DATA
    holds them. Objects are unpacked one at a time. Gives the tracks and the number of the object that each shows.
    Raises UserError for another shape, an object that is not there, and where nothing is seen at all.
    """
    masks = np.asarray(masks)
    if masks.ndim != 4 or min(masks.shape) < 1:
        raise UserError(f"the masks of the objects have shape {masks.shape}; (frames, objects, height, width) expected")
    if packed and masks.dtype != np.uint8:
        raise UserError(f"packed masks are bytes, these are {masks.dtype}")
    count = masks.shape[1]

    def of(number: int) -> np.ndarray:
        one = masks[:, number]
        return np.unpackbits(one, axis=-1, bitorder="little") if packed else one > 0.5

    if isinstance(order, str):
        if order not in ("given", "area", "seen", "left"):
            raise UserError(f"the order of objects is '{order}'; given, area, seen, left or numbers were expected")
        places = []
        for number in range(count):
            one = of(number)
            areas = one.sum((1, 2), dtype=np.int64)
            if areas.any():
                first = int(np.flatnonzero(areas)[0])
                left = float(one[first].sum(0) @ np.arange(one.shape[2])) / float(areas[first])
                places.append(({"given": 0, "area": -int(areas.sum()), "seen": first, "left": left}[order], number))
        numbers = [number for _, number in sorted(places)]
        if not numbers:
            raise UserError("none of the objects is seen in any frame: was anything found?")
    else:
        numbers = list(order)
        for number in numbers:
            if not 0 <= number < count:
                raise UserError(f"object {number} was asked for, but there are the objects 0 to {count - 1}")
    numbers = numbers[:most]
    tracks = []
    for number in numbers:
        one = of(number).astype(np.float32)
        height, width = size or one.shape[1:]
        tracks.append(np.stack([np.clip(resize(mask, height, width), 0, 1) for mask in one]))
    return tracks, numbers
