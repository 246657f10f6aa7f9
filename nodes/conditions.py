"""Conditions: any subset of what a video is to obey, checked against the video that is to be made."""

from __future__ import annotations

from collections.abc import Mapping

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
)
from ..control.depth import DepthClip
from ..control.errors import UserError
from ..control.fit import Fit, SpaceFit, TimeFit
from ..control.identity.slots import MOST_IDENTITIES, Identity
from ..control.strength import check_strength
from . import inputs
from .sockets import types
from .sockets.arrays import to_images

MAX_OTHERS = 8
MOST = {"frames": 1025, "width": 4096, "height": 4096}
NOT_CONNECTED = object()
OWN = "0: that of the connected model or source video, else of the embedded model."


def identity_inputs(tooltip: str, most: int) -> io.Autogrow.Input:
    """Return sockets for identities that grow with use, up to `most`."""
    template = types.Identity.Input("identity", optional=True, tooltip="The first takes slot 0, and so on.")
    return inputs.growing("identities", template, "identity", most, tooltip)


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
                types.Depth.Input(
                    "depth",
                    optional=True,
                    tooltip=(
                        "A depth clip with one image per frame. With both a camera and a source video: the depth of "
                        "that video, for models that render it along the camera."
                    ),
                ),
                # A step of 4 would make the page round 17 to 16, since 0 has a meaning too.
                io.Int.Input(
                    "frames",
                    default=0,
                    min=0,
                    max=1025,
                    tooltip=f"Length of the video, such as 17: a multiple of 4, plus 1. {OWN}",
                ),
                io.Int.Input(
                    "width", default=0, min=0, max=4096, step=16, tooltip=f"In pixels, a multiple of 16. {OWN}"
                ),
                io.Int.Input(
                    "height", default=0, min=0, max=4096, step=16, tooltip=f"In pixels, a multiple of 16. {OWN}"
                ),
                io.Boolean.Input(
                    "spread",
                    default=False,
                    advanced=True,
                    tooltip="Kept for older workflows: the same as fit_time resample.",
                ),
                *inputs.weight("the camera", "camera"),
                *inputs.weight("the depth", "depth"),
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
                inputs.growing(
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
                        "The video that the new one starts from, one image per frame. For public models, and for "
                        "FullDiT models that were trained with it."
                    ),
                ),
                *inputs.weight("the source video", "source", optional=True),
            ],
            outputs=[
                types.Conditions.Output(display_name="conditions", tooltip="For FullDiT Sampler or Apply Conditions.")
            ],
            has_intermediate_output=True,  # its text is sent again where its result was kept
        )

    @classmethod
    def validate_inputs(
        cls,
        frames: int | None,
        width: int | None,
        height: int | None,
        model: object = NOT_CONNECTED,
        camera_start: float | None = 0.0,
        camera_end: float | None = 1.0,
        depth_start: float | None = 0.0,
        depth_end: float | None = 1.0,
        identities: object = None,
        conditions: object = None,
    ) -> bool | str:
        """Refuse a size that the embedded model cannot have, and ranges of sampling without a step, before any work.

        A linked input is None here, so what a connected model takes is checked when the node runs. The host gives
        sockets that grow whether they are asked for or not.
        """

        def check() -> None:
            for name, value in (("frames", frames), ("width", width), ("height", height)):
                if value is not None and not 0 <= value <= MOST[name]:
                    raise UserError(f"{name} is {value}; a number from 0 to {MOST[name]} was expected")
            for what, start, end in (("the camera", camera_start, camera_end), ("the depth", depth_start, depth_end)):
                if start is not None and end is not None:
                    check_strength(1.0, start, end, what)
            if model is NOT_CONNECTED and frames is not None and width is not None and height is not None:
                from .asked_video import asked_video

                asked_video(frames, width, height)

        return inputs.validity(check)

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
        from .asked_video import asked_video, budget, described_size
        from .page.token_budget import describe_budget

        # The host passes on what a prompt without a page names, sockets beyond the last included.
        unknown = (name for name in weights if name.rpartition("_")[2] not in ("strength", "start", "end"))
        takes = f"up to {MOST_IDENTITIES} identities and up to {MAX_OTHERS} other conditions"
        inputs.refuse_beyond(unknown, "Conditions", takes)
        source = None if source_video is None else to_images(source_video, "the source video")
        items = [*_known(camera, inputs.connected(identities), depth, source, weights), *inputs.connected(conditions)]
        fit = Fit.of(fit_space, TimeFit.RESAMPLE.value if spread else fit_time)
        video, followed = asked_video(frames, width, height, model, source)
        made = Conditions(video, tuple(items)).fitted(fit)
        counts, warnings, others = budget(made, model)
        # The page shows the text inside the node (web/fulldit.js); the API gives it in the history.
        text = describe_budget(counts, [*described_size(followed, video, model), *warnings], others)
        return io.NodeOutput(made, ui={**(followed.message() or {}), "text": [text]})


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
