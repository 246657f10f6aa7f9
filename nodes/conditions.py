"""Conditions: any subset of camera, identities and depth, checked against the video that is to be made."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io

from ..control.bundle import Controls
from ..control.identity.slots import SLOTS
from .bridge.request import Request, budget, describe
from .sockets.types import Camera, Conditions, Depth, Identity


def _weight(name: str, what: str):
    return [
        io.Float.Input(
            f"{name}_strength",
            default=1.0,
            min=0.0,
            max=5.0,
            step=0.05,
            tooltip=f"How much {what} counts; 0 leaves it out.",
        ),
        io.Float.Input(
            f"{name}_start",
            default=0.0,
            min=0.0,
            max=1.0,
            step=0.01,
            advanced=True,
            optional=True,
            tooltip=f"From which part of sampling {what} holds.",
        ),
        io.Float.Input(
            f"{name}_end",
            default=1.0,
            min=0.0,
            max=1.0,
            step=0.01,
            advanced=True,
            optional=True,
            tooltip=f"Until which part of sampling {what} holds.",
        ),
    ]


def identity_inputs(tooltip: str) -> io.Autogrow.Input:
    """Sockets for identities that grow with use."""
    return io.Autogrow.Input(
        "identities",
        template=io.Autogrow.TemplatePrefix(
            Identity.Input("identity", optional=True, tooltip="The first takes slot 0, and so on."),
            prefix="identity",
            min=1,
            max=SLOTS,
        ),
        optional=True,
        tooltip=tooltip,
    )


def in_order(identities: dict[str, Any] | None) -> list[Any]:
    """The identities that are connected to such sockets, slot by slot: one that is missing leaves no gap."""
    return [identity for _, identity in sorted((identities or {}).items()) if identity is not None]


class FullDiTConditions(io.ComfyNode):
    """Everything that the video is to obey, and its size."""

    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="FullDiTConditions",
            display_name="Conditions (FullDiT)",
            category="FullDiT",
            description=(
                "Any subset of camera, identities and depth for one video. Shows how many tokens each costs "
                "beside the video's own, as the embedded model cuts them."
            ),
            search_aliases=["controls", "multi condition", "token budget"],
            inputs=[
                Camera.Input("camera", optional=True, tooltip="A camera path, one pose per frame."),
                identity_inputs("Up to three identities; another socket appears when one is used."),
                Depth.Input("depth", optional=True, tooltip="A depth clip, one image per frame."),
                io.Int.Input(
                    "frames", default=17, min=1, max=1025, step=4, tooltip="Length of the video: 4k+1 (1, 5, ..., 17)."
                ),
                io.Int.Input("width", default=96, min=16, max=4096, step=16, tooltip="A multiple of 16."),
                io.Int.Input("height", default=64, min=16, max=4096, step=16, tooltip="A multiple of 16."),
                io.Boolean.Input(
                    "spread",
                    default=False,
                    tooltip=(
                        "Spread camera, masks and depth of another length over the video. "
                        "Off, another length is refused."
                    ),
                ),
                *_weight("camera", "the camera"),
                *_weight("depth", "the depth"),
            ],
            outputs=[Conditions.Output(display_name="conditions", tooltip="For a sampler or Apply Conditions.")],
            has_intermediate_output=True,  # its text is sent again where its result was kept
        )

    @classmethod
    def execute(
        cls,
        frames,
        width,
        height,
        spread=False,
        camera=None,
        identities=None,
        depth=None,
        camera_strength=1.0,
        camera_start=0.0,
        camera_end=1.0,
        depth_strength=1.0,
        depth_start=0.0,
        depth_end=1.0,
    ) -> io.NodeOutput:
        controls = Controls(
            camera=camera,
            identities=tuple(in_order(identities)),
            depth=depth,
            camera_strength=camera_strength,
            camera_range=(camera_start, camera_end),
            depth_strength=depth_strength,
            depth_range=(depth_start, depth_end),
        )
        request = Request.make(controls, frames, height, width, spread)
        # The page shows the text inside the node (web/fulldit.js); the API gives it in the history.
        return io.NodeOutput(request, ui={"text": [describe(budget(request), request.controls.warnings())]})
