"""Read and write safetensors files; whatever is wrong with a file becomes one sentence.

No pickle is ever loaded: a `.pt` or `.ckpt` file is recognized by its first bytes and refused.
"""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ...control.errors import UserError
from ...control.files import atomic_path, existing

PathLike = str | os.PathLike[str]
MAX_HEADER = 100 * 2**20  # bytes, the limit of the safetensors library


class PickledFile(UserError):
    """A checkpoint that is a pickle."""


@dataclass(frozen=True)
class Header:
    """What a safetensors file says before its data: shapes and formats ('F16', 'I8', ...) by name, and metadata."""

    shapes: dict[str, tuple[int, ...]] = field(default_factory=dict)
    dtypes: dict[str, str] = field(default_factory=dict)
    metadata: dict[str, str] = field(default_factory=dict)


def parse_header(path: PathLike) -> Header:
    """Return the header of a safetensors file that is whole; no tensor is read.

    Raises UserError when the file is missing, a pickle (PickledFile), something else, or cut short.
    """
    path = existing(path, "checkpoint")
    size = path.stat().st_size
    with open(path, "rb") as file:
        start, brace = file.read(8), file.read(1)
        # A safetensors header may be of a length whose first byte is a pickle's too; what follows is then its brace.
        if start[:2] == b"PK" or (start[:1] == b"\x80" and brace != b"{"):
            raise PickledFile(
                f"'{path}' is a pickled checkpoint, which can run any code when it is loaded, so it is not. "
                f"Get or convert it to .safetensors."
            )
        length = struct.unpack("<Q", start)[0] if len(start) == 8 else 0
        header = brace + file.read(length - 1) if 2 <= length <= MAX_HEADER else b""
    try:
        entries = json.loads(header)
        metadata = _texts(entries.pop("__metadata__", {}))
        shapes = {name: _whole_numbers(entry["shape"]) for name, entry in entries.items()}
        dtypes = {name: str(entry["dtype"]) for name, entry in entries.items()}
        end = max((_whole_numbers(entry["data_offsets"])[1] for entry in entries.values()), default=0)
    except (ValueError, AttributeError, KeyError, TypeError, IndexError, RecursionError) as error:
        if header and len(header) < length:
            raise UserError(_cut_short(path, size)) from error
        raise UserError(f"'{path}' is not a safetensors file. Choose one that ends in .safetensors.") from error
    if size < 8 + length + end:
        raise UserError(_cut_short(path, size))
    return Header(shapes, dtypes, metadata)


def _whole_numbers(value: Any) -> tuple[int, ...]:
    """Return a list of sizes or places. Raises ValueError for anything else."""
    if not isinstance(value, list) or not all(type(number) is int and number >= 0 for number in value):
        raise ValueError(f"{value!r} in place of whole numbers")
    return tuple(value)


def _texts(value: Any) -> dict[str, str]:
    """Return metadata, which is text by name. Raises ValueError for anything else."""
    if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
        raise ValueError("metadata that is not text")
    return value


def read_metadata(path: PathLike) -> dict[str, str]:
    """Return the metadata of a safetensors file that is whole. Raises UserError as `parse_header` does."""
    return parse_header(path).metadata


def read_header(path: PathLike) -> tuple[dict[str, tuple[int, ...]], dict[str, str]]:
    """Return the shapes by name and the metadata of a safetensors file. Raises UserError as `parse_header` does."""
    header = parse_header(path)
    return header.shapes, header.metadata


def _cut_short(path: Path, size: int) -> str:
    """Return the message for a file that ends too early."""
    return f"'{path}' is cut short ({size} bytes). Download or copy it again."


def read_tensors(path: PathLike, device: str | torch.device = "cpu") -> dict[str, torch.Tensor]:
    """Return all tensors of a safetensors file by name. Raises UserError as `parse_header` does."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    parse_header(path)
    try:
        return load_file(path, device=str(device))
    except (SafetensorError, OSError, ValueError, KeyError) as error:
        raise UserError(f"'{path}' cannot be read ({error}). Download or copy it again.") from error


def write_tensors(path: PathLike, tensors: Mapping[str, torch.Tensor], metadata: Mapping[str, str]) -> None:
    """Write a safetensors file, whole or not at all."""
    from safetensors.torch import save_file

    with atomic_path(path) as temporary:
        save_file({name: t.detach().cpu().contiguous() for name, t in tensors.items()}, temporary, dict(metadata))


def load_strict(module: nn.Module, tensors: Mapping[str, torch.Tensor], path: PathLike, what: str) -> None:
    """Load `tensors` into `module`, which the error calls `what`.

    Raises UserError as `check_fit` and `check_finite` do.
    """
    check_fit(module, {name: value.shape for name, value in tensors.items()}, path, what)
    check_finite(tensors, path)
    module.load_state_dict(dict(tensors), strict=True)


def check_finite(tensors: Mapping[str, torch.Tensor], path: PathLike) -> None:
    """Raise UserError, naming the first, for weights that are NaN or infinite: all that they compute would be."""
    for name, value in tensors.items():
        # The largest magnitude is finite only where all are; formats of few bytes are widened to be compared.
        if value.is_floating_point() and value.device.type != "meta":
            wide = value if value.element_size() > 2 else value.float()
            if not torch.isfinite(wide.abs().max() if wide.numel() else torch.zeros(())):
                raise UserError(
                    f"'{path}' holds NaN or infinity in '{name}': it is damaged. Download or copy it again."
                )


def check_fit(module: nn.Module, shapes: Mapping[str, tuple[int, ...]], path: PathLike, what: str) -> None:
    """Raise UserError, which calls the module `what`, for keys or shapes that do not fit it, naming the first.

    The module may be on the device 'meta', where it takes no memory.
    """
    own = {name: tuple(value.shape) for name, value in module.state_dict().items()}
    missing = sorted(set(own) - set(shapes))
    unknown = sorted(set(shapes) - set(own))
    other = [name for name in own if name in shapes and own[name] != tuple(shapes[name])]
    problems = [
        problem
        for names, problem in (
            (missing, f"lacks {_first_names(missing)}"),
            (unknown, f"has {_first_names(unknown)}, which do not belong there"),
            (other, f"has other shapes for {_first_names(other)}"),
        )
        if names
    ]
    if problems:
        raise UserError(f"'{path}' does not fit the {what}: it {'; it '.join(problems)}. Use a file made for it.")


def _first_names(names: list[str], count: int = 3) -> str:
    """Return the first of `names`, and how many more there are."""
    return ", ".join(names[:count]) + (f" and {len(names) - count} more" if len(names) > count else "")
