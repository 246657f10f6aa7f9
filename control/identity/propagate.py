"""Masks of a few frames carried along a video: each frame's mask is the one before, moved by optical flow and cut anew.

From a given mask the way goes forward and back in time. At each frame the mask is moved along the flow; then GrabCut
(Rother et al., SIGGRAPH 2004) decides a band along its edge, and what the flow does not vouch for, by color. The
image of the given mask stands beside the frame when colors are learned, so that they are not forgotten on the way.
Between two given masks both ways are blended by their distances, weighted by how near each mask is.

Shapes: F frames, H height, W width.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from ..errors import UserError
from .clip_flow import Clip, Step, opencv
from .inbetween import signed_distance
from .report import spans
from .slots import check_range

# GrabCut works on the surroundings of the mask at no more than so many pixels; a quarter as many show the given mask.
CUT_PIXELS, ANCHOR_PIXELS = 16_000, 8_000
# So many colors teach what the thing looks like, and as many its surroundings, in the frame and in the given image.
LESSON = 2_000
# The band that color decides reaches so far in and out of the moved mask's edge, in square roots of its area.
INNER, OUTER = 0.06, 0.10
# A cut that keeps less than this of what the flow vouches for, or makes the mask so many times larger, is not believed;
# the moved mask is kept then.
SHRINKS, GROWS = 0.6, 1.7
LEAST_PIXELS = 20
# Below this share of a mask that the flow vouches for, the band becomes wider, up to four times.
DOUBTFUL = 0.6
# Two frames of which one, moved along the flow, is still so many gray levels from the other are not one shot.
CUT_LEVELS = 30.0


@dataclass(frozen=True)
class PropagationReport:
    """What was done. trust (F,): the share of each mask that the flow vouches for, 1 where a mask was given, 0 where
    there is none. lost: frames at which the thing was lost. cuts: frames that begin a new shot. warnings: sentences."""

    keys: tuple[int, ...]
    trust: np.ndarray
    lost: tuple[int, ...]
    cuts: tuple[int, ...]
    warnings: tuple[str, ...]


def propagate(
    frames: np.ndarray | Clip,
    masks: Mapping[int, np.ndarray],
    refine: bool = True,
    progress: Callable[[], object] | None = None,
    cancel: Callable[[], bool] | None = None,
) -> tuple[np.ndarray, PropagationReport]:
    """The track (F, H, W), float32 0..1, of what `masks` show in some frames of the video.

    frames: (F, H, W, 3), 0..1 or bytes, or a `Clip`, which several things of one video share. masks: by frame, each
    (H, W); a black one says that the thing is out of the image from there on (and, if it is the first, until there).
    refine: cut each mask anew by color. progress is called after every frame; when cancel says yes, UserError is
    raised. Besides the track, memory does not grow with the clip. At the masks given, the track is exactly these.
    Raises UserError for masks of another size or at frames that are not there, and where all are empty.
    """
    clip = frames if isinstance(frames, Clip) else Clip(frames)
    given = _checked(masks, clip)
    track = np.zeros(clip.shape, np.float32)
    trust = np.zeros(len(clip))
    lost: set[int] = set()
    cuts: set[int] = set()

    def went(walk: _Walk, number: int) -> tuple[np.ndarray, float]:
        if cancel is not None and cancel():
            raise UserError("following the mask was stopped")
        return walk.to(number)

    def told(count: int = 1) -> None:
        for _ in range(count if progress is not None else 0):
            progress()

    keys = sorted(given)
    for key in keys:
        track[key], trust[key] = given[key], float(given[key].max() > 0.5)
    told(len(keys))
    for start, end in zip([None, *keys], [*keys, None], strict=True):
        between = range(0 if start is None else start + 1, len(clip) if end is None else end)
        seen = [key is not None and given[key].max() > 0.5 for key in (start, end)]
        if seen[0]:
            walk = _Walk(clip, start, given[start], refine)
            for number in between:
                track[number], trust[number] = went(walk, number)
                told(not seen[1])
            lost |= walk.lost
            cuts |= walk.cuts
        if seen[1]:
            walk = _Walk(clip, end, given[end], refine)
            for number in reversed(between):
                found = went(walk, number)
                if seen[0]:
                    found = _blended(*found, track[number], trust[number], (end - number) / (end - start))
                track[number], trust[number] = found
                told()
            lost |= walk.lost
            cuts |= {number + 1 for number in walk.cuts}
        if not any(seen):
            told(len(between))
    lost = {number for number in lost if not track[number].any()}
    return track, PropagationReport(
        tuple(keys), trust, tuple(sorted(lost)), tuple(sorted(cuts)), tuple(_warnings(trust, lost, cuts))
    )


def _checked(masks: Mapping[int, np.ndarray], clip: Clip) -> dict[int, np.ndarray]:
    if not masks:
        raise UserError("no mask was given: paint the thing in at least one frame")
    given = {}
    for number, mask in masks.items():
        if int(number) != number or not 0 <= number < len(clip):
            raise UserError(f"a mask was given for frame {number}, but the video has the frames 0 to {len(clip) - 1}")
        mask = np.asarray(mask, np.float32)
        if mask.shape != clip.shape[1:]:
            raise UserError(
                f"the mask of frame {number} has shape {mask.shape}, the video's frames"
                f" {clip.shape[1:]} (height, width): resize one of them"
            )
        check_range(mask, f"the mask of frame {number}")
        given[int(number)] = np.clip(mask, 0, 1)
    if not any(mask.max() > 0.5 for mask in given.values()):
        raise UserError("all masks given are black: paint the thing white in at least one frame")
    return given


class _Walk:
    """One way through the clip from a given mask, a frame at a time."""

    def __init__(self, clip: Clip, start: int, mask: np.ndarray, refine: bool):
        self.clip, self.at, self.mask = clip, start, mask
        self.refine = refine
        self.area = float((mask > 0.5).sum())
        self.lost: set[int] = set()
        self.cuts: set[int] = set()
        self.over = False
        self.anchor = _anchor(clip.image(start), mask) if refine else None

    def to(self, number: int) -> tuple[np.ndarray, float]:
        """The mask (H, W) of the neighboring frame `number`, and how much of it the flow vouches for."""
        old, self.at = self.at, number
        step = None if self.over else self.clip.step(old, number)
        if step is not None and step.apart > CUT_LEVELS:
            self.cuts.add(number)
            self.over = True
        if step is None or self.over:
            self.lost.add(number)
            return np.zeros(self.clip.shape[1:], np.float32), 0.0
        moved, part, known = _moved(step, self.clip.small, self.mask)
        inside = moved > 0.5
        count = int(inside.sum())
        trust = _trust(moved, known)
        if self.refine and count >= LEAST_PIXELS:
            cut = _cut(self.clip.image(number, part), moved, known, self.anchor)
            vouched = inside & (known == 2)
            kept = (cut > 0.5)[vouched].mean() if vouched.sum() >= LEAST_PIXELS else 1.0
            if kept > SHRINKS and (cut > 0.5).sum() < GROWS * count:
                moved = cut
        elif not self.refine:
            moved = np.clip((moved - 0.5) * 2 + 0.5, 0, 1)
        self.mask = np.zeros(self.clip.shape[1:], np.float32)
        self.mask[part] = moved
        # A few pixels that cling to something are not the thing, unless it was as small from the beginning.
        if (moved > 0.5).sum() < max(1, min(LEAST_PIXELS, 0.1 * self.area)):
            self.mask[:] = 0
            self.lost.add(number)
            self.over = True
        return self.mask, trust


def _moved(step: Step, size: tuple[int, int], mask: np.ndarray) -> tuple[np.ndarray, tuple[slice, slice], np.ndarray]:
    """A mask (H, W) moved by a step of the small `size`: a part (h, w) of it, which part, and Step.known there."""
    cv2 = opencv()
    height, width = mask.shape
    scale = np.array([size[1] / width, size[0] / height], np.float32)
    # Where the flow carries the thing, with room for its edge: all work is done in this part of the image.
    rows, columns = np.flatnonzero((mask > 0.5).any(1)), np.flatnonzero((mask > 0.5).any(0))
    if not len(rows):
        return np.zeros((1, 1), np.float32), (slice(0, 1), slice(0, 1)), np.zeros((1, 1), np.uint8)
    small = cv2.resize(mask, size[::-1], interpolation=cv2.INTER_AREA) > 0.25
    ways = step.forth[small] / scale if small.any() else np.zeros((1, 2), np.float32)
    low, high = np.percentile(ways, [2, 98], axis=0)
    margin = 0.2 * np.sqrt((mask > 0.5).sum()) + 12
    left = int(np.clip(columns[0] + low[0] - margin, 0, width - 1))
    right = int(np.clip(columns[-1] + high[0] + margin + 1, left + 1, width))
    top = int(np.clip(rows[0] + low[1] - margin, 0, height - 1))
    bottom = int(np.clip(rows[-1] + high[1] + margin + 1, top + 1, height))
    x, y = np.meshgrid(np.arange(left, right, dtype=np.float32), np.arange(top, bottom, dtype=np.float32))
    small_x, small_y = (x + 0.5) * scale[0] - 0.5, (y + 0.5) * scale[1] - 0.5
    back = cv2.remap(step.back, small_x, small_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE) / scale
    known = cv2.remap(step.known, small_x, small_y, cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE)
    moved = cv2.remap(mask, x + back[..., 0], y + back[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    if not (moved > 0.5).any():
        return moved, (slice(top, bottom), slice(left, right)), known
    part = _around(moved, 1 + 3 * _doubt(_trust(moved, known)))
    place = tuple(slice(s.start + first, s.stop + first) for s, first in zip(part, (top, left), strict=True))
    return moved[part], place, known[part]


def _trust(moved: np.ndarray, known: np.ndarray) -> float:
    """The share of a mask (h, w) that the flow vouches for."""
    inside = moved > 0.5
    return float((known[inside] == 2).mean()) if inside.any() else 0.0


def _doubt(trust: float) -> float:
    """0 where the flow vouches for most of a mask, up to 1 where for nothing: then color decides a wider band."""
    return max(0.0, 1 - trust / DOUBTFUL)


def _around(mask: np.ndarray, wider: float = 1.0) -> tuple[slice, slice]:
    """The rows and columns of a mask (H, W) that is not empty, with the surroundings that show its background."""
    inside = mask > 0.5
    margin = int(wider * max(8, 0.15 * np.sqrt(inside.sum()))) + 4
    lines = (np.flatnonzero(inside.any(1)), np.flatnonzero(inside.any(0)))
    return tuple(
        slice(max(0, int(line[0]) - margin), min(size, int(line[-1]) + margin + 1))
        for line, size in zip(lines, mask.shape, strict=True)
    )


def _anchor(image: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The surroundings of a given mask, small: image (h, w, 3) bytes and what GrabCut is told of it (h, w)."""
    cv2 = opencv()
    part = _around(mask)
    size = _small(mask[part].shape, ANCHOR_PIXELS)
    small = cv2.resize(np.ascontiguousarray(image[part]), size[::-1], interpolation=cv2.INTER_AREA)
    cover = cv2.resize(np.ascontiguousarray(mask[part]), size[::-1], interpolation=cv2.INTER_AREA)
    return small, np.where(cover > 0.5, cv2.GC_FGD, cv2.GC_BGD).astype(np.uint8)


def _cut(image: np.ndarray, moved: np.ndarray, known: np.ndarray, anchor: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """A moved mask (h, w) cut anew by color within its bytes (h, w, 3): float32 with soft edges."""
    cv2 = opencv()
    height, width = _small(moved.shape, CUT_PIXELS)
    size = (width, height)
    share = width / moved.shape[1]
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    inside = (cv2.resize(moved, size, interpolation=cv2.INTER_AREA) > 0.5).astype(np.uint8)
    known_here, known = known, cv2.resize(known, size, interpolation=cv2.INTER_NEAREST)
    unit = share * float(np.sqrt((moved > 0.5).sum()))
    deep = cv2.distanceTransform(np.pad(inside, 1, mode="edge"), cv2.DIST_L2, 3)[1:-1, 1:-1]
    far = cv2.distanceTransform(1 - inside, cv2.DIST_L2, 3)
    wider = 1 + 3 * _doubt(_trust(moved, known_here))
    inner, outer = wider * max(2.0, INNER * unit), wider * max(3.0, OUTER * unit)
    told = np.where(inside > 0, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    # What comes from beyond the image may be anything; what the flow only doubts, anything near the edge.
    told[(deep > inner) & (known == 2) | (deep > 3 * inner) & (known == 1)] = cv2.GC_FGD
    told[(far > outer) & (known > 0) | (far > 3 * outer)] = cv2.GC_BGD
    # Colors are learned from what is known alone, here and in the image of the given mask.
    teaching = [
        (small[told == cv2.GC_FGD], small[told == cv2.GC_BGD]),
        tuple(anchor[0][anchor[1] == side] for side in (cv2.GC_FGD, cv2.GC_BGD)),
    ]
    front, behind = (np.concatenate([_thinned(part[side]) for part in teaching]) for side in (0, 1))
    if min(len(front), len(behind)) < LEAST_PIXELS:
        return moved
    lesson = np.concatenate([front, behind])[None]
    answers = np.repeat(np.uint8([cv2.GC_FGD, cv2.GC_BGD]), [len(front), len(behind)])[None].copy()
    models = np.zeros((1, 65)), np.zeros((1, 65))
    # GrabCut draws its first color clusters at random: the same draw every time makes results repeat.
    cv2.setRNGSeed(1)
    cv2.grabCut(lesson, answers, None, *models, 0, cv2.GC_INIT_WITH_MASK)
    cv2.grabCut(small, told, None, *models, 1, cv2.GC_EVAL_FREEZE_MODEL)
    cut = ((told == cv2.GC_FGD) | (told == cv2.GC_PR_FGD)).astype(np.float32)
    return cv2.resize(cut, moved.shape[::-1], interpolation=cv2.INTER_LINEAR)


def _thinned(colors: np.ndarray) -> np.ndarray:
    """At most LESSON of the colors (N, 3), evenly taken."""
    return colors[:: max(1, -(-len(colors) // LESSON))]


def _small(shape: tuple[int, ...], most: int) -> tuple[int, int]:
    """Height and width of at most about `most` pixels in the same proportions; never larger than they are."""
    share = min(1.0, (most / (shape[0] * shape[1])) ** 0.5)
    return max(2, round(shape[0] * share)), max(2, round(shape[1] * share))


def _blended(
    back: np.ndarray, back_trust: float, forth: np.ndarray, forth_trust: float, share: float
) -> tuple[np.ndarray, float]:
    """The mask between the two ways, `share` of it the forward one's; where one way has lost the thing, the other's."""
    if not min(back.max(), forth.max()) > 0.5:
        return (forth, forth_trust) if (forth > 0.5).any() else (back, back_trust)
    part = _around(np.maximum(back, forth))
    value = (1 - share) * signed_distance(back[part]) + share * signed_distance(forth[part])
    mask = np.zeros_like(back)
    mask[part] = np.clip(0.5 - value, 0, 1)
    return mask, (1 - share) * back_trust + share * forth_trust


def _warnings(trust: np.ndarray, lost: set[int], cuts: set[int]) -> list[str]:
    warnings = []
    for number in sorted(cuts):
        warnings.append(f"Frame {number} begins a new shot; masks do not go across it: paint one after it.")
    if lost:
        warnings.append(
            f"The thing was lost in frames {spans(np.array(sorted(lost)))}: paint it there, or leave it out."
        )
    doubtful = np.flatnonzero((trust > 0) & (trust < 0.5))
    if len(doubtful):
        warnings.append(f"In frames {spans(doubtful)} most of the mask rests on color alone: look at them.")
    return warnings
