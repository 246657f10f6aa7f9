"""The types of token streams: what kind of tokens each becomes. `registry.py` fills them in.

Two kinds of stream serve everything. A `vector` stream is one token per latent frame, made from numbers by an MLP. A
`video` stream is a latent cut into patches of its own size; larger patches and fewer frames are how a token budget is
chosen.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import torch

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


STREAMS: dict[str, StreamType] = {}  # by the stream's name
CONDITION_OF: dict[str, str] = {}  # stream -> condition, in the order of the conditions
