"""One training by two roads: the trainer's own, and that of large datasets. The losses have to be the same.

    python benchmarks/training_road.py [--model mini-cpu] [--clips 32] [--steps 20] [--batch 8]
        [--workers 1] [--json FILE]

Scenes are written as `fulldit scene` does, read as a dataset, and encoded into WebDataset shards by this process and by
Ray; a fifth of them is held out. One process trains on these clips in shards as `fulldit train data` writes them; two
processes, started by torchrun, train on the shards of Ray. Both measure their averaged weights on what is held out.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

from comfyui_fulldit.control.files import write_json
from comfyui_fulldit.dataset.clip_source import STREAM
from comfyui_fulldit.dataset.encode_work import EncodeWork, encode_manifest
from comfyui_fulldit.dataset.hold_out import FOLDER, held_out_of
from comfyui_fulldit.dataset.latents import PRESENT
from comfyui_fulldit.dataset.manifest import Clip, read_manifest, write_manifest
from comfyui_fulldit.dataset.open_clips import open_clips
from comfyui_fulldit.dataset.readers import read_dataset
from comfyui_fulldit.dataset.shards.tar_clips import TarClips
from comfyui_fulldit.dataset.shards.tar_index import shards_in
from comfyui_fulldit.models.config import FullDiTConfig
from comfyui_fulldit.models.families.presets import PRESETS
from comfyui_fulldit.models.vae.vae_file import fingerprint, load_vae
from comfyui_fulldit.models.weights.checkpoint import embedded_path, load_model
from comfyui_fulldit.models.weights.tensor_file import write_tensors
from comfyui_fulldit.scenes.export import export_scene
from comfyui_fulldit.training.generator.batches import noise_of
from comfyui_fulldit.training.generator.held_out import HeldOut
from comfyui_fulldit.training.generator.learner import Learner

SHARE = "0.2"  # of the clips is held out
TIME = 0.8  # of the held-out losses
WEIGHTS = "fulldit_mini.safetensors"
PARTS = ("data", FOLDER)
SUBSETS = {"nothing": 1, "camera": 2, "identity": 2, "depth": 1, "camera+identity+depth": 2}
SELDOM = dict.fromkeys(("held_out_minutes", "save_minutes", "sheet_minutes"), 1e6)


def dataset(folder: Path, clips: int, config: FullDiTConfig) -> Path:
    """Write so many scenes and return their manifest."""
    for seed in range(clips):
        export_scene(seed, folder / "scenes" / f"{seed:05d}", config.frames, config.height, config.width)
    found = read_dataset("world", folder / "scenes", folder)
    write_manifest(folder / "manifest.jsonl", [clip for clip in found if isinstance(clip, Clip)])
    return folder / "manifest.jsonl"


def encode(path: Path, config: FullDiTConfig, to: Path, workers: int) -> float:
    """Encode a manifest into shards below `to`, those held out beside; return the clips per second."""
    manifest, vae = read_manifest(path), str(embedded_path("fulldit_mini_vae"))
    work = EncodeWork(vae, fingerprint(load_vae(vae)), config, "cpu")
    start = time.perf_counter()
    held_out = held_out_of(manifest.clips, SHARE)
    summary = encode_manifest(manifest, work, to.name, to / "data", workers=workers, held_out=held_out)
    assert summary.done == len(manifest), summary
    return len(manifest) / (time.perf_counter() - start)


def contents(folder: Path) -> list[bytes]:
    """Return the bytes of every shard in a folder."""
    return [path.read_bytes() for path in shards_in(folder)]


def own_shards(tars: TarClips, folder: Path, vae_fingerprint: str) -> None:
    """Write the clips of WebDataset shards as one shard of the trainer's own kind, in the same order."""
    rows = [tars.sample(number) for number in range(len(tars))]
    tensors = {name: torch.stack([row[name] for row in rows]) for name in rows[0] if not name.startswith(STREAM)}
    for key in tars.keys:
        empty = torch.zeros_like(next(row[STREAM + key] for row in rows if STREAM + key in row))
        tensors[STREAM + key] = torch.stack([row.get(STREAM + key, empty) for row in rows])
    tensors[PRESENT] = tars.present.to(torch.uint8)
    metadata = {"vae": vae_fingerprint, "streams": json.dumps(tars.keys)}
    write_tensors(folder / "shard_00000.safetensors", tensors, metadata)


def train(folder: Path, config: Path, processes: int) -> float:
    """Train on the clips in `folder`; return the seconds."""
    launch = (
        ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)] if processes > 1 else []
    )
    command = [sys.executable, *launch, "-m", "comfyui_fulldit.cli", "train", "generator"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    environment["PYTHONPATH"] = os.pathsep.join(sys.path)
    start = time.perf_counter()
    arguments = ["--config", str(config), "--out", str(folder)]
    done = subprocess.run([*command, *arguments], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-5000:]
    return time.perf_counter() - start


@torch.no_grad()
def held_out_losses(folder: Path) -> torch.Tensor:
    """Return the loss of each held-out clip that has all conditions, under these."""
    model, text, config = load_model(folder / WEIGHTS)
    vae = load_vae(embedded_path("fulldit_mini_vae"))
    clips = open_clips(folder / FOLDER, fingerprint(vae), config)
    held_out, learner = HeldOut(clips, vae, config, TIME, "cpu", len(clips)), Learner(model, text).eval()
    losses = []
    for numbers, batch in held_out.batches(config.conditions):
        noise = torch.stack([noise_of(batch.video.shape[1:], number) for number in numbers])
        losses.append(learner(batch, noise, torch.full((len(noise),), TIME)))
    return torch.cat(losses)


def logged(folder: Path) -> list[float]:
    """Return the loss of every step."""
    lines = (folder / "generator" / "log.jsonl").read_text(encoding="utf-8").splitlines()
    return [line["loss"] for line in map(json.loads, lines) if "loss" in line]


def compare(one: Path, two: Path) -> dict[str, Any]:
    """Return the losses of two runs, how far they are apart, and the held-out losses with the standard error of the
    first."""
    losses = [logged(folder) for folder in (one, two)]
    own, other = (held_out_losses(folder) for folder in (one, two))
    return {
        "losses": losses[0],
        "losses_apart": max(abs(a - b) for a, b in zip(*losses, strict=True)),
        "held_out": [float(own.mean()), float(other.mean())],
        "held_out_standard_error": float(own.std() / len(own) ** 0.5),
        "held_out_clips": len(own),
    }


def measure(model: str, clips: int, steps: int, batch: int, workers: int, folder: Path) -> dict[str, Any]:
    """Return what both roads come to, and how fast each encodes and trains; `folder` is empty before."""
    config = PRESETS[model]
    path = dataset(folder, clips, config)
    ray, here, own = folder / "by_ray", folder / "here", folder / "own"
    rates = {0: encode(path, config, here, 0), workers: encode(path, config, ray, workers)}
    same = all(contents(ray / part) == contents(here / part) for part in PARTS)
    tars = {part: TarClips(ray / part) for part in PARTS}
    for part, clips_of_ray in tars.items():
        own_shards(clips_of_ray, own / part, fingerprint(load_vae(embedded_path("fulldit_mini_vae"))))
    settings = {"model": model, "steps": steps, "batch": batch, "precision": "fp32", "warmup": 2, "log_steps": 1}
    settings |= {"held_out_clips": len(tars[FOLDER]), "sheet_clips": 1, "sheet_steps": 1}
    settings |= {"phases": [{"until": 1.0, "subsets": SUBSETS}], **SELDOM}
    write_json(folder / "config.json", settings)
    seconds = {"1": train(own, folder / "config.json", 1), "2": train(ray, folder / "config.json", 2)}
    return {
        "clips": f"{len(tars['data'])} of {config.frames}x{config.height}x{config.width}",
        "steps": f"{steps} of {batch} clips",
        "shards_equal_to_the_byte": same,
        **compare(own, ray),
        "clips_encoded_per_second_by_workers": {str(count): round(rate, 3) for count, rate in rates.items()},
        "seconds_of_training_by_processes": {name: round(value, 1) for name, value in seconds.items()},
        "load_average": round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", default="mini-cpu", choices=tuple(PRESETS))
    parser.add_argument("--clips", type=int, default=32)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--batch", type=int, default=8, help="clips per step: an even number of pairs")
    parser.add_argument("--workers", type=int, default=1, help="processes of Ray; 0: none")
    parser.add_argument("--json", metavar="FILE")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        result = measure(args.model, args.clips, args.steps, args.batch, args.workers, Path(folder))
    if args.json:
        write_json(args.json, result)
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
