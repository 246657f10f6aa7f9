"""OmniCamera (arXiv 2604.06010): a camera path over a source video, or in a video that the text makes.

Guidance is of three passes, as the authors' code has it: n with the negative prompt and h with the prompt, both without
the path, p with the prompt and the path; all with the source video.
    x0 = n + text (h - n) + camera (p - h)
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from ...control.conditions import Conditions
from ...models.families.family import Settings
from ...models.families.notes import Note
from ...models.sampling.guidance import Guidance, Term
from ..bridge.camera_wan import POSES
from .common import empty_latent, ready_model
from .plan import Driver, ModelFacts, Plan, Request
from .prepare import CachedVAE, has_source, source_video
from .recammaster import path_of, pose_numbers, say_scale
from .spans import over_spans, spans
from .strengths import say_on_or_off

SOURCE = "time_dim_concat"


class OmniCameraDriver(Driver):
    """A camera path and a source video, of which it needs neither."""

    family = "omnicamera"

    def accept(self, conditions: Conditions, facts: ModelFacts) -> list[Note]:
        """Return the notes of the matrix, with the scale of the path."""
        path = path_of(conditions)
        notes = say_on_or_off(super().accept(conditions, facts), conditions, ["camera", "source"])
        return [say_scale(note, path) for note in notes]

    def tokens(self, conditions: Conditions, facts: ModelFacts) -> dict[str, int]:
        """Return the tokens of the source video: as many as the video's own."""
        video, geometry = conditions.video, facts.geometry
        if not has_source(conditions):
            return {}
        return {"source": geometry.tokens(geometry.latent_size(video.frames, video.height, video.width))}

    def plan(self, model: Any, vae: Any, request: Request, facts: ModelFacts, settings: Settings) -> Plan:
        """Return three passes; two without a path."""
        conditions, source = request.conditions, source_video(request.conditions)
        still = {} if source is None else {SOURCE: CachedVAE(vae).encode(source)}
        parts = spans(dataclasses.replace(conditions, items=conditions.only(["camera"]).items))

        def keys(held: Conditions) -> Mapping[str, Any]:
            path = path_of(held)
            return (
                still if path is None else {**still, POSES: pose_numbers(path, conditions.video.frames, facts.geometry)}
            )

        replaced = (SOURCE, POSES)
        passes = {
            "p": over_spans(request.positive, parts, keys, replaced),
            "h": over_spans(request.positive, parts, lambda held: still, replaced),
            "n": over_spans(request.negative, parts, lambda held: still, replaced),
        }
        text = Term(request.scales.get("text", settings.scales["text"]), "h", "n", name="text")
        camera = Term(request.scales.get("camera", settings.scales["camera"]), "p", "h", name="camera")
        with_path = path_of(conditions) is not None
        return Plan(
            model=ready_model(model, settings),
            passes=passes,
            guidance=Guidance("n", (text, camera) if with_path else (text,)),
            latent=empty_latent(conditions.video, facts.geometry),
            stock=("p", "n"),
            lost="The guidance by the camera and by the text is one scale (cfg) instead of two." if with_path else "",
        )
