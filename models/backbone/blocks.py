"""The parts of a Wan 2.1 transformer, with Wan's names for its weights.

Every layer with weights comes from `operations` (torch.nn, or a host's classes of the same names). Plain parameters are
cast where they are used, since a host may keep them in another format than the activations.
Letters: B batch, L tokens, S tokens attended to, D width, e modulation vectors.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import nn

from .attention import Attention
from .positions import apply_rope

Rope = tuple[torch.Tensor, torch.Tensor]
KeyValue = tuple[torch.Tensor, torch.Tensor]


def spread(e: torch.Tensor, length: int) -> torch.Tensor:
    """Modulation (B, n, D) over `length` tokens: one for all (n = 1), one per token, or one per frame of length / n."""
    if e.shape[1] in (1, length):
        return e
    return e.repeat_interleave(length // e.shape[1], dim=1)


def modulate(x: torch.Tensor, shift: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    """shift + x (1 + scale), in the format that the next matrix product wants."""
    y = torch.addcmul(spread(shift, x.shape[1]), x, 1 + spread(scale, x.shape[1]))
    return to_matmul(y)


def to_matmul(y: torch.Tensor) -> torch.Tensor:
    """Under autocast, cast once what several layers read; each of them would cast it again."""
    if torch.is_autocast_enabled(y.device.type):
        return y.to(torch.get_autocast_dtype(y.device.type))
    return y


def add_gated(x: torch.Tensor, y: torch.Tensor, gate: torch.Tensor) -> torch.Tensor:
    """x + y gate, in the format of x."""
    return torch.addcmul(x, y.to(x.dtype), spread(gate, x.shape[1]).to(x.dtype))


def normalize(norm: nn.Module, x: torch.Tensor) -> torch.Tensor:
    """Apply an RMSNorm. Under autocast its weight is wider than x, for which torch has no fused kernel; written out
    with a norm that sums in float32 it takes a third of the time there."""
    if type(norm) is nn.RMSNorm and norm.weight.dtype != x.dtype:
        square = torch.linalg.vector_norm(x, dim=-1, keepdim=True, dtype=torch.float32).square()
        return x * torch.rsqrt(square / x.shape[-1] + norm.eps).to(x.dtype) * norm.weight.to(x.dtype)
    return norm(x)


class SelfAttention(nn.Module):
    """Attention with normalized queries and keys, turned by their positions."""

    def __init__(self, config, operations: Any = nn, device=None, dtype=None):
        super().__init__()
        dim = config.dim
        self.heads = config.num_heads
        for name in ("q", "k", "v", "o"):
            setattr(self, name, operations.Linear(dim, dim, device=device, dtype=dtype))
        for name in ("norm_q", "norm_k"):
            norm = operations.RMSNorm(dim, eps=config.eps, elementwise_affine=True, device=device, dtype=dtype)
            setattr(self, name, norm if config.qk_norm else nn.Identity())

    def query(self, x: torch.Tensor, rope: Rope | None) -> torch.Tensor:
        """(B, L, D) -> (B, L, D): normalized and, with a rope, turned."""
        return self._apply_rope(normalize(self.norm_q, self.q(x)), rope)

    def key_value(self, x: torch.Tensor, rope: Rope | None) -> KeyValue:
        """What others see of x: keys, normalized and turned, and values."""
        return self._apply_rope(normalize(self.norm_k, self.k(x)), rope), self.v(x)

    def _apply_rope(self, x: torch.Tensor, rope: Rope | None) -> torch.Tensor:
        if rope is None:
            return x
        return apply_rope(x.unflatten(-1, (self.heads, -1)), rope).flatten(2)

    def forward(
        self,
        x: torch.Tensor,
        rope: Rope | None,
        attention: Attention,
        kv_cache: KeyValue | None = None,
        strength: torch.Tensor | None = None,
        transformer_options: dict | None = None,
        kind: str = "self",
    ) -> tuple[torch.Tensor, KeyValue]:
        """Attend from x to x and, where given, to keys and values of other tokens. Also returns the own K and V.

        `strength` (L, 1) scales the values of x as everyone sees them.
        """
        q = self.query(x, rope)
        k, v = own = self.key_value(x, rope)
        if strength is not None:
            v = v * strength.to(v)
        if kv_cache is not None:
            batch = x.shape[0]
            k, v = (
                torch.cat([mine, other.to(mine).expand(batch, -1, -1)], 1)
                for mine, other in ((k, kv_cache[0]), (v, kv_cache[1]))
            )
        return self.o(attention(q, k, v, self.heads, transformer_options=transformer_options, kind=kind)), own


class CrossAttention(SelfAttention):
    """Attention to the words."""

    def forward(self, x, context, attention, transformer_options=None) -> torch.Tensor:
        q = self.query(x, None)
        k, v = self.key_value(context, None)
        return self.o(attention(q, k, v, self.heads, transformer_options=transformer_options, kind="text"))


class Block(nn.Module):
    """Self-attention, attention to the text, feed-forward; modulated by time."""

    def __init__(self, config, operations: Any = nn, device=None, dtype=None):
        super().__init__()
        dim, eps = config.dim, config.eps
        place = {"device": device, "dtype": dtype}
        self.norm1 = operations.LayerNorm(dim, eps, elementwise_affine=False, **place)
        self.self_attn = SelfAttention(config, operations, device, dtype)
        norm3 = operations.LayerNorm(dim, eps, elementwise_affine=True, **place)
        self.norm3 = norm3 if config.cross_attn_norm else nn.Identity()
        self.cross_attn = CrossAttention(config, operations, device, dtype)
        self.norm2 = operations.LayerNorm(dim, eps, elementwise_affine=False, **place)
        self.ffn = nn.Sequential(
            operations.Linear(dim, config.ffn_dim, **place),
            nn.GELU(approximate="tanh"),
            operations.Linear(config.ffn_dim, dim, **place),
        )
        self.modulation = nn.Parameter(torch.zeros(1, 6, dim, **place))

    def forward(
        self,
        x: torch.Tensor,
        e: torch.Tensor,
        rope: Rope,
        context: torch.Tensor | None,
        attention: Attention,
        kv_cache: KeyValue | None = None,
        strength: torch.Tensor | None = None,
        transformer_options: dict | None = None,
        kind: str = "self",
    ) -> tuple[torch.Tensor, KeyValue]:
        """x (B, L, D), e (B, n, 6, D) with n as `spread` takes it; returns x and its own K and V of this block.

        Without `context` the attention to the text is left out.
        """
        options = transformer_options or {}
        shift1, scale1, gate1, shift2, scale2, gate2 = (self.modulation[:, None].to(e) + e).unbind(2)
        y, own = self.self_attn(
            modulate(self.norm1(x), shift1, scale1), rope, attention, kv_cache, strength, transformer_options, kind
        )
        x = add_gated(x, y, gate1)
        if context is not None:
            x = x + self.cross_attn(to_matmul(self.norm3(x)), context, attention, transformer_options)
            for patch in options.get("patches", {}).get("attn2_patch", ()):
                x = patch({"x": x, "transformer_options": transformer_options})
        x = add_gated(x, self.ffn(modulate(self.norm2(x), shift2, scale2)), gate2)
        return x, own

    def key_value(self, x: torch.Tensor, e: torch.Tensor, rope: Rope) -> KeyValue:
        """The K and V of x in this block, without the rest of it."""
        shift, scale = (self.modulation[:, None].to(e) + e)[:, :, :2].unbind(2)
        return self.self_attn.key_value(modulate(self.norm1(x), shift, scale), rope)


class Head(nn.Module):
    """Tokens to patches of the latent."""

    def __init__(self, config, operations: Any = nn, device=None, dtype=None):
        super().__init__()
        out = math.prod(config.patch_size) * config.out_dim
        self.norm = operations.LayerNorm(config.dim, config.eps, elementwise_affine=False, device=device, dtype=dtype)
        self.head = operations.Linear(config.dim, out, device=device, dtype=dtype)
        self.modulation = nn.Parameter(torch.zeros(1, 2, config.dim, device=device, dtype=dtype))

    def forward(self, x: torch.Tensor, e: torch.Tensor) -> torch.Tensor:
        """x (B, L, D) and the time embedding e (B, n, D) -> (B, L, patch * channels)."""
        shift, scale = (self.modulation[:, None].to(e) + e[:, :, None]).unbind(2)
        return self.head(modulate(self.norm(x), shift, scale))
