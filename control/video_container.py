"""Whether a video file ends before it says it does, told by the sizes in its containers: MP4, Matroska and AVI."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import BinaryIO

_NEEDED = (b"mdat", b"moov", b"moof")
_EBML, _SEGMENT = 0x1A45DFA3, 0x18538067


def is_cut_short(path: Path) -> bool:
    """Return whether a container's own size goes beyond the end of the file; False where it does not say.

    Counts of frames do not tell: an edit list hides some, and writers leave the count out.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(12)
        if start[4:8] in (b"ftyp", b"wide", b"free", b"skip", *_NEEDED):
            return _boxes_end(file, size) > size
        if start[:4] == b"RIFF" and len(start) >= 8:
            (length,) = struct.unpack_from("<I", start, 4)
            return 8 + int(length) > size and length != 2**32 - 1  # which stands for not known
        if int.from_bytes(start[:4], "big") == _EBML:
            return _segment_end(file) > size
    return False


def _boxes_end(file: BinaryIO, size: int) -> int:
    """Return where the boxes of an MP4 file end that it cannot do without."""
    end = offset = 0
    while offset + 8 <= size:
        file.seek(offset)
        head = file.read(16)
        length, kind = int.from_bytes(head[:4], "big"), head[4:8]
        if length == 1:
            length = int.from_bytes(head[8:], "big")
        if length < 8:  # 0: to the end of the file; else not a box
            break
        offset += length
        end = max(end, offset if kind in _NEEDED else 0)
    return end


def _segment_end(file: BinaryIO) -> int:
    """Return where the segment of a Matroska file ends; 0 where it does not say, as in a recording that goes on."""
    file.seek(0)
    for wanted in (_EBML, _SEGMENT):
        if int.from_bytes(file.read(4), "big") != wanted:
            return 0
        first = file.read(1)[:1] or b"\0"
        extra = 8 - first[0].bit_length()
        value = int.from_bytes(bytes([first[0] & (0x7F >> extra)]) + file.read(extra), "big")
        if extra > 7 or value == 2 ** (7 * (extra + 1)) - 1:
            return 0
        if wanted == _SEGMENT:
            return file.tell() + value
        file.seek(value, 1)
    return 0
