"""From a MODEL and conditions to a latent: what the sampler, Apply Conditions and Conditions call."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch

from ...control.conditions import Conditions, VideoSize
from ...control.errors import UserError
from ...models.families.distilled import DISTILLED
from ...models.families.family import Settings
from ...models.families.notes import Note, check_notes, leave_out, refused
from ..bridge.outlook import memory_lines
from ..bridge.sampling import SamplingSettings, run_guider, sigmas_of
from .common import keeps_own_shift
from .experts import ExpertsGuider, boundary_of, switch_step
from .guider import PlanGuider, idle_patches
from .plan import Conditioning, Driver, ModelFacts, Plan, Request, second_of
from .prompts import check_stories, encode_prompt
from .registry import driver_of, facts_of
from .spans import spans
from .uni3c import align_uni3c
from .windows import check_windows, tell_window


@dataclass(frozen=True)
class SamplingOptions:
    """How a clip is sampled. None stands for the model's own value.

    scales: guidance scales of conditions that have one of their own. first_frame_pass: the share of the steps that
    settle the first latent frame beforehand, as in models/sampling/sampler.py. leave_out: sample without what the model
    cannot take, instead of refusing. distilled: one of DISTILLED, whose LoRA is on the model. clip_vision: features of
    a start image.
    """

    seed: int
    steps: int | None = None
    cfg: float | None = None
    sampler_name: str | None = None
    scheduler: str | None = None
    scales: Mapping[str, float] = field(default_factory=dict)
    first_frame_pass: float | None = None
    preview: bool = True
    leave_out: bool = False
    distilled: str | None = None
    clip_vision: Any = None

    def chosen(self, own: Settings) -> Settings:
        """Return the settings to start from: the authors', or those of the distillation on the model.

        Raises UserError for an unknown one.
        """
        if self.distilled is None:
            return own
        if self.distilled not in DISTILLED:
            raise UserError(f"'{self.distilled}' is not a known distillation: choose one of {', '.join(DISTILLED)}.")
        return DISTILLED[self.distilled].settings(own)

    def check(self, model: Any, taken: Accepted) -> None:
        """Raise UserError for what the model or its guidance does not have."""
        if self.first_frame_pass and taken.facts.config is None:
            raise UserError(
                "A first-frame pass (anchor) was set, but only FullDiT checkpoints have one: set it to 0 or to -1."
            )
        if "cfg_pp" not in (self.sampler_name or ""):
            return
        if taken.driver.projects(taken.conditions, taken.facts) or second_of(model) is not None:
            raise UserError(
                f"The sampler {self.sampler_name} works on plain guidance of one network, which {taken.facts.name} does"
                f" not have here: choose another, such as uni_pc."
            )

    def resolved(self, settings: Settings, plan: Plan) -> SamplingSettings:
        """Return these options with the model's own values filled in."""
        own = self.first_frame_pass
        return SamplingSettings(
            seed=self.seed,
            steps=self.steps or settings.steps,
            sampler_name=self.sampler_name or settings.sampler,
            scheduler=self.scheduler or settings.scheduler,
            first_frame_pass=plan.first_frame_pass if own is None else own,
            preview=self.preview,
        )


@dataclass(frozen=True)
class Accepted:
    """Conditions that a MODEL takes, and what becomes of each."""

    driver: Driver
    facts: ModelFacts
    conditions: Conditions
    notes: tuple[Note, ...]


@dataclass(frozen=True)
class Description:
    """What Conditions shows: the tokens of the video and of each condition, sentences, and in `others` the conditions
    that the model reads in other ways than as tokens."""

    tokens: Mapping[str, int]
    lines: tuple[str, ...]
    others: tuple[str, ...] = ()


def accept(model: Any, conditions: Conditions, without_refused: bool) -> Accepted:
    """Return the conditions that a MODEL takes. Raises UserError where it refuses one and `without_refused` is off."""
    if not isinstance(conditions, Conditions):
        raise UserError(f"The conditions are a {type(conditions).__name__}; connect the output of the node Conditions.")
    facts = facts_of(model)
    driver = driver_of(facts)
    conditions.validate()
    ignored: list[Note] = []
    notes = driver.accept(conditions, facts)
    if not without_refused:
        check_notes(notes, facts.family)
    while refused(notes):  # without one condition, another may have lost what it needs
        conditions, said = leave_out(conditions, notes)
        ignored += [note for note in said if note.how == "ignored"]
        notes = driver.accept(conditions, facts)
    return Accepted(driver, facts, conditions, (*notes, *ignored))


def own_video(model: Any, frames: int = 0, height: int = 0, width: int = 0) -> VideoSize:
    """Return the size, length and rate of the clips that a MODEL was trained on, with these numbers in their place
    where they are not 0; of several kinds of clips those that are nearest to them."""
    facts = facts_of(model)
    settings = driver_of(facts).settings(facts, Conditions(VideoSize(1, 1, 1)))
    if facts.config is not None:
        return facts.config.asked_video(frames or None, height or None, width or None)
    own = VideoSize(settings.frames, settings.height, settings.width, settings.fps)
    return VideoSize(frames or own.frames, height or own.height, width or own.width, own.fps)


def trained_videos(model: Any) -> tuple[VideoSize, ...]:
    """Return every kind of clips that a MODEL is known to have been trained on."""
    config = facts_of(model).config
    return (own_video(model),) if config is None else config.videos


def check_size(model: Any, video: VideoSize) -> None:
    """Raise UserError, with the nearest that fits, unless a MODEL can make a video of this size."""
    facts_of(model).geometry.check(video.frames, video.height, video.width)


def describe(model: Any, conditions: Conditions) -> Description:
    """Return what becomes of conditions in a MODEL, before anything is encoded; what it refuses is said, not raised."""
    facts = facts_of(model)
    driver = driver_of(facts)
    notes = driver.accept(conditions, facts)
    taken = accept(model, conditions, without_refused=True)
    video = conditions.video
    size = facts.geometry.latent_size(video.frames, video.height, video.width)
    tokens = {"video": facts.geometry.tokens(size), **driver.tokens(taken.conditions, facts)}
    found = [] if facts.config is not None else [facts.sentence]
    beyond = [
        *driver.warnings(model, taken.conditions, facts),
        *memory_lines(model, (1, facts.geometry.channels, *size)),
    ]
    lines = (*found, *_lines(notes), *beyond)
    return Description(tokens, lines, _without_tokens(taken.conditions, tokens, facts))


def _without_tokens(conditions: Conditions, tokens: Mapping[str, int], facts: ModelFacts) -> tuple[str, ...]:
    """The conditions of a public model that add no tokens; FullDiT's are all tokens, under names of their streams."""
    if facts.config is not None:
        return ()
    return tuple(item.name for item in conditions.items if item.active and item.name not in tokens)


def _lines(notes: Sequence[Note]) -> list[str]:
    return [f"{note.label}: Refused. {note.sentence}" if note.how == "refused" else str(note) for note in notes]


def check(model: Any, vae: Any, taken: Accepted, scales: Mapping[str, float], settings: Settings) -> None:
    """Raise UserError for a VAE, a size, scales or context windows that do not belong to the model and conditions."""
    facts, video = taken.facts, taken.conditions.video
    taken.driver.check(taken.conditions)
    facts.geometry.check(video.frames, video.height, video.width)
    _check_vae(vae, facts)
    _check_scales(scales, settings, taken.conditions, facts)
    if facts.config is None:
        check_windows(model, len(spans(taken.conditions)))


def plan(model: Any, vae: Any, taken: Accepted, request: Request, settings: Settings) -> Plan:
    """Return the plan of a run.

    Raises UserError for a VAE, texts, a size or scales that do not belong to the model.
    """
    facts, driver = taken.facts, taken.driver
    check(model, vae, taken, request.scales, settings)
    check_stories((request.positive, request.negative), facts)
    for conditioning in (request.positive, request.negative):
        _check_text(conditioning, facts)
        _check_areas(conditioning, taken)
    made, second = driver.plan(model, vae, request, facts, settings), second_of(model)
    made = replace(made, passes=tell_window(made.model, made.passes))
    frames = facts.geometry.latent_frames(request.conditions.video.frames)
    align_uni3c(made.model, frames, made.trim)
    if second is None:
        return made
    low = driver.plan(second, vae, request, facts, settings)  # everything encoded is remembered
    align_uni3c(low.model, frames, low.trim)
    boundary = boundary_of(model, settings.boundary)
    return replace(made, second=low.model, boundary=boundary, second_factor=settings.low_noise_factor)


def make_guider(made: Plan) -> PlanGuider:
    """Return the guider of a plan."""
    guider = PlanGuider(made.model) if made.second is None else ExpertsGuider(made.model)
    guider.set_plan(made)
    return guider


@dataclass(frozen=True)
class Applied:
    """What a stock sampler needs. trim: latent frames to cut from the front of what it makes."""

    positive: Conditioning
    negative: Conditioning
    latent: dict[str, torch.Tensor]
    model: Any
    trim: int
    report: str


def apply(
    model: Any,
    vae: Any,
    positive: Conditioning,
    negative: Conditioning,
    conditions: Conditions,
    without_refused: bool = False,
    clip_vision: Any = None,
) -> Applied:
    """Return the conditions as CONDITIONING for a stock sampler: the two passes that such a sampler can run."""
    taken = accept(model, conditions, without_refused)
    settings = taken.driver.settings(taken.facts, taken.conditions)
    made = plan(model, vae, taken, Request(taken.conditions, positive, negative, clip_vision=clip_vision), settings)
    lines = [str(note) for note in taken.notes]
    lines += taken.driver.warnings(model, taken.conditions, taken.facts)
    if made.lost:
        lines.append(made.lost)
    words = taken.driver.prompt("", taken.conditions, taken.facts)
    if words:
        lines.append(f"The prompt comes encoded to this node, so what the model has to read must be in it: {words}")
    if made.second is not None:
        lines.append("A stock sampler runs the high-noise MODEL alone: use the FullDiT Sampler for the pair.")
    if made.trim:
        lines.append(f"Connect Trim Video Latent behind the sampler, with trim_latent ({made.trim}).")
    return Applied(
        made.passes[made.stock[0]],
        made.passes[made.stock[1]],
        made.latent,
        made.model,
        made.trim,
        "\n".join([taken.facts.sentence, *lines]),
    )


def sample(
    model: Any,
    clip: Any,
    vae: Any,
    conditions: Conditions,
    prompt: str,
    negative_prompt: str,
    options: SamplingOptions,
    tell: Callable[[str], object] = lambda _: None,
) -> tuple[dict[str, torch.Tensor], str]:
    """Return the LATENT of a prompt under the conditions, and a report. Raises UserError before the first step.

    tell: takes what is to be shown while it works: what lies beyond the model, memory, and the time that is left.
    """
    taken = accept(model, conditions, options.leave_out)
    facts, driver = taken.facts, taken.driver
    settings = options.chosen(driver.settings(facts, taken.conditions))
    left_out = set(conditions.names) - set(taken.conditions.names)
    scales = {name: scale for name, scale in options.scales.items() if name not in left_out}
    if options.cfg is not None:
        scales["text"] = options.cfg
    options.check(model, taken)
    check(model, vae, taken, scales, settings)
    text = driver.prompt(prompt, taken.conditions, facts)
    request = Request(
        taken.conditions,
        encode_prompt(clip, text, taken.conditions, facts),
        encode_prompt(clip, negative_prompt or settings.negative, taken.conditions, facts),
        scales,
        options.clip_vision,
    )
    made = plan(model, vae, taken, request, settings)
    resolved = options.resolved(settings, made)
    beyond = [
        *driver.warnings(model, taken.conditions, facts),
        *memory_lines(made.model, made.latent["samples"].shape, made.passes),
    ]
    tell("\n".join([*beyond, f"{resolved.steps} steps; the time is known after the first."]))
    latent = run_guider(
        make_guider(made), made.model, made.latent, resolved, lambda line: tell("\n".join([*beyond, line]))
    )
    if made.trim:
        latent = {"samples": latent["samples"][:, :, made.trim :].contiguous()}
    return latent, report(model, taken, made, resolved, settings, text)


def report(model: Any, taken: Accepted, made: Plan, settings: SamplingSettings, advised: Settings, prompt: str) -> str:
    """Return what became of each condition, and how the clip was sampled, in lines."""
    scales = ", ".join(f"{term.name} {term.scale:g}" for term in made.guidance.terms)
    passes = len(made.guidance.passes)
    shift = "your own shift" if keeps_own_shift(model) else f"shift {advised.shift:g}"
    return "\n".join(
        [
            taken.facts.sentence,
            *(str(note) for note in taken.notes),
            *taken.driver.warnings(model, taken.conditions, taken.facts),
            *filter(None, [idle_patches(made)]),
            f"{settings.steps} steps, {settings.sampler_name}/{settings.scheduler}, {shift}; guidance: {scales}; "
            f"{passes} {'pass' if passes == 1 else 'passes'} per step.",
            *_switch_line(made, settings),
            f"Prompt as the model reads it: {prompt}" if prompt else "No prompt.",
        ]
    )


def _switch_line(made: Plan, settings: SamplingSettings) -> list[str]:
    if made.second is None:
        return []
    first = switch_step(sigmas_of(made.model, settings.steps, settings), made.boundary)
    factor = f", with every scale times {made.second_factor:g}" if made.second_factor != 1 else ""
    return [f"The low-noise expert runs from step {first + 1} on (below sigma {made.boundary:g}){factor}."]


def _check_text(conditioning: Conditioning, facts: ModelFacts) -> None:
    """Raise UserError for the states of another text encoder than the model's."""
    widths = {text.shape[-1] if text is not None else 0 for text, _ in conditioning} or {0}
    for width in widths - {facts.text_dim}:
        raise UserError(
            f"The text encoder gives {width} numbers per token, but {facts.family.name} reads {facts.text_dim}: "
            f"connect the CLIP that belongs to it (umt5_xxl for Wan models, with the type wan)."
        )


def _check_areas(conditioning: Conditioning, taken: Accepted) -> None:
    """Raise UserError for texts that hold for an area of the frames, where the conditions hold for all of them.

    Core cuts the noise to the area, not what is read beside it, and completes areas without regard to ranges.
    """
    if taken.driver.reads_whole_frames(taken.conditions) and any("area" in options for _, options in conditioning):
        raise UserError(
            f"A prompt holds for an area of the frames only, but {taken.facts.family.name} reads these conditions for "
            f"all of it: use Conditioning (Set Mask) instead of an area."
        )


def _check_vae(vae: Any, facts: ModelFacts) -> None:
    """Raise UserError for a VAE whose latents have other channels; FullDiT checkpoints check theirs by its weights."""
    channels = getattr(vae, "latent_channels", None)
    if facts.config is None and channels != facts.geometry.channels:
        raise UserError(
            f"The VAE makes latents of {channels} channels, but {facts.family.name} reads {facts.geometry.channels}: "
            f"connect {'wan2.2_vae' if facts.geometry.channels == 48 else 'wan_2.1_vae'}."
        )
    if facts.config is None and getattr(vae, "latent_dim", 3) != 3:
        raise UserError(f"The VAE is one of images, but {facts.family.name} makes videos: connect wan_2.1_vae.")


def _check_scales(scales: Mapping[str, float], settings: Settings, conditions: Conditions, facts: ModelFacts) -> None:
    """Raise UserError for the guidance scale of a condition that is not present, or that the family does not have."""
    for name, scale in scales.items():
        if name == "text":
            continue
        if name not in conditions.names:
            raise UserError(
                f"{name}_guidance is {scale:g}, but Conditions has no {name} "
                f"(it has: {', '.join(conditions.names) or 'none'}). Set it to 0, or connect the condition."
            )
        if name not in settings.scales:
            raise UserError(
                f"{name}_guidance is {scale:g}, but {facts.family.name} has no guidance by {name} (it has: "
                f"{', '.join(settings.scales)}). Set it to 0, and use the strength of the {name} instead."
            )
