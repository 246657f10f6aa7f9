"""The two tokenizers that all conditions share, and all of a model's.

Letters: B batch, n tokens, C channels, t h w frames and sides of a stream's latent, D width.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from ...control.errors import UserError
from ..config import FullDiTConfig
from ..devices import without_autocast
from .condition_streams import ConditionStreams, Stream
from .streams import STREAMS


def weight_dtype(layer: nn.Module) -> torch.dtype:
    """The format that a layer computes in: its weight's, or float32 where that is a format for storage only (fp8)."""
    weight: Any = layer.weight  # a host's layers hold tensors of kinds of their own
    dtype: torch.dtype = weight.dtype
    return dtype if dtype.is_floating_point and dtype.itemsize > 1 else torch.float32


class Tokenizer(nn.Module):
    """What both kinds share: a learned vector for the type, and one per slot where the stream has slots.

    The vector of the type starts at zero, so that a stream begins as what its embedding says; those of the slots start
    as directions of their own, long enough to be seen beside what the embeddings say (`initialize_tokenizers`).
    """

    def __init__(self, dim: int, slots: int = 0, device: Any = None, dtype: torch.dtype | None = None):
        super().__init__()
        self.type_vector = nn.Parameter(torch.zeros(dim, device=device, dtype=dtype))
        self.slot_vectors = nn.Parameter(torch.zeros(slots, dim, device=device, dtype=dtype)) if slots else None

    def mark(self, tokens: torch.Tensor, slot: int | None) -> torch.Tensor:
        """Add the vectors to tokens (B, n, D)."""
        tokens = tokens + self.type_vector.to(tokens)
        if self.slot_vectors is not None:
            tokens = tokens + self.slot_vectors.to(tokens)[slot]
        return tokens


class VectorTokenizer(Tokenizer):
    """(B, n, features) float32 -> (B, n, D) by an MLP that computes in float32 whatever the rest does: small
    differences of poses are what the camera is about."""

    def __init__(
        self,
        dim: int,
        features: int,
        slots: int = 0,
        operations: Any = nn,
        device: Any = None,
        dtype: torch.dtype | None = None,
    ):
        super().__init__(dim, slots, device, dtype)
        self.net = nn.Sequential(
            operations.Linear(features, dim, device=device, dtype=torch.float32),
            nn.SiLU(),
            operations.Linear(dim, dim, device=device, dtype=torch.float32),
        )

    def forward(self, data: torch.Tensor, dtype: torch.dtype, slot: int | None = None) -> torch.Tensor:
        with without_autocast(data.device):
            tokens = self.net(data.to(weight_dtype(self.net[0])))
        return self.mark(tokens.to(dtype), slot)


class PatchTokenizer(Tokenizer):
    """(B, C, t, h, w) -> (B, n, D) by a patch embedding of its own. Sides that the patch does not divide are padded
    by repeating the edge."""

    def __init__(
        self,
        dim: int,
        channels: int,
        patch: Sequence[int],
        slots: int = 0,
        operations: Any = nn,
        device: Any = None,
        dtype: torch.dtype | None = None,
    ):
        super().__init__(dim, slots, device, dtype)
        self.patch = tuple(patch)
        self.patch_embedding = operations.Conv3d(
            channels, dim, kernel_size=self.patch, stride=self.patch, device=device, dtype=torch.float32
        )

    def forward(self, data: torch.Tensor, dtype: torch.dtype, slot: int | None = None) -> torch.Tensor:
        data = pad_to_patch(data, self.patch)
        tokens = self.patch_embedding(data.to(weight_dtype(self.patch_embedding))).to(dtype).flatten(2).transpose(1, 2)
        return self.mark(tokens, slot)


def make_tokenizers(
    config: FullDiTConfig, operations: Any = nn, device: Any = None, dtype: torch.dtype | None = None
) -> nn.ModuleDict:
    """Return the tokenizers of all streams that a config has, by the streams' names."""
    # Their vectors are few and cast where they are used: formats for storage only (fp8) would blur them.
    if dtype is not None and dtype.itemsize == 1:
        dtype = torch.float32
    tokenizers = nn.ModuleDict()
    for name in config.streams:
        kind = STREAMS[name]
        if kind.tokenizer in tokenizers:
            continue
        slots = config.slots if kind.has_slots else len(config.sharing(kind.tokenizer))
        common = (slots, operations, device, dtype)
        if kind.kind == "vector":
            features = kind.features * config.temporal_compression
            tokenizers[kind.tokenizer] = VectorTokenizer(config.dim, features, *common)
        else:
            channels = config.in_dim + (config.temporal_compression if kind.masked else 0)
            tokenizers[kind.tokenizer] = PatchTokenizer(config.dim, channels, config.patch_of(name), *common)
    return tokenizers


def embed_stream(tokenizers: nn.ModuleDict, config: FullDiTConfig, stream: Stream, dtype: torch.dtype) -> torch.Tensor:
    """Return the tokens (B, n, D) of one stream. Raises UserError where the checkpoint does not take it."""
    if stream.name not in config.streams:
        has = ", ".join(config.streams) or "none"
        raise UserError(
            f"This checkpoint does not take the condition {stream.condition!r} (stream {stream.name!r}; it has "
            f"{has}). Remove the condition, or load a checkpoint that was trained with it."
        )
    if stream.slot is not None and not 0 <= stream.slot < config.slots:
        raise UserError(
            f"An identity has the slot {stream.slot}, but the checkpoint has slots 0 to {config.slots - 1}."
        )
    if stream.kind.kind == "video" and stream.patch != config.patch_of(stream.name):
        raise UserError(
            f"The stream {stream.name!r} is cut into patches of {stream.patch}, but the checkpoint reads patches "
            f"of {config.patch_of(stream.name)}. Encode the conditions with this checkpoint's config."
        )
    name = stream.kind.tokenizer
    slot = config.sharing(name).index(stream.name) if stream.kind.shared else stream.slot
    tokens: torch.Tensor = tokenizers[name](stream.data, dtype, slot)
    return tokens


def embed_added(
    tokenizers: nn.ModuleDict, config: FullDiTConfig, conditions: ConditionStreams, dtype: torch.dtype
) -> torch.Tensor | None:
    """Return the sum (B, L, D) of all tokens that are added to the video's, each times its strength, or None.

    With a patch embedding W of the video and one W' of such a stream, W x + W' y is what [W W'] makes of the channels
    of x and y together. Raises UserError as `embed_stream` does, and for a latent of another size than the video's.
    """
    total: torch.Tensor | None = None
    for stream in (stream for stream in conditions.streams if stream.kind.is_added):
        if tuple(stream.data.shape[2:]) != conditions.latent_size:
            raise UserError(
                f"The latent of the stream {stream.name!r} is {tuple(stream.data.shape[2:])} (frames, height, width), "
                f"but it is added to the video's, {conditions.latent_size}: give one of the same size."
            )
        tokens = stream.strength * embed_stream(tokenizers, config, stream, dtype)
        total = tokens if total is None else total + tokens
    return total


def pad_to_patch(x: torch.Tensor, patch: Sequence[int]) -> torch.Tensor:
    """Repeat the far edges of (B, C, t, h, w) until `patch` divides the sides."""
    pads = [-side % p for side, p in zip(x.shape[2:], patch, strict=True)]
    if any(pads):
        x = functional.pad(x, (0, pads[2], 0, pads[1], 0, pads[0]), mode="replicate")
    return x


def widen_patch(weight: torch.Tensor, patch: Sequence[int]) -> torch.Tensor:
    """A patch embedding's weight (D, C, t, h, w) for another patch size: on a larger patch it gives the mean of what
    the original gives on the pieces; for a smaller one the kernel is averaged."""
    old = weight.shape[2:]
    if all(new % o == 0 for new, o in zip(patch, old, strict=True)):
        times = [new // o for new, o in zip(patch, old, strict=True)]
        return weight.repeat(1, 1, *times) / (times[0] * times[1] * times[2])
    return functional.interpolate(weight.float(), tuple(patch), mode="area").to(weight.dtype)
