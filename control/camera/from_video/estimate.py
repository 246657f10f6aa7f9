"""From a video to a camera path, with a report on how far it can be trusted."""

from __future__ import annotations

import numpy as np

from ...progress import Progress, Step, quiet
from . import checks, flat_scene, motion_fits, problem, reconstruction, refinement
from .assemble import MAX_ERROR, Solution, to_estimate
from .motion_fits import MotionFit
from .problem import Problem
from .result import Estimate
from .tracks import to_working_images, track_points
from .trust import Doubt, doubt_of_all

# The assumed lens of a video without a known one, until its own points say otherwise: 50 degrees.
GUESSED_FOCAL = float(0.5 / np.tan(np.radians(25)))
# Points that are adjusted together.
ADJUSTED_POINTS = 1000
# What the kinds of motion leave open: no reason to doubt a frame.
REMARKS = {
    "static": "The camera stands still: nothing in the video says otherwise.",
    "turning": "The camera only turns: no translation can be seen, so it is 0.",
    "zooming": "The lens zooms: the focal length changes from frame to frame, and the translation is 0. A camera"
    " that moves toward something flat looks the same.",
}
ZOOM_OR_MOVE = (
    "A zoom and a camera that moves toward something flat explain most points alike, and others differently; the zoom"
    " was taken: look at {}."
)
NO_MOVEMENT = (
    "Many points agree with no single movement, so {} may be wrong: something large moves, or the lens zooms while the"
    " camera moves, which is not modeled. Mask what moves."
)
# The share of the points that are clearly nearer their place in one fit than in another, for which they are different,
# and for which it is the better one.
DIFFERENT, CLEARLY = 0.005, 0.01


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
    frames = checks.checked_frames(frames)
    checks.check_options(focal, method, keyframes)
    count, height, width = frames.shape[:3]
    with progress(count + 2 + len(refinement.SCHEDULE), "camera from video") as step:
        images = to_working_images(frames)
        moving = None if masks is None else checks.checked_masks(masks, frames)
        allowed = None if moving is None else checks.trackable_areas(moving, images[0].shape)
        if method == "colmap":
            from .colmap import reconstruct

            return to_estimate(reconstruct(images, allowed, focal), fps, width / height)
        tracks = track_points(images, allowed, step=step)
        checks.check_tracks(tracks, count)
        task = Problem.from_tracks(tracks, images, focal or GUESSED_FOCAL, focal is not None)
        fit, doubts = _fit_motion(task, keyframes, step)
    remarks = (REMARKS[fit.kind],) if fit.kind in REMARKS else ()
    solution = Solution(fit, tracks.size, task.pixel, task.focal_known, tracks.cuts, remarks, tuple(doubts))
    return to_estimate(solution, fps, width / height)


def _fit_motion(task: Problem, keyframes: int, step: Step) -> tuple[MotionFit, list[Doubt]]:
    """Return the motion that explains the points, fitted to all frames, and what else it could be."""
    frames = problem.choose_keyframes(task, keyframes)
    tracks = problem.choose_tracks(task, frames, ADJUSTED_POINTS)
    kinds = ("static", "turning", "zooming")
    fits = [motion_fits.fit_without_translation(task, frames, tracks, kind) for kind in kinds]
    step()
    moving = reconstruction.fit_moving(task, frames, tracks)
    step()
    doubts = []
    if moving is not None and moving.registered.mean() > 0.5:
        moving, is_ambiguous = flat_scene.best_path(task, moving)
        fits.append(moving)
        if is_ambiguous:
            doubts.append(doubt_of_all(task.frames, flat_scene.AMBIGUOUS))
    costs = [_fit_cost(task, fit) for fit in fits]
    fit, rival = _choose_fit(task, fits, costs, step)
    if fit.kind != "moving":
        doubts = []
    if fit.kind == "zooming" and rival is not None and rival.kind == "moving" and rival.outdoes(fit, DIFFERENT):
        doubts.append(doubt_of_all(task.frames, ZOOM_OR_MOVE))
    if min(costs) > MAX_ERROR:
        doubts.append(doubt_of_all(task.frames, NO_MOVEMENT))
    return refinement.extend_to_all_frames(task, fit), doubts


def _choose_fit(
    task: Problem, fits: list[MotionFit], costs: list[float], step: Step
) -> tuple[MotionFit, MotionFit | None]:
    """Return the simplest fit that explains the points about as well as the best, refined, and the other if it was too.

    fits: from the simplest to the freest.
    """
    best_cost, best = min(costs), fits[int(np.argmin(costs))]
    simple, cost = next((f, c) for f, c in zip(fits, costs, strict=True) if c <= 1.25 * best_cost + 0.1)
    fit = simple if simple.kind == "static" else refinement.refine(task, simple, step)
    if simple.kind == "zooming" and fits[-1].kind == "moving":
        best = fits[-1]  # which a zoom looks much like
    # Tracked points slide a little, which blurs the difference; patches measured in place decide.
    elif best.kind == simple.kind or cost <= 1.05 * best_cost + 0.03:
        return fit, None
    rival = refinement.refine(task, best)
    by_points = fit.kind == "zooming" and rival.outdoes(fit, CLEARLY) and not fit.outdoes(rival, DIFFERENT)
    if simple.kind == "static" or fit.support < 0.9 * rival.support or by_points:
        return rival, fit
    return fit, rival


def _fit_cost(task: Problem, fit: MotionFit) -> float:
    """Return the root mean squared error in pixels of an image 672 wide, with outliers counted as three pixels."""
    error = fit.errors()[fit.registered[fit.bundle.camera_index]] / task.pixel
    return float(np.sqrt(np.mean(np.minimum(error, 3.0) ** 2)))
