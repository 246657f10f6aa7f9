"""NumPy arrays in files, `.npy` and `.npz`, whose headers are checked before anything of them is allocated."""

from __future__ import annotations

import math
import zipfile
import zlib
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal, cast

import numpy as np

from .errors import UserError
from .files import existing, size_text

# Of an array that has to be unpacked, as those of .npz are: a small archive can claim any size.
MOST_UNPACKED = 2**30
_MOST_LISTED = 8  # arrays of an archive in a sentence


@dataclass(frozen=True)
class _Header:
    """shape, and how many bytes the numbers take. data: the byte at which they begin."""

    shape: tuple[int, ...]
    dtype: np.dtype
    in_columns: bool
    data: int

    @property
    def bytes(self) -> int:
        return math.prod(self.shape) * int(self.dtype.itemsize)


def read_array(file: BinaryIO, size: int, most: int = MOST_UNPACKED) -> np.ndarray:
    """Return the numbers of a .npy file of `size` bytes, at most `most` of them.

    Raises UserError for a header that claims something else than numbers, or more than the file or `most` can hold.
    """
    header = _read_header(file)
    _check_size(header, size, most)
    content = file.read(header.bytes)
    if len(content) < header.bytes:
        raise UserError(f"the NumPy array is truncated: {header.bytes} bytes were expected after its start")
    numbers: np.ndarray = np.frombuffer(content, header.dtype)
    return numbers.reshape(header.shape, order="F" if header.in_columns else "C")


def map_array(path: Path) -> np.ndarray:
    """Return the numbers of a .npy file, which stay in the file until they are used. Raises as `read_array` does."""
    size = path.stat().st_size
    with path.open("rb") as file:
        header = _read_header(file)
    _check_size(header, size)
    if not header.bytes:
        raise UserError(f"the NumPy array has shape {header.shape}: it is empty")
    order: Literal["C", "F"] = "F" if header.in_columns else "C"
    mapped: np.ndarray = np.memmap(path, header.dtype, "r", header.data, header.shape, order)
    return mapped


def read_archive(
    path: Path, names: Collection[str] = (), most: int = MOST_UNPACKED, what: str = ""
) -> dict[str, np.ndarray]:
    """Return those arrays of a .npz file that have one of the `names`; all of them where no names are given.

    what: the program that writes such files, for the error. Raises UserError for a damaged file, for one without these
    arrays, and as `read_array` does.
    """
    arrays = {}
    try:
        with zipfile.ZipFile(existing(path, "archive")) as archive:
            held = {name.removesuffix(".npy"): name for name in archive.namelist() if name.endswith(".npy")}
            for name in held if not names else [name for name in names if name in held]:
                with archive.open(held[name]) as file:
                    arrays[name] = read_array(cast(BinaryIO, file), archive.getinfo(held[name]).file_size, most)
                most -= arrays[name].nbytes
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
        if isinstance(error, UserError):
            raise UserError(f"'{path.name}': {error.clause}") from error
        raise UserError(f"'{path.name}' is a truncated or damaged archive ({str(error)[:80]})") from error
    if not arrays:
        found = ", ".join(name[:40] for name in list(held)[:_MOST_LISTED]) or "nothing"
        wanted = f"the arrays {', '.join(names)} were expected ({what})" if names else "arrays were expected"
        raise UserError(f"'{path.name}' holds {found}; {wanted}")
    return arrays


def _read_header(file: BinaryIO) -> _Header:
    """Return what the start of a .npy file says. Raises UserError for another one, and for anything but numbers."""
    try:
        version = np.lib.format.read_magic(file)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, in_columns, dtype = read(file)
    # The header is Python text, so a damaged one raises whatever Python's own parser does.
    except Exception as error:
        raise UserError(f"the NumPy array is truncated or damaged at its start ({str(error)[:80]})") from error
    if dtype.kind not in "fiub" or dtype.itemsize < 1:
        raise UserError(f"the NumPy array holds {'Python objects' if dtype.hasobject else dtype}, not numbers")
    if any(side < 0 for side in shape):
        raise UserError(f"the NumPy array has shape {str(shape)[:60]}: it is damaged")
    return _Header(shape, dtype, in_columns, file.tell())


def _check_size(header: _Header, size: int, most: int | None = None) -> None:
    if most is not None and header.bytes > most:
        raise UserError(f"the NumPy array has shape {str(header.shape)[:60]}: at most {size_text(most)} are read")
    if header.data + header.bytes > size:
        raise UserError(f"the NumPy array is truncated: {header.bytes} bytes were expected after its start")
