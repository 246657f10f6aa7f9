"""A clip of which everything is known: what conditions are made of for training and measuring."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .camera.trajectory import CameraTrajectory
from .control_video.kinds import ControlVideo
from .identity.slots import Identity


@dataclass(frozen=True, eq=False)
class AnnotatedClip:
    """Frames and what they show, exactly.

    frames: (F, H, W, 3) in 0..1. camera: a pose per frame, relative to the first. identities: who is in the clip, slot
    by slot, with a mask video each. depth: (F, H, W) along the camera's axis, in any unit. source: makes a video
    (F, H, W, 3) of the same moments that the clip could have been made from; None where there is none. control_videos:
    those that are wanted of it. loudness: (F,) of its sound, 0..1, where it has one. seed: of what is drawn for the
    clip.
    """

    frames: np.ndarray
    camera: CameraTrajectory
    identities: tuple[Identity, ...]
    depth: np.ndarray
    fps: float
    source: Callable[[], np.ndarray] | None = None
    control_videos: tuple[ControlVideo, ...] = ()
    loudness: np.ndarray | None = None
    seed: int = 0
