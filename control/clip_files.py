"""Clips in files, frame by frame: NumPy arrays, single images, folders of images, videos.

`ARRAY`, `IMAGE`, `FOLDER` and `VIDEO` are the readers of clips of one number per pixel. What a file is decides which of
them reads it: masks choose in `identity/mask_files.py`, depth in `depth/readers.py`. `open_color_clip` opens clips in
color. Frames are (H, W), or in color (H, W, 3), float32, read anew each time they are iterated, so that a long clip
need not be in memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np

from .array_files import map_array, read_archive
from .errors import UserError
from .files import existing, is_folder
from .fit import Fit, TimeFit, fit_indices, fit_size
from .limits import check_pixels
from .media import IMAGES, clip_notes, count_frames, iterate_video, read_image, to_gray

# The arrays of a .npz file that are taken for its clip where it holds others too.
CLIP_NAMES = ("masks", "mask", "depth", "depths")


class Frames(Protocol):
    """Frames (H, W) or (H, W, 3) of a clip, as often as they are iterated."""

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[np.ndarray]: ...


@dataclass(frozen=True)
class ClipFile:
    """A clip as its file has it.

    frames: (H, W) or (H, W, 3) float32 each. still: one image, which holds for a whole clip. kind: what the numbers
    are, for depth (see `depth.normalize_depth`). warnings: sentences.
    """

    frames: Frames
    still: bool = False
    kind: str = "auto"
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Reader:
    """One kind of file: what it is in words, how it is recognized, and what opens it."""

    description: str
    matches: Callable[[Path], bool]
    open: Callable[[Path], ClipFile]


class _Matching(Protocol):
    @property
    def matches(self) -> Callable[[Path], bool]: ...


R = TypeVar("R", bound=_Matching)


def choose_reader(readers: Mapping[str, R], path: Path) -> R:
    """Return the first reader that recognizes a file or folder; the last takes everything."""
    return next(reader for reader in readers.values() if reader.matches(path))


@dataclass(frozen=True, eq=False)
class ArrayFrames:
    """The frames of an array (F, H, W) or (F, H, W, 3), which may be one that is mapped from a file."""

    array: np.ndarray

    def __len__(self) -> int:
        return len(self.array)

    def __iter__(self) -> Iterator[np.ndarray]:
        for frame in self.array:
            yield np.asarray(frame, np.float32)


@dataclass(frozen=True)
class VideoFrames:
    """The frames of a video or a folder of images, decoded anew at each iteration; gray, or in color as they are."""

    path: Path
    count: int
    color: bool = False

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[np.ndarray]:
        shape = None
        for number, image in enumerate(iterate_video(self.path)):
            shape = shape or image.shape
            if image.shape != shape:
                raise UserError(
                    f"frame {number} of '{self.path}' has another size than the first: give frames of one size"
                )
            yield image if self.color else to_gray(image)


def is_image(path: Path) -> bool:
    """Return whether the ending is that of an image file."""
    return path.suffix.lower() in IMAGES and not is_folder(path)


def open_array(path: Path) -> np.ndarray:
    """Return the numbers (F, H, W) of a .npy file, or of a .npz file that holds one array, or one of CLIP_NAMES.

    Raises UserError for an array of another shape or kind, and for a file that is truncated or not an array.
    """
    existing(path, "array")
    try:
        array = _read_packed(path) if path.suffix.lower() == ".npz" else map_array(path)
    except UserError as error:
        raise UserError(f"the array '{path}' cannot be read: {error.clause}") from error
    if array.ndim == 2:  # one image
        array = array[None]
    if array.ndim == 4 and 1 in (array.shape[1], array.shape[3]):  # a channel of its own, as torch and NumPy have it
        array = array[:, 0] if array.shape[1] == 1 else array[..., 0]
    if array.ndim != 3 or not array.size:
        raise UserError(f"the array '{path}' has shape {array.shape}; (frames, height, width) was expected")
    check_pixels(array.shape[1], array.shape[2], f"a frame of the array '{path}'")
    return array


def as_clip(array: np.ndarray) -> ClipFile:
    """Return an array (F, H, W) as a clip; one frame holds for a whole clip."""
    return ClipFile(ArrayFrames(array), still=len(array) == 1)


def _read_packed(path: Path) -> np.ndarray:
    """Return the array of a .npz file. Raises UserError where it holds several, and none has a name of CLIP_NAMES."""
    arrays = read_archive(path)
    named = [name for name in CLIP_NAMES if name in arrays]
    if len(arrays) > 1 and not named:
        raise UserError(f"it holds the arrays {', '.join(list(arrays)[:8])}: keep one, or call it 'masks' or 'depth'")
    return arrays[named[0]] if named else next(iter(arrays.values()))


def _open_video(path: Path) -> ClipFile:
    return ClipFile(VideoFrames(path, count_frames(path)), warnings=clip_notes(path))


ARRAY = Reader(
    "a NumPy array .npy or .npz (frames, height, width)",
    lambda path: path.suffix.lower() in (".npy", ".npz"),
    lambda path: as_clip(open_array(path)),
)
IMAGE = Reader(
    "one image for the whole clip",
    is_image,
    lambda path: ClipFile(ArrayFrames(to_gray(read_image(path))[None]), still=True),
)
FOLDER = Reader("a folder of images", is_folder, _open_video)
VIDEO = Reader("a video", lambda path: True, _open_video)


def open_color_clip(path: Path) -> ClipFile:
    """Return a clip in color: a video, a folder of images, or one image for the whole clip (its alpha is dropped).

    Raises UserError for a missing, truncated or foreign file.
    """
    if is_image(path):
        return ClipFile(ArrayFrames(read_image(path)[None, ..., :3]), still=True)
    return ClipFile(VideoFrames(path, count_frames(path), color=True), warnings=clip_notes(path))


# ---- to the length and size of the video -----------------------------------------------------------------------------


def choose_frames(clip: ClipFile, frames: int, fit: TimeFit, what: str) -> tuple[np.ndarray, list[str]]:
    """Return which of a clip's frames stand at each of the video's `frames` (frames,), and warnings.

    A still image stands at all of them, whatever the fit. Raises UserError as `fit_indices` does.
    """
    if clip.still:
        said = f"{what[:1].upper()}{what[1:]} is one image: it holds for all {frames} frames."
        return np.zeros(frames, int), [said] if frames > 1 else []
    return fit_indices(len(clip.frames), frames, fit, what)


def pick_frames(frames: Iterable[np.ndarray], chosen: np.ndarray) -> Iterator[np.ndarray]:
    """Yield the frames of ascending numbers `chosen`, some perhaps several times. Reads all frames to their end."""
    counts = np.bincount(chosen)
    for number, frame in enumerate(frames):
        for _ in range(counts[number] if number < len(counts) else 0):
            yield frame


def fit_frames(
    frames: Iterable[np.ndarray],
    count: int,
    height: int,
    width: int,
    fit: Fit,
    what: str,
    channels: tuple[int, ...] = (),
) -> tuple[np.ndarray, list[str]]:
    """Return `count` frames (H, W, *channels) of one size as (count, height, width, *channels) float32, and warnings.

    They are fitted as `fit_size` does.
    """
    result = np.empty((count, height, width, *channels), np.float32)
    warnings: list[str] = []
    for number, frame in enumerate(frames):
        fitted, warnings = fit_size(frame[None], height, width, fit.space, what)
        result[number] = fitted[0]
    return result, warnings
