"""How a model is tuned: what of it is trained, and under which subsets of conditions it sees its clips."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from ...control.errors import UserError
from ...dataset.clip_source import ClipSource
from ...models.backbone.transformer import FullDiT
from ...models.config import FullDiTConfig
from ..generator.settings import GeneratorSettings, LoRASettings, Phase, VideoSettings
from ..generator.start import prepare

MOST_WARMUP = 50  # steps
CHECKPOINT_RATE, WAN_RATE = 5e-3, 1e-4  # of the miniature, and of widths from 1.3B on
MOST_SEED = 2**32 - 1


@dataclass(frozen=True)
class TuneOptions:
    """What a user chooses. learning_rate: the highest, of AdamW; None: what goes well with the kind of model. rank: of
    the LoRA. batch: clips, or views of one clip at other times and under other conditions, in each step. tokenizers:
    those of conditions are trained too, as new ones always are.

    Raises UserError for values that no training can have.
    """

    steps: int = 200
    learning_rate: float | None = None
    rank: int = 16
    batch: int = 2
    seed: int = 0
    tokenizers: bool = False

    def __post_init__(self) -> None:
        for name, least, most in (("steps", 1, 10**6), ("rank", 1, 1024), ("batch", 1, 1024), ("seed", 0, MOST_SEED)):
            if not least <= getattr(self, name) <= most:
                raise UserError(f"{name} is {getattr(self, name)}: give a number from {least} to {most}.")
        if self.learning_rate is not None and not 0 < self.learning_rate <= 1:
            raise UserError(f"learning_rate is {self.learning_rate:g}: give a number above 0 and up to 1.")


def settings_of(
    options: TuneOptions, file: Path, wan: Path | None, config: FullDiTConfig, subsets: dict[str, float]
) -> GeneratorSettings:
    """Return the settings of the trainer. file: what it goes on from; wan: the base of a condition file; config: of the
    model, at the size of the clips."""
    video = config.video
    return GeneratorSettings(
        model=str(file),
        base=None if wan is None else str(wan),
        lora=LoRASettings(options.rank, base="fp32" if wan is None else "bf16", tokenizers=options.tokenizers),
        phases=[Phase(1.0, subsets)],
        steps=options.steps,
        batch=options.batch,
        micro_batches=options.batch,
        optimizer="adamw",
        adam_lr=options.learning_rate or (WAN_RATE if wan is not None else CHECKPOINT_RATE),
        warmup=min(MOST_WARMUP, options.steps // 10),
        shift=config.shift,
        attention="explicit" if wan is None else "sdpa",
        gradient_checkpointing=wan is not None,
        seed=options.seed,
        log_steps=1,
        held_out_clips=0,
        video=VideoSettings(video.frames, video.height, video.width, video.fps),
    )


def subsets_of(clips: ClipSource, config: FullDiTConfig) -> dict[str, float]:
    """Return under which subsets of conditions clips are shown, by how often: mostly all that any clip has together.

    Each by itself and the text alone stay, so that none comes to need the others, and now and then nothing, for the
    guidance of sampling.
    """
    known = [name for name in config.conditions if bool((clips.patterns((name,)) > 0).any())]
    subsets = {"nothing": 1.0, "none": 2.0 if known else 9.0}
    together = len(known) > 1 and bool((clips.patterns(known) > 0).any())
    subsets |= {name: (3.0 if together else 7.0) / len(known) for name in known}
    return {**subsets, "+".join(known): 4.0} if together else subsets


def trained_weights(config: FullDiTConfig, settings: GeneratorSettings) -> int:
    """Return how many numbers are trained, without making them."""
    with torch.device("meta"):
        model = FullDiT(config)
        prepare(model, None, settings)
    return sum(p.numel() for p in model.parameters() if p.requires_grad)
