"""The network with the host's hooks: the same keys as models.transformer.FullDiT, nothing wrapped around it."""

from __future__ import annotations

from typing import Any

import comfy.model_management
import comfy.ops
import comfy.patcher_extension
import torch
from comfy.ldm.modules.attention import optimized_attention

from ...models.backbone.transformer import FullDiT, TransformerOptions
from ...models.conditioning.condition_streams import ConditionStreams
from ...models.conditioning.kv_cache import ConditionKVCache
from ...models.conditioning.kv_store import KVCacheStore, Room
from ...models.conditioning.timed_text import Text
from ...models.config import FullDiTConfig
from .cond import ARGUMENT, ScheduledStreams
from .story import ARGUMENT as STORY
from .story import StoryWeights

KEEP_AFTER_RUN = 256 * 2**20  # bytes of K and V that may stay for the next prompt or seed
ACTIVATIONS = "fulldit_activations"  # in transformer_options: bytes that the step itself needs
_SHARE_OF_MAIN_MEMORY = 0.25  # of what is free: for K and V that do not fit beside the network


def host_attention(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    heads: int,
    transformer_options: TransformerOptions | None = None,
    kind: str = "self",
) -> torch.Tensor:
    """The host's choice of attention, with its override and its patches of self-attention."""
    options = transformer_options or {}
    out: torch.Tensor = optimized_attention(q, k, v, heads=heads, transformer_options=options)
    if kind == "self":
        for patch in options.get("patches", {}).get("attn1_patch", ()):
            out = patch({"x": out, "q": q, "k": k, "transformer_options": options})
    return out


class HostFullDiT(FullDiT):
    """FullDiT with core's DIFFUSION_MODEL wrappers around it and the K/V of its conditions kept between steps."""

    def __init__(
        self, config: FullDiTConfig, device: Any = None, dtype: torch.dtype | None = None, operations: Any = None
    ):
        # Core's operations for quantized files have one format for all layers, where tokenizers need float32.
        super().__init__(config, operations, device, dtype, tokenizer_operations=comfy.ops.manual_cast)
        self.attention = host_attention
        self.kv_caches = KVCacheStore()

    # The host calls with arguments of its own, Wan's, where our network takes conditions and their K/V.
    def forward(  # type: ignore[override]
        self,
        x: torch.Tensor,
        timestep: torch.Tensor,
        context: torch.Tensor,
        clip_fea: Any = None,
        time_dim_concat: Any = None,
        transformer_options: TransformerOptions | None = None,
        **kwargs: Any,
    ) -> torch.Tensor:
        """Return the velocity; the arguments come in Wan's positional order, which EasyCache and others rely on."""
        options = {} if transformer_options is None else transformer_options
        wrappers = comfy.patcher_extension.get_all_wrappers(comfy.patcher_extension.WrappersMP.DIFFUSION_MODEL, options)
        executor = comfy.patcher_extension.WrapperExecutor.new_class_executor(self._forward, self, wrappers)
        velocity: torch.Tensor = executor.execute(x, timestep, context, clip_fea, time_dim_concat, options, **kwargs)
        return velocity

    def _forward(
        self,
        x: torch.Tensor,
        timestep: torch.Tensor,
        context: torch.Tensor,
        clip_fea: Any = None,
        time_dim_concat: Any = None,
        transformer_options: TransformerOptions | None = None,
        **kwargs: Any,
    ) -> torch.Tensor:
        held: ScheduledStreams | None = kwargs.get(ARGUMENT)
        conditions = None
        if held is not None:
            # Frames that are given have the time 0; the others' is the sampler's. To read it is to wait for the GPU.
            sigma = 0.0 if held.are_permanent else float(timestep.max()) / 1000
            conditions = held.active(sigma)
        kv_cache = None if conditions is None else self._kv_cache(conditions, x, transformer_options or {})
        story: StoryWeights | None = kwargs.get(STORY)
        text: Text = context if story is None else story.timed(context)
        return FullDiT.forward(self, x, timestep, text, kv_cache=kv_cache, transformer_options=transformer_options)

    def _kv_cache(self, conditions: ConditionStreams, x: torch.Tensor, options: TransformerOptions) -> ConditionKVCache:
        """K and V of these conditions, computed once per weights, patches, device, format and attention."""
        key = (
            conditions.key,
            str(x.device),
            x.dtype,
            options.get("fulldit_weights"),
            id(options.get("optimized_attention_override")),
            tuple(sorted((options.get("rope_options") or {}).items())),
        )

        def make() -> ConditionKVCache:
            latents = conditions.to(x.device, x.dtype)
            return self.prefill(latents, {**options, "patches": {}, "patches_replace": {}}, dtype=x.dtype)

        def room() -> Room:
            free_memory = comfy.model_management.get_free_memory
            free = max(0, int(free_memory(x.device) - options.get(ACTIVATIONS, 0)))
            main = 0 if x.device.type == "cpu" else int(_SHARE_OF_MAIN_MEMORY * free_memory(torch.device("cpu")))
            return Room(self.kv_caches.held(on_device=True) + free, main)

        return self.kv_caches.get(key, make, room, x.device)
