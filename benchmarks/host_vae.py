"""The embedded VAE in ComfyUI's stock class on a CPU: the host's convolutions against ours, in one run, in turn.

Needs a ComfyUI, whose Python runs this.

    python benchmarks/host_vae.py --comfyui ~/ComfyUI [--rounds 5] [--threads 1] [--json FILE]
"""

from __future__ import annotations

import argparse
import platform
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from comfyui_fulldit.control.files import write_json
from comfyui_fulldit.models.weights.checkpoint import embedded_path

FRAMES, HEIGHT, WIDTH = 17, 64, 96


def work(dtype: torch.dtype, fast: bool) -> tuple[Callable[[], Any], Callable[[], Any]]:
    """Return what decodes and what encodes one clip with the host's class."""
    import comfy.sd
    import comfy.utils

    from comfyui_fulldit.nodes.bridge.fast_vae import use_fast_convolutions

    vae = comfy.sd.VAE(sd=comfy.utils.load_torch_file(str(embedded_path("fulldit_mini_vae"))), dtype=dtype)
    if fast:
        use_fast_convolutions(vae)
    latent, images = torch.randn(1, 16, FRAMES // 4 + 1, HEIGHT // 8, WIDTH // 8), torch.rand(FRAMES, HEIGHT, WIDTH, 3)
    return lambda: vae.decode(latent), lambda: vae.encode(images)


@torch.inference_mode()
def measure(dtype: torch.dtype, rounds: int) -> dict[str, float]:
    """Return medians of processor seconds by what was done and whose convolutions did it."""
    works = {}
    for name, fast in (("stock", False), ("ours", True)):
        works[f"decode {name}"], works[f"encode {name}"] = work(dtype, fast)
    seconds: dict[str, list[float]] = {name: [] for name in works}
    for turn in range(rounds + 1):
        for name, run in works.items():
            began = time.process_time()
            run()
            if turn:  # the first is a warm-up
                seconds[name].append(time.process_time() - began)
    return {name: statistics.median(values) for name, values in seconds.items()}


def main() -> None:
    """Print seconds and ratios for float32 and bfloat16."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--comfyui", type=Path, default=Path("~/ComfyUI"))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", metavar="FILE")
    args = parser.parse_args()
    sys.path.insert(0, str(args.comfyui.expanduser()))
    import comfy.cli_args

    comfy.cli_args.args.cpu = True
    torch.set_num_threads(args.threads)
    results: dict[str, Any] = {"machine": platform.processor() or platform.machine(), "torch": torch.__version__}
    for dtype in (torch.float32, torch.bfloat16):
        figures = measure(dtype, args.rounds)
        results[str(dtype)] = figures
        for what in ("decode", "encode"):
            stock, ours = figures[f"{what} stock"], figures[f"{what} ours"]
            print(f"{dtype} {what}: stock {stock:.2f} s, ours {ours:.2f} s, {stock / ours:.2f} times as fast")
    if args.json:
        write_json(Path(args.json), results)


if __name__ == "__main__":
    main()
