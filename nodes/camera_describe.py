"""Describe Camera: a camera path in plain words, for prompts."""

from __future__ import annotations

from comfy_api.latest import io

from ..control.camera import CameraTrajectory
from ..control.camera.describe import describe_camera
from .sockets.types import Camera


class FullDiTDescribeCamera(io.ComfyNode):
    """A camera path as one sentence."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="FullDiTDescribeCamera",
            display_name="Describe Camera (FullDiT)",
            category="FullDiT/camera",
            description=(
                'A camera path in one sentence, such as "The camera orbits left by 25 degrees, then moves forward." '
                "For the prompt of a model that reads the camera from words, or beside a path."
            ),
            search_aliases=["camera to text", "camera caption", "camera words", "prompt"],
            inputs=[Camera.Input("camera", tooltip="The path to describe.")],
            outputs=[
                io.String.Output(display_name="text", tooltip="One sentence in English. The node shows it too."),
            ],
            has_intermediate_output=True,  # its text is sent again where its result was kept
        )

    @classmethod
    def execute(cls, camera: CameraTrajectory) -> io.NodeOutput:
        text = describe_camera(camera)
        return io.NodeOutput(text, ui={"text": [text]})
