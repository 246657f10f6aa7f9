"""Ranges of conditions as spans of conditioning: in each part of sampling exactly the conditions that hold there.

Core runs an entry of a CONDITIONING between two percents of sampling, both included.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ...control.conditions import Conditions
from .plan import Conditioning

# Two entries that meet in a step would be averaged there. Steps lie at round percents, so spans meet beside them.
BESIDE = 3.3e-6


@dataclass(frozen=True)
class Span:
    """A part of sampling, in shares of it, and the conditions that hold there."""

    start: float
    end: float
    conditions: Conditions


def spans(conditions: Conditions) -> list[Span]:
    """Return the parts of sampling in which the same conditions hold, from 0 to 1 without a gap."""
    ranges = [(part.start, part.end) for item in conditions.items for part in item.parts]
    marks = sorted({0.0, 1.0, *(value for pair in ranges for value in pair)})
    result: list[Span] = []
    for start, end in zip(marks, marks[1:], strict=False):
        held = _within(conditions, (start + end) / 2)
        if result and _same(result[-1].conditions, held):
            result[-1] = dataclasses.replace(result[-1], end=end)
        else:
            result.append(Span(start, end, held))
    return result


def _within(conditions: Conditions, moment: float) -> Conditions:
    """The conditions that hold at a moment and have an effect."""
    items = [
        item.with_parts([part for part in item.parts if part.strength and part.start <= moment <= part.end])
        for item in conditions.items
    ]
    return dataclasses.replace(conditions, items=tuple(item for item in items if item is not None))


def _same(one: Conditions, other: Conditions) -> bool:
    """Whether the same objects hold."""
    parts = [[part for item in both.items for part in item.parts] for both in (one, other)]
    return len(parts[0]) == len(parts[1]) and all(a is b for a, b in zip(*parts, strict=True))


def over_spans(
    conditioning: Conditioning,
    parts: list[Span],
    keys: Callable[[Conditions], Mapping[str, Any]],
    replaced: Iterable[str] = (),
) -> Conditioning:
    """Return a CONDITIONING that carries, in each span, the options that `keys` gives for its conditions.

    An entry's own range is kept: only what lies in both remains. replaced: options that are dropped, since they are
    from other conditions, such as those of an Apply Conditions before.
    """
    result: Conditioning = []
    for span in parts:
        extra = dict(keys(span.conditions))
        for text, options in conditioning:
            options = {name: value for name, value in options.items() if name not in replaced}
            if len(parts) == 1:
                result.append([text, {**options, **extra}])
                continue
            start = max(span.start + BESIDE if span.start else 0.0, options.get("start_percent", 0.0))
            end = min(span.end + BESIDE if span.end < 1 else 1.0, options.get("end_percent", 1.0))
            if start < end:
                result.append([text, {**options, **extra, "start_percent": start, "end_percent": end}])
    return result
