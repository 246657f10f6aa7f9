"""One sequence over several processes: each has a part of the tokens, and in attention all tokens of some heads.

DeepSpeed-Ulysses (arXiv 2309.14509) over torch's collectives. Everything but attention works on the tokens at hand, so
that a process holds its share of the activations; around attention, tokens are exchanged for heads and back. Nothing is
approximated. Letters: B batch, L all tokens, l those of a process, H heads, P processes, D channels of one head.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.distributed as dist

from ...control.errors import UserError
from .attention import Attention

LENGTHS = "sequence_lengths"  # in transformer_options: how many queries, and how many keys, each process has


class SequenceParallel:
    """The processes of `group`, among which the tokens of every sequence are dealt in one order, evenly up to one."""

    def __init__(self, group: dist.ProcessGroup):
        self.group = group
        self.rank, self.count = dist.get_rank(group), dist.get_world_size(group)

    def lengths(self, total: int) -> tuple[int, ...]:
        """Return how many of `total` tokens each process has."""
        return tuple(total // self.count + (rank < total % self.count) for rank in range(self.count))

    def take(self, x: torch.Tensor, dim: int) -> torch.Tensor:
        """Return this process's part of what all of them have: tokens, or what belongs to tokens, along `dim`."""
        lengths = self.lengths(x.shape[dim])
        return x.narrow(dim, sum(lengths[: self.rank]), lengths[self.rank])

    def gather(self, x: torch.Tensor, total: int) -> torch.Tensor:
        """Return all tokens (B, total, C) of the parts x (B, l, C), in every process."""
        parts = x.transpose(0, 1).repeat(self.count, 1, 1)
        return self._exchange(parts, [x.shape[1]] * self.count, self.lengths(total)).transpose(0, 1)

    def over_heads(self, attention: Attention) -> Attention:
        """Return `attention` for parts of sequences: the tokens of all processes meet there, each with some heads.

        It finds in `transformer_options` how the tokens are dealt (LENGTHS). The text, which every process has whole,
        is attended to as it is.
        """

        def attend(
            q: torch.Tensor,
            k: torch.Tensor,
            v: torch.Tensor,
            heads: int,
            transformer_options: dict[str, Any] | None = None,
            kind: str = "self",
        ) -> torch.Tensor:
            if kind == "text":
                return attention(q, k, v, heads, transformer_options=transformer_options, kind=kind)
            if heads % self.count:
                raise UserError(f"{self.count} processes cannot share {heads} heads: take a divisor of {heads}.")
            queries, keys = (transformer_options or {})[LENGTHS]
            q, k, v = self._to_heads(q, queries), self._to_heads(k, keys), self._to_heads(v, keys)
            out = attention(q, k, v, heads // self.count, transformer_options=transformer_options, kind=kind)
            return self._to_tokens(out, queries)

        return attend

    def _to_heads(self, x: torch.Tensor, lengths: Sequence[int]) -> torch.Tensor:
        """Return (B, L, H/P * D), all tokens of this process's heads, of its tokens x (B, l, H * D)."""
        b, length, _ = x.shape
        parts = x.reshape(b, length, self.count, -1).permute(2, 1, 0, 3).flatten(0, 1)  # (P l, B, H/P D)
        return self._exchange(parts, [length] * self.count, lengths).transpose(0, 1)

    def _to_tokens(self, x: torch.Tensor, lengths: Sequence[int]) -> torch.Tensor:
        """Undo `_to_heads`."""
        length = lengths[self.rank]
        parts = self._exchange(x.transpose(0, 1), lengths, [length] * self.count)  # (P l, B, H/P D)
        return parts.view(self.count, length, *parts.shape[1:]).permute(2, 1, 0, 3).flatten(2)

    def _exchange(self, x: torch.Tensor, sent: Sequence[int], received: Sequence[int]) -> torch.Tensor:
        """Send `sent[p]` rows of x to each process p and return the rows received from all, in their order."""
        from torch.distributed import _functional_collectives as collectives

        result: torch.Tensor = collectives.all_to_all_single_autograd(
            x.contiguous(), list(received), list(sent), self.group
        )
        return result
