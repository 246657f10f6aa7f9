"""SAM3_TRACK_DATA of core's Run SAM3 Video Track, as masks per frame.

A dict: packed_masks, a uint8 tensor (F, N, H, W // 8) with eight pixels a byte, lowest bit first, or None if no object
was found; n_frames; scores, one per object; orig_size, (height, width) of the video. H and W are SAM's own (square).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...control.errors import UserError
from ...control.identity.mask_input import parse_object_numbers
from ...control.identity.objects import masklets_from_objects, objects_report
from ...control.identity.slots import SLOTS
from ...control.limits import check_pixels
from .arrays import describe_value
from .types import TensorDict

MOST_TRACK = 2**33  # pixels of all frames together: a quarter of an hour of 480p


@dataclass(frozen=True, eq=False)
class Sam3Objects:
    """masks: (F, N, H, W // 8) uint8, packed, or None for no object. frames: F. size: (height, width) of the video.
    scores: one per object."""

    masks: np.ndarray | None
    frames: int
    size: tuple[int, int]
    scores: tuple[float, ...]


def read_sam3_track(data: TensorDict) -> Sam3Objects:
    """Return the objects of a SAM3_TRACK_DATA. Without orig_size the video has the size of SAM's masks.

    Raises UserError for anything else.
    """
    if not isinstance(data, Mapping) or "packed_masks" not in data:
        raise UserError(
            f"The track holds {describe_value(data)} and no packed_masks: connect the output of Run SAM3 Video Track."
        )
    masks = _packed_masks(data)
    frames = data.get("n_frames", 0) if masks is None else len(masks)
    size: Any = data.get("orig_size") or (None if masks is None else (masks.shape[2], 8 * masks.shape[3]))
    scores = data.get("scores") or ()
    sized = _are_numbers(size) and len(size) == 2 and all(1 <= side < math.inf for side in size)
    if not (isinstance(frames, int) and frames >= 1 and sized):
        raise UserError(
            "The track says neither how many frames nor how large: connect the output of Run SAM3 Video Track."
        )
    check_pixels(int(size[0]), int(size[1]), "the video of the track")
    if frames * size[0] * size[1] > MOST_TRACK:
        raise UserError(
            f"The track says that it has {frames} frames of {size[1]}x{size[0]}, more than any video: connect the"
            f" output of Run SAM3 Video Track."
        )
    if not _are_numbers(scores):
        raise UserError("The scores of the track are no numbers: connect the output of Run SAM3 Video Track.")
    has_objects = masks is not None and masks.size
    return Sam3Objects(masks if has_objects else None, frames, (int(size[0]), int(size[1])), tuple(scores))


def _are_numbers(values: object) -> bool:
    """Whether a value is a list or tuple of numbers."""
    kinds = (int, float)
    return isinstance(values, (list, tuple)) and all(isinstance(one, kinds) for one in values)


def object_tracks(
    sam3: Sam3Objects, order: str = "given", objects: str = "", on_frame: Callable[[], object] | None = None
) -> tuple[list[np.ndarray], str]:
    """Return a mask per frame (F, H, W) for each of SLOTS slots, all zero for an empty slot, and a report in lines.

    order: as `masklets_from_objects` takes it. objects: numbers in a text such as "2, 0", which take precedence over
    `order`. on_frame is called after each frame. Raises UserError for numbers that are not objects.
    """
    tracks: list[np.ndarray] = []
    if sam3.masks is None or not sam3.masks.any():
        report = f"SAM 3 found nothing in {sam3.frames} frames, so all tracks are empty: another prompt or threshold?"
    else:
        count = sam3.masks.shape[1]
        numbers = parse_object_numbers(objects, count, SLOTS)
        tracks, shown = masklets_from_objects(sam3.masks, sam3.size, numbers or order, SLOTS, True, on_frame)
        report = objects_report(count, shown, tracks, sam3.scores)
    # np.zeros reserves pages that cost no memory until they are written to.
    empty = [np.zeros((sam3.frames, *sam3.size), np.float32) for _ in range(SLOTS - len(tracks))]
    return [*tracks, *empty], report


def _packed_masks(data: TensorDict) -> np.ndarray | None:
    masks = data["packed_masks"]
    if masks is None:
        return None
    kind, shape = str(getattr(masks, "dtype", type(masks).__name__)), tuple(getattr(masks, "shape", ()))
    if kind not in ("torch.uint8", "uint8") or len(shape) != 4 or not shape[0]:
        raise UserError(
            f"The track's masks are {kind} of shape {shape}; bytes of shape (frames, objects, height, width / 8) were "
            f"expected."
        )
    array: np.ndarray = masks.detach().cpu().numpy() if hasattr(masks, "detach") else masks
    return array
