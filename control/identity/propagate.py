"""Masks of a few frames carried along a video: each frame's mask is the one before, moved by optical flow and cut anew.

From a provided mask (a key) a walk (`walk`) goes forward and back in time. Between two keys both walks are blended by
their distances, weighted by how near each key is. Where color and flow disagree over many frames, and color cannot tell
the object from its surroundings, the walk whose area is the likelier one is kept.

Shapes: F frames, H height, W width.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import UserError
from ..ranges import name_frames
from .clip_flow import Clip, Frames
from .color_cut import surroundings
from .doubts import doubt_sentences
from .evidence import DOUBTED, NOTHING, Evidence
from .inbetween import signed_distance
from .slots import check_range
from .walk import Walk

# Over so many doubted frames color and flow are compared.
_MANY = 5


@dataclass(frozen=True, eq=False)
class Propagation:
    """How a masklet came about.

    keys: frames whose mask was provided. trust (F,): how much can be relied on each mask, 0..1: 1 at keys, 0 where
    there is none. doubtful: frames to look at. lost: frames at which the object was lost. cuts: frames that begin a new
    shot. warnings: sentences, which name these frames.
    """

    keys: tuple[int, ...]
    trust: np.ndarray
    doubtful: tuple[int, ...]
    lost: tuple[int, ...]
    cuts: tuple[int, ...]
    warnings: tuple[str, ...]


def propagate(
    frames: Frames | Clip,
    masks: Mapping[int, np.ndarray],
    refine: bool = True,
    progress: Callable[[], object] | None = None,
    cancel: Callable[[], bool] | None = None,
    first: int = 0,
) -> tuple[np.ndarray, Propagation]:
    """Return the masklet (F, H, W), float32 0..1, of what `masks` show in some frames of a video, and a report.

    frames: (F, H, W, 3), 0..1 or bytes, or a `Clip`, which several objects of one video share. masks: by frame, each
    (H, W); a black one says that the object is out of the image from there on (and, if it is the first, until there).
    refine: cut each mask anew by color. progress is called after every frame; when cancel returns True, UserError is
    raised. first: the number that the sentences give to the first frame. Besides the masklet, memory does not grow with
    the clip. At the keys, the masklet is exactly their masks. Raises UserError for masks of another size or at frames
    that are not there, and where all are empty.
    """
    clip = frames if isinstance(frames, Clip) else Clip(frames)
    work = _Propagator(clip, _checked(masks, clip), refine, progress, cancel)
    work.numbered_from = first
    work.run()
    lost = sorted(number for number in work.lost if not work.masklet[number].any())
    cuts = sorted(work.cuts)
    doubtful = tuple(work.doubted(range(len(clip))))
    warnings = [
        *_warnings([first + number for number in lost], [first + number for number in cuts]),
        *doubt_sentences({first + number: work.evidence[number] for number in doubtful}),
        *work.remarks,
    ]
    return work.masklet, Propagation(
        tuple(sorted(work.keys)), work.trust, doubtful, tuple(lost), tuple(cuts), tuple(warnings)
    )


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
        self.evidence: dict[int, Evidence] = {}
        self.remarks: list[str] = []
        self.numbered_from = 0
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
        walk = self._walk(start, self.refine)
        for number in between:
            self._store(number, *self._advance(walk, number))
            self._report_progress(int(last_pass))
        if self._rough_is_better(start, between):
            walk = self._walk(start, refine=False)
            for number in between:
                self._store(number, *self._advance(walk, number))
        self.lost |= walk.lost
        self.cuts |= walk.cuts

    def _walk_backward(self, end: int, between: range, blended_from: int | None) -> None:
        walk = self._walk(end, self.refine)
        for number in reversed(between):
            mask, evidence = self._advance(walk, number)
            if blended_from is None:
                self._store(number, mask, evidence)
            else:
                self._blend(number, mask, evidence, (end - number) / (end - blended_from))
            self._report_progress(1)
        if blended_from is None and self._rough_is_better(end, between[::-1]):
            walk = self._walk(end, refine=False)
            for number in reversed(between):
                self._store(number, *self._advance(walk, number))
        self.lost |= walk.lost
        self.cuts |= {number + 1 for number in walk.cuts}

    def _walk(self, start: int, refine: bool) -> Walk:
        return Walk(self.clip, start, self.keys[start], refine)

    def _store(self, number: int, mask: np.ndarray, evidence: Evidence) -> None:
        self.masklet[number], self.trust[number], self.evidence[number] = mask, evidence.trust, evidence

    def _blend(self, number: int, mask: np.ndarray, evidence: Evidence, share: float) -> None:
        """Blend the backward walk's mask into a frame that holds the forward one's, which keeps `share` of it."""
        trusts = evidence.trust, float(self.trust[number])
        result = _blend((mask, trusts[0]), (self.masklet[number], trusts[1]), share)
        self.masklet[number], self.trust[number] = result
        if share < 0.5:
            self.evidence[number] = evidence

    def _rough_is_better(self, start: int, numbers: range) -> bool:
        """Return whether flow alone does better from `start` on, where the masks that color cut are doubted.

        It does if half as many of its masks are doubted or fewer, and their areas are nearer to the expected ones. Only
        asked where colors do not tell the object from its surroundings: elsewhere they are the better judge. Which of
        the two was kept is remarked.
        """
        doubted = self.doubted(numbers)
        if not self.refine or len(doubted) < _MANY or any(self.evidence[n].color is not None for n in doubted):
            return False
        walk = self._walk(start, refine=False)
        fine, rough, distrusted = [], [], 0
        for number in numbers:
            evidence, own = self._advance(walk, number)[1], self.evidence[number]
            distrusted += evidence.trust < DOUBTED
            if number in doubted:
                fine.append(abs(np.log(own.growth)))
                # Flow drags what is beside the object along: the cut mask's inside is the better judge of its growth.
                rough.append(abs(np.log(max(evidence.area, 1e-3) * own.growth / own.area)))
        better = 2 * distrusted <= len(doubted) and bool(np.mean(rough) < np.mean(fine))
        kept = "Flow alone was kept" if better else "The cut by color was kept"
        names = name_frames([self.numbered_from + number for number in doubted])
        self.remarks.append(
            f"In {names} the colors of the object and of its surroundings are alike, so color and flow were compared."
            f" {kept}, the likelier of the two."
        )
        return better

    def doubted(self, numbers: range) -> list[int]:
        """Return those of the frames (sorted) that have a mask which is not to be relied on."""
        return [n for n in sorted(numbers) if self.trust[n] < DOUBTED and self.evidence.get(n, NOTHING) is not NOTHING]

    def _advance(self, walk: Walk, number: int) -> tuple[np.ndarray, Evidence]:
        if self.cancel is not None and self.cancel():
            raise UserError("following the mask was stopped")
        return walk.advance(number)

    def _report_progress(self, count: int) -> None:
        if self.progress is not None:
            for _ in range(count):
                self.progress()


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


def _warnings(lost: Sequence[int], cuts: Iterable[int]) -> list[str]:
    warnings = [f"Frame {number} begins a new shot; masks do not cross shots: paint one after it." for number in cuts]
    if lost:
        warnings.append(f"The object was lost in {name_frames(lost)}: paint it there, or leave it out.")
    return warnings
