"""What a strength becomes where a family has fewer scales than the user has strengths."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence

from ...control.conditions import Conditions
from ...models.families.notes import Note


def strengths_of(conditions: Conditions, names: Iterable[str]) -> list[float]:
    """Return the strengths above 0 of the conditions with these names, one for each of their parts."""
    found = []
    for item in conditions.items:
        if item.name not in set(names):
            continue
        found += [part.strength for part in item.parts if part.strength]
    return found


def one_strength(conditions: Conditions, names: Iterable[str]) -> float:
    """Return the one strength that stands for several: the largest; 1 without any."""
    return max(strengths_of(conditions, names), default=1.0)


def say_one_strength(notes: Sequence[Note], conditions: Conditions, names: Iterable[str], what: str) -> list[Note]:
    """Return the notes, those of `names` with a word about it where their strengths differ. what: that has only one."""
    strengths = strengths_of(conditions, names)
    if len(set(strengths)) < 2:
        return list(notes)
    return _with_words(
        notes, names, f"{what} has one strength for all of them, so the largest, {max(strengths):g}, is used."
    )


def say_on_or_off(notes: Sequence[Note], conditions: Conditions, names: Iterable[str]) -> list[Note]:
    """Return the notes, those of `names` with a word about it where a strength is neither 0 nor 1."""
    changed = [name for name in names if any(value != 1 for value in strengths_of(conditions, [name]))]
    return (
        _with_words(notes, changed, "Its strength can only be 0 or 1 here, so 1 is used.") if changed else list(notes)
    )


def _with_words(notes: Sequence[Note], names: Iterable[str], words: str) -> list[Note]:
    names = set(names)
    return [
        dataclasses.replace(note, how="part" if note.how == "native" else note.how, sentence=f"{note.sentence} {words}")
        if note.facet in names and note.how in ("native", "part", "rendered")
        else note
        for note in notes
    ]
