"""A config of the estimators' training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from ..common.entries import Count, EntryError, NonNegative, Positive, Settings, WholeNumber
from ..common.precision import Precision
from .estimator_clips import FIRST_SEED
from .tasks import LOSSES


@dataclass(frozen=True)
class BankSettings(Settings):
    """The rendered clips: how many, of how many frames, `shard` to a file; no more are begun after `minutes`."""

    clips: Count
    shard: Count
    frames: Count
    minutes: Positive
    first_seed: WholeNumber = FIRST_SEED


@dataclass(frozen=True)
class StageSettings(Settings):
    """The training of one estimator: its budget (whichever is used up first), batch, learning rate, steps of warm-up,
    and the norm at which gradients are clipped."""

    steps: Count
    minutes: Positive
    batch: Count
    lr: Positive
    warmup: WholeNumber = 50
    clip: Positive = 5.0


@dataclass(frozen=True)
class EstimatorSettings(Settings):
    """One config of the stage.

    data: the clips. stages: how each estimator is trained; order: which ones, one after the other. threads: how many
    the CPU computes with. precision: auto, bf16 or fp32. save_seconds, log_every (steps): how often. held_out: clips
    that the estimators are measured on in the end.
    """

    RENAMED: ClassVar[Mapping[str, str]] = {"bf16": "precision ('auto', 'bf16' or 'fp32')"}

    data: BankSettings
    stages: dict[str, StageSettings]
    order: list[str] = field(default_factory=lambda: ["perception", "identity", "camera"])
    seed: WholeNumber = 0
    threads: Count = 1
    precision: Precision = "auto"
    save_seconds: NonNegative = 45.0
    log_every: Count = 20
    held_out: Count = 64

    def __post_init__(self) -> None:
        for name in self.stages:
            if name not in LOSSES:
                raise EntryError("stages", name, f"expected stages of {', '.join(LOSSES)}")
        if len(set(self.order)) != len(self.order) or not set(self.order) <= set(self.stages):
            raise EntryError("order", self.order, f"expected some of the stages ({', '.join(self.stages)}), each once")
        before_camera = self.order[: self.order.index("camera")] if "camera" in self.order else ["perception"]
        if "perception" not in before_camera:
            raise EntryError("order", self.order, "expected perception before camera, which builds on it")
