"""Writes EXR files after their specification, independently of the reader."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np

CODES = {"none": 0, "RLE": 1, "ZIPS": 2, "ZIP": 3}
KINDS = {"uint32": 0, "float16": 1, "float32": 2}
Channels = dict[str, np.ndarray]
Box = tuple[int, int, int, int]


def write_exr(
    path: Path, channels: Channels, compression: str = "ZIP", at: tuple[int, int] = (0, 0), display: Box | None = None
) -> None:
    """Write one part whose data window begins at a row and column; display: left, top, right, bottom (as the data)."""
    listed = _header(channels, compression, at, display, [])
    chunks = _chunks(channels, compression, at[0])
    head = struct.pack("<II", 20000630, 2) + listed
    path.write_bytes(head + _table(chunks, len(head) + 8 * len(chunks)) + b"".join(chunks))


def write_parts(path: Path, parts: dict[str, Channels], kinds: dict[str, str] | None = None) -> None:
    """Write a file of several parts; kinds: what a part says it is, in place of an image in scanlines."""
    chunks = [_chunks(channels, "ZIP", 0) for channels in parts.values()]
    head = struct.pack("<II", 20000630, 2 | 0x1000)
    for (name, channels), own in zip(parts.items(), chunks, strict=True):
        more = [
            ("name", "string", name.encode()),
            ("type", "string", (kinds or {}).get(name, "scanlineimage").encode()),
            ("chunkCount", "int", struct.pack("<i", len(own))),
        ]
        head += _header(channels, "ZIP", (0, 0), None, more)
    head += b"\0"
    numbered = [[struct.pack("<i", number) + chunk for chunk in own] for number, own in enumerate(chunks)]
    offset, table = len(head) + 8 * sum(map(len, chunks)), b""
    for own in numbered:
        table += _table(own, offset)
        offset += sum(map(len, own))
    path.write_bytes(head + table + b"".join(chunk for own in numbered for chunk in own))


def _header(
    channels: Channels,
    compression: str,
    at: tuple[int, int],
    display: Box | None,
    more: list[tuple[str, str, bytes]],
) -> bytes:
    height, width = next(iter(channels.values())).shape
    listed = b"".join(
        name.encode() + b"\0" + struct.pack("<iiii", KINDS[str(a.dtype)], 0, 1, 1)
        for name, a in sorted(channels.items())
    )
    window = (at[1], at[0], at[1] + width - 1, at[0] + height - 1)
    attributes = [
        ("channels", "chlist", listed + b"\0"),
        ("compression", "compression", bytes([CODES[compression]])),
        ("dataWindow", "box2i", struct.pack("<4i", *window)),
        ("displayWindow", "box2i", struct.pack("<4i", *(display or window))),
        ("lineOrder", "lineOrder", b"\0"),
        ("pixelAspectRatio", "float", struct.pack("<f", 1)),
        ("screenWindowCenter", "v2f", bytes(8)),
        ("screenWindowWidth", "float", struct.pack("<f", 1)),
        *more,
    ]
    packed = (
        name.encode() + b"\0" + kind.encode() + b"\0" + struct.pack("<i", len(value)) + value
        for name, kind, value in attributes
    )
    return b"".join(packed) + b"\0"


def _chunks(channels: Channels, compression: str, top: int) -> list[bytes]:
    ordered = [a for _, a in sorted(channels.items())]
    height = len(ordered[0])
    chunks, step = [], 16 if compression == "ZIP" else 1
    for row in range(0, height, step):
        rows = range(row, min(row + step, height))
        raw = b"".join(a[r].tobytes() for r in rows for a in ordered)
        if compression != "none":
            mixed = np.frombuffer(raw, np.uint8)
            apart = np.concatenate([mixed[::2], mixed[1::2]]).astype(int)
            steps = np.concatenate([apart[:1], (np.diff(apart) + 128) % 256]).astype(np.uint8).tobytes()
            packed = zlib.compress(steps) if compression != "RLE" else _run_lengths(steps)
            raw = packed if len(packed) < len(raw) else raw
        chunks.append(struct.pack("<ii", top + row, len(raw)) + raw)
    return chunks


def _table(chunks: list[bytes], offset: int) -> bytes:
    offsets = offset + np.cumsum([0, *map(len, chunks)])[:-1]
    return offsets.astype("<u8").tobytes()


def _run_lengths(data: bytes) -> bytes:
    packed, place = b"", 0
    while place < len(data):
        count = 1
        while count < 127 and place + count < len(data) and data[place + count] == data[place]:
            count += 1
        if count > 2:
            packed, place = packed + bytes([count - 1, data[place]]), place + count
        else:
            packed, place = packed + bytes([256 - 1, data[place]]), place + 1
    return packed
