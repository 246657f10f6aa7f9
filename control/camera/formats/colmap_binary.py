"""COLMAP's binary files, byte by byte (src/colmap/scene/reconstruction_io_binary.cc): little-endian, no padding."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from ...errors import UserError
from .common import check_frames

NO_POINTS = struct.pack("<Q", 0)
_POINT = 24
_LONGEST_NAME = 4096


def _take(file: BinaryIO, layout: str, name: str) -> tuple:
    data = file.read(struct.calcsize(layout))
    if len(data) != struct.calcsize(layout):
        raise UserError(f"'{name}' ends at byte {file.tell()}, in the middle of an entry: it is truncated")
    return struct.unpack(layout, data)


def read_cameras(path: Path, models: dict[int, tuple[str, int]]) -> Iterator[tuple[int, str, int, int, list[float]]]:
    """Per camera: id, model name, width, height, parameters. models: number -> (name, count of parameters)."""
    with open(path, "rb") as file:
        (count,) = _take(file, "<Q", path.name)
        if count > 10_000_000:
            raise UserError(f"'{path.name}' claims to hold {count} cameras: it is no COLMAP file, or damaged")
        for _ in range(count):
            key, model, width, height = _take(file, "<iiQQ", path.name)
            if model not in models:
                raise UserError(f"camera {key} of '{path.name}' has the unknown model number {model}")
            name, parameters = models[model]
            yield key, name, width, height, list(_take(file, f"<{parameters}d", path.name))


def read_images(path: Path) -> Iterator[tuple[str, int, tuple[float, ...], tuple[float, ...]]]:
    """Per image: name, camera id, quaternion w x y z, translation. Its points are passed over."""
    size = path.stat().st_size
    with open(path, "rb") as file:
        (count,) = _take(file, "<Q", path.name)
        check_frames(count)
        for _ in range(count):
            values = _take(file, "<I7dI", path.name)
            start = file.tell()
            head = file.read(_LONGEST_NAME)
            end = head.find(b"\0")
            if end < 0:
                raise UserError(f"'{path.name}' has no end of an image's name after byte {start}: it is damaged")
            file.seek(start + end + 1)
            (points,) = _take(file, "<Q", path.name)
            if points > (size - file.tell()) // _POINT:
                raise UserError(f"'{path.name}' is truncated: it ends within the points of an image")
            file.seek(points * _POINT, 1)
            yield head[:end].decode("utf-8", "replace"), values[8], values[1:5], values[5:8]


def cameras(rows: list[tuple[int, int, list[float]]], model: int) -> bytes:
    """The file of cameras (width, height, parameters) of one model, numbered from 1."""
    parts = [struct.pack("<Q", len(rows))]
    for number, (width, height, values) in enumerate(rows, 1):
        parts.append(struct.pack(f"<iiQQ{len(values)}d", number, model, width, height, *values))
    return b"".join(parts)


def images(rows: list[tuple[str, int, tuple[float, ...], tuple[float, ...]]]) -> bytes:
    """The file of images (name, camera, quaternion, translation), numbered from 1, without points."""
    parts = [struct.pack("<Q", len(rows))]
    for number, (name, camera, quaternion, translation) in enumerate(rows, 1):
        parts.append(struct.pack("<I7dI", number, *quaternion, *translation, camera))
        parts.append(name.encode() + b"\0" + struct.pack("<Q", 0))
    return b"".join(parts)
