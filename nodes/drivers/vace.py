"""VACE (arXiv 2503.07598): one white canvas with all references before the video, a control video, and a region.

The canvas is a latent frame before the video's own, sampled along and cut away afterwards. A camera is followed by
rendering: the control video is what it sees of the source video, its holes are of the region.
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
from .one_control import without_second_control
from .plan import Driver, ModelFacts, Plan, Request
from .prepare import (
    CachedVAE,
    control_images,
    has_region,
    has_source,
    identities_of,
    known_frames,
    reference_canvas,
    region_mask,
    source_video,
)
from .rendered import hole_mask, notes_on_rendering, renders, warnings_of_rendering, with_rendering
from .spans import spans
from .strengths import one_strength, say_one_strength
from .windows import keep_slot

KEYS = ("vace_frames", "vace_mask", "vace_strength")
READ = ("identity", "depth", "source", "known", "control")
READ_RENDERED = ("identity", "camera", "known")  # source and depth have the camera's weight
GRAY = 0.5  # what VACE reads as: to be made
RENDERED = {
    "source": "It is seen from the camera path, and what the camera sees of it is kept.",
    "depth": "It is the depth of the source video, for the render alone.",
}


class VaceDriver(Driver):
    """References, depth, known frames, and a region of a source video that is painted anew: also one that a camera
    sees."""

    family = "vace"

    def accept(self, conditions: Conditions, facts: ModelFacts) -> list[Note]:
        """Return the notes of the matrix; a region needs a source video, and a source video a region or a camera."""
        moves = renders(conditions, facts)
        notes = notes_on_rendering(super().accept(conditions, facts), conditions, facts, RENDERED)
        notes = without_second_control(notes, conditions, facts)
        notes = say_one_strength(notes, conditions, READ_RENDERED if moves else READ, "VACE")
        with_source, with_region = has_source(conditions), has_region(conditions) or moves
        return [_needs_other(note, with_source, with_region) for note in notes]

    def reads_whole_frames(self, conditions: Conditions) -> bool:
        """Return True: without conditions it reads gray frames."""
        return True

    def warnings(self, model: Any, conditions: Conditions, facts: ModelFacts) -> list[str]:
        """Return what lies beyond the clips that the model was trained on, and a camera that leaves its source."""
        return [*super().warnings(model, conditions, facts), *warnings_of_rendering(conditions, facts)]

    def plan(self, model: Any, vae: Any, request: Request, facts: ModelFacts, settings: Settings) -> Plan:
        """Return two passes, both with what VACE is given, as its authors sample it."""
        encoder, holes = CachedVAE(vae), hole_mask(request.conditions, facts)
        conditions = with_rendering(request.conditions, facts)
        lead = 1 if identities_of(conditions) else 0
        parts = spans(conditions)

        def keys(held: Conditions) -> Mapping[str, Any]:
            return _core_keys(held, encoder, bool(lead), holes if has_source(held) else None)

        ready = ready_model(model, settings)
        if lead:
            keep_slot(ready, lead)
        return two_passes(ready, request, facts, settings, parts, keys, KEYS, lead)


def _core_keys(held: Conditions, encoder: CachedVAE, with_canvas: bool, holes: torch.Tensor | None) -> dict[str, Any]:
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
        control_video=control_video(held, holes),
        control_masks=made_mask(held, holes),
        reference_image=reference_canvas(held) if with_canvas else None,
    )
    return {key: options[key] for key in KEYS}


def control_video(held: Conditions, holes: torch.Tensor | None = None) -> torch.Tensor | None:
    """Return what VACE reads as its control video (frames, height, width, 3): a control video, the depth, or gray;
    outside of what is painted anew the source video; over all that the known frames and regions. None where nothing
    controls.

    holes: of a source video that is rendered along a camera path, whose depth the render is made of.
    """
    control, known = _without_known(held, holes), known_frames(held)
    if control is None or known is None:
        return control if known is None else known[0]
    shown, region = known
    return shown + (control - GRAY) * (1 - region)[..., None]  # what is shown is gray where nothing is known


def made_mask(held: Conditions, holes: torch.Tensor | None = None) -> torch.Tensor | None:
    """Return what VACE is to make as a MASK (frames, height, width): what is painted anew of a source video, less what
    is known; None is everything."""
    mask, known = painted_mask(held, holes) if has_source(held) else None, known_frames(held)
    if known is None:
        return mask
    return 1 - known[1] if mask is None else mask * (1 - known[1])


def _without_known(held: Conditions, holes: torch.Tensor | None) -> torch.Tensor | None:
    """The control video beneath the known frames."""
    control, source, mask = control_images(held), source_video(held), painted_mask(held, holes)
    if source is None or mask is None:
        return control
    inside = control if control is not None and holes is None else torch.full_like(source, GRAY)
    return torch.lerp(source, inside, mask[..., None])


def painted_mask(held: Conditions, holes: torch.Tensor | None = None) -> torch.Tensor | None:
    """Return what is painted anew as a MASK (frames, height, width): the masks of identities and the holes of a
    render; None without either."""
    region = region_mask(held)
    if region is None or holes is None:
        return region if holes is None else holes
    return torch.maximum(region, holes)


def _needs_other(note: Note, with_source: bool, with_region: bool) -> Note:
    """The note of a mask without a source video, and of a source video without a mask or a camera: refused."""
    if note.facet == "mask" and not with_source:
        sentence = "VACE takes no who-is-where; with a source video the masks are the region that it paints anew."
        return dataclasses.replace(note, how="refused", sentence=sentence)
    if note.facet == "source" and not with_region:
        sentence = (
            "VACE paints a region of a source video anew, so it needs an identity with a mask video as well, or a"
            " camera path and depth, whose render it completes."
        )
        return dataclasses.replace(note, how="refused", sentence=sentence)
    return note
