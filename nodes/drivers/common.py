"""What every driver needs of core: an empty latent, and a MODEL with the authors' schedule and an honest estimate."""

from __future__ import annotations

from typing import Any

import comfy.model_management
import torch
from comfy_extras.nodes_model_advanced import ModelSamplingSD3

from ...control.condition import VideoSize
from ...models.families.family import Settings
from ...models.geometry import LatentGeometry
from ..bridge.memory import count_references

SCHEDULE = "model_sampling"  # where core's nodes for the shift of a schedule patch a MODEL


def empty_latent(video: VideoSize, geometry: LatentGeometry, lead: int = 0) -> dict[str, torch.Tensor]:
    """Return a LATENT of zeros for a video, with `lead` latent frames before it."""
    frames, height, width = geometry.latent_size(video.frames, video.height, video.width)
    device = comfy.model_management.intermediate_device()
    return {"samples": torch.zeros(1, geometry.channels, lead + frames, height, width, device=device)}


def ready_model(model: Any, settings: Settings) -> Any:
    """Return a clone of a MODEL with the family's shift, unless the user has patched one in, whose reference tokens
    count in core's estimate of memory."""
    count_references(model.model)
    if SCHEDULE in model.object_patches:
        return model.clone()
    return ModelSamplingSD3().patch(model, settings.shift)[0]


def keeps_own_shift(model: Any) -> bool:
    """Whether the user has patched a schedule into the MODEL, which then stays."""
    return SCHEDULE in model.object_patches
