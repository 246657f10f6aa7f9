"""One held-out scene, generated under every set of conditions and every trial, and measured."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import torch
from einops import rearrange

from ...control.conditions import Condition, Conditions, SourceCondition
from ...models.conditioning.condition_streams import ConditionStreams
from ...models.conditioning.encoder import encode_frames
from ...models.config import FullDiTConfig
from ...models.estimators import metrics
from ...models.estimators.judge import METRICS, Judge, Seen, identities_of
from ...models.estimators.scene_likeness import SCENE
from ...models.pipeline import Pipeline
from ..held_out_scenes import HeldOutScene, held_out_scenes
from .painted_masks import painted, painted_sets, shared_area
from .ratios import OWN
from .summary import key_of
from .trials import EDITED, Trial, condition_sets

OTHERS = 4  # scenes that a clip of the scene is compared with


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


class SceneRun:
    """One held-out scene, generated from one noise.

    FullDiT's own conditions are encoded once. Every clip is measured against all of them, given to the model or not. A
    trial's clips are measured in its own figures, and so are those without its condition.
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
        self._seen: dict[tuple[str, ...], Seen] = {}

    def record(self, masks: str, own: bool = True, trials: Iterable[Trial] = ()) -> dict[str, Any]:
        """Return the figures of the scene, of the sets of FullDiT's own conditions where `own`, and of trials.

        `floor`: the truth's; `results`: by set; `swap`: two references exchanged; `painted` (with `masks` 'painted'):
        the sets with painted masks; `clip_seconds`: what a user waits for a clip with all conditions, encoding,
        sampling and decoding. `trials`: by name, as `_tried` has them.
        """
        record: dict[str, Any] = {"seed": self.scene.seed, "floor": None, "results": {}, "swap": None, "painted": None}
        record["clip_seconds"] = None
        if own:
            record |= self._own(masks)
        references = self._references() if trials else {}
        record["trials"] = {}
        for trial in trials:
            condition = trial.make(self.scene)
            if condition is not None:
                record["trials"][trial.name] = self._tried(trial, condition, references)
            for _ in trial.sets:
                self.step()
        return record

    def _own(self, masks: str) -> dict[str, Any]:
        results, seconds = {}, 0.0
        for names in condition_sets(self.conditions.names):
            start = time.perf_counter()
            clip = self._generate(self.conditions.only(names), self.streams.select(names))
            if set(names) == set(self.conditions.names):
                seconds = time.perf_counter() - start
            seen = self.judge.see(clip)
            if len(names) < 2:  # what trials are compared with
                self._seen[names] = seen
            results[key_of(names)] = self._measure(seen, self.scene.conditions)
            self.step()
        return {
            "floor": self._measure(self.judge.see(self.scene.frames), self.scene.conditions),
            "results": results,
            "swap": self._swap(),
            "painted": self._painted() if masks == "painted" else None,
            "clip_seconds": round(self.encoding_seconds + seconds, 3),
        }

    def _generate(self, conditions: Conditions, streams: ConditionStreams, prompt: str | None = None) -> np.ndarray:
        settings = asdict(self.sampling)
        scene = self.scene
        return self.pipeline.generate(
            prompt or scene.prompt, conditions, seed=scene.seed, streams=streams, **settings
        ).frames

    def _measure(self, seen: Seen, conditions: Conditions) -> dict[str, Any]:
        measured = self.judge.measure(seen, conditions)
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
        conditions = asked.only(set(self.conditions.names) & set(OWN))
        streams = self.pipeline.encode(conditions)
        record: dict[str, Any] = {"iou": shared_area(conditions, exact), "results": {}, "against_exact": {}}
        for names in painted_sets(conditions.names):
            seen = self.judge.see(self._generate(conditions.only(names), streams.select(names)))
            record["results"][key_of(names)] = self._measure(seen, asked)
            record["against_exact"][key_of(names)] = self._measure(seen, exact)
            self.step()
        return record

    # ---- trials of further conditions -----------------------------------------------------------------------------

    def _references(self) -> dict[str, Seen]:
        """What no model made: the truth, the truth through the VAE, and other scenes."""
        video = rearrange(torch.from_numpy(self.scene.frames), "f h w c -> 1 c f h w")
        latent = encode_frames(self.pipeline.vae, video).to(self.pipeline.device)
        clips = {"truth": self.scene.frames, "vae": self.pipeline.decode(latent)}
        (frames, height, width), options = self.scene.frames.shape[:3], self.scene.clips.options
        first, family, world = self.scene.number + 1, options.family, options.version
        others = held_out_scenes(OTHERS, frames, height, width, first, family, names=(), world=world)
        clips |= {f"other {number}": other.frames for number, other in enumerate(others)}
        return {name: self.judge.see(clip) for name, clip in clips.items()}

    def _tried(self, trial: Trial, condition: Condition, references: dict[str, Seen]) -> dict[str, Any]:
        """Return what came of a trial: `rows`, the figures by set, those without the condition included; `references`,
        the figures of the truth, of the truth through the VAE, of another scene, and of a source video itself."""
        conditions = replace(self.conditions, items=(*self.conditions.items, condition))
        streams = self.pipeline.encode(conditions.only((condition.name,)))
        joined = ConditionStreams((*self.streams.streams, *streams.streams), self.streams.latent_size)
        rows = {}
        for names in trial.compared:
            shared = condition.name not in names and not trial.captioned
            if not shared:
                prompt = self.scene.caption if trial.captioned else None
                seen = self.judge.see(self._generate(conditions.only(names), joined.select(names), prompt))
            elif names in self._seen:
                seen = self._seen[names]
            else:
                clip = self._generate(self.conditions.only(names), self.streams.select(names))
                seen = self._seen[names] = self.judge.see(clip)
            rows[key_of(names)] = self._figures(trial, seen, conditions, references)
        known = {name: self._figures(trial, references[name], conditions, references) for name in ("truth", "vae")}
        others = [self._figures(trial, references[f"other {k}"], conditions, references) for k in range(OTHERS)]
        known["other"] = {name: metrics.mean_and_error([one[name] for one in others])[0] for name in trial.figures}
        if isinstance(condition, SourceCondition):
            known["unchanged"] = self._figures(trial, self.judge.see(condition.frames), conditions, references)
        return {"rows": rows, "references": known}

    def _figures(
        self, trial: Trial, seen: Seen, conditions: Conditions, references: dict[str, Seen]
    ) -> dict[str, float | None]:
        names = [name for name in trial.figures if name in METRICS]
        values = self.judge.measure(seen, conditions, names).values if names else {}
        if set(SCENE) & set(trial.figures):
            values |= self.judge.scene(seen.clip).distances(self.judge.scene(references["truth"].clip))
        if EDITED in trial.figures:
            source = conditions.get(SourceCondition)
            assert source is not None
            values[EDITED] = metrics.nearer_share(seen.clip, self.scene.frames, source.frames)
        return {name: values.get(name) for name in trial.figures}
