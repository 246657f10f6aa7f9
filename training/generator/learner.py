"""What the generator learns: the velocity of rectified flow, and what an error in it counts."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from ...dataset.loss_weights import object_mask
from ...models.backbone.transformer import FullDiT
from ...models.conditioning.text import TextEncoder
from ...models.geometry import Size3
from ...models.sampling.flow import add_noise, velocity
from .batches import Batch, size_of


class Learner(nn.Module):
    """Network and text encoder as one module whose forward is the loss, so that one unit of FSDP has all of it.

    `text` is None where the clips bring encoded text (Wan's UMT5 is too large to run beside).

    `weights` (C,): what an error in each latent channel counts (`channel_weights`); by default all the same.
    `object_weight`: what it counts in training where an object is (`blanks` are the latents of empty maps by their (T,
    h, w)), else 1: objects are a small part of the image and most of what a reference says.
    """

    weights: Tensor

    def __init__(
        self,
        model: FullDiT,
        text: TextEncoder | None,
        weights: Tensor | None = None,
        blanks: Mapping[Size3, Tensor] | None = None,
        object_weight: float = 1.0,
    ):
        super().__init__()
        self.model = model
        self.text = text
        self.object_weight = object_weight
        self.blanks = dict(blanks or {})
        weights = torch.ones(model.config.out_dim) if weights is None else weights
        self.register_buffer("weights", weights[:, None, None, None], persistent=False)

    def forward(self, batch: Batch, noise: Tensor, t: Tensor) -> Tensor:
        """Return the mean squared error of the velocity, per clip: (B,).

        Where t is per frame, the first one is cleaner than the rest and does not count.
        """
        x = add_noise(batch.video, noise, t)
        v = self.model(x, 1000 * t, self.encode(batch.tokens), batch.conditions)
        error = self.weigh((v.float() - velocity(batch.video, noise)).square(), batch).mean((1, 3, 4))
        return (error[:, 1:] if t.ndim == 2 else error).mean(1)

    def weigh(self, error: Tensor, batch: Batch) -> Tensor:
        """Return the squared error (B, C, T, h, w) times what it counts, by channel and, in training, by place."""
        error = error * self.weights
        if self.training and self.blanks and self.object_weight != 1 and batch.maps is not None:
            blank = self.blanks[size_of(batch.maps)].to(batch.maps)
            error = error * (1 + (self.object_weight - 1) * object_mask(batch.maps, blank))
        return error

    def encode(self, tokens: Tensor) -> Tensor:
        """Return encoded text (B, L, text_dim) of ids (B, L), or as it is where it is encoded already."""
        return tokens if self.text is None else self.text(tokens)
