"""What a run of the generator leaves: the log and its plot, held-out losses, sheets, the record and the weights."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from ...control.files import write_json
from ...dataset.latents import EncodedClips
from ...dataset.motion_range import of_clips
from ...models.config import FullDiTConfig
from ...models.weights.checkpoint import save_model
from ..common.log import Log, plot_losses
from ..common.loop import Loop
from ..common.optimizers import learning_rate_share
from .held_out import HeldOut
from .learner import Learner
from .settings import GeneratorSettings


class Report:
    """Writes the files of one run in the folder `out`. dtype: what the run computes in."""

    def __init__(
        self,
        out: Path,
        settings: GeneratorSettings,
        loop: Loop,
        clips: EncodedClips,
        held_out: HeldOut,
        dtype: torch.dtype,
    ):
        self.out, self.settings, self.loop = out, settings, loop
        self.clips, self.held_out, self.dtype = clips, held_out, dtype
        self.log = Log(out / "log.jsonl", loop.step)
        self.losses: dict[str, list[float]] = {}  # of the micro-batches since the last line, by subset

    def add_losses(self, losses: dict[str, list[float]]) -> None:
        """Keep the losses of one step for the next line of the log."""
        for subset, values in losses.items():
            self.losses.setdefault(subset, []).extend(values)

    def write_losses(self) -> None:
        """Log the mean losses since the last time."""
        values = [value for losses in self.losses.values() for value in losses]
        self.log.write(
            step=self.loop.step,
            samples=self.loop.samples,
            minutes=self.loop.minutes,
            progress=self.loop.progress,
            rate=learning_rate_share(self.loop.progress, self.loop.step, self.settings.warmup),
            clips=len(self.clips),
            loss=sum(values) / max(1, len(values)),
            subsets={subset: sum(losses) / len(losses) for subset, losses in sorted(self.losses.items())},
        )
        self.losses = {}

    def write_note(self, note: str) -> None:
        """Log a sentence for the reader."""
        self.log.write(step=self.loop.step, note=note)

    def measure(self, learner: Learner) -> None:
        """Log the losses of `learner` on held-out clips and draw the plot."""
        losses = self.held_out.losses(learner, self.dtype == torch.bfloat16)
        self.log.write(step=self.loop.step, samples=self.loop.samples, minutes=self.loop.minutes, held_out=losses)
        plot_losses(self.log.path, self.out / "loss.png")

    def draw_sheet(self, learner: Learner) -> None:
        """Draw samples of `learner` beside held-out clips."""
        path = self.out / "sheets" / f"step_{self.loop.step:06d}.png"
        s = self.settings
        self.held_out.sheet(path, learner, s.sheet_clips, s.sheet_steps, self.dtype == torch.bfloat16)

    def record(self, parameters: int) -> dict[str, Any]:
        """Return what a model card says about the run."""
        held_out = [line["held_out"] for line in self.log.lines() if "held_out" in line]
        return {
            "clips": len(self.clips),
            "steps": self.loop.step,
            "samples": self.loop.samples,
            "minutes": round(self.loop.minutes, 2),
            "parameters": parameters,
            "finished": self.loop.progress >= 1,
            "precision": str(self.dtype).removeprefix("torch."),
            "held_out_time": self.settings.held_out_time,
            "held_out": held_out[-1] if held_out else None,
            "settings": asdict(self.settings),
        }

    def write_record(self, record: dict[str, Any]) -> None:
        """Write the record beside the log."""
        write_json(self.out / "record.json", record)


def export_weights(path: Path, learner: Learner, config: FullDiTConfig, loop: Loop, clips: EncodedClips) -> None:
    """Write a checkpoint that everything else can load, with the run and its camera movement in the metadata."""
    training = {
        "step": loop.step,
        "samples": loop.samples,
        "clips": len(clips),
        "minutes": round(loop.minutes, 1),
    }
    metadata = {"training": training, "camera_reach": of_clips(clips, config.fps).to_json()}
    save_model(path, learner.model, learner.text, config, metadata)
