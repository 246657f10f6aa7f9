"""What kind of movement explains the followed points: none, turning, turning with a zoom, or moving freely.

Every kind is fitted to the same observations; the simplest that explains them about as well as the best is taken.
That is what makes pans exact: a free camera fitted to a pan would invent a translation out of noise.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from .. import rotations
from . import bundle_adjustment as ba
from . import photometric, two_view
from .tracks import Tracks

# Points so far away that their parallax is not seen are put at this many usual depths: they still hold the rotation.
FAR = 100.0
# Rays that meet at less than this (degrees) give no depth.
NARROW, WIDE = 0.25, 0.4
REACH = 2.0
# Distance of samples and robust scale, in pixels of an image 672 wide, of the rounds of `sharpened`.
SCHEDULE = ((2.5, 1.0), (2.5, 0.5), *[(1.5, 0.1)] * 7)


@dataclass
class Problem:
    """at (N, F, 2): tracks in pixels from the middle of the image (NaN: not seen); focal in pixels, a guess or
    given; pixel: a pixel of an image 672 wide in pixels of this one, the measure of all thresholds."""

    at: np.ndarray
    focal: float
    known: bool
    pixel: float
    images: list[np.ndarray]

    @classmethod
    def of(cls, tracks: Tracks, images: list[np.ndarray], focal: float, known: bool) -> Problem:
        """focal in widths of the image; images: gray, of the working size."""
        width, height = tracks.size
        middle = np.array([width / 2, height / 2])
        return cls(tracks.xy - middle, focal * width, known, max(width, height) / 672, images)

    @property
    def frames(self) -> int:
        return self.at.shape[1]

    def seen(self) -> np.ndarray:
        return np.isfinite(self.at[:, :, 0])

    def shared(self, first: int, second: int) -> np.ndarray:
        """Tracks (n,) seen in both frames."""
        seen = self.seen()
        return np.flatnonzero(seen[:, first] & seen[:, second])


@dataclass
class Fit:
    """A kind of movement fitted to some frames: `bundle` (cameras in the order of `frames`), the `tracks` its points
    belong to, which of the frames `placed` (K,) bool have a pose at all, and, once sharpened, how many patches lie
    where it says (`support`)."""

    kind: str
    frames: np.ndarray
    tracks: np.ndarray
    bundle: ba.Bundle
    placed: np.ndarray
    support: int = 0

    def error(self) -> np.ndarray:
        """Residual lengths (M,) in pixels."""
        return np.linalg.norm(self.bundle.residuals(), axis=1)


def key_frames(problem: Problem, count: int) -> np.ndarray:
    """Up to `count` frames, first and last included, evenly spread over what the image moves."""
    if problem.frames <= count:
        return np.arange(problem.frames)
    travel = np.zeros(problem.frames)
    for f in range(1, problem.frames):
        both = problem.shared(f - 1, f)
        if len(both):
            travel[f] = np.median(np.linalg.norm(problem.at[both, f] - problem.at[both, f - 1], axis=1))
    # A frame in which nothing moves still counts a little, so that long holds are not skipped altogether.
    travel[1:] += 0.3 * travel.mean() + 1e-3
    along = np.cumsum(travel)
    wanted = np.linspace(0, along[-1], count)
    return np.unique(np.clip(np.searchsorted(along, wanted - 1e-9), 0, problem.frames - 1))


def choose_tracks(problem: Problem, frames: np.ndarray, limit: int, least: int = 3) -> np.ndarray:
    """Up to `limit` tracks seen in at least `least` of the frames: the longest of every part of the image."""
    seen = problem.seen()[:, frames]
    length = seen.sum(1)
    middle = np.where(seen[..., None], problem.at[:, frames], 0).sum(1) / np.maximum(length, 1)[:, None]
    able = np.flatnonzero(length >= min(least, len(frames)))
    cell = np.floor(middle[able] / (90 * problem.pixel)).astype(int)
    cell = cell[:, 0] * 1000 + cell[:, 1]
    order = np.lexsort((able, -length[able], cell))
    start = np.r_[True, cell[order][1:] != cell[order][:-1]]
    rank = np.arange(len(order)) - np.maximum.accumulate(np.where(start, np.arange(len(order)), 0))
    # Round after round, each part of the image gives its next longest track.
    turn = np.lexsort((-length[able[order]], rank))
    return np.sort(able[order[turn[:limit]]])


def plain(count: int) -> np.ndarray:
    """The same trust in every direction for so many observations: (count, 2, 2)."""
    return np.tile(np.eye(2), (count, 1, 1))


def observations(problem: Problem, tracks: np.ndarray, frames: np.ndarray):
    """Camera (M,), point (M,) indices into `frames` and `tracks`, and positions (M, 2)."""
    point, camera = np.nonzero(problem.seen()[np.ix_(tracks, frames)])
    return camera, point, problem.at[tracks[point], frames[camera]]


def chain(problem: Problem, zoom: bool) -> tuple[np.ndarray, np.ndarray]:
    """World-to-camera rotations (F, 3, 3) and focal lengths (F,) as if the camera only turned, frame by frame."""
    rotation, focal = np.tile(np.eye(3), (problem.frames, 1, 1)), np.full(problem.frames, problem.focal)
    for f in range(1, problem.frames):
        both = problem.shared(f - 1, f)
        turn, ratio = np.eye(3), 1.0
        # A few hundred points say how an image turns.
        both = both[:: max(1, len(both) // 300)]
        if len(both) >= 8:
            first, second = problem.at[both, f - 1] / focal[f - 1], problem.at[both, f] / focal[f - 1]
            turn, ratio = two_view.turn_between(first, second, problem.pixel / focal[f - 1], zoom)
        rotation[f] = turn @ rotation[f - 1]
        focal[f] = focal[f - 1] * ratio
    return rotation, focal


def fit_turning(problem: Problem, frames: np.ndarray, tracks: np.ndarray, kind: str) -> Fit:
    """kind: 'static', 'turning' or 'zooming'. Points are directions."""
    zoom = kind == "zooming"
    if kind == "static":
        rotation, focal = np.tile(np.eye(3), (problem.frames, 1, 1)), np.full(problem.frames, problem.focal)
    else:
        rotation, focal = chain(problem, zoom)
    camera, point, at = observations(problem, tracks, frames)
    rotation, focal = rotation[frames], focal[frames]
    ray = np.concatenate([at / focal[camera, None], np.ones((len(at), 1))], 1)
    ray = np.einsum("mji,mj->mi", rotation[camera], ray)
    ray /= np.linalg.norm(ray, axis=1, keepdims=True)
    # The median is not drawn away by the few that slipped.
    points = np.stack([_median_by(ray[:, k], point, len(tracks)) for k in range(3)], 1)
    points /= np.maximum(np.linalg.norm(points, axis=1, keepdims=True), 1e-9)
    bundle = ba.Bundle(rotation, np.zeros((len(frames), 3)), focal, points, camera, point, at, plain(len(at)))
    free = freedom(kind, len(frames), problem.known)
    for scale in (1.0, 0.3):
        bundle = ba.adjust(bundle, free, scale * problem.pixel, rounds=8)
    return Fit(kind, frames, tracks, bundle, np.ones(len(frames), bool))


def freedom(kind: str, cameras: int, known: bool) -> np.ndarray:
    """What may change of the cameras of a kind of movement; `known`: the focal length is given."""
    if kind == "zooming":
        free = ba.free_parameters(cameras, move=False, focal="each")
        # Only ratios of focal lengths show: the first frame keeps its own.
        return free[:, free[6] == 0]
    lens = "fixed" if known or kind == "static" or cameras < 5 else "shared"
    return ba.free_parameters(cameras, turn=kind != "static", move=kind == "moving", focal=lens)


def _median_by(values: np.ndarray, index: np.ndarray, count: int) -> np.ndarray:
    order = np.lexsort((values, index))
    sizes = np.bincount(index, minlength=count)
    first = np.cumsum(sizes) - sizes
    middle = np.minimum(first + sizes // 2, len(values) - 1)
    return values[order][middle]


def fit_moving(problem: Problem, frames: np.ndarray, tracks: np.ndarray) -> Fit | None:
    """A camera that moves: two views, then one after the other; None where no two views show depth."""
    camera, point, at = observations(problem, tracks, frames)
    seen = np.zeros((len(tracks), len(frames)), bool)
    seen[point, camera] = True
    start = _start(problem, frames, tracks, seen)
    if start is None:
        return None
    first, second, turn, shift = start
    rotation, translation = np.tile(np.eye(3), (len(frames), 1, 1)), np.zeros((len(frames), 3))
    rotation[second], translation[second] = turn, shift
    placed = np.zeros(len(frames), bool)
    placed[[first, second]] = True
    bundle = ba.Bundle(
        rotation,
        translation,
        np.full(len(frames), problem.focal),
        np.zeros((len(tracks), 3)),
        camera,
        point,
        at,
        plain(len(at)),
    )
    bundle, solid = triangulate(bundle, placed)
    left = [k for k in range(len(frames)) if not placed[k]]
    since = 0
    while left:
        # Frames between known ones first, then the nearest outside.
        known = np.flatnonzero(placed)
        left.sort(key=lambda k: (not known[0] < k < known[-1], np.abs(known - k).min()))
        here = (bundle.camera[:, None] == np.array(left)[None, :3]).argmax(0)
        number = next((k for k in left if (seen[:, k] & solid).sum() >= 12), None) if len(here) else None
        if number is None:
            break
        left.remove(number)
        visible = np.flatnonzero(seen[:, number] & solid)
        mine = bundle.camera == number
        rays = np.full((len(tracks), 2), np.nan)
        rays[bundle.point[mine]] = bundle.at[mine] / problem.focal
        pose = two_view.pose_from_points(bundle.points[visible], rays[visible], problem.pixel / problem.focal)
        if pose is None:
            continue
        bundle.rotation[number], bundle.shift[number] = pose[:2]
        placed[number] = True
        since += 1
        bundle, solid = triangulate(bundle, placed, solid)
        if since >= 5 or not left:
            bundle, since = _refine(bundle, placed, solid, problem, rounds=5), 0
            bundle, solid = triangulate(bundle, placed)
    if placed.sum() < 2:
        return None
    bundle, solid = triangulate(bundle, placed)
    bundle = _refine(bundle, placed, solid, problem, rounds=8)
    bundle = with_far_points(bundle, placed)
    for scale in (1.0, 0.3):
        bundle = _refine(bundle, placed, np.ones(len(tracks), bool), problem, rounds=8, scale=scale)
    return Fit("moving", frames, tracks, bundle, placed)


def _start(problem: Problem, frames: np.ndarray, tracks: np.ndarray, seen: np.ndarray):
    """The two frames (indices into `frames`) with the most depth to see between them, and the second's pose."""
    count = len(frames)
    pairs = {(a, b) for a in {0, count // 4, count // 2} for b in np.linspace(a, count - 1, 6).astype(int) if b > a}
    best, found = 0.0, None
    for first, second in sorted(pairs):
        both = np.flatnonzero(seen[:, first] & seen[:, second])
        if len(both) < 20:
            continue
        a = problem.at[tracks[both], frames[first]] / problem.focal
        b = problem.at[tracks[both], frames[second]] / problem.focal
        turn, shift, inside = two_view.relative_pose(a, b, problem.pixel / problem.focal)
        if inside.sum() < 15:
            continue
        rays = np.concatenate([a[inside], b[inside]])
        camera, point = np.repeat([0, 1], inside.sum()), np.tile(np.arange(inside.sum()), 2)
        _, angle, front = two_view.points_from_rays(
            rays, np.stack([np.eye(3), turn]), np.stack([np.zeros(3), shift]), camera, point, int(inside.sum())
        )
        angle = np.degrees(angle)
        deep = (angle > WIDE) & front
        if deep.sum() < 12:
            continue
        score = deep.sum() * min(float(np.median(angle[deep])), 8.0) * inside.mean()
        if score > best:
            best, found = score, (first, second, turn, shift)
    return found


def triangulate(bundle: ba.Bundle, placed: np.ndarray, keep: np.ndarray | None = None):
    """Points from the rays of the placed cameras; those of `keep` stay as they are. Also which have a depth (N,)."""
    use = placed[bundle.camera]
    rays = bundle.at[use] / bundle.focal[bundle.camera[use], None]
    points, angle, front = two_view.points_from_rays(
        rays, bundle.rotation, bundle.shift, bundle.camera[use], bundle.point[use], len(bundle.points)
    )
    views = np.bincount(bundle.point[use], minlength=len(points))
    solid = front & (views >= 2) & (np.degrees(angle) > WIDE)
    if keep is not None:
        points = np.where(keep[:, None], bundle.points, points)
        solid = solid | keep
    tried = replace(bundle, points=points)
    error = np.linalg.norm(tried.residuals(), axis=1)
    worst = _median_by(np.where(use, error, 0), bundle.point, len(points)) if len(error) else np.zeros(len(points))
    # A point whose rays do not meet is a mistake or moves.
    return tried, solid & (worst < 4 * REACH)


def with_far_points(bundle: ba.Bundle, placed: np.ndarray) -> ba.Bundle:
    """All points placed: those whose rays meet nowhere in front are set far away in their direction."""
    use = placed[bundle.camera]
    camera, point = bundle.camera[use], bundle.point[use]
    rays = bundle.at[use] / bundle.focal[camera, None]
    points, angle, front = two_view.points_from_rays(
        rays, bundle.rotation, bundle.shift, camera, point, len(bundle.points)
    )
    direction = np.concatenate([rays, np.ones((len(rays), 1))], 1)
    direction = np.einsum("mji,mj->mi", bundle.rotation[camera], direction)
    direction = np.stack([_median_by(direction[:, k], point, len(points)) for k in range(3)], 1)
    center = -np.einsum("kji,kj->ki", bundle.rotation, bundle.shift)[placed].mean(0)
    good = front & (np.degrees(angle) > NARROW)
    usual = np.median(np.linalg.norm(points[good] - center, axis=1)) if good.any() else 1.0
    far = center + FAR * usual * direction / np.maximum(np.linalg.norm(direction, axis=1, keepdims=True), 1e-9)
    return replace(bundle, points=np.where(good[:, None], points, far))


def _refine(bundle: ba.Bundle, placed, solid, problem: Problem, rounds: int, scale: float = 1.0) -> ba.Bundle:
    """Bundle adjustment of the placed cameras and the solid points; the rest is handed through."""
    cameras, points = np.flatnonzero(placed), np.flatnonzero(solid)
    to_camera, to_point = np.full(len(placed), -1), np.full(len(solid), -1)
    to_camera[cameras], to_point[points] = np.arange(len(cameras)), np.arange(len(points))
    use = placed[bundle.camera] & solid[bundle.point]
    if use.sum() < 20:
        return bundle
    part = ba.Bundle(
        bundle.rotation[cameras],
        bundle.shift[cameras],
        bundle.focal[cameras],
        bundle.points[points],
        to_camera[bundle.camera[use]],
        to_point[bundle.point[use]],
        bundle.at[use],
        bundle.trust[use],
    )
    part = ba.adjust(part, freedom("moving", len(cameras), problem.known), scale * problem.pixel, rounds=rounds)
    bundle = replace(
        bundle,
        rotation=bundle.rotation.copy(),
        shift=bundle.shift.copy(),
        focal=bundle.focal.copy(),
        points=bundle.points.copy(),
    )
    bundle.rotation[cameras], bundle.shift[cameras] = part.rotation, part.shift
    bundle.focal[:] = part.focal.mean()
    bundle.points[points] = part.points
    return bundle


def sharpened(problem: Problem, fit: Fit, step: Callable[[], None] = lambda: None) -> Fit:
    """The fit adjusted to patches measured where it says that they are, from coarse to fine (direct.py)."""
    placed = np.flatnonzero(fit.placed)
    images = [problem.images[k] for k in fit.frames[placed]]
    to_camera = np.full(len(fit.frames), -1)
    to_camera[placed] = np.arange(len(placed))
    use = fit.placed[fit.bundle.camera]
    part = fit.bundle.only(use)
    part = replace(
        part,
        rotation=part.rotation[placed],
        shift=part.shift[placed],
        focal=part.focal[placed],
        camera=to_camera[part.camera],
    )
    free = freedom(fit.kind, len(placed), problem.known)
    support = 0
    for apart, scale in SCHEDULE:
        measured = photometric.remeasure(part, images, apart * problem.pixel, problem.pixel)
        if len(measured.at) < 0.3 * len(part.at):
            break
        measured = ba.adjust(measured, free, scale * problem.pixel, rounds=8)
        support = int((np.linalg.norm(measured.residuals(), axis=1) < 0.3 * problem.pixel).sum())
        part = replace(
            part, rotation=measured.rotation, shift=measured.shift, focal=measured.focal, points=measured.points
        )
        step()
    bundle = replace(
        fit.bundle,
        rotation=fit.bundle.rotation.copy(),
        shift=fit.bundle.shift.copy(),
        focal=fit.bundle.focal.copy(),
        points=part.points,
    )
    bundle.rotation[placed], bundle.shift[placed], bundle.focal[placed] = part.rotation, part.shift, part.focal
    return replace(fit, bundle=bundle, support=support)


def all_frames(problem: Problem, fit: Fit) -> Fit:
    """The fit carried to every frame: poses between the fitted frames, each refined on the points."""
    frames = np.arange(problem.frames)
    key = fit.frames[fit.placed]
    rotation = rotations.slerp(key, fit.bundle.rotation[fit.placed], np.clip(frames, key[0], key[-1]))
    center = -np.einsum("kji,kj->ki", fit.bundle.rotation, fit.bundle.shift)[fit.placed]
    center = np.stack([np.interp(frames, key, column) for column in center.T], 1)
    focal = np.exp(np.interp(frames, key, np.log(fit.bundle.focal[fit.placed])))
    shift = -np.einsum("fij,fj->fi", rotation, center)
    camera, point, at = observations(problem, fit.tracks, frames)
    bundle = ba.Bundle(rotation, shift, focal, fit.bundle.points, camera, point, at, plain(len(at)))
    kept = np.isin(frames, key)
    if fit.kind != "static" and not kept.all():
        free = (True, fit.kind == "moving", fit.kind == "zooming")
        bundle = _others(bundle, ba.resect(bundle, free, problem.pixel), kept)
        for apart, scale in SCHEDULE[-2:]:
            measured = photometric.remeasure(bundle, problem.images, apart * problem.pixel, problem.pixel, kept)
            bundle = _others(bundle, ba.resect(measured, free, scale * problem.pixel), kept)
    return Fit(fit.kind, frames, fit.tracks, bundle, np.ones(len(frames), bool))


def _others(bundle: ba.Bundle, moved: ba.Bundle, kept: np.ndarray) -> ba.Bundle:
    """The bundle with the poses of `moved` for all cameras but the `kept` ones."""
    return replace(
        bundle,
        rotation=np.where(kept[:, None, None], bundle.rotation, moved.rotation),
        shift=np.where(kept[:, None], bundle.shift, moved.shift),
        focal=np.where(kept, bundle.focal, moved.focal),
    )
