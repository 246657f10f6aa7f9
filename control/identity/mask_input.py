"""Masks as people connect them: of another size than the image, at frames named in a text."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from ..errors import UserError
from ..fit import SAME_ASPECT
from ..images import resize
from ..ranges import format_ranges
from .slots import check_range

# A mask marks the background where so much of the image's edge is white, and so much of the image is not.
BACKGROUND_EDGE, BACKGROUND_HOLE = 0.9, 0.01


def fit_mask(mask: np.ndarray, height: int, width: int, what: str, image: str) -> np.ndarray:
    """Return a mask (h, w) at the size of its image, float32 0..1.

    Raises UserError, calling them `what` and `image`, where the mask has other proportions or holds anything but 0..1.
    """
    mask = np.asarray(mask, np.float32)
    if mask.ndim != 2 or min(mask.shape) < 1:
        raise UserError(f"{what} has shape {mask.shape}; (height, width) was expected")
    check_range(mask, what)
    if mask.shape != (height, width):
        # A side may be off by a pixel whatever the proportions.
        deviation = abs(mask.shape[1] * height / (mask.shape[0] * width) - 1)
        if deviation > max(SAME_ASPECT, 1 / min(*mask.shape, height, width)):
            raise UserError(
                f"{what} is {mask.shape[0]}x{mask.shape[1]} (height x width), {image} {height}x{width}: it cannot"
                f" belong to it. Connect the mask of this image. (Load Image gives an empty 64x64 mask for an image"
                f" without transparency.)"
            )
        mask = resize(mask, height, width)
    result: np.ndarray = np.clip(mask, 0, 1)
    return result


def inverted_mask_warning(mask: np.ndarray | None, what: str) -> list[str]:
    """Return a warning where a mask (H, W) seems to mark the background, as that of the host's Load Image does.

    Such a mask is white along nearly all of the image's edge, and has a hole where the object is.
    """
    if mask is None:
        return []
    white = np.asarray(mask) > 0.5
    edge = np.concatenate([white[0], white[-1], white[:, 0], white[:, -1]])
    if edge.mean() < BACKGROUND_EDGE or white.mean() > 1 - BACKGROUND_HOLE:
        return []
    return [
        f"{what[:1].upper()}{what[1:]} is white along the edge of the image and black within, as masks of a background"
        " are: switch invert_mask (on for the MASK of Load Image), or invert the file."
    ]


def parse_frame_numbers(text: str, frames: int) -> list[int]:
    """Return the frames that a text such as "0, 12, 24" names, in its order; -1 is the last frame, -2 the one before.

    Raises UserError for anything but whole numbers, a frame that is not there, or one that is named twice.
    """
    numbers = []
    for number in _parse_whole_numbers(text, "a frame", "0, 12"):
        if not -frames <= number < frames:
            raise UserError(f"frame {number} was named, but the video has the frames 0 to {frames - 1}")
        numbers.append(number % frames)
    _check_unique(numbers, "frame")
    return numbers


def parse_object_numbers(text: str, count: int, most: int) -> list[int]:
    """Return the objects that a text such as "2, 0" names, in its order: at most `most` of 0 to `count` - 1.

    Raises UserError for anything but whole numbers, an object that is not there, or one that is named twice.
    """
    numbers = _parse_whole_numbers(text, "an object", "2, 0")
    _check_unique(numbers, "object")
    for number in numbers:
        if not 0 <= number < count:
            present = f"are the objects 0 to {count - 1}" if count > 1 else "is object 0 only" if count else "is none"
            raise UserError(f"object {number} was asked for, but there {present}")
    if len(numbers) > most:
        raise UserError(f"{len(numbers)} objects were named, but there are {most} slots: leave some out")
    return numbers


def _parse_whole_numbers(text: str, what: str, example: str) -> list[int]:
    parts = [part for part in re.split(r"[\s,;]+", text.strip()) if part]
    for part in parts:
        if not re.fullmatch(r"[-+]?\d{1,9}", part):
            raise UserError(
                f"'{part}' is not {what}: whole numbers with commas between them were expected, as in {example}"
            )
    return [int(part) for part in parts]


def _check_unique(numbers: Sequence[int], what: str) -> None:
    for index, number in enumerate(numbers):
        if number in numbers[:index]:
            raise UserError(f"{what} {number} was named twice: name each {what} once")


def masks_by_frame(
    masks: np.ndarray, at: str, frames: int, height: int, width: int
) -> tuple[dict[int, np.ndarray], list[str]]:
    """Return the masks (N, h, w) by the frame of the video that each belongs to, as (height, width), and warnings.

    `at` names the frames: one for each mask, or some of as many masks as the video has frames. Where `at` is empty, one
    mask belongs to frame 0, and of as many masks as frames all that are not black belong to their own frames. Raises
    UserError for other numbers of masks, other proportions, and where all are black.
    """
    white = np.array([mask.max() > 0.5 for mask in masks])
    if not white.any():
        subject = "the mask is" if len(masks) == 1 else f"all {len(masks)} masks are"
        raise UserError(f"{subject} black: paint the object white in at least one")
    sources, warnings = _sources_by_frame(parse_frame_numbers(at, frames), white, frames)
    if masks.shape[1:] != (height, width):
        warnings.append(f"The masks were resized from {masks.shape[2]}x{masks.shape[1]} to {width}x{height}.")
    return {
        frame: fit_mask(masks[source], height, width, f"the mask at frame {frame}", "the video")
        for frame, source in sorted(sources.items())
    }, warnings


def _sources_by_frame(named: list[int], white: np.ndarray, frames: int) -> tuple[dict[int, int], list[str]]:
    """Return which of the masks (white (N,): whether each has a white pixel) belongs to each frame, and warnings."""
    count = len(white)
    if named and count == len(named):
        return dict(zip(named, range(count), strict=True)), []
    if named and count == frames:
        return {number: number for number in named}, _check_named(named, white)
    if not named and count == 1:
        return {0: 0}, []
    if not named and count == frames:
        return {int(number): int(number) for number in np.flatnonzero(white)}, []
    names = f"'at' names {len(named)} frame{'s' * (len(named) != 1)}" if named else "'at' is empty"
    raise UserError(
        f"{count} mask{'s' * (count != 1)} came, {names}, and the video has {frames} frames: connect a mask for each"
        f" frame that 'at' names, or one for every frame of the video"
    )


def _check_named(named: list[int], white: np.ndarray) -> list[str]:
    """Return a warning where `named` leaves masks out. Raises UserError where all that it names are black."""
    if not white[named].any():
        raise UserError(
            f"the mask at frame {format_ranges(np.sort(named))} is black, those at"
            f" {format_ranges(np.flatnonzero(white))} are not: name these frames, or leave 'at' empty to use all that"
            f" are not black"
        )
    if set(np.flatnonzero(white).tolist()) <= set(named):
        return []
    return [f"Of {len(white)} masks, those at frame {format_ranges(np.sort(named))} were used, as 'at' names them."]
