"""What the mask painter and the track editor do with a state: masklets for the slots, and a report.

Shapes: F frames, H height, W width. Masklets are float32, 0..1. A slot's socket is called track1, track2, ...
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..errors import UserError
from ..fit import SAME_ASPECT
from ..images import resize
from ..progress import Progress, quiet
from .keyframe_selection import select_keyframes
from .keyframes import MaskKey, Masklet
from .propagate import propagate
from .report import NamedMasklet, masklet_report
from .slots import SLOTS, check_range
from .state import COLORS, MaskSlot, MaskState, state_from_json, state_to_json


@dataclass(frozen=True, eq=False)
class Painted:
    """The masklets (F, H, W) of SLOTS slots, a report in lines, and the state they come from."""

    masklets: tuple[np.ndarray, ...]
    report: str
    state: MaskState


def empty_state(width: int = 832, height: int = 480, frames: int = 17) -> str:
    """Return the text of a state with one slot and nothing painted yet."""
    return state_to_json(MaskState(width, height, frames, (MaskSlot("object 1", Masklet((), frames)),)))


def paint(state: str | MaskState, height: int, width: int, frames: int, progress: Progress = quiet) -> Painted:
    """Render the masklets of a state for a video of this size and length; a slot that is absent gets an empty one.

    Raises UserError for a text that is not a state.
    """
    state = state if isinstance(state, MaskState) else state_from_json(state)
    used = state.slots[:SLOTS]
    masklets = [np.zeros((frames, height, width), np.float32) for _ in range(SLOTS)]
    drawn = [index for index, slot in enumerate(used) if any(key.shapes for key in slot.masklet.keys)]
    with progress(frames * len(drawn), "drawing masks") as step:
        for index in drawn:
            masklets[index] = used[index].masklet.rasterize(height, width, frames, step)
    return Painted(tuple(masklets), _report(state, masklets, height, width), state)


def _report(state: MaskState, masklets: Sequence[np.ndarray], height: int, width: int) -> str:
    """Return one line for each slot, then what may not be meant."""
    frames = len(masklets[0])
    lines = []
    for number, (slot, masks) in enumerate(zip(state.slots, masklets, strict=False), 1):
        visible = sum(bool((mask > 0.5).any()) for mask in masks)
        count = len(slot.masklet.keys)
        keys = "key" if count == 1 else "keys"
        lines.append(f"track{number} '{slot.name}': {count} {keys}, in {visible} of {frames} frames")
    named = [NamedMasklet(slot.name, masks) for slot, masks in zip(state.slots, masklets, strict=False)]
    return "\n".join([*lines, *_mismatches(state, frames, height, width), *masklet_report(named)])


def _mismatches(state: MaskState, frames: int, height: int, width: int) -> list[str]:
    """Return sentences about what the state and a video of this length and size do not have in common."""
    lines = []
    if not state.slots:
        lines.append("Nothing is painted: all tracks are empty.")
    painted = any(slot.masklet.keys for slot in state.slots)
    if painted and state.frames != frames:
        lines.append(f"Painted over {state.frames} frames, the video has {frames}: the keys are spread over the video.")
    if painted and abs(state.width / state.height * height / width - 1) > SAME_ASPECT:
        lines.append(
            f"Painted over images of {state.width}x{state.height}, the video has {width}x{height}:"
            " the masks are stretched."
        )
    if len(state.slots) > SLOTS:
        names = ", ".join(f"'{slot.name}'" for slot in state.slots[SLOTS:])
        verb = "is" if len(state.slots) == SLOTS + 1 else "are"
        lines.append(f"There are {SLOTS} outputs, so {names} {verb} left out.")
    return lines


def fingerprint(masklets: Sequence[np.ndarray | None]) -> str:
    """Return a short text that changes when what the masklets cover changes."""
    digest = hashlib.sha256()
    for masks in masklets:
        digest.update(repr(None if masks is None else masks.shape).encode())
        for mask in () if masks is None else masks:
            digest.update(np.packbits(mask > 0.5).tobytes())
    return digest.hexdigest()[:16]


@dataclass(frozen=True, eq=False)
class Edited:
    """A track editor's result.

    proposal: the incoming masklets as a state of few keys, where they were turned into one; source: the fingerprint of
    the incoming masklets; changed: whether they differ from those that were edited.
    """

    painted: Painted
    proposal: str | None
    source: str
    changed: bool


def edit(
    text: str,
    masklets: Sequence[np.ndarray | None],
    source: str = "",
    accuracy: float = 0.95,
    progress: Progress = quiet,
) -> Edited:
    """Return masklets (F, H, W) as keys that can be edited: the edited state, or with an empty text keys chosen here.

    masklets: the first must be present, None stands for an absent one; all have one shape. source: the fingerprint of
    the masklets that the state was made from, "" where that is not known.
    """
    first, checked = _check_alike(masklets)
    now = fingerprint(checked)
    changed = bool(text.strip()) and bool(source) and source != now
    proposal = None
    if text.strip():
        state = state_from_json(text)
        if changed:
            proposal = _select_keys(checked, accuracy, progress)
    else:
        state = proposal = _select_keys(checked, accuracy, progress)
    frames, height, width = first.shape
    painted = paint(state, height, width, frames, progress)
    lines = []
    if changed:
        lines.append(
            "The incoming tracks are others than those that were edited: the edits hold. "
            "'Take the new track' in the editor starts again from what comes in now."
        )
    elif proposal is not None:
        lines.append(f"Keys chosen so that every frame keeps at least {accuracy:.0%} of its mask.")
    return Edited(
        replace(painted, report="\n".join([*lines, painted.report])),
        None if proposal is None else state_to_json(proposal),
        now,
        changed,
    )


def _check_alike(masklets: Sequence[np.ndarray | None]) -> tuple[np.ndarray, list[np.ndarray | None]]:
    """Return the first masklet, and all. Raises UserError unless the first is present and all have its shape."""
    checked = [None if masks is None else np.asarray(masks, np.float32) for masks in masklets][:SLOTS]
    first = checked[0] if checked else None
    if first is None:
        raise UserError("track1 is missing: connect the track that is to be edited")
    for number, masks in enumerate(checked, 1):
        if masks is None:
            continue
        if masks.ndim != 3 or min(masks.shape) < 1:
            raise UserError(f"track{number} has shape {masks.shape}; (frames, height, width) was expected")
        if masks.shape != first.shape:
            raise UserError(
                f"track{number} is {_describe_size(masks)}, but track1 is {_describe_size(first)}: connect tracks of"
                " one video, of the same length and size"
            )
        check_range(masks, f"track{number}")
    return first, checked


def _describe_size(masks: np.ndarray) -> str:
    frames, height, width = masks.shape
    return f"{frames} frames of {width}x{height}"


def _select_keys(masklets: Sequence[np.ndarray | None], accuracy: float, progress: Progress) -> MaskState:
    """Return the incoming masklets as a state of few keys. An absent one before others keeps its slot, without keys."""
    last = max(number for number, masks in enumerate(masklets) if masks is not None)
    frames, height, width = next(masks.shape for masks in masklets if masks is not None)
    slots = []
    with progress(frames * (last + 1), "choosing keys") as step:
        for number, masks in enumerate(masklets[: last + 1]):
            if masks is None or not (masks > 0.5).any():
                masklet = Masklet((), frames)
            else:
                masklet = select_keyframes(masks, accuracy, progress=step)
            slots.append(MaskSlot(f"track {number + 1}", masklet, COLORS[number]))
    return MaskState(width, height, frames, tuple(slots))


# Masks are followed on images whose longer side is at most this long; the page's bitmaps get their size.
PROPAGATION_SIDE = 960


def propagation_size(height: int, width: int) -> tuple[int, int]:
    """Return height and width at which a mask is followed through images of this size."""
    share = min(1.0, PROPAGATION_SIDE / max(height, width))
    return max(1, round(height * share)), max(1, round(width * share))


@dataclass(frozen=True, eq=False)
class FollowedKeys:
    """New keys that carry a mask along a part of a video.

    trust (F,): for every frame of the part, the share of its mask that the video vouches for, as `Propagation` has it.
    """

    keys: tuple[MaskKey, ...]
    trust: np.ndarray
    warnings: tuple[str, ...]


def propagate_keys(
    frames: np.ndarray,
    masks: Mapping[int, np.ndarray],
    accuracy: float = 0.95,
    first: int = 0,
    progress: Callable[[int, int], object] | None = None,
    cancel: Callable[[], bool] | None = None,
) -> FollowedKeys:
    """Return new keys, besides those of `masks`, that carry a mask along a part of a video.

    frames: (F, H, W, 3), 0..1 or bytes. masks: by frame, (h, w) of any size. accuracy: as for `select_keyframes`.
    first: the number of the first frame, in the frames of the keys. progress(done, total) is called as the work goes
    on. Raises UserError as `propagate` does, and when cancel returns True.
    """
    count, height, width = frames.shape[:3]
    # Following a frame takes about as long as choosing a key, of which there are fewer.
    counter = _Counter(2 * count, progress)
    keys = {int(at): resize(np.asarray(mask, np.float32), height, width) for at, mask in masks.items()}
    masklet, result = propagate(frames, keys, progress=counter.step, cancel=cancel, first=first)
    selected = select_keyframes(masklet, accuracy, progress=counter.step, cancel=cancel).keys
    new = tuple(replace(key, frame=key.frame + first) for key in selected if key.frame not in keys)
    return FollowedKeys(new, result.trust, result.warnings)


class _Counter:
    """Counts the steps of two pieces of work as one."""

    def __init__(self, total: int, progress: Callable[[int, int], object] | None):
        self.total, self.done, self.progress = total, 0, progress

    def step(self) -> None:
        self.done += 1
        if self.progress is not None:
            self.progress(min(self.done, self.total), self.total)
