"""What can be told of a command's options before any of its work begins."""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import Any

from ..control.errors import UserError
from ..control.files import check_folder
from ..control.limits import RATES, check_clip
from ..control.media import check_video_name

# What torch takes for a seed.
SEEDS = (-(2**63), 2**64 - 1)
MOST_STEPS = 10000
MOST_GUIDANCE = 100.0


def check_options(args: argparse.Namespace) -> None:
    """Raise UserError for an option out of range, and for results that could not be written where they are to go."""
    given = {name: value for name, value in vars(args).items() if value is not None}
    seed, steps = given.get("seed", 0), given.get("steps", 1)
    if not SEEDS[0] <= seed <= SEEDS[1]:
        raise UserError(f"the seed {seed} has more than 64 bits: give one from {SEEDS[0]} to {SEEDS[1]}")
    if steps > MOST_STEPS:
        raise UserError(f"{steps} steps were asked for: at most {MOST_STEPS} are taken")
    for name, value in given.items():
        if name.endswith("guidance") and not (math.isfinite(value) and 0 <= value <= MOST_GUIDANCE):
            option = "--" + name.replace("_", "-")
            raise UserError(f"{option} is {value:g}; a number from 0 to {MOST_GUIDANCE:g} was expected")
    if given.get("dry_run") and given["stage"] != "generator":
        raise UserError(f"--dry-run is of the stage 'generator', but the stage is {given['stage']!r}")
    for name in ("ranks", "clips", "per_shard"):
        if given.get(name, 1) < 1:
            raise UserError(f"--{name.replace('_', '-')} is {given[name]}; a number above 0 was expected")
    if given.get("workers", 0) < 0:
        raise UserError(f"--workers is {given['workers']}; 0 for none, or a number above 0 was expected")
    _check_size(given)
    for name, value in given.items():
        if isinstance(value, float) and not math.isfinite(value):
            raise UserError(f"--{name.replace('_', '-')} is {value}; a finite number was expected")
    if given["command"] == "generate":
        _check_wan(given)
    if given.get("window") is not None and given.get("compare"):
        raise UserError("--window and --compare were both given, but clips side by side are held whole: leave one out")
    if ("upscale" in given) != ("upsampler" in given) and given["command"] == "generate":
        raise UserError("--upscale and --upsampler go together: give the factor, 2, and the upsampler checkpoint")
    if "overlap" in given and "window" not in given:
        raise UserError("--overlap is of windows: give --window too")
    if "out" in given:
        check_folder(given["out"])
    if given["command"] == "upscale":
        check_video_name(Path(given["to"]))
        _check_file(Path(given["to"]))
    for name in ("json", "card"):
        if isinstance(given.get(name), str):
            _check_file(Path(given[name]))


def _check_size(given: dict[str, Any]) -> None:
    """Raise UserError for a side or a length below 1, and where those that are given make too large a clip alone."""
    names = ("frames", "height", "width")
    for name in names:
        if given.get(name, 1) < 1:
            raise UserError(f"--{name} is {given[name]}; a number above 0 was expected")
    for name in ("fps", "source_fps"):
        if not RATES[0] <= given.get(name, 1.0) <= RATES[1]:
            option = "--" + name.replace("_", "-")
            raise UserError(f"{option} is {given[name]:g}; a number from {RATES[0]:g} to {RATES[1]:g} was expected")
    check_clip(*(given.get(name, 1) for name in names))


def _check_wan(given: dict[str, Any]) -> None:
    """Raise UserError where a plain Wan model comes without what belongs to it, or that without a Wan model."""
    if "model" in given and "checkpoint" in given:
        raise UserError("--model and --checkpoint were both given: give one of them")
    if "model" in given and "condition_file" not in given:
        raise UserError(
            "--model is a plain Wan, which takes no conditions by itself: give --condition-file with it, or"
            " --checkpoint for a whole FullDiT"
        )
    if "condition_file" in given and "model" not in given:
        raise UserError("--condition-file makes a FullDiT of a plain Wan model: give that with --model")
    if "condition_file" in given and "vae" not in given:
        raise UserError("a condition file goes with the VAE of its Wan model: give wan_2.1_vae.safetensors with --vae")
    low = given.keys() & {"low_noise_model", "low_noise_condition_file"}
    if low and (len(low) == 1 or "model" not in given):
        raise UserError(
            "a pair of experts is --model and --condition-file, --low-noise-model and --low-noise-condition-file: give"
            " all four"
        )
    if "text_encoder" in given and not given.keys() & {"model", "checkpoint"}:
        raise UserError("--text-encoder is that of a Wan model: give the model with --model, or --checkpoint")


def _check_file(path: Path) -> None:
    if path.is_dir():
        raise UserError(f"'{path}' is a folder, but a file is to be written there: give a file name")
    check_folder(path.parent)
