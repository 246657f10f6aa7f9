"""`fulldit bench upscale`: an upsampler beside bicubic enlargement, on held-out scenes.

Every scene, at the size that the checkpoint was trained for, is made smaller in two ways: `clean`, by bicubic shrinking
alone, and `degraded`, as training draws it (`control/degradations/`). Both are enlarged again, by bicubic interpolation
and by the upsampler, and compared to the scene: the peak signal-to-noise ratio of each clip, and its mean. `vae` is
that of the scene itself through the VAE, above which no upsampler on its latents can come.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from einops import rearrange

from ...control.degradations import Degradations, degrade
from ...control.files import write_json
from ...control.lowres_condition import FACTOR, Enlarged
from ...control.progress import Progress, quiet
from ...models.conditioning.encoder import encode_frames
from ...models.estimators.metrics import masked_psnr
from ...models.pipeline import Pipeline
from ...models.upscale import check_upsampler, upscaling, upscaling_windows
from ..held_out_scenes import HeldOutScene, held_out_scenes

INPUTS = {"clean": Degradations(plain=1.0), "degraded": Degradations()}
WAYS = ("bicubic", "upsampler")


def run_upscale(
    checkpoint: str | Path,
    json: str | Path | None = None,
    scenes: int = 8,
    steps: int | None = None,
    progress: Progress = quiet,
    vae: str | Path | None = None,
) -> dict[str, Any]:
    """Return the figures, and write them to `json`. steps: None for the checkpoint's own.

    Raises UserError for a checkpoint that is no upsampler.
    """
    pipeline = Pipeline.load(checkpoint, vae)
    check_upsampler(pipeline.config)
    video = pipeline.config.video
    rows: list[dict[str, float]] = []
    with progress(scenes, "upscaling") as step:
        for scene in held_out_scenes(scenes, video.frames, video.height, video.width, names=()):
            rows.append(_measure(pipeline, scene, steps))
            step()
    result = {
        "scenes": scenes,
        "size": [video.frames, video.height, video.width],
        "steps": steps or pipeline.config.steps,
        "psnr": {name: _mean([row[name] for row in rows]) for name in rows[0] if name != "seconds"},
        "seconds": _mean([row["seconds"] for row in rows]),
        "clips": rows,
        "machine": f"{platform.machine()}, {pipeline.device}",
    }
    if json is not None:
        write_json(json, result)
    return result


def _measure(pipeline: Pipeline, scene: HeldOutScene, steps: int | None) -> dict[str, float]:
    """Return the PSNR of one scene by input and way, and the seconds that the upsampler takes for a clip."""
    height, width = scene.frames.shape[1:3]
    row = {"vae": _psnr(_through_vae(pipeline, scene.frames), scene.frames)}
    for name, degradations in INPUTS.items():
        small = degrade(scene.frames, FACTOR, np.random.default_rng(scene.seed), degradations)
        row[f"{name} bicubic"] = _psnr(Enlarged(small, height, width)[:], scene.frames)
        began = time.perf_counter()
        large = _upscaled(pipeline, scene, small, steps)
        row["seconds"] = time.perf_counter() - began
        row[f"{name} upsampler"] = _psnr(large, scene.frames)
    return row


def _upscaled(pipeline: Pipeline, scene: HeldOutScene, small: np.ndarray, steps: int | None) -> np.ndarray:
    asked = upscaling(small, scene.conditions.video.fps, FACTOR, pipeline.config)
    latent, _ = pipeline.sample(
        scene.prompt,
        asked.conditions,
        seed=scene.seed,
        steps=steps,
        first_frame_pass=0.0,
        windows=upscaling_windows(pipeline.config),
    )
    return np.stack(list(asked.kept(pipeline.decode_stream(latent))))


def _through_vae(pipeline: Pipeline, frames: np.ndarray) -> np.ndarray:
    clip = rearrange(torch.from_numpy(frames), "f h w c -> 1 c f h w").to(pipeline.device)
    return pipeline.decode(encode_frames(pipeline.vae, clip))


def _psnr(estimate: np.ndarray, target: np.ndarray) -> float:
    value = masked_psnr(estimate, target)
    assert value is not None  # without a mask all pixels count
    return value


def _mean(values: Sequence[float]) -> dict[str, float]:
    """Return the mean and its standard error."""
    return {"mean": float(np.mean(values)), "error": float(np.std(values) / max(1, len(values) - 1) ** 0.5)}
