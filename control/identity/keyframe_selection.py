"""A masklet (a mask for every frame) as a few keyframes that an artist can edit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..errors import UserError
from ..images import resize_clip
from .keyframes import MaskKey, Masklet
from .shapes import Bitmap
from .slots import check_range

# Keyframes are chosen on images whose longer side is at most this long.
SELECTION_SIDE = 160


def select_keyframes(
    masks: np.ndarray,
    accuracy: float = 0.95,
    most: int | None = None,
    ease: str = "linear",
    progress: Callable[[], object] | None = None,
    cancel: Callable[[], bool] | None = None,
) -> Masklet:
    """Return masks (F, H, W), 0..1, as a masklet of the fewest keyframes that keep every in-between alike.

    The keys are bitmaps at the masks' size. accuracy: the least intersection over union (0..1) of the in-betweens and
    `masks`. most: no more keys than this, whatever the accuracy. Frames at which the object appears or disappears are
    always keys; after them, the frame that fits worst becomes a key, until all fit. progress is called for each key
    found. Raises UserError for other shapes and numbers, and when cancel returns True.
    """
    masks = np.asarray(masks, np.float32)
    if masks.ndim != 3 or min(masks.shape) < 1:
        raise UserError(f"a masklet has shape {masks.shape}; (frames, height, width) was expected")
    check_range(masks, "a masklet")
    if not 0 < accuracy < 1:
        raise UserError(f"the accuracy of keyframes is {accuracy}; a number between 0 and 1 was expected")
    if most is not None and most < 1:
        raise UserError(f"{most} keyframes were asked for; at least 1 was expected")
    masks = np.clip(masks, 0, 1)
    visible = np.asarray((masks > 0.5).any((1, 2)))
    selection = _Selection(_small(masks, visible), visible, ease)
    while selection.intervals and (most is None or len(selection.intervals) + 1 < most):
        if cancel is not None and cancel():
            raise UserError("choosing keyframes was stopped")
        if not selection.add_worst(accuracy):
            break
        if progress is not None:
            progress()
    keys = [MaskKey(at, (Bitmap.of(masks[at]),) if visible[at] else (), ease) for at in selection.frames()]
    return Masklet(tuple(keys), len(masks))


def _small(masks: np.ndarray, visible: np.ndarray) -> np.ndarray:
    """Return the masks with a longer side of SELECTION_SIDE; as they are where an object would be lost by that."""
    share = min(1.0, SELECTION_SIDE / max(masks.shape[1:]))
    small = resize_clip(masks, *(max(1, round(side * share)) for side in masks.shape[1:]))
    return masks if ((small > 0.5).any((1, 2)) != visible).any() else small


@dataclass(frozen=True)
class _Worst:
    """The frame between two keys that fits worst, and its intersection over union."""

    fit: float
    frame: int


class _Selection:
    """The keys chosen so far, by the intervals between neighbors, each with its worst frame."""

    def __init__(self, masks: np.ndarray, visible: np.ndarray, ease: str):
        self.masks, self.visible, self.ease = masks, visible, ease
        self.initial = _required_frames(visible)
        pairs = zip(self.initial[:-1], self.initial[1:], strict=True)
        self.intervals = {(start, end): self._worst(start, end) for start, end in pairs}

    def add_worst(self, accuracy: float) -> bool:
        """Make a key of the frame that fits worst; return False where all fit well enough."""
        (start, end), worst = min(self.intervals.items(), key=lambda item: item[1].fit)
        if worst.fit >= accuracy:
            return False
        del self.intervals[start, end]
        self.intervals[start, worst.frame] = self._worst(start, worst.frame)
        self.intervals[worst.frame, end] = self._worst(worst.frame, end)
        return True

    def frames(self) -> list[int]:
        """Return the frames of all keys, in order."""
        return sorted({*self.initial, *(frame for pair in self.intervals for frame in pair)})

    def _worst(self, start: int, end: int) -> _Worst:
        if end - start < 2 or not (self.visible[start] and self.visible[end]):
            return _Worst(1.0, start)
        keys = tuple(MaskKey(at - start, (_Plain(self.masks[at]),), self.ease) for at in (start, end))
        inbetweens = Masklet(keys, end - start + 1).masks(*self.masks.shape[1:])
        fits = [_iou(mask, self.masks[start + number]) for number, mask in enumerate(inbetweens)]
        number = int(np.argmin(fits))
        return _Worst(fits[number], start + number)


class _Plain(Bitmap):
    """A mask as it is, in the place of a shape: spares encoding and decoding runs while keys are chosen."""

    mask: np.ndarray

    def __init__(self, mask: np.ndarray):
        object.__setattr__(self, "mask", mask)

    def cover(self, height: int, width: int) -> np.ndarray:
        return self.mask

    def __eq__(self, other: object) -> bool:
        return self is other

    __hash__ = object.__hash__


def _required_frames(visible: np.ndarray) -> list[int]:
    """Return the frames that must be keys: the first, the last, those before and at which the object comes or goes."""
    frames = {0, len(visible) - 1}
    for number in np.flatnonzero(visible[1:] != visible[:-1]) + 1:
        frames.add(int(number))
        if visible[number - 1]:
            frames.add(int(number) - 1)
    # The end of a stretch without the object needs no key.
    return sorted(n for n in frames if visible[n] or n == 0 or visible[n - 1])


def _iou(one: np.ndarray, other: np.ndarray) -> float:
    """Return the intersection over union of two masks."""
    one, other = one > 0.5, other > 0.5
    return float((one & other).sum() / max(1, (one | other).sum()))
