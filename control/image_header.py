"""What the header of an image file says, read without decoding the image: its size and how a camera held it."""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

_PNG = b"\x89PNG\r\n\x1a\n"
_EXIF = b"Exif\0\0"
_WIDTH, _HEIGHT, _ORIENTATION = 256, 257, 274  # tags of TIFF, which EXIF is
# The TIFF types of whole numbers, with their letters in `struct`.
_WHOLE = {1: "B", 3: "H", 4: "I", 16: "Q"}
# JPEG markers: the starts of frames, and those that have no length behind them.
_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_JPEG_BARE = frozenset({0x01, *range(0xD0, 0xD9)})


@dataclass(frozen=True)
class ImageHeader:
    """Height and width as stored, and the EXIF orientation (1 to 8) that is left to the reader to follow."""

    height: int
    width: int
    orientation: int = 1

    def upright(self, image: np.ndarray) -> np.ndarray:
        """Return pixels (H, W, ...) as they are to be shown."""
        if self.orientation >= 5:
            image = image.swapaxes(0, 1)
        if self.orientation in (3, 4, 7, 8):
            image = image[::-1]
        return image[:, ::-1] if self.orientation in (2, 3, 6, 7) else image


def read_header(data: bytes) -> ImageHeader | None:
    """Return the header of PNG, JPEG, WebP, BMP and TIFF; None for anything else and for headers that are cut short.

    The orientation of a TIFF is followed by its decoder, so it is 1 here.
    """
    try:
        if data[:8] == _PNG:
            return _png(data)
        if data[:2] == b"\xff\xd8":
            return _jpeg(data)
        if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
            return _webp(data)
        if data[:2] == b"BM":
            return _bmp(data)
        tags = _tiff_tags(data)
        return ImageHeader(tags[_HEIGHT], tags[_WIDTH])
    except (struct.error, KeyError):
        return None


def is_cut_short(data: bytes) -> bool:
    """Return whether a PNG or JPEG image ends before it says it does; decoders fill the rest, or make room for it."""
    if data[:2] == b"\xff\xd8":
        return data.find(b"\xff\xd9", max(0, len(data) - 1024)) < 0
    if data[:8] != _PNG:
        return False
    offset = 8
    while offset + 12 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, offset)
        offset += 12 + int(length)
        if kind == b"IEND":
            return offset > len(data)
    return True


def png_transparent_gray(data: bytes) -> int | None:
    """Return the gray level that a gray PNG marks as transparent; None for others. Decoders leave it to the reader."""
    if data[:8] != _PNG or data[25:26] != b"\0":
        return None
    start = data.find(b"tRNS", 33, data.find(b"IDAT"))
    return int.from_bytes(data[start + 4 : start + 6], "big") if start > 0 else None


def png_palette(path: Path) -> list[int] | None:
    """Return the colors of a PNG image that has a palette, as 0xrrggbb; None for any other file."""
    data = path.read_bytes()
    if data[:8] != _PNG or data[25:26] != b"\3":
        return None
    start = data.index(b"PLTE")
    body = data[start + 4 : start + 4 + int.from_bytes(data[start - 4 : start], "big")]
    return [int.from_bytes(body[at : at + 3], "big") for at in range(0, len(body), 3)]


def _png(data: bytes) -> ImageHeader:
    width, height = struct.unpack_from(">II", data, 16)
    header, offset = ImageHeader(height, width), 8
    while offset + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, offset)
        if kind == b"eXIf":
            header = replace(header, orientation=_orientation(data[offset + 8 : offset + 8 + length]))
        offset += 12 + length
    return header


def _jpeg(data: bytes) -> ImageHeader | None:
    offset, orientation = 2, 1
    while offset + 4 <= len(data):
        if data[offset] != 0xFF or data[offset + 1] in (0xFF, *_JPEG_BARE):
            offset += 1 if data[offset] != 0xFF or data[offset + 1] == 0xFF else 2
            continue
        marker, length = struct.unpack_from(">xBH", data, offset)
        body = offset + 4
        if marker in _JPEG_FRAMES:
            height, width = struct.unpack_from(">xHH", data, body)
            return ImageHeader(height, width, orientation)
        if marker == 0xE1 and data[body : body + 6] == _EXIF:
            orientation = _orientation(data[body + 6 : body - 2 + length])
        offset = body - 2 + length
    return None


def _webp(data: bytes) -> ImageHeader | None:
    header, orientation, offset = None, 1, 12
    while offset + 8 <= len(data):
        kind, length = struct.unpack_from("<4sI", data, offset)
        body = data[offset + 8 : offset + 8 + length]
        if kind == b"VP8X":
            width, height = (int.from_bytes(body[at : at + 3], "little") + 1 for at in (4, 7))
            header = ImageHeader(height, width)
        elif kind == b"VP8 " and header is None:
            width, height = struct.unpack_from("<HH", body, 6)
            header = ImageHeader(height & 0x3FFF, width & 0x3FFF)
        elif kind == b"VP8L" and header is None:
            (bits,) = struct.unpack_from("<I", body, 1)
            header = ImageHeader((bits >> 14 & 0x3FFF) + 1, (bits & 0x3FFF) + 1)
        elif kind == b"EXIF":
            orientation = _orientation(body.removeprefix(_EXIF))
        offset += 8 + length + length % 2
    return header and replace(header, orientation=orientation)


def _bmp(data: bytes) -> ImageHeader:
    old = struct.unpack_from("<I", data, 14)[0] == 12
    width, height = struct.unpack_from("<HH" if old else "<ii", data, 18)
    return ImageHeader(abs(height), abs(width))


def _orientation(exif: bytes) -> int:
    """Return the orientation in EXIF data; 1, upright, where there is none or it cannot be read."""
    try:
        value = _tiff_tags(exif).get(_ORIENTATION, 1)
    except struct.error:
        return 1
    return value if 1 <= value <= 8 else 1


def _tiff_tags(data: bytes) -> dict[int, int]:
    """Return the tags of the first directory that hold one whole number. Raises struct.error for what is no TIFF."""
    order = {b"II": "<", b"MM": ">"}.get(data[:2])
    version = struct.unpack_from(f"{order}H", data, 2)[0] if order else 0
    if version not in (42, 43):
        raise struct.error("not a TIFF")
    word, count, size = ("I", "H", 12) if version == 42 else ("Q", "Q", 20)
    (start,) = struct.unpack_from(f"{order}{word}", data, 4 if version == 42 else 8)
    if start > len(data):  # struct counts in 63 bits
        raise struct.error("the directory is missing")
    (entries,) = struct.unpack_from(f"{order}{count}", data, start)
    first, tags = start + struct.calcsize(count), {}
    for at in range(first, min(first + entries * size, len(data)), size):
        tag, kind, number = struct.unpack_from(f"{order}HH{word}", data, at)
        if number == 1 and kind in _WHOLE:
            (tags[tag],) = struct.unpack_from(f"{order}{_WHOLE[kind]}", data, at + size - struct.calcsize(word))
    return tags
