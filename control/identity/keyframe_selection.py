"""A dense track as a few keyframes that an artist can edit."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..errors import UserError
from ..images import resize
from .edit import checked
from .keyframes import MaskKey, MaskTrack
from .shapes import Bitmap

# Keyframes are chosen on images whose longer side is at most this long.
CHOOSING_SIDE = 160


def keyframes(
    track: np.ndarray,
    accuracy: float = 0.95,
    most: int | None = None,
    ease: str = "linear",
    progress: Callable[[], object] | None = None,
    cancel: Callable[[], bool] | None = None,
) -> MaskTrack:
    """A dense track as few keyframes as keep every in-between alike: bitmaps at the track's size.

    accuracy: the least share (intersection over union, 0..1) that the in-betweens and the track's masks have in common.
    most: no more keys than this, whatever the accuracy. Frames at which the thing comes or goes are keys always; after
    them, the frame that fits worst becomes a key, until all fit. progress is called for each key found; when cancel
    says yes, UserError is raised.
    """
    track = checked(track)
    if track.ndim != 3:
        raise UserError(f"a track has shape {track.shape}; (frames, height, width) was expected")
    if not 0 < accuracy < 1:
        raise UserError(f"the accuracy of keyframes is {accuracy}; a number between 0 and 1 was expected")
    if most is not None and most < 1:
        raise UserError(f"{most} keyframes were asked for; at least 1 was expected")
    share = min(1.0, CHOOSING_SIDE / max(track.shape[1:]))
    size = [max(1, round(side * share)) for side in track.shape[1:]]
    # A thing that the small image loses keeps the full one.
    small = np.stack([resize(mask, *size) for mask in track])
    if ((track > 0.5).any((1, 2)) != (small > 0.5).any((1, 2))).any():
        small = track
    seen = (track > 0.5).any((1, 2))
    chosen = _changes(seen)

    def worst(start: int, end: int) -> tuple[float, int]:
        """The frame between two keys that fits worst, and how well it fits."""
        if end - start < 2 or not (seen[start] and seen[end]):
            return 1.0, start
        keys = tuple(MaskKey(at - start, (_Plain(small[at]),), ease) for at in (start, end))
        masks = MaskTrack(keys, end - start + 1).masks(*small.shape[1:])
        fits = [_alikeness(mask, small[start + number]) for number, mask in enumerate(masks)]
        number = int(np.argmin(fits))
        return fits[number], start + number

    spans = {(a, b): worst(a, b) for a, b in zip(chosen[:-1], chosen[1:], strict=True)}
    while spans and (most is None or len(spans) + 1 < most):
        if cancel is not None and cancel():
            raise UserError("choosing keyframes was stopped")
        (start, end), (fit, number) = min(spans.items(), key=lambda item: item[1][0])
        if fit >= accuracy:
            break
        del spans[start, end]
        spans[start, number], spans[number, end] = worst(start, number), worst(number, end)
        if progress is not None:
            progress()
    frames = sorted({*chosen, *(frame for pair in spans for frame in pair)})
    keys = tuple(MaskKey(at, (Bitmap.of(track[at]),) if seen[at] else (), ease) for at in frames)
    return MaskTrack(keys, len(track))


class _Plain(Bitmap):
    """A mask as it is, in the place of a shape: spares writing and reading runs while keys are chosen."""

    def __init__(self, mask: np.ndarray):
        object.__setattr__(self, "mask", mask)

    def cover(self, height: int, width: int) -> np.ndarray:
        return self.mask

    def __eq__(self, other: object) -> bool:
        return self is other

    __hash__ = object.__hash__


def _changes(seen: np.ndarray) -> list[int]:
    """The frames that must be keys: the first, the last, those before and at which the thing comes or goes."""
    frames = {0, len(seen) - 1}
    for number in np.flatnonzero(seen[1:] != seen[:-1]) + 1:
        frames.add(int(number))
        if seen[number - 1]:
            frames.add(int(number) - 1)
    # Nothing is to be said about the end of a stretch without it.
    return sorted(n for n in frames if seen[n] or n == 0 or seen[n - 1])


def _alikeness(one: np.ndarray, other: np.ndarray) -> float:
    one, other = one > 0.5, other > 0.5
    return float((one & other).sum() / max(1, (one | other).sum()))
