"""A config of the generator's training."""

from __future__ import annotations

from dataclasses import dataclass, field

from ...control.errors import UserError
from ...models.backbone.attention import BACKENDS
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
)
from ..common.precision import Precision
from .batches import PhaseDict, parse_subset, without


@dataclass(frozen=True)
class Phase(Settings):
    """Until the share `until` of the run, micro-batches have these subsets of conditions (`parse_subset`), drawn with
    these weights."""

    until: Share
    subsets: dict[str, NonNegative]

    def __post_init__(self) -> None:
        for key, weight in self.subsets.items():
            try:
                parse_subset(key)
            except UserError as error:
                raise EntryError(f"subsets.{key}", weight, error.clause.rstrip(".")) from error
        if not sum(self.subsets.values()):
            raise EntryError("subsets", self.subsets, "expected at least one subset of weight above 0")


@dataclass(frozen=True)
class ClipSettings(Settings):
    """The clips to encode (`dataset.latents.write_shards`): how many, the last `several` of them with two objects or
    more, `shard` to a file, `batch` at a time, of the scenes from `first_seed` on."""

    clips: Count
    several: WholeNumber = 0
    shard: Count = 64
    batch: Count = 16
    first_seed: WholeNumber = 0


@dataclass(frozen=True)
class GeneratorSettings(Settings):
    """One config of this stage.

    model: a preset, or a checkpoint to go on from (start.py). phases: the order in which conditions come in, less the
    subsets in `never`. minutes, steps: the budget, whichever is used up first.
    batch: clips per step and process, in `micro_batches`. muon_lr, adam_lr, weight_decay, warmup (steps), clip (norm of
    the gradient): the optimizers. shift: of the times toward noise. clean_first_frame_prob: share of micro-batches
    whose first latent frame is cleaner than the rest. plain_captions, plain_with_conditions: share of plain captions
    without and with conditions. map_dropped: share of identities without a map.
    channel_power, object_weight: what an error counts by channel and in objects (learner.py). average: share of the
    run that the averaged weights span. attention: one of the back-ends. precision: auto, bf16 or fp32. seed.
    log_steps, held_out_minutes, save_minutes, sheet_minutes: how often it logs, measures, saves and draws.
    held_out_clips, held_out_time: the measured clips and their time. sheet_clips, sheet_steps: the drawn clips and
    their sampling steps. data: the clips of the stage `data`.
    """

    model: str
    phases: list[Phase]
    never: list[str] = field(default_factory=list)
    minutes: Positive | None = None
    steps: Count | None = None
    batch: Count = 32
    micro_batches: Count = 2
    muon_lr: Positive = 0.02
    adam_lr: Positive = 1e-3
    weight_decay: NonNegative = 0.0
    warmup: WholeNumber = 50
    clip: Positive = 1.0
    shift: Positive = 3.0
    clean_first_frame_prob: Share = 0.3
    plain_captions: Share = 0.5
    plain_with_conditions: Share = 0.8
    map_dropped: Share = 0.1
    channel_power: NonNegative = 0.0
    object_weight: Positive = 1.0
    average: Share = 0.05
    attention: str = "explicit"
    precision: Precision = "auto"
    seed: WholeNumber = 0
    log_steps: Count = 20
    held_out_clips: Count = 64
    held_out_time: Share = 0.8
    held_out_minutes: NonNegative = 3.0
    save_minutes: NonNegative = 5.0
    sheet_minutes: NonNegative = 10.0
    sheet_clips: Count = 3
    sheet_steps: Count = 10
    data: ClipSettings | None = None

    def __post_init__(self) -> None:
        check_budget(self.steps, self.minutes)
        check_ends("phases.until", [phase.until for phase in self.phases])
        if self.batch % self.micro_batches:
            raise EntryError("batch", self.batch, f"expected a multiple of micro_batches ({self.micro_batches})")
        if self.attention not in BACKENDS:
            raise EntryError("attention", self.attention, f"expected one of {', '.join(BACKENDS)}")
        try:
            self.schedule()
        except UserError as error:
            raise EntryError("never", self.never, error.clause.rstrip(".")) from error

    def schedule(self) -> list[PhaseDict]:
        """Return the phases as `Batches` takes them, without the subsets in `never`."""
        return without([{"until": phase.until, "subsets": phase.subsets} for phase in self.phases], self.never)
