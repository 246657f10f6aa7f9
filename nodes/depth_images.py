"""Depth for Other Models: a depth clip as the control video that core's nodes take."""

from __future__ import annotations

from comfy_api.latest import io

from ..control.depth import DepthClip
from ..control.depth.convert import TARGETS, control_images
from .sockets.arrays import to_tensor
from .sockets.types import Depth


class FullDiTDepthPictures(io.ComfyNode):
    """The same depth for VACE, Wan Fun Control and LTX."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="FullDiTDepthPictures",
            display_name="Depth for Other Models (FullDiT)",
            category="FullDiT/depth",
            description=(
                "A depth clip as control images for core's VACE, Wan Fun Control and LTX nodes, in sizes and numbers "
                "of frames that these take without cropping."
            ),
            search_aliases=["VACE depth", "Wan Fun Control", "LTX IC-LoRA", "control video", "depth to image"],
            inputs=[
                Depth.Input("depth", tooltip="The depth clip."),
                io.Combo.Input(
                    "target",
                    options=list(TARGETS),
                    default="vace",
                    tooltip="The node that they are for; see the help page.",
                ),
                io.Int.Input(
                    "width",
                    default=0,
                    min=0,
                    max=8192,
                    step=16,
                    tooltip="Width of the video. 0: the clip's, made to fit.",
                ),
                io.Int.Input(
                    "height",
                    default=0,
                    min=0,
                    max=8192,
                    step=16,
                    tooltip="Height of the video. 0: the clip's, made to fit.",
                ),
                io.Int.Input(
                    "frames",
                    default=0,
                    min=0,
                    max=4097,
                    tooltip="Resample the clip to this many frames. 0: cut to fit.",
                ),
                io.Int.Input(
                    "downscale",
                    default=1,
                    min=1,
                    max=8,
                    advanced=True,
                    optional=True,
                    tooltip="LTX: the reference_downscale_factor of its IC-LoRA, by which the guide is smaller.",
                ),
            ],
            outputs=[
                io.Image.Output(display_name="images", tooltip="Near is bright, gray in three channels."),
                io.String.Output(display_name="report", tooltip="Where to connect it, and what was changed."),
            ],
            has_intermediate_output=True,
        )

    @classmethod
    def execute(
        cls, depth: DepthClip, target: str, width: int = 0, height: int = 0, frames: int = 0, downscale: int = 1
    ) -> io.NodeOutput:
        images, notes = control_images(depth, target, height or None, width or None, frames or None, downscale)
        count, image_height, image_width = images.shape[:3]
        summary = f"{count} frames of {image_width}x{image_height} for {TARGETS[target].description}."
        report = "\n".join([summary, *notes])
        return io.NodeOutput(to_tensor(images), report, ui={"text": [report]})
