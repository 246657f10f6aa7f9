"""The times at which to sample an animation."""

from __future__ import annotations

import numpy as np

from ...errors import UserError
from ..even_times import MAX_FRAMES, SAMPLING_FPS, estimate_fps
from .format import DEFAULT_FPS

# Seconds between keys above which they are not frames.
_LONGEST_FRAME = 0.21


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


def second_of(times: np.ndarray) -> float:
    """Return what to multiply time stamps (F,) by to have seconds: stamps since 1970 show their unit by their size.

    Others are in seconds. Milliseconds, microseconds and nanoseconds are known, of the years 2001 to 2286.
    """
    size = float(np.abs(times).max(initial=0.0))
    return next((1 / scale for scale in (1e3, 1e6, 1e9) if 1e9 * scale <= size < 1e10 * scale), 1.0)
