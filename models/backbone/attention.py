"""The attention seam: one callable between the network and whatever computes softmax(q k) v.

Every attention of the network calls `attention(q, k, v, heads, transformer_options, kind)` with q (B, L, heads*D), k
and v (B, S, heads*D) and gets (B, L, heads*D). `kind` is 'self' (the video, or the joined sequence), 'condition'
(condition tokens among themselves) or 'text'. A host puts its own callable there.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional

from ...control.errors import UserError

Attention = Callable[..., torch.Tensor]


def sdpa(q, k, v, heads: int, transformer_options: dict | None = None, kind: str = "self") -> torch.Tensor:
    """PyTorch's fused attention: least memory, fastest forward."""
    q, k, v = (x.unflatten(-1, (heads, -1)).transpose(1, 2) for x in (q, k, v))
    return functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)


def explicit(q, k, v, heads: int, transformer_options: dict | None = None, kind: str = "self") -> torch.Tensor:
    """Matrix products and a softmax: on a CPU the backward pass of short sequences is faster than the fused one."""
    q, k, v = (x.unflatten(-1, (heads, -1)).transpose(1, 2) for x in (q, k, v))
    scores = (q * q.shape[-1] ** -0.5) @ k.transpose(-1, -2)
    return (scores.softmax(-1).to(v.dtype) @ v).transpose(1, 2).flatten(2)


BACKENDS: dict[str, Attention] = {"sdpa": sdpa, "explicit": explicit}


def use_backend(model: nn.Module, backend: str | Attention) -> None:
    """Set how `model` (a FullDiT) attends: a name from BACKENDS, or a callable as described above."""
    if isinstance(backend, str):
        if backend not in BACKENDS:
            raise UserError(f"There is no attention {backend!r}. Choose one of: {', '.join(BACKENDS)}.")
        backend = BACKENDS[backend]
    model.attention = backend
