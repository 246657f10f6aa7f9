"""Sampling through core: its guider, its samplers, its progress and previews; one guidance scale per condition."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

import comfy.sample
import comfy.samplers
import comfy.utils
import latent_preview
import torch
from einops import rearrange

from ...control.conditions import CONDITIONS, Conditions
from ...control.errors import UserError
from ...models.conditioning.condition_streams import ConditionStreams
from ...models.config import FullDiTConfig
from ...models.sampling.sampler import first_frame_steps
from .conditioning import Conditioning, config_of, empty_latent, encode, with_conditions

if TYPE_CHECKING:
    from PIL.Image import Image as PILImage

StepCallback: TypeAlias = Callable[[int, torch.Tensor, torch.Tensor, int], object]  # step, denoised, x, total


class ChainedGuider(comfy.samplers.CFGGuider):
    """cfg for text and the conditions without a scale; each condition with one is added against what came before.

    The same sum as models.sampler.GuidedVelocity, over predictions of the clean latent instead of velocities.
    """

    def set_chain(self, chain: list[tuple[str, float, Conditioning]]) -> None:
        """`chain` holds (name, scale, positive conditioning with this condition and all before it)."""
        self.scales = [(name, scale) for name, scale, _ in chain]
        self.inner_set_conds({name: conditioning for name, _, conditioning in chain})

    def predict_noise(
        self,
        x: torch.Tensor,
        timestep: torch.Tensor,
        model_options: dict[str, Any] | None = None,
        seed: int | None = None,
    ) -> torch.Tensor:
        """Return the guided prediction of the clean latent."""
        model_options = model_options or {}
        names = ["positive", *(name for name, _ in self.scales)]
        if not math.isclose(self.cfg, 1.0):
            names.append("negative")
        parts: dict[str, torch.Tensor] = dict(
            zip(
                names,
                comfy.samplers.calc_cond_batch(
                    self.inner_model, [self.conds[name] for name in names], x, timestep, model_options
                ),
                strict=True,
            )
        )
        latest = total = parts["positive"]
        if "negative" in parts:
            total = parts["negative"] + self.cfg * (latest - parts["negative"])
        for name, scale in self.scales:
            total = total + scale * (parts[name] - latest)
            latest = parts[name]
        return total


@dataclass(frozen=True)
class SamplingOptions:
    """How a clip is sampled. None stands for the checkpoint's own value.

    scales: guidance scales of conditions that have one of their own. first_frame_pass: the share of the steps that
    settle the first latent frame beforehand, as in models/sampling/sampler.py.
    """

    seed: int
    steps: int | None = None
    cfg: float | None = None
    sampler_name: str = "euler"
    scheduler: str = "simple"
    scales: Mapping[str, float] = field(default_factory=dict)
    first_frame_pass: float | None = None
    preview: bool = True

    def resolved(self, config: FullDiTConfig) -> SamplingSettings:
        """Return the settings: these options with the checkpoint's own values filled in."""
        steps, cfg, first_frame_pass = config.sampling_values(self.steps, self.cfg, self.first_frame_pass)
        return SamplingSettings(
            seed=self.seed,
            steps=steps,
            cfg=cfg,
            sampler_name=self.sampler_name,
            scheduler=self.scheduler,
            scales=self.scales,
            first_frame_pass=first_frame_pass,
            preview=self.preview,
        )


@dataclass(frozen=True)
class SamplingSettings:
    """How a clip is sampled, with every value known: `SamplingOptions.resolved`."""

    seed: int
    steps: int
    cfg: float
    sampler_name: str
    scheduler: str
    scales: Mapping[str, float]
    first_frame_pass: float
    preview: bool


def sample(
    model: Any,
    clip: Any,
    vae: Any,
    conditions: Conditions,
    prompt: str,
    negative_prompt: str,
    options: SamplingOptions,
) -> dict[str, torch.Tensor]:
    """Return the LATENT of a prompt under the conditions. Raises UserError before the first step."""
    settings = options.resolved(config_of(model))
    check_scales(conditions, settings.scales)
    streams = encode(model, vae, conditions)
    positive = clip.encode_from_tokens_scheduled(clip.tokenize(prompt))
    negative = clip.encode_from_tokens_scheduled(clip.tokenize(negative_prompt))
    guider = make_guider(model, streams, conditions.names, positive, negative, settings)
    return run_guider(guider, model, empty_latent(model, conditions), settings)


def check_scales(conditions: Conditions, scales: Mapping[str, float]) -> None:
    """Raise UserError where a condition that is not present has a guidance scale."""
    for name, scale in scales.items():
        if name not in conditions.names:
            raise UserError(
                f"{name}_guidance is {scale:g}, but Conditions has no {name} "
                f"(it has: {', '.join(conditions.names) or 'none'}). Set it to 0, or connect the condition."
            )


def make_guider(
    model: Any,
    streams: ConditionStreams | None,
    names: tuple[str, ...],
    positive: Conditioning,
    negative: Conditioning,
    settings: SamplingSettings,
) -> Any:
    """Return core's guider, or a chained one where conditions have scales of their own."""
    scales = settings.scales
    joint = tuple(name for name in names if name not in scales)
    guider = ChainedGuider(model) if scales else comfy.samplers.CFGGuider(model)
    guider.set_conds(with_conditions(positive, _select(streams, joint)), with_conditions(negative, None))
    guider.set_cfg(settings.cfg)
    if scales:
        chain = []
        for name in (name for name in CONDITIONS if name in scales):
            joint += (name,)
            chain.append((name, scales[name], with_conditions(positive, _select(streams, joint))))
        guider.set_chain(chain)
    return guider


def run_guider(
    guider: Any, model: Any, latent: dict[str, torch.Tensor], settings: SamplingSettings
) -> dict[str, torch.Tensor]:
    """Sample, in two passes where the first frame is settled beforehand."""
    noise = comfy.sample.prepare_noise(latent["samples"], settings.seed)
    before = first_frame_steps(settings.steps, settings.first_frame_pass, noise.shape[2])
    passes = [_sigmas(model, count, settings) for count in (before, settings.steps - before) if count]
    total = sum(len(sigmas) - 1 for sigmas in passes)
    callback = _callback(model, total, settings.preview)
    samples, mask, done = latent["samples"], None, 0
    for sigmas in passes:
        if done:  # of what the first pass has made, the second keeps the first frame
            mask = torch.ones_like(noise[:, :1])
            mask[:, :, 0] = 0
        samples = guider.sample(
            noise,
            samples,
            comfy.samplers.sampler_object(settings.sampler_name),
            sigmas,
            denoise_mask=mask,
            callback=lambda step, denoised, x, _, done=done: callback(done + step, denoised, x, total),
            disable_pbar=not comfy.utils.PROGRESS_BAR_ENABLED,
            seed=settings.seed,
        )
        done += len(sigmas) - 1
    return {"samples": samples.to(latent["samples"].device)}


def _sigmas(model: Any, steps: int, settings: SamplingSettings) -> torch.Tensor:
    sigmas: torch.Tensor = comfy.samplers.KSampler(
        model,
        steps=steps,
        device=model.load_device,
        sampler=settings.sampler_name,
        scheduler=settings.scheduler,
        denoise=1.0,
    ).sigmas
    return sigmas


def _select(streams: ConditionStreams | None, names: tuple[str, ...]) -> ConditionStreams | None:
    """The streams of these conditions; the same object where that is all of them, so that its cache is used."""
    if streams is None or not names:
        return None
    chosen = streams.select(names)
    return chosen if chosen.streams else None


def _callback(model: Any, steps: int, preview: bool) -> StepCallback:
    """Core's callback (progress, canceling, the host's previews), or ours with a film strip where those are off."""
    previewer = latent_preview.get_previewer(model.load_device, model.model.latent_format)
    if previewer is not None or not preview:
        host_callback: StepCallback = latent_preview.prepare_callback(model, steps)
        return host_callback
    bar = comfy.utils.ProgressBar(steps)
    colors = model.model.latent_format

    def callback(step: int, denoised: torch.Tensor, x: torch.Tensor, total: int) -> None:
        strip = film_strip(denoised, colors.latent_rgb_factors, colors.latent_rgb_factors_bias)
        bar.update_absolute(step + 1, total, ("JPEG", strip, latent_preview.MAX_PREVIEW_RESOLUTION))

    return callback


def film_strip(
    latent: torch.Tensor, factors: Sequence[Sequence[float]], bias: Sequence[float] | None, side: int = 512
) -> PILImage:
    """Return an image of the latent frames of the first clip of (B, 16, T, h, w), side by side in rows."""
    from PIL import Image

    weight = torch.tensor(factors, dtype=torch.float32)
    shift = torch.tensor(bias if bias is not None else [0.0, 0.0, 0.0])
    frames = rearrange(latent[0].detach().float().cpu(), "c t h w -> t h w c") @ weight + shift  # -1..1
    count, height, width, _ = frames.shape
    columns = min(count, max(1, round(math.sqrt(count * 2 * height / width))))
    rows = math.ceil(count / columns)
    sheet = torch.full((rows * height, columns * width, 3), -1.0)
    for index, frame in enumerate(frames):
        top, left = index // columns * height, index % columns * width
        sheet[top : top + height, left : left + width] = frame
    image = Image.fromarray(((sheet + 1) * 127.5).clamp(0, 255).to(torch.uint8).numpy())
    factor = max(1, side // max(image.size))
    return image.resize((image.width * factor, image.height * factor), Image.Resampling.BICUBIC)
