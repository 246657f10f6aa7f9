"""A camera that a model follows by rendering: the source video, seen along the path, takes the place of the source."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch

from ...control.conditions import CameraCondition, Condition, Conditions, DepthCondition, SourceCondition
from ...models.families.by_rendering import rendered_notes
from ...models.families.notes import Note
from ...models.rendering import hole_warnings, moves_camera
from ..bridge.rendering import remembered_rendering
from .plan import ModelFacts


def renders(conditions: Conditions, facts: ModelFacts) -> bool:
    """Return whether the camera of the conditions is to be followed by rendering: a Uni3C control net takes it over."""
    return moves_camera(conditions) and not facts.has_uni3c


def notes_on_rendering(
    notes: Sequence[Note], conditions: Conditions, facts: ModelFacts, words: Mapping[str, str]
) -> list[Note]:
    """Return the notes, those of a camera that is followed by rendering with its share of holes. words: as
    `rendered_notes` has them."""
    if not renders(conditions, facts):
        return list(notes)
    return rendered_notes(notes, conditions, words, remembered_rendering)


def warnings_of_rendering(conditions: Conditions, facts: ModelFacts) -> list[str]:
    """Return a sentence about a camera that leaves what the source video shows. conditions: accepted ones."""
    return hole_warnings(remembered_rendering(conditions).shares) if renders(conditions, facts) else []


def with_rendering(conditions: Conditions, facts: ModelFacts) -> Conditions:
    """Return conditions whose source video and depth are those that the camera sees, with its strength and range.

    The camera is no longer among them. They are as they came where nothing is to be rendered.
    """
    camera = conditions.get(CameraCondition)
    if camera is None or not renders(conditions, facts):
        return conditions
    rendering = remembered_rendering(conditions)
    weight = {"strength": camera.strength, "start": camera.start, "end": camera.end}
    seen: dict[str, Condition] = {
        "source": SourceCondition(frames=rendering.images.numpy(), **weight),
        "depth": DepthCondition(clip=rendering.depth, **weight),
    }
    items = [seen.get(item.name, item) for item in conditions.items if item is not camera]
    return replace(conditions, items=tuple(items))


def hole_mask(conditions: Conditions, facts: ModelFacts) -> torch.Tensor | None:
    """Return a MASK (frames, height, width) of what the camera sees and the source does not show; None where nothing
    is to be rendered."""
    return remembered_rendering(conditions).holes.float() if renders(conditions, facts) else None
