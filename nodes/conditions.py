"""Conditions: any subset of what a video is to obey, checked against the video that is to be made."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from comfy_api.latest import io

from ..control.camera import CameraTrajectory
from ..control.conditions import (
    CameraCondition,
    Condition,
    Conditions,
    DepthCondition,
    IdentityCondition,
    SourceCondition,
    VideoSize,
)
from ..control.depth import DepthClip
from ..control.errors import UserError
from ..control.fit import Fit, SpaceFit, TimeFit
from ..control.identity.slots import MOST_IDENTITIES, Identity
from . import inputs
from .sockets import types
from .sockets.arrays import to_images

if TYPE_CHECKING:
    from ..models.config import FullDiTConfig

MAX_OTHERS = 8
OWN = "0 takes the connected model's own."


def _weight(name: str, what: str, optional: bool = False) -> list[io.Float.Input]:
    """The strength and range of a condition.

    optional: also the strength, out of sight until it is wanted. Saved workflows hold the values of widgets by their
    places, and the page puts optional ones behind all others: an input that came later has to be optional and last.
    """

    def share(end: str, default: float, tooltip: str) -> io.Float.Input:
        return io.Float.Input(
            f"{name}_{end}",
            default=default,
            min=0.0,
            max=1.0,
            step=0.01,
            advanced=True,
            optional=True,
            tooltip=tooltip,
        )

    return [
        io.Float.Input(
            f"{name}_strength",
            default=1.0,
            min=0.0,
            max=5.0,
            step=0.05,
            tooltip=f"Strength of {what}; 0 leaves it out.",
            **({"advanced": True, "optional": True} if optional else {}),
        ),
        share("start", 0.0, f"{what[:1].upper()}{what[1:]} has an effect from this share of sampling on."),
        share("end", 1.0, f"{what[:1].upper()}{what[1:]} has an effect up to this share of sampling."),
    ]


def _growing(id: str, template: Any, prefix: str, most: int, tooltip: str) -> io.Autogrow.Input:
    return io.Autogrow.Input(
        id,
        template=io.Autogrow.TemplatePrefix(template, prefix=prefix, min=1, max=most),
        optional=True,
        tooltip=tooltip,
    )


def identity_inputs(tooltip: str, most: int) -> io.Autogrow.Input:
    """Return sockets for identities that grow with use, up to `most`."""
    template = types.Identity.Input("identity", optional=True, tooltip="The first takes slot 0, and so on.")
    return _growing("identities", template, "identity", most, tooltip)


class FullDiTConditions(io.ComfyNode):
    """The conditions of one video, and its size."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="FullDiTConditions",
            display_name="Conditions (FullDiT)",
            category="FullDiT",
            description=(
                "Any subset of camera, identities, depth, a source video and other conditions for one video. Shows the "
                "tokens that each adds to the video's own, for the connected model or else the embedded one."
            ),
            search_aliases=["controls", "multi condition", "token budget"],
            inputs=[
                types.Camera.Input("camera", optional=True, tooltip="A camera path with one pose per frame."),
                identity_inputs(
                    "Up to eight identities; FullDiT models take three. A new socket appears when the last one is "
                    "connected.",
                    MOST_IDENTITIES,
                ),
                types.Depth.Input("depth", optional=True, tooltip="A depth clip with one image per frame."),
                # A step of 4 would make the page round 17 to 16, since 0 has a meaning too.
                io.Int.Input(
                    "frames",
                    default=17,
                    min=0,
                    max=1025,
                    tooltip=f"Length of the video, such as 17: a multiple of 4, plus 1. {OWN}",
                ),
                io.Int.Input(
                    "width", default=96, min=0, max=4096, step=16, tooltip=f"In pixels, a multiple of 16. {OWN}"
                ),
                io.Int.Input(
                    "height", default=64, min=0, max=4096, step=16, tooltip=f"In pixels, a multiple of 16. {OWN}"
                ),
                io.Boolean.Input(
                    "spread",
                    default=False,
                    advanced=True,
                    tooltip="Kept for older workflows: the same as fit_time resample.",
                ),
                *_weight("camera", "the camera"),
                *_weight("depth", "the depth"),
                io.Combo.Input(
                    "fit_time",
                    options=[fit.value for fit in TimeFit],
                    default=TimeFit.REFUSE.value,
                    optional=True,
                    tooltip=(
                        "For a camera, mask video, depth clip or source video of another length. refuse: stop with an "
                        "error. resample: spread it over the video. hold: repeat its last frame, or cut it."
                    ),
                ),
                io.Combo.Input(
                    "fit_space",
                    options=[fit.value for fit in SpaceFit],
                    default=SpaceFit.CROP.value,
                    optional=True,
                    tooltip="For masks, depth, a source video and a camera lens of another aspect ratio.",
                ),
                io.Model.Input(
                    "model",
                    optional=True,
                    tooltip="The model that will sample. Size, token count and warnings are then for this model.",
                ),
                _growing(
                    "conditions",
                    types.Condition.Input("condition", optional=True, tooltip="From a node that makes a condition."),
                    "condition",
                    MAX_OTHERS,
                    "Other kinds of conditions. A new socket appears when the last one is connected.",
                ),
                io.Image.Input(
                    "source_video",
                    optional=True,
                    tooltip=(
                        "The video that the new one starts from, one image per frame. For public models; FullDiT "
                        "models refuse it."
                    ),
                ),
                *_weight("source", "the source video", optional=True),
            ],
            outputs=[
                types.Conditions.Output(display_name="conditions", tooltip="For FullDiT Sampler or Apply Conditions.")
            ],
            has_intermediate_output=True,  # its text is sent again where its result was kept
        )

    @classmethod
    def execute(
        cls,
        frames: int,
        width: int,
        height: int,
        spread: bool = False,
        camera: CameraTrajectory | None = None,
        identities: Mapping[str, Identity | None] | None = None,
        depth: DepthClip | None = None,
        fit_time: str = TimeFit.REFUSE.value,
        fit_space: str = SpaceFit.CROP.value,
        model: types.HostModel | None = None,
        conditions: Mapping[str, Condition | None] | None = None,
        source_video: types.ImageTensor | None = None,
        **weights: float,
    ) -> io.NodeOutput:
        from .page.token_budget import describe_budget

        source = None if source_video is None else to_images(source_video, "the source video")
        items = [*_known(camera, inputs.connected(identities), depth, source, weights), *inputs.connected(conditions)]
        fit = Fit.of(fit_space, TimeFit.RESAMPLE.value if spread else fit_time)
        made = Conditions(_video(frames, width, height, model), tuple(items)).fitted(fit)
        counts, warnings = _budget(made, model)
        # The page shows the text inside the node (web/fulldit.js); the API gives it in the history.
        return io.NodeOutput(made, ui={"text": [describe_budget(counts, warnings)]})


def _known(
    camera: CameraTrajectory | None,
    identities: list[Identity],
    depth: DepthClip | None,
    source: np.ndarray | None,
    weights: Mapping[str, float],
) -> list[Condition]:
    """The conditions that have sockets of their own, with their weights."""

    def weight(name: str) -> dict[str, float]:
        usual = {"strength": 1.0, "start": 0.0, "end": 1.0}
        return {key: weights.get(f"{name}_{key}", default) for key, default in usual.items()}

    items: list[Condition] = []
    if camera is not None:
        items.append(CameraCondition(trajectory=camera, **weight("camera")))
    if identities:
        items.append(IdentityCondition(identities=tuple(identities)))
    if depth is not None:
        items.append(DepthCondition(clip=depth, **weight("depth")))
    if source is not None:
        items.append(SourceCondition(frames=source, **weight("source")))
    return items


def _video(frames: int, width: int, height: int, model: types.HostModel | None) -> VideoSize:
    """The video's size and rate, where a 0 stands for the model's own; without a model, the embedded one's rate."""
    if model is not None:
        from .drivers.run import check_size, own_video

        own = own_video(model)
        video = VideoSize(frames or own.frames, height or own.height, width or own.width, own.fps)
        check_size(model, video)
        return video
    config = _any_config()
    if not (frames and width and height):
        raise UserError(
            f"The video is {frames} frames of {width}x{height}; a 0 stands for the model's own: connect model, or set"
            f" the number"
        )
    config.geometry.check(frames, height, width)
    return VideoSize(frames, height, width, config.fps)


def _budget(conditions: Conditions, model: types.HostModel | None) -> tuple[Mapping[str, int], list[str]]:
    """Tokens of the video and of each stream, and sentences: with a model, what becomes of each condition in it."""
    if model is not None:
        from .drivers.run import describe

        described = describe(model, conditions)
        return described.tokens, [*conditions.warnings(), *described.lines]
    from ..models.encode import count_tokens

    config = _any_config()
    left_out = [name for name in conditions.names if name not in config.conditions]
    said = [f"The {name} has no tokens: it is for public models; FullDiT models refuse it." for name in left_out]
    return count_tokens(conditions.only(config.conditions), config), [*conditions.warnings(), *said]


def _any_config() -> FullDiTConfig:
    """The embedded model's config with every condition that there is: what a model takes is said once it is known."""
    from ..models.conditioning.streams import STREAMS
    from ..models.families.presets import PRESETS

    return dataclasses.replace(PRESETS["mini-cpu"], streams=tuple(STREAMS), slots=MOST_IDENTITIES)
