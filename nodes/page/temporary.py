"""Images and data for the page, in the host's temp folder: the page gets them by the host's /view route."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

import folder_paths
import numpy as np

from ...control.files import atomic_path

if TYPE_CHECKING:
    from PIL import Image

FOLDER = "fulldit"

# A file of each folder that was stored and ought to be there, by the folder, and how often some of them were gone.
_stored: dict[str, str] = {}
_losses = 0


class ViewFile(TypedDict):
    """A file as the host's /view route asks for it."""

    filename: str
    subfolder: str
    type: str


def temporary_file(name: str) -> Path:
    """Return the path of a file of ours in the temp folder; `name` may have folders."""
    return Path(folder_paths.get_temp_directory()) / FOLDER / name


def store(name: str, data: bytes) -> ViewFile:
    """Write a file, whole or not at all, and return what the page asks for it by.

    A file that exists is left as it is: names hold the hash of the content.
    """
    path = temporary_file(name)
    _stored.setdefault(name.partition("/")[0], name)
    if not path.is_file():
        with atomic_path(path, durable=False) as temporary:
            temporary.write_bytes(data)
    folder, _, filename = f"{FOLDER}/{name}".rpartition("/")
    return {"filename": filename, "subfolder": folder, "type": "temp"}


def losses() -> int:
    """Return how often files of ours were found to be gone, as after another host emptied the folder at its start.

    Nodes that store files take it for their fingerprint: the host keeps their results, but files that are gone come
    back only when they run again.
    """
    global _losses
    if not all(temporary_file(name).is_file() for name in _stored.values()):
        _stored.clear()
        _losses += 1
    return _losses


def to_jpeg(
    frame: np.ndarray,
    size: tuple[int, int],
    quality: int,
    resample: Image.Resampling,
    reducing_gap: float | None = None,
) -> bytes:
    """Return a frame (H, W, 3), 0..1, as a JPEG of `size` (width, height).

    resample, reducing_gap: how PIL resizes a frame of another size.
    """
    from PIL import Image

    image = Image.fromarray((np.clip(frame, 0, 1) * 255 + 0.5).astype(np.uint8))
    if image.size != size:
        image = image.resize(size, resample, reducing_gap=reducing_gap)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()
