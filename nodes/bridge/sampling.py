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
from ..page.live_preview import executing_node, is_wished
from .step_times import StepTimes

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
    guider: Any,
    model: Any,
    latent: dict[str, torch.Tensor],
    settings: SamplingSettings,
    tell: Callable[[str], object] = lambda _: None,
) -> dict[str, torch.Tensor]:
    """Sample, in two passes where the first frame is settled beforehand and not known. tell: takes the progress in
    words."""
    noise = comfy.sample.prepare_noise(latent["samples"], settings.seed)
    mask = latent.get("noise_mask")
    known = mask is not None and not mask[:, :, 0].any()
    before = 0 if known else first_frame_steps(settings.steps, settings.first_frame_pass, noise.shape[2])
    passes = [sigmas_of(model, count, settings) for count in (before, settings.steps - before) if count]
    total = sum(len(sigmas) - 1 for sigmas in passes)
    show, times = _callback(model, total, settings.preview), StepTimes(total)

    def callback(step: int, denoised: torch.Tensor, x: torch.Tensor) -> None:
        show(step, denoised, x, total)
        tell(times.after(step + 1))

    samples, done = latent["samples"], 0
    for sigmas in passes:
        if done:  # of what the first pass has made, the second keeps the first frame
            mask = torch.ones_like(noise[:, :1]) if mask is None else mask.clone()
            mask[:, :, 0] = 0
        samples = guider.sample(
            noise,
            samples,
            comfy.samplers.sampler_object(settings.sampler_name),
            sigmas,
            denoise_mask=mask,
            callback=lambda step, denoised, x, _, done=done: callback(done + step, denoised, x),
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
    """Core's callback (progress, canceling, the host's previews), or ours with a film strip where those are off.

    preview: whether there is a strip where the page has not said so; it may switch it at any step.
    """
    previewer = latent_preview.get_previewer(model.load_device, model.model.latent_format)
    if previewer is not None:
        host_callback: StepCallback = latent_preview.prepare_callback(model, steps)
        return host_callback
    bar = comfy.utils.ProgressBar(steps)
    colors, node = model.model.latent_format, executing_node()

    def callback(step: int, denoised: torch.Tensor, x: torch.Tensor, total: int) -> None:
        if not is_wished(node, preview):
            bar.update_absolute(step + 1, total)
            return
        strip = film_strip(denoised, colors.latent_rgb_factors, colors.latent_rgb_factors_bias)
        bar.update_absolute(step + 1, total, ("JPEG", strip, latent_preview.MAX_PREVIEW_RESOLUTION))

    return callback


def full_columns(count: int, wanted: float) -> int:
    """Return a number of columns near `wanted` whose rows `count` frames fill; if none is near, `wanted`."""
    fitting = [columns for columns in range(1, count + 1) if count % columns == 0]
    best = min(fitting, key=lambda columns: abs(math.log(columns / wanted)))
    near = 0.5 <= best / wanted <= 2
    return best if near else min(count, max(1, round(wanted)))


def film_strip(
    latent: torch.Tensor, factors: Sequence[Sequence[float]], bias: Sequence[float] | None, side: int = 512
) -> PILImage:
    """Return an image of the latent frames of the first clip of (B, 16, T, h, w), side by side in rows."""
    from PIL import Image

    weight = torch.tensor(factors, dtype=torch.float32)
    shift = torch.tensor(bias if bias is not None else [0.0, 0.0, 0.0])
    frames = rearrange(latent[0].detach().float().cpu(), "c t h w -> t h w c") @ weight + shift  # -1..1
    count, height, width, _ = frames.shape
    columns = full_columns(count, math.sqrt(count * 2 * height / width))
    rows = math.ceil(count / columns)
    # Where the last row is not full, the last frame holds.
    frames = torch.cat([frames, frames[-1:].expand(rows * columns - count, -1, -1, -1)])
    sheet = rearrange(frames, "(r k) h w c -> (r h) (k w) c", k=columns)
    image = Image.fromarray(((sheet + 1) * 127.5).clamp(0, 255).to(torch.uint8).numpy())
    factor = max(1, side // max(image.size))
    return image.resize((image.width * factor, image.height * factor), Image.Resampling.BICUBIC)
