"""The container and the numbers of glTF 2.0: GLB chunks, buffers, accessors
(https://registry.khronos.org/glTF/specs/2.0/glTF-2.0.html, sections 3.6 and 4.4).

Only the parts of a buffer that an animation uses are read; meshes and textures are skipped.
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
from ...files import JsonObject
from ..even_times import MAX_FRAMES
from .source import MAX_SCENE_BYTES, MAX_TEXT_BYTES, Source, parse_json

COMPONENTS = {"5120": "<i1", "5121": "<u1", "5122": "<i2", "5123": "<u2", "5125": "<u4", "5126": "<f4"}
COUNTS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4}
JSON_CHUNK, BIN_CHUNK = 0x4E4F534A, 0x004E4942


def entry(owner: Any, name: str, number: Any) -> JsonObject:
    """Return the object `owner[name][number]`. Raises UserError for a reference to nothing."""
    values = owner.get(name) if isinstance(owner, dict) else None
    if isinstance(number, bool) or not isinstance(number, int) or not isinstance(values, list):
        raise UserError(f"it refers to entry {str(number)[:40]} of '{name}', which it lacks")
    if not 0 <= number < len(values) or not isinstance(values[number], dict):
        raise UserError(f"it refers to entry {number} of '{name}', which it lacks")
    result: JsonObject = values[number]
    return result


def _natural_number(value: Any, name: str, maximum: int = MAX_SCENE_BYTES) -> int:
    """Return a whole number from 0 to `maximum`. Raises UserError naming the field for anything else."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= maximum:
        raise UserError(f"'{name}' is {str(value)[:40]}; a whole number from 0 to {maximum} was expected")
    return value


class Gltf:
    """A glTF file: `json` is its object, `numbers` returns the values of an accessor."""

    def __init__(self, source: Source) -> None:
        self.path = source.path
        self._bin: tuple[int, int] | None = None
        if source.size > MAX_SCENE_BYTES:
            raise UserError(f"it is larger than {MAX_SCENE_BYTES >> 20} MiB")
        is_glb = source.head[:4] == b"glTF"
        self.json: JsonObject = self._read_chunks(source.size) if is_glb else source.json_object

    def _read_chunks(self, size: int) -> JsonObject:
        """Return the JSON object of a GLB, and remember the start and length of its binary chunk."""
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
                    if length > MAX_TEXT_BYTES:
                        raise UserError(f"its JSON part is larger than {MAX_TEXT_BYTES >> 20} MiB")
                    try:
                        value = parse_json(file.read(length).decode("utf-8"))
                    except UnicodeDecodeError as error:
                        raise UserError("its JSON part is not text") from error
                elif kind == BIN_CHUNK and self._bin is None:
                    self._bin = start, length
                file.seek(start + length)
        if value is None:
            raise UserError("it has no JSON part: it is truncated")
        if not isinstance(value, dict):
            raise UserError("its JSON part is not an object")
        return value

    def numbers(self, accessor_number: Any, name: str, maximum: int = MAX_FRAMES * 3) -> np.ndarray:
        """Return the values (count, components) of an accessor as float64; normalized integers become -1..1 or 0..1.

        Raises UserError, which calls the values `name`, for more than `maximum` of them and for broken accessors.
        """
        accessor = entry(self.json, "accessors", accessor_number)
        component, width = COMPONENTS.get(str(accessor.get("componentType"))), COUNTS.get(str(accessor.get("type")))
        if component is None or width is None:
            raise UserError(
                f"{name} has the type {str(accessor.get('componentType'))[:20]} {str(accessor.get('type'))[:20]}"
            )
        if "sparse" in accessor:
            raise UserError(f"{name} is a sparse accessor, which no camera animation uses: export it anew")
        count = _natural_number(accessor.get("count"), "count", maximum)
        if "bufferView" not in accessor:
            return np.zeros((count, width))
        size = np.dtype(component).itemsize * width
        raw = self._strided_bytes(accessor, count, size, name)
        values = np.ascontiguousarray(raw).view(component).astype(np.float64)
        if accessor.get("normalized") is True and component != "<f4":
            values = np.maximum(values / np.iinfo(np.dtype(component)).max, -1.0)
        if not np.isfinite(values).all():
            raise UserError(f"{name} holds numbers that are not finite (NaN or infinity)")
        return values

    def _strided_bytes(self, accessor: JsonObject, count: int, size: int, name: str) -> np.ndarray:
        """Return the entries (count, size) uint8 of an accessor from its buffer view."""
        view = entry(self.json, "bufferViews", accessor["bufferView"])
        stride = _natural_number(view.get("byteStride", size), "byteStride", 1024) or size
        if stride < size:
            raise UserError(f"{name} has entries of {size} bytes every {stride} bytes")
        offset = _natural_number(accessor.get("byteOffset", 0), "byteOffset")
        length = stride * (count - 1) + size if count else 0
        if offset + length > _natural_number(view.get("byteLength"), "byteLength"):
            raise UserError(f"{name} reaches beyond its buffer view")
        start = _natural_number(view.get("byteOffset", 0), "byteOffset") + offset
        data = np.frombuffer(self._buffer_bytes(view.get("buffer"), start, length), np.uint8)
        return np.lib.stride_tricks.as_strided(data, (count, size), (stride, 1), writeable=False)

    def _buffer_bytes(self, number: Any, start: int, length: int) -> bytes:
        buffer = entry(self.json, "buffers", number)
        uri = buffer.get("uri")
        if uri is None:
            if self._bin is None:
                raise UserError("it has no binary part: it is truncated")
            return _read_slice(self.path, self._bin[0], self._bin[1], start, length)
        if not isinstance(uri, str):
            raise UserError("a buffer's 'uri' is not text")
        if uri.startswith("data:"):
            try:
                data = base64.b64decode(uri.partition(",")[2], validate=True)
            except (binascii.Error, ValueError) as error:
                raise UserError(f"a buffer's base64 is broken ({error})") from error
            return _exactly(data[start : start + length], length)
        file = self._file_beside(uri)
        return _read_slice(file, 0, file.stat().st_size, start, length)

    def _file_beside(self, uri: str) -> Path:
        """Return a file that the glTF names, which must lie in its own folder or below: nothing else may be opened."""
        name = unquote(uri)
        parts = name.replace("\\", "/").split("/")
        if ":" in name or "\0" in name or ".." in parts or name.startswith(("/", "\\")):
            raise UserError(f"a buffer refers to '{name[:60]}', which is not a file beside it")
        file = (self.path.parent / name).resolve()
        if not file.is_relative_to(self.path.parent.resolve()) or not file.is_file():
            raise UserError(f"a buffer refers to '{name[:60]}', which is not there: keep the files together")
        return file


def _read_slice(path: Path, base: int, size: int, start: int, length: int) -> bytes:
    """Return bytes of a buffer that begins at byte `base` of a file and has `size` bytes."""
    if start + length > size:
        raise UserError(f"its buffer ends after {size} bytes, where {start + length} were expected: it is truncated")
    with open(path, "rb") as file:
        file.seek(base + start)
        return _exactly(file.read(length), length)


def _exactly(data: bytes, length: int) -> bytes:
    """Return the data. Raise UserError unless there are `length` bytes."""
    if len(data) != length:
        raise UserError("it is truncated")
    return data
