"""What the mask painter shows below the masks: the frames of a clip, as JPEGs in the host's temp folder.

A stage is a folder named by the hash of its content, `fulldit/stage_<hash>`, with the files 00000.jpg, 00001.jpg, ...;
the page gets them one by one, by the host's /view route, as it needs them. A last file, clip.json, holds the page's
message, so that a page that knows only the name gets all of it again.
"""

from __future__ import annotations

import hashlib
import json
import re
import weakref
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypedDict, TypeGuard, cast

import numpy as np

from ...control.errors import UserError
from ..sockets.arrays import to_images
from ..sockets.types import ImageTensor
from .temporary import FOLDER, store, temporary_file, to_jpeg

MAX_SIDE, JPEG_QUALITY = 1280, 86
STAGE_NAME = re.compile(r"stage_[0-9a-f]{16}")
CLIP = "clip.json"
GONE = (
    "The frames are gone from ComfyUI's temp folder, which every ComfyUI that starts on it empties: run the graph once"
    " to have them again."
)


class StageMessage(TypedDict):
    """The page's message. count: of frames. width, height: of the clip. shown: width and height of the JPEGs."""

    stage: str
    subfolder: str
    type: str
    count: int
    width: int
    height: int
    shown: list[int]


# The clip that was stored last, and its message: painting runs the node again and again over the same frames.
_last: tuple[weakref.ref[Any], StageMessage] | None = None


def save_stage(images: ImageTensor) -> StageMessage:
    """Write the frames of an IMAGE for the page."""
    global _last
    if _last is not None:
        clip, message = _last
        if clip() is images and all(_file(message["stage"], at).is_file() for at in range(message["count"])):
            return message
    message = _write(to_images(images, "images"))
    _last = (weakref.ref(images), message)
    return message


def find_stage(name: object) -> StageMessage | None:
    """Return the message of a stage that was stored by this or an earlier run of the host; None if it is gone."""
    if not _is_stage_name(name) or not _clip_file(name).is_file():
        return None
    return cast(StageMessage, json.loads(_clip_file(name).read_text(encoding="utf-8")))


def open_stage(
    name: object, size: tuple[int, int] | None = None, first: int = 0, last: int | None = None
) -> np.ndarray:
    """Return the frames first..last of a stage (F, H, W, 3) uint8, resized to `size` (height, width) unless None.

    Raises UserError for a name that the painter does not use, or a stage that is gone.
    """
    from PIL import Image

    if not _is_stage_name(name):
        raise UserError("The frames were not named as the painter names them: run the graph once more.")
    files = sorted(_file(name, 0).parent.glob("[0-9]*.jpg"))
    if not files:
        raise UserError(GONE)
    end = len(files) - 1 if last is None else last
    if not first <= end < len(files):
        raise UserError(f"Frames {first} to {end} were asked for, but there are the frames 0 to {len(files) - 1}.")
    files = files[first : end + 1]
    frames = []
    for file in files:
        with Image.open(file) as jpeg:
            frame = jpeg.convert("RGB")
        if size is not None and frame.size != size[::-1]:
            frame = frame.resize(size[::-1], Image.Resampling.BOX)
        frames.append(np.asarray(frame))
    return np.stack(frames)


def stage_size(name: object) -> tuple[int, int]:
    """Return the height and width of a stage's images. Raises UserError for a stage that is not there."""
    from PIL import Image

    if not _is_stage_name(name) or not _file(name, 0).is_file():
        raise UserError(GONE)
    with Image.open(_file(name, 0)) as image:
        return image.height, image.width


def _write(frames: np.ndarray) -> StageMessage:
    """Write frames (F, H, W, 3), 0..1, as a stage."""
    with ThreadPoolExecutor(2) as pool:
        jpegs = list(pool.map(_to_jpeg, frames))
    name = "stage_" + hashlib.sha256(b"".join(hashlib.sha256(data).digest() for data in jpegs)).hexdigest()[:16]
    for number, data in enumerate(jpegs):
        store(_file_name(name, number), data)
    height, width = frames.shape[1:3]
    message: StageMessage = {
        "stage": name,
        "subfolder": f"{FOLDER}/{name}",
        "type": "temp",
        "count": len(frames),
        "width": width,
        "height": height,
        "shown": list(_shown_size(width, height)),
    }
    store(f"{name}/{CLIP}", json.dumps(message).encode())
    return message


def _is_stage_name(name: object) -> TypeGuard[str]:
    return isinstance(name, str) and STAGE_NAME.fullmatch(name) is not None


def _file_name(stage: str, number: int) -> str:
    return f"{stage}/{number:05}.jpg"


def _file(stage: str, number: int) -> Path:
    return temporary_file(_file_name(stage, number))


def _clip_file(stage: str) -> Path:
    return temporary_file(f"{stage}/{CLIP}")


def _shown_size(width: int, height: int) -> tuple[int, int]:
    scale = min(1.0, MAX_SIDE / max(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))


def _to_jpeg(frame: np.ndarray) -> bytes:
    """Return a frame (H, W, 3), 0..1, as a JPEG whose longer side is at most MAX_SIDE."""
    from PIL import Image

    size = _shown_size(frame.shape[1], frame.shape[0])
    return to_jpeg(frame, size, JPEG_QUALITY, Image.Resampling.BICUBIC, reducing_gap=2.0)
