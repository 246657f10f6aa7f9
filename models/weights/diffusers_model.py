"""FullDiT as a model of diffusers: Wan's transformer there, with condition tokens. Importing it needs diffusers.

`FullDiTWanTransformer3DModel.from_pretrained(folder)` loads what convert.py writes; the folder is a plain Wan to
diffusers' own class but for the tokenizers. Letters: B batch, L tokens, D width.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from diffusers.configuration_utils import register_to_config
from diffusers.models.modeling_outputs import Transformer2DModelOutput
from diffusers.models.transformers.transformer_wan import WanAttnProcessor, WanTransformer3DModel
from einops import rearrange
from torch.nn import functional

from ..backbone.positions import apply_rope, grid, make_rope, stream_positions
from ..conditioning.condition_streams import ConditionStreams
from ..conditioning.tokenizers import embed_stream, make_tokenizers, pad_to_patch
from ..config import FullDiTConfig

Rope = tuple[torch.Tensor, torch.Tensor]


class ConditionAttnProcessor(WanAttnProcessor):
    """Self-attention of the tokens to themselves and to the conditions' keys and values (`context`), where there are
    any; `strength` (L, 1) scales the tokens' own values."""

    def __init__(self) -> None:
        super().__init__()
        self.context: Rope | None = None
        self.strength: torch.Tensor | None = None

    def __call__(
        self,
        attn: Any,
        hidden_states: torch.Tensor,
        encoder_hidden_states: None = None,
        attention_mask: None = None,
        rotary_emb: Rope | None = None,
    ) -> torch.Tensor:
        """Return the output (B, L, D) of tokens (B, L, D) with a rope; the arguments are those that diffusers gives."""
        assert rotary_emb is not None
        query = _rotate(attn, attn.norm_q(attn.to_q(hidden_states)), rotary_emb)
        key, value = keys_and_values(attn, hidden_states, rotary_emb)
        if self.strength is not None:
            value = value * self.strength.to(value)
        if self.context is not None:
            key, value = (
                torch.cat([own, other.expand(own.shape[0], -1, -1)], 1)
                for own, other in zip((key, value), self.context, strict=True)
            )
        q, k, v = (rearrange(x, "b l (h d) -> b h l d", h=attn.heads) for x in (query, key, value))
        out = rearrange(functional.scaled_dot_product_attention(q, k, v), "b h l d -> b l (h d)")
        result: torch.Tensor = attn.to_out[1](attn.to_out[0](out))
        return result


def keys_and_values(attn: Any, tokens: torch.Tensor, rope: Rope) -> Rope:
    """Return the keys, rotated, and values (B, L, D) of tokens in one attention of diffusers' Wan."""
    return _rotate(attn, attn.norm_k(attn.to_k(tokens)), rope), attn.to_v(tokens)


def _rotate(attn: Any, x: torch.Tensor, rope: Rope) -> torch.Tensor:
    """Return x (B, L, D), every head rotated by a rope."""
    return apply_rope(rearrange(x, "b l (h d) -> b l h d", h=attn.heads), rope).flatten(2)


class FullDiTWanTransformer3DModel(WanTransformer3DModel):
    """Wan's transformer with the tokens of conditions. `fulldit`: the metadata of our checkpoint, `config` among it."""

    @register_to_config
    def __init__(
        self,
        patch_size: tuple[int, ...] = (1, 2, 2),
        num_attention_heads: int = 12,
        attention_head_dim: int = 128,
        in_channels: int = 16,
        out_channels: int = 16,
        text_dim: int = 4096,
        freq_dim: int = 256,
        ffn_dim: int = 8960,
        num_layers: int = 30,
        cross_attn_norm: bool = True,
        qk_norm: str | None = "rms_norm_across_heads",
        eps: float = 1e-6,
        fulldit: Mapping[str, str] | None = None,
    ):
        super().__init__(
            patch_size,
            num_attention_heads,
            attention_head_dim,
            in_channels,
            out_channels,
            text_dim,
            freq_dim,
            ffn_dim,
            num_layers,
            cross_attn_norm,
            qk_norm,
            eps,
        )
        self.fulldit_config = FullDiTConfig.from_json((fulldit or {})["config"])
        self.tokenizers = make_tokenizers(self.fulldit_config)
        for block in self.blocks:
            block.attn1.set_processor(ConditionAttnProcessor())

    def forward(
        self,
        hidden_states: torch.Tensor,
        timestep: torch.Tensor,
        encoder_hidden_states: torch.Tensor,
        conditions: ConditionStreams | None = None,
        return_dict: bool = True,
        **more: Any,
    ) -> Any:
        """Return the velocity of the latents (B, C, T, h, w) under text and conditions, as the class it derives from
        does without them. timestep (B,) is 1000 t. Raises UserError for conditions that the model does not take."""
        size = hidden_states.shape[2:]
        latent = pad_to_patch(hidden_states, self.fulldit_config.patch_size)
        tokens = self.patch_embedding(latent)
        shape = tokens.shape[2:]
        tokens = tokens.flatten(2).transpose(1, 2)
        temb, e, text, _ = self.condition_embedder(timestep, encoder_hidden_states)
        rope = self._rope(grid(*(range(side) for side in shape)), tokens.device)
        length, strength = tokens.shape[1], None
        context: list[Rope | None] = [None] * len(self.blocks)
        if conditions is not None and conditions.streams:
            extra, extra_rope, extra_strength = self.embed_conditions(conditions, tokens.dtype)
            if self.fulldit_config.attention == "full":
                tokens = torch.cat([tokens, extra.expand(tokens.shape[0], -1, -1)], 1)
                rope = tuple(torch.cat(both) for both in zip(rope, extra_rope, strict=True))  # type: ignore[assignment]
                strength = functional.pad(extra_strength, (0, 0, length, 0), value=1.0)
            else:
                context = self.prefill(extra, extra_rope, extra_strength)
        for block, others in zip(self.blocks, context, strict=True):
            block.attn1.processor.context, block.attn1.processor.strength = others, strength
            tokens = block(tokens, text, e.unflatten(1, (6, -1)), rope)
        shift, scale = (self.scale_shift_table + temb[:, None]).chunk(2, 1)
        out = self.proj_out((self.norm_out(tokens[:, :length].float()) * (1 + scale) + shift).type_as(tokens))
        (t, h, w), (pt, ph, pw) = shape, self.fulldit_config.patch_size
        pattern = "b (t h w) (pt ph pw c) -> b c (t pt) (h ph) (w pw)"
        sample = rearrange(out, pattern, t=t, h=h, w=w, pt=pt, ph=ph, pw=pw)[..., : size[0], : size[1], : size[2]]
        return Transformer2DModelOutput(sample=sample) if return_dict else (sample,)

    def embed_conditions(
        self, conditions: ConditionStreams, dtype: torch.dtype
    ) -> tuple[torch.Tensor, Rope, torch.Tensor]:
        """Return the tokens (B, L, D) of all conditions, their rope, and their strengths (L, 1)."""
        config = self.fulldit_config
        sources = config.reference_positions == "source"
        tokens, places, strengths = [], [], []
        for stream in conditions.streams:
            one = embed_stream(self.tokenizers, config, stream, dtype)
            tokens.append(one.expand(conditions.batch, -1, -1))
            places.append(stream_positions(stream, conditions.latent_size, config.patch_size, sources))
            strengths += [stream.strength] * one.shape[1]
        joined = torch.cat(tokens, 1)
        scales = torch.tensor(strengths, device=joined.device)[:, None]
        return joined, self._rope(torch.cat(places), joined.device), scales

    def prefill(self, tokens: torch.Tensor, rope: Rope, strength: torch.Tensor) -> list[Rope | None]:
        """Return the keys and values of every block of condition tokens that attend to themselves alone, at t = 0 and
        without text (`decoupled`)."""
        embedder = self.condition_embedder
        e = embedder.timesteps_proj(torch.zeros(1, device=tokens.device)).to(tokens.dtype)
        e = embedder.time_proj(embedder.act_fn(embedder.time_embedder(e))).unflatten(1, (6, -1))
        found: list[Rope | None] = []
        for block in self.blocks:
            shift1, scale1, gate1, shift2, scale2, gate2 = (block.scale_shift_table + e).chunk(6, 1)
            read = block.norm1(tokens) * (1 + scale1) + shift1
            key, value = keys_and_values(block.attn1, read, rope)
            found.append((key, value * strength.to(value)))
            block.attn1.processor.context = block.attn1.processor.strength = None
            tokens = tokens + block.attn1(read, None, None, rope) * gate1
            tokens = tokens + block.ffn(block.norm3(tokens) * (1 + scale2) + shift2) * gate2
        return found

    def _rope(self, places: torch.Tensor, device: torch.device) -> Rope:
        """Return the rope of positions (L, 3 or 4) on a device."""
        cos, sin = make_rope(places, self.config.attention_head_dim)
        return cos.to(device), sin.to(device)
