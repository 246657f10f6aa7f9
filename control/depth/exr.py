"""OpenEXR images with one part in scanlines, in numpy and zlib: what renderers write for depth most of the time.

After the file layout of the OpenEXR project ("OpenEXR File Layout", openexr.com): magic, version, attributes, a table
of offsets, chunks of lines. Read here: HALF, FLOAT and UINT channels, uncompressed, RLE, ZIPS and ZIP. Everything else
(PIZ, PXR24, B44, DWA, tiles, several parts) is left to the OpenEXR package where it is installed. OpenCV is no way:
its wheels come without EXR from 5.0 on, and older ones want an environment variable set before the first import.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import UserError, need
from ..files import existing

MAGIC = 20000630
COMPRESSIONS = ("none", "RLE", "ZIPS", "ZIP", "PIZ", "PXR24", "B44", "B44A", "DWAA", "DWAB")
LINES = {"none": 1, "RLE": 1, "ZIPS": 1, "ZIP": 16}
TYPES = (np.dtype("<u4"), np.dtype("<f2"), np.dtype("<f4"))
MOST_PIXELS = 2**27
TILED, LONG_NAMES, DEEP, PARTS = 0x200, 0x400, 0x800, 0x1000


@dataclass(frozen=True)
class ExrHeader:
    """Size, compression, and channels by name (in the file's order) with their types. data: where the chunks begin."""

    height: int
    width: int
    top: int
    compression: str
    channels: dict[str, np.dtype]
    simple: bool
    data: int


def read_exr(path: str | Path, channel: str) -> np.ndarray:
    """One channel (H, W) float32 of an EXR image. Raises UserError for what is cut short, damaged or not readable."""
    path = existing(path, "EXR image")
    data = path.read_bytes()
    header = read_header(data, path)
    if channel not in header.channels:
        raise UserError(f"'{path.name}' has no channel '{channel}': it has {', '.join(header.channels)}")
    if not header.simple or header.compression not in LINES:
        return _by_package(path, channel, header)
    try:
        return _lines(data, header, channel)
    except (struct.error, ValueError, IndexError, OverflowError, zlib.error) as error:
        raise UserError(f"the EXR image '{path}' is cut short or damaged ({error}): write it again") from error


def read_channels(path: str | Path) -> dict[str, np.dtype]:
    """The channels of an EXR image, by name. Reads no more than its beginning."""
    path = existing(path, "EXR image")
    with path.open("rb") as file:
        return read_header(file.read(2**20), path).channels


def read_header(data: bytes, path: Path) -> ExrHeader:
    """The header of the first part. Raises UserError for anything that is no EXR image."""
    try:
        magic, version = struct.unpack_from("<II", data)
        if magic != MAGIC:
            raise UserError(f"'{path}' is no EXR image, whatever its name says")
        attributes, place = {}, 8
        while data[place] != 0:
            name, place = _text(data, place)
            kind, place = _text(data, place)
            (size,) = struct.unpack_from("<i", data, place)
            place += 4
            if size < 0 or place + size > len(data):
                raise ValueError(f"attribute '{name}' of {size} bytes")
            attributes[name] = data[place : place + size]
            place += size
        left, top, right, bottom = struct.unpack("<4i", attributes["dataWindow"])
        code = attributes["compression"][0]
        compression = COMPRESSIONS[code] if code < len(COMPRESSIONS) else f"number {code}"
        height, width = bottom - top + 1, right - left + 1
        if not (height > 0 and width > 0 and height * width <= MOST_PIXELS):
            raise ValueError(f"a size of {width} x {height}")
        channels, sampled = _channels(attributes["channels"])
    except (struct.error, IndexError, KeyError, ValueError, OverflowError) as error:
        if isinstance(error, UserError):
            raise
        raise UserError(f"the EXR image '{path}' is cut short or damaged ({error}): write it again") from error
    simple = not version & (TILED | DEEP | PARTS) and sampled
    return ExrHeader(height, width, top, compression, channels, simple, place + 1)


def _text(data: bytes, place: int) -> tuple[str, int]:
    end = data.index(b"\0", place, place + 256)
    return data[place:end].decode("utf-8", "replace"), end + 1


def _channels(data: bytes) -> tuple[dict[str, np.dtype], bool]:
    """Names with types, and whether all have a value for every pixel."""
    found, place, full = {}, 0, True
    while data[place] != 0:
        name, place = _text(data, place)
        kind, _, across, down = struct.unpack_from("<iB3xii", data, place)
        place += 16
        if not 0 <= kind < 3:
            raise ValueError(f"channel '{name}' of type {kind}")
        found[name] = TYPES[kind]
        full &= across == down == 1
    if not found:
        raise ValueError("no channels")
    return found, full


def _lines(data: bytes, header: ExrHeader, channel: str) -> np.ndarray:
    per_chunk = LINES[header.compression]
    chunks = -(-header.height // per_chunk)
    offsets = struct.unpack_from(f"<{chunks}Q", data, header.data)
    line = sum(kind.itemsize for kind in header.channels.values()) * header.width
    start = 0
    for name, kind in header.channels.items():
        if name == channel:
            break
        start += kind.itemsize * header.width
    kind = header.channels[channel]
    result = np.empty((header.height, header.width), np.float32)
    filled = np.zeros(header.height, bool)
    for offset in offsets:
        row, size = struct.unpack_from("<ii", data, offset)
        row -= header.top
        lines = min(per_chunk, header.height - row)
        if not 0 <= row < header.height or size < 0 or offset + 8 + size > len(data):
            raise ValueError("lines are missing")
        packed = data[offset + 8 : offset + 8 + size]
        raw = packed if size == lines * line else _unpack(packed, header.compression, lines * line)
        for number in range(lines):
            begin = number * line + start
            result[row + number] = np.frombuffer(raw, kind, header.width, begin)
            filled[row + number] = True
    if not filled.all():
        raise ValueError(f"{int((~filled).sum())} lines are missing")
    return result


def _unpack(packed: bytes, compression: str, size: int) -> bytes:
    """A chunk's bytes: unpacked, differences summed up, the two halves interleaved (ImfZip.cpp, ImfRle.cpp)."""
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
    parts, place, total = [], 0, 0
    while place < len(packed) and total <= size:
        count = packed[place] - 256 if packed[place] > 127 else packed[place]
        if count < 0:
            part, place = packed[place + 1 : place + 1 - count], place + 1 - count
        else:
            part, place = packed[place + 1 : place + 2] * (count + 1), place + 2
        parts.append(part)
        total += len(part)
    return b"".join(parts)


def _by_package(path: Path, channel: str, header: ExrHeader) -> np.ndarray:
    try:
        import OpenEXR
    except ImportError as error:
        kept = f"{header.compression} compression" if header.simple else "tiles, several parts or a coarser channel"
        raise need("OpenEXR", f"reading '{path.name}', an EXR image with {kept},", "formats") from error
    try:
        with OpenEXR.File(str(path), separate_channels=True) as file:
            pixels = file.channels()[channel].pixels
        if pixels.ndim != 2 or pixels.shape != (header.height, header.width):
            raise ValueError(f"shape {pixels.shape}")
    except Exception as error:  # the library raises whatever its reader does
        raise UserError(f"the EXR image '{path}' cannot be read ({error}): render or copy it again") from error
    return np.asarray(pixels, np.float32)
