"""What the mask painter and the track editor do with a state: tracks for the slots, and what is to be said about them.

Shapes: F frames, H height, W width. Tracks are float32, 0..1.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..errors import UserError
from ..images import resize
from ..progress import quiet
from .keyframe_selection import keyframes
from .keyframes import MaskKey, MaskTrack
from .propagate import propagate
from .report import NamedTrack, track_report
from .slots import SLOTS, check_range
from .state import COLORS, MaskSlot, MaskState, state_from_json, state_to_json


@dataclass(frozen=True, eq=False)
class Painted:
    """The tracks (F, H, W) of SLOTS slots, sentences about them, and the state they come from."""

    tracks: tuple[np.ndarray, ...]
    report: str
    state: MaskState


def empty_state(width: int = 832, height: int = 480, frames: int = 17) -> str:
    """The text of a state with one slot and nothing painted yet."""
    return state_to_json(MaskState(width, height, frames, (MaskSlot("object 1", MaskTrack((), frames)),)))


def paint(state: str | MaskState, height: int, width: int, frames: int, progress: Callable = quiet) -> Painted:
    """The tracks of a state for a video of this size and length; a slot that is not there gets an empty one.

    Raises UserError for a text that is no state.
    """
    state = state if isinstance(state, MaskState) else state_from_json(state)
    used = state.slots[:SLOTS]
    tracks = [np.zeros((frames, height, width), np.float32) for _ in range(SLOTS)]
    drawn = [index for index, slot in enumerate(used) if any(key.shapes for key in slot.track.keys)]
    with progress(frames * len(drawn), "drawing masks") as step:
        for index in drawn:
            tracks[index] = used[index].track.rasterize(height, width, frames, step)
    return Painted(tuple(tracks), _report(state, tracks, height, width), state)


def _report(state: MaskState, tracks: Sequence[np.ndarray], height: int, width: int) -> str:
    """One line for each slot, then what may not be meant."""
    frames = len(tracks[0])
    lines = []
    for number, slot in enumerate(state.slots[:SLOTS], 1):
        seen = sum(bool((mask > 0.5).any()) for mask in tracks[number - 1])
        keys = len(slot.track.keys)
        lines.append(
            f"track{number} '{slot.name}': {keys} {'key' if keys == 1 else 'keys'}, in {seen} of {frames} frames"
        )
    if not state.slots:
        lines.append("Nothing is painted: all tracks are empty.")
    painted = any(slot.track.keys for slot in state.slots)
    if painted and state.frames != frames:
        lines.append(f"Painted over {state.frames} frames, the video has {frames}: the keys are spread over it.")
    shape = state.width / state.height * height / width
    if painted and not 0.98 < shape < 1.02:
        lines.append(
            f"Painted over images of {state.width}x{state.height}, the video has {width}x{height}:"
            " the masks are stretched."
        )
    if len(state.slots) > SLOTS:
        names = ", ".join(f"'{slot.name}'" for slot in state.slots[SLOTS:])
        lines.append(
            f"There are {SLOTS} outputs, so {names} {'is' if len(state.slots) == SLOTS + 1 else 'are'} left out."
        )
    named = [NamedTrack(slot.name, track) for slot, track in zip(state.slots, tracks, strict=False)]
    return "\n".join([*lines, *track_report(named)])


def fingerprint(tracks: Sequence[np.ndarray | None]) -> str:
    """A short text that changes when what the tracks cover does."""
    digest = hashlib.sha256()
    for track in tracks:
        digest.update(repr(None if track is None else track.shape).encode())
        for mask in () if track is None else track:
            digest.update(np.packbits(mask > 0.5).tobytes())
    return digest.hexdigest()[:16]


@dataclass(frozen=True, eq=False)
class Edited:
    """A track editor's result. proposal: the incoming tracks as a state of few keys, where they were turned into one;
    source: the fingerprint of the incoming tracks; changed: whether they are others than those that were edited."""

    painted: Painted
    proposal: str | None
    source: str
    changed: bool


def edit(
    text: str,
    tracks: Sequence[np.ndarray | None],
    source: str = "",
    accuracy: float = 0.95,
    progress: Callable = quiet,
) -> Edited:
    """Tracks (F, H, W) as keys that can be edited: the edited state, or with an empty text the keys chosen here.

    tracks: the first must be there, None stands for one that is not; all have one shape. source: the fingerprint of
    the tracks that the state was made from, "" where that is not known.
    """
    tracks = _alike(tracks)
    now = fingerprint(tracks)
    changed = bool(text.strip()) and bool(source) and source != now
    proposal = None
    if not text.strip() or changed:
        proposal = _chosen(tracks, accuracy, progress)
    state = state_from_json(text) if text.strip() else proposal
    frames, height, width = tracks[0].shape
    painted = paint(state, height, width, frames, progress)
    lines = []
    if changed:
        lines.append(
            "The incoming tracks are others than those that were edited: the edits hold. "
            "'Take the new track' in the editor starts again from what comes in now."
        )
    elif proposal is not None:
        lines.append(f"Keys chosen so that every frame keeps at least {accuracy:.0%} of its mask.")
    report = "\n".join([*lines, painted.report])
    return Edited(
        Painted(painted.tracks, report, painted.state),
        None if proposal is None else state_to_json(proposal),
        now,
        changed,
    )


def _alike(tracks: Sequence[np.ndarray | None]) -> list[np.ndarray | None]:
    """SLOTS tracks, checked: the first is there, all have its shape."""
    given = [None if track is None else np.asarray(track, np.float32) for track in tracks][:SLOTS]
    if not given or given[0] is None:
        raise UserError("track1 is missing: connect the track that is to be edited")
    for number, track in enumerate(given, 1):
        if track is None:
            continue
        if track.ndim != 3 or min(track.shape) < 1:
            raise UserError(f"track{number} has shape {track.shape}; (frames, height, width) was expected")
        if track.shape != given[0].shape:
            raise UserError(
                f"track{number} is {_size(track)}, but track1 is {_size(given[0])}: give tracks of one video, "
                "of the same length and size"
            )
        check_range(track, f"track{number}")
    return given


def _size(track: np.ndarray) -> str:
    frames, height, width = track.shape
    return f"{frames} frames of {width}x{height}"


def _chosen(tracks: Sequence[np.ndarray | None], accuracy: float, progress: Callable) -> MaskState:
    """The incoming tracks as a state of few keys. A slot without a track is there, to keep the next in theirs."""
    frames, height, width = tracks[0].shape
    last = max(number for number, track in enumerate(tracks) if track is not None)
    slots = []
    with progress(frames * (last + 1), "choosing keys") as step:
        for number, track in enumerate(tracks[: last + 1]):
            empty = track is None or not (track > 0.5).any()
            made = MaskTrack((), frames) if empty else keyframes(track, accuracy, progress=step)
            slots.append(MaskSlot(f"track {number + 1}", made, COLORS[number]))
    return MaskState(width, height, frames, tuple(slots))


# Masks are followed on images whose longer side is at most this long; the page's bitmaps get their size.
FOLLOWED_SIDE = 960


def followed_size(height: int, width: int) -> tuple[int, int]:
    """Height and width at which a mask is followed through images of this size."""
    share = min(1.0, FOLLOWED_SIDE / max(height, width))
    return max(1, round(height * share)), max(1, round(width * share))


def follow(
    frames: np.ndarray,
    masks: Mapping[int, np.ndarray],
    accuracy: float = 0.95,
    first: int = 0,
    progress: Callable[[int, int], object] | None = None,
    cancel: Callable[[], bool] | None = None,
) -> tuple[tuple[MaskKey, ...], list[str]]:
    """New keys, other than those given, that carry a mask along a part of a video, and warnings.

    frames: (F, H, W, 3), 0..1 or bytes. masks: by frame, (h, w) of any size. accuracy: as for `keyframes`. first: the
    number of the first frame, in the frames of the keys. progress(done, total) is called as the work goes on. Raises
    UserError as `propagate` does, and when cancel says yes.
    """
    count, height, width = frames.shape[:3]
    # Following a frame takes about as long as choosing a key, of which there are fewer.
    total, done = 2 * count, [0]

    def step() -> None:
        done[0] += 1
        if progress is not None:
            progress(min(done[0], total), total)

    given = {int(at): resize(np.asarray(mask, np.float32), height, width) for at, mask in masks.items()}
    track, found = propagate(frames, given, progress=step, cancel=cancel)
    keys = keyframes(track, accuracy, progress=step, cancel=cancel).keys
    return tuple(replace(key, frame=key.frame + first) for key in keys if key.frame not in given), list(found.warnings)
