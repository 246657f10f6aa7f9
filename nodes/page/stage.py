"""What the mask painter shows below the masks: the frames of a clip, as JPEGs in the host's temp folder.

A stage is a folder named by the hash of its content, `fulldit/stage_<hash>`, with the files 00000.jpg, 00001.jpg, ...;
the page gets them one by one, by the host's /view route, as it needs them.
"""

from __future__ import annotations

import hashlib
import re
import weakref
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from ...control.errors import UserError
from ..sockets.arrays import to_images
from .temporary import FOLDER, jpeg, store, temporary_file

SIDE, QUALITY = 1280, 86
NAME = re.compile(r"stage_[0-9a-f]{16}")
# The clip that was stored last, and its message: painting runs the node again and again over the same frames.
_last: tuple[weakref.ref, dict[str, Any]] | None = None


def save_stage(images: Any) -> dict[str, Any]:
    """Write the frames of an IMAGE; where they lie, as the page's message has it.

    {"stage": name, "subfolder", "type", "count": frames, "width", "height": of the clip, "shown": [width, height]}.
    """
    global _last
    if _last is not None and _last[0]() is images and _file(_last[1]["stage"], _last[1]["count"] - 1).is_file():
        return _last[1]
    frames = to_images(images, "images")
    with ThreadPoolExecutor(2) as pool:
        files = list(pool.map(_jpeg, frames))
    name = "stage_" + hashlib.sha256(b"".join(hashlib.sha256(data).digest() for data in files)).hexdigest()[:16]
    for number, data in enumerate(files):
        store(_name(name, number), data)
    height, width = frames.shape[1:3]
    message = {
        "stage": name,
        "subfolder": f"{FOLDER}/{name}",
        "type": "temp",
        "count": len(frames),
        "width": width,
        "height": height,
        "shown": list(_shown(width, height)),
    }
    try:
        _last = (weakref.ref(images), message)
    except TypeError:  # not everything can be referred to weakly
        _last = None
    return message


def open_stage(name: Any, size: tuple[int, int] | None = None, first: int = 0, last: int | None = None) -> np.ndarray:
    """The frames first..last of a stage (F, height, width, 3) as bytes, resized to `size` (height, width) if given.

    Raises UserError for a name that is none or a stage that is gone.
    """
    from PIL import Image

    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise UserError("The frames were not named as the painter names them: run the graph once more.")
    files = sorted(_file(name, 0).parent.glob("[0-9]*.jpg"))[first : None if last is None else last + 1]
    if not files:
        raise UserError("The frames are gone, as after a restart of ComfyUI: run the graph once to have them again.")
    frames = []
    for file in files:
        with Image.open(file) as image:
            image = image.convert("RGB")
            if size is not None and image.size != size[::-1]:
                image = image.resize(size[::-1], Image.Resampling.BOX)
            frames.append(np.asarray(image))
    return np.stack(frames)


def stage_size(name: Any) -> tuple[int, int]:
    """Height and width of a stage's images. Raises UserError as `open_stage` does."""
    from PIL import Image

    if not isinstance(name, str) or not NAME.fullmatch(name) or not _file(name, 0).is_file():
        raise UserError("The frames are gone, as after a restart of ComfyUI: run the graph once to have them again.")
    with Image.open(_file(name, 0)) as image:
        return image.size[::-1]


def _name(stage: str, number: int) -> str:
    return f"{stage}/{number:05}.jpg"


def _file(stage: str, number: int) -> Path:
    return temporary_file(_name(stage, number))


def _shown(width: int, height: int) -> tuple[int, int]:
    share = min(1.0, SIDE / max(width, height))
    return max(1, round(width * share)), max(1, round(height * share))


def _jpeg(frame: np.ndarray) -> bytes:
    """A frame (H, W, 3), 0..1, as JPEG whose longer side is at most SIDE."""
    from PIL import Image

    size = _shown(frame.shape[1], frame.shape[0])
    return jpeg(frame, size, QUALITY, resample=Image.Resampling.BICUBIC, reducing_gap=2.0)
