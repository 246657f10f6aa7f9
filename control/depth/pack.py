"""Arrays as plain JSON values, for state that is handed from one chunk of a long clip to the next."""

from __future__ import annotations

import base64
import zlib

import numpy as np

from ..errors import UserError
from ..files import JsonObject

MOST_BYTES = 2**28


def pack(array: np.ndarray) -> JsonObject:
    """Return shape, type and compressed bytes of an array; exact."""
    array = np.ascontiguousarray(array)
    text = base64.b64encode(zlib.compress(array.tobytes(), 1)).decode("ascii")
    return {"shape": list(array.shape), "dtype": array.dtype.str, "data": text}


def unpack(packed: JsonObject) -> np.ndarray:
    """Return the array of `pack`. Raises UserError for anything else, and for more than 256 MiB."""
    try:
        shape = tuple(int(side) for side in packed["shape"])
        dtype = np.dtype(str(packed["dtype"]))
        if dtype.kind not in "fu" or not shape or min(shape) < 1:
            raise ValueError(f"shape {shape} of {dtype}")
        size = int(np.prod([float(side) for side in shape])) * dtype.itemsize
        if size > MOST_BYTES:
            raise ValueError(f"{size} bytes")
        data = zlib.decompressobj().decompress(base64.b64decode(packed["data"], validate=True), size + 1)
        return np.frombuffer(data, dtype).reshape(shape).copy()
    except (KeyError, TypeError, ValueError, OverflowError, zlib.error) as error:
        raise UserError(f"an array of the saved depth state cannot be read ({error}): begin anew") from error
