"""What a run of the generator leaves: the log and its plot, held-out losses, sheets, the record, the weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from ...control.camera.motion_range import CameraMotionRange
from ...control.files import write_json
from ...dataset.clip_source import ClipSource
from ...dataset.motion_range import of_clips
from ...models.config import FullDiTConfig
from ...models.weights.attach import conditions_of
from ...models.weights.checkpoint import save_model
from ...models.weights.condition_file import write_condition_file
from ...models.weights.lora_layers import lora_layers, merge_lora
from ..common.distributed import Processes
from ..common.log import Log, plot_losses
from ..common.loop import Loop
from ..common.optimizers import learning_rate_share
from ..common.tracking import flat_figures, open_tracker
from .batches import Batch
from .cost import forward_cost, peak_of
from .data import TrainingData
from .held_out import HeldOut
from .learner import Learner
from .page import write_page
from .settings import GeneratorSettings
from .start import Origin


class Report:
    """Writes the files of one run in the folder `out`. held_out: None where nothing is measured or drawn. dtype: what
    the run computes in."""

    def __init__(
        self,
        out: Path,
        settings: GeneratorSettings,
        loop: Loop,
        data: TrainingData,
        held_out: HeldOut | None,
        dtype: torch.dtype,
        processes: Processes,
    ):
        self.out, self.settings, self.loop = out, settings, loop
        self.data, self.held_out, self.dtype, self.processes = data, held_out, dtype, processes
        self.log = Log(out / "log.jsonl", loop.step)
        self.peak = settings.peak_tflops or peak_of(processes.device)
        self.track = open_tracker(settings.tracker, out, asdict(settings))
        self._begin_line()

    def _begin_line(self) -> None:
        self.losses: dict[str, list[float]] = {}  # of the micro-batches since the last line, by subset
        self.tokens, self.operations, self.began = 0, 0.0, self.loop.seconds

    def add_losses(self, losses: dict[str, list[float]]) -> None:
        """Keep the losses of one step for the next line of the log."""
        for subset, values in losses.items():
            self.losses.setdefault(subset, []).extend(values)

    def add_work(self, batch: Batch) -> None:
        """Count the tokens and operations of a micro-batch of which `batch` is this process's part."""
        config = self.data.config
        video = config.geometry.tokens(batch.video.shape[2:])
        conditions = 0 if batch.conditions is None else sum(stream.tokens for stream in batch.conditions.streams)
        cost = forward_cost(config, video, conditions, config.text_len).training(frozen=self.settings.lora is not None)
        clips = len(batch.video) * self.processes.groups
        self.tokens += clips * (video + conditions)
        self.operations += clips * cost

    def write_losses(self) -> None:
        """Log the mean losses since the last time."""
        values = [value for losses in self.losses.values() for value in losses]
        self._write(
            step=self.loop.step,
            samples=self.loop.samples,
            minutes=self.loop.minutes,
            progress=self.loop.progress,
            rate=learning_rate_share(self.loop.progress, self.loop.step, self.settings.warmup),
            clips=len(self.data),
            **self._speed(),
            loss=sum(values) / max(1, len(values)),
            subsets={subset: sum(losses) / len(losses) for subset, losses in sorted(self.losses.items())},
        )
        self._begin_line()

    def _speed(self) -> dict[str, float]:
        """Return tokens per second of all devices, TFLOP/s of each, and its share of the peak where that is known."""
        seconds = max(self.loop.seconds - self.began, 1e-9)
        tflops = self.operations / seconds / self.processes.count / 1e12
        speed = {"tokens_per_second": self.tokens / seconds, "tflops": tflops}
        return speed if self.peak is None else {**speed, "mfu": tflops / self.peak}

    def _write(self, **values: Any) -> None:
        """Write a line of the log, and its figures to the tracker."""
        self.log.write(**values)
        self.track(self.loop.step, flat_figures({k: v for k, v in values.items() if k != "step"}))

    def write_note(self, note: str) -> None:
        """Log a sentence for the reader."""
        self.log.write(step=self.loop.step, note=note)

    def measure(self, learner: Learner) -> None:
        """Log the losses of `learner` on held-out clips and draw the plot."""
        if self.held_out is None:
            return
        losses = self.held_out.losses(learner, self.dtype == torch.bfloat16)
        self._write(step=self.loop.step, samples=self.loop.samples, minutes=self.loop.minutes, held_out=losses)
        plot_losses(self.log.path, self.out / "loss.png")

    def draw_sheet(self, learner: Learner) -> None:
        """Draw samples of `learner` beside held-out clips."""
        if self.held_out is None:
            return
        path = self.out / "sheets" / f"step_{self.loop.step:06d}.png"
        s = self.settings
        self.held_out.sheet(path, learner, s.sheet_clips, s.sheet_steps, self.dtype == torch.bfloat16)

    def record(self, parameters: int, trained: int) -> dict[str, Any]:
        """Return what a model card says about the run."""
        held_out = [line["held_out"] for line in self.log.lines() if "held_out" in line]
        return {
            "clips": len(self.data),
            "steps": self.loop.step,
            "samples": self.loop.samples,
            "minutes": round(self.loop.minutes, 2),
            "parameters": parameters,
            "trained": trained,
            "processes": self.processes.count,
            "finished": self.loop.progress >= 1,
            "precision": str(self.dtype).removeprefix("torch."),
            "held_out_time": self.settings.held_out_time,
            "held_out": held_out[-1] if held_out else None,
            "settings": asdict(self.settings),
        }

    def write_record(self, record: dict[str, Any]) -> None:
        """Write the record beside the log, and the page of the run."""
        write_json(self.out / "record.json", record)
        write_page(self.out, record)


def export_weights(
    path: Path, learner: Learner, config: FullDiTConfig, metadata: dict[str, Any], origin: Origin | None
) -> None:
    """Write what everything else can load.

    That is a condition file where a LoRA was trained on open weights, whose `origin` it names; else a checkpoint. LoRAs
    of the learner are added to the weights beside them, for good.
    """
    if origin is not None:
        alphas = {name: layer.alpha for name, layer in lora_layers(learner.model).items()}
        state = learner.model.state_dict()
        made = conditions_of(state, origin.base, origin.vae, config, alphas, origin.name, metadata)
        write_condition_file(path, made)
        return
    merge_lora(learner.model)
    save_model(path, learner.model, learner.text, config, metadata)


def run_metadata(
    config: FullDiTConfig, loop: Loop, sources: Sequence[ClipSource], known: CameraMotionRange | None
) -> dict[str, Any]:
    """Return what an exported file says of the run: its length, and how far the cameras of its clips go, or those that
    were `known` before."""
    training = {
        "step": loop.step,
        "samples": loop.samples,
        "clips": sum(map(len, sources)),
        "minutes": round(loop.minutes, 1),
    }
    metadata: dict[str, Any] = {"training": training}
    reach = known
    for clips in sources:
        if bool((clips.patterns(("camera",)) > 0).any()):
            own = of_clips(clips, config.fps)
            reach = own if reach is None else reach.joined(own)
    if reach is not None:
        metadata["camera_reach"] = reach.to_json()
    return metadata
