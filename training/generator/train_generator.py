"""Trains the generator and its text encoder on encoded clips: rectified flow, Muon and AdamW, averaged weights.

A step is several micro-batches, each with one subset of conditions (batches.py). The schedule follows whichever comes
first of `steps` and `minutes`, so the learning rate is zero when time is up. With `accelerate launch` several processes
train one model, each on clips of its own.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ...models.backbone.attention import use_backend
from ...models.backbone.transformer import FullDiT
from ...models.conditioning.text import TextEncoder
from ...models.vae.vae_file import fingerprint, load_vae
from ..common.distributed import follow_main_process, gather, leave
from ..common.ema import EMA, power_function_decay
from ..common.loop import Loop
from ..common.optimizers import learning_rate_share, muon_and_adam, set_learning_rate
from ..common.precision import autocast, compute_dtype
from ..common.settings import read_settings
from ..common.state import TrainingState
from .batches import Batch
from .data import TrainingData, held_out_data
from .learner import Learner
from .report import Report, export_weights
from .settings import GeneratorSettings
from .start import networks

# Muon takes the matrices of these modules; embeddings, modulation and the head stay with AdamW.
INNER = (".self_attn.", ".cross_attn.", ".ffn.", "text.layers.")


class Trainer:
    """One run in one folder. `bare` is the learner without accelerate's wrapping."""

    def __init__(
        self, settings: GeneratorSettings, out: Path, vae_path: Path, data: Path, export: Path, resume: bool = True
    ):
        from accelerate import Accelerator, DistributedDataParallelKwargs

        self.settings, self.out, self.export = settings, Path(out), Path(export)
        # The tokenizer of a condition has no gradient in a micro-batch without it, and each process has its own.
        several = DistributedDataParallelKwargs(find_unused_parameters=True)
        self.accelerator = Accelerator(mixed_precision="no", kwargs_handlers=[several])  # precision.py does that
        self.device = self.accelerator.device
        self.dtype = compute_dtype(settings.precision, self.device)
        torch.manual_seed(settings.seed)
        vae = load_vae(vae_path, device=self.device, dtype=self.dtype)
        model, text, self.config = networks(settings.model, fingerprint(vae))
        use_backend(model, settings.attention)
        self.data = TrainingData(settings, self.config, vae, data, self.accelerator.process_index)
        learner = Learner(model, text, self.data.channel_weights, self.data.blank_map, settings.object_weight)
        optimizers = muon_and_adam(
            learner.named_parameters(), INNER, settings.muon_lr, settings.adam_lr, settings.weight_decay
        )
        self.learner, *self.optimizers = self.accelerator.prepare(learner, *optimizers)
        self.bare: Learner = self.accelerator.unwrap_model(self.learner)
        self.ema = EMA(self.bare, power_function_decay(settings.average))
        self.loop = Loop(settings.steps, settings.minutes)
        self.state = TrainingState(self.bare, self.ema, self.optimizers, self.loop)
        self.state_path = self.out / "state.safetensors"
        held_out = held_out_data(settings, self.config, vae, data, self.device)
        note = self.load() if resume and self.state_path.exists() else ""
        self.report = Report(self.out, settings, self.loop, self.data.clips, held_out, self.dtype)
        if note and self.accelerator.is_main_process:
            self.report.write_note(note)

    def save(self) -> None:
        """Write everything that the next step depends on, and export the averaged weights; all processes call this."""
        processes = gather(self.data.state())
        if self.accelerator.is_main_process:
            self.state.save(self.state_path, processes=processes)
            export_weights(self.export, self.averaged(), self.config, self.loop, self.data.clips)

    def load(self) -> str:
        """Go on from the saved state; returns a sentence for the log where that cannot be exact, else nothing."""
        processes = self.state.load(self.state_path)["processes"]
        rank, count = self.accelerator.process_index, self.accelerator.num_processes
        if len(processes) == count:
            self.data.load(processes[rank])
            return ""
        self.data.load(processes[0])
        if rank:  # The others must not draw the first one's clips and noise once more.
            self.data.reseed(1_000_003 * rank + self.loop.step)
        changed = f"The number of processes changed from {len(processes)} to {count}"
        return f"{changed}: all but the first draw from new seeds."

    def run(self, until: int | None = None) -> dict[str, Any]:
        """Train to the end of the budget, or to the step `until`; returns the record of the run."""
        with self.loop.running():
            while self.loop.goes_on(until):
                losses = self.train_step()
                self.loop.tick()
                follow_main_process(self.accelerator, self.loop)
                if self.loop.due("save", self.settings.save_minutes):
                    self.save()
                if self.accelerator.is_main_process:
                    self.report_what_is_due(losses)
        self.save()
        if self.accelerator.is_main_process and self.loop.progress >= 1:
            self.report.measure(self.averaged())
            self.report.draw_sheet(self.averaged())
        record = self.report.record(sum(p.numel() for p in self.bare.parameters()))
        if self.accelerator.is_main_process:
            self.report.write_record(record)
        return record

    def report_what_is_due(self, losses: dict[str, list[float]]) -> None:
        """Log, measure and draw as often as the config says; `losses` are those of the last step."""
        s = self.settings
        self.report.add_losses(losses)
        if self.loop.step % s.log_steps == 0:
            self.report.write_losses()
        if self.loop.due("held_out", s.held_out_minutes):
            self.report.measure(self.averaged())
        if self.loop.due("sheet", s.sheet_minutes):
            self.report.draw_sheet(self.averaged())

    def train_step(self) -> dict[str, list[float]]:
        """Make one step; returns the losses of its micro-batches by subset."""
        s = self.settings
        set_learning_rate(self.optimizers, learning_rate_share(self.loop.progress, self.loop.step, s.warmup))
        losses: dict[str, list[float]] = {}
        for _ in range(s.micro_batches):
            loss, batch = self.micro_batch()
            losses.setdefault("+".join(batch.names) or "none", []).append(float(loss))
        self.accelerator.clip_grad_norm_(self.learner.parameters(), s.clip)
        for optimizer in self.optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        self.loop.count(s.batch * self.accelerator.num_processes)
        self.ema.update(self.bare, self.loop.step)
        return losses

    def micro_batch(self) -> tuple[Tensor, Batch]:
        """Return the loss of the next micro-batch and the batch itself; its gradient is added."""
        batch, noise, t = self.data.draw(self.loop.progress)
        with autocast(self.device, self.dtype):
            losses = self.learner(batch.to(self.device), noise.to(self.device), t.to(self.device))
        loss = losses.mean()
        self.accelerator.backward(loss / self.settings.micro_batches)
        return loss.detach(), batch

    def averaged(self) -> Learner:
        """Return a copy of the learner with the averaged weights, for measuring and for export."""
        model = FullDiT(self.config)
        use_backend(model, self.settings.attention)
        copy = Learner(model, TextEncoder(dim=self.config.text_dim), self.data.channel_weights).to(self.device)
        copy.load_state_dict(self.ema.values)
        return copy.eval()

    def close(self) -> None:
        """Leave the group of processes."""
        leave(self.accelerator)


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
