"""PGM and PFM images of depth: whole numbers of 8 or 16 bits, and floats, as vision datasets and estimators write them.

After the format descriptions of Netpbm: a PGM of more than 8 bits is big-endian, a PFM says its byte order by the sign
of its scale and keeps its rows from the bottom up.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import UserError
from ..files import existing
from ..limits import is_readable

HEAD_BYTES = 4096
# Words of the header are parted by white space; a comment reaches to the end of its line.
WORD = re.compile(rb"(?:\s|#[^\n]*\n)*([^\s#]+)")
SIXTEEN_BITS = 256


@dataclass(frozen=True)
class _Head:
    """magic: P2 or P5 (PGM), Pf (PFM). largest: of a PGM; the scale of a PFM. data: the offset of the pixels."""

    magic: str
    width: int
    height: int
    largest: float
    data: int


def netpbm_size(path: Path) -> tuple[int, int]:
    """Return height and width of a PGM or PFM image. Raises UserError for anything else."""
    head = _read_head(path)
    return head.height, head.width


def netpbm_bits(path: Path) -> int:
    """Return the bits of a pixel of a PGM image: 8 or 16; 0 for the floats of a PFM."""
    head = _read_head(path)
    return 0 if head.magic == "Pf" else 8 if head.largest < SIXTEEN_BITS else 16


def netpbm_largest(path: Path) -> float:
    """Return the largest number that a PGM image says it has."""
    return _read_head(path).largest


def read_netpbm(path: Path, as_shares: bool) -> np.ndarray:
    """Return a PGM or PFM image (H, W) float32; as_shares: a PGM's numbers as shares of the largest that it names.

    Raises UserError for a file that is cut short or damaged.
    """
    head = _read_head(path)
    data = path.read_bytes()[head.data :]
    count = head.width * head.height
    try:
        if head.magic == "P2":
            words = data.split()
            numbers = np.array(words[:count], np.float32)
            if len(numbers) < count:
                raise ValueError(f"{len(words)} numbers in place of {count}")
        else:
            kind = {True: "<f4", False: ">f4"}[head.largest < 0] if head.magic == "Pf" else ">u2"
            kind = "u1" if head.magic == "P5" and head.largest < SIXTEEN_BITS else kind
            numbers = np.frombuffer(data, kind, count).astype(np.float32)
    except ValueError as error:
        raise UserError(f"the image '{path}' is cut short or damaged ({error}): write or copy it again") from error
    image = numbers.reshape(head.height, head.width)
    if head.magic == "Pf":
        return np.ascontiguousarray(image[::-1])
    return image / np.float32(head.largest) if as_shares else image


def _read_head(path: Path) -> _Head:
    with existing(path, "image").open("rb") as file:
        start = file.read(HEAD_BYTES)
    words: list[str] = []
    offset = 0
    while len(words) < 4 and (match := WORD.match(start, offset)):
        words.append(match.group(1).decode("latin-1"))
        offset = match.end()
    expected = "a gray PGM (P2 or P5) or PFM (Pf) image"
    if len(words) < 4 or words[0] not in ("P2", "P5", "Pf"):
        colored = bool(words) and words[0] in ("P3", "P6", "PF")
        is_what = "in colors" if colored else "not of the kind that its name says"
        raise UserError(f"'{path.name}' is {is_what}: {expected} was expected")
    try:
        width, height, largest = int(words[1]), int(words[2]), float(words[3])
    except ValueError as error:
        raise UserError(f"the beginning of '{path.name}' is damaged ({error}): {expected} was expected") from error
    fine = largest != 0 and np.isfinite(largest) if words[0] == "Pf" else 1 <= largest <= 65535
    if not is_readable(height, width) or not fine:
        raise UserError(
            f"'{path.name}' says it is {width} x {height} up to {words[3]}: no depth frame is; write it again"
        )
    return _Head(words[0], width, height, largest, offset + 1)
