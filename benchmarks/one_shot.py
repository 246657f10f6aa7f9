"""One-shot tuning of the embedded model: how near its videos come to the clip that it learned, and whether they still
obey other cameras.

    python benchmarks/one_shot.py [--scene 7] [--steps 100] [--sampling-steps 10] [--json FILE]

The clip is a held-out scene of the procedural world. Samples under its own prompt are compared with it (PSNR, mean over
two seeds), under all its conditions, its camera alone, and none. Under the cameras of other held-out scenes, the
estimators say how far the movement is from what was asked.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from einops import rearrange

from comfyui_fulldit.control.conditions import Conditions
from comfyui_fulldit.control.files import write_json
from comfyui_fulldit.models.estimators.judge import Judge
from comfyui_fulldit.models.pipeline import Pipeline
from comfyui_fulldit.models.weights.checkpoint import embedded_path
from comfyui_fulldit.scenes import HELD_OUT_SEED, render
from comfyui_fulldit.training.tuning.clips import OneClip
from comfyui_fulldit.training.tuning.settings import TuneOptions
from comfyui_fulldit.training.tuning.start import Start
from comfyui_fulldit.training.tuning.tune import tune

SIZE = (17, 64, 96)  # frames, height and width
NAMES = ("camera", "identity", "depth")
SEEDS = 2


def psnr(ours: np.ndarray, theirs: np.ndarray) -> float:
    """Return the peak signal-to-noise ratio of two clips in 0..1, in dB."""
    return float(-10 * np.log10(np.square(ours - theirs).mean()))


def near(pipeline: Pipeline, clip: OneClip, steps: int) -> dict[str, float]:
    """Return the PSNR of samples to the clip under all of its conditions, its camera, and none."""
    subsets = {"all conditions": NAMES, "camera": ("camera",), "prompt alone": ()}
    found = {}
    for title, names in subsets.items():
        conditions = clip.conditions.only(names)
        frames = [pipeline.generate(clip.prompt, conditions, seed=s, steps=steps).frames for s in range(SEEDS)]
        found[title] = round(float(np.mean([psnr(one, clip.frames) for one in frames])), 2)
    return found


def obeyed(pipeline: Pipeline, judge: Judge, prompt: str, cameras: list[Conditions], steps: int) -> dict[str, float]:
    """Return the mean camera errors of samples under other cameras."""
    values: dict[str, list[float]] = {}
    for number, conditions in enumerate(cameras):
        frames = pipeline.generate(prompt, conditions, seed=number, steps=steps).frames
        for name, value in judge.measure(frames, conditions, ("rot_err", "trans_err", "cam_mc")).values.items():
            if value is not None:
                values.setdefault(name, []).append(value)
    return {name: round(float(np.mean(some)), 3) for name, some in values.items()}


def measure(scene: int, options: TuneOptions, steps: int, others: int, out: Path) -> dict[str, Any]:
    """Return how near the model comes before and after, and what it makes of other cameras. out: folder of the run."""
    clips = render([HELD_OUT_SEED + scene], *SIZE)
    frames = rearrange(clips.video[0], "c t h w -> t h w c").numpy()
    clip = OneClip(frames, clips.conditions(0, NAMES), clips.captions[0])
    other = render([HELD_OUT_SEED + scene + 1 + number for number in range(others)], *SIZE)
    cameras = [other.conditions(number, ("camera",)) for number in range(others)]
    start, judge = Start(embedded_path("fulldit_mini_vae"), embedded_path("fulldit_mini")), Judge.load()
    began = time.process_time()
    made = tune(start, clip, options, out, out.with_suffix(".safetensors"))
    result: dict[str, Any] = {
        "prompt": clip.prompt,
        "steps": len(made.losses),
        "cpu_seconds": round(time.process_time() - began, 1),
        "lines": made.lines(),
    }
    for when, path in (("before", start.checkpoint), ("after", made.path)):
        pipeline = Pipeline.load(path, device="cpu")
        found = obeyed(pipeline, judge, clip.prompt, cameras, steps) if cameras else {}
        result[when] = {**near(pipeline, clip, steps), **found}
    return result


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scene", type=int, default=7)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--sampling-steps", type=int, default=10)
    parser.add_argument("--others", type=int, default=4, help="other cameras")
    parser.add_argument("--out", default="runs/one_shot", metavar="FOLDER")
    parser.add_argument("--json", metavar="FILE")
    args = parser.parse_args()
    torch.set_num_threads(1)
    options = TuneOptions(steps=args.steps)
    result = measure(args.scene, options, args.sampling_steps, args.others, Path(args.out))
    print(result["prompt"], *result["lines"], f"{result['cpu_seconds']} s of one CPU core", sep="\n")
    print(f"{'':16}{'before':>8}{'after':>8}")
    for name, value in result["before"].items():
        print(f"{name:16}{value:8.2f}{result['after'][name]:8.2f}")
    if args.json:
        write_json(args.json, result)


if __name__ == "__main__":
    main()
