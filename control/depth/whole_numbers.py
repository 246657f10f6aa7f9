"""What whole numbers of 16 bits in depth images are: distances, as depth cameras write them, or nearness.

Nothing in a PNG or PGM file says so, but their ranges do. A depth camera writes millimeters, or some steps per meter: a
room is a few thousand of the 65536 steps, nothing is nearer than the camera can see, and 0 stands for what it could not
measure. An estimator spreads nearness over all steps, and the ground, which is near below, is bright below.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .measure import RangeMeter

# Numbers up to a third of the range, none of them between 0 and the nearest that a depth camera sees, are distances.
MOST_DISTANCE, NEAREST = 22000, 100
# Images that reach this share of their range use all of it, which is what an estimator writes.
FULL = 0.88
LOOKED_AT = 8  # files of a clip


@dataclass(frozen=True)
class WholeNumbers:
    """are_distances: what the numbers are. sentence: what was assumed, to be read; empty where nothing is unusual."""

    are_distances: bool
    sentence: str = ""


def judge_numbers(
    paths: Sequence[Path], read: Callable[[Path], np.ndarray], largest: float = 2**16 - 1
) -> WholeNumbers:
    """Return what the 16-bit numbers of a clip's images are, by some of them.

    read: one image of whole numbers, gray (H, W); those in color are colormaps, or refused elsewhere. largest: the end
    of their range.
    """
    most, least, has_holes, meter = 0, 2**16, False, RangeMeter()
    for path in paths[:: -(-len(paths) // LOOKED_AT)]:
        image = read(path)
        if image.ndim != 2:
            return WholeNumbers(False)
        measured = image[image > 0]
        meter.add(np.where(image > 0, image, np.float32(np.nan)).astype(np.float32)[None])
        has_holes |= len(measured) < image.size
        if len(measured):
            most, least = max(most, int(measured.max())), min(least, int(measured.min()))
    if not 0 < most < FULL * largest:
        return WholeNumbers(False)
    numbers = f"The 16-bit depth images hold numbers from {least} to {most}{' and 0' if has_holes else ''}"
    if most <= MOST_DISTANCE and least >= NEAREST and meter.ground() <= 0:
        return WholeNumbers(
            True,
            f"{numbers}, as depth cameras write distances{' (0: unknown)' if has_holes else ''}, so they were read as"
            " such, in millimeters. Say 'disparity' if near is bright.",
        )
    return WholeNumbers(
        False,
        f"{numbers}, a part of their range, and were read as disparity (near is bright). Say 'depth' if they are"
        " distances.",
    )
