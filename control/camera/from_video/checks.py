"""What Camera from Video is asked with: refused where it cannot be used, before any work."""

from __future__ import annotations

import numpy as np

from ...errors import UserError
from .tracks import Tracks, opencv

METHODS = ("sift", "colmap")
# Points that a frame, or a video, needs.
MIN_POINTS = 12


def checked_frames(frames: np.ndarray) -> np.ndarray:
    """Return the video as an array. Raise UserError for another shape or type, or too few or too small frames."""
    frames = np.asarray(frames)
    if frames.ndim != 4 or frames.shape[3] not in (3, 4) or frames.dtype.kind not in "fu":
        raise UserError(
            f"the video has shape {frames.shape} and type {frames.dtype}; (frames, height, width, 3), uint8 or 0..1,"
            " was expected"
        )
    if len(frames) < 2:
        raise UserError(f"the video has {len(frames)} frame; a camera's path needs at least 2")
    if min(frames.shape[1:3]) < 32:
        raise UserError(f"the video is {frames.shape[2]}x{frames.shape[1]} pixels; at least 32x32 was expected")
    return frames


def check_options(focal: float | None, method: str, keyframes: int) -> None:
    """Raise UserError for a focal length, method or number of keyframes that cannot be."""
    if focal is not None and not 0.1 <= focal <= 20:
        raise UserError(f"the focal length is {focal}; 0.1 to 20 image widths were expected (50 degrees: 1.07)")
    if method not in METHODS:
        raise UserError(f"the method is '{method}'; expected one of {', '.join(METHODS)}")
    if keyframes < 3:
        raise UserError(f"{keyframes} key frames were asked for; at least 3 were expected")


def checked_masks(masks: np.ndarray, frames: np.ndarray) -> np.ndarray:
    """Return masks (F, H, W) bool, also of one for all frames. Raise UserError for other shapes than the video's."""
    masks = np.asarray(masks)
    if masks.ndim != 3 or masks.shape[1:] != frames.shape[1:3] or len(masks) not in (1, len(frames)):
        raise UserError(
            f"the masks have shape {masks.shape}; ({len(frames)}, {frames.shape[1]}, {frames.shape[2]}) was"
            " expected, as the video's"
        )
    return np.broadcast_to(masks > 0.5 if masks.dtype.kind == "f" else masks > 0, frames.shape[:3])


def trackable_areas(masks: np.ndarray, size: tuple[int, ...]) -> list[np.ndarray]:
    """Return where points may be tracked, per frame (H, W) uint8: a little less than the masks leave, as edges move."""
    cv2 = opencv()
    kernel = np.ones((9, 9), np.uint8)
    return [
        255 - cv2.dilate(cv2.resize(mask.astype(np.uint8) * 255, size[::-1], interpolation=cv2.INTER_NEAREST), kernel)
        for mask in masks
    ]


def check_tracks(tracks: Tracks, frames: int) -> None:
    """Raise UserError where there are too few points to estimate a camera from."""
    points = np.isfinite(tracks.xy[:, :, 0]).sum(0)
    if len(tracks.xy) < MIN_POINTS or np.median(points) < MIN_POINTS:
        raise UserError(
            f"too few points to track: {int(np.median(points))} in the middle one of {frames} frames, where at least"
            f" {MIN_POINTS} are needed. The image has too little texture, or is masked, blurred or too dark"
        )
