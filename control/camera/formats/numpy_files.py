"""NumPy arrays in files, whose headers are checked before anything is allocated."""

from __future__ import annotations

import io
import math
import zipfile
import zlib
from pathlib import Path
from typing import BinaryIO

import numpy as np

from ...errors import UserError
from ..even_times import MAX_FRAMES

# A matrix of 4x5 numbers per frame in double precision, with the header.
MAX_BYTES = MAX_FRAMES * 20 * 8 + 4096


def read_array(file: BinaryIO, size: int) -> np.ndarray:
    """Return the numbers of a .npy file of `size` bytes.

    Raises UserError for a header that claims something else than numbers, or more than the file or a path can hold.
    """
    try:
        version = np.lib.format.read_magic(file)
        header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = header(file)
        claimed = math.prod(shape) * dtype.itemsize
    # The header is Python text, so a damaged one raises whatever Python's own parser does.
    except Exception as error:
        raise UserError(f"the NumPy array is truncated or damaged at its start ({str(error)[:80]})") from error
    if dtype.kind not in "fiu":
        raise UserError(f"the NumPy array holds {'Python objects' if dtype.hasobject else dtype}, not numbers")
    if claimed > MAX_BYTES:
        raise UserError(f"the NumPy array has shape {str(shape)[:60]}: that is not a camera path")
    if claimed > size:
        raise UserError(f"the NumPy array is truncated: {claimed} bytes were expected after its start")
    file.seek(0)
    try:
        values: np.ndarray = np.load(file, allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise UserError(f"the NumPy array is truncated or damaged ({error})") from error
    return values


def read_archive(path: Path, names: tuple[str, ...]) -> dict[str, np.ndarray]:
    """Return those arrays of a .npz file that have one of the `names`. Raises UserError for a damaged file."""
    arrays = {}
    try:
        with zipfile.ZipFile(path) as archive:
            held = archive.namelist()
            for name in names:
                if f"{name}.npy" in held:
                    with archive.open(f"{name}.npy") as file:
                        content = file.read(MAX_BYTES)
                    arrays[name] = read_array(io.BytesIO(content), len(content))
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
        if isinstance(error, UserError):
            raise
        raise UserError(f"'{path.name}' is a truncated or damaged archive ({str(error)[:80]})") from error
    if not arrays:
        found = ", ".join(name.removesuffix(".npy")[:40] for name in held[:8]) or "nothing"
        raise UserError(f"'{path.name}' holds {found}; the arrays {', '.join(names)} were expected (ViPE)")
    return arrays
