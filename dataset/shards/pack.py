"""Encoded clips, one file each, bundled into WebDataset shards of one size; the files go when their shard is whole.

Whatever is interrupted is done again: a clip is in its own file, or in a shard, or for a moment in both, but counts
once.
"""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path
from typing import Any

from ...control.errors import UserError
from ...control.files import NOT_TEXT, atomic_path
from ...models.geometry import Size3
from .sample import Sample, read_header
from .tar_index import ENDING, read_index, scan, shard_name, shards_in, write_index

_HEAD = 2**20  # bytes of a file in which the header of its safetensors lies


def check_vae(folder: Path, vae_fingerprint: str) -> None:
    """Raise UserError where a folder holds shards of another VAE."""
    for path in shards_in(folder):
        found = read_index(path).vae
        if found != vae_fingerprint:
            raise UserError(
                f"{folder} holds latents of another VAE ({found[:12] or 'unknown'}, now {vae_fingerprint[:12]}). Delete"
                " the folder or choose another one."
            )


def packed_ids(folder: Path) -> set[str]:
    """Return the ids of all clips in the shards of a folder."""
    return {entry.id for path in shards_in(folder) for entry in read_index(path).entries}


def write_sample(folder: Path, sample: Sample) -> Path:
    """Write an encoded clip to a file of its own, whole or not at all."""
    path = folder / f"{sample.id}{ENDING}"
    with atomic_path(path) as temporary:
        temporary.write_bytes(sample.to_bytes())
    return path


def pack(
    encoded: Path,
    folder: Path,
    per_shard: int = 256,
    step: Callable[[], object] = lambda: None,
    ids: Collection[str] | None = None,
) -> int:
    """Bundle the encoded clips of one folder into shards in another; returns how many were. step: called per shard.

    ids: of the clips to bundle, None for all. Raises UserError for a file that is not an encoded clip, and
    DiskFullError, after which nothing is lost.
    """
    folder.mkdir(parents=True, exist_ok=True)
    known = packed_ids(folder)
    buckets: dict[tuple[int, Size3], list[Path]] = {}
    for path in sorted(encoded.glob(f"*{ENDING}")):
        if path.name.startswith(".") or not (ids is None or path.stem in ids):
            continue  # what a killed writer left, and what goes elsewhere
        if path.stem in known:
            path.unlink()
            continue
        with path.open("rb") as file:
            header: Any = read_header(file.read(_HEAD), f"'{path}'")
        frames, height, width = header["size"]
        buckets.setdefault((int(header["tokens"]), (frames, height, width)), []).append(path)
    count = 0
    for (tokens, size), paths in sorted(buckets.items()):
        for some in (paths[at : at + per_shard] for at in range(0, len(paths), per_shard)):
            number = max(shards_in(folder).values(), default=-1) + 1
            _write_tar(folder / shard_name(tokens, size, number), some)
            count += len(some)
            step()
    return count


def _write_tar(path: Path, samples: Iterable[Path]) -> None:
    samples = list(samples)
    with atomic_path(path) as temporary, tarfile.open(temporary, "w", format=tarfile.USTAR_FORMAT) as tar:
        for name, data in _members(samples):
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(data), 0o644
            tar.addfile(member, io.BytesIO(data))
    write_index(scan(path))
    for sample in samples:
        sample.unlink()


def _members(samples: Iterable[Path]) -> Iterator[tuple[str, bytes]]:
    """Yield the files of a shard: those of one clip follow each other, as WebDataset wants it."""
    for sample in samples:
        data = sample.read_bytes()
        header: Any = read_header(data, f"'{sample}'")
        text = json.dumps(header["clip"], ensure_ascii=False)
        yield f"{sample.stem}.json", text.encode(errors=NOT_TEXT)
        yield sample.name, data
