"""From a user's footage or masks to a control video: one function per kind that needs no network."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..errors import UserError
from .edges import canny, lineart, mlsd, scribble, soft_edge
from .flow import color_flow, detect_flow
from .kinds import ControlVideo
from .regions import boxes_of, draw_boxes, draw_segmentation
from .tracks import detect_tracks, draw_tracks


def _flow(frames: np.ndarray) -> np.ndarray:
    return color_flow(detect_flow(frames))


def _tracks(frames: np.ndarray) -> np.ndarray:
    return draw_tracks(*detect_tracks(frames), *frames.shape[1:3])


# Frames (F, H, W, 3) in 0..1 to a control video like them, by kind.
FROM_FRAMES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "canny": canny,
    "soft_edge": soft_edge,
    "scribble": scribble,
    "lineart": lineart,
    "mlsd": mlsd,
    "flow": _flow,
    "tracks": _tracks,
}
# Masks (N, F, H, W) in 0..1 to a control video (F, H, W, 3), by kind.
FROM_MASKS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "segmentation": draw_segmentation,
    "boxes": lambda masks: draw_boxes(boxes_of(masks), *masks.shape[2:]),
}


def check_detected(kind: str) -> None:
    """Raise UserError for a kind that is not made of footage here."""
    if kind not in FROM_FRAMES:
        raise UserError(
            f"the control video '{kind}' cannot be detected here: choose among {', '.join(FROM_FRAMES)}, or make it"
            f" with another pack and give it as it is"
        )


def detect(kind: str, frames: np.ndarray) -> ControlVideo:
    """Return the control video of a kind that footage (F, H, W, 3), 0..1, shows.

    Raises UserError for a kind that needs a network or masks.
    """
    check_detected(kind)
    return ControlVideo(kind, FROM_FRAMES[kind](np.asarray(frames, np.float32)))


def from_masks(kind: str, masks: np.ndarray) -> ControlVideo:
    """Return the control video of a kind from masks (N, F, H, W). Raises UserError for a kind that needs none."""
    if kind not in FROM_MASKS:
        raise UserError(f"the control video '{kind}' is not made from masks: choose among {', '.join(FROM_MASKS)}")
    return ControlVideo(kind, FROM_MASKS[kind](np.asarray(masks, np.float32)))
