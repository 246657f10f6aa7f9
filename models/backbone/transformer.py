"""The network: a Wan 2.1 transformer whose sequence also holds the tokens of every condition (FullDiT, 2503.19907).

Two ways to attend (`config.attention`). `full`: every token attends to every token, conditions share the video's time
and read the text. `decoupled`: condition tokens attend to condition tokens only, are modulated at t = 0 and do not read
the text; video tokens attend to both. What the video sees of the conditions then depends on the conditions and the
weights alone: `prefill` computes it once, exactly, for every step, prompt and seed.

Letters: B batch, C channels, T h w frames and sides of the latent, L tokens, D width, e modulation by time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from einops import rearrange
from torch import nn

from ...control.errors import UserError
from ..conditioning.condition_streams import ConditionStreams, Stream
from ..conditioning.kv_cache import ConditionKVCache, KeyValue, Rope, concatenate
from ..conditioning.streams import STREAMS
from ..conditioning.tokenizers import PatchTokenizer, VectorTokenizer, pad_to_patch, weight_dtype
from ..config import FullDiTConfig
from .attention import Attention, sdpa
from .blocks import Block, Head, repeat_per_token, time_features
from .positions import RopeCache, grid, stream_positions

TransformerOptions = dict[str, Any]  # a host's own: hooks, patches, rope options


class FullDiT(nn.Module):
    """The velocity of a noisy latent under text and conditions. State-dict keys are Wan's, and `tokenizers.*`.

    `operations` gives Linear, Conv3d, LayerNorm and RMSNorm (torch.nn, or a host's classes). `attention` is the
    callable of attention.py; `use_backend` changes it. A subclass may override `embed_video`, `embed_time`,
    `embed_text`, `run_blocks` and `to_latent`.
    """

    def __init__(
        self, config: FullDiTConfig, operations: Any = nn, device: Any = None, dtype: torch.dtype | None = None
    ):
        super().__init__()
        self.config = config
        self.dtype = dtype
        self.attention: Attention = sdpa
        self.rope = RopeCache(config.dim // config.num_heads)
        dim, patch = config.dim, config.patch_size
        factory_kwargs = {"device": device, "dtype": dtype}
        # As in Wan and ComfyUI, latents are embedded in float32 whatever the format of the rest.
        self.patch_embedding = operations.Conv3d(
            config.in_dim, dim, kernel_size=patch, stride=patch, device=device, dtype=torch.float32
        )
        self.text_embedding = nn.Sequential(
            operations.Linear(config.text_dim, dim, **factory_kwargs),
            nn.GELU(approximate="tanh"),
            operations.Linear(dim, dim, **factory_kwargs),
        )
        self.time_embedding = nn.Sequential(
            operations.Linear(config.freq_dim, dim, **factory_kwargs),
            nn.SiLU(),
            operations.Linear(dim, dim, **factory_kwargs),
        )
        self.time_projection = nn.Sequential(nn.SiLU(), operations.Linear(dim, dim * 6, **factory_kwargs))
        self.blocks = nn.ModuleList(Block(config, operations, **factory_kwargs) for _ in range(config.num_layers))
        self.head = Head(config, operations, **factory_kwargs)

        self.tokenizers = nn.ModuleDict()
        for name in config.streams:
            kind = STREAMS[name]
            common = {"slots": config.slots if kind.has_slots else 0, "operations": operations, **factory_kwargs}
            if kind.kind == "vector":
                self.tokenizers[name] = VectorTokenizer(dim, kind.features * config.temporal_compression, **common)
            else:
                self.tokenizers[name] = PatchTokenizer(dim, config.in_dim, config.patch_of(name), **common)
        if config.joint_text:
            self.text_type = nn.Parameter(torch.zeros(dim, **factory_kwargs))

    def forward(
        self,
        x: torch.Tensor,
        timestep: torch.Tensor,
        context: torch.Tensor,
        conditions: ConditionStreams | None = None,
        kv_cache: ConditionKVCache | None = None,
        transformer_options: TransformerOptions | None = None,
    ) -> torch.Tensor:
        """Return the velocity (B, C, T, h, w) of the latent x (B, C, T, h, w).

        `timestep` is 1000 t, per clip (B,) or per latent frame (B, T); `context` (B, L, text_dim) the encoded text.
        `kv_cache` is what `prefill` returned for the same conditions; without it the conditions are computed here.
        Raises UserError for conditions of another size or batch than x.
        """
        options = {} if transformer_options is None else transformer_options
        frames, height, width = x.shape[2:]
        if kv_cache is None and conditions is not None and conditions.streams:
            self._check_conditions(conditions, x)
            kv_cache = self.prefill(conditions, options, dtype=x.dtype)
        tokens, shape = self.embed_video(x)
        options["grid_sizes"] = shape
        e, e0 = self.embed_time(timestep, x.dtype)
        context = self.embed_text(context.to(x.dtype))
        rope = self.rope(grid(*(range(side) for side in shape)), ("video", shape), tokens.device, options)
        tokens = self.run_blocks(x, tokens, e, e0, rope, context, kv_cache, options)
        return self.to_latent(self.head(tokens, e), shape)[..., :frames, :height, :width]

    def _check_conditions(self, conditions: ConditionStreams, x: torch.Tensor) -> None:
        """Raise UserError unless `conditions` are of the size and batch of the latent x."""
        if conditions.latent_size != tuple(x.shape[2:]):
            raise UserError(
                f"The conditions belong to a video whose latent is {conditions.latent_size} (frames, height, width), "
                f"but this latent is {tuple(x.shape[2:])}. Make both for the same size."
            )
        if conditions.batch not in (1, x.shape[0]):
            raise UserError(f"The conditions are a batch of {conditions.batch}, the latent is one of {x.shape[0]}.")

    def embed_video(self, x: torch.Tensor) -> tuple[torch.Tensor, tuple[int, int, int]]:
        """Return the tokens (B, L, D) of x (B, C, T, h, w) and the sides of their grid; odd sides are padded."""
        x = pad_to_patch(x, self.config.patch_size)
        tokens = self.patch_embedding(x.to(weight_dtype(self.patch_embedding))).to(x.dtype)
        t, h, w = tokens.shape[2:]
        return rearrange(tokens, "b d t h w -> b (t h w) d"), (t, h, w)

    def embed_time(self, timestep: torch.Tensor, dtype: torch.dtype) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the time embedding (B, n, D) for the head and (B, n, 6, D) for the blocks, of times (B,) or (B, n)."""
        with torch.autocast(timestep.device.type, enabled=False):  # tiny, and everything depends on it
            e = self.time_embedding(time_features(self.config.freq_dim, timestep.flatten()).to(dtype))
            e = e.view(timestep.shape[0], -1, e.shape[-1])
            return e, self.time_projection(e).unflatten(2, (6, -1))

    def embed_text(self, context: torch.Tensor) -> torch.Tensor:
        """Return the text (B, L, D) as the blocks read it, of encoded text (B, L, text_dim)."""
        embedded: torch.Tensor = self.text_embedding(context)
        return embedded

    def to_latent(self, patches: torch.Tensor, shape: Sequence[int]) -> torch.Tensor:
        """Return the latent (B, C, T, h, w) that patches (B, L, patch * C) on a grid of `shape` (T, h, w) tile."""
        (t, h, w), (pt, ph, pw) = shape, self.config.patch_size
        pattern = "b (t h w) (pt ph pw c) -> b c (t pt) (h ph) (w pw)"
        return rearrange(patches, pattern, t=t, h=h, w=w, pt=pt, ph=ph, pw=pw)

    def run_blocks(
        self,
        x: torch.Tensor,
        tokens: torch.Tensor,
        e: torch.Tensor,
        e0: torch.Tensor,
        rope: Rope,
        context: torch.Tensor | None,
        kv_cache: ConditionKVCache | None,
        options: TransformerOptions,
    ) -> torch.Tensor:
        """Run all blocks over the video's tokens (B, L, D) and return them.

        x is the latent, e and e0 are those of `embed_time`. `options` may carry a host's hooks:
        patches_replace['dit'][('double_block', i)] instead of a block, and patches['double_block'] after each.
        """
        length = tokens.shape[1]
        caches = [] if kv_cache is None else [kv_cache]
        if self.config.joint_text and context is not None:
            caches.append(self._prefill_text(context, options))
            context = None
        others = concatenate(caches)
        strength = None
        if others.tokens is not None:
            tokens, e0, rope, strength = self._join(tokens, e0, rope, others)
        options["total_blocks"] = len(self.blocks)
        options["block_type"] = "double"
        for i in range(len(self.blocks)):
            options["block_index"] = i
            args = {"img": tokens, "txt": context, "vec": e0, "pe": rope, "transformer_options": options}
            tokens = self._run_block(i, args, others.layers[i] if others.layers else None, strength)
            for patch in options.get("patches", {}).get("double_block", ()):
                tokens = patch(
                    {"img": tokens, "x": x, "vec": e, "block_index": i, "img_offset": 0, "transformer_options": options}
                )["img"]
        return tokens[:, :length]

    def _run_block(
        self, index: int, args: dict[str, Any], kv_cache: KeyValue | None, strength: torch.Tensor | None
    ) -> torch.Tensor:
        """Run block `index`, or a host's replacement for it, on arguments with Wan's names; return the tokens."""

        def original_block(args: dict[str, Any]) -> dict[str, torch.Tensor]:
            out, _ = self.blocks[index](
                args["img"],
                args["vec"],
                args["pe"],
                args["txt"],
                self.attention,
                kv_cache,
                strength,
                args["transformer_options"],
            )
            return {"img": out}

        replacements = args["transformer_options"].get("patches_replace", {}).get("dit", {})
        if ("double_block", index) not in replacements:
            return original_block(args)["img"]
        replaced: torch.Tensor = replacements[("double_block", index)](args, {"original_block": original_block})["img"]
        return replaced

    def _join(
        self, tokens: torch.Tensor, e0: torch.Tensor, rope: Rope, others: ConditionKVCache
    ) -> tuple[torch.Tensor, torch.Tensor, Rope, torch.Tensor | None]:
        """Put the tokens of conditions and text behind the video's, for full attention; return the joined tokens
        (B, L, D), modulation, rope and strengths (L, 1)."""
        assert others.tokens is not None and others.rope is not None
        batch, length = tokens.shape[:2]
        extra = others.tokens.shape[1]
        if e0.shape[1] > 1:  # a time per frame: clean frames come first, so the last frame's time is the sampler's
            e0 = torch.cat([repeat_per_token(e0, length), e0[:, -1:].expand(-1, extra, -1, -1)], 1)
        tokens = torch.cat([tokens, others.tokens.to(tokens).expand(batch, -1, -1)], 1)
        cos, sin = (torch.cat([own, other.to(own)]) for own, other in zip(rope, others.rope, strict=True))
        strength = None
        if others.strength is not None:
            strength = torch.cat([torch.ones(length, 1, device=tokens.device), others.strength])
        return tokens, e0, (cos, sin), strength

    def prefill(
        self,
        conditions: ConditionStreams,
        transformer_options: TransformerOptions | None = None,
        dtype: torch.dtype | None = None,
    ) -> ConditionKVCache:
        """Return what the video reads of `conditions`, to be passed to `forward` as `kv_cache` as often as wanted.

        It depends on the conditions and the weights (and, for a host, on its patches) and on nothing else. `dtype` is
        the format of the activations, by default that of the weights. Raises UserError as `embed_stream` does.
        """
        options = transformer_options or {}
        if dtype is None:
            dtype = self.dtype or next(self.time_embedding.parameters()).dtype
        if not conditions.streams:
            return ConditionKVCache()
        batch = conditions.batch
        tokens, positions, strengths = [], [], []
        for stream in conditions.streams:
            one = self.embed_stream(stream, dtype)
            tokens.append(one.expand(batch, -1, -1))
            positions.append(stream_positions(stream, conditions.latent_size, self.config.patch_size))
            strengths += [stream.strength] * one.shape[1]
        joined = torch.cat(tokens, 1)
        rope_positions = torch.cat(positions)
        few = len(rope_positions) < 4096
        key = ("conditions", tuple(map(tuple, rope_positions.tolist())) if few else rope_positions.numpy().tobytes())
        rope = self.rope(rope_positions, key, joined.device, options)
        strength = None
        if any(s != 1 for s in strengths):
            strength = torch.tensor(strengths, device=joined.device, dtype=torch.float32)[:, None]
        return self._prefill_tokens(joined, rope, strength, options)

    def embed_stream(self, stream: Stream, dtype: torch.dtype) -> torch.Tensor:
        """Return the tokens (B, n, D) of one stream. Raises UserError where the checkpoint does not take it."""
        if stream.name not in self.tokenizers:
            has = ", ".join(self.tokenizers) or "none"
            raise UserError(
                f"This checkpoint does not take the condition {stream.condition!r} (stream {stream.name!r}; it has "
                f"{has}). Remove the condition, or load a checkpoint that was trained with it."
            )
        if stream.slot is not None and not 0 <= stream.slot < self.config.slots:
            raise UserError(
                f"An identity has the slot {stream.slot}, but the checkpoint has slots 0 to {self.config.slots - 1}."
            )
        if stream.kind.kind == "video" and stream.patch != self.config.patch_of(stream.name):
            raise UserError(
                f"The stream {stream.name!r} is cut into patches of {stream.patch}, but the checkpoint reads patches "
                f"of {self.config.patch_of(stream.name)}. Encode the conditions with this checkpoint's config."
            )
        tokens: torch.Tensor = self.tokenizers[stream.name](stream.data, dtype, stream.slot)
        return tokens

    def _prefill_tokens(
        self, tokens: torch.Tensor, rope: Rope, strength: torch.Tensor | None, options: TransformerOptions
    ) -> ConditionKVCache:
        """Run tokens among themselves at t = 0 (decoupled), or keep them for the joined sequence (full)."""
        if self.config.attention == "full":
            return ConditionKVCache(tokens=tokens, rope=rope, strength=strength)
        _, e0 = self.embed_time(torch.zeros(1, device=tokens.device), tokens.dtype)
        layers = []
        for i, block in enumerate(self.blocks):
            assert isinstance(block, Block)
            if i + 1 < len(self.blocks):
                tokens, (k, v) = block(
                    tokens, e0, rope, None, self.attention, transformer_options=options, kind="condition"
                )
            else:
                k, v = block.key_value(tokens, e0, rope)  # nothing reads the tokens after the last block
            layers.append((k, v if strength is None else v * strength.to(v)))
        return ConditionKVCache(layers=tuple(layers))

    def _prefill_text(self, context: torch.Tensor, options: TransformerOptions) -> ConditionKVCache:
        """Return the text as tokens of the sequence, at position 0, which rotates nothing: text has no place in it."""
        tokens = context + self.text_type.to(context)
        length = tokens.shape[1]
        rope = self.rope(torch.zeros(length, 3), ("text", length), tokens.device, {})
        return self._prefill_tokens(tokens, rope, None, options)
