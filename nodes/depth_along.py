"""Depth and camera of one scene: depth along a camera path, and whether the two agree."""

from __future__ import annotations

from comfy_api.latest import io

from ..control.camera import CameraTrajectory
from ..control.depth import DepthClip
from ..control.depth.agreement import measure_agreement
from ..control.depth.along_camera import carry_clip
from .page.depth_preview import show_depth
from .progress import progress
from .sockets.arrays import to_gray_images, to_tensor
from .sockets.types import Camera, Depth


class FullDiTDepthAlong(io.ComfyNode):
    """The depth of all frames from that of the first and the camera's path."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="FullDiTDepthAlong",
            display_name="Depth along Camera (FullDiT)",
            category="FullDiT/depth",
            description=(
                "Warps the depth of one image along a camera path: a depth clip that fits the movement, and a mask of "
                "the holes that the first frame does not show."
            ),
            search_aliases=["reprojection", "warp depth", "depth from camera", "disocclusion", "image to video depth"],
            inputs=[
                Depth.Input("depth", tooltip="Depth of the first image; later frames are ignored."),
                Camera.Input("camera", tooltip="The path. The result has one frame for each of its poses."),
                io.Float.Input(
                    "offset",
                    default=0.1,
                    min=0.001,
                    max=100.0,
                    step=0.01,
                    round=0.001,
                    advanced=True,
                    optional=True,
                    tooltip=(
                        "For depth without a unit: how far its far end is from infinity, in shares of its range. "
                        "Smaller: distant parts move less."
                    ),
                ),
            ],
            outputs=[
                Depth.Output(display_name="depth", tooltip="For Conditions; holes are filled with the background."),
                io.Mask.Output(
                    display_name="holes", tooltip="White in the holes, which the first frame does not show."
                ),
                io.Image.Output(display_name="preview", tooltip="The depth as images: near is bright."),
                io.String.Output(display_name="report", tooltip="The share of holes, and what is uncertain."),
            ],
            has_intermediate_output=True,
        )

    @classmethod
    def execute(cls, depth: DepthClip, camera: CameraTrajectory, offset: float = 0.1) -> io.NodeOutput:
        with progress(camera.frames) as step:
            result = carry_clip(depth, camera, offset, step)
        clip, report = result.clip, "\n".join(result.report)
        message = show_depth(clip.values, report, cls)
        return io.NodeOutput(clip, to_tensor(result.holes), to_gray_images(clip.values), report, ui=message)


class FullDiTDepthAgreement(io.ComfyNode):
    """A check before sampling: do a camera path and a depth clip tell of one scene?"""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="FullDiTDepthAgreement",
            display_name="Camera and Depth Agreement (FullDiT)",
            category="FullDiT/depth",
            description=(
                "Checks, before anything is generated, whether a depth clip moves as the camera path says: the same "
                "scene, direction and speed."
            ),
            search_aliases=["check camera", "check depth", "consistency", "conflict", "reprojection error"],
            inputs=[
                Camera.Input("camera", tooltip="The camera path, one pose per depth frame."),
                Depth.Input("depth", tooltip="The depth clip."),
            ],
            outputs=[
                io.String.Output(display_name="report", tooltip="What was found, and what to change."),
                io.Boolean.Output(display_name="ok", tooltip="True if camera and depth agree over the whole clip."),
                io.Float.Output(display_name="residual", tooltip="Mean difference as a share of the depth range."),
                io.Float.Output(display_name="holes", tooltip="Share of the last frame that the first does not show."),
            ],
            is_output_node=True,  # a check is worth running by itself
            has_intermediate_output=True,
        )

    @classmethod
    def execute(cls, camera: CameraTrajectory, depth: DepthClip) -> io.NodeOutput:
        result = measure_agreement(camera, depth)
        report = "\n".join(result.report)
        return io.NodeOutput(report, result.agrees is True, result.residual, result.holes, ui={"text": [report]})
