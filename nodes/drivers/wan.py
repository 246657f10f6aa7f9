"""Plain Wan 2.1 and 2.2 text-to-video: the text alone, and the depth where a depth control LoRA is on it.

The LoRA (spacepxl/Wan2.1-control-loras) widens the patch embedding to the noise and the depth's latent side by side.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from comfy.conds import CONDNoiseShape
from comfy.latent_formats import Wan21
from comfy.patcher_extension import WrappersMP

from ...control.conditions import Conditions
from ...models.families.family import Settings
from ...models.families.notes import Note
from .common import ready_model, two_passes
from .plan import Driver, ModelFacts, Plan, Request
from .prepare import CachedVAE, depth_video
from .spans import spans
from .strengths import say_on_or_off

PAD_KEY = "fulldit_pad_references"
DEPTH_KEYS = ("concat_latent_image", "model_conds")  # of `depth_keys`, in the options of a conditioning entry


class WanDriver(Driver):
    """Classifier-free guidance over two passes; the depth, where it is read, is in both."""

    family = "wan-t2v"

    def plan(self, model: Any, vae: Any, request: Request, facts: ModelFacts, settings: Settings) -> Plan:
        """Return two passes."""
        encoder = CachedVAE(vae)
        parts = spans(request.conditions)

        def keys(conditions: Conditions) -> Mapping[str, Any]:
            return depth_keys(conditions, encoder, facts)

        replaced = DEPTH_KEYS if facts.has_depth_lora else ()
        return two_passes(ready_model(model, settings), request, facts, settings, parts, keys, replaced)


class DepthLoraDriver(WanDriver):
    """The same, for which the matrix says that it reads depth."""

    family = "wan-depth-lora"

    def accept(self, conditions: Conditions, facts: ModelFacts) -> list[Note]:
        """Return the notes of the matrix, with a word about strengths between 0 and 1."""
        return say_on_or_off(super().accept(conditions, facts), conditions, ["depth"])


def depth_keys(conditions: Conditions, encoder: CachedVAE, facts: ModelFacts) -> dict[str, Any]:
    """Return what a MODEL with a depth control LoRA takes as the channels beside the noise: the latent of the depth,
    or zeros in the model's own space where there is none. Nothing for other models.

    Core makes these channels of `concat_latent_image`, but asks the live weight how many there are. Where weights are
    offloaded and patched as they are used (--lowvram without dynamic VRAM), that is the weight without the LoRA, and
    core leaves the depth out and fails: so they are there already.
    """
    if not facts.has_depth_lora:
        return {}
    video, depth = conditions.video, depth_video(conditions)
    if depth is None:
        size = facts.geometry.latent_size(video.frames, video.height, video.width)
        return {"model_conds": {"c_concat": CONDNoiseShape(torch.zeros(1, facts.geometry.channels, *size))}}
    latent = encoder.encode(depth)
    return {
        "concat_latent_image": latent,
        "model_conds": {"c_concat": CONDNoiseShape(Wan21().process_in(latent))},
    }


def pad_references(model: Any) -> None:
    """Let a MODEL with a depth control LoRA read references as well. Changes the MODEL.

    References have 16 channels, the widened patch embedding 32, on which core fails: the missing ones become zeros, as
    the depth of nothing.
    """
    model.add_wrapper_with_key(WrappersMP.DIFFUSION_MODEL, PAD_KEY, _pad_wrapper)


def _pad_wrapper(
    executor: Any,
    x: torch.Tensor,
    timestep: torch.Tensor,
    context: torch.Tensor,
    clip_fea: torch.Tensor | None = None,
    time_dim_concat: torch.Tensor | None = None,
    transformer_options: dict[str, Any] | None = None,
    **kwargs: Any,
) -> torch.Tensor:
    """The network's forward with references as wide as its input."""
    if time_dim_concat is not None:
        time_dim_concat = _widened(time_dim_concat, x.shape[1])
    if kwargs.get("context_latents") is not None:
        kwargs["context_latents"] = [_widened(latent, x.shape[1]) for latent in kwargs["context_latents"]]
    predicted: torch.Tensor = executor(
        x, timestep, context, clip_fea, time_dim_concat, transformer_options or {}, **kwargs
    )
    return predicted


def _widened(latent: torch.Tensor, channels: int) -> torch.Tensor:
    """(B, C, T, h, w) with zeros as the channels that it lacks."""
    missing = channels - latent.shape[1]
    return latent if missing <= 0 else torch.nn.functional.pad(latent, (0, 0, 0, 0, 0, 0, 0, missing))
