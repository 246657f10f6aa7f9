"""A story: prompts with time spans, one after the other, with cross-fades between them.

As text, one span a line (or separated by `|`), in seconds, and how long neighbors cross-fade:

    fade 0.5s
    0-2s: a red ball rolls over the grass
    2s-end: the ball lies in the water

As JSON: {"fade": 0.5, "spans": [{"start": 0, "end": 2, "text": "..."}, {"start": 2, "end": null, "text": "..."}]}.
"""

from __future__ import annotations

import json
import math
import os
import re
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .condition import VideoSize
from .errors import UserError, shorten
from .files import existing
from .fit import TimeFit

_NUMBER = r"(\d+(?:\.\d+)?|\.\d+)"
_SPAN = re.compile(rf"(?:^|[\n|])[ \t]*{_NUMBER}[ \t]*s?[ \t]*-[ \t]*(?:{_NUMBER}[ \t]*s?|end)[ \t]*:", re.IGNORECASE)
_FADE = re.compile(rf"\s*fade[ \t:=]*{_NUMBER}[ \t]*s?[ \t]*(?=[\n|])", re.IGNORECASE)
MOST_SPANS = 64
MOST_BYTES = 2**20  # of a file
MOST_SECONDS = 1e9  # beyond any clip; a whole number may have more digits than a float takes
LOOSE = 1.5  # frames by which a time may miss: what rounding to seconds does


@dataclass(frozen=True)
class Span:
    """A text and the time in which it holds, in seconds; an `end` of infinity is the end of the clip.

    Raises UserError for times that are not in order.
    """

    start: float
    end: float
    text: str

    def __post_init__(self) -> None:
        if not 0 <= self.start < self.end:
            raise UserError(
                f"a span of the story goes from {self.start:g} to {self.end:g} s; a start from 0 on and a later end "
                f"were expected"
            )

    @property
    def name(self) -> str:
        """The span as errors call it: '0-2 s (a red ball)'."""
        return f"{self.start:g}-{'end' if math.isinf(self.end) else f'{self.end:g} s'} ({shorten(self.text)})"


@dataclass(frozen=True)
class Story:
    """Spans in the order of their time. fade: seconds of cross-fade where two spans meet.

    Spans that overlap cross-fade over the overlap. Raises UserError for no span, too many, and another order.
    """

    spans: tuple[Span, ...]
    fade: float = 0.0

    def __post_init__(self) -> None:
        if not 1 <= len(self.spans) <= MOST_SPANS:
            raise UserError(f"the story has {len(self.spans)} spans; 1 to {MOST_SPANS} were expected")
        if not (math.isfinite(self.fade) and self.fade >= 0):
            raise UserError(f"the fade of the story is {self.fade} s; 0 or more was expected")
        for before, after in zip(self.spans[:-1], self.spans[1:], strict=True):
            if not (before.start < after.start and before.end < after.end):
                raise UserError(
                    f"the span {after.name} of the story does not come after {before.name}: give them in the order of "
                    f"their time"
                )
        for first, last in zip(self.spans[:-2], self.spans[2:], strict=True):
            if first.end > last.start:
                raise UserError(f"three spans of the story overlap, {first.name} to {last.name}: two may at a time")

    @property
    def texts(self) -> tuple[str, ...]:
        """The text of every span."""
        return tuple(span.text for span in self.spans)

    def fitted(self, video: VideoSize, fit: TimeFit = TimeFit.REFUSE) -> tuple[Story, list[str]]:
        """Return the story over the whole of a video, without gaps, and what was done for that, in sentences.

        `hold` keeps a text until the next begins, cuts what lies beyond the video, and cross-fades over overlaps;
        `resample` stretches the times to the video's length first. Times may miss by `LOOSE` frames without a word.
        Raises UserError for gaps, overlaps and spans beyond the video where `fit` refuses them, and for a fade that is
        longer than a span.
        """
        length, notes = video.frames / video.fps, list[str]()
        spans, loose = list(self.spans), LOOSE / video.fps
        spans[-1] = replace(spans[-1], end=max(length, spans[-1].start + loose) if self._is_open else spans[-1].end)
        if fit is TimeFit.RESAMPLE and abs(spans[-1].end - length) > loose:
            factor = length / spans[-1].end
            notes.append(f"The story lasts {spans[-1].end:g} s: it was stretched to the video's {length:g} s.")
            spans = [replace(span, start=span.start * factor, end=span.end * factor) for span in spans]
        fitting = _Fitting(length, loose, fit is TimeFit.REFUSE, notes)
        spans = fitting.joined(fitting.cut(spans))
        return Story(tuple(self._faded(spans))), notes

    @property
    def _is_open(self) -> bool:
        return math.isinf(self.spans[-1].end)

    def _faded(self, spans: list[Span]) -> list[Span]:
        """Return spans that meet as spans that overlap by the fade."""
        shortest = min(span.end - span.start for span in spans)
        if len(spans) > 1 and self.fade > shortest:
            raise UserError(
                f"the story fades over {self.fade:g} s, but its shortest span lasts {shortest:g} s: make the fade "
                f"shorter, or the span longer"
            )
        result = list(spans)
        for i, (before, after) in enumerate(zip(spans[:-1], spans[1:], strict=True)):
            if before.end == after.start:
                result[i] = replace(result[i], end=before.end + self.fade / 2)
                result[i + 1] = replace(result[i + 1], start=after.start - self.fade / 2)
        return result

    def weights(self, times: np.ndarray) -> np.ndarray:
        """Return how much each text holds at `times` (T,) in seconds: (spans, T), of sum 1 at every time.

        Before the first span its text holds, after the last span that one's. Made for a story that is `fitted`.
        """
        times = np.asarray(times, np.float64)
        begun = [np.ones_like(times)]
        for before, after in zip(self.spans[:-1], self.spans[1:], strict=True):
            overlap = before.end - after.start
            if overlap > 0:
                begun.append(np.clip((times - after.start) / overlap, 0, 1))
            else:
                begun.append((times >= after.start).astype(np.float64))
        begun.append(np.zeros_like(times))
        return -np.diff(np.stack(begun), axis=0)

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values; an open end is None."""
        return {
            "fade": self.fade,
            "spans": [
                {"start": s.start, "end": None if math.isinf(s.end) else s.end, "text": s.text} for s in self.spans
            ],
        }


@dataclass(frozen=True)
class _Fitting:
    """How spans are brought to a video of `length` seconds; `loose` may be missed, the rest is refused or said."""

    length: float
    loose: float
    refuses: bool
    notes: list[str]

    def _say(self, problem: str, done: str, remedy: str = "set `fit_time` to hold or resample") -> None:
        if self.refuses:
            raise UserError(f"{problem}: {remedy} (the node Story has it too), or change the times")
        self.notes.append(f"{problem[:1].upper()}{problem[1:]}: {done}.")

    def cut(self, spans: list[Span]) -> list[Span]:
        """Return the spans inside the video, the first from its beginning and the last to its end."""
        kept = [span for span in spans if span.start < self.length - 1e-9]
        for span in spans[len(kept) :]:
            self._say(
                f"the span {span.name} of the story lies beyond the video of {self.length:g} s", "it was left out"
            )
        if not kept:
            raise UserError(f"no span of the story begins within the video of {self.length:g} s: change the times")
        first, last = kept[0], kept[-1]
        if first.start > self.loose:
            self._say(f"the story begins at {first.start:g} s only", "its first text holds from the beginning")
        if last.end > self.length + self.loose:
            self._say(f"the span {last.name} of the story ends after the video of {self.length:g} s", "it was cut")
        if last.end < self.length - self.loose:
            self._say(
                f"the story ends at {last.end:g} s, before the video of {self.length:g} s", "its last text is held"
            )
        kept[0] = replace(kept[0], start=0.0)
        kept[-1] = replace(kept[-1], end=self.length)
        return kept

    def joined(self, spans: list[Span]) -> list[Span]:
        """Return the spans without gaps between them; overlaps remain."""
        for i, (before, after) in enumerate(zip(spans[:-1], spans[1:], strict=True)):
            gap = after.start - before.end
            if gap > self.loose:
                self._say(
                    f"the story has a gap from {before.end:g} to {after.start:g} s", "the text before it holds on"
                )
            if gap < -self.loose:
                self._say(
                    f"two spans of the story overlap from {after.start:g} to {before.end:g} s",
                    "they cross-fade",
                    "write `fade` for a cross-fade, set `fit_time` to hold",
                )
            if gap >= -self.loose:
                spans[i] = replace(before, end=after.start)
        return spans


def is_story(text: str) -> bool:
    """Return whether a prompt is a story: it begins with a time span, or with a fade and a time span."""
    fade = _FADE.match(text)
    rest = text[fade.end() :] if fade else text.lstrip()
    return _SPAN.match(rest) is not None


def parse_story(text: str) -> Story:
    """Return the story that a text tells (see the top of this file). Raises UserError for any other text."""
    if not is_story(text):
        raise UserError(f"a story begins with a time span, such as '0-2s: a red ball'; {shorten(text)} does not")
    fade = _FADE.match(text)
    rest = text[fade.end() :] if fade else text.lstrip()
    found = list(_SPAN.finditer(rest))
    ends = [match.start() for match in found[1:]] + [len(rest)]
    spans = [
        Span(float(match[1]), float(match[2] or math.inf), " ".join(rest[match.end() : end].split()))
        for match, end in zip(found, ends, strict=True)
    ]
    return Story(tuple(spans), float(fade[1]) if fade else 0.0)


def read_story(path: str | os.PathLike[str]) -> Story:
    """Return the story of a JSON file, or of a text file as `parse_story` takes it.

    Raises UserError, naming the file, for a missing or foreign one.
    """
    file = existing(path, "story")
    if file.stat().st_size > MOST_BYTES:
        raise UserError(f"the story '{path}' has more than {MOST_BYTES} bytes: it cannot be one")
    try:
        text = file.read_text(encoding="utf-8-sig")
        return _from_json(json.loads(text)) if text.lstrip().startswith(("{", "[")) else parse_story(text)
    except UserError as error:
        raise UserError(f"the story '{path}': {error.clause}") from error
    except (ValueError, RecursionError) as error:
        raise UserError(f"the story '{path}' is not UTF-8 text and JSON: {error}") from error


def _from_json(value: Any) -> Story:
    """Return the story of JSON values. Raises UserError for any others."""
    spans = value.get("spans") if isinstance(value, dict) else None
    if not isinstance(spans, list) or not set(value) <= {"fade", "spans"}:
        raise UserError('{"fade": seconds, "spans": [{"start": 0, "end": 2, "text": "..."}]} was expected')
    return Story(tuple(_span_of(span) for span in spans), _number(value.get("fade", 0.0), "fade"))


def _span_of(value: Any) -> Span:
    if not isinstance(value, dict) or set(value) - {"end"} != {"start", "text"} or not isinstance(value["text"], str):
        raise UserError(f"a span is {shorten(value)}; start, end and text were expected")
    end = value.get("end")
    return Span(_number(value["start"], "start"), math.inf if end is None else _number(end, "end"), value["text"])


def _number(value: Any, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < MOST_SECONDS:
        raise UserError(f"'{name}' is {shorten(value)}; a number of seconds was expected")
    return float(value)
