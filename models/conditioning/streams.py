"""The registry of token streams: which conditions there are for a network, and what kind of tokens each becomes.

A new condition is one entry (`register_entry`) in `entries.py`, not a branch anywhere: config, tokenizers, budget,
cache keys, encoding, training batches and the benchmark go over the registry.

Two kinds of stream serve everything. A `vector` stream is one token per latent frame, made from numbers by an MLP. A
`video` stream is a latent cut into patches of its own size; larger patches and fewer frames are how a token budget is
chosen.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from ...control.condition import Condition

if TYPE_CHECKING:
    import torch

    from .condition_streams import Stream
    from .encoder import Encoder

# References lie before the clip, far enough to be told from its frames whatever its length.
REFERENCE_TIME = -8


@dataclass(frozen=True)
class StreamType:
    """How one stream becomes tokens.

    kind: 'vector' (data (B, n, D): the numbers of all frames in a latent frame, `features` each) or 'video' (data
    (B, C, t, h, w), cut into `patch` = (frames, rows, columns) of the latent). placed: 'video' for streams that share
    the video's coordinates, 'reference' for images that lie outside its time; those carry a slot. optional: a user may
    give the condition without this stream, so training leaves it out at times. rebase: what makes the data of a part of
    a clip relative to that part, for context windows.
    """

    name: str
    kind: Literal["vector", "video"]
    patch: tuple[int, int, int] = (1, 2, 2)
    features: int = 0
    placed: Literal["video", "reference"] = "video"
    optional: bool = False
    rebase: Callable[[torch.Tensor], torch.Tensor] | None = None

    @property
    def has_slots(self) -> bool:
        """Whether each stream of this type belongs to an identity slot."""
        return self.placed == "reference"


@dataclass(frozen=True)
class ConditionEntry:
    """One condition as a network takes it: its class, its types of streams, and how one becomes the others.

    encode: the streams of a condition, by means of an `Encoder`. It must ask the encoder for every latent, so that the
    same function counts tokens without a VAE.
    """

    condition: type[Condition]
    streams: tuple[StreamType, ...]
    # The condition is an instance of the class above: each entry's function takes its own class.
    encode: Callable[[Any, Encoder], list[Stream]]


ENTRIES: dict[str, ConditionEntry] = {}  # by the condition's name
STREAMS: dict[str, StreamType] = {}  # by the stream's name
CONDITION_OF: dict[str, str] = {}  # stream -> condition


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
