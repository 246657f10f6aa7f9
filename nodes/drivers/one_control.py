"""Models that read one control video at a time: what is refused where a depth clip, or a render, takes its place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ...control.conditions import Conditions
from ...models.families.notes import CONTROL, Note
from .plan import ModelFacts
from .prepare import has_depth
from .rendered import renders


def without_second_control(notes: Sequence[Note], conditions: Conditions, facts: ModelFacts) -> list[Note]:
    """Return the notes, those of control videos refused where the depth or what a camera sees is the control video."""
    if renders(conditions, facts):
        other = "what the camera sees of the source video"
    elif has_depth(conditions):
        other = "the depth clip"
    else:
        return list(notes)
    sentence = f"{facts.family.name} reads one control video at a time, and {other} is that."
    return [replace(note, how="refused", sentence=sentence) if note.facet == CONTROL else note for note in notes]
