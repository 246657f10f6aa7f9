"""The other path past a flat scene: what a camera sees of one plane has two explanations.

From one view of a plane to another leads the homography R + t n', with the plane's normal n over its distance and the
camera's step t. The same homography is that of another plane and another step, in which the directions of normal and
step have changed places (Longuet-Higgins, "The reconstruction of a plane surface from two perspective projections",
1986; Faugeras and Lustman, 1988). A camera that comes straight at a tilted wall looks much like one that comes sideways
at an upright one: only many views, and what stands before the wall, tell them apart. A fit that began with the wrong
one stays there.

K cameras, N points. The plane is n' x = 1 in the axes of a camera.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ...libraries import opencv
from .. import rotations
from . import bundle_adjustment as ba
from . import two_view
from .motion_fits import MotionFit, free_camera_parameters
from .problem import Problem

# A scene is flat if so many of its points are this near to one plane, in shares of its distance.
_FLAT_SHARE, _NEAR_PLANE = 0.8, 0.1
# Planes whose normals lie within so many degrees are the same. A plane is seen where rays have more than this share of
# their length across it.
_SAME, _GRAZING = 0.5, 1e-3
_MIN_POINTS, _ROUNDS = 20, 15
# A path that costs less than so many times the better one explains the points as well, at this scale in pixels of an
# image 672 wide; it is another one from so many degrees on.
_AS_WELL, _SCALE, _APART = 1.1, 0.1, 1.0

AMBIGUOUS = (
    "What is seen is flat, and another path past it, with turns in the place of steps, explains the points as well:"
    " look at {}, or give the field of view."
)


def best_path(problem: Problem, fit: MotionFit) -> tuple[MotionFit, bool]:
    """Return the better of both explanations of a flat scene, and whether the other explains the points as well.

    The fit itself where the scene is not flat, or there is no other explanation.
    """
    other = _other_path(problem, fit)
    if other is None:
        return fit, False
    costs = [_cost(problem, one) for one in (fit, other)]
    better = fit if costs[0] <= costs[1] else other
    apart = np.degrees(rotations.angle_between(*(_turns(one) for one in (fit, other)))).max()
    return better, bool(max(costs) < _AS_WELL * min(costs) and apart > _APART)


def _other_path(problem: Problem, fit: MotionFit) -> MotionFit | None:
    """Return the fit that begins with the other explanation; None where the scene is not flat or has none."""
    cameras = np.flatnonzero(fit.registered)
    if len(cameras) < 3:
        return None
    start = _seen_from(fit.bundle, int(cameras[0]))
    plane = _plane(start.points)
    other = None if plane is None else _other_plane(start, cameras, plane)
    return None if other is None else _fit(problem, fit, _laid_on(start, cameras, other))


def _cost(problem: Problem, fit: MotionFit) -> float:
    residuals = fit.bundle.residuals()[fit.registered[fit.bundle.camera_index]]
    return ba.robust_cost(residuals, _SCALE * problem.pixel)


def _turns(fit: MotionFit) -> np.ndarray:
    """Return the rotations of the registered cameras from the first of them."""
    rotation = fit.bundle.rotation[fit.registered]
    return np.asarray(rotation @ rotation[0].T)


def _seen_from(bundle: ba.Bundle, first: int) -> ba.Bundle:
    """Return the bundle in the axes of one of its cameras."""
    turn, step = bundle.rotation[first], bundle.translation[first]
    rotation = bundle.rotation @ turn.T
    return replace(
        bundle,
        rotation=rotation,
        translation=bundle.translation - rotation @ step,
        points=bundle.points @ turn.T + step,
    )


def _plane(points: np.ndarray) -> np.ndarray | None:
    """Return the plane (3,) of points (N, 3) in the axes of a camera; None where they are not flat."""
    points = points[points[:, 2] > 1e-6]
    if len(points) < _MIN_POINTS:
        return None
    # Linear in inverse depth, in which far points do not outweigh the others.
    rays, inverse = points / points[:, 2:], 1 / points[:, 2]
    weight, plane, rest = np.ones(len(points)), np.zeros(3), np.zeros(len(points))
    for _ in range(20):
        plane = np.linalg.lstsq(rays * weight[:, None], inverse * weight, rcond=None)[0]
        rest = np.abs(rays @ plane - inverse) / np.median(inverse)
        weight = 1 / np.sqrt(1 + (rest / max(float(np.median(rest)), 1e-4)) ** 2)
    return plane if (rest < _NEAR_PLANE).mean() > _FLAT_SHARE else None


def _other_plane(bundle: ba.Bundle, cameras: np.ndarray, plane: np.ndarray) -> np.ndarray | None:
    """Return the plane (3,) that the homography from the first to one of the cameras could be of as well.

    The one that differs most; None where all are of the same.
    """
    cv2 = opencv("estimating a camera from a video")
    rays = bundle.points / np.maximum(np.linalg.norm(bundle.points, axis=1, keepdims=True), 1e-9)
    direction = plane / np.linalg.norm(plane)
    best, widest = None, np.radians(_SAME)
    for camera in cameras[1:]:
        homography = bundle.rotation[camera] + np.outer(bundle.translation[camera], plane)
        for normal in map(np.ravel, cv2.decomposeHomographyMat(homography, np.eye(3))[3]):
            angle = np.arccos(np.clip(normal @ direction, -1, 1))
            if angle > widest and (rays @ normal > _GRAZING).mean() > _FLAT_SHARE:
                best, widest = normal, angle
    return best


def _laid_on(bundle: ba.Bundle, cameras: np.ndarray, plane: np.ndarray) -> ba.Bundle:
    """Return the bundle with its points on another plane, and these cameras, but for the first, where they see them
    so."""
    distance = (bundle.points @ plane)[:, None]
    depth = np.median(np.linalg.norm(bundle.points, axis=1))
    points = np.where(distance > 1e-6, bundle.points / np.maximum(distance, 1e-6) * depth, bundle.points)
    result = replace(bundle.copy(), points=points)
    for camera in cameras[1:]:
        rows = np.flatnonzero(bundle.camera_index == camera)
        rays = bundle.observed[rows] / bundle.focal[camera]
        pose = two_view.solve_pnp(points[bundle.point_index[rows]], rays, 1 / bundle.focal[camera])
        if pose is not None:
            result.rotation[camera], result.translation[camera] = pose
    return result


def _fit(problem: Problem, fit: MotionFit, bundle: ba.Bundle) -> MotionFit:
    """Return a fit with the registered cameras and the points of a bundle adjusted."""
    cameras = np.flatnonzero(fit.registered)
    part = bundle.select(fit.registered[bundle.camera_index])
    part = replace(
        part,
        rotation=bundle.rotation[cameras],
        translation=bundle.translation[cameras],
        focal=bundle.focal[cameras],
        camera_index=np.searchsorted(cameras, part.camera_index),
    )
    free = free_camera_parameters("moving", len(cameras), problem.focal_known)
    for scale in (1.0, 0.3, 0.3):
        part = ba.adjust(part, free, scale * problem.pixel, _ROUNDS)
    whole = replace(bundle.copy(), points=part.points)
    whole.rotation[cameras], whole.translation[cameras] = part.rotation, part.translation
    whole.focal[:] = part.focal.mean()
    return replace(fit, bundle=whole)
