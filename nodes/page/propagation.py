"""What the page asks for when it follows a mask, checked to its last field before any of it is decoded.

`Any` marks parsed JSON.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ...control.errors import UserError, shorten
from ...control.identity import runs
from ...control.limits import MOST_PIXELS, is_readable

MOST_FRAME = 10_000
MOST_MASKS = 1000
MOST_NAME = 200  # characters
ACCURACY = (0.5, 0.99)
RELOAD = "reload the page"


@dataclass(frozen=True)
class AskedMask:
    """A mask as the page sends it: the frame that it belongs to, its size, and its runs (identity/runs.py)."""

    frame: int
    height: int
    width: int
    runs: str


@dataclass(frozen=True)
class Question:
    """A request: carry `masks` along the frames first..last of a stage. id: of the request. client: of the page."""

    stage: str
    masks: tuple[AskedMask, ...]
    first: int
    last: int
    accuracy: float = 0.95
    id: str = "unnamed"
    client: str | None = None


def read_question(request: Any) -> Question:
    """Return the request of a body's JSON. Raises UserError, naming the field, for anything else than `Question`."""
    if not isinstance(request, dict):
        raise UserError(f"The request for a propagation is not a JSON object: {RELOAD}.")
    first, last = (_frame(request.get(name), f"'{name}' of a propagation") for name in ("first", "last"))
    if last < first:
        raise UserError(f"A propagation from frame {first} to {last} was asked for; the last must not be the earlier.")
    masks = tuple(_mask(entry, first, last) for entry in _listed(request.get("masks"), last - first + 1))
    frames = [mask.frame for mask in masks]
    if len(set(frames)) < len(frames):
        raise UserError(f"A propagation has two masks for one frame: {RELOAD}.")
    pixels = sum(mask.height * mask.width for mask in masks)
    if pixels > MOST_PIXELS:
        raise UserError(
            f"The masks of a propagation have {pixels / 1e6:.0f} million pixels; at most"
            f" {MOST_PIXELS / 1e6:.0f} million are read: follow fewer keyframes at once."
        )
    return Question(
        _name(request.get("stage"), "'stage' of a propagation"),
        masks,
        first,
        last,
        _accuracy(request.get("accuracy", 0.95)),
        read_id(request) or "unnamed",
        None if request.get("client") is None else _name(request["client"], "'client' of a propagation"),
    )


def read_id(request: Any) -> str | None:
    """Return the "id" of a request, None where it has none. Raises UserError for one that is not a text."""
    if not isinstance(request, dict):
        raise UserError(f"The request is not a JSON object: {RELOAD}.")
    return None if request.get("id") is None else _name(request["id"], "'id' of a propagation")


def _listed(masks: Any, most: int) -> list[Any]:
    most = min(most, MOST_MASKS)
    if not isinstance(masks, list) or not 1 <= len(masks) <= most:
        came = f"{len(masks)} masks" if isinstance(masks, list) else shorten(masks)
        raise UserError(f"'masks' of a propagation is {came}; a list of 1 to {most} masks was expected.")
    return masks


def _mask(entry: Any, first: int, last: int) -> AskedMask:
    if not isinstance(entry, dict):
        raise UserError(
            f"A mask of the propagation is {shorten(entry)}; an object with frame, size and runs was expected."
        )
    frame = _frame(entry.get("frame"), "'frame' of a mask")
    if not first <= frame <= last:
        raise UserError(f"A mask of the propagation is at frame {frame}; one from {first} to {last} was expected.")
    size = entry.get("size")
    sides = size if isinstance(size, list) and len(size) == 2 else (0, 0)
    whole = all(type(side) is int for side in sides) and is_readable(sides[1], sides[0])
    if not whole or sides[0] * sides[1] > runs.MOST_PIXELS:
        raise UserError(f"'size' of a mask is {shorten(size)}; a width and a height in pixels were expected.")
    text = entry.get("runs")
    if not isinstance(text, str) or len(text) > runs.MOST_CHARACTERS:
        raise UserError(f"'runs' of a mask is {shorten(text)}; a text of at most {runs.MOST_CHARACTERS} was expected.")
    return AskedMask(frame, sides[1], sides[0], text)


def _frame(value: Any, what: str) -> int:
    if type(value) is not int or not 0 <= value <= MOST_FRAME:
        raise UserError(f"{what} is {shorten(value)}; a frame from 0 to {MOST_FRAME} was expected.")
    return int(value)


def _name(value: Any, what: str) -> str:
    if not isinstance(value, str) or not 1 <= len(value) <= MOST_NAME:
        raise UserError(f"{what} is {shorten(value)}; a text of 1 to {MOST_NAME} characters was expected: {RELOAD}.")
    return value


def _accuracy(value: Any) -> float:
    low, high = ACCURACY
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
        raise UserError(f"'accuracy' of a propagation is {shorten(value)}; a number from {low} to {high} was expected.")
    return float(value)
