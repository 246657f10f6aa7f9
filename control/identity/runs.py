"""Black-and-white images as short text: run lengths, differenced, in base64.

The pixels are read row by row as alternating runs, black first (a first run of 0 where the image begins white).
From the third run on, the difference from the run before the last is kept, which is small where an outline goes on from
row to row. Each number n becomes 2n, or -2n - 1 below zero, then bytes of seven bits, lowest first, with the eighth
bit where another follows; the bytes become base64. An outline costs about two bytes for each row that it crosses.
"""

from __future__ import annotations

import base64
import binascii

import numpy as np

# An image of more pixels than this is a mistake, or an attack on the memory.
MOST_PIXELS = 2**24
MOST_CHARACTERS = 2**22


def encode(mask: np.ndarray) -> str:
    """Return the text of a mask (H, W); more than 0.5 counts as white."""
    flat = (np.asarray(mask) > 0.5).ravel()
    changes = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    counts = np.diff(np.concatenate([[0], changes, [flat.size]]))
    if flat.size and flat[0]:
        counts = np.concatenate([[0], counts])
    values = counts.astype(np.int64)
    values[2:] -= counts[:-2]
    zigzag = np.where(values >= 0, 2 * values, -2 * values - 1).astype(np.uint64)
    groups = [zigzag & 127]
    rest = zigzag >> 7
    while rest.any():
        groups.append(rest & 127)
        rest = rest >> 7
    table = np.stack(groups, 1).astype(np.uint8)
    # A byte is written when it, or a higher one of its number, is not 0; the first always is.
    needed = np.flip(np.maximum.accumulate(np.flip(table, 1), 1), 1) > 0
    needed[:, 0] = True
    more = np.concatenate([needed[:, 1:], np.zeros((len(table), 1), bool)], 1)
    return base64.b64encode((table | (more.astype(np.uint8) << 7))[needed].tobytes()).decode("ascii")


def decode(text: str, height: int, width: int) -> np.ndarray:
    """Return the mask (height, width), bool, of such a text. Raises ValueError, in words, for any other text."""
    total = height * width
    if not 0 < total <= MOST_PIXELS:
        raise ValueError(f"an image of {width}x{height} is empty or larger than {MOST_PIXELS} pixels")
    if len(text) > min(MOST_CHARACTERS, 8 * total + 8):
        raise ValueError(f"{len(text)} characters are more than an image of {width}x{height} can need")
    try:
        data = np.frombuffer(base64.b64decode(text.encode("ascii"), validate=True), np.uint8)
    except (binascii.Error, UnicodeEncodeError) as error:
        raise ValueError("the runs are not base64 text") from error
    if not data.size or data[-1] > 127:
        raise ValueError("the runs are empty or cut short")
    starts = np.concatenate([[0], np.flatnonzero(data[:-1] < 128) + 1])
    place = np.arange(data.size) - np.repeat(starts, np.diff(np.concatenate([starts, [data.size]])))
    if place.max() > 4:
        raise ValueError("the runs hold a number that is too large")
    numbers = np.add.reduceat((data & 127).astype(np.int64) << (7 * place), starts)
    counts = (numbers >> 1) ^ -(numbers & 1)
    if np.abs(counts.astype(np.float64)).sum() > 4.0 * MOST_PIXELS * (counts.size + 1):
        raise ValueError("the runs hold numbers that are too large")
    counts[0::2], counts[1::2] = np.cumsum(counts[0::2]), np.cumsum(counts[1::2])
    if counts.min() < 0 or counts.max() > total or counts.sum() != total:
        raise ValueError(f"the runs do not add up to {width}x{height} pixels")
    return np.repeat(np.arange(counts.size) % 2 == 1, counts).reshape(height, width)
