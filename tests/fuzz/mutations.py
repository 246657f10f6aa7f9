"""Faults that files and requests have: of bytes, text, JSON and the structures of formats. Each is one named kind.

Checksums are mended after most faults of a PNG, so that what lies behind them is reached.
"""

from __future__ import annotations

import copy
import json
import struct
import zlib
from collections.abc import Callable
from random import Random
from typing import Any

MOST_BYTES = 2**20
TOKENS = (
    b"NaN", b"Infinity", b"-1", b"0", b"1e308", b"1e-308", b"999999999999", b"null", b"true", b"[", b"]", b"{", b"}",
    b'"', b",", b"\n", b"\0", b"#", b" ", b"-", b".", b"e", b"[[[[[[[[", b"\xff\xfe", b"1" * 400, b"frame0", b"../..",
    b";", b"\t", b"\r", b"\xef\xbb\xbf", b"\x1a", b"%s%n", b"&lt;", b"<!DOCTYPE a [<!ENTITY b 'c'>]>", b"\xe2\x80\xae",
)  # fmt: skip
VALUES = (
    None, True, -1, 0, 1, 2**31, 2**63, 10**30, 1e308, -1e308, 0.5, "", "x", [], {}, [[]], "../../x", [0] * 16,
    5e-324, -0.0, 1.5, "NaN", "1", "1,5", "\0", "\ud800", "a" * 5000, [None], [[1, 2], [3]], {"": {}}, [1e400],
    float("nan"), float("inf"), -(2**63) - 1, 10**400, ["x"] * 3, [[0] * 4] * 4, {"x": 0, "y": 0, "z": 0}, "#", False,
)  # fmt: skip
NUMBERS = (
    0, 1, 2, 3, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0x7FFFFFFFFFFFFFFF,
    0xFFFFFFFFFFFFFFFF, 0x7FF8000000000000, 0x7F800000, 0xFF800000, 0x7FC00000, 1_000_000, 65_536,
)  # fmt: skip

Mutation = Callable[[bytes, Random, bytes], bytes]


# ---- bytes -----------------------------------------------------------------------------------------------------------


def _place(data: bytes, chance: Random) -> int:
    """A place in the data; as often in its first 512 bytes, where headers are, as anywhere."""
    return chance.randrange(len(data) + 1 if chance.random() < 0.5 else min(len(data), 512) + 1)


def _length(chance: Random) -> int:
    return chance.choice((1, 1, 2, 4, 8, 64, 1024))


def _cut(data: bytes, chance: Random, other: bytes) -> bytes:
    return data[: _place(data, chance)]


def _cut_the_start(data: bytes, chance: Random, other: bytes) -> bytes:
    return data[_place(data, chance) :]


def _remove(data: bytes, chance: Random, other: bytes) -> bytes:
    at = _place(data, chance)
    return data[:at] + data[at + _length(chance) :]


def _repeat(data: bytes, chance: Random, other: bytes) -> bytes:
    at = _place(data, chance)
    return data[:at] + data[at : at + _length(chance) * 8] * chance.choice((1, 2, 20)) + data[at:]


def _insert_token(data: bytes, chance: Random, other: bytes) -> bytes:
    at = _place(data, chance)
    return data[:at] + chance.choice(TOKENS) + data[at:]


def _overwrite_by_token(data: bytes, chance: Random, other: bytes) -> bytes:
    at = _place(data, chance)
    return data[:at] + chance.choice(TOKENS) + data[at + _length(chance) :]


def _number(order: str) -> Mutation:
    def work(data: bytes, chance: Random, other: bytes) -> bytes:
        at, size = _place(data, chance), chance.choice((1, 2, 4, 8))
        number = chance.choice((*NUMBERS, chance.getrandbits(64))) & (256**size - 1)
        return data[:at] + number.to_bytes(size, order) + data[at + size :]  # type: ignore[arg-type]

    return work


def _nudge(data: bytes, chance: Random, other: bytes) -> bytes:
    """A byte, one more or less: sizes that are off by one."""
    at = _place(data, chance)
    return data[:at] + bytes([(data[at] + chance.choice((-1, 1))) % 256]) + data[at + 1 :] if at < len(data) else data


def _flip(data: bytes, chance: Random, other: bytes) -> bytes:
    flipped = bytearray(data)
    for _ in range(_length(chance) if data else 0):
        flipped[min(_place(data, chance), len(data) - 1)] ^= 1 << chance.randrange(8)
    return bytes(flipped)


def _fill(data: bytes, chance: Random, other: bytes) -> bytes:
    at, length = _place(data, chance), _length(chance)
    return data[:at] + bytes([chance.choice((0, 255, 127, 32))]) * length + data[at + length :]


def _noise(data: bytes, chance: Random, other: bytes) -> bytes:
    at, length = _place(data, chance), _length(chance)
    return data[:at] + chance.randbytes(length) + data[at + length :]


def _swap(data: bytes, chance: Random, other: bytes) -> bytes:
    a, b = sorted((_place(data, chance), _place(data, chance)))
    length = min(_length(chance) * 4, b - a)
    return data[:a] + data[b : b + length] + data[a + length : b] + data[a : a + length] + data[b + length :]


def _splice(data: bytes, chance: Random, other: bytes) -> bytes:
    return data[: _place(data, chance)] + other[chance.randrange(len(other) + 1) :][: _length(chance) * 16]


def _graft(data: bytes, chance: Random, other: bytes) -> bytes:
    """A piece of the other file in the place of as much of this one."""
    at, start, length = _place(data, chance), chance.randrange(len(other) + 1), _length(chance) * 4
    piece = other[start : start + length]
    return data[:at] + piece + data[at + len(piece) :]


def _append_other(data: bytes, chance: Random, other: bytes) -> bytes:
    return data + other[: 2**16]


def _other_head(data: bytes, chance: Random, other: bytes) -> bytes:
    """The first bytes of another format before the rest of this one."""
    length = chance.choice((2, 4, 8, 16, 64))
    return other[:length] + data[length:]


def _reverse(data: bytes, chance: Random, other: bytes) -> bytes:
    at, length = _place(data, chance), _length(chance)
    return data[:at] + data[at : at + length][::-1] + data[at + length :]


def _empty(data: bytes, chance: Random, other: bytes) -> bytes:
    return b""


BYTES: dict[str, Mutation] = {
    "cut the end": _cut,
    "cut the start": _cut_the_start,
    "remove": _remove,
    "repeat": _repeat,
    "insert a token": _insert_token,
    "overwrite by a token": _overwrite_by_token,
    "little-endian number": _number("little"),
    "big-endian number": _number("big"),
    "off by one": _nudge,
    "flip bits": _flip,
    "fill": _fill,
    "noise": _noise,
    "swap": _swap,
    "splice": _splice,
    "graft": _graft,
    "append another file": _append_other,
    "head of another file": _other_head,
    "reverse": _reverse,
    "empty": _empty,
}


# ---- text ------------------------------------------------------------------------------------------------------------


def _on_text(work: Callable[[str, Random], str]) -> Mutation:
    def mutation(data: bytes, chance: Random, other: bytes) -> bytes:
        return work(data.decode("latin-1"), chance).encode("latin-1", "replace")

    return mutation


def _on_lines(work: Callable[[list[str], Random], list[str]]) -> Mutation:
    return _on_text(lambda text, chance: "\n".join(work(text.split("\n"), chance)))


def _on_a_word(work: Callable[[str, Random], str]) -> Mutation:
    def change(lines: list[str], chance: Random) -> list[str]:
        at = chance.randrange(len(lines))
        words = lines[at].split(" ")
        place = chance.randrange(len(words))
        words[place] = work(words[place], chance)
        return [*lines[:at], " ".join(words), *lines[at + 1 :]]

    return _on_lines(change)


def _encoded(encoding: str) -> Mutation:
    return lambda data, chance, other: data.decode("utf-8", "replace").encode(encoding, "replace")


def _shuffled(lines: list[str], chance: Random) -> list[str]:
    return chance.sample(lines, len(lines))


def _doubled(lines: list[str], chance: Random) -> list[str]:
    at = chance.randrange(len(lines))
    return [*lines[: at + 1], *lines[at:]]


def _odd_word(word: str, chance: Random) -> str:
    odd = ("nan", "inf", "-inf", "1e999", "0x10", "1_000", "١٢", "1,5", "", "--1", "1e", "+", "9" * 40, "a", "²", "0")
    return chance.choice(odd)


TEXT: dict[str, Mutation] = {
    "UTF-16": _encoded("utf-16"),
    "UTF-16 without a mark": _encoded("utf-16-le"),
    "UTF-32": _encoded("utf-32"),
    "UTF-8 with a mark": _encoded("utf-8-sig"),
    "line ends of old Macs": _on_text(lambda text, chance: text.replace("\n", "\r")),
    "line ends of Windows": _on_text(lambda text, chance: text.replace("\n", "\r\n")),
    "decimal commas": _on_text(lambda text, chance: text.replace(".", ",")),
    "semicolons": _on_text(lambda text, chance: text.replace(" ", ";")),
    "tabs": _on_text(lambda text, chance: text.replace(" ", "\t")),
    "no blanks": _on_text(lambda text, chance: text.replace(" ", "")),
    "capitals": _on_text(lambda text, chance: text.upper()),
    "a line twice": _on_lines(_doubled),
    "lines in another order": _on_lines(_shuffled),
    "lines backwards": _on_lines(lambda lines, chance: lines[::-1]),
    "a line less": _on_lines(lambda lines, chance: lines[: (at := chance.randrange(len(lines)))] + lines[at + 1 :]),
    "an odd word": _on_a_word(_odd_word),
    "a word twice": _on_a_word(lambda word, chance: f"{word} {word}"),
    "a sign": _on_a_word(lambda word, chance: "-" + word),
    "a huge exponent": _on_a_word(lambda word, chance: word + chance.choice(("e308", "e-308", "e99", "e9"))),
    "a long number": _on_a_word(lambda word, chance: word + "0" * chance.choice((20, 300, 5000))),
}


# ---- JSON ------------------------------------------------------------------------------------------------------------


def _places(value: Any) -> list[tuple[Any, Any]]:
    found: list[tuple[Any, Any]] = []

    def walk(node: Any) -> None:
        for key in node if isinstance(node, dict) else range(len(node)):
            found.append((node, key))
            if isinstance(node[key], (dict, list)):
                walk(node[key])

    if isinstance(value, (dict, list)):
        walk(value)
    return found


def odd_value(chance: Random) -> Any:
    """One of VALUES of its own, which later faults may change without changing those of other attacks."""
    return copy.deepcopy(chance.choice(VALUES))


def _replace(node: Any, key: Any, chance: Random, places: list[Any]) -> None:
    node[key] = odd_value(chance)


def _delete(node: Any, key: Any, chance: Random, places: list[Any]) -> None:
    del node[key]


def _double(node: Any, key: Any, chance: Random, places: list[Any]) -> None:
    if isinstance(node, list):
        node.insert(key, copy.deepcopy(node[key]))
    else:
        node[f"{key}{key}"] = copy.deepcopy(node[key])


def _many(node: Any, key: Any, chance: Random, places: list[Any]) -> None:
    if isinstance(node[key], list):
        node[key] = (node[key] * 3000)[:3000]
    else:
        node[key] = [node[key]] * 3000
    if len(json.dumps(node[key], default=id)) > MOST_BYTES:
        node[key] = node[key][:1]


def _alias(node: Any, key: Any, chance: Random, places: list[Any]) -> None:
    node[key] = copy.deepcopy(chance.choice(places)[0])


def _copy_value(node: Any, key: Any, chance: Random, places: list[Any]) -> None:
    other, at = chance.choice(places)
    node[key] = copy.deepcopy(other[at])


def _wrap(node: Any, key: Any, chance: Random, places: list[Any]) -> None:
    node[key] = chance.choice(([node[key]], {"value": node[key]}, str(node[key])))


def _unwrap(node: Any, key: Any, chance: Random, places: list[Any]) -> None:
    if isinstance(node[key], (dict, list)) and node[key]:
        node[key] = next(iter(node[key].values() if isinstance(node[key], dict) else node[key]))


def _nest(node: Any, key: Any, chance: Random, places: list[Any]) -> None:
    for _ in range(chance.choice((20, 200))):
        node[key] = [node[key]]


def _scale(node: Any, key: Any, chance: Random, places: list[Any]) -> None:
    if isinstance(node[key], (int, float)) and not isinstance(node[key], bool):
        node[key] = node[key] * chance.choice((-1, 0, 1e-9, 1e9, 1e200, 2, 0.5))


def _rename(node: Any, key: Any, chance: Random, places: list[Any]) -> None:
    if isinstance(node, dict):
        node[chance.choice(("", "x", str(key).upper(), str(key)[:-1], "__metadata__", "format"))] = node.pop(key)


def _shuffle(node: Any, key: Any, chance: Random, places: list[Any]) -> None:
    if isinstance(node[key], list):
        chance.shuffle(node[key])


def _shorten(node: Any, key: Any, chance: Random, places: list[Any]) -> None:
    if isinstance(node[key], (list, str)):
        node[key] = node[key][: len(node[key]) // 2]


JSON: dict[str, Callable[[Any, Any, Random, list[Any]], None]] = {
    "another value": _replace,
    "a value less": _delete,
    "a value twice": _double,
    "a value very often": _many,
    "a part of another place": _alias,
    "a value of another place": _copy_value,
    "one level deeper": _wrap,
    "one level less": _unwrap,
    "nested deeply": _nest,
    "another scale": _scale,
    "another name": _rename,
    "another order": _shuffle,
    "half": _shorten,
}


def mutate_value(value: Any, chance: Random) -> Any:
    """Return plain data (dicts, lists, numbers, texts), changed in place, with one fault; itself may be replaced."""
    places = _places(value)
    if not places or chance.random() < 0.03:
        return odd_value(chance)
    node, key = chance.choice(places)
    JSON[chance.choice(list(JSON))](node, key, chance, places)
    return value if len(json.dumps(value, default=id)) < MOST_BYTES else odd_value(chance)


def _json(data: bytes, chance: Random) -> bytes | None:
    """JSON (also that of a GLB, and the header of safetensors) with one fault; None where there is no JSON."""
    head, tail, seal = b"", b"", None
    if data[:4] == b"glTF" and len(data) > 20:
        length = int.from_bytes(data[12:16], "little")
        head, data, tail = data[:20], data[20 : 20 + length], data[20 + length :]
        seal = _seal_glb
    elif data[8:9] == b"{":
        length = int.from_bytes(data[:8], "little")
        head, data, tail = data[:8], data[8 : 8 + length], data[8 + length :]
        seal = _seal_safetensors
    try:
        value = json.loads(data)
        # Configs stand in the metadata of safetensors as JSON in a text.
        metadata = value.get("__metadata__") if seal is _seal_safetensors else None
        inner = [key for key, text in (metadata or {}).items() if text[:1] in "{["]
        if inner and chance.random() < 0.7:
            key = chance.choice(inner)
            metadata[key] = json.dumps(mutate_value(json.loads(metadata[key]), chance))
        else:
            value = mutate_value(value, chance)
        text = json.dumps(value).encode()
    except (ValueError, RecursionError, AttributeError, TypeError, OverflowError):
        return None
    return text if seal is None else seal(head, text) + tail


def _seal_glb(head: bytes, text: bytes) -> bytes:
    text += b" " * (-len(text) % 4)
    return head[:12] + len(text).to_bytes(4, "little") + head[16:] + text


def _seal_safetensors(head: bytes, text: bytes) -> bytes:
    return len(text).to_bytes(8, "little") + text


# ---- structures ------------------------------------------------------------------------------------------------------


def _png_chunks(data: bytes) -> list[tuple[bytes, bytes]]:
    chunks, at = [], 8
    while at + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, at)
        chunks.append((data[at + 4 : at + 8], data[at + 8 : at + 8 + length]))
        at += 12 + length
    return chunks


def _png(data: bytes, chance: Random, other: bytes) -> bytes:
    """A PNG with one chunk changed, lost or doubled, and right checksums."""
    chunks = _png_chunks(data)
    if not chunks:
        return data
    at = chance.randrange(len(chunks))
    kind, body = chunks[at]
    what = chance.randrange(6)
    if what == 0:
        chunks[at] = (kind, BYTES[chance.choice(list(BYTES))](body, chance, other))
    elif what == 1 and kind == b"IHDR" and len(body) == 13:
        fields = list(struct.unpack(">IIBBBBB", body))
        fields[chance.randrange(7)] = chance.choice((0, 1, 2, 3, 4, 6, 7, 8, 16, 255))
        chunks[at] = (kind, struct.pack(">IIBBBBB", *fields))
    elif what == 2:
        sides = struct.pack(">II", chance.choice((1, 3, 7, 40, 2**16, 2**31 - 1)), chance.choice((1, 5, 64, 2**20)))
        chunks = [(k, sides + b[8:]) if k == b"IHDR" else (k, b) for k, b in chunks]
    elif what == 3:
        del chunks[at]
    elif what == 4:
        chunks.insert(at, chance.choice(chunks))
    else:
        pixels = zlib.compress(bytes([chance.randrange(256)]) * chance.choice((0, 100, 10**5)))
        chunks = [(k, pixels) if k == b"IDAT" else (k, b) for k, b in chunks]
    packed = (struct.pack(">I", len(b)) + k + b + struct.pack(">I", zlib.crc32(k + b)) for k, b in chunks)
    return data[:8] + b"".join(packed)


def _npy(data: bytes, chance: Random, other: bytes) -> bytes:
    """A NumPy array that says another type, order or shape, in a header of the right length."""
    end = data.find(b"\n", 10)
    header = data[10:end].decode("latin-1")
    for old, new in (
        ("'<f4'", chance.choice(("'<f8'", "'>f4'", "'|u1'", "'<c8'", "'|O'", "'<U4'", "'|V4'", "'<f2'", "'<i8'"))),
        ("False", chance.choice(("True", "False", "None"))),
        ("'shape': (", f"'shape': ({chance.choice(('', '-1, ', '0, ', '10**9, ', '999999999, ', '1, 1, '))}"),
    ):
        if chance.random() < 0.5:
            header = header.replace(old, new)
    header = header.rstrip()
    header += " " * (-(len(header) + 11) % 64) + "\n"
    return data[:8] + struct.pack("<H", len(header)) + header.encode("latin-1") + data[end + 1 :]


def _boxes(data: bytes, chance: Random, other: bytes) -> bytes:
    """An MP4 with a number in one of its tables changed, where its index (moov) is."""
    names = (b"tkhd", b"mvhd", b"stsz", b"stco", b"stts", b"stsc", b"ctts", b"elst", b"stsd", b"mdhd", b"avcC", b"hdlr")
    at = data.find(chance.choice(names))
    if at < 0:
        return data
    at += 4 + 4 * chance.randrange(12)
    number = chance.choice((*NUMBERS, chance.getrandbits(32))) & 0xFFFFFFFF
    return data[:at] + number.to_bytes(4, "big") + data[at + 4 :]


def _exr(data: bytes, chance: Random, other: bytes) -> bytes:
    """An EXR image with another window, compression, type or channel."""
    name = chance.choice((b"dataWindow\0", b"displayWindow\0", b"compression\0", b"channels\0", b"lineOrder\0"))
    at = data.find(name)
    if at < 0:
        return data
    at = data.find(b"\0", at + len(name)) + 5 + chance.choice((0, 0, 1, 2, 4, 8, 12))
    number = chance.choice((0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 200, -1, -5, 63, 2**20, 2**31 - 1, -(2**31)))
    size = 1 if name in (b"compression\0", b"lineOrder\0") else 4
    return data[:at] + (number & (256**size - 1)).to_bytes(size, "little") + data[at + size :]


def _netpbm(data: bytes, chance: Random, other: bytes) -> bytes:
    """A PGM or PFM with another head."""
    words = data[:40].split(None, 4)
    if len(words) < 5:
        return data
    words[chance.randrange(4)] = chance.choice(
        (b"P1", b"P2", b"P5", b"P6", b"Pf", b"PF", b"0", b"1", b"-1", b"65535", b"65536", b"1e9", b"nan", b"99999999")
    )
    return b"\n".join(words[:4]) + b"\n" + data[data.find(words[4]) :]


_STRUCTURES: tuple[tuple[str, Callable[[bytes], bool], Mutation], ...] = (
    ("PNG with right checksums", lambda data: data[:8] == b"\x89PNG\r\n\x1a\n", _png),
    ("header of an array", lambda data: data[:6] == b"\x93NUMPY", _npy),
    ("tables of MP4", lambda data: data[4:8] == b"ftyp", _boxes),
    ("header of EXR", lambda data: data[:4] == b"\x76\x2f\x31\x01", _exr),
    ("head of PGM and PFM", lambda data: data[:2] in (b"P5", b"P2", b"Pf"), _netpbm),
)
KINDS = (*BYTES, *TEXT, *(f"JSON: {name}" for name in JSON), *(name for name, _, _ in _STRUCTURES))


def mutated(data: bytes, chance: Random, other: bytes) -> bytes:
    """Return the bytes with one to four faults. other: a file of another format, for parts of it."""
    for _ in range(chance.choice((1, 1, 1, 2, 4))):
        what = chance.random()
        changed = None
        if what < 0.3:
            changed = _json(data, chance)
        if changed is None and what < 0.6:
            changed = next((work(data, chance, other) for _, fits, work in _STRUCTURES if fits(data)), None)
        if changed is None and what < 0.85 and b"\0" not in data[:512]:
            changed = TEXT[chance.choice(list(TEXT))](data, chance, other)
        data = BYTES[chance.choice(list(BYTES))](data, chance, other) if changed is None else changed
    return data[:MOST_BYTES]
