"""The range of camera movement in the training data, which travels in a checkpoint's metadata
(control/camera/motion_range.py)."""

from __future__ import annotations

import numpy as np

from ..control.camera.motion_range import CameraMotionRange, measure_motion_range
from ..control.camera.trajectory import CameraTrajectory
from .clip_source import ClipSource


def of_clips(clips: ClipSource, fps: float, most: int = 2048) -> CameraMotionRange:
    """The reach of encoded clips that have a camera, at `fps` frames per second; of more than `most`, of so many evenly
    spread ones."""
    known = clips.patterns(("camera",)).nonzero()[:, 0].numpy()
    some = known[np.unique(np.linspace(0, len(known) - 1, min(len(known), most)).astype(int))].tolist()
    paths = zip(clips.get("c2w", some).numpy(), clips.get("intrinsics", some).numpy(), strict=True)
    return measure_motion_range(CameraTrajectory(poses, lens, fps=fps) for poses, lens in paths)
