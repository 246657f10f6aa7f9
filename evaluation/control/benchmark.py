"""`fulldit bench control`: every subset of conditions on the same held-out scenes, with the same seeds.

With `masks` 'painted' the sets of `PAINTED` are generated once more with masks as a person would paint them
(`painted.py`) in the place of the exact ones. They are measured against the masks that were given, as everything is,
and besides against the exact ones.

What each scene gave is appended to a JSON-lines file beside the output, so that a run that was stopped goes on where
it stopped. The result is written whole or not at all.
"""

from __future__ import annotations

import json as jsonlib
import os
import platform
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from ...control.bundle import CONDITIONS, Controls
from ...control.errors import UserError
from ...control.files import write_json
from ...control.progress import quiet
from ...models.conditioning.condition_streams import Conditions
from ...models.pipeline import Pipeline
from ...models.weights.checkpoint import embedded_path
from ...models.weights.fingerprint import weights_fingerprint
from .. import metrics
from ..held_out_scenes import FAMILIES, WORLD_VERSION, HeldOutScene, held_out_scenes
from .judge import HIGHER_IS_BETTER, METRICS, Judge
from .painted_masks import painted
from .ratios import ratios
from .targets import targets

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
PAINTED = (("identity",), CONDITIONS)
MASKS = ("exact", "painted")
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
    first_frame_pass: float | None = None,
    family: str = "seen",
    masks: str = "exact",
    vae: str | Path | None = None,
    estimators: str | Path | None = None,
    pipeline: Pipeline | None = None,
    judge: Judge | None = None,
) -> dict:
    """Measure a checkpoint (default: the embedded one); returns the result and writes it to `json`.

    `full` means 64 scenes at the checkpoint's own steps, whatever `scenes` and `steps` say. `family` 'unseen' takes
    scenes with solids, patterns, places and camera movements that no training scene has. `masks` 'painted' adds the
    sets with painted masks. `vae` and `estimators` are files (default: the embedded ones); `pipeline` and `judge`
    replace what would be loaded. Raises UserError for fewer than two scenes, unknown names and missing files, before
    anything is generated.
    """
    if full:
        scenes, steps = FULL_SCENES, None
    if scenes < 2:
        raise UserError(f"{scenes} scenes were asked for; standard errors need at least 2.")
    if steps is not None and steps < 1:
        raise UserError(f"{steps} steps were asked for; at least 1 was expected.")
    for name, value, known in (("family", family, FAMILIES), ("masks", masks, MASKS)):
        if value not in known:
            raise UserError(f"{name} is '{value}'; expected one of {', '.join(known)}.")
    began = time.perf_counter()
    files = weight_files(checkpoint, vae, estimators) if pipeline is None and judge is None else ()
    judge = judge or Judge.load(estimators)
    pipeline = pipeline or Pipeline.load(checkpoint, vae)
    config = pipeline.config
    setting = {
        "checkpoint": identify(pipeline, checkpoint),
        "estimators": fingerprint(*judge.estimators.modules().values()),
        "steps": config.steps if steps is None else steps,
        "guidance": config.guidance if guidance is None else guidance,
        "first_frame_pass": config.first_frame_pass if first_frame_pass is None else first_frame_pass,
        "size": [config.frames, config.height, config.width],
        "family": family,
        "masks": masks,
        "world": WORLD_VERSION,
    }
    side = SideFile(Path(json).with_suffix(".scenes.jsonl") if json else None, setting, resume)
    how = (setting["steps"], setting["guidance"], setting["first_frame_pass"])
    torch.manual_seed(0)
    clips = len(SUBSETS) + 1 + (len(PAINTED) if masks == "painted" else 0)
    with progress(scenes * clips, "bench") as step:
        for number in range(scenes):
            if number in side.records:
                for _ in range(clips):
                    step()
                continue
            (scene,) = held_out_scenes(1, *setting["size"], first=number, family=family)
            start = time.perf_counter()
            record = measure_scene(pipeline, judge, scene, *how, step, masks)
            side.add(number, {**record, "seconds": round(time.perf_counter() - start, 2)})
    records = [side.records[number] for number in range(scenes)]
    result = {
        **summarize(records),
        "checkpoint": setting["checkpoint"],
        "scenes": {
            "count": scenes,
            "first_seed": records[0]["seed"],
            "family": family,
            "masks": masks,
            "world": WORLD_VERSION,
            "frames": config.frames,
            "height": config.height,
            "width": config.width,
            "steps": setting["steps"],
            "guidance": setting["guidance"],
            "first_frame_pass": setting["first_frame_pass"],
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
            "seconds": float(np.median([record["clip_seconds"] for record in records])),
            "default_steps": config.steps,
            "weights_mib": round(sum(path.stat().st_size for path in files) / 2**20, 2) if files else None,
        },
        # Scenes of an earlier, interrupted run count with the time that they took then.
        "seconds": round(max(time.perf_counter() - began, sum(record["seconds"] for record in records)), 1),
    }
    result["targets"] = targets(result)
    if json:
        write_json(json, result)
        side.remove()
    return result


def measure_scene(
    pipeline: Pipeline,
    judge: Judge,
    scene: HeldOutScene,
    steps: int,
    guidance: float,
    first_frame_pass: float,
    step: Callable[[], None],
    masks: str = "exact",
) -> dict:
    """Generate the scene under every subset from one noise, and once with two references exchanged; measure all.

    The conditions are encoded once. Every clip is measured against all controls, given to the model or not.
    `clip_seconds` is what a user waits for a clip with all conditions: encoding, sampling, decoding.
    """
    frames, height, width = scene.frames.shape[:3]
    size = {"frames": frames, "height": height, "width": width}
    start = time.perf_counter()
    encoded = pipeline.encode(scene.controls, **size)
    encoding = time.perf_counter() - start

    def generated(names: tuple[str, ...], conditions: Conditions | None, controls=scene.controls) -> np.ndarray:
        return pipeline.generate(
            scene.prompt,
            controls.only(names),
            **size,
            seed=scene.seed,
            steps=steps,
            guidance=guidance,
            first_frame_pass=first_frame_pass,
            conditions=conditions,
        ).frames

    def noted(clip: np.ndarray, controls=scene.controls) -> dict:
        found = judge.measure(clip, controls)
        return {"values": found.values, "failed": found.failed}

    record: dict = {"seed": scene.seed, "floor": noted(scene.frames), "results": {}, "swap": None, "painted": None}
    for names in SUBSETS:
        start = time.perf_counter()
        clip = generated(names, encoded.select(names) if names else None)
        # The last set has all conditions: its time is the clip's.
        record["clip_seconds"] = round(encoding + time.perf_counter() - start, 3)
        record["results"][key_of(names)] = noted(clip)
        step()
    if len(scene.controls.identities) >= 2:
        clip = generated(("identity",), exchange(encoded.select(("identity",))))
        record["swap"] = judge.swapped(clip, scene.controls.identities)
    step()
    if masks == "painted":
        given = painted(scene.controls)
        encoded = pipeline.encode(given, **size)
        record["painted"] = {"iou": alikeness(given, scene.controls), "results": {}, "against_exact": {}}
        for names in PAINTED:
            clip = generated(names, encoded.select(names), given)
            record["painted"]["results"][key_of(names)] = noted(clip, given)
            record["painted"]["against_exact"][key_of(names)] = noted(clip)
            step()
    return record


def alikeness(one: Controls, other: Controls) -> float | None:
    """Mean over the identities of what their two tracks have in common over the clip (intersection over union)."""
    shares = []
    for a, b in zip(one.identities, other.identities, strict=True):
        if a.track is not None and b.track is not None:
            a, b = a.track > 0.5, b.track > 0.5
            shares.append(float((a & b).sum() / max(1, (a | b).sum())) if (a | b).any() else None)
    return metrics.mean_and_error(shares)[0]


def exchange(conditions: Conditions, first: int = 0, second: int = 1) -> Conditions:
    """The same streams with the references of two slots exchanged: no second encoding."""
    other = {first: second, second: first}
    streams = tuple(
        replace(stream, slot=other.get(stream.slot, stream.slot)) if stream.name == "reference" else stream
        for stream in conditions.streams
    )
    # A new object with a key of its own: what was cached for the old one does not hold.
    return Conditions(streams, conditions.geometry)


def summarize(records: list[dict]) -> dict:
    """Means, standard errors and paired improvements over the scenes: `results`, `floor`, `paired`, `identity_swap`,
    `ratios` (ratios.py) and, where masks were painted, `painted`."""
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
    found = {
        "results": results,
        "floor": floor,
        "paired": paired,
        "identity_swap": {"share": mean, "se": error, "n": count},
    }
    marked = [record["painted"] for record in records if record["painted"] is not None]
    if marked:
        share_, error, _ = metrics.mean_and_error([one["iou"] for one in marked])
        found["painted"] = {"masks_iou": {"mean": share_, "se": error}}
        for name in ("results", "against_exact"):
            found["painted"][name] = {key_of(p): gathered([one[name][key_of(p)] for one in marked]) for p in PAINTED}
    found["ratios"] = ratios(records, tuple(key_of(p) for p in PAINTED) if marked else ())
    return found


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
    name = Path(checkpoint).name if checkpoint else "fulldit_mini.safetensors"
    return {"file": name, "fingerprint": fingerprint(pipeline.model, pipeline.text, pipeline.vae)}


def fingerprint(*modules: torch.nn.Module) -> str:
    """Return the sixteen hexadecimal digits by which results name the weights of the modules."""
    return weights_fingerprint(*modules, digits=16)


def weight_files(*given: str | Path | None) -> tuple[Path, ...]:
    """The files of generator, VAE and estimators: those given, else the embedded ones."""
    names = ("fulldit_mini", "fulldit_mini_vae", "fulldit_mini_estimators")
    return tuple(Path(path or embedded_path(name)) for path, name in zip(given, names, strict=True))


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
