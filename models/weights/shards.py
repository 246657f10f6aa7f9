"""Weights in several files: which files belong together, and what they hold together.

Two things name the parts: an index (`NAME.safetensors.index.json`), and their own names (`NAME-00001-of-00003`).
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from pathlib import Path

from ...control.errors import UserError
from ...control.files import existing
from .tensor_file import Header, PathLike, parse_header

_PART = re.compile(r"^(?P<stem>.+)-(?P<number>\d{5})-of-(?P<count>\d{5})\.safetensors$")
_INDEX = ".safetensors.index.json"


def shard_paths(path: PathLike) -> list[Path]:
    """Return the files that hold the weights at `path`: a file, one of several parts, an index, or a folder of these.

    In a folder of diffusers the transformer is meant. Raises UserError where something is missing, naming it.
    """
    path = Path(path).expanduser()
    if path.is_dir():
        return _of_folder(path)
    if path.name.endswith(_INDEX):
        return _of_index(existing(path, "index"))
    part = _PART.match(path.name)
    if part is None or not 1 <= int(part["number"]) <= int(part["count"]):
        return [path]
    names = [
        f"{part['stem']}-{number:05d}-of-{part['count']}.safetensors" for number in range(1, int(part["count"]) + 1)
    ]
    return _all_present(path.parent, names)


def read_headers(path: PathLike | Sequence[PathLike]) -> tuple[dict[str, tuple[int, ...]], dict[str, str]]:
    """Return the shapes by name and the metadata of weights that may lie in several files.

    path: what `shard_paths` takes, or the files themselves. Raises UserError as `parse_header` and `shard_paths` do.
    """
    header = parse_headers(shard_paths(path) if isinstance(path, (str, os.PathLike)) else path)
    return header.shapes, header.metadata


def parse_headers(paths: Sequence[PathLike]) -> Header:
    """Return one header for files that hold one model together. Raises UserError as `parse_header` does."""
    together = Header()
    for path in paths:
        header = parse_header(path)
        together.shapes.update(header.shapes)
        together.dtypes.update(header.dtypes)
        together.metadata.update(header.metadata)
    return together


def _of_folder(folder: Path) -> list[Path]:
    """Return the files of weights in a folder."""
    for place in (folder, folder / "transformer"):
        indices = sorted(place.glob(f"*{_INDEX}"))
        files = sorted(place.glob("*.safetensors"))
        if indices:
            return _of_index(indices[0])
        if files and all(_PART.match(file.name) for file in files):
            return shard_paths(files[0])
        if len(files) == 1:
            return files
        if files:
            names = ", ".join(file.name for file in files[:4])
            raise UserError(f"the folder '{place}' holds several models ({names}): give one of the files")
    raise UserError(f"the folder '{folder}' holds no .safetensors file: give the file or its folder")


def _of_index(index: Path) -> list[Path]:
    """Return the files that an index names. They lie beside it, whatever it says."""
    try:
        names = {Path(str(name)).name for name in json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"'{index}' is not an index of safetensors files: give the file of weights itself") from error
    return _all_present(index.parent, sorted(names))


def _all_present(folder: Path, names: list[str]) -> list[Path]:
    """Return the paths of the parts. Raises UserError that names those that are missing."""
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        listed = " and ".join(f"'{name}'" for name in missing[:3])
        raise UserError(
            f"{listed} {'is' if len(missing) == 1 else 'are'} missing of {len(names)} parts in '{folder}': download all"
            " parts into one folder"
        )
    return [folder / name for name in names]
