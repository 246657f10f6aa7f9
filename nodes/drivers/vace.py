"""VACE (arXiv 2503.07598): one white canvas with all references before the video, a control video, and a region.

The canvas is a latent frame before the video's own, sampled along and cut away afterwards.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import torch
from comfy_extras.nodes_wan import WanVaceToVideo

from ...control.conditions import Conditions
from ...models.families.family import Settings
from ...models.families.notes import Note
from ...models.sampling.guidance import Guidance, Term
from .common import empty_latent, ready_model
from .plan import Conditioning, Driver, ModelFacts, Plan, Request
from .prepare import CachedVAE, depth_video, identities_of, reference_canvas, region_mask, source_video
from .spans import over_spans, spans
from .strengths import one_strength, say_one_strength
from .windows import keep_slot

KEYS = ("vace_frames", "vace_mask", "vace_strength")
READ = ("identity", "depth", "source")
GRAY = 0.5  # what VACE reads as: to be made


class VaceDriver(Driver):
    """References, depth, and a region of a source video that is painted anew."""

    family = "vace"

    def accept(self, conditions: Conditions, facts: ModelFacts) -> list[Note]:
        """Return the notes of the matrix; a region needs a source video, and a source video a region."""
        notes = super().accept(conditions, facts)
        has_source, has_mask = source_video(conditions) is not None, region_mask(conditions) is not None
        return [_needs_other(note, has_source, has_mask) for note in say_one_strength(notes, conditions, READ, "VACE")]

    def reads_whole_frames(self, conditions: Conditions) -> bool:
        """Return True: without conditions it reads gray frames."""
        return True

    def plan(self, model: Any, vae: Any, request: Request, facts: ModelFacts, settings: Settings) -> Plan:
        """Return two passes, both with what VACE is given, as its authors sample it."""
        encoder, conditions = CachedVAE(vae), request.conditions
        lead = 1 if identities_of(conditions) else 0
        parts = spans(conditions)

        def keys(held: Conditions) -> Mapping[str, Any]:
            return _core_keys(held, encoder, with_canvas=bool(lead))

        ready = ready_model(model, settings)
        if lead:
            keep_slot(ready, lead)
        scale = request.scales.get("text", settings.scales["text"])
        return Plan(
            model=ready,
            passes={
                "p": over_spans(request.positive, parts, keys, KEYS),
                "n": over_spans(request.negative, parts, keys, KEYS),
            },
            guidance=Guidance("n", (Term(scale, "p", "n", name="text"),)),
            latent=empty_latent(conditions.video, facts.geometry, lead),
            stock=("p", "n"),
            trim=lead,
        )


def _core_keys(held: Conditions, encoder: CachedVAE, with_canvas: bool) -> dict[str, Any]:
    """What core's own node makes of the conditions; the canvas stays, empty, where no identity holds."""
    video, mask = held.video, region_mask(held)
    blank: Conditioning = [[torch.zeros(1, 1, 1), {}]]
    made = WanVaceToVideo.execute(
        blank,
        blank,
        encoder,
        video.width,
        video.height,
        video.frames,
        1,
        one_strength(held, READ),
        control_video=control_video(held),
        control_masks=mask if source_video(held) is not None else None,
        reference_image=reference_canvas(held) if with_canvas else None,
    )
    options = made.args[0][0][1]
    return {key: options[key] for key in KEYS}


def control_video(held: Conditions) -> torch.Tensor | None:
    """Return what VACE reads as its control video (frames, height, width, 3): the depth, or gray; outside the region
    the source video. None where nothing controls."""
    depth, source, mask = depth_video(held), source_video(held), region_mask(held)
    if source is None or mask is None:
        return depth
    inside = depth if depth is not None else torch.full_like(source, GRAY)
    return torch.lerp(source, inside, mask[..., None])


def _needs_other(note: Note, has_source: bool, has_mask: bool) -> Note:
    """The note of a mask without a source video, and of a source video without a mask: refused."""
    if note.facet == "mask" and not has_source:
        sentence = "VACE takes no who-is-where; with a source video the masks are the region that it paints anew."
        return dataclasses.replace(note, how="refused", sentence=sentence)
    if note.facet == "source" and not has_mask:
        sentence = "VACE paints a region of a source video anew, so it needs an identity with a mask video as well."
        return dataclasses.replace(note, how="refused", sentence=sentence)
    return note
