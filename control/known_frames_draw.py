"""Which frames and regions of a clip are given to a training as known: drawn, so that every use of them is learned.

Shapes: F frames, H height, W width, N known frames.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

# EasyAnimate V5 draws the standard deviation of the noise on its references from a log-normal (pixels of -1..1). Here a
# share of the clips has none, which is what a user asks for by default.
LOG_NOISE_MEAN, LOG_NOISE_SCALE, NOISY = -3.0, 0.5, 0.5


@dataclass(frozen=True)
class DrawnKnown:
    """places: the known frames (N,), ascending. mask: (N, H, W), 1 = known; None is everywhere. noise: its standard
    deviation."""

    places: np.ndarray
    mask: np.ndarray | None
    noise: float


def draw_known(rng: np.random.Generator, size: Sequence[int], masks: Sequence[np.ndarray] = ()) -> DrawnKnown:
    """Return what is known of a clip of `size` (F, H, W). masks: (F, H, W) of its objects, 1 = object."""
    noise = float(np.exp(rng.normal(LOG_NOISE_MEAN, LOG_NOISE_SCALE))) if rng.random() < NOISY else 0.0
    kinds, shares = zip(*KINDS, strict=True)
    frames, height, width = size
    if rng.random() < REGIONS:
        region = _around_object(rng, masks) if len(masks) and rng.random() < 0.5 else _box(rng, height, width)
        inside = rng.random() < OUTPAINTED and region.ndim == 2
        known = region if inside else 1 - region
        places = np.arange(frames)
        return DrawnKnown(places, np.broadcast_to(known, (frames, height, width)).astype(np.float32), noise)
    places = np.unique(kinds[rng.choice(len(kinds), p=shares)](rng, frames))
    return DrawnKnown(places, None, noise)


def _first(rng: np.random.Generator, frames: int) -> np.ndarray:
    return np.array([0])


def _ends(rng: np.random.Generator, frames: int) -> np.ndarray:
    return np.array([0, frames - 1])


def _several(rng: np.random.Generator, frames: int) -> np.ndarray:
    return rng.choice(frames, min(frames, int(rng.integers(2, 5))), replace=False)


def _start(rng: np.random.Generator, frames: int) -> np.ndarray:
    return np.arange(int(rng.integers(1, max(2, frames // 2 + 1))) + 1)[:frames]


def _end(rng: np.random.Generator, frames: int) -> np.ndarray:
    return frames - 1 - _start(rng, frames)


# What is drawn where whole frames are known, and how often.
KINDS: tuple[tuple[Callable[[np.random.Generator, int], np.ndarray], float], ...] = (
    (_first, 0.3),
    (_ends, 0.25),
    (_several, 0.15),
    (_start, 0.2),
    (_end, 0.1),
)
REGIONS = 0.3  # share of the clips of which a region is known in all frames
OUTPAINTED = 0.5  # share of the boxes of which the inside is known
MARGIN = 0.12  # around an object, of the frame's height


def _box(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Return (H, W), 1 in a box of a third to four fifths of each side."""
    region = np.zeros((height, width), np.float32)
    tall, wide = (max(1, round(side * rng.uniform(0.33, 0.8))) for side in (height, width))
    top, left = int(rng.integers(0, height - tall + 1)), int(rng.integers(0, width - wide + 1))
    region[top : top + tall, left : left + wide] = 1
    return region


def _around_object(rng: np.random.Generator, masks: Sequence[np.ndarray]) -> np.ndarray:
    """Return (F, H, W), 1 in a box around one object, drawn, in each frame."""
    return box_around(masks[int(rng.integers(len(masks)))])


def box_around(mask: np.ndarray) -> np.ndarray:
    """Return (F, H, W), 1 in a box around what a mask (F, H, W) shows in each frame, wider than it by the margin."""
    region = np.zeros(mask.shape, np.float32)
    margin = max(1, round(MARGIN * mask.shape[1]))
    for shown, frame in zip(mask > 0.5, region, strict=True):
        rows, columns = np.flatnonzero(shown.any(1)), np.flatnonzero(shown.any(0))
        if len(rows):
            top, left = max(0, rows[0] - margin), max(0, columns[0] - margin)
            frame[top : rows[-1] + margin + 1, left : columns[-1] + margin + 1] = 1
    return region
