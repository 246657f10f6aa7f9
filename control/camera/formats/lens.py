"""The lens and the image's size where a format counts in pixels or has no intrinsics."""

from __future__ import annotations

import numpy as np

from ..presets import intrinsics_from_fov
from ..trajectory import CameraTrajectory
from .format import DEFAULT_FOV


def default_intrinsics(aspect: float) -> np.ndarray:
    """Return fx fy cx cy (4,) of a camera whose file has no intrinsics; aspect = width / height."""
    return intrinsics_from_fov(DEFAULT_FOV, aspect)


def image_aspect(trajectory: CameraTrajectory) -> float:
    """Return width over height of the image for which the intrinsics of the first frame are."""
    fx, fy = trajectory.intrinsics[0, :2]
    return float(fy / fx / trajectory.pixel_aspect)


def nominal_size(trajectory: CameraTrajectory, height: int = 1080) -> tuple[int, int]:
    """Return a width and height in pixels with the image's aspect, for formats that count in pixels.

    Intrinsics in pixels are made with the rounded numbers, so they turn back exactly.
    """
    aspect = min(max(image_aspect(trajectory), 1e-3), 1e3)
    return max(1, round(height * aspect)), height
