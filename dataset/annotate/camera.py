"""The camera of a clip from its frames, and how far away its scene is in the unit of a camera that is known.

Estimators are functions of frames (F, H, W, 3), what moves by itself (F, H, W) or None, and frames per second.
"""

from __future__ import annotations

import numpy as np

from ...control.camera.from_video import METHODS, estimate_camera
from ...control.camera.trajectory import CameraTrajectory
from ...control.errors import UserError
from ...control.images import resize_clip

SIDE = 672  # the longer side at which paths are estimated
STILL = 0.01  # of the scene's depth: a path shorter than this says nothing about lengths


def camera_from_video(
    frames: np.ndarray, masks: np.ndarray | None, fps: float, method: str = METHODS[0], focal: float | None = None
) -> tuple[CameraTrajectory, dict[str, float], list[str]]:
    """Return the camera's path in units of the first frame's median depth, figures of how sure it is, and sentences.

    Raises UserError where no path is found.
    """
    share = SIDE / max(frames.shape[1:3])
    if share < 1:
        height, width = (max(1, round(side * share)) for side in frames.shape[1:3])
        frames = resize_clip(frames, height, width)
        masks = None if masks is None else resize_clip(masks, height, width)
    moving = None if masks is None else masks > 0.5
    found = estimate_camera(frames.clip(0, 1), focal, moving, method, fps)
    figures = {
        "camera_inliers": float(np.median(found.inliers)),
        "camera_doubtful": len(found.doubtful) / len(frames),
        "camera_rotation_sd": float(found.rotation_sd.max()),
    }
    return found.trajectory.replace(notes=()), figures, list(found.warnings)


def median_depth_by_video(path: CameraTrajectory, frames: np.ndarray, masks: np.ndarray | None) -> float:
    """Return the median depth of the first frame in the unit of a known path, by the path that the frames show.

    The two have the same shape and differ in scale. Raises UserError where either moves too little, or their shapes
    differ.
    """
    found, _, _ = camera_from_video(frames, masks, path.fps, focal=float(path.intrinsics[0, 0]))
    known = path.relative().c2w[:, :, 3]
    seen = found.relative().c2w[:, :, 3]
    if np.linalg.norm(seen, axis=1).max() < STILL:
        raise UserError("the camera hardly moves, so nothing says how its unit compares to the scene's depth")
    scale = float((known * seen).sum() / (seen * seen).sum())
    left = float(np.linalg.norm(known - scale * seen)) / max(float(np.linalg.norm(known)), 1e-12)
    if not scale > 0 or left > 0.5:
        raise UserError("the camera does not move as the video shows it, so their units cannot be compared")
    return scale
