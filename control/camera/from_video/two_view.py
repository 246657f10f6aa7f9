"""The start of a reconstruction: two views (MAGSAC essential matrix), further ones by PnP, points by triangulation.

Rays are directions in a camera with z = 1: (pixel - principal point) / focal length. Poses are world-to-camera.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .. import rotations
from .grouping import sum_by_index
from .tracks import MIN_MATCHES, opencv

# Points at more baselines than this are as good as infinitely far.
_FARTHEST = 1e4


def relative_pose(first: np.ndarray, second: np.ndarray, pixel: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return rotation (3, 3), unit translation (3,) and inliers (N,) of the second camera from rays (N, 2) of both.

    pixel: the size of a pixel on the plane z = 1. MAGSAC (Barath et al., arXiv 1912.05909) with the five-point solver;
    cheirality chooses among the four solutions.
    """
    cv2 = opencv()
    cv2.setRNGSeed(0)
    matrix, inliers = cv2.findEssentialMat(
        first, second, np.eye(3), method=cv2.USAC_MAGSAC, prob=0.9999, threshold=1.0 * pixel, maxIters=2000
    )
    if matrix is None or matrix.shape[0] < 3:
        return np.eye(3), np.zeros(3), np.zeros(len(first), bool)
    # By itself OpenCV leaves out what is farther away than 50 baselines, which is everything where a camera sways.
    _, rotation, translation, inliers, _ = cv2.recoverPose(
        matrix[:3], first, second, np.eye(3), distanceThresh=_FARTHEST, mask=inliers.copy()
    )
    return rotation, translation.ravel(), inliers.ravel() > 0


def estimate_rotation(
    first: np.ndarray, second: np.ndarray, pixel: float, zoom: bool = False, rounds: int = 11
) -> tuple[np.ndarray, float]:
    """Return the rotation (and, for `zoom`, the ratio of focal lengths) that maps rays (N, 2) to another camera's.

    Robust Gauss-Newton from the identity, from a wide to a narrow Cauchy scale. Returns R with ray2 ~ R @ ray1, and the
    ratio f2 / f1 (1 without zoom).
    """
    rays = np.concatenate([first, np.ones((len(first), 1))], 1)
    rotation, ratio = np.eye(3), 1.0
    # Half the points may belong to a moving object: start from the median displacement, end at a pixel.
    scale = max(float(np.median(np.linalg.norm(second - first, axis=1))), pixel)
    for _ in range(rounds):
        rotated = rays @ rotation.T
        depth = np.maximum(rotated[:, 2:], 0.1)
        plane = rotated[:, :2] / depth
        error = ratio * plane - second
        weight = 1 / (1 + (error**2).sum(1) / scale**2)
        slope = np.zeros((len(rays), 2, 3))
        slope[:, 0, 0] = slope[:, 1, 1] = ratio / depth[:, 0]
        slope[:, :, 2] = -ratio * plane / depth
        jacobian = np.cross(rotated[:, None], slope)
        if zoom:
            jacobian = np.concatenate([jacobian, (ratio * plane)[:, :, None]], 2)
        weighted = jacobian * weight[:, None, None]
        normal = np.einsum("nij,nik->jk", weighted, jacobian)
        step = -np.linalg.solve(normal + 1e-9 * np.eye(len(normal)), np.einsum("nij,ni->j", weighted, error))
        rotation = rotations.from_rotvec(step[:3]) @ rotation
        if zoom:
            ratio *= float(np.exp(np.clip(step[3], -0.3, 0.3)))
        scale = max(scale * 0.6, pixel)
    return rotation, ratio


@dataclass
class Triangulation:
    """World points (N, 3), the widest angle between their rays (N,) in radians, and whether they are in front (N,)."""

    points: np.ndarray
    angle: np.ndarray
    in_front: np.ndarray


def triangulate_rays(
    rays: np.ndarray,
    rotation: np.ndarray,
    translation: np.ndarray,
    camera_index: np.ndarray,
    point_index: np.ndarray,
    count: int,
) -> Triangulation:
    """Return the `count` points nearest to their rays (the midpoint method for many views).

    rays (M, 2), rotation (K, 3, 3), translation (K, 3), camera_index and point_index (M,).
    """
    direction = np.concatenate([rays, np.ones((len(rays), 1))], 1)
    direction = np.einsum("mji,mj->mi", rotation[camera_index], direction)
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    center = -np.einsum("kji,kj->ki", rotation, translation)[camera_index]
    across = np.eye(3) - direction[:, :, None] * direction[:, None]
    normal = sum_by_index(across, point_index, count) + 1e-12 * np.eye(3)
    right = sum_by_index(np.einsum("mij,mj->mi", across, center), point_index, count)
    points = np.linalg.solve(normal, right[..., None])[..., 0]
    mean = sum_by_index(direction, point_index, count)
    mean /= np.maximum(np.linalg.norm(mean, axis=1, keepdims=True), 1e-12)
    from_mean = np.arccos(np.clip((direction * mean[point_index]).sum(1), -1, 1))
    angle = np.zeros(count)
    np.maximum.at(angle, point_index, 2 * from_mean)
    depth = np.einsum("mi,mi->m", rotation[camera_index][:, 2], points[point_index]) + translation[camera_index][:, 2]
    in_front = np.ones(count, bool)
    np.logical_and.at(in_front, point_index, depth > 1e-6)
    return Triangulation(points, angle, in_front)


def solve_pnp(points: np.ndarray, rays: np.ndarray, pixel: float) -> tuple[np.ndarray, np.ndarray] | None:
    """Return the world-to-camera rotation and translation of a view of known points (N, 3) at rays (N, 2), or None.

    RANSAC with SQPnP; the bundle adjustment refines it. pixel: the size of a pixel on the plane z = 1.
    """
    cv2 = opencv()
    if len(points) < MIN_MATCHES:
        return None
    cv2.setRNGSeed(0)
    success, rotvec, translation, inliers = cv2.solvePnPRansac(
        points,
        rays,
        np.eye(3),
        None,
        iterationsCount=300,
        reprojectionError=3 * pixel,
        confidence=0.999,
        flags=cv2.SOLVEPNP_SQPNP,
    )
    if not success or inliers is None or len(inliers) < MIN_MATCHES:
        return None
    return cv2.Rodrigues(rotvec)[0], translation.ravel()
