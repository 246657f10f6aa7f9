"""The network: a Wan 2.1 transformer whose sequence also holds the tokens of every condition (FullDiT, 2503.19907).

Two ways to attend (`config.attention`). `full`: every token attends to every token, conditions share the video's time
and read the text. `decoupled`: condition tokens attend to condition tokens only, are modulated at t = 0 and do not read
the text; video tokens attend to both. What the video sees of the conditions then depends on the conditions and the
weights alone: `prefill` computes it once, exactly, for every step, prompt and seed. FullDiT2 (2506.04213) reads less of
it: condition tokens go through some blocks alone (`config.condition_blocks`), each of which takes the most important
ones (`config.token_selection`); in the others the video reads no conditions.

Letters: B batch, C channels, T h w frames and sides of the latent, L tokens, D width, e modulation by time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from einops import rearrange
from torch import nn

from ..conditioning.condition_streams import ConditionStreams, Stream
from ..conditioning.kv_cache import ConditionKVCache, KeyValue, Rope, concatenate
from ..conditioning.timed_text import Share, Text, TimedText
from ..conditioning.tokenizers import embed_added, embed_stream, make_tokenizers, pad_to_patch, weight_dtype
from ..config import FullDiTConfig
from ..devices import without_autocast
from .attention import Attention, sdpa
from .blocks import Block, BlockInputs, Head, repeat_per_token, time_features
from .checks import check_conditions, check_shared, check_story
from .positions import RopeCache, grid, positions_key, stream_positions
from .sequence_parallel import LENGTHS, SequenceParallel

TransformerOptions = dict[str, Any]  # a host's own: hooks, patches, rope options


class FullDiT(nn.Module):
    """The velocity of a noisy latent under text and conditions. State-dict keys are Wan's, and `tokenizers.*`.

    `operations` gives Linear, Conv3d, LayerNorm and RMSNorm (torch.nn, or a host's classes), `tokenizer_operations`
    those of the tokenizers where they differ. `attention` is the callable of attention.py; `use_backend` changes it. A
    subclass may override `embed_video`, `embed_time`, `embed_text`, `run_blocks` and `to_latent`.
    """

    def __init__(
        self,
        config: FullDiTConfig,
        operations: Any = nn,
        device: Any = None,
        dtype: torch.dtype | None = None,
        tokenizer_operations: Any = None,
    ):
        super().__init__()
        self.config = config
        self.dtype = dtype
        self.attention: Attention = sdpa
        self.parallel: SequenceParallel | None = None  # set by `share_sequences`
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
        selecting = config.blocks_of_conditions if config.token_selection < 1 else ()
        self.blocks = nn.ModuleList(
            Block(config, operations, **factory_kwargs, selects=i in selecting) for i in range(config.num_layers)
        )
        self.head = Head(config, operations, **factory_kwargs)

        self.tokenizers = make_tokenizers(config, tokenizer_operations or operations, device, dtype)
        if config.joint_text:
            self.text_type = nn.Parameter(torch.zeros(dim, **factory_kwargs))

    def share_sequences(self, parallel: SequenceParallel) -> None:
        """From now on work on a part of every sequence, with the other processes of `parallel`, at the attention that
        is set now. All of them must be called with the same inputs, and all return the whole result. Raises UserError
        for a checkpoint whose blocks select condition tokens."""
        check_shared(self.config)
        self.parallel = parallel
        self.attention = parallel.over_heads(self.attention)

    def checkpoint_gradients(self) -> None:
        """In training, compute each block once more in the backward pass instead of keeping what is in it."""
        for block in self.blocks:
            assert isinstance(block, Block)
            block.checkpointed = True

    def forward(
        self,
        x: torch.Tensor,
        timestep: torch.Tensor,
        context: Text,
        conditions: ConditionStreams | None = None,
        kv_cache: ConditionKVCache | None = None,
        transformer_options: TransformerOptions | None = None,
    ) -> torch.Tensor:
        """Return the velocity (B, C, T, h, w) of the latent x (B, C, T, h, w).

        `timestep` is 1000 t, per clip (B,) or per latent frame (B, T); `context` (B, L, text_dim) the encoded text, or
        the texts of a story. `kv_cache` is what `prefill` returned for the same conditions; without it the conditions
        are computed here.
        Raises UserError for conditions of another size or batch than x, and for a story of another length.
        """
        options = {} if transformer_options is None else transformer_options
        frames, height, width = x.shape[2:]
        if kv_cache is not None or (conditions is not None and not conditions.streams):
            conditions = None
        if conditions is not None:
            check_conditions(conditions, x)
        together = conditions is not None and not isinstance(context, TimedText) and self._trains_together(options)
        added = None
        if conditions is not None and together:
            added, conditions = embed_added(self.tokenizers, self.config, conditions, x.dtype), conditions.joined
        elif conditions is not None:
            kv_cache = self.prefill(conditions, options, dtype=x.dtype)
        if kv_cache is not None:
            added = kv_cache.added
        tokens, shape = self.embed_video(x)
        if added is not None:
            tokens = tokens + added.to(tokens)
        options["grid_sizes"] = shape
        e, e0 = self.embed_time(timestep, x.dtype)
        if isinstance(context, TimedText):
            check_story(context, x, self.config, self.parallel is not None)
            text: Text = context.mapped(lambda one: self.embed_text(one.to(x.dtype)))
        else:
            text = self.embed_text(context.to(x.dtype))
        rope = self.rope(grid(*(range(side) for side in shape)), ("video", shape), tokens.device, options)
        if conditions is not None and conditions.streams and together and isinstance(text, torch.Tensor):
            tokens = self._train_blocks(tokens, e0, rope, text, conditions, options)
        else:
            tokens = self.run_blocks(x, tokens, e, e0, rope, text, kv_cache, options)
        return self.to_latent(self.head(tokens, e), shape)[..., :frames, :height, :width]

    def embed_video(self, x: torch.Tensor) -> tuple[torch.Tensor, tuple[int, int, int]]:
        """Return the tokens (B, L, D) of x (B, C, T, h, w) and the sides of their grid; odd sides are padded."""
        x = pad_to_patch(x, self.config.patch_size)
        tokens = self.patch_embedding(x.to(weight_dtype(self.patch_embedding))).to(x.dtype)
        t, h, w = tokens.shape[2:]
        # In the order of the tokens in memory too: every block would work across it, as a view stays one under sums.
        return rearrange(tokens, "b d t h w -> b (t h w) d").contiguous(), (t, h, w)

    def embed_time(self, timestep: torch.Tensor, dtype: torch.dtype) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the time embedding (B, n, D) for the head and (B, n, 6, D) for the blocks, of times (B,) or (B, n)."""
        with without_autocast(timestep.device):  # tiny, and everything depends on it
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
        context: Text | None,
        kv_cache: ConditionKVCache | None,
        options: TransformerOptions,
    ) -> torch.Tensor:
        """Run all blocks over the video's tokens (B, L, D) and return them.

        x is the latent, e and e0 are those of `embed_time`. `options` may carry a host's hooks:
        patches_replace['dit'][('double_block', i)] instead of a block, and patches['double_block'] after each.
        """
        length, parallel = tokens.shape[1], self.parallel
        caches = [] if kv_cache is None else [kv_cache]
        if self.config.joint_text and isinstance(context, torch.Tensor):
            caches.append(self._prefill_text(context, options))
            context = None
        others = concatenate(caches)
        strength = None
        if others.tokens is not None:
            tokens, e0, rope, strength = self._join(tokens, e0, rope, others)
        read: torch.Tensor | list[Share] | None = (
            context.shares(length, tokens.shape[1], tokens.device) if isinstance(context, TimedText) else context
        )
        total = tokens.shape[1]
        if parallel is not None:
            e0 = e0 if e0.shape[1] == 1 else parallel.take(repeat_per_token(e0, total), 1)
            tokens, rope, strength, lengths = self._deal(parallel, tokens, rope, strength)
            keys = tuple(map(sum, zip(lengths, others.lengths, strict=True))) if others.layers else lengths
            options = {**options}
        options["total_blocks"] = len(self.blocks)
        options["block_type"] = "double"
        for i in range(len(self.blocks)):
            options["block_index"] = i
            args = {"img": tokens, "txt": read, "vec": e0, "pe": rope, "transformer_options": options}
            kv = others.layers[i] if others.layers else None
            if parallel is not None:
                options[LENGTHS] = (lengths, lengths if kv is None else keys)
            tokens = self._run_block(i, args, kv, strength)
            for patch in options.get("patches", {}).get("double_block", ()):
                tokens = patch(
                    {"img": tokens, "x": x, "vec": e, "block_index": i, "img_offset": 0, "transformer_options": options}
                )["img"]
        return (tokens if parallel is None else parallel.gather(tokens, total))[:, :length]

    def _trains_together(self, options: TransformerOptions) -> bool:
        """Whether condition tokens go through the blocks beside the video's, and nothing is kept of them: in training,
        where no host has hooks in the blocks."""
        hooks = options.get("patches") or options.get("patches_replace")
        trains = self.training and torch.is_grad_enabled() and not hooks
        return trains and self.config.attention == "decoupled" and not self.config.joint_text

    def _train_blocks(
        self,
        tokens: torch.Tensor,
        e0: torch.Tensor,
        rope: Rope,
        context: torch.Tensor,
        conditions: ConditionStreams,
        options: TransformerOptions,
    ) -> torch.Tensor:
        """Return what `run_blocks` makes of the video's tokens (B, L, D) with the conditions' `prefill`, by one call of
        each block: see `Block.together`."""
        others, other_rope, strength = self._embed_conditions(conditions, options, tokens.dtype)
        _, other_e = self.embed_time(torch.zeros(1, device=tokens.device), tokens.dtype)
        parallel, total, alone, own, theirs = self.parallel, tokens.shape[1], options, options, options
        if parallel is not None:
            e0 = e0 if e0.shape[1] == 1 else parallel.take(repeat_per_token(e0, total), 1)
            tokens, rope, _, lengths = self._deal(parallel, tokens, rope, None)
            others, other_rope, strength, other_lengths = self._deal(parallel, others, other_rope, strength)
            alone = {**options, LENGTHS: (lengths, lengths)}
            own = {**options, LENGTHS: (lengths, tuple(map(sum, zip(lengths, other_lengths, strict=True))))}
            theirs = {**options, LENGTHS: (other_lengths, other_lengths)}
        reading = self.config.blocks_of_conditions
        for i, block in enumerate(self.blocks):
            assert isinstance(block, Block)
            if i not in reading:
                tokens, _ = block(tokens, e0, rope, context, self.attention, transformer_options=alone)
                continue
            tokens, others = block.together(
                BlockInputs(tokens, e0, rope, own, context=context),
                BlockInputs(others, other_e, other_rope, theirs, strength=strength),
                self.attention,
                last=i == reading[-1],
            )
        return tokens if parallel is None else parallel.gather(tokens, total)

    @staticmethod
    def _deal(
        parallel: SequenceParallel, tokens: torch.Tensor, rope: Rope, strength: torch.Tensor | None
    ) -> tuple[torch.Tensor, Rope, torch.Tensor | None, tuple[int, ...]]:
        """Return this process's part of tokens (B, L, D), rope and strength (L, 1), and how many tokens each has."""
        part = (parallel.take(rope[0], 0), parallel.take(rope[1], 0))
        strength = None if strength is None else parallel.take(strength, 0)
        return parallel.take(tokens, 1), part, strength, parallel.lengths(tokens.shape[1])

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
        the format of the activations, by default that of the weights (float32 where these are in one for storage
        only). Raises UserError as `embed_stream` does.
        """
        options = transformer_options or {}
        if dtype is None:
            dtype = weight_dtype(self.time_embedding[0])
        joined = conditions.joined
        cache = ConditionKVCache()
        if joined.streams:
            cache = self._prefill_tokens(*self._embed_conditions(joined, options, dtype), options)
        return replace(cache, added=embed_added(self.tokenizers, self.config, conditions, dtype))

    def _embed_conditions(
        self, conditions: ConditionStreams, options: TransformerOptions, dtype: torch.dtype
    ) -> tuple[torch.Tensor, Rope, torch.Tensor | None]:
        """Return the tokens (B, L, D) of all streams, their rope, and their strengths (L, 1), None where all are 1."""
        batch = conditions.batch
        tokens, positions, strengths = [], [], []
        for stream in conditions.streams:
            one = self.embed_stream(stream, dtype)
            tokens.append(one.expand(batch, -1, -1))
            sources = self.config.reference_positions == "source"
            positions.append(stream_positions(stream, conditions.latent_size, self.config.patch_size, sources))
            strengths += [stream.strength] * one.shape[1]
        joined = torch.cat(tokens, 1)
        key = ("conditions", conditions.latent_size, *map(positions_key, conditions.streams))
        rope = self.rope(torch.cat(positions), key, joined.device, options)
        strength = None
        if any(s != 1 for s in strengths):
            strength = torch.tensor(strengths, device=joined.device, dtype=torch.float32)[:, None]
        return joined, rope, strength

    def embed_stream(self, stream: Stream, dtype: torch.dtype) -> torch.Tensor:
        """Return the tokens (B, n, D) of one stream. Raises UserError where the checkpoint does not take it."""
        return embed_stream(self.tokenizers, self.config, stream, dtype)

    def _prefill_tokens(
        self, tokens: torch.Tensor, rope: Rope, strength: torch.Tensor | None, options: TransformerOptions
    ) -> ConditionKVCache:
        """Run tokens among themselves at t = 0 (decoupled), or keep them for the joined sequence (full)."""
        if self.config.attention == "full":
            return ConditionKVCache(tokens=tokens, rope=rope, strength=strength)
        _, e0 = self.embed_time(torch.zeros(1, device=tokens.device), tokens.dtype)
        lengths: tuple[int, ...] = ()
        if self.parallel is not None:
            tokens, rope, strength, lengths = self._deal(self.parallel, tokens, rope, strength)
            options = {**options, LENGTHS: (lengths, lengths)}
        layers: list[KeyValue | None] = [None] * len(self.blocks)
        reading = self.config.blocks_of_conditions
        for i in reading:
            block: Any = self.blocks[i]  # a Block, or what torch.compile wraps around one
            if i != reading[-1]:
                tokens, layers[i] = block(
                    tokens,
                    e0,
                    rope,
                    None,
                    self.attention,
                    strength=strength,
                    transformer_options=options,
                    kind="condition",
                )
            else:  # nothing reads the tokens after it
                layers[i] = block.key_value(tokens, e0, rope, strength)
        return ConditionKVCache(layers=tuple(layers), lengths=lengths)

    def _prefill_text(self, context: torch.Tensor, options: TransformerOptions) -> ConditionKVCache:
        """Return the text as tokens of the sequence, at position 0, which rotates nothing: text has no place in it."""
        tokens = context + self.text_type.to(context)
        length = tokens.shape[1]
        rope = self.rope(torch.zeros(length, 3), ("text", length), tokens.device, {})
        return self._prefill_tokens(tokens, rope, None, options)
