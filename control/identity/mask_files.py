"""Mask videos in files: a mask per frame of one object, as a video, a folder of images, one image, or an array.

`MASK_READERS` lists what is read, in the order in which it is tried.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ..clip_files import (
    ARRAY,
    FOLDER,
    VIDEO,
    ArrayFrames,
    ClipFile,
    Reader,
    choose_frames,
    choose_reader,
    fit_frames,
    is_image,
    pick_frames,
)
from ..fit import Fit
from ..media import read_mask
from .slots import check_range

MASK_IMAGE = Reader(
    "one mask for the whole clip (its alpha channel where one is in use)",
    is_image,
    lambda path: ClipFile(ArrayFrames(read_mask(path)[None]), still=True),
)
MASK_READERS: dict[str, Reader] = {"image": MASK_IMAGE, "array": ARRAY, "folder": FOLDER, "video": VIDEO}


def read_mask_video(
    path: str | os.PathLike[str], frames: int, height: int, width: int, fit: Fit, what: str = "the mask video"
) -> tuple[np.ndarray, list[str]]:
    """Return the masks (frames, height, width), float32 0..1, white = 1, of a file, and what was done to fit them.

    what: the name of the file in sentences. Raises UserError for a file that cannot be read, values outside 0..1, and
    what `fit` refuses.
    """
    file = Path(path).expanduser()
    what = f"{what} '{os.fspath(path)}'"
    clip = choose_reader(MASK_READERS, file).open(file)
    chosen, warnings = choose_frames(clip, frames, fit.time, what)
    masks = _checked(pick_frames(clip.frames, chosen), what)
    result, more = fit_frames(masks, frames, height, width, fit, what)
    return np.clip(result, 0, 1), [*clip.warnings, *warnings, *more]


def _checked(masks: Iterator[np.ndarray], what: str) -> Iterator[np.ndarray]:
    for mask in masks:
        check_range(mask, what)
        yield mask
