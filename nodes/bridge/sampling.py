"""Sampling through core: its guider, its samplers, its progress and previews; one guidance scale per condition."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import comfy.sample
import comfy.samplers
import comfy.utils
import latent_preview
import torch

from ...control.errors import UserError
from ...models.sampling.sampler import first_frame_steps
from .conditioning import empty_latent, encode, with_conditions
from .request import Request

ORDER = ("camera", "identity", "depth")


class ChainedGuider(comfy.samplers.CFGGuider):
    """cfg for text and the conditions without a scale; each condition with one is added against what came before.

    The same sum as models.sampler.GuidedVelocity, over predictions of the clean latent instead of velocities.
    """

    def set_chain(self, chain: list[tuple[str, float, list]]) -> None:
        """`chain` holds (name, scale, positive conditioning with this condition and all before it)."""
        self.scales = [(name, scale) for name, scale, _ in chain]
        self.inner_set_conds({name: conditioning for name, _, conditioning in chain})

    def predict_noise(self, x, timestep, model_options=None, seed=None):
        model_options = model_options or {}
        names = ["positive", *(name for name, _ in self.scales)]
        if not math.isclose(self.cfg, 1.0):
            names.append("negative")
        parts = dict(
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


def sample(
    model: Any,
    clip: Any,
    vae: Any,
    request: Request,
    prompt: str,
    negative_prompt: str = "",
    *,
    seed: int,
    steps: int,
    cfg: float,
    sampler_name: str = "euler",
    scheduler: str = "simple",
    scales: Mapping[str, float] | None = None,
    first_frame_pass: float = 0.0,
    preview: bool = True,
) -> dict[str, torch.Tensor]:
    """The LATENT of a prompt under the conditions of `request`.

    `scales` gives conditions a guidance scale of their own. `first_frame_pass` is the share of the steps that settle
    the first latent frame beforehand, as in models.sampler.sample. Raises UserError before the first step.
    """
    scales = dict(scales or {})
    given = request.controls.present()
    for name in scales:
        if name not in given:
            raise UserError(
                f"{name}_guidance is {scales[name]:g}, but Conditions has no {name} "
                f"(it has: {', '.join(given) or 'none'}). Set it to 0, or connect the condition."
            )
    conditions = encode(model, vae, request)
    latent = empty_latent(model, request)
    positive = clip.encode_from_tokens_scheduled(clip.tokenize(prompt))
    negative = clip.encode_from_tokens_scheduled(clip.tokenize(negative_prompt))

    names = tuple(name for name in given if name not in scales)
    guider = comfy.samplers.CFGGuider(model) if not scales else ChainedGuider(model)
    guider.set_conds(with_conditions(positive, _select(conditions, names)), with_conditions(negative, None))
    guider.set_cfg(cfg)
    if scales:
        chain = []
        for name in (n for n in ORDER if n in scales):
            names += (name,)
            chain.append((name, scales[name], with_conditions(positive, _select(conditions, names))))
        guider.set_chain(chain)

    noise = comfy.sample.prepare_noise(latent["samples"], seed)
    before = first_frame_steps(steps, first_frame_pass, noise.shape[2])

    def sigmas(count: int) -> torch.Tensor:
        return comfy.samplers.KSampler(
            model, steps=count, device=model.load_device, sampler=sampler_name, scheduler=scheduler, denoise=1.0
        ).sigmas

    passes = [sigmas(count) for count in (before, steps - before) if count]
    total = sum(len(one) - 1 for one in passes)
    told = _callback(model, total, preview)
    samples, mask, done = latent["samples"], None, 0
    for one in passes:
        if done:  # of what the first pass has made, the second keeps the first frame
            mask = torch.ones_like(noise[:, :1])
            mask[:, :, 0] = 0
        samples = guider.sample(
            noise,
            samples,
            comfy.samplers.sampler_object(sampler_name),
            one,
            denoise_mask=mask,
            callback=lambda step, denoised, x, _, done=done: told(done + step, denoised, x, total),
            disable_pbar=not comfy.utils.PROGRESS_BAR_ENABLED,
            seed=seed,
        )
        done += len(one) - 1
    return {"samples": samples.to(latent["samples"].device)}


def _select(conditions: Any | None, names: tuple[str, ...]) -> Any | None:
    """The streams of these conditions; the same object where that is all of them, so that its cache is used."""
    if conditions is None or not names:
        return None
    if set(names) >= set(conditions.names):
        return conditions
    chosen = conditions.select(names)
    return chosen if chosen.streams else None


def _callback(model: Any, steps: int, preview: bool) -> Callable:
    """Core's callback (progress, canceling, the host's previews), or ours with a film strip where those are off."""
    previewer = latent_preview.get_previewer(model.load_device, model.model.latent_format)
    if previewer is not None or not preview:
        return latent_preview.prepare_callback(model, steps)
    bar = comfy.utils.ProgressBar(steps)
    colors = model.model.latent_format

    def callback(step, denoised, x, total):
        strip = film_strip(denoised, colors.latent_rgb_factors, colors.latent_rgb_factors_bias)
        bar.update_absolute(step + 1, total, ("JPEG", strip, latent_preview.MAX_PREVIEW_RESOLUTION))

    return callback


def film_strip(latent: torch.Tensor, factors: list, bias: list | None, side: int = 512) -> Any:
    """(B, 16, T, h, w) -> a PIL image of the latent frames of the first clip, side by side in rows."""
    from PIL import Image

    weight = torch.tensor(factors, dtype=torch.float32)
    shift = torch.tensor(bias if bias is not None else [0.0, 0.0, 0.0])
    frames = latent[0].detach().float().cpu().permute(1, 2, 3, 0) @ weight + shift  # T h w 3 in -1..1
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
