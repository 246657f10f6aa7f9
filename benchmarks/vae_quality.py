"""How well VAE files reconstruct held-out clips of the procedural world, and how long a clip takes them.

    python benchmarks/vae_quality.py [FILE ...] [--clips 16] [--threads 2] [--json FILE]

Without a file, the embedded VAE. PSNR in dB of videos, depth clips, identity maps and reference images; of a video also
that of its objects alone, and the mean errors in steps of 0..255 of frames and of the changes between them (a video
flickers where the changes are worse). Both sizes and worlds that the embedded model was trained on.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path

import torch

from comfyui_fulldit.control.files import write_json
from comfyui_fulldit.models.vae.autoencoder import VAE
from comfyui_fulldit.models.vae.vae_file import load_vae
from comfyui_fulldit.models.weights.checkpoint import embedded_path
from comfyui_fulldit.scenes import HELD_OUT_SEED
from comfyui_fulldit.training.vae.quality import errors, evaluate, psnr, reconstruct
from comfyui_fulldit.training.vae.vae_clips import as_input, rendered

SIZES = {2: (17, 64, 96), 3: (25, 96, 160)}  # frames, height, width by world
FIRST_SEED = HELD_OUT_SEED + 100


def of_objects(vae: VAE, clips: dict[str, torch.Tensor]) -> float:
    """Return the PSNR where the identity map shows an object."""
    inside = (clips["identity"] > 0).any(1, keepdim=True).expand_as(clips["video"])
    x = as_input(clips["video"])
    return round(psnr(reconstruct(vae, x)[inside], x[inside]), 2)


def measure(files: Sequence[Path], clips: int, sizes: dict[int, tuple[int, int, int]] = SIZES) -> dict[str, object]:
    """Return the figures by size and world, then by file; every file sees the same clips."""
    found: dict[str, object] = {}
    for world, size in sizes.items():
        held_out = rendered(list(range(FIRST_SEED, FIRST_SEED + clips)), *size, world=world)
        one = as_input(held_out["video"][:1])
        figures = {}
        for path in files:
            vae = load_vae(path)
            reconstruct(vae, one)  # a warm-up
            began = time.perf_counter()
            reconstruct(vae, one)
            seconds = round(time.perf_counter() - began, 2)
            psnrs = {**evaluate(vae, held_out), "objects": of_objects(vae, held_out)}
            figures[path.name] = {"psnr": psnrs, "errors": errors(vae, held_out["video"]), "seconds_a_clip": seconds}
        found[f"world {world}, {'x'.join(map(str, size))}"] = figures
    return found


def main() -> None:
    """Print the figures as JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--clips", type=int, default=16)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--json", metavar="FILE")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    result = {
        "clips": args.clips,
        "threads": args.threads,
        "torch": torch.__version__,
        **measure(args.files or [Path(embedded_path("fulldit_mini_vae"))], args.clips),
    }
    print(json.dumps(result, indent=1))
    if args.json:
        write_json(Path(args.json), result)


if __name__ == "__main__":
    main()
