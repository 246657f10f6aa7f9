"""SCAIL-2 (zai-org): the people and animals of a video replaced by those of references, told by colored masks who is
who.

Core's own node makes what the network reads. Its replacement mode is used: the source video drives, and what no mask
covers stays. All first references stand on one canvas, as the authors have it; further images of an identity are
references of their own.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import torch
from comfy_extras.nodes_scail import DEFAULT_PALETTE, WanSCAILToVideo

from ...control.conditions import Conditions
from ...control.errors import UserError
from ...control.identity import Identity
from ...control.identity.white import label_on_white, on_white, white_canvas
from ...models.families.family import Settings
from ...models.families.notes import Note
from ..sockets.arrays import to_tensor
from .common import core_options, ready_model, two_passes
from .fun import vision_keys
from .plan import Driver, ModelFacts, Plan, Request
from .prepare import CachedVAE, has_source, identities_of, source_video
from .spans import spans
from .strengths import say_on_or_off, strengths_of

KEYS = ("reference_latents", "pose_video_latent", "driving_mask_28ch", "ref_mask_28ch", "ref_mask_flag")
SIDE = 32  # the driving video is half as large, in whole patches of 2x2 latent pixels of 8x8
WHITE = 225 / 255  # from here on a channel of a colored mask counts as on, as core has it


class ScailDriver(Driver):
    """Identities with masks, and the source video that they move in."""

    family = "scail-2"

    def accept(self, conditions: Conditions, facts: ModelFacts) -> list[Note]:
        """Return the notes of the matrix; identities and a source video need one another, and masks."""
        notes = say_on_or_off(super().accept(conditions, facts), conditions, ["identity"])
        masked = {one.name for one in identities_of(conditions) if one.mask_video is not None}
        return [_noted(note, has_source(conditions), masked) for note in notes]

    def tokens(self, conditions: Conditions, facts: ModelFacts) -> dict[str, int]:
        """Return the tokens of the references, a latent frame each, and of the source video at half its size."""
        video, geometry, who = conditions.video, facts.geometry, identities_of(conditions)
        if not who or not has_source(conditions):
            return {}
        frame = geometry.tokens(geometry.latent_size(1, video.height, video.width))
        half = geometry.tokens(geometry.latent_size(video.frames, video.height // 2, video.width // 2))
        return {"identity": (1 + len(_further(who))) * frame, "source": half}

    def check(self, conditions: Conditions) -> None:
        """Raise UserError without a source video and an identity with a mask, or for a size that is no multiple of"
        " 32."""
        if not has_source(conditions) or not identities_of(conditions):
            raise UserError(
                "SCAIL-2 puts identities into the place of those in a source video: connect source_video to Conditions,"
                " and at least one Identity with a mask video (track) of whom it replaces."
            )
        video = conditions.video
        if video.width % SIDE or video.height % SIDE:
            raise UserError(
                f"The video is {video.width}x{video.height}, but SCAIL-2 needs multiples of {SIDE}: set width and"
                f" height to {_near(video.width)} and {_near(video.height)}."
            )

    def plan(self, model: Any, vae: Any, request: Request, facts: ModelFacts, settings: Settings) -> Plan:
        """Return two passes, both with everything that the model is given."""
        encoder, vision = CachedVAE(vae), vision_keys(model, request)

        def keys(held: Conditions) -> Mapping[str, Any]:
            return {**_core_keys(held, encoder), **vision}

        parts = spans(request.conditions)
        return two_passes(ready_model(model, settings), request, facts, settings, parts, keys, KEYS)


def _core_keys(held: Conditions, encoder: CachedVAE) -> dict[str, Any]:
    """What core's own node makes of the conditions of a span."""
    video, who, source = held.video, identities_of(held), source_video(held)
    references, labels = reference_images(who, video.height, video.width)
    options = core_options(
        WanSCAILToVideo,
        encoder,
        video.width,
        video.height,
        video.frames,
        1,
        pose_strength=max(strengths_of(held, ["source"]), default=1.0),
        pose_start=0.0,
        pose_end=1.0,
        video_frame_offset=0,
        previous_frame_count=0,
        replacement_mode=True,
        reference_image=references,
        reference_image_mask=labels,
        pose_video=source,
        pose_video_mask=None if source is None or not who else driving_mask(who),
    )
    return {key: options[key] for key in KEYS if key in options}


def reference_images(
    who: Iterable[Identity], height: int, width: int
) -> tuple[torch.Tensor | None, torch.Tensor | None]:
    """Return the references as IMAGEs of the video's size, the canvas of all identities first, and where each identity
    is in them, in its color on black. None without identities."""
    who = list(who)
    if not who:
        return None, None
    colored = list(zip(who, DEFAULT_PALETTE, strict=False))
    images = [white_canvas([on_white(one) for one in who], height, width)]
    labels = [white_canvas([label_on_white(one, color) for one, color in colored], height, width)]
    for slot, index in _further(who):
        one, color = colored[slot]
        images.append(white_canvas([on_white(one, index)], height, width))
        labels.append(white_canvas([label_on_white(one, color, index)], height, width))
    lit = np.stack(labels) > WHITE  # the colors have channels of 0 and 1; what is between them is an edge
    lit[lit.all(-1)] = False
    return to_tensor(np.stack(images)), to_tensor(lit.astype(np.float32))


def driving_mask(who: Iterable[Identity]) -> torch.Tensor:
    """Return the mask videos as one IMAGE (frames, height, width, 3): each in the color of its identity, white around
    them. Where several cover a place, the first counts."""
    tracks = [(one.mask_video, color) for one, color in zip(who, DEFAULT_PALETTE, strict=False)]
    masks = [(np.asarray(track) > 0.5, color) for track, color in tracks if track is not None]
    result = np.ones((*masks[0][0].shape, 3), np.float32)
    for mask, color in reversed(masks):
        result[mask] = color
    return to_tensor(result)


def _further(who: Iterable[Identity]) -> list[tuple[int, int]]:
    """The images behind the first one of each identity: (number of the identity, number of the image)."""
    return [(slot, index) for slot, one in enumerate(who) for index in range(1, len(one.images))]


def _near(side: int) -> int:
    """The nearest side of a video that fits."""
    return max(SIDE, round(side / SIDE) * SIDE)


def _noted(note: Note, with_source: bool, masked: set[str]) -> Note:
    if note.facet in ("identity", "mask") and not with_source:
        sentence = "SCAIL-2 puts it into the place of someone in a source video, and there is none."
        return dataclasses.replace(note, how="refused", sentence=sentence)
    if note.facet == "identity" and note.subject not in masked:
        sentence = "SCAIL-2 needs a mask video (track) of whom it replaces in the source video."
        return dataclasses.replace(note, how="refused", sentence=sentence)
    if note.facet == "source" and not masked:
        sentence = "SCAIL-2 replaces those in it, and there is no identity with a mask video."
        return dataclasses.replace(note, how="refused", sentence=sentence)
    return note
