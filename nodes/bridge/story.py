"""A story in the host's CONDITIONING: the texts behind each other as one entry, and who reads which.

The entry says the times in seconds; how they fall on latent frames is the model's to say, when it is known
(`base_model.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from einops import rearrange

from ...control.condition import VideoSize
from ...control.errors import UserError
from ...control.story import Story
from ...models.conditioning.timed_text import TimedText, story_weights
from ...models.geometry import LatentGeometry

KEY = "fulldit_story"  # in the options of a conditioning entry
ARGUMENT = "story"  # as the network's argument, and as the name of the model cond


@dataclass(frozen=True)
class StoryTimes:
    """A story over the whole of a video of `frames` at `fps`, whose texts are `tokens` long in all."""

    story: Story
    frames: int
    fps: float
    tokens: int

    def weights(self, text: torch.Tensor, latent_frames: int, geometry: LatentGeometry) -> StoryWeights:
        """Return who reads which text of an entry (B, tokens, D). Raises UserError for another text or length."""
        frames = geometry.video_size((latent_frames, 1, 1))[0]
        if frames != self.frames:
            raise UserError(
                f"The story is for {self.frames} frames, but the latent to sample is one of {frames}. Connect the same "
                f"Conditions to Story and to Apply Conditions."
            )
        if text.shape[1] != self.tokens:
            raise UserError(
                "The texts of the story were joined with another text, so that their times are lost: write everything "
                "into the story."
            )
        return StoryWeights(story_weights(self.story, geometry, self.frames, self.fps))


@dataclass(frozen=True, eq=False)
class StoryWeights:
    """The weights (texts, latent frames) on their way through core: an object, which core neither casts nor cuts."""

    weights: torch.Tensor

    def window(self, indices: Sequence[int]) -> StoryWeights:
        """Return the same for a context window of latent frames."""
        return StoryWeights(self.weights[:, list(indices)])

    def timed(self, text: torch.Tensor) -> TimedText:
        """Return the texts of an entry (B, tokens, D) with their weights."""
        return TimedText(rearrange(text, "b (n s) d -> n b s d", n=len(self.weights)), self.weights)


def encode_story(clip: Any, story: Story, video: VideoSize) -> list[list[Any]]:
    """Return the CONDITIONING of a story that was fitted to `video`, by a CLIP of the host."""
    encoded = [clip.encode_from_tokens_scheduled(clip.tokenize(text)) for text in story.texts]
    entries = []
    for parts in zip(*encoded, strict=True):  # one part of each text; several where hooks change the CLIP on the way
        states = torch.cat([state for state, _ in parts], 1)
        times = StoryTimes(story, video.frames, video.fps, states.shape[1])
        entries.append([states, {**parts[0][1], KEY: times}])
    return entries


def has_story(conditioning: Sequence[Sequence[Any]]) -> bool:
    """Return whether any entry of a CONDITIONING tells a story."""
    return any(KEY in options for _, options in conditioning)
