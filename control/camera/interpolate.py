"""Poses between the poses of a path.

Three methods, and all three pass exactly through every pose of the path:

- `linear`: rotations on the shortest arc at constant speed (slerp), positions and intrinsics on straight lines. It adds
  no movement and never overshoots a pose; the speed jumps at the poses. Right for a pose per frame, or many.
- `smooth`: scipy's RotationSpline (angular velocity and acceleration without jumps) and a natural cubic spline for
  positions, on the logarithm for focal lengths. Right for stretching a path over many more frames. It may overshoot its
  poses a little, as every such curve does.
- `screw`: between neighbors the movement with constant velocity in the camera's own frame (scipy's RigidTransform,
  exponential coordinates of SE(3)). An orbit stays on its circle where `linear` would cut the corner.
"""

from __future__ import annotations

import numpy as np

from ..errors import UserError, need
from . import rotations
from .cubic_curves import segment_index

METHODS = ("linear", "smooth", "screw")


def interpolate_poses(
    c2w: np.ndarray, intrinsics: np.ndarray, times: np.ndarray, at: np.ndarray, method: str = "linear"
) -> tuple[np.ndarray, np.ndarray]:
    """Return poses (M, 3, 4) and intrinsics (M, 4) at times `at` (M,) of a path.

    c2w (F, 3, 4), intrinsics (F, 4), increasing times (F,). Times outside give the first or last pose. Raises UserError
    for an unknown method or when scipy is missing.
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
    return np.concatenate([rotations.slerp(times, c2w[:, :, :3], at), position[..., None]], 2), lens


def _smooth(
    c2w: np.ndarray, intrinsics: np.ndarray, times: np.ndarray, at: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    try:
        from scipy.interpolate import CubicSpline
        from scipy.spatial.transform import Rotation, RotationSpline
    except ImportError as error:
        raise need("scipy", "smooth interpolation of a camera path") from error
    rotation = RotationSpline(times, Rotation.from_matrix(c2w[:, :, :3]))(at).as_matrix()
    # Focal lengths are positive, so their logarithms are interpolated.
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
    left = segment_index(times, at)
    fraction = (at - times[left]) / (times[left + 1] - times[left])
    poses = RigidTransform.from_components(c2w[:, :, 3], Rotation.from_matrix(c2w[:, :, :3]))
    steps = (poses[left].inv() * poses[left + 1]).as_exp_coords()
    moved = poses[left] * RigidTransform.from_exp_coords(steps * fraction[:, None])
    return np.asarray(moved.as_matrix())[:, :3]
