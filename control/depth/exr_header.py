"""The beginning of an OpenEXR image: its parts, their windows and channels.

After the file layout of the OpenEXR project ("OpenEXR File Layout", openexr.com): magic, version, the attributes of
every part, a table of offsets for each, chunks. The display window is the image that is meant; the data window is what
a part holds of it: less where a region was rendered, more where there is overscan.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import UserError
from ..files import existing
from ..limits import is_readable

MAGIC = 20000630
COMPRESSIONS = ("none", "RLE", "ZIPS", "ZIP", "PIZ", "PXR24", "B44", "B44A", "DWAA", "DWAB")
LINES = {"none": 1, "RLE": 1, "ZIPS": 1, "ZIP": 16}
TYPES = (np.dtype("<u4"), np.dtype("<f2"), np.dtype("<f4"))
MOST_PARTS = 256
TILED, DEEP, PARTS = 0x200, 0x800, 0x1000
HEADER_BYTES = 2**20  # enough for the header of any file


@dataclass(frozen=True)
class Window:
    """A rectangle of whole pixels, right and bottom included."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.bottom - self.top + 1, self.right - self.left + 1

    def holds(self, other: Window) -> bool:
        """Return whether the other rectangle lies within this one."""
        return (
            self.left <= other.left
            and self.top <= other.top
            and self.right >= other.right
            and self.bottom >= other.bottom
        )


@dataclass(frozen=True)
class ExrPart:
    """One part of an EXR image: its channels with their types, by name and in the file's order.

    data: the pixels that it holds. display: the image that they are of. simple: scanlines with a value of every channel
    for every pixel, in a compression that `exr.py` unpacks. deep: several samples for each pixel. table: the offset of
    its table of chunks. numbered: chunks begin with the part's number.
    """

    number: int
    name: str
    data: Window
    display: Window
    compression: str
    channels: dict[str, np.dtype]
    simple: bool
    deep: bool
    table: int
    numbered: bool


@dataclass(frozen=True)
class ExrHeader:
    """All parts of an EXR image."""

    parts: tuple[ExrPart, ...]

    def channels(self) -> dict[str, tuple[ExrPart, str]]:
        """Return all channels by the name that is unique in the file: in files of several parts, 'part.channel'."""
        found: dict[str, tuple[ExrPart, str]] = {}
        for part in self.parts:
            for name in part.channels:
                plain = len(self.parts) == 1 or not part.name or name.startswith(part.name + ".")
                found.setdefault(name if plain else f"{part.name}.{name}", (part, name))
        return found


def read_header_of(path: str | Path) -> ExrHeader:
    """Return the header of an EXR image. Reads no more than its beginning."""
    path = existing(path, "EXR image")
    with path.open("rb") as file:
        return read_header(file.read(HEADER_BYTES), path)


def read_header(data: bytes, path: Path) -> ExrHeader:
    """Return the header of an EXR image. Raises UserError for anything else, and for one that is damaged."""
    try:
        magic, version = struct.unpack_from("<II", data)
        if magic != MAGIC:
            raise UserError(f"'{path}' is not an EXR image, whatever its name says")
        return _parse(data, version)
    except (struct.error, IndexError, KeyError, ValueError, OverflowError) as error:
        if isinstance(error, UserError):
            raise
        raise UserError(f"the EXR image '{path}' is cut short or damaged ({error}): write it again") from error


def _parse(data: bytes, version: int) -> ExrHeader:
    several = bool(version & PARTS)
    first, table = _read_attributes(data, 8)
    listed = [first]
    while several and data[table] != 0:
        attributes, table = _read_attributes(data, table)
        listed.append(attributes)
        if len(listed) > MOST_PARTS:
            raise ValueError(f"more than {MOST_PARTS} parts")
    table += several  # an empty header ends the list
    parts = []
    for number, attributes in enumerate(listed):
        part = _part(attributes, number, version, table)
        parts.append(part)
        table += 8 * struct.unpack("<i", attributes["chunkCount"])[0] if several else 0
    return ExrHeader(tuple(parts))


def _part(attributes: dict[str, bytes], number: int, version: int, table: int) -> ExrPart:
    window = _window(attributes["dataWindow"])
    display = _window(attributes["displayWindow"]) if "displayWindow" in attributes else window
    code = attributes["compression"][0]
    compression = COMPRESSIONS[code] if code < len(COMPRESSIONS) else f"number {code}"
    channels, sampled = _parse_channels(attributes["channels"])
    kind = attributes.get("type", b"").decode("utf-8", "replace")
    deep = bool(version & DEEP and not version & PARTS) or kind.startswith("deep")
    tiled = bool(version & TILED) or kind.startswith("tiled")
    simple = sampled and not deep and not tiled and compression in LINES
    name = attributes.get("name", b"").decode("utf-8", "replace")
    numbered = bool(version & PARTS)
    return ExrPart(number, name, window, display, compression, channels, simple, deep, table, numbered)


def _window(data: bytes) -> Window:
    window = Window(*struct.unpack("<4i", data))
    height, width = window.size
    if not is_readable(height, width):
        raise ValueError(f"a size of {width} x {height}")
    return window


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
