"""A clip of which everything is known: what conditions are made of for training and measuring."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .camera.trajectory import CameraTrajectory
from .identity.slots import Identity


@dataclass(frozen=True, eq=False)
class AnnotatedClip:
    """Frames and what they show, exactly.

    frames: (F, H, W, 3) in 0..1. camera: a pose per frame, relative to the first. identities: who is in the clip, slot
    by slot, with a mask video each. depth: (F, H, W) along the camera's axis, in any unit.
    """

    frames: np.ndarray
    camera: CameraTrajectory
    identities: tuple[Identity, ...]
    depth: np.ndarray
    fps: float
