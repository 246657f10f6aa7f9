"""Frame rates of time stamps, and the times at which to sample an animation."""

from __future__ import annotations

import numpy as np

from ...errors import UserError
from .format import DEFAULT_FPS
from .source import MAX_FRAMES

# Frames per second at which an animation of sparse keys is sampled.
SAMPLING_FPS = 24.0
# Seconds between keys above which they are not frames.
_LONGEST_FRAME = 0.21


def estimate_fps(seconds: np.ndarray, default: float = DEFAULT_FPS) -> float:
    """Return the frames per second of time stamps (F,) in seconds; `default` where they do not increase.

    Rates within 1/5000 of a whole number are that number, since time stamps are rounded; 23.976 stays.
    """
    steps = np.diff(seconds)
    if not len(steps) or not (steps > 0).all():
        return default
    # The whole span is exact to one rounding; it counts only where no frame was left out.
    step = float(np.median(steps))
    mean = float(seconds[-1] - seconds[0]) / len(steps)
    fps = 1 / (mean if abs(mean - step) < 0.01 * step else step)
    if not 0.01 < fps < 1000:
        return default
    return float(round(fps)) if abs(fps - round(fps)) < 2e-4 * fps else round(fps, 6)


def sampling_times(keys: np.ndarray, fps: float | None = None) -> tuple[np.ndarray, float]:
    """Return the times (F,) in seconds at which to sample an animation with these key times, and its frames per second.

    Evenly spaced keys are frames (a baked animation); others are sampled 24 times a second. Raises UserError for an
    animation of more frames than a path can have.
    """
    keys = np.sort(np.asarray(keys, np.float64))
    # The same key in two tracks may differ by rounding.
    keys = keys[np.concatenate([[True], np.diff(keys) > 1e-5])]
    if len(keys) < 2:
        return keys[:1], fps or DEFAULT_FPS
    if fps is None:
        steps = np.diff(keys)
        step = float(np.median(steps))
        even = bool((np.abs(steps - step) < 0.02 * step + 2e-5).all()) and step <= _LONGEST_FRAME
        fps = estimate_fps(keys, SAMPLING_FPS) if even else SAMPLING_FPS
    span = float(keys[-1] - keys[0]) * fps
    if not span < MAX_FRAMES:
        raise UserError(f"its animation lasts {keys[-1] - keys[0]:.0f} s, more than {MAX_FRAMES} frames")
    return keys[0] + np.arange(int(span + 0.5) + 1) / fps, fps
