"""What Identity Map Preview shows: the masks of the slots in their colors, alone and over the video."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...control.errors import UserError
from ...control.identity import Identity, NamedMasklet
from ...control.identity.preview import render_preview, tile_frames
from ..progress import progress
from ..sockets.arrays import to_images, to_masks
from ..sockets.types import ImageTensor, MaskTensor


@dataclass(frozen=True, eq=False)
class IdentityPreview:
    """map: (F, H, W, 3). overlay: the map over the video (F, H', W', 3). shown: a few frames of that as one image
    (H", W", 3), for the node itself. report: lines of text."""

    map: np.ndarray
    overlay: np.ndarray
    shown: np.ndarray
    report: str


def preview_identities(
    identities: Sequence[Identity], tracks: Sequence[MaskTensor | None], images: ImageTensor | None, opacity: float
) -> IdentityPreview:
    """Draw the identities, or the tracks in their place, over the images.

    Raises UserError for both at once, and as `render_preview` does.
    """
    slots: Sequence[Identity | NamedMasklet | None] = identities
    if any(track is not None for track in tracks):
        if identities:
            raise UserError("Both identities and tracks are connected: leave one of them out.")
        slots = [_named(f"track{number}", track) for number, track in enumerate(tracks, 1)]
    video = None if images is None else to_images(images, "the video")
    frames = max(
        (len(slot.mask_video) for slot in slots if slot is not None and slot.mask_video is not None), default=1
    )
    with progress(frames) as step:
        painted, overlay, report = render_preview(slots, video, opacity, step)
    return IdentityPreview(painted, overlay, tile_frames(overlay), report)


def _named(name: str, track: MaskTensor | None) -> NamedMasklet | None:
    return None if track is None else NamedMasklet(name, to_masks(track, name))
