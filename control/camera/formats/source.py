"""The camera file that is being read: its first bytes, text, lines and JSON, each loaded when first asked for."""

from __future__ import annotations

import io
import json
from functools import cached_property
from pathlib import Path
from typing import Any

from ...errors import UserError
from ...files import JsonObject
from ..even_times import MAX_FRAMES

# Text and JSON are held in memory several times over; scenes (glTF, USD, FBX) bring meshes that are skipped.
MAX_TEXT_BYTES, MAX_SCENE_BYTES = 32 * 2**20, 2**30
_HEAD_BYTES = 4096
# Comments and headers that a text of MAX_FRAMES lines may have besides.
_EXTRA_LINES = 100


class Source:
    """A file (or folder) to read: its path, size in bytes, and lower-case extension."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.is_folder = path.is_dir()
        self.size = 0 if self.is_folder else path.stat().st_size
        self.extension = path.suffix.lower()

    @cached_property
    def head(self) -> bytes:
        """The first 4096 bytes; empty for a folder."""
        if self.is_folder:
            return b""
        with open(self.path, "rb") as file:
            return file.read(_HEAD_BYTES)

    @cached_property
    def text(self) -> str:
        """The whole file as text (UTF-8). Raises UserError for other bytes, and above MAX_TEXT_BYTES."""
        if self.size > MAX_TEXT_BYTES:
            raise UserError(f"it is larger than {MAX_TEXT_BYTES >> 20} MiB: this is not a camera path")
        try:
            return self.path.read_bytes().decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise UserError("it is neither text nor a file whose first bytes are known") from error

    @property
    def is_binary(self) -> bool:
        """Whether the first bytes hold a zero, which text does not; true for a folder."""
        return self.is_folder or b"\0" in self.head

    @property
    def is_json(self) -> bool:
        """Whether the file starts as JSON does."""
        return not self.is_binary and self.head.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] in (b"{", b"[", b'"')

    @cached_property
    def json(self) -> Any:
        """The JSON value of the file. Raises UserError for broken JSON."""
        return parse_json(self.text)

    @property
    def json_object(self) -> JsonObject:
        """The JSON object of the file; empty where the file holds anything else."""
        return self.json if self.is_json and isinstance(self.json, dict) else {}

    @cached_property
    def lines(self) -> list[tuple[int, str]]:
        """The lines that are neither empty nor comments (#), each with its number in the file, counted from 1.

        Raises UserError for more lines than a path can have frames.
        """
        lines = []
        for number, line in enumerate(io.StringIO(self.text), 1):
            line = line.strip()
            if line and not line.startswith("#"):
                lines.append((number, line))
                if len(lines) > MAX_FRAMES + _EXTRA_LINES:
                    raise UserError(f"it has more than {MAX_FRAMES} lines: this is not a camera path")
        return lines


def parse_json(text: str) -> Any:
    """Return the value of a JSON text. NaN and infinity pass; they are refused where numbers are used.

    Raises UserError for broken JSON and for more lists and objects than a path can have.
    """
    # An empty list takes twenty times the memory of its text.
    if text.count("[") + text.count("{") > 10 * MAX_FRAMES:
        raise UserError(f"its JSON has more lists and objects than a path of {MAX_FRAMES} frames")
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UserError(f"its JSON is broken or truncated ({error})") from error
