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

from ..conditioning.kv_cache import KeyValue, Rope, concatenate_key_values
from ..config import FullDiTConfig
from .attention import Attention
from .positions import apply_rope


def time_features(size: int, t: torch.Tensor) -> torch.Tensor:
    """Return Wan's sinusoids (n, size) float32 of times t (n,) in 0..1000, cosines first."""
    half = size // 2
    frequency = torch.pow(10000, -torch.arange(half, device=t.device, dtype=torch.float32) / half)
    angle = t.float()[:, None] * frequency
    return torch.cat([angle.cos(), angle.sin()], 1)


def repeat_per_token(e: torch.Tensor, length: int) -> torch.Tensor:
    """Return modulation (B, n, D) for `length` tokens: one vector for all (n = 1), one per token (n = length), or one
    per frame, repeated for its length / n tokens."""
    if e.shape[1] in (1, length):
        return e
    return e.repeat_interleave(length // e.shape[1], dim=1)


def modulate(x: torch.Tensor, shift: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    """Return shift + x (1 + scale), in the format that the next matrix product computes in."""
    length = x.shape[1]
    return cast_for_matmul(torch.addcmul(repeat_per_token(shift, length), x, 1 + repeat_per_token(scale, length)))


def cast_for_matmul(x: torch.Tensor) -> torch.Tensor:
    """Return x as autocast would cast it: once for all of the layers that read it, instead of once for each."""
    if torch.is_autocast_enabled(x.device.type):
        return x.to(torch.get_autocast_dtype(x.device.type))
    return x


def add_gated(x: torch.Tensor, y: torch.Tensor, gate: torch.Tensor) -> torch.Tensor:
    """Return x + y gate, in the format of x."""
    return torch.addcmul(x, y.to(x.dtype), repeat_per_token(gate, x.shape[1]).to(x.dtype))


def normalize(norm: nn.Module, x: torch.Tensor) -> torch.Tensor:
    """Apply an RMSNorm (or nn.Identity) to x.

    Under autocast the weight of torch's RMSNorm is wider than x, for which torch has no fused kernel; written out with
    a norm that sums in float32 it takes a third of the time.
    """
    if type(norm) is nn.RMSNorm and norm.weight.dtype != x.dtype:
        eps = torch.finfo(x.dtype).eps if norm.eps is None else norm.eps
        square = torch.linalg.vector_norm(x, dim=-1, keepdim=True, dtype=torch.float32).square()
        return x * torch.rsqrt(square / x.shape[-1] + eps).to(x.dtype) * norm.weight.to(x.dtype)
    normalized: torch.Tensor = norm(x)
    return normalized


class QKVProjections(nn.Module):
    """The projections of one attention, with normalized queries and keys: q, k, v, o, norm_q and norm_k."""

    def __init__(
        self, config: FullDiTConfig, operations: Any = nn, device: Any = None, dtype: torch.dtype | None = None
    ):
        super().__init__()
        factory_kwargs = {"device": device, "dtype": dtype}
        dim = config.dim
        self.heads = config.num_heads
        self.q = operations.Linear(dim, dim, **factory_kwargs)
        self.k = operations.Linear(dim, dim, **factory_kwargs)
        self.v = operations.Linear(dim, dim, **factory_kwargs)
        self.o = operations.Linear(dim, dim, **factory_kwargs)
        norm_kwargs = {"eps": config.eps, "elementwise_affine": True, **factory_kwargs}
        self.norm_q = operations.RMSNorm(dim, **norm_kwargs) if config.qk_norm else nn.Identity()
        self.norm_k = operations.RMSNorm(dim, **norm_kwargs) if config.qk_norm else nn.Identity()

    def query(self, x: torch.Tensor, rope: Rope | None) -> torch.Tensor:
        """Return queries (B, L, D) of x (B, L, D), normalized and, with a rope, rotated by the positions."""
        return self._rotate(normalize(self.norm_q, self.q(x)), rope)

    def key_value(self, x: torch.Tensor, rope: Rope | None) -> KeyValue:
        """Return what others attend to in x: keys, normalized and rotated, and values."""
        return self._rotate(normalize(self.norm_k, self.k(x)), rope), self.v(x)

    def _rotate(self, x: torch.Tensor, rope: Rope | None) -> torch.Tensor:
        """Return x (B, L, D), every head rotated by a rope where there is one."""
        if rope is None:
            return x
        return apply_rope(x.reshape(*x.shape[:2], self.heads, -1), rope).flatten(2)


class SelfAttention(QKVProjections):
    """Attention of tokens to each other and, with a K/V cache, to other tokens."""

    def forward(
        self,
        x: torch.Tensor,
        rope: Rope | None,
        attention: Attention,
        kv_cache: KeyValue | None = None,
        strength: torch.Tensor | None = None,
        transformer_options: dict[str, Any] | None = None,
        kind: str = "self",
    ) -> tuple[torch.Tensor, KeyValue]:
        """Attend from x (B, L, D) to x and to the K and V of `kv_cache`; return the result, and x's own K and V.

        `strength` (L, 1) scales the values of x as everyone sees them.
        """
        q = self.query(x, rope)
        k, v = own = self.key_value(x, rope)
        if strength is not None:
            v = v * strength.to(v)
        if kv_cache is not None:
            other_k, other_v = (other.expand(x.shape[0], -1, -1) for other in kv_cache)
            k, v = concatenate_key_values([(k, v), (other_k.to(k), other_v.to(v))])
        return self.o(attention(q, k, v, self.heads, transformer_options=transformer_options, kind=kind)), own


class CrossAttention(QKVProjections):
    """Attention of tokens to the text."""

    def forward(
        self,
        x: torch.Tensor,
        context: torch.Tensor,
        attention: Attention,
        transformer_options: dict[str, Any] | None = None,
    ) -> torch.Tensor:
        """Attend from x (B, L, D) to context (B, S, D)."""
        q = self.query(x, None)
        k, v = self.key_value(context, None)
        out: torch.Tensor = self.o(attention(q, k, v, self.heads, transformer_options=transformer_options, kind="text"))
        return out


class Block(nn.Module):
    """Self-attention, cross-attention to the text and a feed-forward network, modulated by time (AdaLN)."""

    def __init__(
        self, config: FullDiTConfig, operations: Any = nn, device: Any = None, dtype: torch.dtype | None = None
    ):
        super().__init__()
        dim, eps = config.dim, config.eps
        factory_kwargs = {"device": device, "dtype": dtype}
        self.norm1 = operations.LayerNorm(dim, eps, elementwise_affine=False, **factory_kwargs)
        self.self_attn = SelfAttention(config, operations, **factory_kwargs)
        norm3 = operations.LayerNorm(dim, eps, elementwise_affine=True, **factory_kwargs)
        self.norm3 = norm3 if config.cross_attn_norm else nn.Identity()
        self.cross_attn = CrossAttention(config, operations, **factory_kwargs)
        self.norm2 = operations.LayerNorm(dim, eps, elementwise_affine=False, **factory_kwargs)
        self.ffn = nn.Sequential(
            operations.Linear(dim, config.ffn_dim, **factory_kwargs),
            nn.GELU(approximate="tanh"),
            operations.Linear(config.ffn_dim, dim, **factory_kwargs),
        )
        self.modulation = nn.Parameter(torch.zeros(1, 6, dim, **factory_kwargs))

    def forward(
        self,
        x: torch.Tensor,
        e: torch.Tensor,
        rope: Rope,
        context: torch.Tensor | None,
        attention: Attention,
        kv_cache: KeyValue | None = None,
        strength: torch.Tensor | None = None,
        transformer_options: dict[str, Any] | None = None,
        kind: str = "self",
    ) -> tuple[torch.Tensor, KeyValue]:
        """Return x (B, L, D) after the block, and the K and V of its self-attention.

        e (B, n, 6, D) is the modulation, n as `repeat_per_token` takes it. Without `context` (B, S, D) there is no
        cross-attention.
        """
        options = transformer_options or {}
        shift1, scale1, gate1, shift2, scale2, gate2 = (self.modulation[:, None].to(e) + e).unbind(2)
        y, own = self.self_attn(
            modulate(self.norm1(x), shift1, scale1), rope, attention, kv_cache, strength, transformer_options, kind
        )
        x = add_gated(x, y, gate1)
        if context is not None:
            x = x + self.cross_attn(cast_for_matmul(self.norm3(x)), context, attention, transformer_options)
            for patch in options.get("patches", {}).get("attn2_patch", ()):
                x = patch({"x": x, "transformer_options": transformer_options})
        x = add_gated(x, self.ffn(modulate(self.norm2(x), shift2, scale2)), gate2)
        return x, own

    def key_value(self, x: torch.Tensor, e: torch.Tensor, rope: Rope) -> KeyValue:
        """Return the K and V of x in this block's self-attention, without computing the rest of the block."""
        shift, scale = (self.modulation[:, None].to(e) + e)[:, :, :2].unbind(2)
        return self.self_attn.key_value(modulate(self.norm1(x), shift, scale), rope)


class Head(nn.Module):
    """The last layer: tokens to patches of the latent."""

    def __init__(
        self, config: FullDiTConfig, operations: Any = nn, device: Any = None, dtype: torch.dtype | None = None
    ):
        super().__init__()
        factory_kwargs = {"device": device, "dtype": dtype}
        out = math.prod(config.patch_size) * config.out_dim
        self.norm = operations.LayerNorm(config.dim, config.eps, elementwise_affine=False, **factory_kwargs)
        self.head = operations.Linear(config.dim, out, **factory_kwargs)
        self.modulation = nn.Parameter(torch.zeros(1, 2, config.dim, **factory_kwargs))

    def forward(self, x: torch.Tensor, e: torch.Tensor) -> torch.Tensor:
        """Return patches (B, L, patch * channels) of tokens x (B, L, D) under the time embedding e (B, n, D)."""
        shift, scale = (self.modulation[:, None].to(e) + e[:, :, None]).unbind(2)
        patches: torch.Tensor = self.head(modulate(self.norm(x), shift, scale))
        return patches
