"""Conditions on their way through core's samplers: one object, never cut into tensors."""

from __future__ import annotations

from typing import Any

import comfy.conds

KEY = "fulldit"  # in the options of a conditioning entry
ARGUMENT = "conditions"  # as the network's argument, and as the name of the model cond


class Held:
    """Streams with the sigmas between which each takes part.

    `conditions` is a models.conditions.Conditions; `spans[i]` = (first, last) sigma of stream i, both included, as core
    turns percents into sigmas.
    """

    def __init__(self, conditions: Any, spans: tuple[tuple[float, float], ...]):
        self.conditions = conditions
        self.spans = spans

    def active(self, sigma: float) -> Any | None:
        """The Conditions of the streams that take part at `sigma`, or None."""
        indices = [i for i, (first, last) in enumerate(self.spans) if last - 1e-6 <= sigma <= first + 1e-6]
        return self.conditions.subset(indices) if indices else None

    def window(self, indices: list[int]) -> Held:
        """The same for a context window of latent frames."""
        return Held(self.conditions.window(indices), self.spans)


class CONDFullDiT(comfy.conds.CONDRegular):
    """One `Held` for a whole batch. Two entries run together only where they hold the same object."""

    def process_cond(self, batch_size, **kwargs):
        return self

    def can_concat(self, other):
        return self.cond is other.cond

    def concat(self, others):
        return self.cond

    def size(self):
        """As latent elements (1, 16, n): core estimates memory from shapes of latents."""
        return latent_size(self.cond.conditions)


def latent_size(conditions: Any) -> list[int]:
    """Conditions as the shape of a latent that would make as many tokens."""
    # A token is a patch of 1x2x2 elements, whatever it was made from.
    return [1, 16, 4 * sum(stream.data.shape[0] * stream.tokens for stream in conditions.streams)]
