"""The registry of conditions as a network takes them.

A new condition is one entry (`register_entry`) in `entries.py`, not a branch anywhere: config, tokenizers, budget,
cache keys, encoding, training batches and the benchmark go over the registry.
"""

from __future__ import annotations

from collections.abc import Callable, Container
from dataclasses import dataclass
from typing import Any

from ...control.condition import Condition
from .condition_streams import Stream
from .encoder import Encoder
from .streams import CONDITION_OF, STREAMS, StreamType


@dataclass(frozen=True)
class ConditionEntry:
    """One condition as a network takes it: its class, its types of streams, and how one becomes the others.

    encode: the streams of a condition, by means of an `Encoder`. It must ask the encoder for every latent, so that the
    same function counts tokens without a VAE. any_of: the condition comes with some of its streams at a time, and a
    checkpoint that knows any of them takes it; else a checkpoint must know them all.
    """

    condition: type[Condition]
    streams: tuple[StreamType, ...]
    # The condition is an instance of the class above: each entry's function takes its own class.
    encode: Callable[[Any, Encoder], list[Stream]]
    any_of: bool = False

    def is_known(self, streams: Container[str]) -> bool:
        """Return whether a checkpoint with these streams takes the condition."""
        return (any if self.any_of else all)(stream.name in streams for stream in self.streams)


ENTRIES: dict[str, ConditionEntry] = {}  # by the condition's name


def register_entry(entry: ConditionEntry) -> ConditionEntry:
    """Add an entry; the registry keeps the order of the conditions themselves."""
    entries = sorted([*ENTRIES.values(), entry], key=lambda one: one.condition.order)
    for registry in (ENTRIES, STREAMS, CONDITION_OF):
        registry.clear()
    for one in entries:
        ENTRIES[one.condition.name] = one
        for stream in one.streams:
            STREAMS[stream.name] = stream
            CONDITION_OF[stream.name] = one.condition.name
    return entry


def streams_of(condition: str) -> tuple[str, ...]:
    """Return the names of the streams that a condition becomes."""
    return tuple(stream.name for stream in ENTRIES[condition].streams)
