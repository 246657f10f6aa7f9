"""Whether something in a video moves as its sound swells. Shapes: F frames of H x W pixels."""

from __future__ import annotations

import numpy as np

_EDGE = 0.1  # the share of an object's pixels that counts as the fastest, upward and downward


def sound_match(flow: np.ndarray, objects: np.ndarray, loudness: np.ndarray) -> float | None:
    """Return the correlation of how fast objects rise with how fast the loudness (F,) grows, from -1 to 1.

    flow (F-1, H, W, 2): to the next frame. objects (F, H, W) bool: where any is seen. None for a sound that is equally
    loud all the time, and for a single pair of frames. A clip in which nothing rises or falls has 0.
    """
    swell = np.diff(np.asarray(loudness, np.float64))
    if len(swell) < 2 or swell.std() < 1e-6:
        return None
    risen, swell = rising(flow, objects), swell - swell.mean()
    risen = risen - risen.mean()
    size = float(np.linalg.norm(risen) * np.linalg.norm(swell))
    return float(risen @ swell) / size if size > 1e-9 else 0.0


def rising(flow: np.ndarray, objects: np.ndarray) -> np.ndarray:
    """Return how many pixels objects rise to the next frame (F-1,), against what is around them.

    It is the sum of the fastest rise and the fastest fall: of several objects only one hops, and which is not known.
    """
    result = np.zeros(len(flow))
    for t, (step, mask) in enumerate(zip(-flow[..., 1], objects[:-1], strict=True)):
        if mask.any():
            around = float(np.median(step[~mask])) if not mask.all() else 0.0
            result[t] = np.quantile(step[mask] - around, [_EDGE, 1 - _EDGE]).sum()
    return result
