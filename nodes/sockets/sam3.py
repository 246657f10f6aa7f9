"""SAM3_TRACK_DATA, as core's Run SAM3 Video Track gives it, as tracks.

A dict: packed_masks, a uint8 tensor (F, N, H, W // 8) with eight pixels a byte, lowest bit first, or None where nothing
was found; n_frames; scores, one per object; orig_size, (height, width) of the video. H and W are SAM's own (square).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...control.errors import UserError
from ...control.identity.mask_input import parse_object_numbers
from ...control.identity.objects import masklets_from_objects, objects_report
from ...control.identity.slots import SLOTS


@dataclass(frozen=True)
class Sam3:
    """masks (F, N, H, W // 8), packed, or None; how many frames; (height, width) of the video; a score per object."""

    masks: np.ndarray | None
    frames: int
    size: tuple[int, int]
    scores: tuple[float, ...]


def read_track(data: Any) -> Sam3:
    """The parts of a SAM3_TRACK_DATA. Raises UserError for anything else."""
    if not isinstance(data, Mapping) or "packed_masks" not in data:
        found = ", ".join(map(str, data)) if isinstance(data, Mapping) else type(data).__name__
        raise UserError(f"the track holds {found} and no packed_masks: connect what Run SAM3 Video Track gives")
    masks = data["packed_masks"]
    if masks is not None:
        masks = masks.detach().cpu().numpy() if hasattr(masks, "detach") else np.asarray(masks)
        if masks.ndim != 4 or masks.dtype != np.uint8 or not masks.shape[0]:
            raise UserError(
                f"the track's masks are {masks.dtype} of shape {masks.shape}; bytes of shape (frames, objects, height,"
                f" width / 8) were expected"
            )
    frames = data.get("n_frames", 0) if masks is None else len(masks)
    size = data.get("orig_size") or (masks is not None and (masks.shape[2], 8 * masks.shape[3]))
    if not isinstance(frames, int) or frames < 1 or not size or min(size) < 1:
        raise UserError("the track says neither how many frames nor how large: connect what Run SAM3 Video Track gives")
    masks = masks if masks is not None and masks.size else None
    return Sam3(masks, frames, (int(size[0]), int(size[1])), tuple(data.get("scores") or ()))


def tracks_of(
    sam: Sam3, order: str = "given", objects: str = "", progress: Callable[[], object] | None = None
) -> tuple[list[np.ndarray], str]:
    """Three tracks (F, H, W), all zero where there is no object, and what they are, in lines.

    objects: numbers in a text such as "2, 0", which goes before `order`. Raises UserError for numbers that are none.
    """
    tracks: list[np.ndarray] = []
    if sam.masks is None or not sam.masks.any():
        report = f"SAM 3 found nothing in {sam.frames} frames, so all tracks are empty: another prompt or threshold?"
    else:
        count = sam.masks.shape[1]
        numbers = parse_object_numbers(objects, count, SLOTS)
        tracks, shown = masklets_from_objects(sam.masks, sam.size, numbers or order, SLOTS, True, progress)
        report = objects_report(count, shown, tracks, sam.scores)
    # Pages that are never written to cost no memory.
    return [*tracks, *(np.zeros((sam.frames, *sam.size), np.float32) for _ in range(SLOTS - len(tracks)))], report
