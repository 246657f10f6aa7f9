"""COLMAP's binary files, byte by byte (src/colmap/scene/reconstruction_io_binary.cc): little-endian, no padding."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from ...errors import UserError
from .values import check_frames

NO_POINTS = struct.pack("<Q", 0)
_POINT_BYTES = 24
_MAX_NAME_BYTES = 4096
_MAX_CAMERAS = 10_000_000


def _unpack(file: BinaryIO, layout: str, file_name: str) -> tuple[Any, ...]:
    """Return the next values of a file. Raise UserError at its end."""
    data = file.read(struct.calcsize(layout))
    if len(data) != struct.calcsize(layout):
        raise UserError(f"'{file_name}' ends at byte {file.tell()}, in the middle of an entry: it is truncated")
    return struct.unpack(layout, data)


def read_cameras(path: Path, models: dict[int, tuple[str, int]]) -> Iterator[tuple[int, str, int, int, list[float]]]:
    """Yield for each camera its id, model name, width, height and parameters.

    models: number -> (name, count of parameters). Raises UserError for a truncated or damaged file.
    """
    with open(path, "rb") as file:
        (count,) = _unpack(file, "<Q", path.name)
        if count > _MAX_CAMERAS:
            raise UserError(f"'{path.name}' claims to hold {count} cameras: it is not a COLMAP file, or damaged")
        for _ in range(count):
            key, model, width, height = _unpack(file, "<iiQQ", path.name)
            if model not in models:
                raise UserError(f"camera {key} of '{path.name}' has the unknown model number {model}")
            name, parameters = models[model]
            yield key, name, width, height, list(_unpack(file, f"<{parameters}d", path.name))


def read_images(path: Path) -> Iterator[tuple[str, int, tuple[float, ...], tuple[float, ...]]]:
    """Yield for each image its name, camera id, quaternion w x y z, and translation; its points are skipped.

    Raises UserError for a truncated or damaged file.
    """
    size = path.stat().st_size
    with open(path, "rb") as file:
        (count,) = _unpack(file, "<Q", path.name)
        check_frames(count)
        for _ in range(count):
            values = _unpack(file, "<I7dI", path.name)
            start = file.tell()
            head = file.read(_MAX_NAME_BYTES)
            end = head.find(b"\0")
            if end < 0:
                raise UserError(f"'{path.name}' has no end of an image's name after byte {start}: it is damaged")
            file.seek(start + end + 1)
            (points,) = _unpack(file, "<Q", path.name)
            if points > (size - file.tell()) // _POINT_BYTES:
                raise UserError(f"'{path.name}' is truncated: it ends within the points of an image")
            file.seek(points * _POINT_BYTES, 1)
            yield head[:end].decode("utf-8", "replace"), values[8], values[1:5], values[5:8]


def pack_cameras(cameras: list[tuple[int, int, list[float]]], model: int) -> bytes:
    """Return the content of the file of cameras (width, height, parameters) of one model, numbered from 1."""
    parts = [struct.pack("<Q", len(cameras))]
    for number, (width, height, values) in enumerate(cameras, 1):
        parts.append(struct.pack(f"<iiQQ{len(values)}d", number, model, width, height, *values))
    return b"".join(parts)


def pack_images(images: list[tuple[str, int, tuple[float, ...], tuple[float, ...]]]) -> bytes:
    """Return the content of the file of images (name, camera, quaternion, translation), numbered from 1, no points."""
    parts = [struct.pack("<Q", len(images))]
    for number, (name, camera, quaternion, translation) in enumerate(images, 1):
        parts.append(struct.pack("<I7dI", number, *quaternion, *translation, camera))
        parts.append(name.encode() + b"\0" + struct.pack("<Q", 0))
    return b"".join(parts)
