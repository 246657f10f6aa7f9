"""Trains the generator and its text encoder on encoded clips: rectified flow, Muon and AdamW, averaged weights.

A step is several micro-batches, each with one subset of conditions (batches.py). The schedule follows whichever comes
first of `steps` and `minutes`, so the learning rate is zero when time is up. Several processes, started by torchrun,
train one model: each has a share of every weight (FSDP2) and reads a part of every micro-batch. What they compute is
what one process computes.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from ...control.errors import UserError
from ...models.backbone.sequence_parallel import SequenceParallel
from ...models.vae.vae_file import fingerprint, load_vae
from ..common.distributed import start_processes
from ..common.ema import EMA, power_function_decay
from ..common.loop import Loop
from ..common.optimizers import learning_rate_share, muon_and_adam, set_learning_rate
from ..common.precision import autocast, compute_dtype
from ..common.settings import read_settings
from ..common.sharding import full_tensor, gathered, shard
from ..common.state import TrainingState
from .batches import Batch, Part
from .blend import blend
from .data import TrainingData, held_out_data
from .distill import Distiller
from .learner import Learner
from .report import Report, export_weights, run_metadata
from .settings import GeneratorSettings
from .start import (
    camera_motion_range,
    config_of,
    learner_of,
    networks,
    origin_of,
    prepare,
    take_up_lora,
    teacher_of,
)

# Muon takes the matrices of these modules; embeddings, modulation and the head stay with AdamW.
INNER = (".self_attn.", ".cross_attn.", ".ffn.", "text.layers.")
MOST_SKIPPED = 3  # steps in a row whose loss is not a number
Callback: TypeAlias = Callable[[int, float], object]


class Trainer:
    """One run in one folder. device: of a process that is alone."""

    def __init__(
        self,
        settings: GeneratorSettings,
        out: Path,
        vae_path: Path,
        data: Path,
        export: Path,
        resume: bool = True,
        device: str | torch.device = "auto",
    ):
        self.settings, self.out, self.export = settings, Path(out), Path(export)
        self.processes = start_processes(settings.sequence_processes, device)
        self.device = self.processes.device
        self.dtype = compute_dtype(settings.precision, self.device)
        vae = load_vae(vae_path, device=self.device, dtype=self.dtype)
        self.config = replace(config_of(settings), vae_fingerprint=fingerprint(vae))
        # Clips that cannot be used are found before the weights are read, which may take minutes.
        part = Part(self.processes.group, self.processes.groups)
        self.data = TrainingData(settings, self.config, vae, data, part)
        held_out = held_out_data(settings, self.config, vae, data, self.device)
        torch.manual_seed(settings.seed)
        model, text, _ = networks(settings, fingerprint(vae))
        self.origin = origin_of(settings, vae_path) if self.processes.is_main else None
        prepare(model, text, settings)
        take_up_lora(model, settings)
        measures = (self.data.channel_weights, self.data.blank_maps, settings.object_weight)
        teacher = teacher_of(settings)
        learner = (
            Learner(model, text, *measures)
            if teacher is None
            else Distiller(model, text, teacher.to(self.device), *measures)
        )
        self.learner = learner.to(self.device)
        self.parameters = sum(p.numel() for p in learner.parameters())
        self._distribute()
        self.trained = [(name, p) for name, p in learner.named_parameters() if p.requires_grad]
        self.optimizers = muon_and_adam(
            self.trained,
            INNER if settings.optimizer == "muon" else (),
            settings.muon_lr,
            settings.adam_lr,
            settings.weight_decay,
            torch.float32 if settings.precision == "fp32" else None,
        )
        self.ema = EMA(learner, power_function_decay(settings.average))
        self.loop = Loop(settings.steps, settings.minutes)
        self.state = TrainingState(learner, self.ema, self.optimizers, self.loop)
        self.state_path = self.out / "state.safetensors"
        self.skipped = 0
        if resume and self.state_path.exists():
            self.data.load(self.state.load(self.state_path)["data"])
        self.report: Report | None = None
        if self.processes.is_main:
            self.report = Report(self.out, settings, self.loop, self.data, held_out, self.dtype, self.processes)

    def _distribute(self) -> None:
        """Share weights, and sequences where that is asked for, with the other processes."""
        group = self.processes.sequence_group()
        if group is not None:
            self.learner.model.share_sequences(SequenceParallel(group))
        if self.processes.count > 1:
            shard(self.learner, self.dtype)

    def save_state(self) -> None:
        """Write everything that the next step depends on; all processes call this."""
        self.state.save(self.state_path, self.settings.save_in_background, data=self.data.state())

    def save(self) -> None:
        """Save the state, and export the averaged weights; all processes call this."""
        # First what needs all processes to talk: the state may be written in the background, which talks too.
        averaged = self.averaged()
        self.save_state()
        if averaged is not None:
            blend(averaged, self.settings)
            said = run_metadata(self.config, self.loop, self.data.sources, camera_motion_range(self.settings))
            export_weights(self.export, averaged, self.config, said, self.origin)

    def run(self, until: int | None = None, callback: Callback = lambda step, loss: None) -> dict[str, Any]:
        """Train to the end of the budget, or to the step `until`; returns the record of the run.

        callback: called after each step with its number and mean loss (NaN for a step that was skipped). What it raises
        ends the run behind a saved state, from which the next run goes on as if nothing had been. Raises UserError
        where the loss was not a number in several steps in a row.
        """
        with self.loop.running():
            while self.loop.goes_on(until):
                losses = self.train_step()
                self.loop.tick()
                self.processes.follow_main(self.loop)
                self._call(callback, losses)
                self.state.finish(wait=False)
                if self.loop.due("save", self.settings.save_minutes):
                    self.save()
                self.report_what_is_due(losses)
        self.save()
        self.state.finish()
        if self.loop.progress >= 1:
            self.measure(losses=True, sheet=True)
        return self.write_record()

    def _call(self, callback: Callback, losses: dict[str, list[float]]) -> None:
        """Call the callback with the losses of a step; where it raises, leave the log and the state of that step."""
        values = [value for some in losses.values() for value in some]
        try:
            callback(self.loop.step, sum(values) / len(values) if values else math.nan)
        except BaseException:
            self.log(losses)
            self.save_state()
            self.state.finish()
            raise

    def write_record(self) -> dict[str, Any]:
        """Write what the run came to, on the first process, and return it."""
        if self.report is None:
            return {"steps": self.loop.step, "finished": self.loop.progress >= 1}
        record = self.report.record(self.parameters, sum(p.numel() for _, p in self.trained))
        self.report.write_record(record)
        return record

    def report_what_is_due(self, losses: dict[str, list[float]]) -> None:
        """Log, measure and draw as often as the config says; `losses` are those of the last step."""
        s = self.settings
        self.log(losses)
        self.measure(self.loop.due("held_out", s.held_out_minutes), self.loop.due("sheet", s.sheet_minutes))

    def log(self, losses: dict[str, list[float]]) -> None:
        """Take the losses of the last step into the log, which has a line for as many steps as the config says."""
        if self.report is not None:
            self.report.add_losses(losses)
            if self.loop.step % self.settings.log_steps == 0:
                self.report.write_losses()

    def measure(self, losses: bool, sheet: bool) -> None:
        """Measure the averaged weights on held-out clips, and draw samples; all processes call this."""
        averaged = self.averaged() if losses or sheet else None
        if averaged is None or self.report is None:
            return
        if losses:
            self.report.measure(averaged)
        if sheet and not self.config.expert:  # which samples nothing by itself
            self.report.draw_sheet(averaged)

    def train_step(self) -> dict[str, list[float]]:
        """Make one step; returns the losses of its micro-batches by subset, the means over all processes.

        A step whose loss or gradient is not a number changes nothing.
        """
        s = self.settings
        set_learning_rate(self.optimizers, learning_rate_share(self.loop.progress, self.loop.step, s.warmup))
        micro_batches = [self.micro_batch() for _ in range(s.micro_batches)]
        means = self.processes.mean(torch.stack([loss for loss, _ in micro_batches])).tolist()
        norm = full_tensor(nn.utils.clip_grad_norm_([p for _, p in self.trained], s.clip))
        finite = bool(torch.isfinite(norm)) and bool(torch.isfinite(torch.tensor(means)).all())
        for optimizer in self.optimizers:
            if finite:
                optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        self.loop.count(sum(len(batch.video) for _, batch in micro_batches) * self.processes.groups)
        if not finite:
            self._skip(means)
            return {}
        self.skipped = 0
        self.ema.update(self.learner, self.loop.step)
        losses: dict[str, list[float]] = {}
        for (_, batch), mean in zip(micro_batches, means, strict=True):
            losses.setdefault("+".join(batch.names) or "none", []).append(mean)
        return losses

    def _skip(self, losses: list[float]) -> None:
        """Note a step that changed nothing. Raises UserError after several in a row."""
        self.skipped += 1
        if self.report is not None:
            self.report.write_note(f"The losses were {losses}, or their gradient was no number: the step was skipped.")
        if self.skipped == MOST_SKIPPED:
            raise UserError(
                f"The loss was not a number in {MOST_SKIPPED} steps in a row, up to step {self.loop.step}. The last "
                f"saved state is as it was: lower muon_lr and adam_lr, or look for broken clips, and go on from it."
            )

    def micro_batch(self) -> tuple[Tensor, Batch]:
        """Return the loss of the next micro-batch and the batch itself; its gradient is added."""
        batch, noise, t = self.data.draw(self.loop.progress)
        with autocast(self.device, self.dtype):
            losses = self.learner(batch.to(self.device), noise.to(self.device), t.to(self.device))
        loss = losses.mean()
        torch.autograd.backward(loss / self.settings.micro_batches)
        if self.report is not None:
            self.report.add_work(batch)
        return loss.detach(), batch

    def averaged(self) -> Learner | None:
        """Return, on the first process, a copy of the learner with the averaged weights, for measuring and for export;
        all processes call this."""
        values = {**self.learner.state_dict(), **self.ema.values}
        state = gathered(values.items(), keep=self.processes.is_main)
        if not self.processes.is_main:
            return None
        return learner_of(state, self.settings, self.config, self.data.channel_weights).to(self.device)

    def close(self) -> None:
        """Leave the group of processes."""
        self.processes.leave()


def train_generator(
    config: Path,
    out: Path,
    vae_path: Path,
    data: Path,
    export: Path,
    resume: bool = True,
    minutes: float | None = None,
) -> dict[str, Any]:
    """Train by a config file; `minutes` replaces its budget. Returns the record of the run."""
    changes = {} if minutes is None else {"minutes": minutes}
    settings = read_settings(config, GeneratorSettings, changes)
    trainer = Trainer(settings, out, vae_path, data, export, resume)
    try:
        return trainer.run()
    finally:
        trainer.close()
