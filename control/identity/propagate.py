"""Masks of a few frames carried along a video: each frame's mask is the one before, moved by optical flow and cut anew.

From a provided mask (a key) the walk goes forward and back in time. At each frame the mask is moved along the flow;
then a band along its edge, and what the flow does not vouch for, is decided by color (`color_cut`). Between two keys
both walks are blended by their distances, weighted by how near each key is.

Shapes: F frames, H height, W width.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import UserError
from .clip_flow import TRUSTED, Clip, Frames, Step, opencv
from .color_cut import MIN_PIXELS, Anchor, Moved, cut_by_color, surroundings
from .inbetween import signed_distance
from .report import format_ranges
from .slots import check_range

# A cut that keeps less than this of what the flow vouches for, or makes the mask so many times larger, is rejected; the
# moved mask is kept then.
MIN_KEPT, MAX_GROWTH = 0.6, 1.7
# Two frames of which one, moved along the flow, is still so many gray levels from the other belong to two shots.
SHOT_CHANGE_LEVELS = 30.0


@dataclass(frozen=True, eq=False)
class Propagation:
    """How a masklet came about.

    keys: frames whose mask was provided. trust (F,): the share of each mask that the flow vouches for, 1 at keys, 0
    where there is no mask. lost: frames at which the object was lost. cuts: frames that begin a new shot. warnings:
    sentences.
    """

    keys: tuple[int, ...]
    trust: np.ndarray
    lost: tuple[int, ...]
    cuts: tuple[int, ...]
    warnings: tuple[str, ...]


def propagate(
    frames: Frames | Clip,
    masks: Mapping[int, np.ndarray],
    refine: bool = True,
    progress: Callable[[], object] | None = None,
    cancel: Callable[[], bool] | None = None,
) -> tuple[np.ndarray, Propagation]:
    """Return the masklet (F, H, W), float32 0..1, of what `masks` show in some frames of a video, and a report.

    frames: (F, H, W, 3), 0..1 or bytes, or a `Clip`, which several objects of one video share. masks: by frame, each
    (H, W); a black one says that the object is out of the image from there on (and, if it is the first, until there).
    refine: cut each mask anew by color. progress is called after every frame; when cancel returns True, UserError is
    raised. Besides the masklet, memory does not grow with the clip. At the keys, the masklet is exactly their masks.
    Raises UserError for masks of another size or at frames that are not there, and where all are empty.
    """
    clip = frames if isinstance(frames, Clip) else Clip(frames)
    work = _Propagator(clip, _checked(masks, clip), refine, progress, cancel)
    work.run()
    lost = sorted(number for number in work.lost if not work.masklet[number].any())
    cuts = sorted(work.cuts)
    warnings = tuple(_warnings(work.trust, lost, cuts))
    return work.masklet, Propagation(tuple(sorted(work.keys)), work.trust, tuple(lost), tuple(cuts), warnings)


def _checked(masks: Mapping[int, np.ndarray], clip: Clip) -> dict[int, np.ndarray]:
    if not masks:
        raise UserError("no mask was provided: paint the object in at least one frame")
    checked = {}
    for number, mask in masks.items():
        if int(number) != number or not 0 <= number < len(clip):
            raise UserError(
                f"a mask was provided for frame {number}, but the video has the frames 0 to {len(clip) - 1}"
            )
        mask = np.asarray(mask, np.float32)
        if mask.shape != clip.shape[1:]:
            raise UserError(
                f"the mask of frame {number} has shape {mask.shape}, the video's frames"
                f" {clip.shape[1:]} (height, width): resize one of them"
            )
        check_range(mask, f"the mask of frame {number}")
        checked[int(number)] = np.clip(mask, 0, 1)
    if not any(mask.max() > 0.5 for mask in checked.values()):
        raise UserError("all masks are black: paint the object white in at least one frame")
    return checked


class _Propagator:
    """The masklet as it fills, from key to key, and what was noticed on the way."""

    def __init__(
        self,
        clip: Clip,
        keys: dict[int, np.ndarray],
        refine: bool,
        progress: Callable[[], object] | None,
        cancel: Callable[[], bool] | None,
    ):
        self.clip, self.keys, self.refine = clip, keys, refine
        self.progress, self.cancel = progress, cancel
        self.masklet = np.zeros(clip.shape, np.float32)
        self.trust = np.zeros(len(clip))
        self.lost: set[int] = set()
        self.cuts: set[int] = set()

    def run(self) -> None:
        """Fill all frames."""
        numbers = sorted(self.keys)
        for number in numbers:
            self.masklet[number] = self.keys[number]
            self.trust[number] = float(self._visible(number))
        self._report_progress(len(numbers))
        for start, end in zip([None, *numbers], [*numbers, None], strict=True):
            self._fill(start, end)

    def _fill(self, start: int | None, end: int | None) -> None:
        """Fill the frames between two neighboring keys; None stands for the clip's end."""
        between = range(0 if start is None else start + 1, len(self.clip) if end is None else end)
        forward, backward = self._visible(start), self._visible(end)
        if start is not None and forward:
            self._walk_forward(start, between, last_pass=not backward)
        if end is not None and backward:
            self._walk_backward(end, between, blended_from=start if forward else None)
        if not forward and not backward:
            self._report_progress(len(between))

    def _visible(self, key: int | None) -> bool:
        """Return whether the mask of a key shows anything."""
        return key is not None and bool(self.keys[key].max() > 0.5)

    def _walk_forward(self, start: int, between: range, last_pass: bool) -> None:
        walk = _Walk(self.clip, start, self.keys[start], self.refine)
        for number in between:
            self.masklet[number], self.trust[number] = self._advance(walk, number)
            self._report_progress(int(last_pass))
        self.lost |= walk.lost
        self.cuts |= walk.cuts

    def _walk_backward(self, end: int, between: range, blended_from: int | None) -> None:
        walk = _Walk(self.clip, end, self.keys[end], self.refine)
        for number in reversed(between):
            result = self._advance(walk, number)
            if blended_from is not None:
                share = (end - number) / (end - blended_from)
                result = _blend(result, (self.masklet[number], float(self.trust[number])), share)
            self.masklet[number], self.trust[number] = result
            self._report_progress(1)
        self.lost |= walk.lost
        self.cuts |= {number + 1 for number in walk.cuts}

    def _advance(self, walk: _Walk, number: int) -> tuple[np.ndarray, float]:
        if self.cancel is not None and self.cancel():
            raise UserError("following the mask was stopped")
        return walk.advance(number)

    def _report_progress(self, count: int) -> None:
        if self.progress is not None:
            for _ in range(count):
                self.progress()


class _Walk:
    """One way through the clip from a key, a frame at a time."""

    def __init__(self, clip: Clip, start: int, mask: np.ndarray, refine: bool):
        self.clip, self.at, self.mask = clip, start, mask
        self.initial_area = float((mask > 0.5).sum())
        self.lost: set[int] = set()
        self.cuts: set[int] = set()
        self.ended = False
        self.anchor = Anchor.of(clip.image(start), mask) if refine else None

    def advance(self, number: int) -> tuple[np.ndarray, float]:
        """Return the mask (H, W) of the neighboring frame `number`, and how much of it the flow vouches for."""
        old, self.at = self.at, number
        if self.ended:
            return self._lose(number), 0.0
        step = self.clip.step(old, number)
        if step.difference > SHOT_CHANGE_LEVELS:
            self.cuts.add(number)
            return self._lose(number), 0.0
        moved = _move(step, self.clip.flow_size, self.mask)
        mask = self._sharpened(number, moved)
        # A few pixels that cling to something are not the object, unless it was as small from the beginning.
        if (mask > 0.5).sum() < max(1, min(MIN_PIXELS, 0.1 * self.initial_area)):
            return self._lose(number), moved.trust
        self.mask = np.zeros(self.clip.shape[1:], np.float32)
        self.mask[moved.part] = mask
        return self.mask, moved.trust

    def _sharpened(self, number: int, moved: Moved) -> np.ndarray:
        """Return the moved mask (h, w) with its edge cut by color, or steepened where colors are not used."""
        if self.anchor is None:
            return np.clip((moved.mask - 0.5) * 2 + 0.5, 0, 1)
        inside = moved.mask > 0.5
        if inside.sum() < MIN_PIXELS:
            return moved.mask
        cut = cut_by_color(self.clip.image(number, moved.part), moved, self.anchor)
        vouched = inside & (moved.confidence == TRUSTED)
        kept = (cut > 0.5)[vouched].mean() if vouched.sum() >= MIN_PIXELS else 1.0
        return cut if kept > MIN_KEPT and (cut > 0.5).sum() < MAX_GROWTH * inside.sum() else moved.mask

    def _lose(self, number: int) -> np.ndarray:
        """End the walk; return an empty mask (H, W)."""
        self.lost.add(number)
        self.ended = True
        self.mask = np.zeros(self.clip.shape[1:], np.float32)
        return self.mask


def _move(step: Step, flow_size: tuple[int, int], mask: np.ndarray) -> Moved:
    """Return a mask (H, W) moved by a step whose flow has `flow_size`, cropped to its surroundings."""
    cv2 = opencv()
    if not (mask > 0.5).any():
        return Moved(np.zeros((1, 1), np.float32), np.zeros((1, 1), np.uint8), (slice(0, 1), slice(0, 1)))
    height, width = mask.shape
    scale = np.array([flow_size[1] / width, flow_size[0] / height], np.float32)
    top, bottom, left, right = _reached_box(step, flow_size, mask, scale)
    x, y = np.meshgrid(np.arange(left, right, dtype=np.float32), np.arange(top, bottom, dtype=np.float32))
    small_x, small_y = (x + 0.5) * scale[0] - 0.5, (y + 0.5) * scale[1] - 0.5
    border = cv2.BORDER_REPLICATE
    back = cv2.remap(step.back, small_x, small_y, cv2.INTER_LINEAR, borderMode=border) / scale
    confidence = cv2.remap(step.confidence, small_x, small_y, cv2.INTER_NEAREST, borderMode=border)
    shifted = cv2.remap(mask, x + back[..., 0], y + back[..., 1], cv2.INTER_LINEAR, borderMode=border)
    moved = Moved(shifted, confidence, (slice(top, bottom), slice(left, right)))
    if not (shifted > 0.5).any():
        return moved
    rows, columns = surroundings(shifted, moved.widening)
    part = slice(top + rows.start, top + rows.stop), slice(left + columns.start, left + columns.stop)
    return Moved(shifted[rows, columns], confidence[rows, columns], part)


def _reached_box(
    step: Step, flow_size: tuple[int, int], mask: np.ndarray, scale: np.ndarray
) -> tuple[int, int, int, int]:
    """Return top, bottom, left and right of where the flow carries a mask (H, W), with room for its edge.

    scale (2,): the flow's pixels per pixel of the mask, x and y.
    """
    cv2 = opencv()
    height, width = mask.shape
    inside = mask > 0.5
    rows, columns = np.flatnonzero(inside.any(1)), np.flatnonzero(inside.any(0))
    small = cv2.resize(mask, flow_size[::-1], interpolation=cv2.INTER_AREA) > 0.25
    shifts = step.forth[small] / scale if small.any() else np.zeros((1, 2), np.float32)
    low, high = np.percentile(shifts, [2, 98], axis=0)
    margin = 0.2 * np.sqrt(inside.sum()) + 12
    left = int(np.clip(columns[0] + low[0] - margin, 0, width - 1))
    right = int(np.clip(columns[-1] + high[0] + margin + 1, left + 1, width))
    top = int(np.clip(rows[0] + low[1] - margin, 0, height - 1))
    bottom = int(np.clip(rows[-1] + high[1] + margin + 1, top + 1, height))
    return top, bottom, left, right


def _blend(
    backward: tuple[np.ndarray, float], forward: tuple[np.ndarray, float], share: float
) -> tuple[np.ndarray, float]:
    """Return mask and trust between two walks, `share` of them the forward one's.

    Where one walk has lost the object, the other's mask is taken.
    """
    (back, back_trust), (forth, forth_trust) = backward, forward
    if not min(back.max(), forth.max()) > 0.5:
        return forward if (forth > 0.5).any() else backward
    part = surroundings(np.maximum(back, forth))
    distance = (1 - share) * signed_distance(back[part]) + share * signed_distance(forth[part])
    mask = np.zeros_like(back)
    mask[part] = np.clip(0.5 - distance, 0, 1)
    return mask, (1 - share) * back_trust + share * forth_trust


def _warnings(trust: np.ndarray, lost: Sequence[int], cuts: Iterable[int]) -> list[str]:
    warnings = [f"Frame {number} begins a new shot; masks do not cross shots: paint one after it." for number in cuts]
    if lost:
        warnings.append(f"The object was lost in frames {format_ranges(lost)}: paint it there, or leave it out.")
    doubtful = np.flatnonzero((trust > 0) & (trust < 0.5))
    if len(doubtful):
        warnings.append(f"In frames {format_ranges(doubtful)} most of the mask rests on color alone: look at them.")
    return warnings
