"""Camera from Video: the path of the camera that took a clip."""

from __future__ import annotations

from comfy_api.latest import io

from . import inputs
from .downstream import check_length
from .sockets.cameras import from_clip
from .sockets.types import Camera, ImageTensor, MaskTensor


class FullDiTCameraFromVideo(io.ComfyNode):
    """A clip's own camera path, found by following points through it."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="FullDiTCameraFromVideo",
            display_name="Camera from Video (FullDiT)",
            category="FullDiT/camera",
            description=(
                "Estimates how the camera of a clip moved, on the CPU and without a download. The report says how sure "
                "every pose is, names the frames to doubt, and says what cannot be known (the scale)."
            ),
            search_aliases=["camera tracking", "match move", "structure from motion", "SfM", "camera solve", "pose"],
            inputs=[
                io.Image.Input("images", tooltip="The clip: at least 2 frames. Textured scenes work best."),
                io.Mask.Input(
                    "moving",
                    optional=True,
                    tooltip="White where objects move by themselves: one mask or one per frame.",
                ),
                inputs.fps("Frames per second of the clip."),
                io.Float.Input(
                    "fov",
                    default=0.0,
                    min=0.0,
                    max=150.0,
                    step=1.0,
                    tooltip="Horizontal field of view in degrees, if known. 0 estimates it.",
                ),
                io.Combo.Input(
                    "method",
                    options=["sift", "colmap"],
                    default="sift",
                    advanced=True,
                    optional=True,
                    tooltip="sift: OpenCV. colmap: its global mapping, slower; needs pycolmap 4.",
                ),
            ],
            outputs=[
                Camera.Output(display_name="camera", tooltip="The path, one pose per frame."),
                io.String.Output(display_name="report", tooltip="How reliable the path is, and what is uncertain."),
            ],
            hidden=[io.Hidden.unique_id, io.Hidden.prompt],
            has_intermediate_output=True,  # its text is sent again where its result was kept
        )

    @classmethod
    def execute(
        cls,
        images: ImageTensor,
        fps: float,
        fov: float,
        moving: MaskTensor | None = None,
        method: str = "sift",
    ) -> io.NodeOutput:
        check_length(cls, len(images), "the video")
        estimate = from_clip(images, moving, fps, fov, method)
        report = estimate.report()
        return io.NodeOutput(estimate.trajectory, report, ui={"text": [report]})
