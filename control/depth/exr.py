"""OpenEXR images as renderers write them for depth, in numpy and zlib.

Read here: parts in scanlines with HALF, FLOAT and UINT channels, uncompressed, RLE, ZIPS and ZIP. Everything else (PIZ,
PXR24, B44, DWA, tiles) is left to the OpenEXR package where it is installed. OpenCV is not an alternative: its wheels
come without EXR from 5.0 on, and older ones want an environment variable set before the first import.
"""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np

from ..errors import UserError, need
from ..files import existing
from .exr_header import LINES, ExrPart, Window, read_header, read_header_of


def read_exr(path: str | Path, channel: str) -> np.ndarray:
    """Return one channel (H, W) float32 of an EXR image, of the size of its display window; NaN where it holds nothing.

    Overscan is cut off. Raises UserError for what is cut short, damaged, deep or not readable.
    """
    path = existing(path, "EXR image")
    data = path.read_bytes()
    channels = read_header(data, path).channels()
    if channel not in channels:
        raise UserError(f"'{path.name}' has no channel '{channel}': it has {', '.join(channels)}")
    part, name = channels[channel]
    check_flat(part, path)
    if not part.simple:
        return _to_display(_read_with_package(path, name, part), part.data, part.display)
    try:
        return _to_display(_read_lines(data, part, name), part.data, part.display)
    except (struct.error, ValueError, IndexError, OverflowError, zlib.error) as error:
        raise UserError(f"the EXR image '{path}' is cut short or damaged ({error}): write it again") from error


def check_flat(part: ExrPart, path: Path) -> None:
    """Raise UserError for a deep part of an EXR image."""
    if part.deep:
        raise UserError(
            f"'{path.name}' is a deep image, with several samples for each pixel in place of one depth: flatten it in"
            " the program that made it, and write it again"
        )


def read_channels(path: str | Path) -> dict[str, np.dtype]:
    """Return the channels of an EXR image, by name ('part.channel' in one of several parts), with their types."""
    return {name: part.channels[own] for name, (part, own) in read_header_of(path).channels().items()}


def exr_size(path: str | Path) -> tuple[int, int]:
    """Return height and width of the image that an EXR file is of. Reads no more than its beginning."""
    return read_header_of(path).parts[0].display.size


def _to_display(pixels: np.ndarray, data: Window, display: Window) -> np.ndarray:
    """Return the pixels of the data window in the display window: cut where they are more, NaN where they are less."""
    if data == display:
        return pixels
    height, width = display.size
    result = np.full((height, width), np.nan, np.float32)
    top, left = data.top - display.top, data.left - display.left
    rows = slice(max(top, 0), min(top + pixels.shape[0], height))
    columns = slice(max(left, 0), min(left + pixels.shape[1], width))
    if rows.start < rows.stop and columns.start < columns.stop:
        inside = pixels[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left]
        result[rows, columns] = inside
    return result


def _read_lines(data: bytes, part: ExrPart, channel: str) -> np.ndarray:
    per_chunk = LINES[part.compression]
    height, width = part.data.size
    offsets = struct.unpack_from(f"<{-(-height // per_chunk)}Q", data, part.table)
    sizes = {name: kind.itemsize * width for name, kind in part.channels.items()}
    line = sum(sizes.values())
    names = list(sizes)
    start = sum(sizes[name] for name in names[: names.index(channel)])
    kind = part.channels[channel]
    result = np.empty((height, width), np.float32)
    filled = np.zeros(height, bool)
    for offset in offsets:
        offset += 4 * part.numbered
        row, size = struct.unpack_from("<ii", data, offset)
        row -= part.data.top
        lines = min(per_chunk, height - row)
        if not 0 <= row < height or size < 0 or offset + 8 + size > len(data):
            raise ValueError("lines are missing")
        packed = data[offset + 8 : offset + 8 + size]
        raw = packed if size == lines * line else _unpack(packed, part.compression, lines * line)
        for number in range(lines):
            result[row + number] = np.frombuffer(raw, kind, width, number * line + start)
            filled[row + number] = True
    if not filled.all():
        raise ValueError(f"{int((~filled).sum())} lines are missing")
    return result


def _unpack(packed: bytes, compression: str, size: int) -> bytes:
    """Return a chunk's bytes: unpacked, differences summed up, the two halves interleaved (ImfZip.cpp, ImfRle.cpp)."""
    if compression == "RLE":
        raw = _run_lengths(packed, size)
    else:
        raw = zlib.decompressobj().decompress(packed, size + 1)
    if len(raw) != size:
        raise ValueError(f"{len(raw)} bytes in place of {size}")
    steps = np.frombuffer(raw, np.uint8).astype(np.int64)
    steps[1:] -= 128
    summed = np.cumsum(steps).astype(np.uint8)
    result = np.empty(size, np.uint8)
    half = (size + 1) // 2
    result[::2], result[1::2] = summed[:half], summed[half:]
    return result.tobytes()


def _run_lengths(packed: bytes, size: int) -> bytes:
    """Return bytes of RLE: a count below 0 comes before so many bytes as they are, another before one to repeat."""
    parts, offset, total = [], 0, 0
    while offset < len(packed) and total <= size:
        count = packed[offset] - 256 if packed[offset] > 127 else packed[offset]
        if count < 0:
            part, offset = packed[offset + 1 : offset + 1 - count], offset + 1 - count
        else:
            part, offset = packed[offset + 1 : offset + 2] * (count + 1), offset + 2
        parts.append(part)
        total += len(part)
    return b"".join(parts)


def _read_with_package(path: Path, channel: str, part: ExrPart) -> np.ndarray:
    try:
        import OpenEXR
    except ImportError as error:
        kept = f"{part.compression} compression" if part.compression not in LINES else "tiles or a coarser channel"
        raise need("OpenEXR", f"reading '{path.name}', an EXR image with {kept},", "formats") from error
    try:
        with OpenEXR.File(str(path), separate_channels=True) as file:
            pixels = file.channels(part.number)[channel].pixels
        if pixels.ndim != 2 or pixels.shape != part.data.size:
            raise ValueError(f"shape {pixels.shape}")
    except Exception as error:  # the library raises whatever its reader does
        raise UserError(f"the EXR image '{path}' cannot be read ({error}): render or copy it again") from error
    return np.asarray(pixels, np.float32)
