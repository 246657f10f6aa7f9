"""The network with the host's hooks: the same keys as models.transformer.FullDiT, nothing wrapped around it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any, TypeAlias

import comfy.patcher_extension
import torch
from comfy.ldm.modules.attention import optimized_attention

from ...models.backbone.transformer import FullDiT, TransformerOptions
from ...models.conditioning.condition_streams import ConditionStreams
from ...models.conditioning.kv_cache import ConditionKVCache
from ...models.config import FullDiTConfig
from .cond import ARGUMENT, ScheduledStreams

CacheKey: TypeAlias = tuple[object, ...]

KEEP_AFTER_RUN = 256 * 2**20  # bytes of K and V that may stay for the next prompt or seed
KEEP_IN_RUN = 4 * 2**30  # context windows each have their own


class KVCacheStore:
    """K and V of condition tokens by what they were computed from; least recently used goes first."""

    def __init__(self, limit: int = KEEP_IN_RUN):
        self.limit = limit
        self.made = 0  # how often something had to be computed, for tests and reports
        self._kept: OrderedDict[CacheKey, ConditionKVCache] = OrderedDict()

    def get(self, key: CacheKey, make: Callable[[], ConditionKVCache]) -> ConditionKVCache:
        """What `make()` gave for `key` last time, or gives now."""
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        value = make()
        self.made += 1
        self._kept[key] = value
        self.trim(self.limit)
        return value

    def trim(self, limit: int, spared: int = 1) -> None:
        """Forget the oldest until no more than `limit` bytes are held; the newest `spared` stay in any size."""
        while len(self._kept) > spared and self.nbytes > limit:
            self._kept.popitem(last=False)

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return sum(value.nbytes for value in self._kept.values())


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
        super().__init__(config, operations=operations, device=device, dtype=dtype)
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
        # Frames that are given have the time 0; the others' is the sampler's.
        conditions = None if held is None else held.active(float(timestep.max()) / 1000)
        kv_cache = None if conditions is None else self._kv_cache(conditions, x, transformer_options or {})
        return FullDiT.forward(self, x, timestep, context, kv_cache=kv_cache, transformer_options=transformer_options)

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

        return self.kv_caches.get(key, make)
