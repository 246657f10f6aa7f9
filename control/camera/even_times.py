"""Poses that have times of their own, brought to even steps of time, as every `CameraTrajectory` has them.

Files state times as stamps in seconds, or as numbers of frames. Where the steps are even the poses stay as they are.
Where frames were left out (lost by a tracker, not registered) they are filled in, and the poses that are there keep
their places. At times without a common step the path is sampled anew. Positions and lenses run on straight lines,
rotations on the shortest arc. What was done becomes a note of the trajectory.
"""

from __future__ import annotations

import numpy as np

from ..errors import UserError
from . import interpolate
from .trajectory import CameraTrajectory

# An hour at 24 frames per second; more is not a camera path, and would fill the memory.
MAX_FRAMES = 100_000
# Frames per second at which times without a common step are sampled, and at which animations of sparse keys are.
SAMPLING_FPS = 24.0
# Rounded or jittering stamps lie within this share of a step from where they belong.
_JITTER = 0.1
# Every eighth or ninth frame of a video: steps that differ by no more than this factor leave nothing out.
_MILD = 1.5
# As many frames as may come of a file with few poses, when only the numbers in its names ask for them.
_FRAMES_UNASKED = 1000
# Share of a step that poses of one clip are apart at least.
_APART = 0.2
# Gaps that a note names one by one.
_GAPS_NAMED = 4


def estimate_fps(seconds: np.ndarray, default: float) -> float:
    """Return the frames per second of time stamps (F,) in seconds; `default` where they do not increase.

    Rates within 1/5000 of a whole number are that number, since time stamps are rounded; 23.976 stays.
    """
    steps = np.diff(seconds)
    if not len(steps) or not (steps > 0).all():
        return default
    # The whole span is exact to one rounding; it counts only where no frame was left out.
    step = float(np.median(steps))
    mean = float(seconds[-1] - seconds[0]) / len(steps)
    return _rounded_fps(1 / (mean if abs(mean - step) < 0.01 * step else step), default)


def _rounded_fps(fps: float, default: float) -> float:
    if not 0.01 < fps < 1000:
        return default
    return float(round(fps)) if abs(fps - round(fps)) < 2e-4 * fps else round(fps, 6)


def spread_by_seconds(path: CameraTrajectory, seconds: np.ndarray) -> CameraTrajectory:
    """Return the path at even steps of time; its frames are at `seconds` (F,), and its rate becomes theirs.

    Times that are all the same, or do not increase, say nothing: the path keeps its poses and its rate. Raises
    UserError where the times span more frames than a path can have.
    """
    path, seconds = _increasing(path, seconds)
    if len(seconds) < 2 or not (np.diff(seconds) > 0).all():
        return path
    if _is_even(seconds):
        return path.replace(fps=estimate_fps(seconds, path.fps))
    steps = np.diff(seconds)
    span, step = float(seconds[-1] - seconds[0]), float(np.median(steps))
    # A share of a step: the last slot of a long clip is exact only with the step of its whole span.
    slots = _slots(seconds, span / max(1, round(span / step)))
    if slots is not None:
        _check_count(int(slots[-1]) + 1, span)
        gaps = [
            f"{seconds[i] - seconds[0]:.3g} to {seconds[i + 1] - seconds[0]:.3g} s"
            for i in np.flatnonzero(np.diff(slots) > 1)
        ]
        missing = int(slots[-1]) + 1 - len(slots)
        said = f"The camera file has no poses from {_list_text(gaps)} ({missing} frames): they were filled in."
        return _sample(path, slots, np.arange(slots[-1] + 1), _rounded_fps(slots[-1] / span, path.fps), said)
    if steps.max() <= _MILD * steps.min():  # no gap: as many poses as there are, at even steps
        count = len(seconds)
    else:
        fps = max(SAMPLING_FPS, 1 / step) if step > 0 else SAMPLING_FPS
        count = _check_count(int(min(span * fps, 1e9) + 0.5) + 1, span)
    fps = (count - 1) / span
    said = (
        f"The poses of the camera file are {steps.min():.2g} to {steps.max():.2g} s apart: they were brought to even"
        f" steps of time, {fps:.3g} frames per second."
    )
    return _sample(path, seconds, np.linspace(seconds[0], seconds[-1], count), fps, said)


def spread_by_numbers(path: CameraTrajectory, numbers: np.ndarray) -> CameraTrajectory:
    """Return the path at even steps of time; its frames have these `numbers` (F,) of a video, at the path's own rate.

    Evenly numbered poses (every frame, every tenth) stay as they are, and so do those whose numbers do not increase.
    """
    path, numbers = _increasing(path, numbers)
    if len(numbers) < 2 or not (np.diff(numbers) > 0).all() or _is_even(numbers):
        return path
    step = float(np.median(np.diff(numbers)))
    slots = _slots(numbers, step)
    if slots is None and (numbers == np.round(numbers)).all() and numbers.max() < 2**53:
        step = float(np.gcd.reduce(np.diff(numbers.astype(np.int64))))
        slots = _slots(numbers, step)
    most = max(_FRAMES_UNASKED, 10 * len(numbers))
    if slots is None or slots[-1] >= most:
        return _without_common_step(path, numbers, most)
    first = numbers[0]
    gaps, missing = [], 0
    for index in np.flatnonzero(np.diff(slots) > 1):
        begin, end = first + (slots[index] + 1) * step, first + (slots[index + 1] - 1) * step
        gaps.append(f"{begin:.0f}" if begin == end else f"{begin:.0f} to {end:.0f}")
        missing += int(slots[index + 1] - slots[index]) - 1
    subject = f"Frame {gaps[0]} is" if missing == 1 else f"Frames {_list_text(gaps)} are"
    verb = "it was" if missing == 1 else "they were"
    said = f"{subject} missing in the camera file: {verb} filled in."
    return _sample(path, slots, np.arange(slots[-1] + 1), path.fps, said)


def _without_common_step(path: CameraTrajectory, numbers: np.ndarray, most: int) -> CameraTrajectory:
    """Return the path sampled anew at the usual step of its numbers; as it is where that makes `most` frames."""
    steps = (numbers[-1] - numbers[0]) / np.median(np.diff(numbers))
    said = "The frames of the camera file are numbered unevenly, with no common step:"
    if not steps < most:
        return path.replace(notes=(*path.notes, f"{said} they were taken as evenly spaced."))
    at = np.linspace(numbers[0], numbers[-1], round(steps) + 1)
    return _sample(path, numbers, at, path.fps, f"{said} they were brought to even steps of time.")


def _sample(path: CameraTrajectory, times: np.ndarray, at: np.ndarray, fps: float, said: str) -> CameraTrajectory:
    c2w, intrinsics = interpolate.interpolate_poses(path.c2w, path.intrinsics, times.astype(np.float64), at)
    return path.replace(c2w=c2w, intrinsics=intrinsics, fps=fps, notes=(*path.notes, said))


def _increasing(path: CameraTrajectory, times: np.ndarray) -> tuple[CameraTrajectory, np.ndarray]:
    """Return the path and its times in their order, without poses at the time of the pose before.

    Unchanged where times begin again.
    """
    steps = np.diff(times)
    if not (steps > 0).any() or (steps > 0).all():
        return path, times
    if (steps < 0).any():
        order = np.argsort(times, kind="stable")
        apart = np.diff(times[order])
        # Times that begin again, as of two clips, would lie closer to each other than the poses of one.
        if apart.min() > _APART * apart.mean():
            said = "The poses of the camera file were not in the order of their times: they were sorted."
            ordered = path.replace(c2w=path.c2w[order], intrinsics=path.intrinsics[order], notes=(*path.notes, said))
            return ordered, times[order]
        said = "The times of the camera file do not increase: its poses were taken as evenly spaced."
        return path.replace(notes=(*path.notes, said)), times
    kept = np.concatenate([[True], steps > 0])
    count = int((~kept).sum())
    said = f"{count} {'pose' if count == 1 else 'poses'} at the time of the pose before: left out."
    notes = (*path.notes, said)
    return path.replace(c2w=path.c2w[kept], intrinsics=path.intrinsics[kept], notes=notes), times[kept]


def _is_even(times: np.ndarray) -> bool:
    """Return whether times (F,) are one step apart, but for jitter."""
    places = (times - times[0]) / ((times[-1] - times[0]) / (len(times) - 1))
    return bool(np.abs(places - np.arange(len(times))).max() < _JITTER)


def _slots(times: np.ndarray, step: float) -> np.ndarray | None:
    """Return the whole number of steps of each time (F,) from the first; None where they are not whole."""
    places = (times - times[0]) / step
    if not places[-1] < 1e9:
        return None
    slots = np.round(places)
    if np.abs(places - slots).max() >= _JITTER or (np.diff(slots) < 1).any():
        return None
    whole: np.ndarray = slots.astype(np.int64)
    return whole


def _check_count(count: int, span: float) -> int:
    if count > MAX_FRAMES:
        raise UserError(
            f"its times span {span:.4g} s, more than {MAX_FRAMES} frames at the rate of its poses: a time is damaged,"
            " or they are in another unit"
        )
    return count


def _list_text(gaps: list[str]) -> str:
    """Return 'a, b and c', at most so many that a reader reads them."""
    if len(gaps) > _GAPS_NAMED:
        return f"{', '.join(gaps[:_GAPS_NAMED])} and {len(gaps) - _GAPS_NAMED} more"
    return " and ".join([", ".join(gaps[:-1]), gaps[-1]]) if len(gaps) > 1 else gaps[0]
