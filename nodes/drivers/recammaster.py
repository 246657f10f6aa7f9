"""ReCamMaster (arXiv 2503.11647): a source video seen from a new camera path.

The path is relative to the camera of the source's first frame, in meters, one pose per latent frame.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from ...control.camera.formats.format import METER
from ...control.camera.trajectory import UNIT, CameraTrajectory
from ...control.conditions import CameraCondition, Conditions
from ...control.errors import UserError
from ...models.families.family import Settings
from ...models.families.notes import Note
from ...models.geometry import LatentGeometry
from ..bridge.camera_wan import POSES
from .common import ready_model, two_passes
from .plan import Driver, ModelFacts, Plan, Request
from .prepare import CachedVAE, has_source, source_video
from .spans import spans
from .strengths import say_on_or_off

# Paths without a length in meters are in distances of the subject; its scenes show people from about so far.
SUBJECT_METERS = 3.0


class ReCamMasterDriver(Driver):
    """A camera path and a source video, both of which it needs."""

    family = "recammaster"

    def accept(self, conditions: Conditions, facts: ModelFacts) -> list[Note]:
        """Return the notes of the matrix, with the scale of the path; a camera and a source video need one another."""
        path, with_source = path_of(conditions), has_source(conditions)
        notes = say_on_or_off(super().accept(conditions, facts), conditions, ["camera", "source"])
        return [_noted(note, path, with_source) for note in notes]

    def tokens(self, conditions: Conditions, facts: ModelFacts) -> dict[str, int]:
        """Return the tokens of the source video: as many as the video's own."""
        video, geometry = conditions.video, facts.geometry
        if not has_source(conditions):
            return {}
        return {"source": geometry.tokens(geometry.latent_size(video.frames, video.height, video.width))}

    def check(self, conditions: Conditions) -> None:
        """Raise UserError without a source video or without a camera path."""
        if not has_source(conditions) or path_of(conditions) is None:
            raise UserError(
                "ReCamMaster shows a source video from a new camera path, so it needs both: connect camera and "
                "source_video to Conditions."
            )

    def plan(self, model: Any, vae: Any, request: Request, facts: ModelFacts, settings: Settings) -> Plan:
        """Return two passes, both with the source and the poses."""
        conditions = request.conditions
        source = source_video(conditions)
        assert source is not None  # by `check`
        latent = CachedVAE(vae).encode(source)
        parts = spans(dataclasses.replace(conditions, items=conditions.only(["camera"]).items))

        def keys(held: Conditions) -> Mapping[str, Any]:
            return {
                "time_dim_concat": latent,
                POSES: pose_numbers(path_of(held), conditions.video.frames, facts.geometry),
            }

        return two_passes(ready_model(model, settings), request, facts, settings, parts, keys, ())


def pose_numbers(path: CameraTrajectory | None, frames: int, geometry: LatentGeometry) -> torch.Tensor:
    """Return the poses of every fourth frame (1, 12, T, 1, 1) relative to the first, in meters, rows of 3x4.

    Without a path the camera stays where the source's is.
    """
    chosen = np.arange(0, frames, geometry.temporal)
    if path is None:
        c2w = np.tile(np.eye(3, 4), (len(chosen), 1, 1))
    else:
        c2w = path.relative().scaled(meters_per_unit(path)).c2w[chosen]
    numbers = torch.from_numpy(np.ascontiguousarray(c2w)).float().reshape(1, len(chosen), 12)
    return numbers.transpose(1, 2)[..., None, None]


def meters_per_unit(path: CameraTrajectory) -> float:
    """Return the length of a path's unit in meters: known, or the distance of a usual subject."""
    return 1.0 if path.unit == METER else SUBJECT_METERS


def path_of(conditions: Conditions) -> CameraTrajectory | None:
    """Return the camera path that has an effect, or None."""
    camera = conditions.get(CameraCondition)
    return camera.trajectory if camera is not None and camera.active else None


def say_scale(note: Note, path: CameraTrajectory | None) -> Note:
    """Return a note, that of the camera with the scale of a path whose unit is no meter."""
    if note.facet != "camera" or path is None or path.unit == METER:
        return note
    unit = "a subject distance" if path.unit == UNIT else "a unit of the path, whose length is not known,"
    sentence = f"{note.sentence} Here {unit} counts as {SUBJECT_METERS:g} m: scale the path where it is more or less."
    return dataclasses.replace(note, sentence=sentence)


def _noted(note: Note, path: CameraTrajectory | None, with_source: bool) -> Note:
    if note.facet == "camera" and not with_source:
        sentence = "ReCamMaster moves the camera of a source video, and there is none."
        return dataclasses.replace(note, how="refused", sentence=sentence)
    if note.facet == "source" and path is None:
        sentence = "ReCamMaster shows a source video from a camera path, and there is none."
        return dataclasses.replace(note, how="refused", sentence=sentence)
    return say_scale(note, path)
