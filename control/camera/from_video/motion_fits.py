"""Kinds of camera motion fitted to the tracks: static, rotating, zooming (rotating with a zoom); moving freely is in
reconstruction.py.

Every kind is fitted to the same observations; the simplest that explains them about as well as the best is taken.
That is what makes pans exact: a free camera fitted to a pan would invent a translation out of noise.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from . import bundle_adjustment as ba
from . import two_view
from .grouping import median_by_index
from .problem import Problem, observations

# A few hundred points determine how an image rotates, and so few do not.
_MAX_POINTS, _MIN_POINTS = 300, 8
# From so many keyframes on an unknown focal length is adjusted.
_MIN_CAMERAS_FOR_FOCAL = 5

# A point is clearly nearer its place in one of two fits if the other is this far off (pixels of an image 672 wide), and
# so many times as far; fewer such points are chance.
_CLEAR_ERROR, _CLEAR_RATIO, _MIN_BETTER = 0.15, 3.0, 4


@dataclass
class MotionFit:
    """A kind of motion fitted to some frames.

    kind: 'static', 'turning', 'zooming' or 'moving'. frames (K,): the numbers of the bundle's cameras; tracks (N,):
    those of its points. registered (K,) bool: frames that have a pose at all. Once refined: support: how many patches
    lie where the fit predicts them; point_errors (N,): how far a point's patches are off, the median in pixels of an
    image 672 wide (NaN: not measured).
    """

    kind: str
    frames: np.ndarray
    tracks: np.ndarray
    bundle: ba.Bundle
    registered: np.ndarray
    support: int = 0
    point_errors: np.ndarray | None = None

    def errors(self) -> np.ndarray:
        """Return the lengths of the residuals (M,) in pixels."""
        lengths: np.ndarray = np.linalg.norm(self.bundle.residuals(), axis=1)
        return lengths

    def outdoes(self, other: MotionFit, share: float) -> bool:
        """Return whether more than this share of the points is clearly nearer its place than in another refined fit."""
        if self.point_errors is None or other.point_errors is None:
            return False
        mine, theirs = self.point_errors, other.point_errors
        measured = int((np.isfinite(mine) | np.isfinite(theirs)).sum())
        better = (theirs > _CLEAR_ERROR) & (theirs > _CLEAR_RATIO * mine)
        return int(better.sum()) > max(share * measured, _MIN_BETTER)


def free_camera_parameters(kind: str, cameras: int, focal_known: bool) -> np.ndarray:
    """Return the matrix of the free parameters of a kind of motion; see `bundle_adjustment.free_parameters`."""
    if kind == "zooming":
        free = ba.free_parameters(cameras, translate=False, focal="each")
        # Only ratios of focal lengths are observable: the first frame keeps its own.
        zooming: np.ndarray = free[:, free[6] == 0]
        return zooming
    fixed = focal_known or kind == "static" or cameras < _MIN_CAMERAS_FOR_FOCAL
    return ba.free_parameters(
        cameras, rotate=kind != "static", translate=kind == "moving", focal="fixed" if fixed else "shared"
    )


def fit_without_translation(problem: Problem, frames: np.ndarray, tracks: np.ndarray, kind: str) -> MotionFit:
    """Return the fit of 'static', 'turning' or 'zooming' to the chosen frames and tracks. Points are directions."""
    if kind == "static":
        rotation, focal = _identity_rotations(problem), np.full(problem.frames, problem.focal)
    else:
        rotation, focal = _chain_rotations(problem, zoom=kind == "zooming")
    rotation, focal = rotation[frames], focal[frames]
    seen = observations(problem, frames, tracks)
    rays = np.concatenate([seen.xy / focal[seen.camera_index, None], np.ones((len(seen.xy), 1))], 1)
    rays = np.einsum("mji,mj->mi", rotation[seen.camera_index], rays)
    rays /= np.linalg.norm(rays, axis=1, keepdims=True)
    # The median is robust to the few that slipped.
    points = np.stack([median_by_index(rays[:, k], seen.point_index, len(tracks)) for k in range(3)], 1)
    points /= np.maximum(np.linalg.norm(points, axis=1, keepdims=True), 1e-9)
    bundle = ba.Bundle(
        rotation,
        np.zeros((len(frames), 3)),
        focal,
        points,
        seen.camera_index,
        seen.point_index,
        seen.xy,
        seen.weights(),
    )
    free = free_camera_parameters(kind, len(frames), problem.focal_known)
    for scale in (1.0, 0.3):
        bundle = ba.adjust(bundle, free, scale * problem.pixel, rounds=8)
    return MotionFit(kind, frames, tracks, bundle, np.ones(len(frames), bool))


def _identity_rotations(problem: Problem) -> np.ndarray:
    return np.tile(np.eye(3), (problem.frames, 1, 1))


def _chain_rotations(problem: Problem, zoom: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return world-to-camera rotations (F, 3, 3) and focal lengths (F,), chained as if the camera only rotated."""
    rotation, focal = _identity_rotations(problem), np.full(problem.frames, problem.focal)
    for frame in range(1, problem.frames):
        both = problem.in_both(frame - 1, frame)
        both = both[:: max(1, len(both) // _MAX_POINTS)]
        step, ratio = np.eye(3), 1.0
        if len(both) >= _MIN_POINTS:
            before, after = problem.tracks[both, frame - 1], problem.tracks[both, frame]
            scale = focal[frame - 1]
            step, ratio = two_view.estimate_rotation(before / scale, after / scale, problem.pixel / scale, zoom)
        rotation[frame] = step @ rotation[frame - 1]
        focal[frame] = focal[frame - 1] * ratio
    return rotation, focal
