"""The lens: which ones a path can have, and the image's size where a format counts in pixels or has no intrinsics."""

from __future__ import annotations

import re
from collections.abc import Iterable

import numpy as np

from ...errors import UserError
from ..presets import intrinsics_from_fov
from ..trajectory import CameraTrajectory
from .format import DEFAULT_FOV

DISTORTED = "Its lens distortion was left out: a camera path is of a pinhole camera."
# In the names of lenses of other programs, which see more than a pinhole camera, or nothing from one point.
_NO_PINHOLE = re.compile("fish_?eye|equirect|spheric|panoram|omnidirect|cylind|orthograph|vr180", re.IGNORECASE)


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


def check_projection(kind: object) -> None:
    """Raise UserError for a lens whose name (OPENCV_FISHEYE, equirectangular) says it is no pinhole's."""
    if isinstance(kind, str) and _NO_PINHOLE.search(kind):
        raise UserError(
            f"its lens is '{kind[:40]}', and a camera path is of a pinhole camera: undistort the images (COLMAP's"
            " image_undistorter) or export a perspective camera"
        )


def distortion_notes(coefficients: Iterable[float]) -> tuple[str, ...]:
    """Return what to say about coefficients of distortion, which a path cannot keep: nothing where all are 0."""
    return (DISTORTED,) if any(coefficients) else ()
