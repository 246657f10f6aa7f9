"""What conditions cost per sampling step: computed once (cached K/V), computed every step, and in `full` attention.

All variants run interleaved in one process on random weights of the same size; times are medians, compared as ratios to
plain text-to-video in the same run. The peer for the plain case is diffusers' WanTransformer3DModel, where installed.

    python benchmarks/condition_cache.py [--config mini-cpu] [--rounds 15] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch

from comfyui_fulldit.control.files import write_json
from comfyui_fulldit.models.backbone.initialize import initialize
from comfyui_fulldit.models.backbone.transformer import FullDiT
from comfyui_fulldit.models.conditioning.condition_streams import ConditionStreams, Stream
from comfyui_fulldit.models.conditioning.streams import STREAMS
from comfyui_fulldit.models.config import FullDiTConfig
from comfyui_fulldit.models.devices import pick_device, pick_dtype
from comfyui_fulldit.models.families.presets import PRESETS


def all_conditions(config: FullDiTConfig, device: torch.device, dtype: torch.dtype) -> ConditionStreams:
    """Return camera, three references, identity map and depth of random numbers, of the config's own size."""
    t, h, w = config.latent_size
    generator = torch.Generator().manual_seed(0)

    def latent(frames: int) -> torch.Tensor:
        return torch.randn(1, config.in_dim, frames, h, w, generator=generator).to(device, dtype)

    features = STREAMS["camera"].features * config.temporal_compression
    camera = torch.randn(1, t, features, generator=generator).to(device)
    streams = [
        Stream("camera", camera),
        *(Stream("reference", latent(1), slot=slot) for slot in range(config.slots)),
        Stream("identity_map", latent(t)),
        Stream("depth", latent(t)),
    ]
    return ConditionStreams(tuple(streams), config.latent_size).with_patches(
        {name: config.patch_of(name) for name in config.streams}
    )


def plain_peer(config: FullDiTConfig, device: torch.device, dtype: torch.dtype) -> Callable[..., torch.Tensor] | None:
    """Return diffusers' Wan transformer of the same size, as a callable, or None where diffusers is missing."""
    try:
        from diffusers import WanTransformer3DModel
    except ImportError:
        return None
    peer: Any = WanTransformer3DModel(  # type: ignore[no-untyped-call]  # diffusers gives it no types
        patch_size=config.patch_size,
        num_attention_heads=config.num_heads,
        attention_head_dim=config.dim // config.num_heads,
        in_channels=config.in_dim,
        out_channels=config.out_dim,
        text_dim=config.text_dim,
        freq_dim=config.freq_dim,
        ffn_dim=config.ffn_dim,
        num_layers=config.num_layers,
    )
    peer = peer.to(device, dtype)
    return lambda x, t, text: peer(hidden_states=x, timestep=t, encoder_hidden_states=text, return_dict=False)[0]


@torch.no_grad()
def measure(name: str, rounds: int) -> dict[str, Any]:
    """Return the median seconds of one network pass per variant, and the ratio of each to plain."""
    config = PRESETS[name]
    device = pick_device()
    dtype = pick_dtype(device)
    decoupled, full = (random_network(replace(config, attention=mode), device, dtype) for mode in ("decoupled", "full"))
    conditions = all_conditions(config, device, dtype)
    x = torch.randn(1, config.in_dim, *config.latent_size, device=device, dtype=dtype)
    t = torch.full((1,), 500.0, device=device)
    text = torch.randn(1, config.text_len, config.text_dim, device=device, dtype=dtype)
    kv_cache = decoupled.prefill(conditions)
    variants: dict[str, Callable[[], torch.Tensor]] = {
        "plain": lambda: decoupled(x, t, text),
        "cached": lambda: decoupled(x, t, text, conditions, kv_cache=kv_cache),
        "recomputed": lambda: decoupled(x, t, text, conditions),
        "full": lambda: full(x, t, text, conditions),
    }
    if (peer := plain_peer(config, device, dtype)) is not None:
        variants["diffusers_plain"] = lambda: peer(x, t, text)
    median = median_seconds(variants, rounds, device)
    return {
        "config": name,
        "tokens": conditions.tokens(config.geometry),
        "seconds": {key: round(value, 5) for key, value in median.items()},
        "ratio_to_plain": {key: round(value / median["plain"], 3) for key, value in median.items()},
        # K and V of every block, against the input of every block (half of it, but projected again every step).
        "cache_bytes": {"keys_values": kv_cache.nbytes, "block_inputs": kv_cache.nbytes // 2},
        "machine": f"{platform.machine()}, {device}, {str(dtype)[6:]}, {torch.get_num_threads()} threads",
        "torch": torch.__version__,
    }


def random_network(config: FullDiTConfig, device: torch.device, dtype: torch.dtype) -> FullDiT:
    """Return a network with initial weights, the same for every attention mode."""
    torch.manual_seed(0)
    model = FullDiT(config)
    initialize(model)
    return model.to(device, dtype).eval()


def median_seconds(
    variants: dict[str, Callable[[], torch.Tensor]], rounds: int, device: torch.device
) -> dict[str, float]:
    """Return the median seconds of each variant, of `rounds` rounds in which each runs once."""
    seconds: dict[str, list[float]] = {key: [] for key in variants}
    for round_number in range(rounds + 2):
        for key, run in variants.items():
            start = time.perf_counter()
            run()
            if device.type == "cuda":
                torch.cuda.synchronize()
            if round_number >= 2:  # the first two warm up
                seconds[key].append(time.perf_counter() - start)
    return {key: statistics.median(values) for key, values in seconds.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--config", default="mini-cpu", choices=sorted(PRESETS))
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json", metavar="FILE")
    args = parser.parse_args()
    result = measure(args.config, args.rounds)
    if args.json:
        write_json(args.json, result)
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
