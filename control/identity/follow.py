"""A few masks followed through a video, with a report: what Propagate Mask does."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .mask_input import masks_at
from .propagate import propagate
from .report import NamedTrack, spans, track_report, whereabouts


def follow(
    frames: np.ndarray,
    masks: np.ndarray,
    at: str = "",
    refine: bool = True,
    progress: Callable[[], object] | None = None,
    cancel: Callable[[], bool] | None = None,
) -> tuple[np.ndarray, str]:
    """The track (F, H, W) of what the masks (N, h, w) show in a video (F, H, W, 3), and what to know, in lines.

    `at` names the frames of the masks (`given.masks_at`). progress is called after each frame; when cancel says yes,
    UserError is raised, as for masks that cannot be used.
    """
    given, warnings = masks_at(masks, at, *frames.shape[:3])
    track, found = propagate(frames, given, refine, progress, cancel)
    count = len(track)
    several = "s" * (len(given) != 1)
    source = f"the mask{several} at frame{several} {spans(np.array([*given]))}"
    lines = [f"{count} frame{'s' * (count != 1)} from {source}: found {whereabouts(track)}."]
    followed = np.array([number not in given and found.trust[number] > 0 for number in range(count)])
    if followed.any():
        lines.append(f"The movement seen in the video vouches for {found.trust[followed].mean():.0%} of these masks.")
    # What was lost is named once, in the words that say what to do.
    odd = [line for line in track_report([NamedTrack("mask", track)]) if not (found.lost and " gaps" in line)]
    return track, "\n".join([*lines, *warnings, *found.warnings, *odd])
