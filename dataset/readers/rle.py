"""Masks as COCO's compressed run lengths (pycocotools, `rleFrString` in maskApi.c)."""

from __future__ import annotations

import numpy as np

from ...control.errors import UserError


def decode_rle(counts: str, height: int, width: int) -> np.ndarray:
    """Return the mask (height, width) uint8 of a text of run lengths.

    Six bits a letter, five of them a number's; from the third on, a run is what it differs by from the one but last.
    Runs go down the columns and begin with 0. Raises UserError for a text that does not make up the whole image.
    """
    runs: list[int] = []
    value = shift = 0
    for letter in counts.encode("latin-1", "replace"):
        bits = letter - 48
        value |= (bits & 0x1F) << shift
        shift += 5
        if bits & 0x20:
            continue
        if bits & 0x10:  # negative
            value -= 1 << shift
        runs.append(value + (runs[-2] if len(runs) > 2 else 0))
        value = shift = 0
    if min(runs, default=-1) < 0 or sum(runs) != height * width:
        raise UserError(f"a mask's run lengths do not make up {height}x{width} pixels: the annotation is damaged")
    flat = np.repeat(np.arange(len(runs)) & 1, runs).astype(np.uint8)
    return flat.reshape(width, height).T
