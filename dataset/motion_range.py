"""The range of camera movement in the training data, which travels in a checkpoint's metadata
(control/camera/motion_range.py)."""

from __future__ import annotations

import numpy as np

from ..control.camera.motion_range import CameraMotionRange, measure_motion_range
from ..control.camera.trajectory import CameraTrajectory
from .latents import EncodedClips


def of_clips(clips: EncodedClips, fps: float, most: int = 2048) -> CameraMotionRange:
    """The reach of encoded clips, at `fps` frames per second; of more than `most`, of so many evenly spread ones."""
    some = np.unique(np.linspace(0, len(clips) - 1, min(len(clips), most)).astype(int)).tolist()
    paths = zip(clips.get("c2w", some).numpy(), clips.get("intrinsics", some).numpy(), strict=True)
    return measure_motion_range(CameraTrajectory(poses, lens, fps=fps) for poses, lens in paths)
