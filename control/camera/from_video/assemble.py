"""A fit of all frames made the result: a path relative to its first frame, its uncertainty, and what to doubt in it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ...errors import UserError
from ...ranges import name_frames
from .. import rotations
from ..trajectory import UNIT, CameraTrajectory, compose, invert, make_poses
from .bundle_adjustment import Bundle
from .checks import MIN_POINTS
from .consensus import compare_halves
from .focal import FACTORS, FocalTest, judge_focal
from .motion_fits import MotionFit
from .result import Estimate
from .trust import Doubt, doubt_of_all, doubts_of_path, near_support
from .uncertainty import pose_uncertainty

# An observation within so many pixels of an image 672 wide agrees with the path.
MAX_ERROR = 2.0
# A frame needs this share of agreeing points for a pose of its own.
MIN_INLIERS = 0.25
ZOOMS_TOO = (
    "The points agree far better if the lens zooms while the camera moves, as in a dolly zoom, which is not modeled (a"
    " field of view that is wrong can look so too): {} may be misplaced and have another field of view."
)


@dataclass(frozen=True, eq=False)
class Solution:
    """A fit of all frames and what belongs to it.

    size: width and height of the images. pixel: a pixel of an image 672 wide in pixels of these. cuts: frames in which
    next to nothing of the frame before is seen. remarks: sentences that doubt no frame; doubts: those that do.
    used (F,): the share of each frame's points that are part of the fit, where it holds only those that agree.
    """

    fit: MotionFit
    size: tuple[int, int]
    pixel: float
    focal_known: bool
    cuts: tuple[int, ...] = ()
    remarks: tuple[str, ...] = ()
    doubts: tuple[Doubt, ...] = ()
    used: np.ndarray | None = None
    method: str = "sift"


def to_estimate(solution: Solution, fps: float, aspect: float) -> Estimate:
    """Return a solution as a path relative to its first frame, with its uncertainty, points and warnings.

    Raises UserError where more than half of the frames have no pose.
    """
    fit, bundle = solution.fit, solution.fit.bundle
    agrees = fit.errors() / solution.pixel < MAX_ERROR
    inliers, measured = _support_per_frame(fit, agrees)
    failed = tuple(np.flatnonzero(~measured).tolist())
    c2w = _interpolate_unmeasured(invert(make_poses(bundle.rotation, bundle.translation)), measured)
    start = invert(c2w[:1])
    c2w = compose(start, c2w)
    points = bundle.points @ start[0, :, :3].T + start[0, :, 3]
    trusted = np.bincount(bundle.point_index, agrees, len(points)) >= 3
    unit = _median_depth(bundle, points, trusted) if fit.kind == "moving" else 1.0
    c2w[:, :, 3] /= unit
    uncertain = pose_uncertainty(fit, solution.pixel, unit, adjusts_focal=not solution.focal_known)
    test = judge_focal(fit, solution.pixel)
    focal = bundle.focal / solution.size[0]
    support = near_support(fit, solution.pixel) if fit.kind == "moving" else None
    position_sd = uncertain.position / unit
    halves = compare_halves(fit, solution.pixel, unit)
    halves = replace(halves, position=halves.position / unit)
    doubts = [
        *doubts_of_path(c2w, inliers, failed, uncertain.rotation, position_sd, support, halves),
        *solution.doubts,
        *_doubts_of_focal(test, solution.focal_known, float(focal[0]), len(c2w)),
    ]
    remarks = [*solution.remarks, *_remarks(solution, test, float(focal[0]))]
    intrinsics = np.stack([focal, focal * aspect, *np.full((2, len(focal)), 0.5)], 1)
    sentences = tuple(doubt.sentence for doubt in doubts)
    return Estimate(
        CameraTrajectory(c2w, intrinsics, fps=fps, unit=UNIT, notes=sentences),
        inliers if solution.used is None else solution.used,
        failed,
        float(focal[0]),
        solution.focal_known,
        test is not None and test.is_determined,
        fit.kind,
        points[trusted] / unit,
        uncertain.rotation,
        position_sd,
        tuple(sorted({frame for doubt in doubts for frame in doubt.frames})),
        (*sentences, *remarks),
        zoom_determined=test is None or test.shows_zoom,
        method=solution.method,
    )


def _support_per_frame(fit: MotionFit, agrees: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the share of agreeing points (F,) and whether a frame has enough for a pose of its own (F,).

    agrees (M,): which observations do. Raises UserError where more than half of the frames have not enough.
    """
    frames = len(fit.bundle.focal)
    total = np.bincount(fit.bundle.camera_index, minlength=frames)
    count = np.bincount(fit.bundle.camera_index, agrees, frames)
    inliers = count / np.maximum(total, 1)
    measured = (count >= MIN_POINTS) & (inliers >= MIN_INLIERS)
    measured[0] |= fit.kind != "moving"
    failed = int((~measured).sum())
    if failed > frames / 2:
        raise UserError(
            f"the camera cannot be found: {failed} of {frames} frames have too few points that agree with any one"
            " movement (blur, a moving subject that fills the image, or cuts): mask what moves, or split the clip"
        )
    return inliers, measured


def _doubts_of_focal(test: FocalTest | None, known: bool, focal: float, frames: int) -> list[Doubt]:
    """Return the doubt of all frames but the first where the points agree better with another focal length, or with
    one that changes."""
    if test is not None and test.zooms:
        return [doubt_of_all(frames, ZOOMS_TOO)]
    if test is None or test.better is None:
        return []
    kind = "given" if known else "estimated"
    return [
        doubt_of_all(
            frames,
            f"The points agree clearly better with a focal length of about {focal * test.better:.2f} widths"
            f" ({_degrees(focal * test.better):.0f} degrees) than with the {kind} {focal:.2f}, so {{}} may be bent or"
            " scaled: check the field of view.",
        )
    ]


def _remarks(solution: Solution, test: FocalTest | None, focal: float) -> list[str]:
    """Return what a user should know beside the doubts: cuts, and how much the lens is known."""
    remarks = []
    if solution.cuts:
        remarks.append(f"Almost no tracked point survives into {name_frames(solution.cuts)}: is there a cut?")
    if test is not None and not test.shows_zoom:
        remarks.append(
            "A lens that zooms while the camera moves along its axis would look the same: it was taken not to zoom."
        )
    if solution.focal_known:
        return remarks
    degrees = f"{_degrees(focal):.0f} degrees"
    if test is None:
        remarks.append(f"The focal length is a guess ({degrees}): this movement does not show it.")
    elif not test.is_determined:
        remarks.append(
            f"The focal length is not determined ({degrees} is a guess): with {FACTORS[0]:g} or {FACTORS[1]:g} times as"
            " much the points agree about as well. Give it if you know it."
        )
    else:
        remarks.append(
            f"The focal length was estimated with the path ({degrees}); a given one makes both more exact, above all"
            " where the camera turns little."
        )
    return remarks


def _degrees(focal: float) -> float:
    return float(np.degrees(2 * np.arctan(0.5 / focal)))


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
