"""Masks in arrays and videos: white on black, or labels (labels.py), of which one object is taken."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..clip_files import ClipFile, Frames, VideoFrames, as_clip, open_array
from ..errors import UserError
from ..media import clip_notes, count_frames, to_gray
from .labels import MOST_LABEL, VOID, ColorCounter, FlatColors, choose, numbered_objects, refuse_choice

SAMPLE = 4000  # pixels of each frame that are looked at
HALF_STEP = 0.5 / 255  # a video whose brightest pixel is darker than this has its numbers in 16 bits
MOST_NUMBERS = 1000  # objects of an array


@dataclass(frozen=True, eq=False)
class ArrayMasks:
    """The masks (H, W), 0..1, of an array (F, H, W): its numbers by the largest, or where they are `number`."""

    array: np.ndarray
    largest: float = 1.0
    number: int | None = None

    def __len__(self) -> int:
        return len(self.array)

    def __iter__(self) -> Iterator[np.ndarray]:
        for frame in self.array:
            mask = frame / self.largest if self.number is None else frame == self.number
            yield np.asarray(mask, np.float32)


def open_array_masks(path: Path, choice: str | None) -> ClipFile:
    """Return the masks of a .npy or .npz file: bool, 0 to 1, 0 and 255, or labels (whole numbers).

    Raises UserError as `labels.choose` does, and for an array that cannot be read.
    """
    array = open_array(path)
    still = len(array) == 1
    numbers = _whole_numbers(array, path)
    if numbers is None or numbers <= {0, 1}:
        if choice not in (None, "1"):
            refuse_choice(str(path), choice)
        return as_clip(array) if numbers is None else ClipFile(ArrayMasks(array), still)
    bits = {"u1": 8, "u2": 16}.get(array.dtype.str[1:])
    objects = numbered_objects(numbers, bits)
    if objects is None:
        refuse_choice(str(path), choice)
        return ClipFile(ArrayMasks(array, float(np.iinfo(array.dtype).max)), still)
    return ClipFile(ArrayMasks(array, number=objects[choose(objects, str(path), choice)]), still)


def _whole_numbers(array: np.ndarray, path: Path) -> set[int] | None:
    """Return all numbers of an array, frame by frame; None where they are shares. Raises UserError for too many."""
    found: set[int] = set()
    for frame in array:
        values = np.unique(frame)
        if array.dtype.kind == "f" and not (
            np.isfinite(values).all() and (values == np.round(values)).all() and np.abs(values).max() <= MOST_LABEL[8]
        ):
            return None
        found |= {int(value) for value in values}
        if len(found) > MOST_NUMBERS or min(found) < 0:
            raise UserError(
                f"the array '{path}' holds {len(found)} numbers from {min(found)} to {max(found)} and more: masks are"
                " 0 to 1, 0 and 255, or a number for each object"
            )
    return found


@dataclass(frozen=True, eq=False)
class NumberMasks:
    """The masks of a video whose pixels are numbers: where they are `number`. scale: from 0..1 to numbers."""

    frames: Frames
    scale: float
    number: int

    def __len__(self) -> int:
        return len(self.frames)

    def __iter__(self) -> Iterator[np.ndarray]:
        for frame in self.frames:
            yield (np.round(to_gray(frame) * self.scale) == self.number).astype(np.float32)


@dataclass(frozen=True, eq=False)
class ColorMasks:
    """The masks of a video in a few flat colors: where the color at place `place` is the nearest."""

    frames: Frames
    colors: FlatColors
    place: int

    def __len__(self) -> int:
        return len(self.frames)

    def __iter__(self) -> Iterator[np.ndarray]:
        for frame in self.frames:
            yield (self.colors.codes(frame) == self.place).astype(np.float32)


def open_video_masks(path: Path, choice: str | None) -> ClipFile:
    """Return the masks of a video in white, or of one object where its pixels are labels. Raises as `labels.choose`."""
    count, notes = count_frames(path), clip_notes(path)
    frames = VideoFrames(path, count, color=True)
    counter, largest, numbers = ColorCounter(), 0.0, set[int]()
    for frame in frames:
        largest = max(largest, float(frame.max()))
        if frame.max() < HALF_STEP:
            numbers |= {int(value) for value in np.unique(np.round(to_gray(frame) * 65535))}
        elif largest * 255 <= MOST_LABEL[8]:
            numbers |= {int(value) for value in np.unique(np.round(to_gray(frame) * 255))}
        pixels = frame.reshape(-1, 3) * 255
        counter.add(pixels[:: max(1, len(pixels) // SAMPLE)])
    if 0 < largest * 255 <= MOST_LABEL[8]:
        scale = 65535.0 if largest < HALF_STEP else 255.0
        objects = numbered_objects(numbers, 8) or {}
        number = objects[choose(objects, str(path), choice)] if objects else VOID
        return ClipFile(NumberMasks(frames, scale, number), warnings=notes)
    colors = counter.flat_colors()
    if colors is not None:
        chosen = choose(colors.objects, str(path), colors.name_of(choice))
        return ClipFile(ColorMasks(frames, colors, colors.objects[chosen]), warnings=notes)
    refuse_choice(str(path), choice)
    return ClipFile(VideoFrames(path, count), warnings=notes)
