"""Sampling through core: a guider, its samplers, its progress and previews."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import comfy.sample
import comfy.samplers
import comfy.utils
import latent_preview
import torch
from einops import rearrange

from ...models.sampling.sampler import first_frame_steps

if TYPE_CHECKING:
    from PIL.Image import Image as PILImage

StepCallback: TypeAlias = Callable[[int, torch.Tensor, torch.Tensor, int], object]  # step, denoised, x, total


@dataclass(frozen=True)
class SamplingSettings:
    """How a clip is sampled, with every value known.

    first_frame_pass: the share of the steps that settle the first latent frame beforehand, as in
    models/sampling/sampler.py.
    """

    seed: int
    steps: int
    sampler_name: str
    scheduler: str
    first_frame_pass: float = 0.0
    preview: bool = True


def run_guider(
    guider: Any, model: Any, latent: dict[str, torch.Tensor], settings: SamplingSettings
) -> dict[str, torch.Tensor]:
    """Sample, in two passes where the first frame is settled beforehand."""
    noise = comfy.sample.prepare_noise(latent["samples"], settings.seed)
    before = first_frame_steps(settings.steps, settings.first_frame_pass, noise.shape[2])
    passes = [sigmas_of(model, count, settings) for count in (before, settings.steps - before) if count]
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


def sigmas_of(model: Any, steps: int, settings: SamplingSettings) -> torch.Tensor:
    """Return the sigmas (steps + 1,) of core's schedule for a MODEL."""
    sigmas: torch.Tensor = comfy.samplers.KSampler(
        model,
        steps=steps,
        device=model.load_device,
        sampler=settings.sampler_name,
        scheduler=settings.scheduler,
        denoise=1.0,
    ).sigmas
    return sigmas


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
