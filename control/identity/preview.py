"""Tracks as images for people: the identity map in the slots' colors, and the same laid over the video.

Shapes: F frames, H height, W width.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ..errors import UserError
from ..images import indices, resize
from .report import Named, track_report, whereabouts
from .slots import GRAY, SLOT_COLORS, check_range, slot_map

COLOR_NAMES = ("red", "green", "blue")


def slot_preview(
    slots: Sequence[Named | None],
    images: np.ndarray | None = None,
    opacity: float = 0.5,
    progress: Callable[[], object] | None = None,
) -> tuple[np.ndarray, np.ndarray, str]:
    """Who is where: the identity map (F, H, W, 3), the same over the video, and what to know about it, in lines.

    slots: a name and a track (F, h, w) for each slot, in order; None, or no track, where there is none. Size and number
    of frames are those of the first track. images: the video (N, H', W', 3), 0..1, under the second image, which has
    its size then; one image stands under every frame, and another number of frames is spread. Without images it is
    gray. Raises UserError where no slot has a track, for tracks of other lengths, and more slots than colors.
    """
    if len(slots) > len(SLOT_COLORS):
        raise UserError(f"{len(slots)} identities were given, but there are {len(SLOT_COLORS)} slots: leave some out")
    if not 0 <= opacity <= 1:
        raise UserError(f"the opacity is {opacity}; a number from 0 to 1 was expected")
    shown = {number: slot for number, slot in enumerate(slots) if slot is not None and slot.track is not None}
    if not shown:
        raise UserError("there is nothing to show: none of the slots has a track (a mask for every frame)")
    first = next(iter(shown.values()))
    frames, height, width = np.shape(first.track)
    warnings = []
    for slot in shown.values():
        check_range(slot.track, f"the track of '{slot.name}'")
        if len(slot.track) != frames:
            raise UserError(
                f"the track of '{slot.name}' has {len(slot.track)} frames, that of '{first.name}' {frames}: tracks of"
                f" one video have the same length"
            )
        if slot.track.shape != first.track.shape:
            warnings.append(
                f"The track of '{slot.name}' is {slot.track.shape[2]}x{slot.track.shape[1]}, that of '{first.name}'"
                f" {width}x{height}: it was stretched to this."
            )
    painted = slot_map([slot if slot is None else slot.track for slot in slots], frames, height, width)
    if images is None:
        images, size = np.full((1, 1, 1, 3), GRAY, np.float32), (height, width)
    else:
        check_range(images, "the video")
        size = images.shape[1:3]
        if len(images) not in (1, frames):
            warnings.append(
                f"The video has {len(images)} frames, the tracks {frames}: its frames are spread over them."
            )
        if abs(size[1] * height / (size[0] * width) - 1) > 0.02:
            warnings.append(f"Tracks of {width}x{height} are stretched over a video of {size[1]}x{size[0]}.")
    over = np.empty((frames, *size, 3), np.float32)
    for number, under in enumerate(indices(len(images), frames)):
        colors = np.clip(resize(painted[number], *size), 0, 1)
        # The colors share no channel: their sum is how much of a pixel they cover.
        cover = np.minimum(1, colors.sum(-1, keepdims=True))
        over[number] = np.clip(images[under] * (1 - opacity * cover) + opacity * colors, 0, 1)
        if progress is not None:
            progress()
    return (
        painted,
        over,
        "\n".join([*_lines(slots, frames, height, width), *warnings, *track_report([*shown.values()])]),
    )


def sheet(images: np.ndarray, most: int = 6, columns: int = 3, cell: int = 240, gap: int = 6) -> np.ndarray:
    """Up to `most` frames of a clip (F, H, W, 3), evenly taken, in rows of `columns`, each about `cell` wide."""
    chosen = sorted(set(indices(len(images), min(most, len(images))).tolist()))
    columns = min(columns, len(chosen))
    height = max(1, round(cell * images.shape[1] / images.shape[2]))
    rows = -(-len(chosen) // columns)
    page = np.zeros((rows * (height + gap) - gap, columns * (cell + gap) - gap, 3), np.float32)
    for place, number in enumerate(chosen):
        top, left = place // columns * (height + gap), place % columns * (cell + gap)
        page[top : top + height, left : left + cell] = np.clip(resize(images[number], height, cell), 0, 1)
    return page


def _lines(slots: Sequence[Named | None], frames: int, height: int, width: int) -> list[str]:
    lines = [f"{frames} frame{'s' * (frames != 1)} of {width}x{height}."]
    for color, slot in zip(COLOR_NAMES, slots, strict=False):
        if slot is not None:
            where = "without a track: the model places it" if slot.track is None else whereabouts(slot.track)
            lines.append(f"{color}: '{slot.name}', {where}.")
    return lines
