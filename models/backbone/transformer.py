"""The network: a Wan 2.1 transformer whose sequence also holds the tokens of every condition (FullDiT, 2503.19907).

Two ways to attend (`config.attention`). `full`: every token attends to every token, conditions share the video's time
and read the text. `decoupled`: condition tokens attend to condition tokens only, are modulated at t = 0 and do not read
the text; video tokens attend to both. What the video sees of the conditions then depends on the conditions and the
weights alone: `prefill` computes it once, exactly, for every step, prompt and seed.

Letters: B batch, C channels, T h w frames and sides of the latent, L tokens, D width, e modulation by time.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn

from ...control.errors import UserError
from ..conditioning.condition_streams import ConditionStreams, Stream
from ..conditioning.streams import STREAMS
from ..conditioning.tokenizers import PatchTokenizer, VectorTokenizer, pad_to_patch, weight_dtype, widen_patch
from ..config import FullDiTConfig
from .attention import Attention, sdpa
from .blocks import Block, Head, KeyValue, Rope
from .positions import grid, make_rope, stream_positions

# Length of a slot's vector at the start of a training, as a share of sqrt(dim): about half of a reference token's.
SLOT_SIZE = 0.3
MAX_ROPES = 32  # kept; a long video under context windows has a few per window length


@dataclass(frozen=True, eq=False)
class ConditionKVCache:
    """What the video needs of the conditions. `decoupled`: `layers`, K and V (B, L, D) of every block, V scaled by the
    strengths. `full`: the embedded `tokens` (B, L, D), their `rope` and `strength` (L, 1) or None."""

    layers: tuple[KeyValue, ...] = ()
    tokens: torch.Tensor | None = None
    rope: Rope | None = None
    strength: torch.Tensor | None = None

    def _map(self, change) -> ConditionKVCache:
        def each(value):
            if isinstance(value, tuple):
                return tuple(each(v) for v in value)
            return None if value is None else change(value)

        return replace(self, **{name: each(getattr(self, name)) for name in ("layers", "tokens", "rope", "strength")})

    @property
    def nbytes(self) -> int:
        total = 0

        def count(value):
            nonlocal total
            total += value.nbytes
            return value

        self._map(count)
        return total

    def to(self, device: Any) -> ConditionKVCache:
        return self._map(lambda value: value.to(device))


def time_features(size: int, t: torch.Tensor) -> torch.Tensor:
    """Wan's sinusoids: t (n,) in 0..1000 -> (n, size) float32, cosines first."""
    half = size // 2
    frequency = torch.pow(10000, -torch.arange(half, device=t.device, dtype=torch.float32) / half)
    angle = t.float()[:, None] * frequency
    return torch.cat([angle.cos(), angle.sin()], 1)


class FullDiT(nn.Module):
    """Predicts the velocity of a noisy latent under text and conditions. State-dict keys are Wan's, and `tokenizers.*`.

    `operations` gives Linear, Conv3d, LayerNorm and RMSNorm (torch.nn, or a host's classes). `attention` is the
    callable of attention.py; `use_backend` changes it. Subclasses may override `embed_video`, `embed_time`,
    `embed_text`, `run_blocks` and `to_latent`.
    """

    def __init__(
        self, config: FullDiTConfig, operations: Any = nn, device: Any = None, dtype: torch.dtype | None = None
    ):
        super().__init__()
        self.config = config
        self.dtype = dtype
        self.attention: Attention = sdpa
        self._ropes: dict[tuple, Rope] = {}
        dim, patch = config.dim, config.patch_size
        place = {"device": device, "dtype": dtype}
        # As in Wan and ComfyUI, latents are embedded in float32 whatever the format of the rest.
        self.patch_embedding = operations.Conv3d(
            config.in_dim, dim, kernel_size=patch, stride=patch, device=device, dtype=torch.float32
        )
        self.text_embedding = nn.Sequential(
            operations.Linear(config.text_dim, dim, **place),
            nn.GELU(approximate="tanh"),
            operations.Linear(dim, dim, **place),
        )
        self.time_embedding = nn.Sequential(
            operations.Linear(config.freq_dim, dim, **place), nn.SiLU(), operations.Linear(dim, dim, **place)
        )
        self.time_projection = nn.Sequential(nn.SiLU(), operations.Linear(dim, dim * 6, **place))
        self.blocks = nn.ModuleList(Block(config, operations, device, dtype) for _ in range(config.num_layers))
        self.head = Head(config, operations, device, dtype)

        self.tokenizers = nn.ModuleDict()
        for name in config.streams:
            kind = STREAMS[name]
            common = {"slots": config.slots if kind.has_slots else 0, "operations": operations, **place}
            if kind.kind == "vector":
                self.tokenizers[name] = VectorTokenizer(dim, kind.features * config.temporal_compression, **common)
            else:
                self.tokenizers[name] = PatchTokenizer(dim, config.in_dim, config.patch_of(name), **common)
        if config.joint_text:
            self.text_type = nn.Parameter(torch.zeros(dim, **place))

    # ---- the parts of a pass --------------------------------------------------------------------------------------

    def forward(
        self,
        x: torch.Tensor,
        timestep: torch.Tensor,
        context: torch.Tensor,
        conditions: ConditionStreams | None = None,
        kv_cache: ConditionKVCache | None = None,
        transformer_options: dict | None = None,
    ) -> torch.Tensor:
        """x (B, C, T, h, w) at times `timestep`, 1000 t, (B,) or one per latent frame (B, T); context (B, L, text_dim).

        `memory` is what `prefill` gave for the same conditions; without it the conditions are computed here. Returns
        the velocity (B, C, T, h, w). Raises UserError for conditions of another size than x.
        """
        options = {} if transformer_options is None else transformer_options
        latent_size = tuple(x.shape[2:])
        if kv_cache is None and conditions is not None and conditions.streams:
            if conditions.latent_size != latent_size:
                raise UserError(
                    f"The conditions belong to a video whose latent is {conditions.latent_size} (frames, height, "
                    f"width), but the latent given is {latent_size}. Make both for the same size."
                )
            if conditions.batch not in (1, x.shape[0]):
                raise UserError(f"The conditions are a batch of {conditions.batch}, the latent one of {x.shape[0]}.")
            kv_cache = self.prefill(conditions, options, dtype=x.dtype)
        tokens, shape = self.embed_video(x)
        options["grid_sizes"] = shape
        e, e0 = self.embed_time(timestep, x.dtype)
        context = self.embed_text(context.to(x.dtype))
        rope = self.rope(grid(*(range(side) for side in shape)), ("video", shape), tokens.device, options)
        tokens, e = self.run_blocks(x, tokens, e, e0, rope, context, kv_cache, options)
        return self.to_latent(self.head(tokens, e), shape)[..., : latent_size[0], : latent_size[1], : latent_size[2]]

    def embed_video(self, x: torch.Tensor) -> tuple[torch.Tensor, tuple[int, int, int]]:
        """(B, C, T, h, w) -> tokens (B, L, D) and the sides of their grid; odd sides are padded."""
        x = pad_to_patch(x, self.config.patch_size)
        tokens = self.patch_embedding(x.to(weight_dtype(self.patch_embedding))).to(x.dtype)
        return tokens.flatten(2).transpose(1, 2), tuple(tokens.shape[2:])

    def embed_time(self, timestep: torch.Tensor, dtype: torch.dtype) -> tuple[torch.Tensor, torch.Tensor]:
        """(B,) or (B, T) -> time embedding (B, n, D) for the head and (B, n, 6, D) for the blocks; n is 1 or T."""
        with torch.autocast(timestep.device.type, enabled=False):  # tiny, and everything hangs on it
            e = self.time_embedding(time_features(self.config.freq_dim, timestep.flatten()).to(dtype))
            e = e.view(timestep.shape[0], -1, e.shape[-1])
            return e, self.time_projection(e).unflatten(2, (6, -1))

    def embed_text(self, context: torch.Tensor) -> torch.Tensor:
        """(B, L, text_dim) -> (B, L, D)."""
        return self.text_embedding(context)

    def to_latent(self, patches: torch.Tensor, shape: Sequence[int]) -> torch.Tensor:
        """(B, L, patch * C) -> (B, C, T, h, w)."""
        t, h, w = shape
        pt, ph, pw = self.config.patch_size
        x = patches.view(patches.shape[0], t, h, w, pt, ph, pw, self.config.out_dim)
        return x.permute(0, 7, 1, 4, 2, 5, 3, 6).reshape(x.shape[0], -1, t * pt, h * ph, w * pw)

    def run_blocks(self, x, tokens, e, e0, rope, context, kv_cache, options) -> tuple[torch.Tensor, torch.Tensor]:
        """All blocks over tokens (B, L, D): returns the video's tokens and the time embedding for the head.

        `options` may carry a host's hooks: patches_replace['dit'][('double_block', i)] instead of a block, and
        patches['double_block'] after each.
        """
        count = tokens.shape[1]
        strength = None
        words = context
        joined: list[ConditionKVCache] = [] if kv_cache is None else [kv_cache]
        layers: Sequence[KeyValue | None] = [None] * len(self.blocks)
        if self.config.joint_text:
            words = None
            joined.append(self._prefill_text(context, options))
        if self.config.attention == "full" and joined:
            tokens, e0, rope, strength = self._join(tokens, e0, rope, joined)
        elif joined:
            layers = [joined[0].layers[i] for i in range(len(self.blocks))]
            for more in joined[1:]:
                layers = [_append(a, b) for a, b in zip(layers, more.layers, strict=True)]

        replace_blocks = options.get("patches_replace", {}).get("dit", {})
        after_blocks = options.get("patches", {}).get("double_block", ())
        options["total_blocks"] = len(self.blocks)
        options["block_type"] = "double"
        for i, block in enumerate(self.blocks):
            options["block_index"] = i

            def run(args, block=block, layer=layers[i]):
                out, _ = block(
                    args["img"],
                    args["vec"],
                    args["pe"],
                    args["txt"],
                    self.attention,
                    layer,
                    strength,
                    args["transformer_options"],
                )
                return {"img": out}

            args = {"img": tokens, "txt": words, "vec": e0, "pe": rope, "transformer_options": options}
            if ("double_block", i) in replace_blocks:
                tokens = replace_blocks[("double_block", i)](args, {"original_block": run})["img"]
            else:
                tokens = run(args)["img"]
            for patch in after_blocks:
                tokens = patch(
                    {"img": tokens, "x": x, "vec": e, "block_index": i, "img_offset": 0, "transformer_options": options}
                )["img"]
        return tokens[:, :count], e

    # ---- conditions -----------------------------------------------------------------------------------------------

    def prefill(
        self, conditions: ConditionStreams, transformer_options: dict | None = None, dtype: torch.dtype | None = None
    ) -> ConditionKVCache:
        """What the video will see of `conditions`, to be passed to `forward` as `memory` as often as wanted.

        It depends on the conditions and the weights (and, for a host, on its patches) and on nothing else. `dtype` is
        the format of the activations, by default that of the weights.
        """
        options = transformer_options or {}
        if dtype is None:
            dtype = self.dtype or self.time_embedding[0].weight.dtype
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
        place = torch.cat(positions)
        key = ("conditions", tuple(map(tuple, place.tolist())) if len(place) < 4096 else place.numpy().tobytes())
        rope = self.rope(place, key, joined.device, options)
        strength = None
        if any(s != 1 for s in strengths):
            strength = torch.tensor(strengths, device=joined.device, dtype=torch.float32)[:, None]
        return self._prefill_tokens(joined, rope, strength, options)

    def embed_stream(self, stream: Stream, dtype: torch.dtype) -> torch.Tensor:
        """The tokens (B, n, D) of one stream. Raises UserError where the checkpoint does not take it."""
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
        return self.tokenizers[stream.name](stream.data, dtype, stream.slot)

    def _prefill_tokens(self, tokens, rope, strength, options) -> ConditionKVCache:
        """Run tokens among themselves at t = 0 (decoupled), or keep them for the joined sequence (full)."""
        if self.config.attention == "full":
            return ConditionKVCache(tokens=tokens, rope=rope, strength=strength)
        _, e0 = self.embed_time(torch.zeros(1, device=tokens.device), tokens.dtype)
        layers = []
        for i, block in enumerate(self.blocks):
            if i + 1 < len(self.blocks):
                tokens, (k, v) = block(
                    tokens, e0, rope, None, self.attention, transformer_options=options, kind="condition"
                )
            else:
                k, v = block.key_value(tokens, e0, rope)  # nobody reads what would come after
            layers.append((k, v if strength is None else v * strength.to(v)))
        return ConditionKVCache(layers=tuple(layers))

    def _prefill_text(self, context: torch.Tensor, options: dict) -> ConditionKVCache:
        """Words as tokens of the sequence. They have no place in the video: position 0 turns nothing."""
        tokens = context + self.text_type.to(context)
        length = tokens.shape[1]
        rope = self.rope(torch.zeros(length, 3), ("text", length), tokens.device, {})
        return self._prefill_tokens(tokens, rope, None, options)

    def _join(self, tokens, e0, rope, kv_caches: Sequence[ConditionKVCache]):
        """Put the tokens of all memories behind the video's, for full attention."""
        batch, count = tokens.shape[:2]
        parts = [kv_cache for kv_cache in kv_caches if kv_cache.tokens is not None]
        extra = sum(part.tokens.shape[1] for part in parts)
        if e0.shape[1] > 1:  # a time per frame: given frames come first, so the last one's time is the sampler's
            e0 = torch.cat([e0.repeat_interleave(count // e0.shape[1], 1), e0[:, -1:].expand(-1, extra, -1, -1)], 1)
        tokens = torch.cat([tokens] + [part.tokens.to(tokens).expand(batch, -1, -1) for part in parts], 1)
        rope = tuple(torch.cat([own] + [part.rope[i].to(own) for part in parts]) for i, own in enumerate(rope))
        strength = None
        if any(part.strength is not None for part in parts):
            ones = torch.ones(tokens.shape[1], 1, device=tokens.device)
            rows = [part.strength if part.strength is not None else ones[: part.tokens.shape[1]] for part in parts]
            strength = torch.cat([ones[:count], *rows])
        return tokens, e0, rope, strength

    def rope(self, positions: torch.Tensor, key: tuple, device: Any, options: dict) -> Rope:
        """The rope of `positions` (L, 3); ropes are kept under `key`.

        A host's `rope_options` (scale_t, shift_t, ... for t, y, x) stretch and move all positions alike.
        """
        how = options.get("rope_options") or {}
        scale = [float(how.get(f"scale_{axis}", 1.0)) for axis in "tyx"]
        shift = [float(how.get(f"shift_{axis}", 0.0)) for axis in "tyx"]
        device = torch.device(device)
        # Autocast asks for speed: half-precision angles there, float32 everywhere else.
        fast = torch.get_autocast_dtype(device.type) if torch.is_autocast_enabled(device.type) else torch.float32
        key = (*key, *scale, *shift, device, fast)
        if key not in self._ropes:
            if len(self._ropes) >= MAX_ROPES:
                self._ropes.clear()
            moved = positions.float() * torch.tensor(scale) + torch.tensor(shift)
            rope = make_rope(moved, self.config.dim // self.config.num_heads)
            self._ropes[key] = tuple(part.to(device, fast) for part in rope)
        return self._ropes[key]


def _append(one: KeyValue, other: KeyValue) -> KeyValue:
    """K and V of two groups of tokens, batches of 1 spread."""
    batch = max(one[0].shape[0], other[0].shape[0])
    both = zip(one, other, strict=True)
    return tuple(torch.cat([a.expand(batch, -1, -1), b.expand(batch, -1, -1)], 1) for a, b in both)


@torch.no_grad()
def initialize(model: FullDiT) -> None:
    """Wan's initial weights: Xavier, small embeddings, a head of zeros. Condition patches start as the backbone's."""
    for module in model.modules():
        if isinstance(module, nn.Linear):
            nn.init.xavier_uniform_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    for embedding in (model.text_embedding, model.time_embedding):
        for module in embedding:
            if isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, std=0.02)
    nn.init.xavier_uniform_(model.patch_embedding.weight.flatten(1))
    nn.init.zeros_(model.patch_embedding.bias)
    for part in [*model.blocks, model.head]:
        nn.init.normal_(part.modulation, std=1 / math.sqrt(model.config.dim))
    nn.init.zeros_(model.head.head.weight)
    initialize_tokenizers(model)


@torch.no_grad()
def initialize_tokenizers(model: FullDiT) -> None:
    """The condition tokenizers alone, for adding them to open weights: patch embeddings from the backbone's, vectors of
    the type at zero, those of the slots orthogonal, Xavier for the rest.

    Slots that start at zero stay too short to be told apart in a short training: after 174,000 samples they were 6 % of
    their tokens' length, and references of one slot went to the objects of another (checkpoints/README.md).
    """
    for tokenizer in model.tokenizers.values():
        nn.init.zeros_(tokenizer.type_vector)
        if tokenizer.slot_vectors is not None:
            nn.init.orthogonal_(tokenizer.slot_vectors, gain=SLOT_SIZE * math.sqrt(model.config.dim))
        if isinstance(tokenizer, PatchTokenizer):
            weight = widen_patch(model.patch_embedding.weight, tokenizer.patch)
            tokenizer.patch_embedding.weight.copy_(weight)
            tokenizer.patch_embedding.bias.copy_(model.patch_embedding.bias)
        else:
            for module in tokenizer.net:
                if isinstance(module, nn.Linear):
                    nn.init.xavier_uniform_(module.weight)
                    nn.init.zeros_(module.bias)
