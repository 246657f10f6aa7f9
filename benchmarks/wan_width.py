"""Twenty steps at the width of Wan 2.1 1.3B with four blocks, on random weights and one fixed batch.

    python benchmarks/wan_width.py [--blocks 4] [--steps 20] [--frames 2] [--lora] [--json FILE]
    torchrun --nproc-per-node 2 benchmarks/wan_width.py --steps 2

In several processes the weights are shared (FSDP2), and each sees the same batch: the losses are those of one process.
Needs about 5 GB of memory for one process.
"""

from __future__ import annotations

import argparse
import platform
import resource
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from comfyui_fulldit.control.files import write_json
from comfyui_fulldit.models.backbone.initialize import initialize
from comfyui_fulldit.models.backbone.transformer import FullDiT
from comfyui_fulldit.models.config import FullDiTConfig
from comfyui_fulldit.models.families.presets import PRESETS
from comfyui_fulldit.training.common.distributed import start_processes
from comfyui_fulldit.training.common.optimizers import muon_and_adam
from comfyui_fulldit.training.common.sharding import shard
from comfyui_fulldit.training.generator.dry_run import fake_batch
from comfyui_fulldit.training.generator.learner import Learner
from comfyui_fulldit.training.generator.settings import LoRASettings
from comfyui_fulldit.training.generator.start import attach_lora


def learner_of(config: FullDiTConfig, lora: bool) -> Learner:
    """Return a network of random weights whose head is not zero, so that all of it learns from the first step."""
    torch.manual_seed(0)
    model = FullDiT(config)
    initialize(model)
    torch.nn.init.normal_(model.head.head.weight, std=0.02)
    model.checkpoint_gradients()
    if lora:
        attach_lora(model, LoRASettings(rank=32, base="fp32"))
    return Learner(model, None)


def filled(tensor: Tensor, generator: torch.Generator) -> Tensor:
    """Return random numbers of a tensor's shape."""
    return torch.randn(tensor.shape, generator=generator)


def measure(blocks: int, steps: int, frames: int, lora: bool) -> dict[str, Any]:
    """Return the losses of the steps, the seconds of each, and the memory that the process had at most."""
    processes = start_processes()
    config = replace(PRESETS["wan-1.3b"], num_layers=blocks, frames=4 * frames - 3, height=64, width=96, text_len=32)
    learner = learner_of(config, lora)
    parameters = sum(p.numel() for p in learner.parameters())
    if processes.count > 1:
        shard(learner, torch.float32)
    (optimizer,) = muon_and_adam(learner.named_parameters(), (), 1e-4, 1e-4)
    generator = torch.Generator().manual_seed(1)
    batch = fake_batch(config, ("camera", "identity", "depth"), 1)
    assert batch.conditions is not None
    streams = tuple(replace(s, data=filled(s.data, generator)) for s in batch.conditions.streams)
    conditions = replace(batch.conditions, streams=streams)
    video, tokens = filled(batch.video, generator), filled(batch.tokens, generator)
    batch = replace(batch, video=video, tokens=tokens, conditions=conditions)
    noise, t = filled(batch.video, generator), torch.full((1,), 0.7)
    losses, seconds = [], []
    for step in range(steps):
        began = time.perf_counter()
        loss = learner(batch, noise, t).mean()
        torch.autograd.backward(loss)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        losses.append(float(loss.detach()))
        seconds.append(time.perf_counter() - began)
        if processes.is_main:
            print(f"step {step + 1}: loss {losses[-1]:.4f}, {seconds[-1]:.1f} s", flush=True)
    result = {
        "parameters": parameters,
        "tokens": config.geometry.tokens(config.latent_size) + sum(s.tokens for s in streams),
        "processes": processes.count,
        "losses": losses,
        "seconds": seconds,
        "peak_gb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6,
        "torch": torch.__version__,
        "machine": platform.processor() or platform.machine(),
    }
    processes.leave()
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--blocks", type=int, default=4)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--frames", type=int, default=2, help="latent frames of 8x12")
    parser.add_argument("--lora", action="store_true", help="train a LoRA and the condition tokenizers alone")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    result = measure(args.blocks, args.steps, args.frames, args.lora)
    print(f"{result['parameters']:,} parameters, {result['tokens']} tokens, at most {result['peak_gb']:.1f} GB")
    if args.json:
        write_json(args.json, result)


if __name__ == "__main__":
    main()
