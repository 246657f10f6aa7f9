"""Wan Fun (alibaba-pai): cameras as Plücker rays over a start image, or a control video with a reference.

Core's own nodes make the channels beside the noise; the start image is the first frame of the source video. Absent
channels are zeros in the model's own space, absent CLIP vision features zeros, as in the authors' code. Fun Control
follows a camera by rendering: its control video is then the depth that the camera sees.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import torch
from comfy_extras.nodes_wan import Wan22FunControlToVideo, WanCameraImageToVideo, WanFunControlToVideo

from ...control.camera.trajectory import UNIT, CameraTrajectory
from ...control.conditions import CameraCondition, Conditions
from ...models.families.family import Settings
from ...models.families.notes import CONTROL, Note
from ..sockets.cameras import to_wan_embedding
from .common import core_options, ready_model, two_passes
from .one_control import without_second_control
from .plan import Driver, ModelFacts, Plan, Request
from .prepare import CachedVAE, control_images, has_source, identities_of, padded_references, source_video
from .rendered import notes_on_rendering, renders, warnings_of_rendering, with_rendering
from .spans import spans
from .strengths import say_on_or_off

CLIP_VISION = (1, 257, 1280)  # tokens and width of the features of an image
WITHOUT_MASK = 48  # channels of the 2.1 files: noise, control and start image; later ones have a mask as well
RENDERED = {
    "source": "Its first frame is the start image, with which the camera path begins.",
    "depth": "It is the depth of the source video; what the camera sees of it along the path is the control video.",
}
KEYS = ("concat_latent_image", "concat_mask", "concat_mask_index", "camera_conditions", "reference_latents")


class FunDriver(Driver):
    """Two passes, both with everything that the model is given."""

    def plan(self, model: Any, vae: Any, request: Request, facts: ModelFacts, settings: Settings) -> Plan:
        """Return classifier-free guidance by the text."""
        encoder, parts = CachedVAE(vae), spans(request.conditions)
        vision = vision_keys(model, request)

        def keys(held: Conditions) -> Mapping[str, Any]:
            return {**self.keys(held, encoder, facts), **vision}

        return two_passes(ready_model(model, settings), request, facts, settings, parts, keys, KEYS)

    @abstractmethod
    def keys(self, held: Conditions, encoder: CachedVAE, facts: ModelFacts) -> dict[str, Any]:
        """Return what core's node makes of the conditions of a span."""


class FunCameraDriver(FunDriver):
    """A camera path over a start image."""

    family = "fun-camera"

    def accept(self, conditions: Conditions, facts: ModelFacts) -> list[Note]:
        """Return the notes of the matrix; a camera needs a start image."""
        notes = say_on_or_off(super().accept(conditions, facts), conditions, ["camera", "source"])
        if not has_source(conditions):
            return [_without_start(note) for note in notes]
        camera = conditions.get(CameraCondition)
        return [_with_unit(note, camera.trajectory) if camera is not None else note for note in notes]

    def keys(self, held: Conditions, encoder: CachedVAE, facts: ModelFacts) -> dict[str, Any]:
        """Return the start image's channels and the rays, at the video's own size."""
        video, camera = held.video, held.get(CameraCondition)
        path = camera.trajectory if camera is not None and camera.active else None
        rays = None if path is None else to_wan_embedding(path, video.width, video.height, video.frames, 1.0)
        return core_options(
            WanCameraImageToVideo,
            encoder,
            video.width,
            video.height,
            video.frames,
            1,
            start_image=_start_image(held),
            camera_conditions=rays,
        )


class FunControlDriver(FunDriver):
    """A control video (the depth, or another), a start image, and one reference where the file has a layer for it."""

    family = "fun-control"

    def accept(self, conditions: Conditions, facts: ModelFacts) -> list[Note]:
        """Return the notes of the matrix; an older file reads no reference."""
        notes = notes_on_rendering(super().accept(conditions, facts), conditions, facts, RENDERED)
        weighted = ["camera", "identity"] if renders(conditions, facts) else ["depth", "identity", "source"]
        notes = without_second_control(say_on_or_off(notes, conditions, [*weighted, CONTROL]), conditions, facts)
        return notes if facts.has_reference_layer else [_without_reference(note) for note in notes]

    def warnings(self, model: Any, conditions: Conditions, facts: ModelFacts) -> list[str]:
        """Return what lies beyond the clips that the model was trained on, and a camera that leaves its source."""
        return [*super().warnings(model, conditions, facts), *warnings_of_rendering(conditions, facts)]

    def plan(self, model: Any, vae: Any, request: Request, facts: ModelFacts, settings: Settings) -> Plan:
        """Return the plan of what the camera sees, where there is one."""
        request = replace(request, conditions=with_rendering(request.conditions, facts))
        return super().plan(model, vae, request, facts, settings)

    def keys(self, held: Conditions, encoder: CachedVAE, facts: ModelFacts) -> dict[str, Any]:
        """Return the channels of the control video and the start image, and the reference."""
        video, control, start = held.video, control_images(held), _start_image(held)
        size = (video.width, video.height, video.frames, 1)
        node = Wan22FunControlToVideo if facts.in_channels > WITHOUT_MASK else WanFunControlToVideo
        keys = core_options(node, encoder, *size, start_image=start, control_video=control)
        if identities_of(held) and facts.has_reference_layer:
            keys["reference_latents"] = [encoder.encode(padded_references(held)[0])]
        return keys


def _start_image(held: Conditions) -> torch.Tensor | None:
    """The first frame of the source video, as an IMAGE."""
    source = source_video(held)
    return None if source is None else source[:1]


def vision_keys(model: Any, request: Request) -> dict[str, Any]:
    """Return the features of the start image, or zeros, for a network that has layers for them."""
    if getattr(model.model.diffusion_model, "img_emb", None) is None:
        return {}
    if request.clip_vision is not None:
        return {"clip_vision_output": request.clip_vision}
    return {"clip_vision_output": SimpleNamespace(penultimate_hidden_states=torch.zeros(CLIP_VISION))}


def _with_unit(note: Note, path: CameraTrajectory) -> Note:
    """The note of a camera whose lengths are in a unit of its own."""
    if note.facet != "camera" or path.unit == UNIT:
        return note
    words = f"Its lengths are in {path.unit_name} and count as they are: scale the path where that is too far."
    sentence = f"{note.sentence} {words}"
    return replace(note, sentence=sentence)


def _without_start(note: Note) -> Note:
    if note.facet != "camera":
        return note
    sentence = (
        "Wan Fun Camera moves the camera over a start image: connect it as the source video (one image is enough)."
    )
    return replace(note, how="refused", sentence=sentence)


def _without_reference(note: Note) -> Note:
    if note.facet != "identity":
        return note
    sentence = "This file has no layer for a reference image (those of V1.1 and A14B have)."
    return replace(note, how="refused", sentence=sentence)
