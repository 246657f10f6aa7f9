"""What a step of the generator's training costs, by number format and attention back-end.

The real trainer on a few rendered clips, every micro-batch with all conditions. The variants make steps in turn, so
that a busy machine slows all of them; times are medians. ONEDNN_MAX_CPU_ISA=AVX2 in the environment makes a CPU one
without bfloat16 units.

    python benchmarks/training_step.py [--config cpu] [--steps 3] [--threads 1] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from comfyui_fulldit.control.files import write_json
from comfyui_fulldit.dataset.latents import write_shards
from comfyui_fulldit.models.devices import pick_device, pick_dtype
from comfyui_fulldit.models.vae.vae_file import load_vae
from comfyui_fulldit.models.weights.checkpoint import embedded_path
from comfyui_fulldit.training.common.precision import Precision
from comfyui_fulldit.training.common.settings import config_path, read_settings
from comfyui_fulldit.training.generator.settings import GeneratorSettings, Phase
from comfyui_fulldit.training.generator.start import config_of
from comfyui_fulldit.training.generator.train_generator import Trainer

PRECISIONS: tuple[Precision, ...] = ("auto", "bf16", "fp32")
VARIANTS = [(precision, attention) for precision in PRECISIONS for attention in ("explicit", "sdpa")]


def trainers(config: str, folder: Path) -> dict[str, Trainer]:
    """Return a trainer of every variant, all on the same few clips, which are encoded into `folder`."""
    settings = replace(
        read_settings(config_path("generator", config), GeneratorSettings),
        phases=[Phase(until=1.0, subsets={"camera+identity+depth": 1})],
        never=[],
        held_out_clips=1,
        channel_power=0.0,
        clean_first_frame_prob=0.0,
        map_dropped=0.0,
        minutes=None,
        steps=1_000_000,
    )
    vae_path = Path(embedded_path("fulldit_mini_vae"))
    device = pick_device()
    vae = load_vae(vae_path, device=device, dtype=pick_dtype(device))
    write_shards(vae, folder / "data", config_of(settings), clips=8, shard=8, device=device)
    return {
        f"{precision}, {attention}": Trainer(
            replace(settings, precision=precision, attention=attention),
            folder / f"{precision}_{attention}",
            vae_path,
            folder / "data",
            folder / f"{precision}_{attention}.safetensors",
        )
        for precision, attention in VARIANTS
    }


def measure(config: str, steps: int) -> dict[str, Any]:
    """Return seconds per training step of every variant, and what `auto` computes in."""
    with tempfile.TemporaryDirectory() as folder:
        variants = trainers(config, Path(folder))
        seconds: dict[str, list[float]] = {name: [] for name in variants}
        for number in range(steps + 1):
            for name, trainer in variants.items():
                start = time.perf_counter()
                trainer.train_step()  # which waits for the device, since it returns numbers
                if number:  # the first one warms up
                    seconds[name].append(time.perf_counter() - start)
    auto = variants["auto, explicit"]
    return {
        "config": config,
        "auto": str(auto.dtype).removeprefix("torch."),
        "seconds": {name: round(statistics.median(values), 3) for name, values in seconds.items()},
        "machine": f"{platform.machine()}, {auto.device}, {torch.get_num_threads()} threads",
        "torch": torch.__version__,
    }


def main() -> None:
    """Measure and print the result as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--config", default="cpu")
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", metavar="FILE")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    result = measure(args.config, args.steps)
    if args.json:
        write_json(args.json, result)
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
