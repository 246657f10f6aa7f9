"""Conditions on their way through core's samplers: one object, never cut into tensors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import comfy.conds

from ...models.conditioning.condition_streams import ConditionStreams
from ...models.geometry import LatentGeometry

KEY = "fulldit"  # in the options of a conditioning entry
ARGUMENT = "conditions"  # as the network's argument, and as the name of the model cond


@dataclass(frozen=True, eq=False)
class ScheduledStreams:
    """Streams with the sigmas between which each takes part.

    `spans[i]` = (first, last) sigma of stream i, both included, as core turns percents into sigmas.
    """

    streams: ConditionStreams
    spans: tuple[tuple[float, float], ...]
    geometry: LatentGeometry

    @property
    def are_permanent(self) -> bool:
        """Whether all streams take part from the first step to the last."""
        return all(first == float("inf") and last <= 0 for first, last in self.spans)

    def active(self, sigma: float) -> ConditionStreams | None:
        """Return the streams that take part at `sigma`, or None."""
        indices = [i for i, (first, last) in enumerate(self.spans) if last - 1e-6 <= sigma <= first + 1e-6]
        return self.streams.subset(indices) if indices else None

    def window(self, indices: Sequence[int]) -> ScheduledStreams:
        """Return the same for a context window of latent frames."""
        return ScheduledStreams(self.streams.window(indices), self.spans, self.geometry)


class CONDShared(comfy.conds.CONDRegular):
    """One object for a whole batch. Two entries run together only where they hold the same object."""

    cond: Any

    def process_cond(self, batch_size: int, **kwargs: Any) -> CONDShared:
        """Return this object: it serves any batch."""
        return self

    def can_concat(self, other: Any) -> bool:
        """Whether two entries may run in one batch."""
        return self.cond is other.cond

    def concat(self, others: Any) -> Any:
        """Return the one object of entries that run in one batch."""
        return self.cond

    def size(self) -> list[int]:
        """Return a size that takes no memory beside the latent's."""
        return [0]


class CONDFullDiT(CONDShared):
    """The `ScheduledStreams` of an entry."""

    cond: ScheduledStreams

    def size(self) -> list[int]:
        """Return the size as latent elements: core estimates memory from shapes of latents."""
        return latent_equivalent(self.cond.streams, self.cond.geometry)


def latent_equivalent(streams: ConditionStreams, geometry: LatentGeometry) -> list[int]:
    """Return the shape (1, C, n) of a latent that would make as many tokens as the streams."""
    tokens = sum(stream.data.shape[0] * stream.tokens for stream in streams.streams)
    return [1, geometry.channels, geometry.elements_per_token * tokens]
