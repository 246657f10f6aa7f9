"""Clips that show the same, told by perceptual hashes: the brightness of small images, compared from pixel to pixel.

dHash of three frames (first, middle, last): 64 bits each, which survive other sizes, rates and compression.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...control.images import indices, resize
from ...control.media import to_gray
from ..manifest import Clip

SIDE, FRAMES = 8, 3
BITS = SIDE * SIDE * FRAMES
MOST_DIFFERENT = 12  # bits of BITS by which the same clip may differ: four of each frame's 64


def clip_hash(frames: Sequence[np.ndarray]) -> str:
    """Return the hash of the first, middle and last of frames (H, W, 3), as 48 hexadecimal digits."""
    bits = [frame_bits(frames[place]) for place in indices(len(frames), FRAMES)]
    return np.packbits(np.concatenate(bits)).tobytes().hex()


def frame_bits(frame: np.ndarray) -> np.ndarray:
    """Return 64 bits of a frame: whether each pixel of 9 x 8 is darker than the next."""
    small = resize(to_gray(frame), SIDE, SIDE + 1)
    bits: np.ndarray = (small[:, :-1] < small[:, 1:]).ravel()
    return bits


def reject_duplicates(clips: list[Clip]) -> dict[str, str]:
    """Return which clips show the same as an earlier one, and the reason to reject them (`engine.run`)."""
    found = duplicates({clip.id: str(clip.figures["hash"]) for clip in clips if "hash" in clip.figures})
    return {id: f"It shows the same as '{same}'." for id, same in found.items()}


def duplicates(hashes: dict[str, str], most: int = MOST_DIFFERENT) -> dict[str, str]:
    """Return the clips that show the same as an earlier one, and which: ids by ids.

    hashes: by id, in the order in which clips are kept. Two hashes that differ in at most `most` bits have at least one
    of `most` + 1 pieces in common, so only those are compared.
    """
    known: list[dict[bytes, list[str]]] = [{} for _ in range(most + 1)]
    bits: dict[str, np.ndarray] = {}
    found: dict[str, str] = {}
    for id, text in hashes.items():
        own = np.unpackbits(np.frombuffer(bytes.fromhex(text), np.uint8))
        pieces = [piece.tobytes() for piece in np.array_split(own, most + 1)]
        candidates = dict.fromkeys(one for table, key in zip(known, pieces, strict=True) for one in table.get(key, []))
        same = next((one for one in candidates if int((bits[one] != own).sum()) <= most), None)
        if same is not None:
            found[id] = same
            continue
        bits[id] = own
        for table, key in zip(known, pieces, strict=True):
            table.setdefault(key, []).append(id)
    return found
