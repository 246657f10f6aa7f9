"""Weights that are spread over several files: `name-00001-of-00003.safetensors`, an index, or a folder of diffusers."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from pathlib import Path

import torch

from ...control.errors import UserError
from .tensor_file import Header, PathLike, parse_header, read_tensors

INDEX = ".safetensors.index.json"
_SHARD = re.compile(r"(?P<name>.+)-\d{5}-of-(?P<count>\d{4}[1-9]|\d{3}[1-9]0)(?P<suffix>\.safetensors)")


def shard_paths(path: PathLike) -> list[Path]:
    """Return the files, in order, that hold the weights which `path` stands for.

    `path` is a safetensors file, any one of several shards, an index of shards, or a folder with one of these (or with
    a folder `transformer` that has them). Raises UserError where a shard is missing, naming it, and where a folder does
    not say which weights are meant. A single file is given back as it is, whether it exists or not.
    """
    path = Path(path)
    if path.is_dir():
        return _in_folder(path)
    if path.name.endswith(INDEX):
        return _in_index(path)
    if match := _SHARD.fullmatch(path.name):
        numbers = range(1, int(match["count"]) + 1)
        names = [f"{match['name']}-{number:05}-of-{match['count']}{match['suffix']}" for number in numbers]
        return _existing_all([path.with_name(name) for name in names], path)
    return [path]


def read_shards(path: PathLike) -> dict[str, torch.Tensor]:
    """Return all tensors of the files that `path` stands for, by name.

    Raises UserError as `shard_paths` does, for a shard that is cut short or not safetensors (naming it), and for a
    tensor that two of them hold.
    """
    tensors: dict[str, torch.Tensor] = {}
    for shard in shard_paths(path):
        more = read_tensors(shard)
        if twice := sorted(tensors.keys() & more.keys()):
            raise UserError(f"'{shard}' holds '{twice[0]}', which another shard of it has too. Download all again.")
        tensors |= more
    return tensors


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


def _in_folder(folder: Path) -> list[Path]:
    """Return the files of the one model in a folder."""
    names = sorted(file.name for file in folder.iterdir())
    # Shards of one model are one choice, whether an index lists them or not.
    first_shard = r"\g<name>-00001-of-\g<count>\g<suffix>"
    models = [name for name in names if name.endswith(INDEX)] or sorted(
        {_SHARD.sub(first_shard, name) for name in names if name.endswith(".safetensors")}
    )
    if not models and (folder / "transformer").is_dir():
        return _in_folder(folder / "transformer")
    if len(models) != 1:
        found = ", ".join(models) or "no .safetensors file"
        raise UserError(f"The folder '{folder}' has {found}, but one model was expected. Choose the file itself.")
    return shard_paths(folder / models[0])


def _in_index(path: Path) -> list[Path]:
    """Return the files that an index lists. Raises UserError for an index that is missing or malformed."""
    try:
        names = set(json.loads(path.read_text(encoding="utf-8"))["weight_map"].values())
        well_formed = bool(names) and all(Path(name).name == name for name in names)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        well_formed = False
    if not well_formed:
        raise UserError(f"'{path}' is not an index of safetensors files. Download it again, or choose a shard itself.")
    return _existing_all([path.with_name(name) for name in sorted(names)], path)


def _existing_all(shards: list[Path], path: Path) -> list[Path]:
    """Return `shards` if all of them are there. Raises UserError naming the first that is not."""
    missing = [shard.name for shard in shards if not os.path.isfile(shard)]  # which says no to a name that is too long
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise UserError(
            f"The weights of '{path}' are in {len(shards)} files, but {missing[0]}{more} is not in this folder. "
            f"Download what is missing into it."
        )
    return shards
