"""Camera to Plücker: a camera path for core's Wan Fun Camera models."""

from __future__ import annotations

from comfy_api.latest import io

from .types import Camera, WanCamera


class FullDiTCameraToPlucker(io.ComfyNode):
    """A path as WAN_CAMERA_EMBEDDING, which WanCameraImageToVideo takes."""

    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="FullDiTCameraToPlucker",
            display_name="Camera to Plücker (FullDiT)",
            category="FullDiT/camera",
            description=(
                "A camera path as the Plücker rays that core's WanCameraImageToVideo takes, so that any path drives "
                "the Wan Fun Camera models. The last frame reaches the end of the path."
            ),
            search_aliases=["WanCameraEmbedding", "Wan Fun Camera", "Plücker embedding", "camera embedding"],
            inputs=[
                Camera.Input("camera", tooltip="The path; one of another length is spread over the video."),
                io.Int.Input("width", default=832, min=16, max=4096, step=16, tooltip="Width of the video in pixels."),
                io.Int.Input("height", default=480, min=16, max=4096, step=16, tooltip="Its height in pixels."),
                io.Int.Input("length", default=81, min=1, max=1025, step=4, tooltip="Frames of the video: 4k+1."),
                io.Float.Input(
                    "scale",
                    default=1.0,
                    min=0.0,
                    max=100.0,
                    step=0.05,
                    round=0.001,
                    tooltip="Multiplies all distances. Core's own presets move by 1.5 at speed 1.",
                ),
            ],
            outputs=[
                WanCamera.Output(display_name="camera_embedding", tooltip="For WanCameraImageToVideo."),
                io.Int.Output(display_name="width", tooltip="As given, for WanCameraImageToVideo."),
                io.Int.Output(display_name="height", tooltip="As given, for WanCameraImageToVideo."),
                io.Int.Output(display_name="length", tooltip="As given, for WanCameraImageToVideo."),
            ],
        )

    @classmethod
    def execute(cls, camera, width, height, length, scale=1.0) -> io.NodeOutput:
        from .bridge.cameras import wan_embedding

        return io.NodeOutput(wan_embedding(camera, width, height, length, scale), width, height, length)
