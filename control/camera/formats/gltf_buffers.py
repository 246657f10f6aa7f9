"""The container and the numbers of glTF 2.0: GLB chunks, buffers, accessors
(https://registry.khronos.org/glTF/specs/2.0/glTF-2.0.html, sections 3.6 and 4.4).

Only the parts of a buffer that an animation uses are read; meshes and textures are passed over.
"""

from __future__ import annotations

import base64
import binascii
import struct
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np

from ...errors import UserError
from .common import LARGEST, LARGEST_SCENE, MOST_FRAMES, Source, parse_json

COMPONENTS = {"5120": "<i1", "5121": "<u1", "5122": "<i2", "5123": "<u2", "5125": "<u4", "5126": "<f4"}
COUNTS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4}
JSON_CHUNK, BIN_CHUNK = 0x4E4F534A, 0x004E4942


def entry(owner: Any, name: str, number: Any) -> dict:
    """The object `owner[name][number]`. Raises UserError when there is none."""
    values = owner.get(name) if isinstance(owner, dict) else None
    if isinstance(number, bool) or not isinstance(number, int) or not isinstance(values, list):
        raise UserError(f"it refers to entry {str(number)[:40]} of '{name}', which it lacks")
    if not 0 <= number < len(values) or not isinstance(values[number], dict):
        raise UserError(f"it refers to entry {number} of '{name}', which it lacks")
    return values[number]


def whole(value: Any, name: str, most: int = LARGEST_SCENE) -> int:
    """A whole number from 0 to `most`. Raises UserError naming the field for anything else."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= most:
        raise UserError(f"'{name}' is {str(value)[:40]}, a whole number from 0 to {most} was expected")
    return value


class Gltf:
    """A glTF file: `json` is its object, `numbers` gives the values of an accessor."""

    def __init__(self, source: Source) -> None:
        self.path = source.path
        self._bin: tuple[int, int] | None = None
        if source.size > LARGEST_SCENE:
            raise UserError(f"it is larger than {LARGEST_SCENE >> 20} MiB")
        if source.head[:4] == b"glTF":
            self.json = self._chunks(source.size)
        else:
            self.json = source.object
        if not isinstance(self.json, dict):
            raise UserError("its JSON part is no object")

    def _chunks(self, size: int) -> Any:
        """The JSON of a GLB; notes where its binary chunk lies."""
        value = None
        with open(self.path, "rb") as file:
            _, version, _ = struct.unpack("<4sII", _exactly(file.read(12), 12))
            if version != 2:
                raise UserError(f"it is version {version} of glTF, 2 was expected")
            while file.tell() + 8 <= size:
                length, kind = struct.unpack("<II", _exactly(file.read(8), 8))
                start = file.tell()
                if start + length > size:
                    raise UserError(f"it is truncated: a part of {length} bytes starts at byte {start} of {size}")
                if kind == JSON_CHUNK and value is None:
                    if length > LARGEST:
                        raise UserError(f"its JSON part is larger than {LARGEST >> 20} MiB")
                    try:
                        value = parse_json(file.read(length).decode("utf-8"))
                    except UnicodeDecodeError as error:
                        raise UserError("its JSON part is not text") from error
                elif kind == BIN_CHUNK and self._bin is None:
                    self._bin = start, length
                file.seek(start + length)
        if value is None:
            raise UserError("it has no JSON part: it is truncated")
        return value

    def numbers(self, number: Any, what: str, most: int = MOST_FRAMES * 3) -> np.ndarray:
        """The values (count, components) of an accessor as float64; normalized integers become -1..1 or 0..1."""
        accessor = entry(self.json, "accessors", number)
        kind, width = COMPONENTS.get(str(accessor.get("componentType"))), COUNTS.get(str(accessor.get("type")))
        if kind is None or width is None:
            raise UserError(
                f"{what} has the type {str(accessor.get('componentType'))[:20]} {str(accessor.get('type'))[:20]}"
            )
        if "sparse" in accessor:
            raise UserError(f"{what} is a sparse accessor, which no camera animation uses: export it anew")
        count = whole(accessor.get("count"), "count", most)
        if "bufferView" not in accessor:
            return np.zeros((count, width))
        size = np.dtype(kind).itemsize * width
        view = entry(self.json, "bufferViews", accessor["bufferView"])
        stride = whole(view.get("byteStride", size), "byteStride", 1024) or size
        if stride < size:
            raise UserError(f"{what} has entries of {size} bytes every {stride} bytes")
        offset = whole(accessor.get("byteOffset", 0), "byteOffset")
        length = stride * (count - 1) + size if count else 0
        if offset + length > whole(view.get("byteLength"), "byteLength"):
            raise UserError(f"{what} reaches beyond its buffer view")
        data = self._bytes(view.get("buffer"), whole(view.get("byteOffset", 0), "byteOffset") + offset, length)
        values = np.lib.stride_tricks.as_strided(
            np.frombuffer(data, np.uint8), (count, size), (stride, 1), writeable=False
        )
        values = np.ascontiguousarray(values).view(kind).astype(np.float64)
        if accessor.get("normalized") is True and kind != "<f4":
            limit = np.iinfo(np.dtype(kind)).max
            values = np.maximum(values / limit, -1.0)
        if not np.isfinite(values).all():
            raise UserError(f"{what} holds numbers that are not finite (NaN or infinity)")
        return values

    def _bytes(self, number: Any, start: int, length: int) -> bytes:
        buffer = entry(self.json, "buffers", number)
        uri = buffer.get("uri")
        if uri is None:
            if self._bin is None:
                raise UserError("it has no binary part: it is truncated")
            return _slice(self.path, self._bin[0], self._bin[1], start, length)
        if not isinstance(uri, str):
            raise UserError("a buffer's 'uri' is no text")
        if uri.startswith("data:"):
            try:
                data = base64.b64decode(uri.partition(",")[2], validate=True)
            except (binascii.Error, ValueError) as error:
                raise UserError(f"a buffer's base64 is broken ({error})") from error
            return _exactly(data[start : start + length], length)
        file = self._beside(uri)
        return _slice(file, 0, file.stat().st_size, start, length)

    def _beside(self, uri: str) -> Path:
        """A file that the glTF names, which must lie in its own folder or below: nothing else may be opened."""
        name = unquote(uri)
        parts = name.replace("\\", "/").split("/")
        if ":" in name or "\0" in name or ".." in parts or name.startswith(("/", "\\")):
            raise UserError(f"a buffer refers to '{name[:60]}', which is not a file beside it")
        file = (self.path.parent / name).resolve()
        if not file.is_relative_to(self.path.parent.resolve()) or not file.is_file():
            raise UserError(f"a buffer refers to '{name[:60]}', which is not there: keep the files together")
        return file


def _slice(path: Path, base: int, size: int, start: int, length: int) -> bytes:
    if start + length > size:
        raise UserError(f"its buffer ends after {size} bytes, where {start + length} were expected: it is truncated")
    with open(path, "rb") as file:
        file.seek(base + start)
        return _exactly(file.read(length), length)


def _exactly(data: bytes, length: int) -> bytes:
    if len(data) != length:
        raise UserError("it is truncated")
    return data
