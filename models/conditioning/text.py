"""The words of the miniature: a small transformer over bytes, stored inside the checkpoint.

It reads any language without a vocabulary. Bytes are merged four to a token, so that the network attends to 40 tokens
and not to 160. Letters: B batch, L bytes, N = L / 4 tokens, D width.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from einops import rearrange
from torch import nn
from torch.nn import functional

LENGTH = 160  # bytes that are read; what comes after is cut
MERGED = 4
PAD, END = 0, 1
BYTES = 2  # the id of byte 0
VOCABULARY = BYTES + 256


def tokenize(text: str, length: int = LENGTH) -> torch.Tensor:
    """Text -> ids (length,) int64: its UTF-8 bytes, one END, then PAD. Longer text is cut between characters."""
    data = text.encode("utf-8", errors="replace")
    if len(data) > length - 1:
        data = data[: length - 1].decode("utf-8", errors="ignore").encode("utf-8")
    ids = torch.full((length,), PAD, dtype=torch.int64)
    ids[: len(data) + 1] = torch.tensor([BYTES + byte for byte in data] + [END])
    return ids


class TextLayer(nn.Module):
    """Pre-norm attention and feed-forward; padding is not attended to."""

    def __init__(
        self, dim: int, heads: int, operations: Any = nn, device: Any = None, dtype: torch.dtype | None = None
    ):
        super().__init__()
        factory_kwargs: dict[str, Any] = {"device": device, "dtype": dtype}
        self.heads = heads
        self.norm1 = operations.LayerNorm(dim, **factory_kwargs)
        self.qkv = operations.Linear(dim, 3 * dim, **factory_kwargs)
        self.o = operations.Linear(dim, dim, **factory_kwargs)
        self.norm2 = operations.LayerNorm(dim, **factory_kwargs)
        self.ffn = nn.Sequential(
            operations.Linear(dim, 4 * dim, **factory_kwargs),
            nn.GELU(approximate="tanh"),
            operations.Linear(4 * dim, dim, **factory_kwargs),
        )

    def forward(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """x (B, N, D); mask (B, 1, 1, N) is added to the scores."""
        qkv = rearrange(self.qkv(self.norm1(x)), "b n (three h d) -> three b h n d", three=3, h=self.heads)
        q, k, v = qkv.unbind(0)
        scores = (q * q.shape[-1] ** -0.5) @ k.transpose(-1, -2)
        y = (scores + mask.to(scores)).softmax(-1).to(v) @ v
        x = x + self.o(y.transpose(1, 2).flatten(2))
        result: torch.Tensor = x + self.ffn(self.norm2(x))
        return result


class TextEncoder(nn.Module):
    """Ids (B, L) -> (B, L / 4, dim). Tokens of padding alone come out as zeros, as with Wan's UMT5."""

    def __init__(
        self,
        dim: int = 128,
        layers: int = 2,
        length: int = LENGTH,
        operations: Any = nn,
        device: Any = None,
        dtype: torch.dtype | None = None,
    ):
        super().__init__()
        factory_kwargs: dict[str, Any] = {"device": device, "dtype": dtype}
        self.length = length
        self.embedding = operations.Embedding(VOCABULARY, dim, **factory_kwargs)
        # Overlapping windows: a word reads the same wherever it falls among the groups of four.
        self.merge = operations.Linear(2 * MERGED * dim, dim, **factory_kwargs)
        self.position = nn.Parameter(torch.randn(length // MERGED, dim, **factory_kwargs) * 0.02)
        heads = max(1, dim // 32)
        self.layers = nn.ModuleList(TextLayer(dim, heads, operations, device, dtype) for _ in range(layers))
        self.norm = operations.LayerNorm(dim, **factory_kwargs)

    def forward(self, ids: torch.Tensor, weights: torch.Tensor | None = None) -> torch.Tensor:
        """Encode ids (B, L) int64. `weights` (B, L), one per byte as in `(word:1.2)`, scale how far a token lies from
        what the empty text gives at its place; the mean over its four bytes counts."""
        x = self._encode(ids)
        if weights is not None and bool((weights != 1).any()):
            empty = self._encode(tokenize("", ids.shape[1]).to(ids.device)[None])
            share = rearrange(weights.to(x), "b (n m) -> b n m", m=MERGED).mean(2)[..., None]
            x = torch.where(self._filled(ids)[..., None], empty + (x - empty) * share, x)
        return x

    def _filled(self, ids: torch.Tensor) -> torch.Tensor:
        return rearrange(ids != PAD, "b (n m) -> b n m", m=MERGED).any(2)

    def _encode(self, ids: torch.Tensor) -> torch.Tensor:
        dtype = self.position.dtype
        # In ComfyUI `operations.Embedding` takes the format to give; elsewhere it is that of the weight.
        x = self.embedding(ids).to(dtype) * (ids != PAD).to(dtype)[..., None]
        x = functional.pad(x, (0, 0, MERGED // 2, MERGED // 2)).unfold(1, 2 * MERGED, MERGED)  # (B, N, D, 8)
        x = self.merge(x.flatten(2)) + self.position[: x.shape[1]]
        filled = self._filled(ids)
        mask = torch.zeros(filled.shape, device=ids.device).masked_fill(~filled, -1e4)[:, None, None]
        for layer in self.layers:
            x = layer(x, mask)
        result: torch.Tensor = self.norm(x) * filled[..., None].to(dtype)
        return result

    def encode(self, texts: Sequence[str]) -> torch.Tensor:
        """(B, L / 4, dim) for a list of texts, on the encoder's device."""
        ids = torch.stack([tokenize(text, self.length) for text in texts])
        result: torch.Tensor = self(ids.to(self.position.device))
        return result
