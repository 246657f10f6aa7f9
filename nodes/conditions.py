"""Conditions: any subset of what a video is to obey, checked against the video that is to be made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from comfy_api.latest import io

from ..control.camera import CameraTrajectory
from ..control.conditions import (
    CameraCondition,
    Condition,
    Conditions,
    DepthCondition,
    IdentityCondition,
    VideoSize,
)
from ..control.depth import DepthClip
from ..control.errors import UserError
from ..control.fit import Fit, SpaceFit, TimeFit
from ..control.identity.slots import SLOTS, Identity
from . import inputs
from .sockets import types

if TYPE_CHECKING:
    from ..models.config import FullDiTConfig

MAX_OTHERS = 8
OWN = "0: the model's own (connect model)."


def _weight(name: str, what: str) -> list[io.Float.Input]:
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
            tooltip=f"How much {what} counts; 0 leaves it out.",
        ),
        share("start", 0.0, f"From which part of sampling {what} holds."),
        share("end", 1.0, f"Until which part of sampling {what} holds."),
    ]


def _growing(id: str, template: Any, prefix: str, most: int, tooltip: str) -> io.Autogrow.Input:
    return io.Autogrow.Input(
        id,
        template=io.Autogrow.TemplatePrefix(template, prefix=prefix, min=1, max=most),
        optional=True,
        tooltip=tooltip,
    )


def identity_inputs(tooltip: str) -> io.Autogrow.Input:
    """Return sockets for identities that grow with use."""
    template = types.Identity.Input("identity", optional=True, tooltip="The first takes slot 0, and so on.")
    return _growing("identities", template, "identity", SLOTS, tooltip)


class FullDiTConditions(io.ComfyNode):
    """Everything that the video is to obey, and its size."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="FullDiTConditions",
            display_name="Conditions (FullDiT)",
            category="FullDiT",
            description=(
                "Any subset of camera, identities, depth and other conditions for one video. Shows how many tokens "
                "each costs beside the video's own: as the connected model counts them, else as the embedded one."
            ),
            search_aliases=["controls", "multi condition", "token budget"],
            inputs=[
                types.Camera.Input("camera", optional=True, tooltip="A camera path, one pose per frame."),
                identity_inputs("Up to three identities; another socket appears when one is used."),
                types.Depth.Input("depth", optional=True, tooltip="A depth clip, one image per frame."),
                # A step of 4 would make the page round 17 to 16, since 0 has a meaning too.
                io.Int.Input("frames", default=17, min=0, max=1025, tooltip=f"Length of the video: 4k+1. {OWN}"),
                io.Int.Input("width", default=96, min=0, max=4096, step=16, tooltip=f"A multiple of 16. {OWN}"),
                io.Int.Input("height", default=64, min=0, max=4096, step=16, tooltip=f"A multiple of 16. {OWN}"),
                io.Boolean.Input(
                    "spread",
                    default=False,
                    advanced=True,
                    tooltip="For workflows of before: the same as fit_time resample.",
                ),
                *_weight("camera", "the camera"),
                *_weight("depth", "the depth"),
                io.Combo.Input(
                    "fit_time",
                    options=[fit.value for fit in TimeFit],
                    default=TimeFit.REFUSE.value,
                    optional=True,
                    tooltip=(
                        "A camera, mask video or depth clip of another length: refuse it, resample it, or hold its "
                        "last frame. hold also takes a single mask or depth image for the whole video."
                    ),
                ),
                io.Combo.Input(
                    "fit_space",
                    options=[fit.value for fit in SpaceFit],
                    default=SpaceFit.CROP.value,
                    optional=True,
                    tooltip="Masks, depth or a lens of other proportions: refuse, stretch, crop or pad them.",
                ),
                io.Model.Input(
                    "model",
                    optional=True,
                    tooltip="The model that will sample: size, token budget and warnings are then its own.",
                ),
                _growing(
                    "conditions",
                    types.Condition.Input("condition", optional=True, tooltip="What another node gives."),
                    "condition",
                    MAX_OTHERS,
                    "Conditions of any other kind, with their own strength; another socket appears when one is used.",
                ),
            ],
            outputs=[types.Conditions.Output(display_name="conditions", tooltip="For a sampler or Apply Conditions.")],
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
        **weights: float,
    ) -> io.NodeOutput:
        from .page.token_budget import describe_budget

        config = _config(model)
        items = [*_known(camera, inputs.connected(identities), depth, weights), *inputs.connected(conditions)]
        fit = Fit.of(fit_space, TimeFit.RESAMPLE.value if spread else fit_time)
        made = Conditions(_video(frames, width, height, model, config), tuple(items)).fitted(fit)
        counts, warnings = _budget(made, model, config)
        # The page shows the text inside the node (web/fulldit.js); the API gives it in the history.
        return io.NodeOutput(made, ui={"text": [describe_budget(counts, warnings)]})


def _known(
    camera: CameraTrajectory | None, identities: list[Identity], depth: DepthClip | None, weights: Mapping[str, float]
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
    return items


def _config(model: types.HostModel | None) -> FullDiTConfig:
    """The config of the model, or where none is connected that of the embedded one."""
    if model is None:
        from ..models.families.presets import PRESETS

        return PRESETS["mini-cpu"]
    from .bridge.conditioning import config_of

    return config_of(model)


def _video(frames: int, width: int, height: int, model: types.HostModel | None, config: FullDiTConfig) -> VideoSize:
    """The video's size, where a 0 stands for the model's own."""
    if model is None and not (frames and width and height):
        raise UserError(
            f"The video is {frames} frames of {width}x{height}; a 0 stands for the model's own: connect model, or set"
            f" the number"
        )
    video = VideoSize(frames or config.frames, height or config.height, width or config.width, config.fps)
    config.geometry.check(video.frames, video.height, video.width)
    return video


def _budget(
    conditions: Conditions, model: types.HostModel | None, config: FullDiTConfig
) -> tuple[dict[str, int], list[str]]:
    """Tokens of the video and of each stream, and warnings."""
    from ..models.encode import count_tokens

    warnings = conditions.warnings()
    if model is not None:
        from .bridge.conditioning import model_warnings

        warnings = warnings + model_warnings(conditions, model)
    return count_tokens(conditions, config), warnings
