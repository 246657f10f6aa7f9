"""Mask videos in files: a mask per frame of one object, as a video, a folder of images, one image, or an array.

`MASK_READERS` lists what is read, in the order in which it is tried.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..clip_files import (
    ARRAY,
    FOLDER,
    VIDEO,
    ClipFile,
    choose_frames,
    choose_reader,
    fit_frames,
    is_image,
    pick_frames,
)
from ..fit import Fit
from ..media import clip_notes, images_in
from .labels import split_choice
from .mask_clips import open_array_masks, open_video_masks
from .mask_images import open_mask_images
from .slots import check_range


@dataclass(frozen=True)
class MaskReader:
    """One kind of file. open: the masks in a file, of the object that is chosen behind its name, if one is."""

    description: str
    matches: Callable[[Path], bool]
    open: Callable[[Path, str | None], ClipFile]


def _open_image(path: Path, choice: str | None) -> ClipFile:
    return ClipFile(open_mask_images([path], str(path), choice), still=True)


def _open_folder(path: Path, choice: str | None) -> ClipFile:
    return ClipFile(open_mask_images(images_in(path), str(path), choice), warnings=clip_notes(path))


MASK_READERS: dict[str, MaskReader] = {
    "image": MaskReader(
        "one mask for the whole clip: white, an alpha channel in use, or labels", is_image, _open_image
    ),
    "array": MaskReader(f"{ARRAY.description}: 0 to 1, 0 and 255, or labels", ARRAY.matches, open_array_masks),
    "folder": MaskReader("a folder of masks: white, an alpha channel in use, or labels", FOLDER.matches, _open_folder),
    "video": MaskReader("a video: white, or labels as numbers or flat colors", VIDEO.matches, open_video_masks),
}


def read_mask_video(
    path: str | os.PathLike[str], frames: int, height: int, width: int, fit: Fit, what: str = "the mask video"
) -> tuple[np.ndarray, list[str]]:
    """Return the masks (frames, height, width), float32 0..1, white = 1, of a file, and what was done to fit them.

    what: the name of the file in sentences. Raises UserError for a file that cannot be read, values outside 0..1, and
    what `fit` refuses.
    """
    file, choice = split_choice(path)
    what = f"{what} '{os.fspath(path)}'"
    clip = choose_reader(MASK_READERS, file).open(file, choice)
    chosen, warnings = choose_frames(clip, frames, fit.time, what)
    masks = _checked(pick_frames(clip.frames, chosen), what)
    result, more = fit_frames(masks, frames, height, width, fit, what)
    return np.clip(result, 0, 1), [*clip.warnings, *warnings, *more]


def _checked(masks: Iterator[np.ndarray], what: str) -> Iterator[np.ndarray]:
    for mask in masks:
        check_range(mask, what)
        yield mask
