"""PNG images of depth, 8 or 16 bits, checked to their last byte before they are decoded."""

from __future__ import annotations

import os
import struct
import zlib
from pathlib import Path

import numpy as np

from ..errors import UserError
from ..libraries import opencv
from ..limits import is_readable

START = b"\x89PNG\r\n\x1a\n"
# By so much of the largest value the channels of an image may differ and still count as gray.
GRAY_TOLERANCE = 0.02


def png_bits(path: Path) -> int | None:
    """Return the bits of a channel of a PNG image; None for any other file."""
    with path.open("rb") as file:
        start = file.read(25)
    return start[24] if len(start) == 25 and start[:8] == START else None


def png_size(path: Path) -> tuple[int, int]:
    """Return height and width. Raises UserError for anything but a PNG image, and for one without its end."""
    with path.open("rb") as file:
        start = file.read(33)
        if start[:8] != START or start[12:16] != b"IHDR" or len(start) < 33:
            raise UserError(f"'{path}' is not a PNG image, whatever its name says")
        width, height = struct.unpack(">II", start[16:24])
        file.seek(-12, os.SEEK_END)
        end = file.read(12)
    if end[4:8] != b"IEND":
        raise UserError(f"the PNG image '{path}' is cut short: write or copy it again")
    if not is_readable(height, width):
        raise UserError(f"the PNG image '{path}' says it has {width} x {height} pixels, too many for a depth frame")
    return height, width


def read_png(path: Path) -> np.ndarray:
    """Return the whole numbers of a PNG, gray (H, W) or RGB (H, W, 3); alpha is dropped.

    Raises UserError for a file that is cut short or damaged.
    """
    cv2 = opencv("reading PNG images")
    png_size(path)
    data = path.read_bytes()
    _check_chunks(data, path)
    image: np.ndarray | None
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:
        image = None
    if image is None:
        raise UserError(f"the PNG image '{path}' cannot be read: write or copy it again")
    return np.ascontiguousarray(image[..., 2::-1]) if image.ndim == 3 else image


def to_gray_png(image: np.ndarray, path: Path) -> np.ndarray:
    """Return the pixels of a PNG, gray or RGB, as (H, W). Raises UserError for an image in colors."""
    if image.ndim == 2:
        return image
    color = image.astype(np.int64)
    if np.abs(color - color[..., :1]).max() > np.iinfo(image.dtype).max * GRAY_TOLERANCE:
        raise UserError(
            f"'{path.name}' is in colors of no colormap that is known: depth is a gray image, or one colored by turbo,"
            " jet, Spectral, viridis, magma, inferno or plasma"
        )
    gray: np.ndarray = image[..., 0]
    return gray


def _check_chunks(data: bytes, path: Path) -> None:
    """Raise UserError unless every chunk of the file has its length and its checksum."""
    offset = 8
    while offset + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, offset)
        body = data[offset + 4 : offset + 8 + length]
        checksum = data[offset + 8 + length : offset + 12 + length]
        if len(body) < 4 + length or checksum != struct.pack(">I", zlib.crc32(body)):
            raise UserError(f"the PNG image '{path}' is cut short or damaged: write or copy it again")
        offset += 12 + length
