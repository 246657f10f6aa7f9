"""What the video reads of its conditions, computed once and used by every step, prompt and seed.

Letters: B batch, L tokens, D width.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import torch

# Keys and values of the same tokens, each (B, L, D).
KeyValue: TypeAlias = tuple[torch.Tensor, torch.Tensor]
# Cosines and sines of the tokens' positions, each (L, 1, channels of one head); backbone/positions.py makes them.
Rope: TypeAlias = tuple[torch.Tensor, torch.Tensor]


@dataclass(frozen=True, eq=False)
class ConditionKVCache:
    """What the video needs of the conditions, which depends on the attention mode of the checkpoint.

    `decoupled`: `layers`, the K and V (B, L, D) of every block, V scaled by the strengths. `full`: the embedded
    `tokens` (B, L, D) that join the video's sequence, their `rope`, and their `strength` (L, 1), None where all are 1.
    A cache without layers and tokens belongs to no conditions.
    """

    layers: tuple[KeyValue, ...] = ()
    tokens: torch.Tensor | None = None
    rope: Rope | None = None
    strength: torch.Tensor | None = None

    @property
    def nbytes(self) -> int:
        """Return the bytes that its tensors hold."""
        return sum(tensor.nbytes for tensor in self._tensors())

    def expand(self, batch: int) -> ConditionKVCache:
        """Return the cache for `batch` clips: layers and tokens of a batch of 1 repeated, without a copy."""
        return replace(
            self,
            layers=tuple((k.expand(batch, -1, -1), v.expand(batch, -1, -1)) for k, v in self.layers),
            tokens=None if self.tokens is None else self.tokens.expand(batch, -1, -1),
        )

    @property
    def batch(self) -> int:
        """Return the number of clips that it was computed for; 1 for an empty cache."""
        return next((len(tensor) for tensor in self._tensors()), 1)

    def _tensors(self) -> Iterator[torch.Tensor]:
        for key_value in self.layers:
            yield from key_value
        yield from (tensor for tensor in (self.tokens, *(self.rope or ()), self.strength) if tensor is not None)


def concatenate(caches: Sequence[ConditionKVCache]) -> ConditionKVCache:
    """Return one cache with the tokens of all `caches`, in their order; those of a batch of 1 serve every clip."""
    caches = [cache for cache in caches if cache.layers or cache.tokens is not None]
    if len(caches) < 2:
        return caches[0] if caches else ConditionKVCache()
    batch = max(cache.batch for cache in caches)
    caches = [cache.expand(batch) for cache in caches]
    if caches[0].layers:
        every_layer = zip(*(cache.layers for cache in caches), strict=True)
        return ConditionKVCache(layers=tuple(concatenate_key_values(layer) for layer in every_layer))
    tokens = [cache.tokens for cache in caches if cache.tokens is not None]
    ropes = [cache.rope for cache in caches if cache.rope is not None]
    return ConditionKVCache(
        tokens=torch.cat(tokens, 1),
        rope=(torch.cat([cos for cos, _ in ropes]), torch.cat([sin for _, sin in ropes])),
        strength=concatenate_strengths([(cache.strength, part) for cache, part in zip(caches, tokens, strict=True)]),
    )


def concatenate_key_values(parts: Sequence[KeyValue]) -> KeyValue:
    """Return the K and V of several groups of tokens of one block behind each other."""
    return torch.cat([k for k, _ in parts], 1), torch.cat([v for _, v in parts], 1)


def concatenate_strengths(parts: Sequence[tuple[torch.Tensor | None, torch.Tensor]]) -> torch.Tensor | None:
    """Return the strengths (L, 1) of groups of (strength or None for 1, tokens (B, n, D)); None where all are 1."""
    if all(strength is None for strength, _ in parts):
        return None
    return torch.cat(
        [
            torch.ones(tokens.shape[1], 1, device=tokens.device) if strength is None else strength
            for strength, tokens in parts
        ]
    )
