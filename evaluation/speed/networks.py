"""Steps of the backbone at several sizes: plain as its peers take them, and under all conditions."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from ...models.backbone.attention import sdpa, use_backend
from ...models.backbone.transformer import FullDiT
from ...models.conditioning.condition_streams import ConditionStreams, Stream
from ...models.conditioning.streams import STREAMS
from ...models.config import FullDiTConfig
from ...models.families.presets import PRESETS
from ...models.geometry import Size3
from . import peers
from .clock import PROCESS, WALL, Pair, Work, compare

PLAIN, CACHED, RECOMPUTED, PREFILL, FULL = "plain", "cached", "recomputed", "prefill", "full attention"
# With conditions in half of the blocks, of which each takes half of the condition tokens.
HALF_CACHED, HALF_PREFILL = "cached, half of blocks and tokens", "prefill, half of blocks and tokens"
CONDITIONED = (CACHED, RECOMPUTED, PREFILL, HALF_CACHED, HALF_PREFILL, FULL)
PLAIN_ATTENTION, CACHED_ATTENTION = "attention of plain", "attention of cached"
# How far a peer's velocity may be from ours, relative to its norm.
APART = {torch.float32: 1e-4, torch.bfloat16: 0.05}


@dataclass(frozen=True)
class NetworkSize:
    """A network and the latent (T, h, w) that it computes on. `more` times as many rounds: small ones are noisier."""

    name: str
    config: FullDiTConfig
    latent: Size3
    more: int = 1


_MIDDLE = replace(PRESETS["mini"], dim=512, ffn_dim=2048, num_layers=4, text_len=128)
# Two blocks cost what they cost in thirty.
ON_CPU = (
    NetworkSize("miniature", PRESETS["mini-cpu"], PRESETS["mini-cpu"].latent_size, more=5),
    NetworkSize("width 512, 4 blocks", _MIDDLE, (5, 16, 24)),
    NetworkSize("Wan 1.3B, 2 of 30 blocks", replace(PRESETS["wan-1.3b"], num_layers=2), (3, 24, 32)),
)
ON_ACCELERATORS = (
    NetworkSize("miniature", PRESETS["mini"], PRESETS["mini"].latent_size, more=5),
    NetworkSize("Wan 1.3B, 480x832x17", PRESETS["wan-1.3b"], (5, 60, 104)),
    NetworkSize("Wan 1.3B, 480x832x81", PRESETS["wan-1.3b"], (21, 60, 104)),
)


class Steps:
    """A network with random weights, its conditions, and what of it is timed."""

    def __init__(self, size: NetworkSize, device: torch.device, dtype: torch.dtype):
        self.size, self.device, self.dtype = size, device, dtype
        self.decoupled = random_network(size.config, device, dtype)
        self.full = FullDiT(replace(size.config, attention="full"), device="meta", dtype=dtype).eval()
        self.full.load_state_dict(self.decoupled.state_dict(), assign=True)
        self.half = half_of(self.decoupled)
        self.conditions = all_conditions(size.config, size.latent, device, dtype)
        draw = torch.Generator().manual_seed(1)
        config = size.config
        self.x = torch.randn(1, config.in_dim, *size.latent, generator=draw).to(device, dtype)
        self.text = torch.randn(1, config.text_len, config.text_dim, generator=draw).to(device, dtype)
        self.time = torch.full((1,), 500.0, device=device)

    def works(self) -> dict[str, Work]:
        """Return what our network does, by name."""
        given = (self.x, self.time, self.text)
        cache, half_cache = (network.prefill(self.conditions) for network in (self.decoupled, self.half))
        return {
            PLAIN: lambda: self.decoupled(*given),
            CACHED: lambda: self.decoupled(*given, self.conditions, kv_cache=cache),
            RECOMPUTED: lambda: self.decoupled(*given, self.conditions),
            PREFILL: lambda: self.decoupled.prefill(self.conditions),
            HALF_CACHED: lambda: self.half(*given, self.conditions, kv_cache=half_cache),
            HALF_PREFILL: lambda: self.half.prefill(self.conditions),
            FULL: lambda: self.full(*given, self.conditions),
        }

    def attention_of(self, step: Work) -> Work:
        """Return what attends as often, and to as many tokens, as a step of the decoupled network, and does no more."""
        calls: dict[tuple[torch.Size, ...], list[tuple[torch.Tensor, torch.Tensor, torch.Tensor, int]]] = {}

        def record(
            q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, heads: int, *more: Any, **named: Any
        ) -> torch.Tensor:
            alike = calls.setdefault((q.shape, k.shape), [])
            alike.append(alike[0] if alike else (q, k, v, heads))  # one set of tensors is enough
            return sdpa(q, k, v, heads)

        use_backend(self.decoupled, record)
        step()
        use_backend(self.decoupled, sdpa)
        flat = [call for alike in calls.values() for call in alike]
        return lambda: [sdpa(*call) for call in flat]

    def works_of(self, peer: str) -> dict[str, Work]:
        """Return the peer's plain step. Raises AssertionError where its velocity is not ours."""
        config = self.size.config
        weights = {n: value for n, value in self.decoupled.state_dict().items() if not n.startswith("tokenizers.")}
        step = peers.step_of(peer, config, weights, self.device, self.dtype)
        assert_same(peer, step(self.x, self.time, self.text), self.decoupled(self.x, self.time, self.text))
        return {peer: lambda: step(self.x, self.time, self.text)}


@torch.no_grad()
def measure_network(
    size: NetworkSize, found: list[str], rounds: int, device: torch.device, dtype: torch.dtype
) -> dict[str, Any]:
    """Return seconds, peak memory and ratios of a step: plain, of every peer found, and under all conditions."""
    steps = Steps(size, device, dtype)
    works = steps.works()
    works[PLAIN_ATTENTION], works[CACHED_ATTENTION] = (steps.attention_of(works[name]) for name in (PLAIN, CACHED))
    for peer in found:
        works |= steps.works_of(peer)
    pairs: list[Pair] = [(PLAIN, peer) for peer in found] + [(name, PLAIN) for name in CONDITIONED]
    tokens = steps.conditions.tokens(size.config.geometry)
    measured = compare(works, pairs, size.more * rounds, device)
    clock = PROCESS if device.type == "cpu" else WALL
    plain, before, after = (
        measured["works"][name][clock]["median"] for name in (PLAIN, PLAIN_ATTENTION, CACHED_ATTENTION)
    )
    return {
        "tokens": {**tokens, "text": size.config.text_len},
        "arithmetic": arithmetic(size),
        # What a cached step costs at least where attention takes the time that it takes here.
        "attention": {f"{CACHED} / {PLAIN}": round(1 + (after - before) / plain, 4)},
        **measured,
    }


@torch.no_grad()
def arithmetic(size: NetworkSize) -> dict[str, float]:
    """Return the products of each work under conditions relative to those of a plain step, counted without computing.

    Counted are the products of matrices and convolutions, which is nearly all.
    """
    steps = Steps(size, torch.device("meta"), torch.float32)
    for network in (steps.decoupled, steps.half, steps.full):
        use_backend(network, "explicit")
    counts = {}
    for name, work in steps.works().items():
        with FlopCounterMode(display=False) as counter:
            work()
        counts[name] = counter.get_total_flops()
    return {f"{name} / {PLAIN}": round(counts[name] / counts[PLAIN], 4) for name in CONDITIONED}


def assert_same(peer: str, theirs: torch.Tensor, ours: torch.Tensor) -> None:
    """Raise AssertionError unless a peer computed what we did."""
    apart = float((theirs.float() - ours.float()).norm() / ours.float().norm())
    if theirs.shape != ours.shape or not apart < APART[ours.dtype]:
        raise AssertionError(f"{peer} does not compute what we do: it is {apart:.2g} of the norm away from ours.")


@torch.no_grad()
def random_network(config: FullDiTConfig, device: torch.device, dtype: torch.dtype) -> FullDiT:
    """Return a network all of whose weights matter, drawn so that activations keep their size."""
    network = FullDiT(config, device=device, dtype=dtype).eval()
    draw = torch.Generator().manual_seed(0)
    for name, parameter in network.named_parameters():
        values = torch.empty(parameter.shape, device="meta" if device.type == "meta" else "cpu")
        if device.type != "meta":
            values = torch.randn(parameter.shape, generator=draw)
        scale = 0.5 * parameter[0].numel() ** -0.5 if parameter.ndim > 1 and "modulation" not in name else 0.2
        parameter.copy_(values * scale + (".norm" in name and name.endswith("weight")))
    return network


def half_of(network: FullDiT) -> FullDiT:
    """Return a network with the same weights that reads conditions in the first half of its blocks, and half of their
    tokens there; which half does not matter to the time."""
    config = network.config
    half = tuple(range(max(1, config.num_layers // 2)))
    less = FullDiT(replace(config, condition_blocks=half, token_selection=0.5), device="meta", dtype=network.dtype)
    weights = network.state_dict()
    like = weights["text_embedding.0.weight"]
    more = {name: like.new_zeros(value.shape) for name, value in less.state_dict().items() if name not in weights}
    less.load_state_dict({**weights, **more}, assign=True)
    return less.eval()


def all_conditions(config: FullDiTConfig, latent: Size3, device: torch.device, dtype: torch.dtype) -> ConditionStreams:
    """Return camera, a reference in every slot, identity map and depth, of random numbers."""
    t, h, w = latent
    draw = torch.Generator().manual_seed(2)

    def images(frames: int) -> torch.Tensor:
        return torch.randn(1, config.in_dim, frames, h, w, generator=draw).to(device, dtype)

    features = STREAMS["camera"].features * config.temporal_compression
    streams = [
        Stream("camera", torch.randn(1, t, features, generator=draw).to(device)),
        *(Stream("reference", images(1), slot=slot) for slot in range(config.slots)),
        Stream("identity_map", images(t)),
        Stream("depth", images(t)),
    ]
    patches = {name: config.patch_of(name) for name in config.streams}
    return ConditionStreams(tuple(streams), latent).with_patches(patches)
