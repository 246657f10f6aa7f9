"""`fulldit bench control`: every set of FullDiT's own conditions, and trials of further ones, on the same held-out
scenes, with the same seeds (`scene_run.py`).

With `masks` 'painted' the sets of `PAINTED` are generated once more with masks as a person would paint them
(`painted_masks.py`) in the place of the exact ones. They are measured against the masks that were given, as everything
is, and besides against the exact ones.

What each scene gave is kept in a file beside the output (`scene_records.py`), so that a run that was stopped goes on
where it stopped. The result is written whole or not at all.
"""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ...control.errors import UserError
from ...control.files import write_json
from ...control.progress import Progress, quiet
from ...models.estimators.judge import Judge
from ...models.pipeline import Pipeline
from ...models.weights.checkpoint import named_path
from ...models.weights.fingerprint import weights_fingerprint
from ...scenes import WorldOptions
from ..held_out_scenes import FAMILIES, WORLD_VERSION, held_out_scenes
from .ratios import OWN
from .scene_records import SceneRecords
from .scene_run import SamplingSettings, SceneRun
from .summary import summarize
from .targets import targets
from .trials import BASE, Trial, chosen, condition_sets

MASKS = ("exact", "painted")
FULL_SCENES = 64


def run_control(
    checkpoint: str | Path | None = None,
    scenes: int = 16,
    steps: int | None = 10,
    full: bool = False,
    json: str | Path | None = None,
    resume: bool = True,
    progress: Progress = quiet,
    *,
    guidance: float | None = None,
    first_frame_pass: float | None = None,
    family: str = "seen",
    masks: str = "exact",
    rows: str | None = None,
    world: int = WORLD_VERSION,
    size: Sequence[int | None] = (),
    vae: str | Path | None = None,
    estimators: str | Path | None = None,
    pipeline: Pipeline | None = None,
    judge: Judge | None = None,
) -> dict[str, Any]:
    """Measure a checkpoint (default: the embedded one); return the result and write it to `json`.

    `full` means 64 scenes at the checkpoint's own steps, whatever `scenes` and `steps` say. `family` 'unseen' takes
    scenes with solids, patterns, places and camera movements that no training scene has. `masks` 'painted' adds the
    sets with painted masks. `rows` chooses what is measured (`trials.chosen`; default: all that the checkpoint knows),
    `world` the version of the scenes, `size` their frames, height and width (default: the checkpoint's).
    `vae` and `estimators` are files (default: the embedded ones); `pipeline` and `judge`
    replace what would be loaded. Raises UserError for fewer than two scenes, unknown names and missing files, before
    anything is generated.
    """
    if full:
        scenes, steps = FULL_SCENES, None
    _check_arguments(scenes, steps, family, masks)
    WorldOptions(family=family, version=world)  # raises UserError for a world that there is not
    began = time.perf_counter()
    files = weight_files(checkpoint, vae, estimators) if pipeline is None and judge is None else ()
    judge = judge or Judge.load(estimators)
    pipeline = pipeline or Pipeline.load(checkpoint, vae)
    if size:
        pipeline = pipeline.of_size(*size)
    sampling = SamplingSettings.of(pipeline.config, steps, guidance, first_frame_pass)
    own, trials = chosen(rows, pipeline.config)
    setting = _setting(pipeline, judge, sampling, checkpoint, family, masks, world)
    setting["rows"] = [*([BASE] if own else []), *(trial.name for trial in trials)]
    path = Path(json).with_suffix(".scenes.jsonl") if json else None
    records = SceneRecords(path, setting, resume)
    measured = _measure_scenes(pipeline, judge, sampling, setting, records, scenes, trials, progress)
    # Scenes of an earlier, interrupted run count with the time that they took then.
    seconds = max(time.perf_counter() - began, sum(record["seconds"] for record in measured))
    result = _result(pipeline, judge, setting, measured, files, seconds)
    if json:
        write_json(json, result)
        records.remove()
    return result


def _check_arguments(scenes: int, steps: int | None, family: str, masks: str) -> None:
    if scenes < 2:
        raise UserError(f"{scenes} scenes were asked for; standard errors need at least 2.")
    if steps is not None and steps < 1:
        raise UserError(f"{steps} steps were asked for; at least 1 was expected.")
    for name, value, known in (("family", family, FAMILIES), ("masks", masks, MASKS)):
        if value not in known:
            raise UserError(f"{name} is '{value}'; expected one of {', '.join(known)}.")


def _setting(
    pipeline: Pipeline,
    judge: Judge,
    sampling: SamplingSettings,
    checkpoint: str | Path | None,
    family: str,
    masks: str,
    world: int,
) -> dict[str, Any]:
    """Everything that the figures depend on: records of another setting are not gone on from."""
    config = pipeline.config
    name = Path(checkpoint).name if checkpoint else "fulldit_mini.safetensors"
    return {
        "checkpoint": {
            "file": name,
            "fingerprint": weights_fingerprint(pipeline.model, pipeline.text, pipeline.vae, digits=16),
        },
        "estimators": weights_fingerprint(*judge.estimators.modules().values(), digits=16),
        **asdict(sampling),
        "size": [config.frames, config.height, config.width],
        "family": family,
        "masks": masks,
        "world": world,
    }


def _measure_scenes(
    pipeline: Pipeline,
    judge: Judge,
    sampling: SamplingSettings,
    setting: dict[str, Any],
    records: SceneRecords,
    scenes: int,
    trials: tuple[Trial, ...],
    progress: Progress,
) -> list[dict[str, Any]]:
    """Return the record of every scene; those that are there already are not measured again."""
    torch.manual_seed(0)
    own, names = BASE in setting["rows"], [name for name in pipeline.config.conditions if name in OWN]
    clips = sum(len(trial.sets) for trial in trials)
    if own:
        clips += len(condition_sets(names)) + 1 + (2 if setting["masks"] == "painted" else 0)
    with progress(scenes * clips, "bench") as step:
        for number in range(scenes):
            if number in records.found:
                for _ in range(clips):
                    step()
                continue
            frames, height, width = setting["size"]
            family, world = setting["family"], setting["world"]
            (scene,) = held_out_scenes(1, frames, height, width, number, family, names=names, world=world)
            start = time.perf_counter()
            record = SceneRun(pipeline, judge, scene, sampling, step).record(setting["masks"], own, trials)
            records.add(number, {**record, "seconds": round(time.perf_counter() - start, 2)})
    return [records.found[number] for number in range(scenes)]


def _result(
    pipeline: Pipeline,
    judge: Judge,
    setting: dict[str, Any],
    records: list[dict[str, Any]],
    files: tuple[Path, ...],
    seconds: float,
) -> dict[str, Any]:
    config = pipeline.config
    seconds_of = [record["clip_seconds"] for record in records if record["clip_seconds"] is not None]
    result = {
        **summarize(records),
        "checkpoint": setting["checkpoint"],
        "scenes": {
            "count": len(records),
            "first_seed": records[0]["seed"],
            **{name: setting[name] for name in ("family", "masks", "world", "rows")},
            "frames": config.frames,
            "height": config.height,
            "width": config.width,
            **{name: setting[name] for name in ("steps", "guidance", "first_frame_pass")},
            "estimators": judge.estimators.about,
        },
        "machine": {
            "platform": platform.platform(terse=True),
            "processor": platform.machine(),
            "cores": os.cpu_count(),
            "threads": torch.get_num_threads(),
            "device": str(pipeline.device),
            "torch": torch.__version__,
        },
        "clip": {
            "seconds": float(np.median(seconds_of)) if seconds_of else None,
            "default_steps": config.steps,
            "weights_mib": round(sum(path.stat().st_size for path in files) / 2**20, 2) if files else None,
        },
        "seconds": round(seconds, 1),
    }
    return {**result, "targets": targets(result)}


def weight_files(*paths: str | Path | None) -> tuple[Path, ...]:
    """Return the files of generator, VAE and estimators: those given, by path or name, else the embedded ones."""
    names = ("fulldit_mini", "fulldit_mini_vae", "fulldit_mini_estimators")
    return tuple(named_path(str(path or name)) for path, name in zip(paths, names, strict=True))
