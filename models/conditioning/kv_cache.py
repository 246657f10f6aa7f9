"""What the video reads of its conditions, computed once and used by every step, prompt and seed.

Letters: B batch, L tokens, D width.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
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

    `decoupled`: `layers`, the K and V (B, L, D) of every block, V scaled by the strengths; None for a block in which
    the video reads no conditions. `full`: the embedded `tokens` (B, L, D) that join the video's sequence, their `rope`,
    and their `strength` (L, 1), None where all are 1. `added`: what is added to the video's tokens (B, L, D), in both
    modes (tokenizers.py). A cache without any of these belongs to no conditions. `lengths`: how many of the layers'
    tokens each process
    has, where several share a sequence (backbone/sequence_parallel.py).
    """

    layers: tuple[KeyValue | None, ...] = ()
    tokens: torch.Tensor | None = None
    rope: Rope | None = None
    strength: torch.Tensor | None = None
    added: torch.Tensor | None = None
    lengths: tuple[int, ...] = ()

    @property
    def nbytes(self) -> int:
        """Return the bytes that its tensors hold."""
        return sum(tensor.nbytes for tensor in self._tensors())

    def expand(self, batch: int) -> ConditionKVCache:
        """Return the cache for `batch` clips: layers and tokens of a batch of 1 repeated, without a copy."""
        return replace(
            self,
            layers=self._map_layers(lambda tensor: tensor.expand(batch, -1, -1)),
            tokens=None if self.tokens is None else self.tokens.expand(batch, -1, -1),
            added=None if self.added is None else self.added.expand(batch, -1, -1),
        )

    def to(self, device: torch.device | str) -> ConditionKVCache:
        """Return the cache on a device."""
        return self._mapped(lambda tensor: tensor.to(device, non_blocking=True))

    def in_main_memory(self) -> ConditionKVCache:
        """Return a copy in main memory, pinned where a GPU is to read it from there."""
        return self._mapped(lambda tensor: tensor.cpu().pin_memory() if tensor.is_cuda else tensor.to("cpu", copy=True))

    def _mapped(self, function: Callable[[torch.Tensor], torch.Tensor]) -> ConditionKVCache:
        return replace(
            self,
            layers=self._map_layers(function),
            tokens=None if self.tokens is None else function(self.tokens),
            rope=None if self.rope is None else (function(self.rope[0]), function(self.rope[1])),
            strength=None if self.strength is None else function(self.strength),
            added=None if self.added is None else function(self.added),
        )

    def _map_layers(self, function: Callable[[torch.Tensor], torch.Tensor]) -> tuple[KeyValue | None, ...]:
        return tuple(None if layer is None else (function(layer[0]), function(layer[1])) for layer in self.layers)

    @property
    def batch(self) -> int:
        """Return the number of clips that it was computed for; 1 for an empty cache."""
        return next((len(tensor) for tensor in self._tensors()), 1)

    def _tensors(self) -> Iterator[torch.Tensor]:
        for key_value in self.layers:
            yield from key_value or ()
        others = (self.tokens, self.added, *(self.rope or ()), self.strength)
        yield from (tensor for tensor in others if tensor is not None)


def concatenate(caches: Sequence[ConditionKVCache]) -> ConditionKVCache:
    """Return one cache with the tokens of the sequence of all `caches`, in their order; those of a batch of 1 serve
    every clip."""
    caches = [cache for cache in caches if cache.layers or cache.tokens is not None]
    if len(caches) < 2:
        return caches[0] if caches else ConditionKVCache()
    batch = max(cache.batch for cache in caches)
    caches = [cache.expand(batch) for cache in caches]
    if caches[0].layers:
        every_layer = zip(*(cache.layers for cache in caches), strict=True)
        return ConditionKVCache(
            layers=tuple(_concatenate_layers(layers) for layers in every_layer),
            lengths=tuple(map(sum, zip(*(cache.lengths for cache in caches), strict=True))),
        )
    tokens = [cache.tokens for cache in caches if cache.tokens is not None]
    ropes = [cache.rope for cache in caches if cache.rope is not None]
    return ConditionKVCache(
        tokens=torch.cat(tokens, 1),
        rope=(torch.cat([cos for cos, _ in ropes]), torch.cat([sin for _, sin in ropes])),
        strength=concatenate_strengths([(cache.strength, part) for cache, part in zip(caches, tokens, strict=True)]),
    )


def _concatenate_layers(layers: Sequence[KeyValue | None]) -> KeyValue | None:
    """Return the K and V of one block in several caches; None where none has any."""
    present = [layer for layer in layers if layer is not None]
    return concatenate_key_values(present) if present else None


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
