"""A config of the autoencoder's training, and of the further training of its decoder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ...models.geometry import WAN_2_1
from ...scenes.world import WORLD_VERSION
from ..common.entries import (
    Count,
    EntryError,
    NonNegative,
    Positive,
    Settings,
    Share,
    WholeNumber,
    check_budget,
    check_ends,
    check_world,
)
from ..common.precision import Precision
from ..common.settings import config_path, read_settings
from .vae_clips import KINDS, Phase


@dataclass(frozen=True)
class VAESettings(Settings):
    """One config of this stage.

    dim: width of the network. start: a checkpoint to go on from, by its name in checkpoints/ or its path; empty: from
    scratch. trains: all of it, or the decoder of that checkpoint alone, so that its latents stay as they are.
    world: version of the world. frames, height, width: the rendered clips. steps, minutes: the budget, whichever is
    used up first. phases: the crops of the clips. mix: weights of the four kinds of clips. lr: of Muon; AdamW has
    `adam` times it. cycles: shares of the run at which the learning rate has fallen to zero.
    warmup: steps. ema: decay of the averaged weights. scale, l1, motion, kl: weights in the loss (loss.py).
    save_minutes, evaluate_minutes: how often. evaluate_clips, finish_clips: how many. compile: fuse the norms.
    precision: auto, bf16 or fp32. decoder: entries that differ in the further training of the decoder; null: none.
    """

    dim: Count
    frames: Count
    height: Count
    width: Count
    seed: WholeNumber
    lr: Positive
    adam: Positive
    warmup: WholeNumber
    ema: Share
    l1: NonNegative
    motion: NonNegative
    kl: NonNegative
    mix: dict[str, NonNegative]
    phases: list[Phase]
    cycles: list[Share]
    save_minutes: NonNegative
    evaluate_minutes: NonNegative
    evaluate_clips: Count
    finish_clips: Count
    minutes: Positive | None = None
    steps: Count | None = None
    scale: NonNegative = 0.0
    compile: bool = False
    precision: Precision = "auto"
    decoder: dict[str, object] | None = None
    start: str = ""
    trains: Literal["all", "decoder"] = "all"
    world: int = WORLD_VERSION

    def __post_init__(self) -> None:
        check_budget(self.steps, self.minutes)
        check_world(self.world)
        check_ends("cycles", self.cycles)
        check_ends("phases.until", [phase.until for phase in self.phases])
        check_size("", self.frames, self.height, self.width)
        if self.trains == "decoder" and (not self.start or self.decoder is not None):
            raise EntryError("trains", self.trains, "expected the entry start beside it, and no entry decoder")
        if set(self.mix) != set(KINDS) or not sum(self.mix[kind] for kind in KINDS if kind != "reference"):
            raise EntryError("mix", self.mix, f"expected weights of {', '.join(KINDS)}, not of references alone")
        for index, phase in enumerate(self.phases):
            check_size(f"phases[{index}].", phase.frames, phase.height, phase.width)
            for name in ("frames", "height", "width"):
                most = getattr(self, name)
                if getattr(phase, name) > most:
                    raise EntryError(f"phases[{index}].{name}", getattr(phase, name), f"the clips have {most} only")

    @property
    def size(self) -> tuple[int, int, int]:
        """Frames, height and width of the rendered clips."""
        return self.frames, self.height, self.width


def check_size(prefix: str, frames: int, height: int, width: int) -> None:
    """Raise EntryError for clips that the autoencoder, whose compression is Wan 2.1's, cannot take."""
    if (frames - 1) % WAN_2_1.temporal:
        raise EntryError(f"{prefix}frames", frames, f"expected {WAN_2_1.temporal}k + 1 frames")
    for name, side in (("height", height), ("width", width)):
        if side % WAN_2_1.spatial:
            raise EntryError(f"{prefix}{name}", side, f"expected a multiple of {WAN_2_1.spatial}")


def read_vae_settings(config: str | Path) -> tuple[VAESettings, VAESettings | None]:
    """Return the settings of the autoencoder's training, and of its decoder's where the config has an entry for it.

    `config` is the name of one in training/configs/vae, or a .json file. Raises UserError for one that does not fit.
    """
    path = config_path("vae", config)
    settings = read_settings(path, VAESettings)
    if settings.decoder is None:
        return settings, None
    return settings, read_settings(path, VAESettings, settings.decoder, section="decoder")
