"""What tracks look like in numbers and in sentences: empty frames, gaps, leaps, areas, overlap.

Shapes: F frames, H height, W width. A pixel belongs to a mask where it is above 0.5.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

# Smaller than this share of the image, a thing is too small for the model to show; larger than the other, the mask
# is more likely a background.
TINY, WHOLE = 0.002, 0.95
# From one frame to the next a thing goes no further than so many times its size, unless the track has lost it.
LEAP = 1.5


class Named(Protocol):
    """What has a name and a track: an `Identity`, or a `NamedTrack`."""

    name: str
    track: np.ndarray | None


@dataclass(frozen=True, eq=False)
class NamedTrack:
    """A track (F, H, W) and how sentences call it."""

    name: str
    track: np.ndarray | None


@dataclass(frozen=True)
class TrackFigures:
    """A track in numbers. area (F,): share of the image. center (F, 2): x and y as shares of the image, NaN where
    it is empty. first, last: the first and last frame with a mask, -1 where there is none. gaps: empty frames between
    them. leaps: frames at which it is suddenly elsewhere."""

    area: np.ndarray
    center: np.ndarray
    first: int
    last: int
    gaps: tuple[int, ...]
    leaps: tuple[int, ...]

    @property
    def empty(self) -> tuple[int, ...]:
        """All frames without a mask."""
        return tuple(int(number) for number in np.flatnonzero(self.area == 0))


def track_figures(track: np.ndarray) -> TrackFigures:
    """The figures of a track (F, H, W)."""
    count, height, width = track.shape
    area, center = np.zeros(count), np.full((count, 2), np.nan)
    for number, mask in enumerate(track):
        inside = mask > 0.5
        across, down = inside.sum(0), inside.sum(1)
        pixels = int(across.sum())
        area[number] = pixels / (height * width)
        if pixels:
            center[number] = (
                (across @ (np.arange(width) + 0.5)) / (pixels * width),
                (down @ (np.arange(height) + 0.5)) / (pixels * height),
            )
    seen = np.flatnonzero(area)
    if not len(seen):
        return TrackFigures(area, center, -1, -1, (), ())
    first, last = int(seen[0]), int(seen[-1])
    gaps = tuple(int(number) for number in np.flatnonzero(area[first : last + 1] == 0) + first)
    ways = np.hypot(*(np.diff(center, axis=0) * (width, height)).T)
    sizes = np.sqrt(np.maximum(area[1:], area[:-1]) * height * width)
    with np.errstate(invalid="ignore"):
        leaps = np.flatnonzero(ways > LEAP * sizes + 0.05 * np.hypot(height, width)) + 1
    return TrackFigures(area, center, first, last, gaps, tuple(int(number) for number in leaps))


def overlap(back: np.ndarray, front: np.ndarray) -> float:
    """The share of the track `back` (F, H, W) that `front` covers, 0..1."""
    both = sum(int(((one > 0.5) & (other > 0.5)).sum()) for one, other in zip(back, front, strict=True))
    return both / max(1, sum(int((mask > 0.5).sum()) for mask in back))


def track_report(identities: Sequence[Named]) -> list[str]:
    """Sentences about tracks that may not be meant: empty, with gaps or leaps, too small, too large, hidden."""
    with_track = [identity for identity in identities if identity.track is not None]
    warnings = []
    for identity in with_track:
        name, figures = identity.name, track_figures(identity.track)
        if figures.first < 0:
            warnings.append(f"The track of '{name}' is empty in every frame, so it stands nowhere.")
            continue
        if figures.gaps:
            warnings.append(f"The track of '{name}' has gaps: frames {spans(np.array(figures.gaps))} are empty.")
        if figures.first > 0 or figures.last < len(figures.area) - 1:
            warnings.append(
                f"'{name}' is seen in frames {figures.first} to {figures.last} only, of 0 to {len(figures.area) - 1}."
            )
        if figures.leaps:
            warnings.append(
                f"The track of '{name}' leaps at frame {spans(np.array(figures.leaps))}: is it still the same thing?"
            )
        share = figures.area[figures.area > 0].mean()
        if share < TINY:
            warnings.append(f"The track of '{name}' covers {share:.2%} of the image, too little to show it.")
        if share > WHOLE:
            warnings.append(
                f"The track of '{name}' covers {share:.0%} of the image: is it inverted? White is where it stands."
            )
    for index, back in enumerate(with_track):
        for front in with_track[index + 1 :]:
            if back.track.shape != front.track.shape:
                continue
            share = overlap(back.track, front.track)
            if share > 0.3:
                warnings.append(f"'{front.name}' covers {share:.0%} of '{back.name}': later slots lie in front.")
    return warnings


def whereabouts(track: np.ndarray) -> str:
    """Where a track (F, H, W) shows something, as the end of a sentence: "in frames 0-8, 4.1% of the image"."""
    area = track_figures(track).area
    seen = np.flatnonzero(area)
    if not len(seen):
        return "in no frame"
    return f"in frame{'s' * (len(seen) > 1)} {spans(seen)}, {area[seen].mean():.1%} of the image"


def spans(numbers: np.ndarray) -> str:
    """Sorted whole numbers in words: [3, 4, 5, 9] is '3-5, 9'."""
    parts = np.split(numbers, np.flatnonzero(np.diff(numbers) > 1) + 1)
    return ", ".join(f"{part[0]}-{part[-1]}" if len(part) > 1 else f"{part[0]}" for part in parts)
