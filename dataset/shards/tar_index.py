"""Where in a shard each clip is, so that any clip is read at once. Kept beside the shard, and found again without it.

A shard is `TOKENS-FxHxW-NUMBER.tar`, whose numbers are those of all shards of the folder in the order of their writing.
"""

from __future__ import annotations

import json
import re
import tarfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ...control.errors import UserError
from ...control.files import write_json
from ...models.geometry import Size3
from .sample import read_header

VERSION = 1
ENDING = ".safetensors"
_NAME = re.compile(r"(\d+)-(\d+)x(\d+)x(\d+)-(\d+)\.tar")


@dataclass(frozen=True)
class Entry:
    """A clip in a shard: its id, where its bytes begin and how many they are, and the keys of its streams."""

    id: str
    offset: int
    bytes: int
    streams: tuple[str, ...]


@dataclass(frozen=True)
class TarIndex:
    """A shard: its file, number, the size of its clips (F, H, W), their tokens, the VAE, and the clips."""

    path: Path
    number: int
    size: Size3
    tokens: int
    vae: str
    entries: tuple[Entry, ...]

    def read(self, place: int) -> bytes:
        """Return the bytes of the clip at a place. Raises UserError where the shard has become shorter."""
        entry = self.entries[place]
        with self.path.open("rb") as file:
            file.seek(entry.offset)
            data = file.read(entry.bytes)
        if len(data) < entry.bytes:
            raise UserError(f"the shard '{self.path}' is cut short: copy it again, or delete it and encode its clips")
        return data


def shard_name(tokens: int, size: Size3, number: int) -> str:
    """Return the file name of a shard."""
    return f"{tokens:06d}-{size[0]}x{size[1]}x{size[2]}-{number:05d}.tar"


def has_tars(folder: Path) -> bool:
    """Return whether a folder holds shards."""
    return any(_NAME.fullmatch(path.name) for path in folder.glob("*.tar"))


def shards_in(folder: Path) -> dict[Path, int]:
    """Return the shards of a folder and their numbers, in the order of these.

    Raises UserError where two have one number: folders of two runs were put together.
    """
    found = {path: int(match[5]) for path in folder.glob("*.tar") if (match := _NAME.fullmatch(path.name))}
    ordered = sorted(found.items(), key=lambda item: item[1])
    for (one, number), (other, same) in zip(ordered, ordered[1:], strict=False):
        if number == same:
            raise UserError(f"the shards '{one.name}' and '{other.name}' have one number: give each run its folder")
    return dict(ordered)


def read_index(path: Path) -> TarIndex:
    """Return the index of a shard, from the file beside it, or from the shard itself where that is missing or foreign.

    Raises UserError for a shard that is cut short or holds something else.
    """
    match = _NAME.fullmatch(path.name)
    assert match is not None
    beside = index_path(path)
    if beside.exists():
        try:
            value = json.loads(beside.read_text(encoding="utf-8"))
            if value["version"] == VERSION and value["bytes"] == path.stat().st_size:
                return _from_json(path, value)
        except (ValueError, KeyError, TypeError):
            pass  # it is made again
    index = scan(path)
    write_index(index)
    return index


def index_path(path: Path) -> Path:
    """Return the file beside a shard that holds its index."""
    return path.with_name(f"{path.name}.index.json")


def write_index(index: TarIndex) -> None:
    """Write the index of a shard beside it."""
    value = {
        "version": VERSION,
        "bytes": index.path.stat().st_size,
        "number": index.number,
        "size": list(index.size),
        "tokens": index.tokens,
        "vae": index.vae,
        "samples": [asdict(entry) for entry in index.entries],
    }
    write_json(index_path(index.path), value)


def _from_json(path: Path, value: Any) -> TarIndex:
    frames, height, width = (int(side) for side in value["size"])
    entries = tuple(
        Entry(str(e["id"]), int(e["offset"]), int(e["bytes"]), tuple(e["streams"])) for e in value["samples"]
    )
    size = frames, height, width
    return TarIndex(path, int(value["number"]), size, int(value["tokens"]), str(value["vae"]), entries)


def scan(path: Path) -> TarIndex:
    """Return the index of a shard by going through it. Raises UserError for one that is cut short or empty."""
    match = _NAME.fullmatch(path.name)
    assert match is not None
    tokens, frames, height, width, number = (int(part) for part in match.groups())
    entries, vae = [], ""
    try:
        # Without compression, so that offsets are places in the file.
        with tarfile.open(path, "r:") as tar:
            for member in tar:
                if not member.name.endswith(ENDING):
                    continue
                file = tar.extractfile(member)
                header = read_header(file.read() if file else b"", f"'{member.name}' in '{path}'")
                streams: Any = header["streams"]
                entries.append(Entry(str(header["id"]), member.offset_data, member.size, tuple(streams)))
                vae = str(header["vae"])
    except (tarfile.TarError, EOFError) as error:
        raise UserError(f"the shard '{path}' is cut short or damaged ({error}): copy it again, or delete it") from error
    if not entries:
        raise UserError(f"the shard '{path}' holds no encoded clips: delete it")
    return TarIndex(path, number, (frames, height, width), tokens, vae, tuple(entries))
