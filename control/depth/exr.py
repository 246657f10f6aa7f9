"""OpenEXR images with one part in scanlines, in numpy and zlib: what renderers write for depth most of the time.

After the file layout of the OpenEXR project ("OpenEXR File Layout", openexr.com): magic, version, attributes, a table
of offsets, chunks of lines. Read here: HALF, FLOAT and UINT channels, uncompressed, RLE, ZIPS and ZIP. Everything else
(PIZ, PXR24, B44, DWA, tiles, several parts) is left to the OpenEXR package where it is installed. OpenCV is not
an alternative: its wheels come without EXR from 5.0 on, and older ones want an environment variable set before the
first import.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import UserError, need
from ..files import existing
from ..limits import MOST_PIXELS

MAGIC = 20000630
COMPRESSIONS = ("none", "RLE", "ZIPS", "ZIP", "PIZ", "PXR24", "B44", "B44A", "DWAA", "DWAB")
LINES = {"none": 1, "RLE": 1, "ZIPS": 1, "ZIP": 16}
TYPES = (np.dtype("<u4"), np.dtype("<f2"), np.dtype("<f4"))
TILED, DEEP, PARTS = 0x200, 0x800, 0x1000
HEADER_BYTES = 2**20  # enough for the header of any file
# Names of channels that hold depth, most likely first: the last part of a channel's name.
DEPTH_CHANNELS = ("Z", "V", "DEPTH", "SCENEDEPTH", "WORLDDEPTH", "Y", "R")
# Of these, names that an image's own channels have too.
IMAGE_CHANNELS = ("R", "Y")


@dataclass(frozen=True)
class ExrHeader:
    """Size, compression, and channels by name (in the file's order) with their types.

    top: the first line's number. simple: one part in scanlines, with a value of every channel for every pixel. data:
    the offset at which the table of chunks begins.
    """

    height: int
    width: int
    top: int
    compression: str
    channels: dict[str, np.dtype]
    simple: bool
    data: int


def read_exr(path: str | Path, channel: str) -> np.ndarray:
    """Return one channel (H, W) float32 of an EXR image.

    Raises UserError for what is cut short, damaged or not readable.
    """
    path = existing(path, "EXR image")
    data = path.read_bytes()
    header = read_header(data, path)
    if channel not in header.channels:
        raise UserError(f"'{path.name}' has no channel '{channel}': it has {', '.join(header.channels)}")
    if not header.simple or header.compression not in LINES:
        return _read_with_package(path, channel, header)
    try:
        return _read_lines(data, header, channel)
    except (struct.error, ValueError, IndexError, OverflowError, zlib.error) as error:
        raise UserError(f"the EXR image '{path}' is cut short or damaged ({error}): write it again") from error


def read_channels(path: str | Path) -> dict[str, np.dtype]:
    """Return the channels of an EXR image, by name. Reads no more than its beginning."""
    return _read_header_of(path).channels


def exr_size(path: str | Path) -> tuple[int, int]:
    """Return height and width of an EXR image. Reads no more than its beginning."""
    header = _read_header_of(path)
    return header.height, header.width


def choose_channel(paths: Sequence[Path], wanted: str | None) -> str:
    """Return the channel of depth that all files have: `wanted`, or the one that looks like depth.

    Raises UserError where there is none, where there are several, and where a file lacks the first one's.
    """
    channel = _choose_channel(paths[0], wanted)
    for path in paths[1:]:
        if channel not in read_channels(path):
            raise UserError(f"'{path.name}' has no channel '{channel}', which '{paths[0].name}' has")
    return channel


def _choose_channel(path: Path, wanted: str | None) -> str:
    names = list(read_channels(path))
    if wanted is not None:
        if wanted not in names:
            raise UserError(f"'{path.name}' has no channel '{wanted}': it has {', '.join(names)}")
        return wanted
    for likely in DEPTH_CHANNELS:
        matching = [name for name in names if name.split(".")[-1].upper() == likely]
        # An image's own channels have no layer or one whose name does not mention depth.
        if likely in IMAGE_CHANNELS and len(names) > 1:
            layers = [name for name in matching if "DEPTH" in name.upper()]
            matching = layers or (matching if set("RGBA") >= set(names) else [])
        if len(matching) == 1:
            return matching[0]
        if matching:
            raise UserError(f"'{path.name}' has several channels of depth ({', '.join(matching)}): say which to take")
    if len(names) == 1:
        return names[0]
    raise UserError(f"'{path.name}' has no channel that looks like depth: say which of {', '.join(names)} to take")


def _read_header_of(path: str | Path) -> ExrHeader:
    path = existing(path, "EXR image")
    with path.open("rb") as file:
        return read_header(file.read(HEADER_BYTES), path)


def read_header(data: bytes, path: Path) -> ExrHeader:
    """Return the header of the first part. Raises UserError for anything but an EXR image."""
    try:
        magic, version = struct.unpack_from("<II", data)
        if magic != MAGIC:
            raise UserError(f"'{path}' is not an EXR image, whatever its name says")
        attributes, end = _read_attributes(data, 8)
        left, top, right, bottom = struct.unpack("<4i", attributes["dataWindow"])
        code = attributes["compression"][0]
        compression = COMPRESSIONS[code] if code < len(COMPRESSIONS) else f"number {code}"
        height, width = bottom - top + 1, right - left + 1
        if not (height > 0 and width > 0 and height * width <= MOST_PIXELS):
            raise ValueError(f"a size of {width} x {height}")
        channels, sampled = _parse_channels(attributes["channels"])
    except (struct.error, IndexError, KeyError, ValueError, OverflowError) as error:
        if isinstance(error, UserError):
            raise
        raise UserError(f"the EXR image '{path}' is cut short or damaged ({error}): write it again") from error
    simple = not version & (TILED | DEEP | PARTS) and sampled
    return ExrHeader(height, width, top, compression, channels, simple, end)


def _read_attributes(data: bytes, offset: int) -> tuple[dict[str, bytes], int]:
    """Return the attributes of a header by name, and the offset of what comes after it."""
    attributes = {}
    while data[offset] != 0:
        name, offset = _read_text(data, offset)
        _, offset = _read_text(data, offset)  # the attribute's type
        (size,) = struct.unpack_from("<i", data, offset)
        offset += 4
        if size < 0 or offset + size > len(data):
            raise ValueError(f"attribute '{name}' of {size} bytes")
        attributes[name] = data[offset : offset + size]
        offset += size
    return attributes, offset + 1


def _read_text(data: bytes, offset: int) -> tuple[str, int]:
    end = data.index(b"\0", offset, offset + 256)
    return data[offset:end].decode("utf-8", "replace"), end + 1


def _parse_channels(data: bytes) -> tuple[dict[str, np.dtype], bool]:
    """Return names with types, and whether all channels have a value for every pixel."""
    channels, offset, sampled = {}, 0, True
    while data[offset] != 0:
        name, offset = _read_text(data, offset)
        kind, _, across, down = struct.unpack_from("<iB3xii", data, offset)
        offset += 16
        if not 0 <= kind < len(TYPES):
            raise ValueError(f"channel '{name}' of type {kind}")
        channels[name] = TYPES[kind]
        sampled &= across == down == 1
    if not channels:
        raise ValueError("no channels")
    return channels, sampled


def _read_lines(data: bytes, header: ExrHeader, channel: str) -> np.ndarray:
    per_chunk = LINES[header.compression]
    chunks = -(-header.height // per_chunk)
    offsets = struct.unpack_from(f"<{chunks}Q", data, header.data)
    sizes = {name: kind.itemsize * header.width for name, kind in header.channels.items()}
    line = sum(sizes.values())
    names = list(sizes)
    start = sum(sizes[name] for name in names[: names.index(channel)])
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
            result[row + number] = np.frombuffer(raw, kind, header.width, number * line + start)
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


def _read_with_package(path: Path, channel: str, header: ExrHeader) -> np.ndarray:
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
