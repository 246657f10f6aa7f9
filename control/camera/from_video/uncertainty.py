"""How well every frame's pose is determined: its standard deviations, from the Jacobian of the bundle adjustment.

The covariance of the cameras is the inverse of the reduced camera system (points eliminated) at the solution, times the
variance of the residuals (Triggs et al., "Bundle Adjustment: A Modern Synthesis", 2000, section 6 and appendix A). What
images cannot show is held: the pose of the first frame and the scale. Residuals of one track are alike in neighboring
frames, so they count as fewer than they are.

F frames, K of them adjusted together.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from . import bundle_adjustment as ba
from .motion_fits import MotionFit

# So many frames are taken together; those between have their own share and that of their neighbors.
_JOINT_FRAMES = 40
# A pose is known at least this well before anything is measured: radians, and median depths.
_PRIOR_ROTATION, _PRIOR_POSITION, _PRIOR_LOG_FOCAL = 1.0, 3.0, 1.0
# Residuals smaller than this many pixels of an image 672 wide are luck.
_LEAST_NOISE = 0.1
# Beyond so many deviations an observation counts less than half.
_OUTLIER = 2.0
# So many neighboring observations of a track count as one.
_ALIKE = 3.0


@dataclass(frozen=True, eq=False)
class Uncertainty:
    """Standard deviations. rotation (F,): degrees. position (F,): in the unit of the bundle; 0 where the kind of motion
    has no translation. focal: a share of the focal length, 0 where it is given or not adjusted."""

    rotation: np.ndarray
    position: np.ndarray
    focal: float


def pose_uncertainty(fit: MotionFit, pixel: float, unit: float, adjusts_focal: bool) -> Uncertainty:
    """Return the uncertainty of a fit of all frames.

    pixel: a pixel of an image 672 wide in pixels of the fit's. unit: a usual depth of its points. adjusts_focal:
    whether the focal length was adjusted too.
    """
    frames = len(fit.bundle.focal)
    if fit.kind == "static":
        return Uncertainty(np.zeros(frames), np.zeros(frames), 0.0)
    bundle = _from_first_camera(fit.bundle)
    variance = _variance(bundle, pixel)
    joint = np.unique(np.linspace(0, frames - 1, min(frames, _JOINT_FRAMES)).round().astype(int))
    covariance, focal = _joint_covariance(select_cameras(bundle, joint), fit.kind, variance, unit, adjusts_focal)
    rotation, position = _deviations(bundle.rotation[joint], bundle.translation[joint], covariance)
    squares = [np.interp(np.arange(frames), joint, value**2) for value in (rotation, position)]
    if len(joint) < frames:
        own = _own_covariance(bundle, fit.kind, variance, unit)
        between = ~np.isin(np.arange(frames), joint)
        for square, value in zip(squares, _deviations(bundle.rotation, bundle.translation, own), strict=True):
            square += between * value**2
    return Uncertainty(np.degrees(np.sqrt(squares[0])), np.sqrt(squares[1]), focal)


def _from_first_camera(bundle: ba.Bundle) -> ba.Bundle:
    """Return the bundle with the first camera at the origin."""
    first, start = bundle.rotation[0], bundle.translation[0]
    rotation = bundle.rotation @ first.T
    return replace(
        bundle,
        rotation=rotation,
        translation=bundle.translation - rotation @ start,
        points=bundle.points @ first.T + start,
    )


def _variance(bundle: ba.Bundle, pixel: float) -> float:
    """Return the variance of a residual's coordinate, robustly."""
    lengths = np.linalg.norm(bundle.residuals(), axis=1)
    # The median length of a two-dimensional normal error is 1.177 deviations of a coordinate.
    deviation = max(float(np.median(lengths)) / 1.177, _LEAST_NOISE * pixel)
    return _ALIKE * deviation**2


def select_cameras(bundle: ba.Bundle, cameras: np.ndarray) -> ba.Bundle:
    """Return the bundle with some of its cameras (numbers, sorted) and the points that two of them see."""
    keep = np.isin(bundle.camera_index, cameras)
    seen = np.bincount(bundle.point_index[keep], minlength=len(bundle.points))
    keep &= seen[bundle.point_index] >= 2
    points, index = np.unique(bundle.point_index[keep], return_inverse=True)
    part = bundle.select(keep)
    return replace(
        part,
        rotation=bundle.rotation[cameras],
        translation=bundle.translation[cameras],
        focal=bundle.focal[cameras],
        points=bundle.points[points],
        camera_index=np.searchsorted(cameras, part.camera_index),
        point_index=index,
    )


def select_points(bundle: ba.Bundle, points: np.ndarray, limit: int) -> ba.Bundle:
    """Return the bundle with at most `limit` of the points of these numbers, those that the most cameras see."""
    seen = np.bincount(bundle.point_index, minlength=len(bundle.points))[points]
    chosen = np.sort(points[np.argsort(-seen, kind="stable")[:limit]])
    part = bundle.select(np.isin(bundle.point_index, chosen))
    return replace(part, points=bundle.points[chosen], point_index=np.searchsorted(chosen, part.point_index))


def _joint_covariance(
    bundle: ba.Bundle, kind: str, variance: float, unit: float, adjusts_focal: bool
) -> tuple[np.ndarray, float]:
    """Return the covariance (K, 6, 6) of rotation and translation of every camera, and the focal length's deviation."""
    cameras = len(bundle.focal)
    focal = "each" if kind == "zooming" else "shared" if adjusts_focal else "fixed"
    free = ba.free_parameters(cameras, translate=kind == "moving", focal=focal)
    equations = ba.normal_equations(bundle, bundle.residuals(), _OUTLIER * np.sqrt(variance))
    # A point seen without parallax has no depth: a little certainty keeps its block from being singular.
    diagonal = np.einsum("nii->ni", equations.point_hessian)
    lift = np.einsum("ni,ij->nij", 1e-7 * diagonal.max(1, keepdims=True) + 0 * diagonal, np.eye(3))
    information = ba.camera_system(equations, lift)[0] / variance
    prior = np.tile(_prior(unit), cameras)
    information[np.diag_indices_from(information)] += prior
    reduced = free.T @ information @ free
    # Growing everything is no movement: it is held.
    growth = np.zeros((cameras, ba.SIZE))
    growth[:, 3:6] = bundle.translation
    direction = free.T @ growth.ravel()
    length = float(direction @ direction)
    if length > 0:
        reduced += 1e3 * np.diag(reduced).max() / length * np.outer(direction, direction)
    whole = free @ np.linalg.inv(reduced) @ free.T
    blocks = whole.reshape(cameras, ba.SIZE, cameras, ba.SIZE)[np.arange(cameras), :, np.arange(cameras)]
    return blocks[:, :6, :6], float(np.sqrt(max(blocks[0, 6, 6], 0.0))) if adjusts_focal else 0.0


def _prior(unit: float) -> np.ndarray:
    """Return the information (7,) that a camera has before anything is measured."""
    deviations = [*[_PRIOR_ROTATION] * 3, *[_PRIOR_POSITION * unit] * 3, _PRIOR_LOG_FOCAL]
    return 1 / np.array(deviations) ** 2


def _own_covariance(bundle: ba.Bundle, kind: str, variance: float, unit: float) -> np.ndarray:
    """Return the covariance (F, 6, 6) of every camera if the points were exact."""
    equations = ba.normal_equations(bundle, bundle.residuals(), _OUTLIER * np.sqrt(variance))
    information = equations.camera_hessian[:, :6, :6] / variance
    information += np.diag(_prior(unit)[:6])
    if kind != "moving":
        information[:, 3:] = information[:, :, 3:] = 0
        information[:, range(3, 6), range(3, 6)] = 1e18
    return np.asarray(np.linalg.inv(information))


def _deviations(rotation: np.ndarray, translation: np.ndarray, covariance: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the deviations of the angle (K,) and the position (K,) of world-to-camera poses from covariances (K,6,6).

    A pose moved by a rotation vector w and a step d has its center at c - R' [t]x w - R' d.
    """
    angle = np.sqrt(np.maximum(np.einsum("kii->k", covariance[:, :3, :3]), 0))
    crossed = np.cross(translation[:, None], np.eye(3)).transpose(0, 2, 1)
    by_rotation = -rotation.transpose(0, 2, 1) @ crossed
    jacobian = np.concatenate([by_rotation, -rotation.transpose(0, 2, 1)], 2)
    position = np.einsum("kij,kjl,kil->k", jacobian, covariance, jacobian)
    return angle, np.sqrt(np.maximum(position, 0))
