"""The camera file that is being read: its first bytes, text, lines and JSON, each loaded when first asked for."""

from __future__ import annotations

import io
import json
import re
from functools import cached_property
from pathlib import Path
from typing import Any

from ...errors import UserError
from ...files import JsonObject
from ..even_times import MAX_FRAMES

# Text and JSON are held in memory several times over; scenes (glTF, USD, FBX) bring meshes that are skipped.
MAX_TEXT_BYTES, MAX_SCENE_BYTES = 32 * 2**20, 2**30
# A matrix of 4x5 numbers per frame in double precision.
MAX_ARRAY_BYTES = MAX_FRAMES * 20 * 8
_HEAD_BYTES = 4096
_COMMENTS = ("#", "%", "//")
_MINUS = "\N{MINUS SIGN}"
# What separates the entries of a line, besides blanks; quotes go with them.
_TO_BLANKS = str.maketrans({",": " ", ";": " ", '"': " ", "'": " ", _MINUS: "-"})
_DECIMAL_TO_BLANKS = str.maketrans({",": ".", ";": " ", '"': " ", "'": " ", _MINUS: "-"})
_DECIMAL_COMMA = re.compile(r"[+-]?\d*,\d+([eE][+-]?\d+)?")
_QUOTED_ENTRY = re.compile(r'"[^"\\]*"\s*[,;\d"]')
_LETTER = re.compile(r"[^\W\d_eE]")
_POINT = re.compile(r"\d\.\d")
# The marks at the start of texts in UTF-16 and UTF-32, which begin alike.
_MARKS = {b"\xff\xfe\0\0": "utf-32", b"\0\0\xfe\xff": "utf-32", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
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
    def encoding(self) -> str:
        """The encoding of the text by its first bytes: UTF-16 or UTF-32 (also without a mark), else UTF-8."""
        return wide_encoding(self.head) or "utf-8-sig"

    @cached_property
    def head_text(self) -> str:
        """The first 4096 bytes as text."""
        return self.head.decode(self.encoding, "replace")

    @cached_property
    def text(self) -> str:
        """The whole file as text. Raises UserError for bytes that are none, and above MAX_TEXT_BYTES."""
        if self.size > MAX_TEXT_BYTES:
            raise UserError(f"it is larger than {MAX_TEXT_BYTES >> 20} MiB: this is not a camera path")
        return decode(self.path.read_bytes(), self.encoding)

    @property
    def is_binary(self) -> bool:
        """Whether the first bytes hold a zero, which text in UTF-8 does not; true for a folder."""
        return self.is_folder or b"\0" in self.head and self.encoding == "utf-8-sig"

    @property
    def is_json(self) -> bool:
        """Whether the file starts as JSON does; a quoted entry with a separator behind it starts a table."""
        text = self.head_text.lstrip()
        return not self.is_binary and text[:1] in ("{", "[", '"') and not _QUOTED_ENTRY.match(text)

    @cached_property
    def json(self) -> Any:
        """The JSON value of the file. Raises UserError for broken JSON."""
        return parse_json(self.text)

    @property
    def json_object(self) -> JsonObject:
        """The JSON object of the file; empty where the file holds anything else."""
        return self.json if self.is_json and isinstance(self.json, dict) else {}

    @cached_property
    def rows(self) -> list[tuple[int, str]]:
        """The lines with their entries separated by blanks, and with points in the numbers.

        The entries may be separated by commas, semicolons or tabs, and be quoted. Where commas separate nothing, and
        stand between the digits of numbers, they are decimal commas.
        """
        sample = " ".join(line for _, line in self.lines[:50] if not _LETTER.search(line))
        words = [word for word in re.split(r"[;\s]+", sample) if "," in word]
        if words and all(map(_DECIMAL_COMMA.fullmatch, words)) and not _POINT.search(sample):
            return [(number, line.translate(_DECIMAL_TO_BLANKS)) for number, line in self.lines]
        return [(number, line.translate(_TO_BLANKS)) for number, line in self.lines]

    @cached_property
    def lines(self) -> list[tuple[int, str]]:
        """The lines that are neither empty nor comments (#, %, //), each with its number in the file, counted from 1.

        Raises UserError for more lines than a path can have frames.
        """
        lines = []
        for number, line in enumerate(io.StringIO(self.text, newline=None), 1):
            line = line.strip()
            if line and not line.startswith(_COMMENTS):
                lines.append((number, line))
                if len(lines) > MAX_FRAMES + _EXTRA_LINES:
                    raise UserError(f"it has more than {MAX_FRAMES} lines: this is not a camera path")
        return lines


def wide_encoding(head: bytes) -> str | None:
    """Return the encoding of a text of two or four bytes a letter by its first bytes; None for other files.

    Without a mark it is UTF-16 where every second byte is a zero and the others are letters.
    """
    for mark, name in _MARKS.items():
        if head.startswith(mark):
            return name
    high, low = head[1::2], head[0::2]
    for zeros, letters, name in ((high, low, "utf-16-le"), (low, high, "utf-16-be")):
        if len(zeros) >= 8 and not any(zeros) and all(byte in b"\t\r\n" or 32 <= byte < 127 for byte in letters):
            return name
    return None


def decode(data: bytes, encoding: str) -> str:
    """Return the text in some bytes: in `encoding`, else in GBK or Latin-1, as old programs write names and comments.

    Raises UserError for bytes that are no text.
    """
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        foreign = sum(byte >= 128 for byte in data[: 2**20])
        strange = any(byte < 32 and byte not in b"\t\r\n\f" for byte in data[: 2**20])
        if encoding != "utf-8-sig" or strange or foreign > len(data[: 2**20]) / 2:
            raise UserError("it is neither text nor a file whose first bytes are known") from error
    try:
        return data.decode("gbk")
    except UnicodeDecodeError:
        return data.decode("latin-1")


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
