"""From a video to a camera path, with a report on how far it can be trusted."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ...errors import UserError
from ...progress import Progress, Step, quiet
from .. import rotations
from ..trajectory import UNIT, CameraTrajectory, compose, invert, make_poses
from . import motion_fits, problem, reconstruction, refinement
from .bundle_adjustment import Bundle
from .motion_fits import MotionFit
from .problem import Problem
from .tracks import Tracks, opencv, to_working_images, track_points

METHODS = ("sift", "colmap")
# The assumed lens of a video without a known one, until its own points say otherwise: 50 degrees.
GUESSED_FOCAL = float(0.5 / np.tan(np.radians(25)))
SCALE = "ambiguous: median depth of first frame=1"
# Points that a frame, or a video, needs.
MIN_POINTS = 12
# An observation within so many pixels of an image 672 wide agrees with the path.
MAX_ERROR = 2.0
# A frame needs this share of agreeing points for a pose of its own.
MIN_INLIERS = 0.25
# Of the benchmark's clips, those whose path is right have at least 0.68; the one whose path is wrong has 0.5.
DOUBTFUL_INLIERS = 0.6
# Points that are adjusted together.
ADJUSTED_POINTS = 1000


@dataclass(frozen=True, eq=False)
class Estimate:
    """A camera path estimated from a video, and how.

    trajectory: relative to the first frame; the unit is the median depth of the points seen in it (unknowable in any
        other unit: a video of a model railway looks like one of a railway).
    inliers (F,): share of the tracked points of each frame that agree with its pose, 0..1.
    failed: frames whose pose is not measured but interpolated between its neighbors'.
    focal: fx in image widths of the first frame. focal_known: it was given, not guessed.
    movement: 'static', 'turning' (rotating only), 'zooming' (rotating with a lens that zooms) or 'moving'.
    points (N, 3): the triangulated points, in the first camera's axes and the trajectory's unit (directions at
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
        """Return a few lines for people: what moved, how well it is supported, what to doubt."""
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
    progress: Progress = quiet,
) -> Estimate:
    """Return the camera's path in a video.

    frames: (F, H, W, 3), uint8 or 0..1. focal: fx in image widths; None: estimated from the video where possible,
    guessed otherwise, and reported. masks: (F, H, W) or (1, H, W), True where something moves by itself (left out).
    method: 'sift' (OpenCV) or 'colmap' (pycolmap, slower). keyframes: how many frames are adjusted together first.
    progress: a factory `progress(total, title)` of context managers that return a function to call per step.
    Raises UserError for shapes that do not fit, too few points to track, and videos whose camera cannot be found.
    """
    frames = _checked_frames(frames)
    _check_options(focal, method, keyframes)
    count, height, width = frames.shape[:3]
    with progress(count + 2 + len(refinement.SCHEDULE), "camera from video") as step:
        images = to_working_images(frames)
        allowed = None if masks is None else _allowed(_checked_masks(masks, frames), images[0].shape)
        if method == "colmap":
            return _estimate_by_colmap(images, allowed, focal, fps, width / height)
        tracks = track_points(images, allowed, step=step)
        _check_tracks(tracks, count)
        task = Problem.from_tracks(tracks, images, focal or GUESSED_FOCAL, focal is not None)
        fit, doubts = _fit_motion(task, keyframes, step)
    return _to_estimate(task, fit, tracks, fps, width / height, doubts)


def _fit_motion(task: Problem, keyframes: int, step: Step) -> tuple[MotionFit, list[str]]:
    """Return the motion that explains the points, fitted to all frames, and sentences on what else it could be."""
    frames = problem.choose_keyframes(task, keyframes)
    tracks = problem.choose_tracks(task, frames, ADJUSTED_POINTS)
    kinds = ("static", "turning", "zooming")
    fits = [motion_fits.fit_without_translation(task, frames, tracks, kind) for kind in kinds]
    step()
    moving = reconstruction.fit_moving(task, frames, tracks)
    step()
    if moving is not None and moving.registered.mean() > 0.5:
        fits.append(moving)
    costs = [_fit_cost(task, fit) for fit in fits]
    fit = _choose_fit(task, fits, costs, step)
    return refinement.extend_to_all_frames(task, fit), _doubts(fit, min(costs))


def _choose_fit(task: Problem, fits: list[MotionFit], costs: list[float], step: Step) -> MotionFit:
    """Return the simplest fit that explains the points about as well as the best, refined.

    fits: from the simplest to the freest.
    """
    best_cost, best = min(costs), fits[int(np.argmin(costs))]
    simple, cost = next((f, c) for f, c in zip(fits, costs, strict=True) if c <= 1.25 * best_cost + 0.1)
    fit = simple if simple.kind == "static" else refinement.refine(task, simple, step)
    # Tracked points slide a little, which blurs the difference; patches measured in place decide.
    if best.kind != simple.kind and cost > 1.05 * best_cost + 0.03:
        refined_best = refinement.refine(task, best)
        if simple.kind == "static" or fit.support < 0.9 * refined_best.support:
            return refined_best
    return fit


def _fit_cost(task: Problem, fit: MotionFit) -> float:
    """Return the root mean squared error in pixels of an image 672 wide, with outliers counted as three pixels."""
    error = fit.errors()[fit.registered[fit.bundle.camera_index]] / task.pixel
    return float(np.sqrt(np.mean(np.minimum(error, 3.0) ** 2)))


def _doubts(fit: MotionFit, best_cost: float) -> list[str]:
    """Return sentences on what else the video could show."""
    explanations = {
        "static": "The camera stands still: nothing in the video says otherwise.",
        "turning": "The camera only turns: no translation can be seen, so it is 0.",
        "zooming": "The lens zooms: the focal length changes from frame to frame, and the translation is 0. A camera"
        " that moves toward something flat looks the same.",
    }
    doubts = [explanations[fit.kind]] if fit.kind in explanations else []
    if best_cost > MAX_ERROR:
        doubts.append(
            "Many points agree with no single movement: something large moves, or the lens zooms while the camera"
            " moves, which is not modeled. Mask what moves."
        )
    return doubts


def _to_estimate(
    task: Problem, fit: MotionFit, tracks: Tracks, fps: float, aspect: float, doubts: list[str]
) -> Estimate:
    """Return the fit as a path relative to its first frame, with its inliers, points and warnings."""
    bundle = fit.bundle
    agrees = fit.errors() / task.pixel < MAX_ERROR
    inliers, measured = _support_per_frame(task, fit, agrees)
    failed = np.flatnonzero(~measured)
    c2w = _interpolate_unmeasured(invert(make_poses(bundle.rotation, bundle.translation)), measured)
    start = invert(c2w[:1])
    c2w = compose(start, c2w)
    points = bundle.points @ start[0, :, :3].T + start[0, :, 3]
    trusted = np.bincount(bundle.point_index, agrees, len(points)) >= 3
    if fit.kind == "moving":
        unit = _median_depth(bundle, points, trusted)
        c2w[:, :, 3] /= unit
        points = points / unit
    focal = bundle.focal / tracks.size[0]
    intrinsics = np.stack([focal, focal * aspect, *np.full((2, len(focal)), 0.5)], 1)
    warnings = [*_support_warnings(inliers), *doubts]
    if tracks.cuts:
        warnings.append(
            f"Almost no tracked point survives into frame {', '.join(map(str, tracks.cuts))}: is there a cut?"
        )
    if len(failed):
        warnings.append(f"{len(failed)} of {task.frames} frames have no pose of their own; theirs are interpolated.")
    if not task.focal_known:
        warnings.append(_focal_warning(fit.kind, float(focal[0])))
    return Estimate(
        CameraTrajectory(c2w, intrinsics, fps=fps, unit=UNIT),
        inliers,
        tuple(failed.tolist()),
        float(focal[0]),
        task.focal_known,
        fit.kind,
        points[trusted],
        tuple(warnings),
    )


def _support_per_frame(task: Problem, fit: MotionFit, agrees: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the share of agreeing points (F,) and whether a frame has enough for a pose of its own (F,).

    Raises UserError where more than half of the frames have not.
    """
    total = np.bincount(fit.bundle.camera_index, minlength=task.frames)
    agreeing = np.bincount(fit.bundle.camera_index, agrees, task.frames)
    inliers = agreeing / np.maximum(total, 1)
    measured = (agreeing >= MIN_POINTS) & (inliers >= MIN_INLIERS)
    measured[0] |= fit.kind != "moving"
    failed = int((~measured).sum())
    if failed > task.frames / 2:
        raise UserError(
            f"the camera cannot be found: {failed} of {task.frames} frames have too few points that agree with any one"
            " movement (blur, a moving subject that fills the image, or cuts): mask what moves, or split the clip"
        )
    return inliers, measured


def _focal_warning(kind: str, focal: float) -> str:
    degrees = np.degrees(2 * np.arctan(0.5 / focal))
    if kind in ("static", "zooming"):
        return f"The focal length is a guess ({degrees:.0f} degrees): this movement does not show it."
    return (
        f"The focal length was estimated with the path ({degrees:.0f} degrees); a given one makes both more exact,"
        " above all where the camera turns little."
    )


def _support_warnings(inliers: np.ndarray) -> list[str]:
    """Return a warning where a third or more of the points (F,) disagree with the path."""
    share = float(np.median(inliers))
    if share >= DOUBTFUL_INLIERS:
        return []
    return [
        f"Only {share:.0%} of the tracked points agree with this path, so it may be wrong: mask what moves, give the"
        " focal length, or take the method 'colmap'."
    ]


def _estimate_by_colmap(
    images: list[np.ndarray], allowed: list[np.ndarray] | None, focal: float | None, fps: float, aspect: float
) -> Estimate:
    """Return COLMAP's reconstruction as an estimate."""
    from .colmap import reconstruct

    width = images[0].shape[1]
    result = reconstruct(images, allowed, None if focal is None else focal * width)
    measured = np.isfinite(result.w2c).all((1, 2))
    c2w = np.tile(np.eye(3, 4), (len(measured), 1, 1))
    c2w[measured] = invert(result.w2c[measured])
    c2w = _interpolate_unmeasured(c2w, measured)
    start = invert(c2w[:1])
    c2w = compose(start, c2w)
    first_points = result.first_points if len(result.first_points) else result.points
    depth = first_points @ start[0, 2, :3] + start[0, 2, 3]
    unit = float(np.median(depth[depth > 0])) if (depth > 0).any() else 1.0
    c2w[:, :, 3] /= unit
    points = (result.points @ start[0, :, :3].T + start[0, :, 3]) / unit
    fx = result.focal / width
    failed = tuple(np.flatnonzero(~measured).tolist())
    warnings = [
        *_support_warnings(result.inliers),
        f"COLMAP found the pose of {int(measured.sum())} of {len(measured)} frames.",
    ]
    if failed:
        warnings.append("The poses of the others are interpolated between their neighbors'.")
    return Estimate(
        CameraTrajectory(c2w, np.array([fx, fx * aspect, 0.5, 0.5]), fps=fps, unit=UNIT),
        result.inliers,
        failed,
        fx,
        focal is not None,
        "moving",
        points,
        tuple(warnings),
        method="colmap",
    )


def _median_depth(bundle: Bundle, points: np.ndarray, trusted: np.ndarray) -> float:
    """Return the median depth of the trusted points (N, 3) that the first frame sees, in its axes."""
    in_first = np.zeros(len(points), bool)
    in_first[bundle.point_index[bundle.camera_index == 0]] = True
    depth = points[in_first & trusted, 2]
    depth = depth[depth > 0]
    return float(np.median(depth)) if len(depth) else 1.0


def _interpolate_unmeasured(c2w: np.ndarray, measured: np.ndarray) -> np.ndarray:
    """Return poses (F, 3, 4) with those that are not measured (F,) interpolated between their neighbors."""
    if measured.all() or not measured.any():
        return c2w
    known, frames = np.flatnonzero(measured), np.arange(len(c2w))
    at = np.clip(frames, known[0], known[-1])
    rotation = rotations.slerp(known, c2w[known, :, :3], at)
    position = np.stack([np.interp(at, known, column) for column in c2w[known, :, 3].T], 1)
    return np.where(measured[:, None, None], c2w, make_poses(rotation, position))


def _checked_frames(frames: np.ndarray) -> np.ndarray:
    """Return the video as an array. Raise UserError for another shape or type, or too few or too small frames."""
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
    return frames


def _check_options(focal: float | None, method: str, keyframes: int) -> None:
    if focal is not None and not 0.1 <= focal <= 20:
        raise UserError(f"the focal length is {focal}; 0.1 to 20 image widths were expected (50 degrees: 1.07)")
    if method not in METHODS:
        raise UserError(f"the method is '{method}'; expected one of {', '.join(METHODS)}")
    if keyframes < 3:
        raise UserError(f"{keyframes} key frames were asked for; at least 3 were expected")


def _checked_masks(masks: np.ndarray, frames: np.ndarray) -> np.ndarray:
    """Return masks (F, H, W) bool, also of one for all frames. Raise UserError for other shapes than the video's."""
    masks = np.asarray(masks)
    if masks.ndim != 3 or masks.shape[1:] != frames.shape[1:3] or len(masks) not in (1, len(frames)):
        raise UserError(
            f"the masks have shape {masks.shape}; ({len(frames)}, {frames.shape[1]}, {frames.shape[2]}) was"
            " expected, as the video's"
        )
    return np.broadcast_to(masks > 0.5 if masks.dtype.kind == "f" else masks > 0, frames.shape[:3])


def _allowed(masks: np.ndarray, size: tuple[int, ...]) -> list[np.ndarray]:
    """Return where points may be tracked, per frame (H, W) uint8: a little less than the masks leave, as edges move."""
    cv2 = opencv()
    kernel = np.ones((9, 9), np.uint8)
    return [
        255 - cv2.dilate(cv2.resize(mask.astype(np.uint8) * 255, size[::-1], interpolation=cv2.INTER_NEAREST), kernel)
        for mask in masks
    ]


def _check_tracks(tracks: Tracks, frames: int) -> None:
    """Raise UserError where there are too few points to estimate a camera from."""
    points = np.isfinite(tracks.xy[:, :, 0]).sum(0)
    if len(tracks.xy) < MIN_POINTS or np.median(points) < MIN_POINTS:
        raise UserError(
            f"too few points to track: {int(np.median(points))} in the middle one of {frames} frames, where at least"
            f" {MIN_POINTS} are needed. The image has too little texture, or is masked, blurred or too dark"
        )
