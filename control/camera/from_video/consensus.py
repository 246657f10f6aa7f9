"""Whether all parts of the image tell the same path: a fit repeated with half of its points each time.

The covariance says what noise does. Where something large moves by itself, or the path is a wrong compromise, every
point agrees a little with it and the covariance is small; but the points of the left half alone, of the upper half
alone, or of the near ones alone, give another path. Halves that see too little to tell are not held against it: their
difference counts only where it is large beside their own deviations.

F frames, K of them compared.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .. import rotations
from . import bundle_adjustment as ba
from .grouping import sum_by_index
from .motion_fits import MotionFit, free_camera_parameters
from .uncertainty import Uncertainty, pose_uncertainty, select_cameras, select_points

_FRAMES, _POINTS, _ROUNDS, _MIN_POINTS = 12, 180, 15, 25
# Halves differ if they do so by more than so many of their deviations.
_SIGNIFICANT = 4.0
# Pixels of an image 672 wide at which an observation counts half.
_SCALE = 1.0


@dataclass(frozen=True, eq=False)
class Disagreement:
    """Half of the largest significant difference between halves of the points.

    rotation (F,): degrees; position (F,): in the unit of the bundle.
    """

    rotation: np.ndarray
    position: np.ndarray


def compare_halves(fit: MotionFit, pixel: float, unit: float) -> Disagreement:
    """Return how much halves of the points of a fit of all frames disagree about its path.

    pixel: a pixel of an image 672 wide in pixels of the fit's. unit: a usual depth of its points.
    """
    total = len(fit.bundle.focal)
    frames = np.unique(np.linspace(0, total - 1, _FRAMES).round().astype(int))
    rotation, position = np.zeros(len(frames)), np.zeros(len(frames))
    if fit.kind != "static":
        bundle = select_cameras(fit.bundle, frames)
        for halves in _halves(bundle, by_depth=fit.kind == "moving"):
            fits = [_refit(fit.kind, bundle, points, pixel) for points in halves]
            if any(half is None for half in fits):
                continue
            known = [pose_uncertainty(half, pixel, unit, adjusts_focal=False) for half in fits if half is not None]
            turned, moved = _difference(*(half.bundle for half in fits if half is not None))
            rotation = np.maximum(rotation, _significant(turned, known, "rotation"))
            position = np.maximum(position, _significant(moved, known, "position"))
    every = np.arange(total)
    return Disagreement(np.interp(every, frames, rotation) / 2, np.interp(every, frames, position) / 2)


def _halves(bundle: ba.Bundle, by_depth: bool) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return pairs of the numbers of the points on both sides: left and right, above and below, near and far."""
    count = np.maximum(np.bincount(bundle.point_index, minlength=len(bundle.points)), 1)
    where = sum_by_index(bundle.observed, bundle.point_index, len(bundle.points)) / count[:, None]
    keys = [where[:, 0], where[:, 1]]
    if by_depth:
        depth = bundle.points_in_camera()[:, 2:]
        keys.append(sum_by_index(depth, bundle.point_index, len(bundle.points))[:, 0] / count)
    return [(np.flatnonzero(key < np.median(key)), np.flatnonzero(key >= np.median(key))) for key in keys]


def _refit(kind: str, bundle: ba.Bundle, points: np.ndarray, pixel: float) -> MotionFit | None:
    """Return the fit to some of the points, or None for too few."""
    part = select_points(bundle, points, _POINTS)
    if len(part.points) < _MIN_POINTS:
        return None
    free = free_camera_parameters(kind, len(part.focal), focal_known=True)
    part = ba.adjust(part, free, _SCALE * pixel, _ROUNDS)
    frames = np.arange(len(part.focal))
    return MotionFit(kind, frames, points, part, np.ones(len(frames), bool))


def _difference(one: ba.Bundle, other: ba.Bundle) -> tuple[np.ndarray, np.ndarray]:
    """Return the angles (K,) in degrees and the distances (K,) between the cameras, the second path scaled."""
    turns = [bundle.rotation @ bundle.rotation[0].T for bundle in (one, other)]
    centers = []
    for bundle in (one, other):
        center = -np.einsum("kji,kj->ki", bundle.rotation, bundle.translation)
        centers.append((center - center[0]) @ bundle.rotation[0].T)
    length = float((centers[1] ** 2).sum())
    scale = float((centers[0] * centers[1]).sum()) / length if length > 0 else 1.0
    return np.degrees(rotations.angle_between(*turns)), np.linalg.norm(centers[0] - scale * centers[1], axis=1)


def _significant(difference: np.ndarray, known: list[Uncertainty], name: str) -> np.ndarray:
    """Return the differences (K,), 0 where the deviations of the halves explain them."""
    deviation = np.sqrt(sum(getattr(one, name) ** 2 for one in known))
    return np.where(difference > _SIGNIFICANT * deviation, difference, 0.0)
