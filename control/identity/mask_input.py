"""Masks as people give them: of another size than the image, at frames named in a text."""

from __future__ import annotations

import re

import numpy as np

from ..errors import UserError
from ..images import resize
from .report import spans
from .slots import check_range

# So much may a mask's proportions differ from those of its image: what rounding a size does.
BENT = 0.02


def fitted_mask(mask: np.ndarray, height: int, width: int, what: str, image: str) -> np.ndarray:
    """A mask (h, w) at the size of its image, float32 0..1. Raises UserError, calling them `what` and `image`,
    where the mask has other proportions or holds anything but 0..1.
    """
    mask = np.asarray(mask, np.float32)
    if mask.ndim != 2 or min(mask.shape) < 1:
        raise UserError(f"{what} has shape {mask.shape}; (height, width) was expected")
    check_range(mask, what)
    if mask.shape != (height, width):
        # A side may be off by a pixel whatever the proportions.
        bent = abs(mask.shape[1] * height / (mask.shape[0] * width) - 1)
        if bent > max(BENT, 1 / min(*mask.shape, height, width)):
            raise UserError(
                f"{what} is {mask.shape[0]}x{mask.shape[1]} (height x width), {image} {height}x{width}: it cannot"
                f" belong to it. Give the mask of this image. (Load Image gives an empty 64x64 mask for an image"
                f" without transparency.)"
            )
        mask = resize(mask, height, width)
    return np.clip(mask, 0, 1)


def frame_numbers(text: str, frames: int) -> list[int]:
    """The frames that a text such as "0, 12, 24" names, in its order; -1 is the last frame, -2 the one before.

    Raises UserError for what is no whole number, a frame that is not there, or one that is named twice.
    """
    numbers = []
    for number in _whole_numbers(text, "frame", "0, 12"):
        if not -frames <= number < frames:
            raise UserError(f"frame {number} was named, but the video has the frames 0 to {frames - 1}")
        numbers.append(number % frames)
    return _once(numbers, "frame")


def object_numbers(text: str, count: int, most: int) -> list[int]:
    """The objects that a text such as "2, 0" names, in its order: at most `most` of the objects 0 to `count` - 1.

    Raises UserError for what is no whole number, an object that is not there, or one that is named twice.
    """
    numbers = _once(_whole_numbers(text, "object", "2, 0"), "object")
    for number in numbers:
        if not 0 <= number < count:
            there = f"are the objects 0 to {count - 1}" if count > 1 else "is object 0 only" if count else "is none"
            raise UserError(f"object {number} was asked for, but there {there}")
    if len(numbers) > most:
        raise UserError(f"{len(numbers)} objects were named, but there are {most} slots: leave some out")
    return numbers


def _whole_numbers(text: str, what: str, example: str) -> list[int]:
    parts = [part for part in re.split(r"[\s,;]+", text.strip()) if part]
    for part in parts:
        if not re.fullmatch(r"[-+]?\d{1,9}", part):
            raise UserError(
                f"'{part}' is no {what}: whole numbers with commas between them were expected, as in {example}"
            )
    return [int(part) for part in parts]


def _once(numbers: list[int], what: str) -> list[int]:
    for place, number in enumerate(numbers):
        if number in numbers[:place]:
            raise UserError(f"{what} {number} was named twice: name each {what} once")
    return numbers


def masks_at(
    masks: np.ndarray, at: str, frames: int, height: int, width: int
) -> tuple[dict[int, np.ndarray], list[str]]:
    """Which frame of a video of `frames` frames each of the masks (N, h, w) stands at, and warnings in sentences.

    `at` names the frames: one for each mask, or some of as many masks as the video has frames. Empty, one mask stands
    at frame 0, and of as many masks as frames all that are not black stand where they are. Masks come out as
    (height, width). Raises UserError for other numbers of masks, other proportions, and where all are black.
    """
    numbers = frame_numbers(at, frames)
    count = len(masks)
    warnings = []
    white = np.array([mask.max() > 0.5 for mask in masks])
    if not white.any():
        raise UserError(
            f"{'the mask is' if count == 1 else f'all {count} masks are'} black: paint the thing white in at least one"
        )
    if numbers and count == len(numbers):
        chosen = dict(zip(numbers, range(count), strict=True))
    elif numbers and count == frames:
        chosen = {number: number for number in numbers}
        if not white[numbers].any():
            raise UserError(
                f"the mask at frame {spans(np.sort(numbers))} is black, those at {spans(np.flatnonzero(white))} are"
                f" not: name these frames, or leave 'at' empty to use all that are not black"
            )
        unused = sorted(set(np.flatnonzero(white).tolist()) - set(numbers))
        if unused:
            warnings.append(
                f"Of {count} masks, those at frame {spans(np.sort(numbers))} were used, as 'at' names them."
            )
    elif not numbers and count == 1:
        chosen = {0: 0}
    elif not numbers and count == frames:
        chosen = {int(number): int(number) for number in np.flatnonzero(white)}
    else:
        named = f"'at' names {len(numbers)} frame{'s' * (len(numbers) != 1)}" if numbers else "'at' is empty"
        raise UserError(
            f"{count} mask{'s' * (count != 1)} came, {named}, and the video has {frames} frames: give a mask for each"
            f" frame that 'at' names, or one for every frame of the video"
        )
    if masks.shape[1:] != (height, width):
        warnings.append(f"The masks were resized from {masks.shape[2]}x{masks.shape[1]} to {width}x{height}.")
    return {
        number: fitted_mask(masks[place], height, width, f"the mask at frame {number}", "the video")
        for number, place in sorted(chosen.items())
    }, warnings
