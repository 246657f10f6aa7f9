"""The start of a reconstruction: two views (MAGSAC essential matrix), further ones by PnP, points by their rays.

Rays are directions in a camera with z = 1: (pixel - principal point) / focal length. Poses are world-to-camera.
"""

from __future__ import annotations

import numpy as np

from .tracks import opencv


def relative_pose(first: np.ndarray, second: np.ndarray, pixel: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rotation (3, 3), unit shift (3,) and inliers (N,) of the second camera from rays (N, 2) of both.

    pixel: the size of a pixel on the plane z = 1. MAGSAC (Barath et al., arXiv 1912.05909) with the five-point solver;
    which of the four solutions it is, cheirality tells.
    """
    cv2 = opencv()
    cv2.setRNGSeed(0)
    matrix, inside = cv2.findEssentialMat(
        first, second, np.eye(3), method=cv2.USAC_MAGSAC, prob=0.9999, threshold=1.0 * pixel, maxIters=2000
    )
    if matrix is None or matrix.shape[0] < 3:
        return np.eye(3), np.zeros(3), np.zeros(len(first), bool)
    count, rotation, shift, inside = cv2.recoverPose(matrix[:3], first, second, np.eye(3), mask=inside.copy())
    return rotation, shift.ravel(), inside.ravel() > 0


def turn_between(
    first: np.ndarray, second: np.ndarray, pixel: float, zoom: bool = False, rounds: int = 11
) -> tuple[np.ndarray, float]:
    """The rotation (and, for `zoom`, the ratio of focal lengths) that carries rays (N, 2) of one camera to another.

    Robust Gauss-Newton from standing still, from a wide to a narrow Cauchy scale. Returns R with ray2 ~ R @ ray1, and
    the ratio f2 / f1 (1 without zoom).
    """
    from .. import rotations

    ray = np.concatenate([first, np.ones((len(first), 1))], 1)
    rotation, ratio = np.eye(3), 1.0
    # Half the points may belong to what moves: start from the usual displacement, end at a pixel.
    scale = max(float(np.median(np.linalg.norm(second - first, axis=1))), pixel)
    for _ in range(rounds):
        turned = ray @ rotation.T
        depth = np.maximum(turned[:, 2:], 0.1)
        plane = turned[:, :2] / depth
        error = ratio * plane - second
        weight = 1 / (1 + (error**2).sum(1) / scale**2)
        slope = np.zeros((len(ray), 2, 3))
        slope[:, 0, 0] = slope[:, 1, 1] = ratio / depth[:, 0]
        slope[:, :, 2] = -ratio * plane / depth
        jacobian = np.cross(turned[:, None], slope)
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


def points_from_rays(
    rays: np.ndarray, rotation: np.ndarray, shift: np.ndarray, camera: np.ndarray, point: np.ndarray, count: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """World points (count, 3) nearest to their rays, the widest angle between these (radians), and in front (bool).

    rays (M, 2), rotation (K, 3, 3), shift (K, 3), camera and point (M,) indices. The midpoint method for many views.
    """
    direction = np.concatenate([rays, np.ones((len(rays), 1))], 1)
    direction = np.einsum("mji,mj->mi", rotation[camera], direction)
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    center = -np.einsum("kji,kj->ki", rotation, shift)[camera]
    across = np.eye(3) - direction[:, :, None] * direction[:, None]

    def total(values: np.ndarray) -> np.ndarray:
        flat = values.reshape(len(values), -1)
        return np.stack([np.bincount(point, column, count) for column in flat.T], 1).reshape(count, *values.shape[1:])

    normal = total(across)
    points = np.linalg.solve(normal + 1e-12 * np.eye(3), total(np.einsum("mij,mj->mi", across, center))[..., None])[
        ..., 0
    ]
    mean = total(direction)
    mean /= np.maximum(np.linalg.norm(mean, axis=1, keepdims=True), 1e-12)
    away = np.arccos(np.clip((direction * mean[point]).sum(1), -1, 1))
    angle = np.zeros(count)
    np.maximum.at(angle, point, 2 * away)
    depth = np.einsum("mi,mi->m", rotation[camera][:, 2], points[point]) + shift[camera][:, 2]
    front = np.ones(count, bool)
    np.logical_and.at(front, point, depth > 1e-6)
    return points, angle, front


def pose_from_points(points: np.ndarray, rays: np.ndarray, pixel: float):
    """World-to-camera rotation, shift and inliers of a view of known points (N, 3) at rays (N, 2), or None.

    MAGSAC-scored PnP; the refinement is the bundle adjustment's.
    """
    cv2 = opencv()
    if len(points) < 8:
        return None
    cv2.setRNGSeed(0)
    done, vector, shift, inside = cv2.solvePnPRansac(
        points,
        rays,
        np.eye(3),
        None,
        iterationsCount=300,
        reprojectionError=3 * pixel,
        confidence=0.999,
        flags=cv2.SOLVEPNP_SQPNP,
    )
    if not done or inside is None or len(inside) < 8:
        return None
    mask = np.zeros(len(points), bool)
    mask[inside.ravel()] = True
    return cv2.Rodrigues(vector)[0], shift.ravel(), mask
