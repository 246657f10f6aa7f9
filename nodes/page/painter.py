"""What Mask Painter and Edit Track make of the editor's state: a mask per frame, a report, and the page's messages."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...control.identity import paint
from ..progress import progress
from ..sockets.arrays import to_masks
from ..sockets.types import ImageTensor, MaskTensor, PageMessage
from .stage import save_stage


@dataclass(frozen=True, eq=False)
class PainterResult:
    """tracks: a mask per frame (F, H, W) for each slot. report: lines of text. state: the editor's JSON. message: the
    node's `ui`, which brings the frames and the incoming tracks to the editor."""

    tracks: Sequence[np.ndarray]
    report: str
    state: str
    message: PageMessage


def paint_masks(state: str, frames: int, width: int, height: int, images: ImageTensor | None) -> PainterResult:
    """Draw the masks of a painter's state, for a video of this size, or of the images' length and size.

    Raises UserError for a text that is not a state.
    """
    message: PageMessage = {}
    if images is not None:
        stage = save_stage(images)
        frames, height, width = stage["count"], stage["height"], stage["width"]
        message["fulldit_stage"] = [stage]
    painted = paint.paint(state, height, width, frames, progress)
    message |= {"text": [painted.report], "fulldit_state": [checksum(state)]}
    return PainterResult(painted.masklets, painted.report, state, message)


def edit_tracks(
    state: str, tracks: Sequence[MaskTensor | None], source: str, accuracy: float, images: ImageTensor | None
) -> PainterResult:
    """Turn tracks into keyframes that can be edited, or draw the edited ones in `state`, if that is not empty.

    source: the fingerprint of the tracks that were edited. accuracy: the share of its mask that every frame keeps. The
    first track must be connected. Raises UserError as `control.identity.paint.edit` does.
    """
    arrays = [None if track is None else to_masks(track, f"track{number}") for number, track in enumerate(tracks, 1)]
    edited = paint.edit(state, arrays, source, accuracy, progress)
    painted = edited.painted
    frames, height, width = painted.masklets[0].shape
    track = {
        "proposal": edited.proposal,
        "source": edited.source,
        "changed": edited.changed,
        "frames": frames,
        "width": width,
        "height": height,
    }
    message: PageMessage = {"text": [painted.report], "fulldit_track": [track], "fulldit_state": [checksum(state)]}
    if images is not None:
        message["fulldit_stage"] = [save_stage(images)]
    return PainterResult(painted.masklets, painted.report, state if state.strip() else edited.proposal or "", message)


def checksum(state: str) -> str:
    """Return what the page knows a state's text by: whether a report is about what is painted now."""
    return f"{zlib.crc32(state.encode(errors='replace')):08x}"
