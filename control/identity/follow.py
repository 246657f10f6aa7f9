"""A few masks followed through a video, with a report: what Propagate Mask does."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..ranges import format_ranges
from .mask_input import masks_by_frame
from .propagate import propagate
from .report import NamedMasklet, describe_presence, masklet_report


def follow(
    frames: np.ndarray,
    masks: np.ndarray,
    at: str = "",
    refine: bool = True,
    progress: Callable[[], object] | None = None,
    cancel: Callable[[], bool] | None = None,
) -> tuple[np.ndarray, str]:
    """Return the masklet (F, H, W) of what masks (N, h, w) show in a video (F, H, W, 3), and a report in lines.

    `at` names the frames of the masks (`mask_input.masks_by_frame`). progress is called after each frame; when cancel
    returns True, UserError is raised, as for masks that cannot be used.
    """
    frame_count, height, width = frames.shape[:3]
    keys, warnings = masks_by_frame(masks, at, frame_count, height, width)
    masklet, result = propagate(frames, keys, refine, progress, cancel)
    several = "s" * (len(keys) != 1)
    source = f"the mask{several} at frame{several} {format_ranges([*keys])}"
    lines = [f"{frame_count} frame{'s' * (frame_count != 1)} from {source}: found {describe_presence(masklet)}."]
    followed = [number for number in range(frame_count) if number not in keys and masklet[number].max() > 0.5]
    if followed:
        trust = result.trust[followed]
        worst = followed[int(trust.argmin())]
        looks = format_ranges(result.doubtful) if result.doubtful else "none"
        lines.append(
            f"Trust in the followed masks: mean {trust.mean():.0%}, least {trust.min():.0%} (frame {worst}). Frames to"
            f" look at: {looks}."
        )
    # A masklet that was lost has gaps: that is said once, in the words that tell what to do.
    odd = [line for line in masklet_report([NamedMasklet("mask", masklet)]) if not (result.lost and " gaps" in line)]
    return masklet, "\n".join([*lines, *warnings, *result.warnings, *odd])
