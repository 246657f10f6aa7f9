"""One of several processes that train the debug model: `python -m process JOBS.json RANK COUNT STORE`.

JOBS is a list of runs, made one after the other by the same processes (`run_job`), with "apart" between them a check of
sequence parallelism (`sequence_differences`). What comes out lies in the folder of the jobs.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
import torch.distributed as dist

from comfyui_fulldit.models.backbone.sequence_parallel import SequenceParallel
from comfyui_fulldit.models.weights.tensor_file import write_tensors
from comfyui_fulldit.training.common import distributed
from comfyui_fulldit.training.common.distributed import from_main, is_main
from comfyui_fulldit.training.common.settings import config_path, read_settings
from comfyui_fulldit.training.common.sharding import gathered
from comfyui_fulldit.training.generator.settings import GeneratorSettings, LoRASettings, Phase
from comfyui_fulldit.training.generator.train_generator import Trainer

SUBSETS = {"camera": 1.0, "depth": 1.0, "identity": 1.0, "camera+identity+depth": 1.0, "nothing": 0.5}
COMMON = {
    "steps": 100,
    "batch": 12,
    "micro_batches": 2,
    "precision": "fp32",
    "warmup": 0,
    "optimizer": "adamw",
    "channel_power": 0.0,
    "phases": [Phase(1.0, SUBSETS)],
}


def trainer_of(job: dict[str, Any]) -> Trainer:
    """The trainer of a job: the debug config with "changes", in FOLDER/NAME, which begins as a copy of "from"."""
    changes = {**COMMON, "model": f"{job['data']}/start.safetensors", **job.get("changes", {})}
    if changes.get("lora") is not None:
        changes["lora"] = LoRASettings(**changes["lora"])
    settings = replace(read_settings(config_path("generator", "debug"), GeneratorSettings), **changes)
    folder, data = Path(job["folder"]), Path(job["data"])
    out = folder / job["name"]
    if "from" in job and is_main():
        shutil.copytree(job["from"], out)
    from_main(None)  # nobody looks before the copy is there
    return Trainer(settings, out, data / "fulldit_mini_vae.safetensors", data / "data", out / "weights.safetensors")


def run_job(job: dict[str, Any]) -> dict[str, torch.Tensor]:
    """Train to the step "until"; returns the whole weights, and those of the average as `ema.NAME`, on the first
    process."""
    with patch.object(distributed, "pick_device", lambda name: torch.device("cpu")):  # also where there is a GPU
        trainer = trainer_of(job)
    trainer.run(until=job["until"])
    values = {**trainer.learner.state_dict(), **{f"ema.{k}": v for k, v in trainer.ema.values.items()}}
    whole = gathered(values.items(), keep=trainer.processes.is_main)
    return {name: value.clone() for name, value in whole.items()}


def sequence_differences() -> dict[str, float]:
    """The largest relative differences of outputs and gradients between a network on a sequence and one on a part of
    it, by attention mode and by whether every frame has its own time. The conditions are an odd number of tokens."""
    from nets import apart, conditions, latent, randomized, small, words

    result = {}
    for mode, joint, training, blocks in (
        ("decoupled", False, False, ()),
        ("decoupled", False, True, ()),
        ("decoupled", True, False, ()),
        ("decoupled", False, False, (0,)),
        ("decoupled", False, True, (0,)),
        ("full", False, False, ()),
    ):
        config = small(attention=mode, joint_text=joint, condition_blocks=blocks)
        for per_frame in (False, True):
            x, text, streams = latent(batch=2), words(config, 2), conditions(2)
            t = torch.full((len(x), x.shape[2]) if per_frame else (len(x),), 300.0)
            assert sum(stream.tokens for stream in streams.streams) % 2
            nets = [randomized(config), randomized(config)]
            for net in nets:
                net.train(training)
            nets[1].share_sequences(SequenceParallel(dist.group.WORLD))
            outputs = [net(x, t, text, streams) for net in nets]
            for output in outputs:
                output.square().mean().backward()
            gradients: list[list[torch.Tensor]] = [[], []]
            for whole, part in zip(nets[0].parameters(), nets[1].parameters(), strict=True):
                if whole.grad is not None:
                    dist.all_reduce(part.grad)
                    gradients[0].append((part.grad / dist.get_world_size()).flatten())
                    gradients[1].append(whole.grad.flatten())
            found = apart(*(output.detach() for output in outputs)), apart(*map(torch.cat, gradients))
            name = f"{mode}{' with text' * joint}{' in training' * training}{' per frame' * per_frame}{blocks}"
            result[name] = max(found)
    return result


def main() -> None:
    jobs, rank, count, store = sys.argv[1:]
    torch.set_num_threads(1)
    os.environ.update(RANK=rank, WORLD_SIZE=count, LOCAL_RANK=rank)
    dist.init_process_group("gloo", init_method=f"file://{store}", rank=int(rank), world_size=int(count))
    for job in json.loads(Path(jobs).read_text()):
        if job["name"] == "sequence":
            (Path(job["folder"]) / f"sequence_{rank}.json").write_text(json.dumps(sequence_differences()))
            continue
        weights = run_job(job)
        if weights:
            write_tensors(Path(job["folder"]) / f"{job['name']}.safetensors", weights, {})
    dist.barrier()
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
