"""`fulldit bench speed`: the backbone and the VAE beside diffusers' and ComfyUI's, in one run.

Every peer that this Python can import is measured, with the same weights, and has to give the same numbers before it is
timed. To have all, run it by ComfyUI's Python, with diffusers installed.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from ...control.files import write_json
from ...control.progress import Progress, quiet
from ...models.devices import pick_device, pick_dtype
from . import autoencoders, networks
from .clock import PROCESS, WALL
from .peers import available

ROUNDS = 7


def run_speed(
    json: str | Path | None = None,
    device: str = "auto",
    rounds: int = ROUNDS,
    progress: Progress = quiet,
    steps: Sequence[networks.NetworkSize] | None = None,
    clips: Sequence[autoencoders.AutoencoderSize] | None = None,
) -> dict[str, Any]:
    """Return medians and quartiles of every work and ratio at every size.

    After every size, what is known so far is written to `json`.
    Sizes are by default those for the kind of device. Raises UserError for a device that is not there, and
    AssertionError for a peer that does not compute what we do.
    """
    place = pick_device(device)
    dtype = pick_dtype(place)
    on_cpu = place.type == "cpu"
    steps = steps or (networks.ON_CPU if on_cpu else networks.ON_ACCELERATORS)
    clips = clips or (autoencoders.ON_CPU if on_cpu else autoencoders.ON_ACCELERATORS)
    versions = available(place)
    found = [name for name, version in versions.items() if not version.startswith("no: ")]
    result: dict[str, Any] = {"machine": describe_machine(place, dtype), "peers": versions, "rounds": rounds}
    result |= {"steps": {}, "vae": {}}
    with progress(len(steps) + len(clips), "bench speed") as step:
        for network in steps:
            result["steps"][network.name] = networks.measure_network(network, found, rounds, place, dtype)
            _write(json, result)
            step()
        for clip in clips:
            result["vae"][clip.name] = autoencoders.measure_autoencoder(clip, found, rounds, place, dtype)
            _write(json, result)
            step()
    return result


def _write(path: str | Path | None, result: dict[str, Any]) -> None:
    if path:
        write_json(path, result)


def describe_machine(device: torch.device, dtype: torch.dtype) -> dict[str, Any]:
    """Return what the figures belong to."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor() or platform.machine()
    return {
        "platform": platform.platform(terse=True),
        "device": f"{device} ({name})",
        "format": str(dtype).removeprefix("torch."),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
    }


def tables(result: dict[str, Any]) -> str:
    """Return the result as tables in Markdown: works, then ratios with what they would be at least.

    At least: by the count of products, and by the time that attention itself takes on this machine.
    """
    lines = ["| size | work | ms, process | ms, wall | peak, MB |", "|---|---|---|---|---|"]
    ratios = ["| size | ratio | measured | quartiles | of products | of attention |", "|---|---|---|---|---|---|"]
    for size, found in [*result["steps"].items(), *result["vae"].items()]:
        for name, work in found["works"].items():
            process, wall = (_spread(work[clock], 1000) for clock in (PROCESS, WALL))
            lines.append(f"| {size} | {name} | {process} | {wall} | {work['peak_mb']:.1f} |")
        for name, ratio in found["ratios"].items():
            least = [found.get(kind, {}).get(name) for kind in ("arithmetic", "attention")]
            cells = [f"**{ratio['median']:.2f}**", f"{ratio['q1']:.2f} to {ratio['q3']:.2f}"]
            cells += ["" if value is None else f"{value:.2f}" for value in least]
            ratios.append(f"| {size} | {name} | {' | '.join(cells)} |")
    return "\n".join([*lines, "", *ratios])


def _spread(values: dict[str, float], factor: float) -> str:
    median, low, high = (f"{factor * values[name]:.3g}" for name in ("median", "q1", "q3"))
    return f"{median} ({low} to {high})"
