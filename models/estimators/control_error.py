"""How far a clip is from its control videos: what is seen in it of the same kind, against what was asked.

Edges and flow are found again by the detectors that make control videos of footage, tracks along that flow; what no
detector here finds (region_error.py) by what the estimator of depth and objects sees.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ...control.control_video.detect import FROM_FRAMES
from ...control.control_video.drawing import PURPOSE, cv2
from ...control.control_video.flow import FULL_SPEED, detect_flow, flow_of_colors
from ...control.control_video.kinds import KINDS, ControlVideo
from ...control.control_video.tracks import points_of_tracks
from ...control.images import resize_clip
from ...control.optical_flow import remap
from .region_error import Look, box_error, normal_error, pose_error, segmentation_error

EDGES = ("canny", "soft_edge", "scribble", "lineart", "mlsd")
# What the error of each kind is; less is better.
UNITS = {
    **dict.fromkeys(EDGES, "1 - F-score"),
    "pose": "pixels",
    "segmentation": "1 - mean IoU",
    "normals": "degrees",
    "flow": "pixels",
    "tracks": "pixels",
    "boxes": "1 - IoU",
}
MEASURED = tuple(KINDS)
_BLUR = 0.015  # smoothing in shares of the shorter side: an edge that is a pixel off is nearly right
# Blurred edges count: a clip is looked at with these contrasts, and the best one counts (as edges are told apart by
# thresholds: the best of them for each image is what BSDS calls OIS).
_CONTRASTS = (1.0, 2.0)
_FARTHEST = 0.1  # of the width: a point that is farther away is lost


def own_error(asked: ControlVideo, clip: np.ndarray, look: Look) -> float | None:
    """Return the own error of a clip (F, H, W, 3) in [0, 1], in the unit of `UNITS`; 0 where it is as asked.

    A clip of another size is resized to that of the control video. None for control videos that show nothing, and where
    movement is asked of a single frame.
    """
    clip = resize_clip(clip, *asked.frames.shape[1:3])
    if asked.kind in EDGES:
        return edge_error(asked.kind, asked.frames, clip)
    if asked.kind in MOVEMENTS:
        return MOVEMENTS[asked.kind](asked.frames, clip) if len(clip) > 1 else None
    return SEEN[asked.kind](asked.frames, look)


def edge_error(kind: str, asked: np.ndarray, clip: np.ndarray) -> float | None:
    """Return 1 less the F-score of the edges in a clip, both smoothed: the soft Dice distance, 0..1."""
    wanted, mean = _smooth(asked), float(clip.mean())
    if not wanted.any():
        return None
    distances = []
    for contrast in _CONTRASTS:
        found = _smooth(FROM_FRAMES[kind]((mean + contrast * (clip - mean)).clip(0, 1)))
        distances.append(float(np.abs(wanted - found).sum() / (wanted.sum() + found.sum())))
    return min(distances)


def _smooth(frames: np.ndarray) -> np.ndarray:
    sigma = max(0.5, _BLUR * min(frames.shape[1:3]))
    gray = frames.max(-1)
    return np.stack([cv2().GaussianBlur(np.ascontiguousarray(frame, np.float32), (0, 0), sigma) for frame in gray])


def flow_error(asked: np.ndarray, clip: np.ndarray) -> float:
    """Return the mean end-point error in pixels; what is faster than the colors show counts as their full speed."""
    wanted, found = flow_of_colors(asked)[:-1], detect_flow(clip)[:-1]
    length = np.linalg.norm(found, axis=-1, keepdims=True)
    found = found * np.minimum(1, FULL_SPEED * asked.shape[2] / np.maximum(length, 1e-6))
    return float(np.linalg.norm(wanted - found, axis=-1).mean())


def track_error(asked: np.ndarray, clip: np.ndarray) -> float | None:
    """Return how many pixels the points of the first frame come to lie off the asked ones, where those are visible.

    They are carried along the flow. None where no point is seen twice.
    """
    wanted, visible = points_of_tracks(asked)
    if not visible[1:].any():
        return None
    found = [wanted[0]]
    for flow in detect_flow(clip)[:-1]:
        found.append(found[-1] + remap(flow, found[-1][None], PURPOSE)[0])
    off = np.linalg.norm(np.stack(found) - wanted, axis=-1).clip(max=_FARTHEST * asked.shape[2])
    return float(off[1:][visible[1:]].mean())


MOVEMENTS: dict[str, Callable[[np.ndarray, np.ndarray], float | None]] = {"flow": flow_error, "tracks": track_error}
SEEN: dict[str, Callable[[np.ndarray, Look], float | None]] = {
    "pose": pose_error,
    "segmentation": segmentation_error,
    "normals": normal_error,
    "boxes": box_error,
}
