"""What masklets look like in numbers and in sentences: empty frames, gaps, leaps, areas, overlap.

A masklet is a mask per frame of one object. Shapes: F frames, H height, W width. A pixel belongs to a mask where the
mask is above 0.5.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ..ranges import format_ranges

# An object that covers less of the image than this share is too small for the model to show; a mask that covers more
# than the other is more likely a background.
MIN_SHARE, MAX_SHARE = 0.002, 0.95
# From one frame to the next an object moves no further than so many times its size, unless the masklet has lost it.
MAX_STEP = 1.5
# From this share on, what one masklet covers of another is reported.
NOTABLE_OVERLAP = 0.3


class Named(Protocol):
    """A name and a masklet (F, H, W): an `Identity`, or a `NamedMasklet`."""

    @property
    def name(self) -> str: ...

    @property
    def mask_video(self) -> np.ndarray | None: ...


@dataclass(frozen=True, eq=False)
class NamedMasklet:
    """A masklet (F, H, W) and its name in sentences."""

    name: str
    mask_video: np.ndarray | None


@dataclass(frozen=True)
class MaskletFigures:
    """A masklet in numbers.

    area (F,): share of the image. center (F, 2): x and y as shares of the image, NaN where the mask is empty.
    first, last: the first and last frame with a mask, -1 where there is none. gaps: empty frames between them.
    leaps: frames at which the mask is suddenly elsewhere.
    """

    area: np.ndarray
    center: np.ndarray
    first: int
    last: int
    gaps: tuple[int, ...]
    leaps: tuple[int, ...]


def masklet_figures(masklet: np.ndarray) -> MaskletFigures:
    """Return the figures of a masklet (F, H, W)."""
    _, height, width = masklet.shape
    area, center = _areas_and_centers(masklet)
    present = np.flatnonzero(area)
    if not len(present):
        return MaskletFigures(area, center, -1, -1, (), ())
    first, last = int(present[0]), int(present[-1])
    gaps = tuple(first + number for number in _numbers(area[first : last + 1] == 0))
    steps = np.hypot(*(np.diff(center, axis=0) * (width, height)).T)
    sizes = np.sqrt(np.maximum(area[1:], area[:-1]) * height * width)
    with np.errstate(invalid="ignore"):
        leaps = _numbers(steps > MAX_STEP * sizes + 0.05 * np.hypot(height, width))
    return MaskletFigures(area, center, first, last, gaps, tuple(number + 1 for number in leaps))


def _areas_and_centers(masklet: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    count, height, width = masklet.shape
    area, center = np.zeros(count), np.full((count, 2), np.nan)
    for number, mask in enumerate(masklet):
        inside = mask > 0.5
        per_column, per_row = inside.sum(0), inside.sum(1)
        pixels = int(per_column.sum())
        area[number] = pixels / (height * width)
        if pixels:
            center[number] = (
                (per_column @ (np.arange(width) + 0.5)) / (pixels * width),
                (per_row @ (np.arange(height) + 0.5)) / (pixels * height),
            )
    return area, center


def _numbers(chosen: np.ndarray) -> tuple[int, ...]:
    """Return the indices at which a bool array (N,) is true."""
    return tuple(int(number) for number in np.flatnonzero(chosen))


def overlap(back: np.ndarray, front: np.ndarray) -> float:
    """Return the share (0..1) of the masklet `back` (F, H, W) that `front` covers."""
    both = sum(int(((one > 0.5) & (other > 0.5)).sum()) for one, other in zip(back, front, strict=True))
    return both / max(1, sum(int((mask > 0.5).sum()) for mask in back))


def masklet_report(identities: Sequence[Named]) -> list[str]:
    """Return sentences about masklets that may not be meant: empty, with gaps or leaps, small, large, hidden."""
    present = [(identity.name, identity.mask_video) for identity in identities if identity.mask_video is not None]
    warnings = [sentence for name, masklet in present for sentence in _oddities(name, masklet_figures(masklet))]
    for index, (back_name, back) in enumerate(present):
        for front_name, front in present[index + 1 :]:
            share = overlap(back, front) if back.shape == front.shape else 0.0
            if share > NOTABLE_OVERLAP:
                warnings.append(f"'{front_name}' covers {share:.0%} of '{back_name}': later slots lie in front.")
    return warnings


def _oddities(name: str, figures: MaskletFigures) -> Iterator[str]:
    """Yield what may not be meant about one masklet."""
    if figures.first < 0:
        yield f"The masklet of '{name}' is empty in every frame, so '{name}' is placed nowhere."
        return
    last_frame = len(figures.area) - 1
    if figures.gaps:
        yield f"The masklet of '{name}' has gaps: frames {format_ranges(figures.gaps)} are empty."
    if figures.first > 0 or figures.last < last_frame:
        yield f"'{name}' is seen in frames {figures.first} to {figures.last} only, of 0 to {last_frame}."
    if figures.leaps:
        yield (f"The masklet of '{name}' leaps at frame {format_ranges(figures.leaps)}: is it still the same object?")
    share = figures.area[figures.area > 0].mean()
    if share < MIN_SHARE:
        yield f"The masklet of '{name}' covers {share:.2%} of the image, too little to show '{name}'."
    if share > MAX_SHARE:
        yield f"The masklet of '{name}' covers {share:.0%} of the image: is it inverted? White shows where '{name}' is."


def describe_presence(masklet: np.ndarray) -> str:
    """Return in which frames a masklet (F, H, W) shows something, as the end of a sentence.

    For example "in frames 0-8, 4.1% of the image", or "in no frame".
    """
    area = masklet_figures(masklet).area
    present = _numbers(area > 0)
    if not present:
        return "in no frame"
    return f"in frame{'s' * (len(present) > 1)} {format_ranges(present)}, {area[area > 0].mean():.1%} of the image"
