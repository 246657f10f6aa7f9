"""Incremental structure from motion for a camera that moves freely: two views first, then one frame after the other
(Snavely et al., "Photo Tourism", 2006; Schonberger and Frahm, "Structure-from-Motion Revisited", 2016).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from . import bundle_adjustment as ba
from . import two_view
from .grouping import median_by_index
from .motion_fits import MotionFit, free_camera_parameters
from .problem import Problem, observations

# Points so far away that their parallax is not seen are put at this many usual depths: they still fix the rotation.
FAR_DEPTHS = 100.0
# Degrees between rays below which a point's depth is not used to register frames: usually, and where no two views have
# as much, since the camera hardly moves. A point with less than the share of it is far away.
SOLID_PARALLAX, NEAR_SHARE = (0.4, 0.12), 0.6
# Median residual in pixels above which a point is a mistake or moves.
MAX_POINT_ERROR = 8.0
# Points that a frame must share with those that have a depth, and frames between two bundle adjustments.
_MIN_POINTS_TO_REGISTER, _FRAMES_PER_ADJUSTMENT = 12, 5
# Tracks, inliers and points with parallax that a pair of views needs to start from.
_MIN_SHARED, _MIN_INLIERS, _MIN_DEEP = 20, 15, 12
_MIN_OBSERVATIONS, _MANY_ROUNDS = 20, 50


def fit_moving(problem: Problem, frames: np.ndarray, tracks: np.ndarray) -> MotionFit | None:
    """Return the fit of a camera that moves; None where no two views show depth."""
    seen = observations(problem, frames, tracks)
    visible = np.zeros((len(tracks), len(frames)), bool)
    visible[seen.point_index, seen.camera_index] = True
    starts = ((_choose_initial_pair(problem, frames, tracks, visible, solid), solid) for solid in SOLID_PARALLAX)
    start, solid = next((found for found in starts if found[0] is not None), (None, 0.0))
    if start is None:
        return None
    bundle = ba.Bundle(
        np.tile(np.eye(3), (len(frames), 1, 1)),
        np.zeros((len(frames), 3)),
        np.full(len(frames), problem.focal),
        np.zeros((len(tracks), 3)),
        seen.camera_index,
        seen.point_index,
        seen.xy,
        seen.weights(),
    )
    bundle.rotation[start.second], bundle.translation[start.second] = start.rotation, start.translation
    registered = np.zeros(len(frames), bool)
    registered[[start.first, start.second]] = True
    reconstruction = _Reconstruction(problem, bundle, registered, np.zeros(len(tracks), bool), visible, solid)
    reconstruction.register_frames()
    reconstruction.triangulate()
    reconstruction.adjust(rounds=8, only_solid=True)
    reconstruction.add_far_points()
    # Where the camera hardly moves, depths are found slowly.
    rounds = 8 if solid == SOLID_PARALLAX[0] else _MANY_ROUNDS
    for scale in (1.0, 0.3):
        reconstruction.adjust(rounds, scale)
    return MotionFit("moving", frames, tracks, reconstruction.bundle, reconstruction.registered)


@dataclass
class _InitialPair:
    """Two views (numbers within the chosen frames), and the pose of the second in the axes of the first."""

    first: int
    second: int
    rotation: np.ndarray
    translation: np.ndarray


def _choose_initial_pair(
    problem: Problem, frames: np.ndarray, tracks: np.ndarray, visible: np.ndarray, solid: float
) -> _InitialPair | None:
    """Return the two frames with the most parallax between them; None where no pair has `solid` degrees."""
    count = len(frames)
    starts = {0, count // 4, count // 2}
    pairs = {(a, int(b)) for a in starts for b in np.linspace(a, count - 1, 6).astype(int) if b > a}
    best_score, best = 0.0, None
    for first, second in sorted(pairs):
        both = tracks[visible[:, first] & visible[:, second]]
        if len(both) < _MIN_SHARED:
            continue
        first_rays = problem.tracks[both, frames[first]] / problem.focal
        second_rays = problem.tracks[both, frames[second]] / problem.focal
        pixel = problem.pixel / problem.focal
        rotation, translation, inliers = two_view.relative_pose(first_rays, second_rays, pixel)
        score = _pair_score(first_rays, second_rays, rotation, translation, inliers, solid)
        if score > best_score:
            best_score, best = score, _InitialPair(first, second, rotation, translation)
    return best


def _pair_score(
    first_rays: np.ndarray,
    second_rays: np.ndarray,
    rotation: np.ndarray,
    translation: np.ndarray,
    inliers: np.ndarray,
    solid: float,
) -> float:
    """Return how well a pair of views shows depth: points with parallax, times their angle; 0 for too few."""
    count = int(inliers.sum())
    if count < _MIN_INLIERS:
        return 0.0
    triangulation = two_view.triangulate_rays(
        np.concatenate([first_rays[inliers], second_rays[inliers]]),
        np.stack([np.eye(3), rotation]),
        np.stack([np.zeros(3), translation]),
        np.repeat([0, 1], count),
        np.tile(np.arange(count), 2),
        count,
    )
    parallax = np.degrees(triangulation.angle)
    deep = (parallax > solid) & triangulation.in_front
    if deep.sum() < _MIN_DEEP:
        return 0.0
    return float(deep.sum() * min(float(np.median(parallax[deep])), 8.0) * inliers.mean())


@dataclass
class _Reconstruction:
    """The state of a reconstruction: which frames are registered (K,), which points have a depth, `solid` (N,), which
    tracks each frame sees, `visible` (N, K), and the degrees between rays that make a depth."""

    problem: Problem
    bundle: ba.Bundle
    registered: np.ndarray
    solid: np.ndarray
    visible: np.ndarray
    parallax: float

    def register_frames(self) -> None:
        """Triangulate the first two views, then register one frame after the other, adjusting now and then."""
        self.triangulate()
        left = np.flatnonzero(~self.registered).tolist()
        since_adjustment = 0
        while left:
            frame = self._next_frame(left)
            if frame is None:
                break
            left.remove(frame)
            if not self._register(frame):
                continue
            since_adjustment += 1
            self.triangulate(keep=self.solid)
            if since_adjustment >= _FRAMES_PER_ADJUSTMENT or not left:
                self.adjust(rounds=5, only_solid=True)
                self.triangulate()
                since_adjustment = 0

    def _next_frame(self, left: list[int]) -> int | None:
        """Sort the frames that are left, those between registered ones first, then by distance; return the first that
        shares enough points with the registered ones."""
        known = np.flatnonzero(self.registered)
        left.sort(key=lambda k: (not known[0] < k < known[-1], np.abs(known - k).min()))
        enough = (k for k in left if (self.visible[:, k] & self.solid).sum() >= _MIN_POINTS_TO_REGISTER)
        return next(enough, None)

    def _register(self, frame: int) -> bool:
        """Find the pose of a frame from the points that have a depth; return whether there is one."""
        points = np.flatnonzero(self.visible[:, frame] & self.solid)
        of_frame = self.bundle.camera_index == frame
        rays = np.full((len(self.solid), 2), np.nan)
        rays[self.bundle.point_index[of_frame]] = self.bundle.observed[of_frame] / self.problem.focal
        pixel = self.problem.pixel / self.problem.focal
        pose = two_view.solve_pnp(self.bundle.points[points], rays[points], pixel)
        if pose is None:
            return False
        self.bundle.rotation[frame], self.bundle.translation[frame] = pose
        self.registered[frame] = True
        return True

    def _triangulated(self) -> two_view.Triangulation:
        """Return all points from the rays of the registered cameras."""
        b, use = self.bundle, self.registered[self.bundle.camera_index]
        rays = b.observed[use] / b.focal[b.camera_index[use], None]
        return two_view.triangulate_rays(
            rays, b.rotation, b.translation, b.camera_index[use], b.point_index[use], len(b.points)
        )

    def triangulate(self, keep: np.ndarray | None = None) -> None:
        """Triangulate the points again but those of `keep` (N,), and find which of all have a depth."""
        use = self.registered[self.bundle.camera_index]
        result = self._triangulated()
        points = result.points
        views = np.bincount(self.bundle.point_index[use], minlength=len(points))
        solid = result.in_front & (views >= 2) & (np.degrees(result.angle) > self.parallax)
        if keep is not None:
            points = np.where(keep[:, None], self.bundle.points, points)
            solid = solid | keep
        self.bundle = replace(self.bundle, points=points)
        error = np.where(use, np.linalg.norm(self.bundle.residuals(), axis=1), 0)
        # A point whose rays do not meet is a mistake or moves.
        self.solid = solid & (median_by_index(error, self.bundle.point_index, len(points)) < MAX_POINT_ERROR)

    def add_far_points(self) -> None:
        """Triangulate all points; those whose rays meet nowhere in front are put far away in their direction."""
        b = self.bundle
        result = self._triangulated()
        use = self.registered[b.camera_index]
        camera, point = b.camera_index[use], b.point_index[use]
        rays = b.observed[use] / b.focal[camera, None]
        direction = np.concatenate([rays, np.ones((len(rays), 1))], 1)
        direction = np.einsum("mji,mj->mi", b.rotation[camera], direction)
        direction = np.stack([median_by_index(direction[:, k], point, len(b.points)) for k in range(3)], 1)
        direction /= np.maximum(np.linalg.norm(direction, axis=1, keepdims=True), 1e-9)
        center = -np.einsum("kji,kj->ki", b.rotation, b.translation)[self.registered].mean(0)
        near = result.in_front & (np.degrees(result.angle) > NEAR_SHARE * self.parallax)
        usual = np.median(np.linalg.norm(result.points[near] - center, axis=1)) if near.any() else 1.0
        far = center + FAR_DEPTHS * usual * direction
        self.bundle = replace(b, points=np.where(near[:, None], result.points, far))

    def adjust(self, rounds: int, scale: float = 1.0, only_solid: bool = False) -> None:
        """Adjust the registered cameras and the points (only_solid: those that have a depth); the rest stays."""
        whole = self.bundle
        adjustable = self.solid if only_solid else np.ones(len(self.solid), bool)
        cameras, points = np.flatnonzero(self.registered), np.flatnonzero(adjustable)
        use = self.registered[whole.camera_index] & adjustable[whole.point_index]
        if use.sum() < _MIN_OBSERVATIONS:
            return
        part = replace(
            whole.select(use),
            rotation=whole.rotation[cameras],
            translation=whole.translation[cameras],
            focal=whole.focal[cameras],
            points=whole.points[points],
            camera_index=np.searchsorted(cameras, whole.camera_index[use]),
            point_index=np.searchsorted(points, whole.point_index[use]),
        )
        free = free_camera_parameters("moving", len(cameras), self.problem.focal_known)
        tolerance = 1e-4 if rounds < _MANY_ROUNDS else 1e-6
        part = ba.adjust(part, free, scale * self.problem.pixel, rounds, tolerance)
        self.bundle = whole.copy()
        self.bundle.rotation[cameras], self.bundle.translation[cameras] = part.rotation, part.translation
        self.bundle.focal[:] = part.focal.mean()
        self.bundle.points[points] = part.points
