"""The parts of a Wan 2.1 transformer, with Wan's names for its weights.

Every layer with weights comes from `operations` (torch.nn, or a host's classes of the same names). Plain parameters are
cast where they are used, since a host may keep them in another format than the activations.
Letters: B batch, L tokens, S tokens attended to, D width, e modulation vectors.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from ..conditioning.kv_cache import KeyValue, Rope, concatenate_key_values
from ..conditioning.timed_text import Share
from ..config import FullDiTConfig
from ..devices import autocast_dtype
from .attention import Attention
from .positions import apply_rope
from .token_selection import ImportancePredictor, Selection

_GELU_IN_PLACE = ("cpu", "cuda", "xpu", "mps", "meta")  # other backends may lack it


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
    dtype = autocast_dtype(x.device)
    return x if dtype is None else x.to(dtype)


def add_gated(x: torch.Tensor, y: torch.Tensor, gate: torch.Tensor) -> torch.Tensor:
    """Return x + y gate, in the format of x."""
    return torch.addcmul(x, y.to(x.dtype), repeat_per_token(gate, x.shape[1]).to(x.dtype))


def normalize(norm: nn.Module, x: torch.Tensor) -> torch.Tensor:
    """Apply an RMSNorm, a LayerNorm or nn.Identity to x.

    Under autocast the weight of torch's RMSNorm is wider than x, for which torch has no fused kernel; written out with
    a norm that sums in float32 it takes a third of the time. The weight of a LayerNorm is cast where it is narrower.
    """
    if type(norm) is nn.LayerNorm and norm.weight is not None and norm.weight.dtype != x.dtype:
        return functional.layer_norm(x, norm.normalized_shape, norm.weight.to(x), norm.bias.to(x), norm.eps)
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

    def key_value(self, x: torch.Tensor, rope: Rope | None, values: torch.Tensor | None = None) -> KeyValue:
        """Return what others attend to in x: keys, normalized and rotated, and values (as given, where they are)."""
        return self._rotate(normalize(self.norm_k, self.k(x)), rope), self.v(x) if values is None else values

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
        values: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, KeyValue]:
        """Attend from x (B, L, D) to x and to the K and V of `kv_cache`; return the result, and x's own K and V.

        `strength` (L, 1) scales the values of x as everyone sees them. `values` are those of x, where they are known.
        """
        q = self.query(x, rope)
        k, v = own = self.key_value(x, rope, values)
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
        context: torch.Tensor | Sequence[Share],
        attention: Attention,
        transformer_options: dict[str, Any] | None = None,
    ) -> torch.Tensor:
        """Attend from x (B, L, D) to context (B, S, D), or each token to its share of several texts.

        What a token reads of several texts is added up by its weights, which sum to 1, before the output's projection.
        """
        q = self.query(x, None)
        options: dict[str, Any] = {"transformer_options": transformer_options, "kind": "text"}
        if isinstance(context, torch.Tensor):
            mixed = attention(q, *self.key_value(context, None), self.heads, **options)
        else:
            mixed = torch.zeros_like(q)
            for share in context:
                k, v = (one.expand(len(q), -1, -1) for one in self.key_value(share.text, None))
                part = attention(q[:, share.readers], k, v, self.heads, **options)
                mixed = mixed.index_add(1, share.readers, part * share.weights.to(part))
        out: torch.Tensor = self.o(mixed)
        return out


class FeedForward(nn.Sequential):
    """Linear, GELU (tanh), Linear; x (B, L, D) to (B, L, D). Entry 1 is a number in the keys and has no weights."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Apply the three; where nothing is to be learned the widest tensor of the network exists once, not twice."""
        hidden: torch.Tensor = self[0](x)
        if hidden.requires_grad or hidden.device.type not in _GELU_IN_PLACE:
            hidden = self[1](hidden)
        else:
            torch.ops.aten.gelu_(hidden, approximate="tanh")
        out: torch.Tensor = self[2](hidden)
        return out


class BlockInputs(NamedTuple):
    """What a block reads of one kind of tokens: themselves (B, L, D), modulation, rope, and what not all kinds have."""

    tokens: torch.Tensor
    e: torch.Tensor
    rope: Rope
    options: dict[str, Any]
    context: torch.Tensor | None = None
    strength: torch.Tensor | None = None


class Block(nn.Module):
    """Self-attention, cross-attention to the text and a feed-forward network, modulated by time (AdaLN).

    selects: it takes the most important of its condition tokens alone (token_selection.py).
    """

    def __init__(
        self,
        config: FullDiTConfig,
        operations: Any = nn,
        device: Any = None,
        dtype: torch.dtype | None = None,
        selects: bool = False,
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
        self.ffn = FeedForward(
            operations.Linear(dim, config.ffn_dim, **factory_kwargs),
            nn.GELU(approximate="tanh"),
            operations.Linear(config.ffn_dim, dim, **factory_kwargs),
        )
        self.modulation = nn.Parameter(torch.zeros(1, 6, dim, **factory_kwargs))
        self.importance = ImportancePredictor(config, operations, **factory_kwargs) if selects else None
        self.checkpointed = False

    def forward(
        self,
        x: torch.Tensor,
        e: torch.Tensor,
        rope: Rope,
        context: torch.Tensor | Sequence[Share] | None,
        attention: Attention,
        kv_cache: KeyValue | None = None,
        strength: torch.Tensor | None = None,
        transformer_options: dict[str, Any] | None = None,
        kind: str = "self",
    ) -> tuple[torch.Tensor, KeyValue]:
        """Return x (B, L, D) after the block, and the K and V of its self-attention.

        Of condition tokens (`kind` 'condition') these are the K and V that the video reads: of the tokens that the
        block takes, V scaled by `strength`. e (B, n, 6, D) is the modulation, n as `repeat_per_token` takes it.
        `context` is the text (B, S, D), or several with who reads them; without it there is no cross-attention.
        `checkpointed` blocks keep their inputs alone for the backward pass, and compute once more.
        """
        inputs = (x, e, rope, context, attention, kv_cache, strength, transformer_options, kind)
        if self.checkpointed and torch.is_grad_enabled():
            result: tuple[torch.Tensor, KeyValue] = checkpoint(self._compute, *inputs, use_reentrant=False)
            return result
        return self._compute(*inputs)

    def _compute(
        self,
        x: torch.Tensor,
        e: torch.Tensor,
        rope: Rope,
        context: torch.Tensor | Sequence[Share] | None,
        attention: Attention,
        kv_cache: KeyValue | None,
        strength: torch.Tensor | None,
        transformer_options: dict[str, Any] | None,
        kind: str,
    ) -> tuple[torch.Tensor, KeyValue]:
        if kind == "condition":
            return self._compute_conditions(x, e, rope, attention, strength, transformer_options)
        return self._run(x, e, rope, attention, strength, transformer_options, kind, context, kv_cache)

    def _compute_conditions(
        self,
        x: torch.Tensor,
        e: torch.Tensor,
        rope: Rope,
        attention: Attention,
        strength: torch.Tensor | None,
        transformer_options: dict[str, Any] | None,
    ) -> tuple[torch.Tensor, KeyValue]:
        """Return condition tokens x (B, L, D) after the block, those that it does not take unchanged, and K and V."""
        options, kind = transformer_options, "condition"
        if self.importance is None:
            x, (k, v) = self._run(x, e, rope, attention, None, options, kind)
            return x, (k, v if strength is None else v * strength.to(v))
        chosen = self.importance.choose(self.self_attn.v(self._read(x, e)))
        taken, places = chosen.take(x), chosen.take_rope(rope)
        taken, (k, v) = self._run(taken, e, places, attention, chosen.weight, options, kind, values=chosen.values)
        return chosen.put_back(x, taken), (k, _counted(v, chosen, strength))

    def _run(
        self,
        x: torch.Tensor,
        e: torch.Tensor,
        rope: Rope,
        attention: Attention,
        strength: torch.Tensor | None,
        transformer_options: dict[str, Any] | None,
        kind: str,
        context: torch.Tensor | Sequence[Share] | None = None,
        kv_cache: KeyValue | None = None,
        values: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, KeyValue]:
        options = transformer_options or {}
        shift1, scale1, gate1, shift2, scale2, gate2 = (self.modulation[:, None].to(e) + e).unbind(2)
        read = modulate(self.norm1(x), shift1, scale1)
        y, own = self.self_attn(read, rope, attention, kv_cache, strength, transformer_options, kind, values)
        x = add_gated(x, y, gate1)
        if context is not None:
            x = x + self.cross_attn(cast_for_matmul(normalize(self.norm3, x)), context, attention, transformer_options)
            for patch in options.get("patches", {}).get("attn2_patch", ()):
                x = patch({"x": x, "transformer_options": transformer_options})
        x = add_gated(x, self.ffn(modulate(self.norm2(x), shift2, scale2)), gate2)
        return x, own

    def together(
        self, video: BlockInputs, others: BlockInputs, attention: Attention, last: bool
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Run the block on condition tokens and on the video's, which read them; return both, the video's first.

        The same as `forward` on the one and then on the other, but in one call: the weights are gathered once where
        several processes share them, and a checkpointed block keeps no K and V. In the `last` block nothing reads the
        condition tokens any more; they come back as they are.
        """
        if self.checkpointed and torch.is_grad_enabled():
            result: tuple[torch.Tensor, torch.Tensor] = checkpoint(
                self._together, video, others, attention, last, use_reentrant=False
            )
            return result
        return self._together(video, others, attention, last)

    def _together(
        self, video: BlockInputs, others: BlockInputs, attention: Attention, last: bool
    ) -> tuple[torch.Tensor, torch.Tensor]:
        tokens = others.tokens
        if last:
            kv = self._key_value(tokens, others.e, others.rope, others.strength)
        else:
            tokens, kv = self._compute_conditions(
                tokens, others.e, others.rope, attention, others.strength, others.options
            )
        x, _ = self._compute(
            video.tokens, video.e, video.rope, video.context, attention, kv, None, video.options, "self"
        )
        return x, tokens

    def key_value(self, x: torch.Tensor, e: torch.Tensor, rope: Rope, strength: torch.Tensor | None) -> KeyValue:
        """Return the K and V of condition tokens x in this block, as `forward` does, without the rest of the block."""
        return self._key_value(x, e, rope, strength)

    def _key_value(self, x: torch.Tensor, e: torch.Tensor, rope: Rope, strength: torch.Tensor | None) -> KeyValue:
        read = self._read(x, e)
        if self.importance is None:
            k, v = self.self_attn.key_value(read, rope)
            return k, v if strength is None else v * strength.to(v)
        chosen = self.importance.choose(self.self_attn.v(read))
        k, v = self.self_attn.key_value(chosen.take(read), chosen.take_rope(rope), chosen.values)
        return k, _counted(v, chosen, strength)

    def _read(self, x: torch.Tensor, e: torch.Tensor) -> torch.Tensor:
        """Return what self-attention reads of x."""
        shift, scale = (self.modulation[:, None].to(e) + e)[:, :, :2].unbind(2)
        return modulate(self.norm1(x), shift, scale)


def _counted(values: torch.Tensor, chosen: Selection, strength: torch.Tensor | None) -> torch.Tensor:
    """Return the values (B, k, D) of the tokens taken times their weights and strengths (n, 1)."""
    values = values * chosen.weight.to(values)
    strengths = chosen.take_strength(strength)
    return values if strengths is None else values * strengths.to(values)


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
