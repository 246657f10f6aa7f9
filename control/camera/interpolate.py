"""Poses between the given poses of a path.

Three ways, and all three meet every given pose exactly:

- `linear`: turns on the shortest arc at even speed (slerp), positions and intrinsics on straight lines. It adds nothing
  that was not there and never runs past a pose; speed jumps at the given poses. Right for a pose per frame, or many.
- `smooth`: scipy's RotationSpline (angular velocity and acceleration without jumps) and a natural cubic spline for
  positions, on the logarithm for focal lengths. Right for stretching a path over many more frames. It may swing a
  little past its poses, as every such curve does.
- `screw`: between neighbors the one movement with constant velocity in the camera's own frame (scipy's RigidTransform,
  exponential coordinates of SE(3)). An orbit stays on its circle where `linear` would cut the corner.
"""

from __future__ import annotations

import numpy as np

from ..errors import UserError, need
from . import rotations

METHODS = ("linear", "smooth", "screw")


def between(
    c2w: np.ndarray, intrinsics: np.ndarray, times: np.ndarray, at: np.ndarray, method: str = "linear"
) -> tuple[np.ndarray, np.ndarray]:
    """Poses (M, 3, 4) and intrinsics (M, 4) at times `at` (M,) of a path: c2w (F, 3, 4), intrinsics (F, 4), increasing
    times (F,). Times outside give the first or last pose. Raises UserError for an unknown method or scipy missing.
    """
    if method not in METHODS:
        raise UserError(f"the interpolation '{method}' is unknown: choose one of {', '.join(METHODS)}")
    if len(times) == 1:
        return np.repeat(c2w, len(at), 0), np.repeat(intrinsics, len(at), 0)
    at = np.clip(at, times[0], times[-1])
    if method == "smooth" and len(times) > 2:
        return _smooth(c2w, intrinsics, times, at)
    lens = np.stack([np.interp(at, times, column) for column in intrinsics.T], 1)
    if method == "screw":
        return _screw(c2w, times, at), lens
    position = np.stack([np.interp(at, times, column) for column in c2w[:, :, 3].T], 1)
    return np.concatenate([rotations.interpolate(times, c2w[:, :, :3], at), position[..., None]], 2), lens


def _smooth(
    c2w: np.ndarray, intrinsics: np.ndarray, times: np.ndarray, at: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    try:
        from scipy.interpolate import CubicSpline
        from scipy.spatial.transform import Rotation, RotationSpline
    except ImportError as error:
        raise need("scipy", "smooth interpolation of a camera path") from error
    rotation = RotationSpline(times, Rotation.from_matrix(c2w[:, :, :3]))(at).as_matrix()
    # A focal length is positive: its logarithm may take any value.
    values = np.concatenate([c2w[:, :, 3], np.log(intrinsics[:, :2]), intrinsics[:, 2:]], 1)
    values = CubicSpline(times, values, bc_type="natural")(at)
    lens = np.concatenate([np.exp(values[:, 3:5]), values[:, 5:]], 1)
    return np.concatenate([rotation, values[:, :3, None]], 2), lens


def _screw(c2w: np.ndarray, times: np.ndarray, at: np.ndarray) -> np.ndarray:
    try:
        from scipy.spatial.transform import RigidTransform, Rotation
    except ImportError as error:
        raise UserError(
            "the interpolation 'screw' needs scipy 1.16 or newer (and with it Python 3.11): pip install -U scipy,"
            " or choose 'linear' or 'smooth'"
        ) from error
    left = np.clip(np.searchsorted(times, at, side="right") - 1, 0, len(times) - 2)
    share = (at - times[left]) / (times[left + 1] - times[left])
    poses = RigidTransform.from_components(c2w[:, :, 3], Rotation.from_matrix(c2w[:, :, :3]))
    steps = (poses[left].inv() * poses[left + 1]).as_exp_coords()
    return (poses[left] * RigidTransform.from_exp_coords(steps * share[:, None])).as_matrix()[:, :3]
