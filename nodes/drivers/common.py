"""What drivers share: an empty latent, a MODEL with the authors' schedule and an honest estimate, guidance by the text
over two passes, and what core's own nodes make of images."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import comfy.model_management
import torch
from comfy_extras.nodes_model_advanced import ModelSamplingSD3

from ...control.condition import VideoSize
from ...control.conditions import Conditions
from ...models.families.family import Settings
from ...models.geometry import LatentGeometry
from ...models.sampling.guidance import Guidance, Term
from ..bridge.memory import count_references
from .plan import Conditioning, ModelFacts, Plan, Request
from .spans import Span, over_spans

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


def two_passes(
    model: Any,
    request: Request,
    facts: ModelFacts,
    settings: Settings,
    parts: list[Span],
    keys: Callable[[Conditions], Mapping[str, Any]],
    replaced: Sequence[str],
    lead: int = 0,
) -> Plan:
    """Return classifier-free guidance by the text over two passes, both with what `keys` gives for their conditions.

    model: as `ready_model` gives it. replaced: as `over_spans` has it. lead: latent frames before the video, which are
    cut away afterwards.
    """
    scale = request.scales.get("text", settings.scales["text"])
    return Plan(
        model=model,
        passes={
            "p": over_spans(request.positive, parts, keys, replaced),
            "n": over_spans(request.negative, parts, keys, replaced),
        },
        guidance=Guidance("n", (Term(scale, "p", "n", name="text"),)),
        latent=empty_latent(request.conditions.video, facts.geometry, lead),
        stock=("p", "n"),
        trim=lead,
    )


def core_options(node: Any, *args: Any, **inputs: Any) -> dict[str, Any]:
    """Return what one of core's nodes for a family puts into the options of a conditioning. args, inputs: its own,
    behind the two conditionings."""
    blank: tuple[Conditioning, Conditioning] = ([[torch.zeros(1, 1, 1), {}]], [[torch.zeros(1, 1, 1), {}]])
    options: dict[str, Any] = node.execute(*blank, *args, **inputs).args[0][0][1]
    return options
