"""Several texts, each read by the latent frames of its time: what the network is given for a story.

Letters: N texts, B batch, S text tokens, D width, T latent frames, L tokens that read.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
import torch

from ...control.errors import UserError
from ...control.story import Story
from ..geometry import LatentGeometry


@dataclass(frozen=True, eq=False)
class TimedText:
    """`states` (N, B, S, D) are the encoded texts, `weights` (N, T) on the CPU what each latent frame reads of each.

    Each column of the weights sums to 1. A batch of 1 serves every clip. Raises UserError for weights of other texts.
    """

    states: torch.Tensor
    weights: torch.Tensor

    def __post_init__(self) -> None:
        if self.states.ndim != 4 or self.weights.ndim != 2 or len(self.states) != len(self.weights):
            raise UserError(
                f"The story has texts of the shape {tuple(self.states.shape)} and weights of the shape "
                f"{tuple(self.weights.shape)}, expected (texts, batch, tokens, width) and (texts, latent frames)."
            )

    @property
    def dtype(self) -> torch.dtype:
        """The number format of the texts."""
        return self.states.dtype

    @property
    def frames(self) -> int:
        """The latent frames that it is for."""
        return self.weights.shape[1]

    def mapped(self, function: Callable[[torch.Tensor], torch.Tensor]) -> TimedText:
        """Return the same with `function` applied to every text (B, S, D)."""
        return replace(self, states=torch.stack([function(text) for text in self.states]))

    def window(self, indices: Sequence[int]) -> TimedText:
        """Return the story of the latent frames `indices`, for sampling a long video by windows."""
        weights = self.weights[:, list(indices)]
        is_read = (weights > 0).any(1)
        return TimedText(self.states[is_read.to(self.states.device)], weights[is_read])

    def shares(self, video: int, length: int, device: torch.device) -> torch.Tensor | list[Share]:
        """Return who reads which text, or the one text that all read: the first `video` of `length` tokens lie evenly
        in the frames.

        Tokens behind them, which are those of conditions in full attention, belong to no frame and read every text by
        its mean weight.
        """
        per_token = self.weights.repeat_interleave(video // self.frames, 1)
        others = self.weights.mean(1, keepdim=True).expand(-1, length - video)
        shares = []
        for text, weights in zip(self.states.unbind(0), torch.cat([per_token, others], 1), strict=True):
            if bool((weights == 1).all()):
                return text
            readers = weights.nonzero()[:, 0]
            if len(readers):
                shares.append(Share(text, readers.to(device), weights[readers, None].to(device)))
        return shares


Text: TypeAlias = torch.Tensor | TimedText  # (B, S, D), or texts with their times


@dataclass(frozen=True, eq=False)
class Share:
    """A text (B, S, D), the indices (n,) of the tokens that read it, and their weights (n, 1)."""

    text: torch.Tensor
    readers: torch.Tensor
    weights: torch.Tensor


def story_weights(story: Story, geometry: LatentGeometry, frames: int, fps: float) -> torch.Tensor:
    """Return the weights (N, T) of a story that was fitted to a video of `frames`: those of the latent frames' middles.

    A cut falls between two latent frames, at the nearest to its time.
    """
    middles = np.array([geometry.middle_frame(k) for k in range(geometry.latent_frames(frames))]) / fps
    return torch.from_numpy(story.weights(middles)).float()
