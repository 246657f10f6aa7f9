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
    the video's coordinates, 'reference' for images that lie outside its time; those carry a slot. 'added' is a latent
    of the video's own size, cut as the video is, whose tokens are added to the video's instead of joining the sequence:
    the same as further input channels of the network (channel concatenation), at no token. optional: a user may
    give the condition without this stream, so training leaves it out at times. rebase: what makes the data of a part of
    a clip relative to that part, for context windows. masked: behind the channels of its latent come those of a mask,
    one for each frame of a latent frame (`Encoder.encode_mask`). shared: the name of the tokenizer that this stream has
    in common with others of the same kind and patch; each of them then has a learned vector of its own in it.
    """

    name: str
    kind: Literal["vector", "video"]
    patch: tuple[int, int, int] = (1, 2, 2)
    features: int = 0
    placed: Literal["video", "reference", "added"] = "video"
    optional: bool = False
    rebase: Callable[[torch.Tensor], torch.Tensor] | None = None
    masked: bool = False
    shared: str = ""

    @property
    def tokenizer(self) -> str:
        """The name of its tokenizer in a network: its own, or the one that it shares."""
        return self.shared or self.name

    def __post_init__(self) -> None:
        if self.is_added and (self.kind != "video" or self.shared):
            raise ValueError(
                f"the stream {self.name!r} is added to the video: it is a latent with a tokenizer of its own"
            )

    @property
    def is_added(self) -> bool:
        """Whether its tokens are added to the video's."""
        return self.placed == "added"

    @property
    def has_slots(self) -> bool:
        """Whether each stream of this type belongs to an identity slot."""
        return self.placed == "reference"


STREAMS: dict[str, StreamType] = {}  # by the stream's name
CONDITION_OF: dict[str, str] = {}  # stream -> condition, in the order of the conditions
