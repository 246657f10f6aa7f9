"""From a video to a camera path, with an account of how far it can be trusted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from ...errors import UserError
from ...progress import quiet
from .. import rotations
from ..trajectory import UNIT, CameraTrajectory, compose, invert
from . import models
from .tracks import follow, gray

METHODS = ("sift", "colmap")
# What a video without a known lens is taken to be filmed with, until its own points say otherwise: 50 degrees.
GUESSED_FOCAL = float(0.5 / np.tan(np.radians(25)))
SCALE = "ambiguous: median depth of first frame=1"
FEWEST = 12
# Of the benchmark's clips, those whose path is right have at least 0.68; the one whose path is wrong has 0.5.
DOUBTFUL = 0.6
# Points that are adjusted together.
POINTS = 1000


@dataclass(frozen=True, eq=False)
class Estimate:
    """A camera path found in a video, and how it was found.

    trajectory: relative to the first frame; the unit is the median depth of the points seen in it (unknowable in any
        other unit: a video of a model railway looks like one of a railway).
    inliers (F,): share of the followed points of each frame that agree with its pose, 0..1.
    failed: frames whose pose is not measured but lies between its neighbors'.
    focal: fx in image widths of the first frame. focal_known: it was given, not guessed.
    movement: 'static', 'turning', 'zooming' (turning with a lens that zooms) or 'moving'.
    points (N, 3): what was triangulated, in the first camera's axes and the trajectory's unit (directions at
        distance 1 where the camera does not move).
    warnings: sentences that a user should read.
    """

    trajectory: CameraTrajectory
    inliers: np.ndarray
    failed: tuple[int, ...]
    focal: float
    focal_known: bool
    movement: str
    points: np.ndarray
    warnings: tuple[str, ...] = ()
    scale: str = SCALE
    method: str = field(default="sift")

    def report(self) -> str:
        """A few lines for people: what moved, how well it is supported, what to doubt."""
        lines = [
            f"Movement: {self.movement}. {self.trajectory.frames} frames, {len(self.points)} points.",
            f"Agreeing points per frame: median {np.median(self.inliers):.0%}, worst {self.inliers.min():.0%}"
            f" (frame {int(self.inliers.argmin())}).",
            f"Focal length: {self.focal:.3f} widths ({'given' if self.focal_known else 'estimated'}).",
            f"Scale: {self.scale}.",
            f"Frames without a pose of their own: {', '.join(map(str, self.failed)) or 'none'}.",
        ]
        return "\n".join([*lines, *self.warnings])


def estimate_camera(
    frames: np.ndarray,
    focal: float | None = None,
    masks: np.ndarray | None = None,
    method: str = "sift",
    fps: float = 8.0,
    keyframes: int = 26,
    progress: Callable = quiet,
) -> Estimate:
    """The camera's path in a video.

    frames: (F, H, W, 3), uint8 or 0..1. focal: fx in image widths; None: found from the video where it can be,
    guessed otherwise, and said. masks: (F, H, W) or (1, H, W), True where something moves by itself (left out).
    method: 'sift' (OpenCV) or 'colmap' (pycolmap, slower). keyframes: how many frames are adjusted together first.
    progress: a factory `progress(total, title)` of context managers that give a function to call per step.
    Raises UserError for shapes that do not fit, too few points to follow, and videos whose camera cannot be found.
    """
    frames, masks = _checked(frames, focal, masks, method, fps, keyframes)
    count, height, width = frames.shape[:3]
    with progress(count + 2 + len(models.SCHEDULE), "camera from video") as step:
        images = gray(frames)
        allowed = None if masks is None else _allowed(masks, images[0].shape)
        if method == "colmap":
            return _by_colmap(images, allowed, focal, fps, width / height)
        tracks = follow(images, allowed, step=step)
        _enough(tracks.xy, count)
        problem = models.Problem.of(tracks, images, focal or GUESSED_FOCAL, focal is not None)
        fit, doubts = _fitted(problem, keyframes, step)
    return _estimate(problem, fit, tracks, fps, width / height, doubts)


def _fitted(problem: models.Problem, keyframes: int, step: Callable[[], None]) -> tuple[models.Fit, list[str]]:
    """The movement that explains the points, fitted, and sentences on what else it could be."""
    frames = models.key_frames(problem, keyframes)
    chosen = models.choose_tracks(problem, frames, POINTS)
    fits = [models.fit_turning(problem, frames, chosen, kind) for kind in ("static", "turning", "zooming")]
    step()
    moving = models.fit_moving(problem, frames, chosen)
    step()
    if moving is not None and moving.placed.mean() > 0.5:
        fits.append(moving)
    costs = [_cost(problem, fit) for fit in fits]
    best = min(costs)
    simple = next(fit for fit, cost in zip(fits, costs, strict=True) if cost <= 1.25 * best + 0.1)
    other = fits[int(np.argmin(costs))]
    fit = simple if simple.kind == "static" else models.sharpened(problem, simple, step)
    # Followed points slide a little, which blurs the difference; patches measured in place decide.
    if other.kind != simple.kind and _cost(problem, simple) > 1.05 * best + 0.03:
        better = models.sharpened(problem, other)
        if simple.kind == "static" or fit.support < 0.9 * better.support:
            fit = better
    return models.all_frames(problem, fit), _doubts(problem, fit, best)


def _doubts(problem: models.Problem, fit: models.Fit, best: float) -> list[str]:
    said = {
        "static": "The camera stands still: nothing in the video says otherwise.",
        "turning": "The camera only turns: no translation can be seen, so it is 0.",
        "zooming": "The lens zooms: the focal length changes from frame to frame, and the translation is 0. A camera"
        " that moves toward something flat looks the same.",
    }
    doubts = [said[fit.kind]] if fit.kind in said else []
    if best > 2.0:
        doubts.append(
            "Many points agree with no single movement: something large moves, or the lens zooms while the camera"
            " moves, which is not modeled. Mask what moves."
        )
    return doubts


def _cost(problem: models.Problem, fit: models.Fit) -> float:
    """Root of the mean squared error in pixels of an image 672 wide, with outliers counted as three pixels."""
    error = fit.error()[fit.placed[fit.bundle.camera]] / problem.pixel
    return float(np.sqrt(np.mean(np.minimum(error, 3.0) ** 2)))


def _estimate(problem, fit, tracks, fps: float, aspect: float, doubts: list[str]) -> Estimate:
    bundle = fit.bundle
    error = fit.error() / problem.pixel
    agree = error < models.REACH
    seen = np.bincount(bundle.camera, minlength=problem.frames)
    good = np.bincount(bundle.camera, agree, problem.frames)
    inliers = good / np.maximum(seen, 1)
    sure = (good >= FEWEST) & (inliers >= 0.25)
    sure[0] |= fit.kind != "moving"
    failed = np.flatnonzero(~sure)
    if len(failed) > problem.frames / 2:
        raise UserError(
            f"the camera cannot be found: {len(failed)} of {problem.frames} frames have too few points that agree with"
            " any one movement (blur, a moving subject that fills the image, or cuts): mask what moves, or split the"
            " clip"
        )
    c2w = invert(np.concatenate([bundle.rotation, bundle.shift[:, :, None]], 2))
    c2w = _bridged(c2w, sure)
    start = invert(c2w[:1])
    c2w = compose(start, c2w)
    points = bundle.points @ start[0, :, :3].T + start[0, :, 3]
    trusted = np.bincount(bundle.point, agree, len(points)) >= 3
    warnings = [*_about_support(inliers), *doubts]
    if fit.kind == "moving":
        unit = _unit(bundle, points, trusted)
        c2w[:, :, 3] /= unit
        points = points / unit
    focal = bundle.focal / tracks.size[0]
    intrinsics = np.stack([focal, focal * aspect, *np.full((2, len(focal)), 0.5)], 1)
    trajectory = CameraTrajectory(c2w, intrinsics, fps=fps, unit=UNIT)
    if tracks.cuts:
        warnings.append(f"Next to nothing is seen again at frame {', '.join(map(str, tracks.cuts))}: a cut?")
    if len(failed):
        warnings.append(f"{len(failed)} of {problem.frames} frames have no pose of their own; theirs lies in between.")
    if not problem.known:
        warnings.append(_about_focal(fit, float(focal[0])))
    return Estimate(
        trajectory,
        inliers,
        tuple(map(int, failed)),
        float(focal[0]),
        problem.known,
        fit.kind,
        points[trusted],
        tuple(warnings),
    )


def _about_focal(fit: models.Fit, focal: float) -> str:
    degrees = np.degrees(2 * np.arctan(0.5 / focal))
    if fit.kind in ("static", "zooming"):
        return f"The focal length is a guess ({degrees:.0f} degrees): this movement does not show it."
    return (
        f"The focal length was estimated with the path ({degrees:.0f} degrees); a given one makes both more exact,"
        " above all where the camera turns little."
    )


def _about_support(inliers: np.ndarray) -> list[str]:
    """A warning where a third or more of the points (F,) speak against the path."""
    share = float(np.median(inliers))
    if share >= DOUBTFUL:
        return []
    return [
        f"Only {share:.0%} of the followed points agree with this path, so it may be wrong: mask what moves, give the"
        " focal length, or take the method 'colmap'."
    ]


def _by_colmap(images, allowed, focal: float | None, fps: float, aspect: float) -> Estimate:
    """The same account of what COLMAP finds."""
    from .colmap import solve

    width = images[0].shape[1]
    solved = solve(images, allowed, None if focal is None else focal * width)
    sure = np.isfinite(solved.w2c).all((1, 2))
    c2w = np.tile(np.eye(3, 4), (len(sure), 1, 1))
    c2w[sure] = invert(solved.w2c[sure])
    start = invert(_bridged(c2w, sure)[:1])
    c2w = compose(start, _bridged(c2w, sure))
    near = solved.first if len(solved.first) else solved.points
    depth = near @ start[0, 2, :3] + start[0, 2, 3]
    unit = float(np.median(depth[depth > 0])) if (depth > 0).any() else 1.0
    c2w[:, :, 3] /= unit
    points = (solved.points @ start[0, :, :3].T + start[0, :, 3]) / unit
    fx = solved.focal / width
    failed = tuple(map(int, np.flatnonzero(~sure)))
    warnings = [*_about_support(solved.agreeing), f"COLMAP placed {int(sure.sum())} of {len(sure)} frames."]
    if failed:
        warnings.append("The pose of the others lies between their neighbors'.")
    return Estimate(
        CameraTrajectory(c2w, np.array([fx, fx * aspect, 0.5, 0.5]), fps=fps, unit=UNIT),
        solved.agreeing,
        failed,
        fx,
        focal is not None,
        "moving",
        points,
        tuple(warnings),
        method="colmap",
    )


def _unit(bundle, points: np.ndarray, trusted: np.ndarray) -> float:
    """The median depth of the trusted points that the first frame sees."""
    first = np.zeros(len(points), bool)
    first[bundle.point[bundle.camera == 0]] = True
    depth = points[first & trusted, 2]
    depth = depth[depth > 0]
    return float(np.median(depth)) if len(depth) else 1.0


def _bridged(c2w: np.ndarray, sure: np.ndarray) -> np.ndarray:
    """Poses (F, 3, 4) with the unsure ones put between their neighbors."""
    if sure.all() or not sure.any():
        return c2w
    known, frames = np.flatnonzero(sure), np.arange(len(c2w))
    at = np.clip(frames, known[0], known[-1])
    turn = rotations.slerp(known, c2w[known, :, :3], at)
    place = np.stack([np.interp(at, known, column) for column in c2w[known, :, 3].T], 1)
    return np.where(sure[:, None, None], c2w, np.concatenate([turn, place[:, :, None]], 2))


def _checked(frames, focal, masks, method, fps, keyframes):
    frames = np.asarray(frames)
    if frames.ndim != 4 or frames.shape[3] not in (3, 4) or frames.dtype.kind not in "fu":
        raise UserError(
            f"the video has shape {frames.shape} and type {frames.dtype}; (frames, height, width, 3), uint8 or 0..1,"
            " was expected"
        )
    if len(frames) < 2:
        raise UserError(f"the video has {len(frames)} frame; a camera's path needs at least 2")
    if min(frames.shape[1:3]) < 32:
        raise UserError(f"the video is {frames.shape[2]}x{frames.shape[1]} pixels; at least 32x32 was expected")
    if focal is not None and not 0.1 <= focal <= 20:
        raise UserError(f"the focal length is {focal}; 0.1 to 20 image widths were expected (50 degrees: 1.07)")
    if method not in METHODS:
        raise UserError(f"the method is '{method}'; expected one of {', '.join(METHODS)}")
    if keyframes < 3:
        raise UserError(f"{keyframes} key frames were asked for; at least 3 were expected")
    if masks is not None:
        masks = np.asarray(masks)
        if masks.ndim != 3 or masks.shape[1:] != frames.shape[1:3] or len(masks) not in (1, len(frames)):
            raise UserError(
                f"the masks have shape {masks.shape}; ({len(frames)}, {frames.shape[1]}, {frames.shape[2]}) was"
                " expected, as the video's"
            )
        masks = np.broadcast_to(masks > 0.5 if masks.dtype.kind == "f" else masks > 0, frames.shape[:3])
    return frames, masks


def _allowed(masks: np.ndarray, size: tuple[int, int]) -> list[np.ndarray]:
    """Where points may be followed (H, W) uint8, per frame: a little less than the masks leave, as edges move too."""
    import cv2

    kernel = np.ones((9, 9), np.uint8)
    return [
        255 - cv2.dilate(cv2.resize(mask.astype(np.uint8) * 255, size[::-1], interpolation=cv2.INTER_NEAREST), kernel)
        for mask in masks
    ]


def _enough(xy: np.ndarray, frames: int) -> None:
    seen = np.isfinite(xy[:, :, 0]).sum(0)
    if len(xy) < FEWEST or np.median(seen) < FEWEST:
        raise UserError(
            f"too few points to follow: {int(np.median(seen))} in the middle one of {frames} frames, where at least"
            f" {FEWEST} are needed. The image has too little texture, or is masked, blurred or too dark"
        )
