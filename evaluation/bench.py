"""`fulldit bench control`: every subset of conditions on the same held-out scenes, with the same seeds.

What each scene gave is appended to a JSON-lines file beside the output, so that a run that was stopped goes on where
it stopped. The result is written whole or not at all.
"""

from __future__ import annotations

import hashlib
import json as jsonlib
import os
import platform
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from ..control.bundle import CONDITIONS
from ..control.errors import UserError
from ..control.files import write_json
from ..control.progress import quiet
from ..models.conditions import Conditions
from ..models.pipeline import Pipeline
from . import metrics
from .measure import HIGHER_IS_BETTER, METRICS, Judge
from .scenes import HeldOutScene, held_out_scenes

SUBSETS = (
    (),
    ("camera",),
    ("identity",),
    ("depth",),
    ("camera", "identity"),
    ("camera", "depth"),
    ("identity", "depth"),
    CONDITIONS,
)
FULL_SCENES = 64


def key_of(names: tuple[str, ...]) -> str:
    """How a subset is called in the result: 'none', 'camera', 'camera+depth', ..."""
    return "+".join(names) or "none"


def run_control(
    checkpoint: str | Path | None = None,
    scenes: int = 16,
    steps: int | None = 10,
    full: bool = False,
    json: str | Path | None = None,
    resume: bool = True,
    progress: Callable = quiet,
    *,
    guidance: float | None = None,
    family: str = "seen",
    pipeline: Pipeline | None = None,
    judge: Judge | None = None,
) -> dict:
    """Measure a checkpoint (default: the embedded one); returns the result and writes it to `json`.

    `full` means 64 scenes at the checkpoint's own steps, whatever `scenes` and `steps` say. `family` 'unseen' takes
    scenes with solids, patterns and camera movements that no training scene has. `pipeline` and `judge` replace what
    would be loaded. Raises UserError for fewer than two scenes and for missing files, before anything is generated.
    """
    if full:
        scenes, steps = FULL_SCENES, None
    if scenes < 2:
        raise UserError(f"{scenes} scenes were asked for; standard errors need at least 2.")
    if steps is not None and steps < 1:
        raise UserError(f"{steps} steps were asked for; at least 1 was expected.")
    began = time.perf_counter()
    judge = judge or Judge.load()
    pipeline = pipeline or Pipeline.load(checkpoint)
    config = pipeline.config
    setting = {
        "checkpoint": identify(pipeline, checkpoint),
        "steps": config.steps if steps is None else steps,
        "guidance": config.guidance if guidance is None else guidance,
        "size": [config.frames, config.height, config.width],
        "family": family,
    }
    side = SideFile(Path(json).with_suffix(".scenes.jsonl") if json else None, setting, resume)
    torch.manual_seed(0)
    with progress(scenes * (len(SUBSETS) + 1), "bench") as step:
        for number in range(scenes):
            if number in side.records:
                for _ in range(len(SUBSETS) + 1):
                    step()
                continue
            (scene,) = held_out_scenes(1, *setting["size"], first=number, family=family)
            start = time.perf_counter()
            record = measure_scene(pipeline, judge, scene, setting["steps"], setting["guidance"], step)
            side.add(number, {**record, "seconds": round(time.perf_counter() - start, 2)})
    records = [side.records[number] for number in range(scenes)]
    result = {
        **summarise(records),
        "checkpoint": setting["checkpoint"],
        "scenes": {
            "count": scenes,
            "first_seed": records[0]["seed"],
            "family": family,
            "frames": config.frames,
            "height": config.height,
            "width": config.width,
            "steps": setting["steps"],
            "guidance": setting["guidance"],
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
        # Scenes of an earlier, interrupted run count with the time that they took then.
        "seconds": round(max(time.perf_counter() - began, sum(record["seconds"] for record in records)), 1),
    }
    if json:
        write_json(json, result)
        side.remove()
    return result


def measure_scene(
    pipeline: Pipeline, judge: Judge, scene: HeldOutScene, steps: int, guidance: float, step: Callable[[], None]
) -> dict:
    """Generate the scene under every subset from one noise, and once with two references exchanged; measure all.

    The conditions are encoded once. Every clip is measured against all controls, given to the model or not.
    """
    frames, height, width = scene.frames.shape[:3]
    size = {"frames": frames, "height": height, "width": width}
    encoded = pipeline.encode(scene.controls, **size)

    def generated(names: tuple[str, ...], conditions: Conditions | None) -> np.ndarray:
        return pipeline.generate(
            scene.prompt,
            scene.controls.only(names),
            **size,
            seed=scene.seed,
            steps=steps,
            guidance=guidance,
            conditions=conditions,
        ).frames

    def noted(clip: np.ndarray) -> dict:
        found = judge.measure(clip, scene.controls)
        return {"values": found.values, "failed": found.failed}

    record: dict = {"seed": scene.seed, "floor": noted(scene.frames), "results": {}, "swap": None}
    for names in SUBSETS:
        record["results"][key_of(names)] = noted(generated(names, encoded.select(names) if names else None))
        step()
    if len(scene.controls.identities) >= 2:
        clip = generated(("identity",), exchange(encoded.select(("identity",))))
        record["swap"] = judge.swapped(clip, scene.controls.identities)
    step()
    return record


def exchange(conditions: Conditions, first: int = 0, second: int = 1) -> Conditions:
    """The same streams with the references of two slots exchanged: no second encoding."""
    other = {first: second, second: first}
    streams = tuple(
        replace(stream, slot=other.get(stream.slot, stream.slot)) if stream.name == "reference" else stream
        for stream in conditions.streams
    )
    # A new object with a key of its own: what was cached for the old one does not hold.
    return Conditions(streams, conditions.geometry)


def summarise(records: list[dict]) -> dict:
    """Means, standard errors and paired improvements over the scenes: `results`, `floor`, `paired`, `identity_swap`."""
    keys = [key_of(names) for names in SUBSETS]
    results = {key: gathered([record["results"][key] for record in records]) for key in keys}
    floor = gathered([record["floor"] for record in records])
    paired = {}
    for key in keys[1:]:
        paired[key] = {}
        for metric in METRICS:
            sign = 1 if metric in (*HIGHER_IS_BETTER, "smoothness", "dynamic_degree") else -1
            pairs = [
                (record["results"][key]["values"][metric], record["results"]["none"]["values"][metric])
                for record in records
            ]
            gains = [sign * (with_it - without) for with_it, without in pairs if None not in (with_it, without)]
            mean, error, _ = metrics.mean_and_error(gains)
            paired[key][metric] = {"mean": mean, "se": error, "share": share(mean, sign, results, floor, metric)}
    swaps = [float(record["swap"]) for record in records if record["swap"] is not None]
    mean, error, count = metrics.mean_and_error(swaps)
    return {
        "results": results,
        "floor": floor,
        "paired": paired,
        "identity_swap": {"share": mean, "se": error, "n": count},
    }


def share(gain: float | None, sign: int, results: dict, floor: dict, metric: str) -> float | None:
    """The gain as a share of the distance from no condition to the truth's own figure; None where there is none."""
    without, best = results["none"][metric], floor[metric]
    if gain is None or without is None or best is None or abs(best - without) < 1e-9:
        return None
    return gain / (sign * (best - without))


def gathered(measured: list[dict]) -> dict:
    """Mean of every metric, `se`, the number of clips `n` and of clips with a failed estimate `n_failed`."""
    found: dict = {}
    errors: dict = {}
    for metric in METRICS:
        found[metric], errors[metric], _ = metrics.mean_and_error([one["values"][metric] for one in measured])
    return {
        **found,
        "se": errors,
        "n": len(measured),
        "n_failed": sum(bool(one["failed"]) for one in measured),
    }


def identify(pipeline: Pipeline, checkpoint: str | Path | None) -> dict:
    """Which weights are measured: the file's name, and a fingerprint of the parameters themselves."""
    digest = hashlib.sha256()
    for module in (pipeline.model, pipeline.text, pipeline.vae):
        for name, value in sorted(module.state_dict().items()):
            digest.update(name.encode())
            digest.update(value.detach().float().cpu().numpy().tobytes())
    name = Path(checkpoint).name if checkpoint else "fulldit_mini.safetensors"
    return {"file": name, "fingerprint": digest.hexdigest()[:16]}


class SideFile:
    """What every scene gave, one line each; the first line says under which settings."""

    def __init__(self, path: Path | None, setting: dict, resume: bool):
        self.path = path
        self.records: dict[int, dict] = {}
        head = jsonlib.dumps(setting, sort_keys=True)
        if path is None:
            return
        lines = path.read_text(encoding="utf-8").splitlines() if resume and path.is_file() else []
        if lines and lines[0] == head:
            for line in lines[1:]:
                try:
                    entry = jsonlib.loads(line)
                except jsonlib.JSONDecodeError:
                    break  # cut by the interruption: this scene is measured again
                self.records[entry["scene"]] = entry["record"]
        path.parent.mkdir(parents=True, exist_ok=True)
        kept = [head, *(self.line(number, record) for number, record in self.records.items())]
        path.write_text("\n".join(kept) + "\n", encoding="utf-8")

    @staticmethod
    def line(number: int, record: dict) -> str:
        return jsonlib.dumps({"scene": number, "record": record}, allow_nan=False)

    def add(self, number: int, record: dict) -> None:
        self.records[number] = record
        if self.path is not None:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(self.line(number, record) + "\n")

    def remove(self) -> None:
        if self.path is not None:
            self.path.unlink(missing_ok=True)
