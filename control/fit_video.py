"""A video brought to another size, length and rate, with every choice and what it cost in words.

Shapes: F frames, H height, W width.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

import numpy as np

from .condition import VideoSize
from .errors import UserError
from .fit import SpaceFit, fit_size
from .images import indices
from .limits import check_clip, check_rate


class TimeMode(str, Enum):
    """Which moment of the video each new frame shows.

    SPEED: the moment with the same time stamp. WHOLE: the whole video, spread over the new length. FRAMES: the frame
    with the same number.
    """

    SPEED = "keep_speed"
    WHOLE = "whole_clip"
    FRAMES = "frame_by_frame"


@dataclass(frozen=True, eq=False)
class FittedVideo:
    """frames: (F, H, W, 3) float32. masks: (F, H, W) or None. chosen: the frame of the original behind each new one.
    report: sentences."""

    frames: np.ndarray
    masks: np.ndarray | None
    chosen: np.ndarray
    report: tuple[str, ...]


def fit_video(
    frames: np.ndarray,
    fps: float,
    video: VideoSize,
    space: SpaceFit = SpaceFit.CROP,
    time: TimeMode = TimeMode.SPEED,
    start: float = 0.0,
    masks: np.ndarray | None = None,
    step: Callable[[], object] = lambda: None,
) -> FittedVideo:
    """Return a video (F, H, W, 3), 0..1, of `fps` frames per second at the size, length and rate of `video`.

    start: the second of the original at which the new video begins. masks: (F, H, W), fitted alike. step: called after
    each frame. Raises UserError for a rate that no video has, a start behind the end, masks of another number, a
    longer video that does not fit into what a clip may take, and where `space` refuses the proportions.
    """
    check_rate(fps, "the video")
    if video.frames > len(frames):  # a rate typed wrong makes millions of them
        check_clip(video.frames, video.height, video.width, "the fitted video")
    if masks is not None and len(masks) != len(frames):
        raise UserError(f"the video has {len(frames)} frames, but there are {len(masks)} masks: give one per frame")
    first = first_frame(len(frames), fps, start)
    chosen, said = _choose(len(frames) - first, fps, video, time)
    chosen = chosen + first
    fitted, warnings = _fit_frames(frames, chosen, video, space, "the video", step)
    fitted_masks = None
    if masks is not None:
        fitted_masks = _fit_frames(masks, chosen, video, space, "the masks", lambda: None)[0]
    height, width = frames.shape[1:3]
    before = f"{len(frames)} frames of {width}x{height} at {fps:g} fps ({len(frames) / fps:.3g} s)"
    after = f"{video} at {video.fps:g} fps ({video.frames / video.fps:.3g} s)"
    cut = [f"It begins at {first / fps:.3g} s of the original."] if first else []
    lost = _lost(height, width, video, space)
    return FittedVideo(fitted, fitted_masks, chosen, (f"From {before} to {after}.", *cut, *said, *warnings, *lost))


def first_frame(count: int, fps: float, start: float) -> int:
    """Return which of `count` frames is shown at the second `start`. Raises UserError where there is none."""
    if not 0 <= start * fps < count - 0.5:  # NaN is in no range
        raise UserError(
            f"the video is {count / fps:.3g} s long, but was to start at {start:.3g} s: choose an earlier start"
        )
    return round(start * fps)


def longest_length(count: int, fps: float, rate: float, time: TimeMode) -> int:
    """Return how many frames at `rate` a video of `count` frames at `fps` fills without holding or repeating any."""
    return max(1, int(np.floor((count - 1) * rate / fps + 1e-6)) + 1) if time is TimeMode.SPEED else count


def _choose(count: int, fps: float, video: VideoSize, time: TimeMode) -> tuple[np.ndarray, list[str]]:
    """Return which of `count` frames each new one shows (frames,), and what was done."""
    if time is TimeMode.WHOLE:
        speed = (count / fps) / (video.frames / video.fps)
        said = [] if abs(speed - 1) < 0.02 else [f"The whole clip was kept: it plays {_speed(speed)}."]
        return indices(count, video.frames), said
    step = fps / video.fps if time is TimeMode.SPEED else 1.0
    wanted = np.floor(np.arange(video.frames) * step + 0.5).astype(int)
    held = int((wanted > count - 1).sum())
    said = []
    if time is TimeMode.SPEED and abs(step - 1) > 1e-3:
        said.append(
            f"The speed was kept: of {step:.3g} frames one was taken."
            if step > 1
            else f"The speed was kept: frames are repeated, {1 / step:.3g} times on average."
        )
    if time is TimeMode.FRAMES and abs(fps / video.fps - 1) > 1e-3:
        said.append(f"Frame by frame, it plays {_speed(video.fps / fps)}.")
    if held:
        said.append(
            f"The video is too short by {held} of the new frames ({held / video.fps:.3g} s): its last frame is held."
        )
    left = count - 1 - int(wanted[-1])
    if left >= max(1.0, step):
        said.append(f"The last {left / fps:.3g} s were cut off ({left} frames).")
    return np.minimum(wanted, count - 1), said


def _speed(factor: float) -> str:
    return f"{factor:.3g} times as fast" if factor >= 1 else f"at {factor:.0%} of its speed"


def _fit_frames(
    clip: np.ndarray, chosen: np.ndarray, video: VideoSize, space: SpaceFit, what: str, step: Callable[[], object]
) -> tuple[np.ndarray, list[str]]:
    """Return the chosen frames of a clip (F, H, W, ...) at the video's size, and what was done for that."""
    result = np.empty((len(chosen), video.height, video.width, *clip.shape[3:]), np.float32)
    warnings: list[str] = []
    for place, number in enumerate(chosen):
        if place and number == chosen[place - 1]:
            result[place] = result[place - 1]
        else:
            one, warnings = fit_size(clip[number : number + 1], video.height, video.width, space, what)
            result[place] = one[0]
        step()
    return result.clip(0, 1, out=result), warnings


def _lost(height: int, width: int, video: VideoSize, space: SpaceFit) -> list[str]:
    """Say how much is cut or empty, and where the video is made larger than it was."""
    ratio = (width * video.height) / (height * video.width)
    share = 1 - min(ratio, 1 / ratio)
    said = []
    if share > 0.02 and space in (SpaceFit.CROP, SpaceFit.PAD):
        wide = (ratio > 1) == (space is SpaceFit.CROP)
        side = "left and right" if wide else "top and bottom"
        said.append(
            f"{share:.0%} was cut off at {side}." if space is SpaceFit.CROP else f"{share:.0%} is empty at {side}."
        )
    grown = max(video.height / height, video.width / width)
    if grown > 1.01:
        said.append(f"It was enlarged {grown:.3g} times, which adds no detail.")
    return said
