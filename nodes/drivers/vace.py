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
from .common import core_options, ready_model, two_passes
from .plan import Driver, ModelFacts, Plan, Request
from .prepare import (
    CachedVAE,
    depth_video,
    has_region,
    has_source,
    identities_of,
    reference_canvas,
    region_mask,
    source_video,
)
from .spans import spans
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
        notes = say_one_strength(super().accept(conditions, facts), conditions, READ, "VACE")
        with_source, with_mask = has_source(conditions), has_region(conditions)
        return [_needs_other(note, with_source, with_mask) for note in notes]

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
        return two_passes(ready, request, facts, settings, parts, keys, KEYS, lead)


def _core_keys(held: Conditions, encoder: CachedVAE, with_canvas: bool) -> dict[str, Any]:
    """What core's own node makes of the conditions; the canvas stays, empty, where no identity holds."""
    video = held.video
    options = core_options(
        WanVaceToVideo,
        encoder,
        video.width,
        video.height,
        video.frames,
        1,
        one_strength(held, READ),
        control_video=control_video(held),
        control_masks=region_mask(held) if has_source(held) else None,
        reference_image=reference_canvas(held) if with_canvas else None,
    )
    return {key: options[key] for key in KEYS}


def control_video(held: Conditions) -> torch.Tensor | None:
    """Return what VACE reads as its control video (frames, height, width, 3): the depth, or gray; outside the region
    the source video. None where nothing controls."""
    depth, source, mask = depth_video(held), source_video(held), region_mask(held)
    if source is None or mask is None:
        return depth
    inside = depth if depth is not None else torch.full_like(source, GRAY)
    return torch.lerp(source, inside, mask[..., None])


def _needs_other(note: Note, with_source: bool, with_mask: bool) -> Note:
    """The note of a mask without a source video, and of a source video without a mask: refused."""
    if note.facet == "mask" and not with_source:
        sentence = "VACE takes no who-is-where; with a source video the masks are the region that it paints anew."
        return dataclasses.replace(note, how="refused", sentence=sentence)
    if note.facet == "source" and not with_mask:
        sentence = "VACE paints a region of a source video anew, so it needs an identity with a mask video as well."
        return dataclasses.replace(note, how="refused", sentence=sentence)
    return note
