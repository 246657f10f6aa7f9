"""A prompt of a node as CONDITIONING: one text, or a story where the model reads one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ...control.conditions import Conditions
from ...control.errors import UserError
from ...control.story import is_story, parse_story
from ..bridge.story import encode_story, has_story
from .plan import Conditioning, ModelFacts


def encode_prompt(clip: Any, text: str, conditions: Conditions, facts: ModelFacts) -> Conditioning:
    """Return the CONDITIONING of a text for the video of the conditions.

    Raises UserError for a story that does not fit the video, or that the model does not read.
    """
    if not is_story(text):
        conditioning: Conditioning = clip.encode_from_tokens_scheduled(clip.tokenize(text))
        return conditioning
    _check_reads_stories(facts)
    video = replace(conditions.video, fps=conditions.fps)
    return encode_story(clip, parse_story(text).fitted(video)[0], video)


def check_stories(conditionings: Sequence[Conditioning], facts: ModelFacts) -> None:
    """Raise UserError for a story where the model reads one text for the whole clip."""
    if any(has_story(conditioning) for conditioning in conditionings):
        _check_reads_stories(facts)


def _check_reads_stories(facts: ModelFacts) -> None:
    if facts.config is None:
        raise UserError(
            f"The prompt has time spans, but {facts.family.name} reads one text for the whole clip: give one prompt, "
            f"or one for each of ComfyUI's context windows (Conditioning Combine, with split_conds_to_windows "
            f"switched on in the windows, and Apply Conditions)."
        )
