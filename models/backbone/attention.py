"""The attention seam: one callable between the network and whatever computes softmax(q k^T) v.

A host puts its own callable of the type `Attention` there (`use_backend`).
"""

from __future__ import annotations

from typing import Any, Protocol

import torch
from torch.nn import functional

from ...control.errors import UserError


class Attention(Protocol):
    """What every attention of the network calls: q (B, L, heads*D), k and v (B, S, heads*D) -> (B, L, heads*D).

    `kind` is 'self' (the video, or the joined sequence), 'condition' (condition tokens among themselves) or 'text'.
    `transformer_options` are a host's, untouched.
    """

    def __call__(
        self,
        q: torch.Tensor,
        k: torch.Tensor,
        v: torch.Tensor,
        heads: int,
        transformer_options: dict[str, Any] | None = None,
        kind: str = "self",
    ) -> torch.Tensor: ...


class Attending(Protocol):
    """A network whose attention can be set."""

    attention: Attention


# Without einops, whose bookkeeping took 1 % of a pass of the miniature: this runs in every block of every step.
def split_heads(x: torch.Tensor, heads: int) -> torch.Tensor:
    """Return x (B, L, heads*D) as (B, heads, L, D)."""
    return x.view(*x.shape[:2], heads, -1).transpose(1, 2)


def merge_heads(x: torch.Tensor) -> torch.Tensor:
    """Return x (B, heads, L, D) as (B, L, heads*D)."""
    return x.transpose(1, 2).flatten(2)


def sdpa(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    heads: int,
    transformer_options: dict[str, Any] | None = None,
    kind: str = "self",
) -> torch.Tensor:
    """Attend by PyTorch's fused attention: least memory, fastest forward pass."""
    q, k, v = (split_heads(x, heads) for x in (q, k, v))
    out = functional.scaled_dot_product_attention(q, k, v)
    return merge_heads(out)


def explicit(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    heads: int,
    transformer_options: dict[str, Any] | None = None,
    kind: str = "self",
) -> torch.Tensor:
    """Attend by matrix products and a softmax: on a CPU its backward pass of short sequences is faster than sdpa's."""
    q, k, v = (split_heads(x, heads) for x in (q, k, v))
    scores: torch.Tensor = (q * q.shape[-1] ** -0.5) @ k.transpose(-1, -2)
    out = scores.softmax(-1).to(v.dtype) @ v
    return merge_heads(out)


BACKENDS: dict[str, Attention] = {"sdpa": sdpa, "explicit": explicit}


def use_backend(model: Attending, backend: str | Attention) -> None:
    """Set how `model` attends: by a name of BACKENDS or a callable. Raises UserError for an unknown name."""
    if isinstance(backend, str):
        if backend not in BACKENDS:
            raise UserError(f"There is no attention {backend!r}. Choose one of: {', '.join(BACKENDS)}.")
        backend = BACKENDS[backend]
    model.attention = backend
