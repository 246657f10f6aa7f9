"""A config of the generator's training."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from ...control.errors import UserError
from ...models.backbone.attention import BACKENDS
from ...models.conditioning.registry import ENTRIES
from ...models.families.presets import PRESETS
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
from .batches import PhaseDict, parse_subset, without


@dataclass(frozen=True)
class Phase(Settings):
    """Until the share `until` of the run, micro-batches have these subsets of conditions (`parse_subset`), drawn with
    these weights, and clips of at most `tokens` video tokens."""

    until: Share
    subsets: dict[str, NonNegative]
    tokens: Count | None = None

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
    """Clips to encode (`dataset.latents.write_shards`): how many, the last `several` of them with two objects or more,
    `shard` to a file, `batch` at a time, of the scenes from `first_seed` on. world, size (frames, height, width): null
    for those of the training. sounds: the share of the scenes that have one, from world 3 on (null: the world's).
    conditions: those that are encoded (null: all of the model's); few take less time (four of seven: half)."""

    clips: Count
    several: WholeNumber = 0
    shard: Count = 64
    batch: Count = 16
    first_seed: WholeNumber = 0
    world: int | None = None
    size: list[Count] | None = None
    sounds: Share | None = None
    conditions: list[str] | None = None

    def __post_init__(self) -> None:
        if self.world is not None:
            check_world(self.world)
        if self.size is not None and len(self.size) != 3:
            raise EntryError("size", self.size, "expected [FRAMES, HEIGHT, WIDTH]")
        _check_conditions("conditions", self.conditions)


def _check_conditions(entry: str, names: list[str] | None) -> None:
    """Raise EntryError for a condition that there is not."""
    if not set(names or ()) <= set(ENTRIES):
        raise EntryError(entry, names, f"expected conditions among {', '.join(ENTRIES)}")


@dataclass(frozen=True)
class VideoSettings(Settings):
    """What the model's clips become: frames, and their size. fps: frames per second (null: the world's). patches: the
    (frames, rows, columns) of a token, of the streams that are cut otherwise than the model has them."""

    frames: Count
    height: Count
    width: Count
    fps: Positive | None = None
    patches: dict[str, list[Count]] = field(default_factory=dict)


@dataclass(frozen=True)
class SamplingSettings(Settings):
    """How the checkpoint is to be sampled where nothing else is asked: its steps, the scale of its guidance, and the
    share of the steps that settle the first frame."""

    steps: Count
    guidance: NonNegative
    first_frame_pass: Share = 0.0


@dataclass(frozen=True)
class DistillSettings(Settings):
    """The student's steps, the teacher's `substeps` in each of them, and its guidance (null: the checkpoint's own)."""

    steps: Count
    substeps: Count = 3
    guidance: NonNegative | None = None


@dataclass(frozen=True)
class LoRASettings(Settings):
    """A change of rank `rank` is trained beside the frozen matrices of the blocks, times alpha / rank (null: times 1).
    `base`: the format that the frozen matrices are stored in. `tokenizers`: condition tokenizers are trained too,
    whole."""

    rank: Count = 32
    alpha: Positive | None = None
    base: Literal["fp32", "bf16", "fp8"] = "bf16"
    tokenizers: bool = True


@dataclass(frozen=True)
class GeneratorSettings(Settings):
    """One config of this stage.

    model: a preset, or a checkpoint to go on from, which conditions may join; base: open Wan weights that a preset
    begins with, or that a condition file to go on from belongs to (start.py), and start: which model these are, `wan`
    or `bernini-r` (models/weights/start_points.py). lora: what is trained of them, null for everything. times: the
    lowest and the highest flow time that is trained, for one of a pair of experts; null: all, or the checkpoint's own.
    world: version of the procedural world. video: clips of another size than the model's. vae: the file of a VAE, or
    one in the repository's checkpoints/, also where it takes the place of the one that the checkpoint was trained with;
    empty: that of the embedded model.
    condition_blocks, token_selection: the blocks that condition tokens go through, and the share of them that each of
    these takes (`FullDiTConfig`); null: as the model has it.
    distill: learn to sample in few steps from the checkpoint itself (distill.py). sampling: what the checkpoint says
    about itself; null leaves it as it is. keep: the conditions of the model that are kept beside those of the phases;
    null keeps all.
    phases: the order in which conditions come in, less the subsets in `never`. minutes, steps: the budget, whichever is
    used up first.
    batch: clips per step, of all processes together, in `micro_batches`. micro_tokens: a micro-batch has as many clips
    as have so many video tokens, instead. optimizer: muon (with AdamW for what is no matrix of a block) or adamw.
    muon_lr, adam_lr, weight_decay, warmup (steps), clip (norm of the gradient): the optimizers. shift: of the times
    toward noise; shift_tokens: the video tokens for which it holds, others by the root of their share. null: for all.
    clean_first_frame_prob: share of micro-batches whose first latent frame is cleaner than the rest. plain_captions,
    plain_with_conditions: share of plain captions without and with conditions. map_dropped: share of identities without
    a map.
    channel_power, object_weight: what an error counts by channel and in objects (learner.py). average: share of the
    run that the averaged weights span. blend: how far from the checkpoint toward the trained weights those lie that are
    exported (blend.py). attention: one of the back-ends. gradient_checkpointing: compute blocks twice
    and keep less. sequence_processes: so many processes share each sequence. precision: auto, bf16 or fp32. seed.
    log_steps, held_out_minutes, save_minutes, sheet_minutes: how often it logs, measures, saves and draws.
    save_in_background: go on while a state is written. tracker: what the log is shown in besides. peak_tflops: of one
    device, for the share of it that is used (MFU), where it is not known.
    held_out_clips, held_out_time: the measured clips (0: nothing is measured or drawn) and their time. sheet_clips,
    sheet_steps: the drawn clips and their sampling steps. data: the clips that the stage `data` encodes.
    """

    model: str
    phases: list[Phase]
    base: str | None = None
    start: Literal["wan", "bernini-r"] = "wan"
    lora: LoRASettings | None = None
    times: list[Share] | None = None
    never: list[str] = field(default_factory=list)
    minutes: Positive | None = None
    steps: Count | None = None
    batch: Count = 32
    micro_batches: Count = 2
    micro_tokens: Count | None = None
    optimizer: Literal["muon", "adamw"] = "muon"
    muon_lr: Positive = 0.02
    adam_lr: Positive = 1e-3
    weight_decay: NonNegative = 0.0
    warmup: WholeNumber = 50
    clip: Positive = 1.0
    shift: Positive = 3.0
    shift_tokens: Count | None = None
    clean_first_frame_prob: Share = 0.3
    plain_captions: Share = 0.5
    plain_with_conditions: Share = 0.8
    map_dropped: Share = 0.1
    channel_power: NonNegative = 0.0
    object_weight: Positive = 1.0
    average: Share = 0.05
    blend: Share = 1.0
    attention: str = "explicit"
    gradient_checkpointing: bool = False
    sequence_processes: Count = 1
    precision: Precision = "auto"
    seed: WholeNumber = 0
    log_steps: Count = 20
    held_out_clips: WholeNumber = 64
    held_out_time: Share = 0.8
    held_out_minutes: NonNegative = 3.0
    save_minutes: NonNegative = 5.0
    save_in_background: bool = False
    tracker: Literal["none", "tensorboard", "wandb"] = "none"
    peak_tflops: Positive | None = None
    sheet_minutes: NonNegative = 10.0
    sheet_clips: Count = 3
    sheet_steps: Count = 10
    data: list[ClipSettings] = field(default_factory=list)
    world: int = WORLD_VERSION
    video: VideoSettings | None = None
    vae: str = ""
    condition_blocks: list[WholeNumber] | None = None
    token_selection: Share | None = None
    distill: DistillSettings | None = None
    sampling: SamplingSettings | None = None
    keep: list[str] | None = None

    def __post_init__(self) -> None:
        check_budget(self.steps, self.minutes)
        check_world(self.world)
        check_ends("phases.until", [phase.until for phase in self.phases])
        if self.batch % self.micro_batches:
            raise EntryError("batch", self.batch, f"expected a multiple of micro_batches ({self.micro_batches})")
        if self.blend != 1 and (self.model in PRESETS or self.lora is not None):
            raise EntryError("blend", self.blend, "expected 1 with a preset as the model, and with the entry lora")
        if self.start != "wan" and self.base is None:
            raise EntryError("start", self.start, "expected the entry base, the file of its weights, beside it")
        if self.times is not None:
            self._check_times(self.times)
        if self.distill is not None and self.clean_first_frame_prob:
            raise EntryError("clean_first_frame_prob", self.clean_first_frame_prob, "expected 0 with the entry distill")
        if self.distill is not None and self.sampling is not None:
            raise EntryError("sampling", self.sampling, "expected null with the entry distill, which says it")
        _check_conditions("keep", self.keep)
        if self.attention not in BACKENDS:
            raise EntryError("attention", self.attention, f"expected one of {', '.join(BACKENDS)}")
        try:
            self.schedule()
        except UserError as error:
            raise EntryError("never", self.never, error.clause.rstrip(".")) from error

    def _check_times(self, times: list[float]) -> None:
        """Raise EntryError for times that are no part of a pair of experts, and for entries that do not suit them."""
        if not (len(times) == 2 and times[0] < times[1] and (times[0] == 0 or times[1] == 1)):
            raise EntryError("times", times, "expected [BOUNDARY, 1] or [0, BOUNDARY]")
        if self.distill is not None:
            raise EntryError("times", times, "expected null with the entry distill, which learns to sample all times")
        if not times[0] <= self.held_out_time <= times[1]:
            raise EntryError("held_out_time", self.held_out_time, f"expected one of the times {times}")

    def conditions(self) -> tuple[str, ...]:
        """Return every condition that any phase trains."""
        subsets = [
            parse_subset(key) or () for phase in self.schedule() for key, share in phase["subsets"].items() if share
        ]
        return tuple(dict.fromkeys(name for names in subsets for name in names))

    def schedule(self) -> list[PhaseDict]:
        """Return the phases as `Batches` takes them, without the subsets in `never`."""
        return without(
            [{"until": phase.until, "subsets": phase.subsets, "tokens": phase.tokens} for phase in self.phases],
            self.never,
        )
