"""Which frames of an estimated path to doubt, and why, in sentences that name them.

A frame is doubted where its pose is interpolated, where its standard deviation is large beside the path, where it rests
on far points alone (they show how a camera turns, not where it is), where many of its points disagree, and where the
path leaps without many points that agree with it. F frames.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...ranges import name_frames
from .. import rotations
from . import two_view
from .consensus import Disagreement
from .motion_fits import MotionFit

# A point shows where a frame's camera is if the other frames see it under so many degrees of parallax, or under so many
# times what points are usually off (which is at least so many pixels), and if it lies within so many pixels of its
# place. Pixels are those of an image 672 wide.
NEAR_PARALLAX, NEAR_NOISES, LEAST_NOISE, NEAR_ERROR = 1.0, 25.0, 0.05, 2.0
# Fewer near points do not hold a frame in place; so many do, even after a leap, if this share of all agrees.
MIN_NEAR_POINTS, MANY_NEAR_POINTS, MIN_HELD = 6, 60, 0.9
# A frame of which less than this share of the points agrees is doubted.
MIN_AGREEING = 0.6
# Standard deviations above which a pose is doubted: degrees, and a share of the path's extent.
MAX_ROTATION, MAX_POSITION = 1.0, 0.05
# A path shorter than a tenth of the subject's distance is held to shares of that tenth, since less is not seen.
LEAST_EXTENT = 0.1
# A step so many times as long as those around it is a leap, if it is also this share of the path's extent.
LEAP, MIN_LEAP = 3.0, 0.1
# The same for turns: times as large, and degrees.
MIN_TURN_LEAP = 3.0
# Steps before and after a step that say how long it should be.
_AROUND = 5

# Where halves of the points disagree about a pose by more than this (degrees, a share of the extent), the path is
# doubted.
MAX_TURN_APART, MAX_APART = 1.0, 0.08


@dataclass(frozen=True)
class Doubt:
    """frames: which are doubted (sorted numbers; none: a mere remark on the path), and the sentence that says why."""

    frames: tuple[int, ...]
    sentence: str


def doubt_of_all(frames: int, sentence: str) -> Doubt:
    """Return the doubt of all frames of a clip but the first, which is where it is by definition.

    sentence: with {} for their names.
    """
    numbers = tuple(range(1, frames))
    return Doubt(numbers, sentence.format(name_frames(numbers)))


def near_support(fit: MotionFit, pixel: float) -> np.ndarray:
    """Return for every frame how many points hold its position (F,): near ones that agree with it.

    A point's parallax is that of the other frames, so that a wrong pose does not make its own support.
    """
    bundle = fit.bundle
    frames = len(bundle.focal)
    rays = bundle.observed / bundle.focal[bundle.camera_index, None]
    errors = np.linalg.norm(bundle.residuals(), axis=1)
    agrees = errors < NEAR_ERROR * pixel
    noise = max(float(np.median(errors)), LEAST_NOISE * pixel) / float(np.median(bundle.focal))
    parallax = min(np.radians(NEAR_PARALLAX), NEAR_NOISES * noise)
    support = np.zeros(frames, int)
    for frame in range(frames):
        own, other = bundle.camera_index == frame, bundle.camera_index != frame
        seen = np.zeros(len(bundle.points), bool)
        seen[bundle.point_index[own & agrees]] = True
        other &= seen[bundle.point_index]
        if not other.any():
            continue
        result = two_view.triangulate_rays(
            rays[other],
            bundle.rotation,
            bundle.translation,
            bundle.camera_index[other],
            bundle.point_index[other],
            len(bundle.points),
        )
        support[frame] = int((seen & result.in_front & (result.angle > parallax)).sum())
    return support


def find_leaps(c2w: np.ndarray) -> tuple[int, ...]:
    """Return the frames (numbers) into which the path (F, 3, 4) leaps: where a step is far longer than those around."""
    position = c2w[:, :, 3]
    extent = float(np.linalg.norm(position - position[0], axis=1).max())
    steps = np.linalg.norm(np.diff(position, axis=0), axis=1)
    turns = np.degrees(rotations.angle_between(c2w[:-1, :, :3], c2w[1:, :, :3]))
    leaps = (steps > MIN_LEAP * extent) & (steps > LEAP * _usual(steps)) if extent > 0 else np.zeros(len(steps), bool)
    leaps |= (turns > MIN_TURN_LEAP) & (turns > LEAP * _usual(turns))
    return tuple((np.flatnonzero(leaps) + 1).tolist())


def _usual(steps: np.ndarray) -> np.ndarray:
    """Return for every step (n,) the larger of the medians of those before and of those after it."""
    usual = np.full(len(steps), np.inf)
    for k in range(len(steps)):
        sides = (steps[max(0, k - _AROUND) : k], steps[k + 1 : k + 1 + _AROUND])
        medians = [float(np.median(side)) for side in sides if len(side) >= 2]
        if medians:
            usual[k] = max(medians)
    return usual


def doubts_of_path(
    c2w: np.ndarray,
    inliers: np.ndarray,
    failed: tuple[int, ...],
    rotation_sd: np.ndarray,
    position_sd: np.ndarray,
    support: np.ndarray | None,
    halves: Disagreement,
) -> list[Doubt]:
    """Return what is to be doubted in a path (F, 3, 4).

    inliers (F,): the share of agreeing points. failed: frames whose pose is interpolated. rotation_sd (F,) degrees and
    position_sd (F,): standard deviations. support (F,): from `near_support`, None where the camera does not move.
    halves: from `compare_halves`, in the path's unit.
    """
    frames, doubts = np.arange(len(c2w)), []
    known = ~np.isin(frames, failed)

    def doubt(which: np.ndarray, sentence: str) -> None:
        numbers = tuple(np.flatnonzero(which).tolist())
        if numbers:
            text = sentence.format(name_frames(numbers))
            doubts.append(Doubt(numbers, text[:1].upper() + text[1:]))

    doubt(~known, "No pose was found for {}: what is there is interpolated.")
    few = known & (inliers < MIN_AGREEING)
    if few.any():
        doubt(
            few,
            f"In {{}} only {np.median(inliers[few]):.0%} of the tracked points agree with the path, so it may be wrong"
            " there: mask what moves, give the focal length, or take the method 'colmap'.",
        )
    extent = float(np.linalg.norm(c2w[:, :, 3] - c2w[0, :, 3], axis=1).max())
    if support is not None:
        doubt(
            known & (support < MIN_NEAR_POINTS),
            "The place of the camera in {} rests on far points alone, which do not show it.",
        )
    way = max(extent, LEAST_EXTENT)
    uncertain = (rotation_sd > MAX_ROTATION) | (position_sd > MAX_POSITION * way) & (extent > 0)
    doubt(
        known & uncertain,
        f"The pose of {{}} is uncertain by more than {MAX_ROTATION:.0f} degree or {MAX_POSITION:.0%} of the path.",
    )
    apart = known & ((halves.rotation > MAX_TURN_APART) | (halves.position > MAX_APART * way) & (extent > 0))
    if apart.any():
        # What bends a path does so everywhere, only more the farther it goes.
        apart = frames > 0
    doubt(
        apart,
        f"Different parts of the image tell different paths in {{}} (by {halves.rotation.max():.1f} degrees and"
        f" {halves.position.max() / max(extent, 1e-9):.0%} of the way): something large moves there, the lens zooms"
        " besides, or the field of view is another. Mask what moves.",
    )
    held = known & ~uncertain & (inliers > MIN_HELD) & (support is not None and support >= MANY_NEAR_POINTS)
    leaps = find_leaps(c2w)
    if leaps and held[[frame for leap in leaps for frame in (leap - 1, leap)]].all():
        said = "The camera leaps at {}: the points on both sides agree with it."
        doubts.append(Doubt((), said.format(name_frames(leaps))))
    elif leaps:
        # After one leap the rest may be misplaced; several leave nothing to rely on.
        after = frames >= (leaps[0] if len(leaps) == 1 else 1)
        doubt(after, f"The path leaps at {name_frames(leaps)}, so {{}} may be misplaced: is there a cut?")
    return doubts
