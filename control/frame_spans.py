"""Numbers of frames as people write them: 'first', 'last', '0-8', '0,16', 'first:9', '72-last'.

A text is parts with commas between them. A part is a frame, a range of frames with both its ends, or so many of the
first or last frames ('last:9'). Frames are counted from 0; 'first' and 'last' are names of frames, in ranges too.
"""

from __future__ import annotations

import re

import numpy as np

from .errors import UserError

GRAMMAR = "write frames like first, last, 0-8, 0,16, first:9 or 72-last"
_FRAME = r"(\d{1,9}|first|last)"
_PART = re.compile(rf"{_FRAME}(?:\s*-\s*{_FRAME})?")
_SEVERAL = re.compile(r"(first|last)\s*:\s*(\d{1,9})")


def parse_frames(text: str, frames: int, several: int | None = None) -> np.ndarray:
    """Return the frames (N,) that a text names in a clip of `frames` frames, in its order; some may lie beyond it.

    several: what 'first' or 'last' alone stands for: so many frames (default: one). Raises UserError for another text,
    a range that runs backward, and frames that are named twice.
    """
    text = text.strip().lower()
    if several is not None and text in ("first", "last"):
        text = f"{text}:{several}"
    found = [_part(part.strip(), frames, text) for part in text.split(",")]
    named = np.concatenate(found)
    values, counts = np.unique(named, return_counts=True)
    if (counts > 1).any():
        twice = int(values[counts > 1][0])
        raise UserError(f"the frames '{text}' name frame {twice} twice: let the parts not overlap")
    return named


def take_frames(text: str, count: int, what: str) -> np.ndarray:
    """Return which of `count` frames a text names, in their order; an empty text names all.

    Raises UserError, calling them `what`, for frames that are not there or not in order.
    """
    if not text.strip():
        return np.arange(count)
    taken = parse_frames(text, count)
    if taken.min() < 0 or taken.max() >= count:
        raise UserError(f"{what} has {count} frames, of which '{text}' were to be taken: name others")
    if (np.diff(taken) < 0).any():
        raise UserError(f"of {what} the frames '{text}' were to be taken: name them in their order")
    return taken


def _part(part: str, frames: int, text: str) -> np.ndarray:
    """Return the frames of one part of a text."""
    several = _SEVERAL.fullmatch(part)
    if several is not None and int(several[2]) > 0:
        count = _bounded(int(several[2]))
        return np.arange(count) + (0 if several[1] == "first" else frames - count)
    ends = _PART.fullmatch(part)
    if ends is None:
        raise UserError(f"the frames are '{text}': {GRAMMAR}")
    first = _frame(ends[1], frames)
    last = first if ends[2] is None else _frame(ends[2], frames)
    if last < first:
        raise UserError(f"the frames '{text}' run from {first} to {last}: {GRAMMAR}")
    _bounded(last - first + 1)
    return np.arange(first, last + 1)


def _frame(word: str, frames: int) -> int:
    return {"first": 0, "last": frames - 1}[word] if word in ("first", "last") else int(word)


def _bounded(count: int) -> int:
    """Return a number of frames. Raises UserError for more than any clip has: they would fill the memory."""
    if count > 100_000:
        raise UserError(f"{count} frames were named; no clip has so many: {GRAMMAR}")
    return count
