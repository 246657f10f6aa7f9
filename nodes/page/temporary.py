"""Images and data for the page, in the host's temp folder: the page gets them by the host's /view route."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import folder_paths
import numpy as np

from ...control.files import atomic_path

FOLDER = "fulldit"


def temporary_file(name: str) -> Path:
    """Where a file of ours lies in the temp folder; `name` may have folders."""
    return Path(folder_paths.get_temp_directory()) / FOLDER / name


def store(name: str, data: bytes) -> None:
    """Write the file, whole or not at all, unless it is there: names hold the hash of what is in them."""
    place = temporary_file(name)
    if not place.is_file():
        with atomic_path(place) as temporary:
            temporary.write_bytes(data)


def jpeg(frame: np.ndarray, size: tuple[int, int], quality: int, **how: Any) -> bytes:
    """A frame (H, W, 3), 0..1, as JPEG of `size` (width, height); `how` goes to PIL's resize where it has another."""
    from PIL import Image

    image = Image.fromarray((np.clip(frame, 0, 1) * 255 + 0.5).astype(np.uint8))
    if image.size != size:
        image = image.resize(size, **how)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()
