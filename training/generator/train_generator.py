"""Trains the generator and its text encoder on encoded clips: rectified flow, Muon and AdamW, averaged weights.

A step is several micro-batches, each with one subset of conditions (`batches.py`). The schedule follows whichever comes
first of `steps` and `minutes`, so the learning rate is zero when time is up.
"""

from __future__ import annotations

import signal
import time
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import torch
from torch import nn

from ...control.files import write_json
from ...dataset.latents import EncodedClips, write_held_out
from ...dataset.loss_weights import blank_map, channel_weights, object_mask
from ...dataset.motion_range import of_clips
from ...models.backbone.attention import use_backend
from ...models.backbone.transformer import FullDiT
from ...models.conditioning.text import TextEncoder
from ...models.sampling.flow import add_noise, velocity
from ...models.vae.vae_file import fingerprint, load_vae
from ...models.weights.checkpoint import save_model
from ..common.log import Log, plot_losses
from ..common.optimizers import Average, optimizers, rate, set_rate
from ..common.settings import read_settings
from ..common.state import load_state, save_state
from .batches import Batch, Batches, draw_times, without
from .held_out import HeldOut
from .start import networks

# Muon takes the matrices of these modules; embeddings, modulation and the head stay with AdamW.
INNER = (".self_attn.", ".cross_attn.", ".ffn.", "text.layers.")


@dataclass(frozen=True)
class GeneratorSettings:
    """One config of this stage. Times in minutes; `model` is a preset or a checkpoint to go on from (`start.py`);
    `phases` is the order in which conditions come in, less the sets of conditions in `never`."""

    model: str
    phases: list[dict]
    never: list[str] = field(default_factory=list)
    minutes: float | None = None
    steps: int | None = None
    batch: int = 32
    micro_batches: int = 2
    muon_lr: float = 0.02
    adam_lr: float = 1e-3
    weight_decay: float = 0.0
    warmup: int = 50
    clip: float = 1.0
    shift: float = 3.0
    clean_first_frame_prob: float = 0.3
    plain_captions: float = 0.5
    plain_with_conditions: float = 0.8
    map_dropped: float = 0.1
    channel_power: float = 0.0
    object_weight: float = 1.0
    average: float = 0.05
    attention: str = "explicit"
    precision: str = "bf16"
    seed: int = 0
    log_steps: int = 20
    held_out_clips: int = 64
    held_out_time: float = 0.8
    held_out_minutes: float = 3.0
    save_minutes: float = 5.0
    sheet_minutes: float = 10.0
    sheet_clips: int = 3
    sheet_steps: int = 10
    data: dict = field(default_factory=dict)


class Learner(nn.Module):
    """Network and text encoder as one module whose forward is the loss, so that accelerate can wrap it.

    `weights` (C,): what an error in each latent channel counts (`channel_weights`); by default all the same.
    `object_weight`: what it counts in training where an object is (`blank` is the latent of an empty map), else 1:
    objects are a small part of the image and most of what a reference says.
    """

    def __init__(
        self,
        model: FullDiT,
        text: TextEncoder,
        weights: torch.Tensor | None = None,
        blank: torch.Tensor | None = None,
        object_weight: float = 1.0,
    ):
        super().__init__()
        self.model = model
        self.text = text
        self.object_weight = object_weight
        self.register_buffer("blank", blank, persistent=False)
        weights = torch.ones(model.config.out_dim) if weights is None else weights
        self.register_buffer("weights", weights[:, None, None, None], persistent=False)

    def forward(self, batch: Batch, noise: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        """Mean squared error of the velocity, per clip: (B,). A cleaner first frame (t per frame) is not counted."""
        x = add_noise(batch.video, noise, t)
        context = self.text(batch.tokens)
        v = self.model(x, 1000 * t, context, batch.conditions)
        error = (v.float() - velocity(batch.video, noise)).square() * self.weights
        if self.training and self.object_weight != 1 and batch.maps is not None:
            error = error * (1 + (self.object_weight - 1) * object_mask(batch.maps, self.blank))
        error = error.mean((1, 3, 4))
        return (error[:, 1:] if t.ndim == 2 else error).mean(1)


class Trainer:
    """One run in one folder: state, log, plot, sheets and the exported weights."""

    def __init__(
        self, settings: GeneratorSettings, out: Path, vae_path: Path, data: Path, export: Path, resume: bool = True
    ):
        from accelerate import Accelerator, DistributedDataParallelKwargs

        self.settings, self.out, self.export = settings, Path(out), Path(export)
        # The tokenizer of a condition has no gradient in a micro-batch without it, and each process has its own.
        several = DistributedDataParallelKwargs(find_unused_parameters=True)
        precision = "bf16" if settings.precision == "bf16" else "no"
        self.accelerator = Accelerator(mixed_precision=precision, kwargs_handlers=[several])
        self.device = self.accelerator.device
        torch.manual_seed(settings.seed)
        vae = load_vae(vae_path, device=self.device, dtype=torch.bfloat16)
        mark = fingerprint(vae)
        model, text, self.config = networks(settings.model, mark)
        use_backend(model, settings.attention)
        self.clips = EncodedClips(data, mark)
        self.weights = channel_weights(vae, self.clips, settings.channel_power).to(self.device)
        blank = blank_map(vae, self.config) if settings.object_weight != 1 else None
        learner = Learner(model, text, self.weights, blank, settings.object_weight)
        found = optimizers(learner.named_parameters(), INNER, settings.muon_lr, settings.adam_lr, settings.weight_decay)
        self.learner, *self.optimizers = self.accelerator.prepare(learner, *found)
        self.bare = self.accelerator.unwrap_model(self.learner)
        self.average = Average(self.bare, settings.average)
        self.batches = Batches(
            self.clips,
            without(settings.phases, settings.never),
            self.config,
            settings.seed + self.accelerator.process_index,
            settings.plain_captions,
            settings.plain_with_conditions,
            settings.map_dropped,
        )
        self.held_out = HeldOut(
            write_held_out(vae, Path(data).parent / "held_out", settings.held_out_clips, self.config, self.device),
            vae,
            self.config,
            settings.held_out_time,
            self.device,
        )
        self.generator = torch.Generator().manual_seed(settings.seed + 1 + self.accelerator.process_index)
        self.step = self.samples = 0
        self.minutes = 0.0
        self.state_path = self.out / "state.safetensors"
        if resume and self.state_path.exists():
            self.load()
        self.log = Log(self.out / "log.jsonl", self.step)
        self.stop = False

    @property
    def progress(self) -> float:
        """Share of the run that is done, 0 to 1."""
        s = self.settings
        shares = [self.step / s.steps if s.steps else 0.0, self.minutes / s.minutes if s.minutes else 0.0]
        return min(1.0, max(shares))

    def save(self) -> None:
        """Everything that the next step depends on."""
        tree = {
            "learner": self.bare.state_dict(),
            "average": self.average.values,
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "batches": self.batches.state(),
            "generator": self.generator.get_state(),
            "random": torch.get_rng_state(),
            "counts": [self.step, self.samples, self.minutes],
        }
        save_state(self.state_path, tree)

    def load(self) -> None:
        tree = load_state(self.state_path)
        self.bare.load_state_dict(tree["learner"])
        self.average.values = {name: value.to(self.device) for name, value in tree["average"].items()}
        for optimizer, state in zip(self.optimizers, tree["optimizers"], strict=True):
            optimizer.load_state_dict(state)
        self.batches.load(tree["batches"])
        self.generator.set_state(tree["generator"])
        torch.set_rng_state(tree["random"])
        self.step, self.samples, self.minutes = tree["counts"]
        # The state is that of the first process; the others must not draw its clips and its noise once more.
        if self.accelerator.process_index:
            apart = 1_000_003 * self.accelerator.process_index + self.step
            self.batches.generator.manual_seed(apart)
            self.generator.manual_seed(apart + 1)

    def micro_batch(self) -> tuple[torch.Tensor, Batch]:
        """Loss of the next micro-batch, its gradient added."""
        s = self.settings
        size = max(1, s.batch // s.micro_batches)
        batch = self.batches.draw(size, self.progress)
        t = draw_times(size, self.config.latent_size[0], s.shift, s.clean_first_frame_prob, self.generator)
        noise = torch.randn(batch.video.shape, generator=self.generator)
        loss = self.learner(batch.to(self.device), noise.to(self.device), t.to(self.device)).mean()
        self.accelerator.backward(loss / s.micro_batches)
        self.samples += size * self.accelerator.num_processes
        return loss.detach(), batch

    def train_step(self) -> dict[str, list[float]]:
        """One step; returns the losses by subset."""
        set_rate(self.optimizers, rate(self.progress, self.step, self.settings.warmup))
        losses: dict[str, list[float]] = {}
        for _ in range(self.settings.micro_batches):
            loss, batch = self.micro_batch()
            losses.setdefault("+".join(batch.names) or "none", []).append(float(loss))
        self.accelerator.clip_grad_norm_(self.learner.parameters(), self.settings.clip)
        for optimizer in self.optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        self.step += 1
        self.average.update(self.bare, self.step)
        return losses

    def averaged(self) -> Learner:
        """A copy of the learner with the averaged weights, for measuring and for export."""
        model = FullDiT(self.config)
        use_backend(model, self.settings.attention)
        copy = Learner(model, TextEncoder(dim=self.config.text_dim), self.weights).to(self.device)
        copy.load_state_dict(self.average.values)
        return copy.eval()

    def snapshot(self) -> None:
        """Export the averaged weights as a checkpoint that everything else can load."""
        learner = self.averaged()
        record = {
            "step": self.step,
            "samples": self.samples,
            "clips": len(self.clips),
            "minutes": round(self.minutes, 1),
        }
        reach = of_clips(self.clips, self.config.fps).to_json()
        save_model(self.export, learner.model, learner.text, self.config, {"training": record, "camera_reach": reach})

    def run(self, until: float | None = None) -> dict:
        """Train to the end of the budget, or to the step `until`; returns the record of the run."""
        s = self.settings
        previous = signal.signal(signal.SIGTERM, lambda *_: setattr(self, "stop", True))
        timers = dict.fromkeys(("held_out", "save", "sheet"), self.minutes)
        gathered: dict[str, list[float]] = {}
        last = time.perf_counter()
        try:
            while self.progress < 1 and not self.stop and (until is None or self.step < until):
                for name, values in self.train_step().items():
                    gathered.setdefault(name, []).extend(values)
                now = time.perf_counter()
                self.minutes += (now - last) / 60
                last = now
                self.agree()
                if self.step % s.log_steps == 0:
                    if self.accelerator.is_main_process:
                        self.write_losses(gathered)
                    gathered = {}
                for name, every in (
                    ("held_out", s.held_out_minutes),
                    ("save", s.save_minutes),
                    ("sheet", s.sheet_minutes),
                ):
                    if self.minutes - timers[name] >= every and self.accelerator.is_main_process:
                        timers[name] = self.minutes
                        getattr(self, f"do_{name}")()
        finally:
            signal.signal(signal.SIGTERM, previous)
        if self.accelerator.is_main_process:
            self.do_save()
            if self.progress >= 1:
                self.do_held_out()
                self.do_sheet()
        return self.record()

    def close(self) -> None:
        """Leave the group of processes: one that just ends may abort while its threads still talk to the others."""
        self.accelerator.wait_for_everyone()
        self.accelerator.end_training()

    def agree(self) -> None:
        """Every process goes by the clock and the stop signal of the first; else one would wait for the others."""
        if self.accelerator.num_processes > 1:
            from accelerate.utils import broadcast

            said = broadcast(torch.tensor([self.minutes, float(self.stop)], device=self.device))
            self.minutes, self.stop = float(said[0]), bool(said[1])

    def write_losses(self, gathered: dict[str, list[float]]) -> None:
        means = {name: sum(values) / len(values) for name, values in sorted(gathered.items())}
        values = [v for group in gathered.values() for v in group]
        lr = rate(self.progress, self.step, self.settings.warmup)
        self.log.write(
            step=self.step,
            samples=self.samples,
            minutes=self.minutes,
            progress=self.progress,
            rate=lr,
            clips=len(self.clips),
            loss=sum(values) / max(1, len(values)),
            subsets=means,
        )

    def do_held_out(self) -> None:
        losses = self.held_out.losses(self.averaged(), self.settings.precision == "bf16")
        self.log.write(step=self.step, samples=self.samples, minutes=self.minutes, held_out=losses)
        plot_losses(self.log.path, self.out / "loss.png")

    def do_save(self) -> None:
        self.save()
        self.snapshot()

    def do_sheet(self) -> None:
        path = self.out / "sheets" / f"step_{self.step:06d}.png"
        self.held_out.sheet(
            path,
            self.averaged(),
            self.settings.sheet_clips,
            self.settings.sheet_steps,
            self.settings.precision == "bf16",
        )

    def record(self) -> dict:
        """What a model card says about the run; also written to `record.json`."""
        held_out = [line["held_out"] for line in self.log.lines() if "held_out" in line]
        found = {
            "clips": len(self.clips),
            "steps": self.step,
            "samples": self.samples,
            "minutes": round(self.minutes, 2),
            "parameters": sum(p.numel() for p in self.bare.parameters()),
            "finished": self.progress >= 1,
            "held_out_time": self.settings.held_out_time,
            "held_out": held_out[-1] if held_out else None,
            "settings": asdict(self.settings),
        }
        if self.accelerator.is_main_process:
            write_json(self.out / "record.json", found)
        return found


def train_generator(
    config: Path,
    out: Path,
    vae_path: Path,
    data: Path,
    export: Path,
    resume: bool = True,
    minutes: float | None = None,
) -> dict:
    """Train by a config file; `minutes` replaces its budget. Returns the record of the run."""
    settings = read_settings(config, GeneratorSettings)
    if minutes is not None:
        settings = replace(settings, minutes=minutes)
    trainer = Trainer(settings, out, vae_path, data, export, resume)
    try:
        return trainer.run()
    finally:
        trainer.close()
