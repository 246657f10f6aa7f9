"""The two tokenizers that all conditions share.

Letters: B batch, n tokens, C channels, t h w frames and sides of a stream's latent, D width.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn
from torch.nn import functional


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
        with torch.autocast(data.device.type, enabled=False):
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
