"""How what the user gave is brought to the size and the length of the video: always a choice, never in silence.

Every function returns what it made and sentences (`warnings`) about what it had to do for that; where nothing was to be
done there is none. Shapes: F frames, H height, W width, C channels.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TypeVar

import numpy as np

from .errors import UserError
from .images import indices, resize_clip

E = TypeVar("E", bound=Enum)

# So much may proportions differ before it is said: what rounding a size does.
SAME_ASPECT = 0.02


class SpaceFit(str, Enum):
    """What happens to frames of other proportions than the video's."""

    REFUSE = "refuse"
    STRETCH = "stretch"
    CROP = "crop"
    PAD = "pad"


class TimeFit(str, Enum):
    """What happens to a clip of another length: spread over the video, or its last frame held (a longer one is cut)."""

    REFUSE = "refuse"
    RESAMPLE = "resample"
    HOLD = "hold"


@dataclass(frozen=True)
class Fit:
    """The two choices together. The usual one crops, and takes no other length."""

    space: SpaceFit = SpaceFit.CROP
    time: TimeFit = TimeFit.REFUSE

    @classmethod
    def of(cls, space: str = "crop", time: str = "refuse") -> Fit:
        """Return the fit of two names. Raises UserError for a name that is not one."""
        return cls(_named(SpaceFit, space, "in space"), _named(TimeFit, time, "in time"))


def _named(kind: type[E], name: str, where: str) -> E:
    try:
        return kind(name)
    except ValueError as error:
        choices = ", ".join(entry.value for entry in kind)
        raise UserError(f"the fit {where} is '{name}'; choose one of {choices}") from error


def fit_indices(count: int, frames: int, fit: TimeFit, what: str) -> tuple[np.ndarray, list[str]]:
    """Return which of `count` frames stand at each of the video's `frames` (frames,), and warnings.

    what: how messages call it. Raises UserError for another count where `fit` refuses that.
    """
    if count == frames:
        return np.arange(frames), []
    if fit is TimeFit.RESAMPLE:
        return indices(count, frames), [f"{_capital(what)} has {_count(count)}: it was resampled to {frames}."]
    if fit is TimeFit.HOLD:
        said = f"the last is held until frame {frames}" if count < frames else f"it was cut after frame {frames}"
        return np.minimum(np.arange(frames), count - 1), [f"{_capital(what)} has {_count(count)}: {said}."]
    raise UserError(
        f"{what} has {_count(count)}, the video {frames}: set `fit_time` to {TimeFit.RESAMPLE.value} or"
        f" {TimeFit.HOLD.value}, or give one per frame"
    )


def fit_clip(
    clip: np.ndarray, frames: int, height: int, width: int, fit: Fit, what: str, fill: float = 0.0
) -> tuple[np.ndarray, list[str]]:
    """Return a clip (F, H, W) or (F, H, W, C) as (frames, height, width, ...) float32, and warnings.

    fill: the value beyond the edge where `pad` leaves room. Raises UserError as `fit_indices` and `fit_size` do.
    """
    chosen, warnings = fit_indices(len(clip), frames, fit.time, what)
    if len(chosen) != len(clip) or (chosen != np.arange(len(clip))).any():
        clip = clip[chosen]
    clip, more = fit_size(clip, height, width, fit.space, what, fill)
    return clip, warnings + more


def fit_size(
    clip: np.ndarray, height: int, width: int, fit: SpaceFit, what: str, fill: float = 0.0
) -> tuple[np.ndarray, list[str]]:
    """Return a clip (F, H, W) or (F, H, W, C) as (F, height, width, ...) float32, and warnings.

    A clip of the same proportions is only resized, which needs no word. Raises UserError where `fit` refuses others.
    """
    own_height, own_width = clip.shape[1:3]
    ratio = (own_width * height) / (own_height * width)
    # A side may be off by a pixel whatever the proportions.
    same = abs(ratio - 1) <= max(SAME_ASPECT, 1 / min(own_height, own_width, height, width))
    if same or fit is SpaceFit.STRETCH:
        said = [] if same else [f"{_sized(what, clip)} was stretched to {width}x{height}."]
        return resize_clip(clip, height, width), said
    if fit is SpaceFit.REFUSE:
        raise UserError(
            f"{what} is {own_width}x{own_height} (width x height), the video {width}x{height}: give the same"
            f" proportions, or set `fit_space` to crop, pad or stretch"
        )
    if fit is SpaceFit.CROP:
        return resize_clip(_cropped(clip, ratio), height, width), [
            f"{_sized(what, clip)} was cropped to the proportions of {width}x{height}."
        ]
    inner = (height, max(1, round(width * ratio))) if ratio < 1 else (max(1, round(height / ratio)), width)
    result = np.full((len(clip), height, width, *clip.shape[3:]), fill, np.float32)
    top, left = (height - inner[0]) // 2, (width - inner[1]) // 2
    result[:, top : top + inner[0], left : left + inner[1]] = resize_clip(clip, *inner)
    return result, [f"{_sized(what, clip)} was padded to the proportions of {width}x{height}."]


def _cropped(clip: np.ndarray, ratio: float) -> np.ndarray:
    """The middle of a clip whose width is `ratio` times what the video's proportions ask for."""
    height, width = clip.shape[1:3]
    if ratio > 1:
        kept = max(1, round(width / ratio))
        left = (width - kept) // 2
        return clip[:, :, left : left + kept]
    kept = max(1, round(height * ratio))
    top = (height - kept) // 2
    return clip[:, top : top + kept]


def _sized(what: str, clip: np.ndarray) -> str:
    return f"{_capital(what)} is {clip.shape[2]}x{clip.shape[1]} and"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _count(count: int) -> str:
    return f"{count} frame{'s' * (count != 1)}"
