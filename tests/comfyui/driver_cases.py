"""What the tests of the drivers share: a tiny MODEL of each family, conditions, and one prediction of a plan."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

from .tiny_models import FakeCLIP, FakeVAE, module

FRAMES, HEIGHT, WIDTH = 9, 32, 48
LATENT = (3, 4, 6)


def identity(
    seed: int, height: int = 24, width: int = 40, name: str | None = None, images: int = 1, **more: Any
) -> Any:
    """An identity with random images."""
    numbers = np.random.default_rng(seed)
    drawn = tuple(numbers.random((height, width, 3), np.float32) for _ in range(images))
    return module("control.identity").Identity(name or f"thing{seed}", drawn, **more)


def mask_video(frames: int = FRAMES) -> np.ndarray:
    """The left half of every frame."""
    mask = np.zeros((frames, HEIGHT, WIDTH), np.float32)
    mask[:, :, : WIDTH // 2] = 1
    return mask


def conditions(
    identities=(),
    depth: int | None = None,
    source: int | None = None,
    camera: bool | str = False,
    known: int | None = None,
    frames=FRAMES,
    size=(HEIGHT, WIDTH),
    **more: Any,
) -> Any:
    """Conditions for the tests' video. depth, source: seeds of random clips; camera: a preset, or
    True; known: the seed of the first and last frame; more: fields of these conditions by name, such as
    depth={'strength': 0.5} under `depth_fields`."""
    parts = module("control.conditions")
    items: list[Any] = []
    if identities:
        items.append(parts.IdentityCondition(identities=tuple(identities)))
    if depth is not None:
        values = np.random.default_rng(depth).random((frames, *size), np.float32)
        clip = module("control.depth").DepthClip(values, {})
        items.append(parts.DepthCondition(clip=clip, **more.get("depth_fields", {})))
    if source is not None:
        video = np.random.default_rng(source).random((frames, *size, 3), np.float32)
        items.append(parts.SourceCondition(frames=video, **more.get("source_fields", {})))
    if camera:
        name = "orbit_left" if camera is True else camera
        path = module("control.camera.presets").preset(name, frames=frames)
        items.append(parts.CameraCondition(trajectory=path, **more.get("camera_fields", {})))
    if known is not None:
        images = np.random.default_rng(known).random((2, *size, 3), np.float32)
        fields = {"images": images, "at": "first,last", **more.get("known_fields", {})}
        items.append(parts.KnownFramesCondition(**fields))
    return parts.Conditions(parts.VideoSize(frames, *size, 16.0), tuple(items))


def plan_of(model: Any, held: Any, prompt: str = "a cat", scales=None, leave_out: bool = False, vae=None) -> Any:
    """The plan of a MODEL under conditions, and what was accepted: (plan, accepted)."""
    run = module("nodes.drivers.run")
    clip, vae = FakeCLIP(), vae or FakeVAE()
    taken = run.accept(model, held, leave_out)
    text = taken.driver.prompt(prompt, taken.conditions, taken.facts)
    positive, negative = (clip.encode_from_tokens_scheduled(words) for words in (text, "blurry"))
    settings = taken.driver.settings(taken.facts, taken.conditions)
    request = module("nodes.drivers.plan").Request(taken.conditions, positive, negative, scales or {})
    made = run.plan(model, vae, taken, request, settings)
    return SimpleNamespace(plan=made, taken=taken, settings=settings, positive=positive, negative=negative)


class OneStep:
    """A sampler that asks for one prediction and keeps it."""

    def __init__(self, calls: int = 1):
        self.calls, self.outputs = calls, []

    def sample(self, guider, sigmas, extra_args, callback, noise, *rest):
        for index in range(self.calls):
            sigma = sigmas[index] * noise.new_ones(noise.shape[0])
            self.outputs.append(guider(noise + index, sigma, **extra_args))
        return self.outputs[-1]


def noise_for(plan: Any, seed: int = 0, batch: int = 1) -> torch.Tensor:
    """Noise of the shape of a plan's latent, for each seed from `seed` on."""
    shape = plan.latent["samples"].shape[1:]
    return torch.stack([torch.randn(shape, generator=torch.Generator().manual_seed(seed + i)) for i in range(batch)])


@torch.inference_mode()
def predict(plan: Any, noise: torch.Tensor | None = None, sigmas=(0.7,), guider=None) -> list[torch.Tensor]:
    """The guided predictions of the clean latent at these sigmas, one after the other in one run."""
    guider = guider or module("nodes.drivers.run").make_guider(plan)
    noise = noise_for(plan) if noise is None else noise
    step = OneStep(len(sigmas))
    latent = torch.zeros_like(noise)
    guider.sample(noise, latent, step, torch.tensor([*sigmas, 0.0]), disable_pbar=True, seed=0)
    return step.outputs


@torch.inference_mode()
def predict_alone(model: Any, conditioning: Any, noise: torch.Tensor, sigmas=(0.7,)) -> list[torch.Tensor]:
    """The prediction of one pass by core's own guider, at these sigmas."""
    import comfy.samplers

    guider = comfy.samplers.CFGGuider(model)
    guider.set_conds(conditioning, conditioning)
    guider.set_cfg(1.0)
    step = OneStep(len(sigmas))
    guider.sample(noise, torch.zeros_like(noise), step, torch.tensor([*sigmas, 0.0]), disable_pbar=True, seed=0)
    return step.outputs


def difference(one: torch.Tensor, other: torch.Tensor) -> float:
    """The largest difference, relative to the largest value."""
    return float((one - other).abs().max() / other.abs().max())
