"""`fulldit bench control`: every set of conditions on the same held-out scenes, with the same seeds.

With `masks` 'painted' the sets of `PAINTED` are generated once more with masks as a person would paint them
(`painted_masks.py`) in the place of the exact ones. They are measured against the masks that were given, as everything
is, and besides against the exact ones.

What each scene gave is kept in a file beside the output (`scene_records.py`), so that a run that was stopped goes on
where it stopped. The result is written whole or not at all.
"""

from __future__ import annotations

import itertools
import os
import platform
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ...control.conditions import Conditions
from ...control.errors import UserError
from ...control.files import write_json
from ...control.progress import Progress, quiet
from ...models.conditioning.condition_streams import ConditionStreams
from ...models.config import FullDiTConfig
from ...models.pipeline import Pipeline
from ...models.weights.checkpoint import embedded_path
from ...models.weights.fingerprint import weights_fingerprint
from .. import metrics
from ..held_out_scenes import FAMILIES, WORLD_VERSION, HeldOutScene, held_out_scenes
from .judge import Judge, identities_of
from .painted_masks import painted
from .scene_records import SceneRecords
from .summary import key_of, summarize
from .targets import targets

# The sets that are generated again with painted masks: identities alone, and everything.
PAINTED_ALONE = "identity"
MASKS = ("exact", "painted")
FULL_SCENES = 64

Set = tuple[str, ...]


def condition_sets(names: Iterable[str]) -> tuple[Set, ...]:
    """Return every set of these conditions, from none to all, the smaller ones first."""
    names = tuple(names)
    return tuple(s for size in range(len(names) + 1) for s in itertools.combinations(names, size))


@dataclass(frozen=True)
class SamplingSettings:
    """How every clip is sampled."""

    steps: int
    guidance: float
    first_frame_pass: float

    @classmethod
    def of(
        cls, config: FullDiTConfig, steps: int | None, guidance: float | None, first_frame_pass: float | None
    ) -> SamplingSettings:
        """Return the settings given, the checkpoint's own where one is None."""
        return cls(*config.sampling_values(steps, guidance, first_frame_pass))


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
    vae: str | Path | None = None,
    estimators: str | Path | None = None,
    pipeline: Pipeline | None = None,
    judge: Judge | None = None,
) -> dict[str, Any]:
    """Measure a checkpoint (default: the embedded one); return the result and write it to `json`.

    `full` means 64 scenes at the checkpoint's own steps, whatever `scenes` and `steps` say. `family` 'unseen' takes
    scenes with solids, patterns, places and camera movements that no training scene has. `masks` 'painted' adds the
    sets with painted masks. `vae` and `estimators` are files (default: the embedded ones); `pipeline` and `judge`
    replace what would be loaded. Raises UserError for fewer than two scenes, unknown names and missing files, before
    anything is generated.
    """
    if full:
        scenes, steps = FULL_SCENES, None
    _check_arguments(scenes, steps, family, masks)
    began = time.perf_counter()
    files = weight_files(checkpoint, vae, estimators) if pipeline is None and judge is None else ()
    judge = judge or Judge.load(estimators)
    pipeline = pipeline or Pipeline.load(checkpoint, vae)
    sampling = SamplingSettings.of(pipeline.config, steps, guidance, first_frame_pass)
    setting = _setting(pipeline, judge, sampling, checkpoint, family, masks)
    path = Path(json).with_suffix(".scenes.jsonl") if json else None
    records = SceneRecords(path, setting, resume)
    measured = _measure_scenes(pipeline, judge, sampling, setting, records, scenes, progress)
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
    pipeline: Pipeline, judge: Judge, sampling: SamplingSettings, checkpoint: str | Path | None, family: str, masks: str
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
        "world": WORLD_VERSION,
    }


def _measure_scenes(
    pipeline: Pipeline,
    judge: Judge,
    sampling: SamplingSettings,
    setting: dict[str, Any],
    records: SceneRecords,
    scenes: int,
    progress: Progress,
) -> list[dict[str, Any]]:
    """Return the record of every scene; those that are there already are not measured again."""
    torch.manual_seed(0)
    clips = 2 ** len(pipeline.config.conditions) + 1 + (2 if setting["masks"] == "painted" else 0)
    with progress(scenes * clips, "bench") as step:
        for number in range(scenes):
            if number in records.found:
                for _ in range(clips):
                    step()
                continue
            frames, height, width = setting["size"]
            (scene,) = held_out_scenes(1, frames, height, width, first=number, family=setting["family"])
            start = time.perf_counter()
            record = SceneRun(pipeline, judge, scene, sampling, step).record(setting["masks"])
            records.add(number, {**record, "seconds": round(time.perf_counter() - start, 2)})
    return [records.found[number] for number in range(scenes)]


class SceneRun:
    """One held-out scene, generated from one noise under every set of conditions, and measured.

    The conditions are encoded once. Every clip is measured against all conditions, given to the model or not.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        judge: Judge,
        scene: HeldOutScene,
        sampling: SamplingSettings,
        step: Callable[[], object],
    ):
        self.pipeline, self.judge, self.scene, self.sampling, self.step = pipeline, judge, scene, sampling, step
        taken = [name for name in scene.conditions.names if name in pipeline.config.conditions]
        self.conditions = scene.conditions.only(taken)
        start = time.perf_counter()
        self.streams = pipeline.encode(self.conditions)
        self.encoding_seconds = time.perf_counter() - start

    def record(self, masks: str) -> dict[str, Any]:
        """Return the figures of the truth (`floor`), of every set (`results`), of two references exchanged (`swap`).

        With `masks` 'painted' those of the sets with painted masks too. `clip_seconds` is what a user waits for a clip
        with all conditions: encoding, sampling, decoding.
        """
        results, seconds = {}, 0.0
        for names in condition_sets(self.conditions.names):
            start = time.perf_counter()
            clip = self._generate(self.conditions.only(names), self.streams.select(names))
            seconds = time.perf_counter() - start  # the last set has all conditions
            results[key_of(names)] = self._measure(clip, self.scene.conditions)
            self.step()
        record = {
            "seed": self.scene.seed,
            "floor": self._measure(self.scene.frames, self.scene.conditions),
            "results": results,
            "swap": self._swap(),
            "painted": self._painted() if masks == "painted" else None,
            "clip_seconds": round(self.encoding_seconds + seconds, 3),
        }
        return record

    def _generate(self, conditions: Conditions, streams: ConditionStreams) -> np.ndarray:
        settings = asdict(self.sampling)
        scene = self.scene
        return self.pipeline.generate(scene.prompt, conditions, seed=scene.seed, streams=streams, **settings).frames

    def _measure(self, clip: np.ndarray, conditions: Conditions) -> dict[str, Any]:
        measured = self.judge.measure(clip, conditions)
        return {"values": measured.values, "failed": measured.failed}

    def _swap(self) -> bool | None:
        """Whether the objects change places when two references are exchanged; None where that cannot be told."""
        swapped = None
        identities = identities_of(self.conditions)
        if len(identities) >= 2:
            streams = self.streams.select(("identity",)).exchange_slots()
            swapped = self.judge.swapped(self._generate(self.conditions.only(("identity",)), streams), identities)
        self.step()
        return swapped

    def _painted(self) -> dict[str, Any]:
        exact, asked = self.scene.conditions, painted(self.scene.conditions)
        conditions = asked.only(self.conditions.names)
        streams = self.pipeline.encode(conditions)
        record: dict[str, Any] = {"iou": shared_area(conditions, exact), "results": {}, "against_exact": {}}
        for names in painted_sets(conditions.names):
            clip = self._generate(conditions.only(names), streams.select(names))
            record["results"][key_of(names)] = self._measure(clip, asked)
            record["against_exact"][key_of(names)] = self._measure(clip, exact)
            self.step()
        return record


def painted_sets(names: Iterable[str]) -> tuple[Set, ...]:
    """Return the sets that are generated again with painted masks, of these conditions."""
    return (PAINTED_ALONE,), tuple(names)


def shared_area(one: Conditions, other: Conditions) -> float | None:
    """Return the mean over the identities of the intersection over union of their two mask videos."""
    shares: list[float | None] = []
    for a, b in zip(identities_of(one), identities_of(other), strict=True):
        if a.mask_video is not None and b.mask_video is not None:
            first, second = a.mask_video > 0.5, b.mask_video > 0.5
            either = int((first | second).sum())
            shares.append(float((first & second).sum() / either) if either else None)
    return metrics.mean_and_error(shares)[0]


def _result(
    pipeline: Pipeline,
    judge: Judge,
    setting: dict[str, Any],
    records: list[dict[str, Any]],
    files: tuple[Path, ...],
    seconds: float,
) -> dict[str, Any]:
    config = pipeline.config
    result = {
        **summarize(records),
        "checkpoint": setting["checkpoint"],
        "scenes": {
            "count": len(records),
            "first_seed": records[0]["seed"],
            **{name: setting[name] for name in ("family", "masks", "world")},
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
            "seconds": float(np.median([record["clip_seconds"] for record in records])),
            "default_steps": config.steps,
            "weights_mib": round(sum(path.stat().st_size for path in files) / 2**20, 2) if files else None,
        },
        "seconds": round(seconds, 1),
    }
    return {**result, "targets": targets(result)}


def weight_files(*paths: str | Path | None) -> tuple[Path, ...]:
    """Return the files of generator, VAE and estimators: those given, else the embedded ones."""
    names = ("fulldit_mini", "fulldit_mini_vae", "fulldit_mini_estimators")
    return tuple(Path(path or embedded_path(name)) for path, name in zip(paths, names, strict=True))
