"""Masklets as images for people: the identity map in the slots' colors, and the same laid over the video.

Shapes: F frames, H height, W width.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ..errors import UserError
from ..fit import SAME_ASPECT
from ..images import indices, resize
from .report import Named, NamedMasklet, describe_presence, masklet_report
from .slots import GRAY, SLOT_COLORS, check_range, slot_map

COLOR_NAMES = ("red", "green", "blue")


def render_preview(
    slots: Sequence[Named | None],
    images: np.ndarray | None = None,
    opacity: float = 0.5,
    progress: Callable[[], object] | None = None,
) -> tuple[np.ndarray, np.ndarray, str]:
    """Render who is where: the identity map (F, H, W, 3), the same over the video, and a report in lines.

    slots: a name and a masklet (F, h, w) for each slot, in order; None, or no masklet, where there is none. Size and
    number of frames are those of the first masklet. images: the video (N, H', W', 3), 0..1, under the second image,
    which has its size then; one image lies under every frame, and another number of frames is spread. Without images
    the background is gray. Raises UserError where no slot has a masklet, for masklets of other lengths, and more slots
    than colors.
    """
    if len(slots) > len(SLOT_COLORS):
        raise UserError(
            f"{len(slots)} identities were connected, but there are {len(SLOT_COLORS)} slots: leave some out"
        )
    if not 0 <= opacity <= 1:
        raise UserError(f"the opacity is {opacity}; a number from 0 to 1 was expected")
    masklets = [None if slot is None else slot.mask_video for slot in slots]
    shown = [
        (slot.name, masklet)
        for slot, masklet in zip(slots, masklets, strict=True)
        if slot is not None and masklet is not None
    ]
    if not shown:
        raise UserError("there is nothing to show: none of the slots has a track (a mask for every frame)")
    frames, height, width = shown[0][1].shape
    warnings = _check_alike(shown)
    painted = slot_map(masklets, frames, height, width)
    if images is None:
        images, size = np.full((1, 1, 1, 3), GRAY, np.float32), (height, width)
    else:
        check_range(images, "the video")
        size = images.shape[1], images.shape[2]
        warnings += _compare_video(images, frames, height, width)
    over = _overlay(painted, images, size, opacity, progress)
    named = [NamedMasklet(name, masklet) for name, masklet in shown]
    report = "\n".join([*_describe_slots(slots, frames, height, width), *warnings, *masklet_report(named)])
    return painted, over, report


def _check_alike(shown: Sequence[tuple[str, np.ndarray]]) -> list[str]:
    """Return warnings about masklets of other sizes than the first. Raises UserError for another length or range."""
    warnings = []
    first_name, first = shown[0]
    frames, height, width = first.shape
    for name, masklet in shown:
        check_range(masklet, f"the track of '{name}'")
        if len(masklet) != frames:
            raise UserError(
                f"the track of '{name}' has {len(masklet)} frames, that of '{first_name}' {frames}: connect tracks of"
                f" one video, of the same length"
            )
        if masklet.shape != first.shape:
            warnings.append(
                f"The track of '{name}' is {masklet.shape[2]}x{masklet.shape[1]}, that of '{first_name}'"
                f" {width}x{height}: it was stretched to this."
            )
    return warnings


def _compare_video(images: np.ndarray, frames: int, height: int, width: int) -> list[str]:
    """Return warnings about a video of another length or other proportions than the masklets."""
    warnings = []
    own_height, own_width = images.shape[1:3]
    if len(images) not in (1, frames):
        warnings.append(f"The video has {len(images)} frames, the tracks {frames}: its frames are spread over them.")
    if abs(own_width * height / (own_height * width) - 1) > SAME_ASPECT:
        warnings.append(f"Tracks of {width}x{height} are stretched over a video of {own_width}x{own_height}.")
    return warnings


def _overlay(
    painted: np.ndarray,
    images: np.ndarray,
    size: tuple[int, int],
    opacity: float,
    progress: Callable[[], object] | None,
) -> np.ndarray:
    """Return the identity map (F, h, w, 3) laid over images (N, ...) spread over its frames, at `size`."""
    over = np.empty((len(painted), *size, 3), np.float32)
    for number, under in enumerate(indices(len(images), len(painted))):
        colors = np.clip(resize(painted[number], *size), 0, 1)
        # The colors share no channel: their sum is how much of a pixel they cover.
        cover = np.minimum(1, colors.sum(-1, keepdims=True))
        over[number] = np.clip(images[under] * (1 - opacity * cover) + opacity * colors, 0, 1)
        if progress is not None:
            progress()
    return over


def _describe_slots(slots: Sequence[Named | None], frames: int, height: int, width: int) -> list[str]:
    lines = [f"{frames} frame{'s' * (frames != 1)} of {width}x{height}."]
    for color, slot in zip(COLOR_NAMES, slots, strict=False):
        if slot is not None:
            presence = (
                "without a track: the model places it"
                if slot.mask_video is None
                else describe_presence(slot.mask_video)
            )
            lines.append(f"{color}: '{slot.name}', {presence}.")
    return lines


def tile_frames(images: np.ndarray, most: int = 6, columns: int = 3, cell: int = 240, gap: int = 6) -> np.ndarray:
    """Return up to `most` frames of a clip (F, H, W, 3), evenly taken, as one image of full rows, `columns` at most."""
    count = min(most, len(images))
    while count > columns and not _row_length(count, columns):
        count -= 1  # 5 frames would leave a cell empty: 4 are shown
    chosen = sorted(set(indices(len(images), count).tolist()))
    columns = _row_length(len(chosen), columns) or len(chosen)
    height = max(1, round(cell * images.shape[1] / images.shape[2]))
    rows = -(-len(chosen) // columns)
    page = np.zeros((rows * (height + gap) - gap, columns * (cell + gap) - gap, 3), np.float32)
    for place, number in enumerate(chosen):
        top, left = place // columns * (height + gap), place % columns * (cell + gap)
        page[top : top + height, left : left + cell] = np.clip(resize(images[number], height, cell), 0, 1)
    return page


def _row_length(count: int, columns: int) -> int:
    """Return the most columns, but at least 2, that `count` cells fill without a rest; 0 if there are none."""
    return next((length for length in range(min(columns, count), 1, -1) if count % length == 0), 0)
