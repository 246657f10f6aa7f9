"""SAM3_TRACK_DATA of core's Run SAM3 Video Track, as masks per frame.

A dict: packed_masks, a uint8 tensor (F, N, H, W // 8) with eight pixels a byte, lowest bit first, or None if no object
was found; n_frames; scores, one per object; orig_size, (height, width) of the video. H and W are SAM's own (square).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from ...control.errors import UserError
from ...control.identity.mask_input import parse_object_numbers
from ...control.identity.objects import masklets_from_objects, objects_report
from ...control.identity.slots import SLOTS
from .arrays import describe_value
from .types import TensorDict


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
    size = data.get("orig_size") or (None if masks is None else (masks.shape[2], 8 * masks.shape[3]))
    if not isinstance(frames, int) or frames < 1 or size is None or min(size) < 1:
        raise UserError(
            "The track says neither how many frames nor how large: connect the output of Run SAM3 Video Track."
        )
    has_objects = masks is not None and masks.size
    return Sam3Objects(
        masks if has_objects else None, frames, (int(size[0]), int(size[1])), tuple(data.get("scores") or ())
    )


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
    array: np.ndarray = masks.detach().cpu().numpy() if hasattr(masks, "detach") else np.asarray(masks)
    if array.ndim != 4 or array.dtype != np.uint8 or not array.shape[0]:
        raise UserError(
            f"The track's masks are {array.dtype} of shape {array.shape}; bytes of shape (frames, objects, height, "
            f"width / 8) were expected."
        )
    return array
