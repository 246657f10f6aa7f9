"""Camera Preview: a camera path as images and words."""

from __future__ import annotations

from comfy_api.latest import io

from ..control.camera import CameraTrajectory
from .page.camera_preview import preview_camera
from .page.messages import image_and_text
from .sockets.arrays import to_tensor
from .sockets.types import Camera, HostModel


class FullDiTCameraPreview(io.ComfyNode):
    """The path in space, its speeds and its rays, and what a model may not follow."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="FullDiTCameraPreview",
            display_name="Camera Preview (FullDiT)",
            category="FullDiT/camera",
            description=(
                "Shows a camera path as images: the path in 3D, curves of its speeds, and Plücker rays. With a model, "
                "it warns about movements beyond those that the model was trained on."
            ),
            search_aliases=["plot camera", "show camera path", "camera trajectory", "Plücker", "visualize camera"],
            inputs=[
                Camera.Input("camera", tooltip="The path to show."),
                io.Combo.Input(
                    "layout",
                    options=["sheet", "frames"],
                    default="sheet",
                    tooltip="sheet: one image per output. frames: one per frame, for Video Combine.",
                ),
                io.Int.Input(
                    "height", default=384, min=128, max=2048, step=16, tooltip="Height of the images in pixels."
                ),
                io.Model.Input(
                    "model", optional=True, tooltip="From Load FullDiT: adds warnings about untrained movements."
                ),
            ],
            outputs=[
                io.Image.Output(display_name="path", tooltip="The path, seen from behind and above."),
                io.Image.Output(display_name="curves", tooltip="Speed, turning and field of view over time."),
                io.Image.Output(display_name="rays", tooltip="Plücker rays: moment and direction as colors."),
                io.String.Output(display_name="report", tooltip="The path in words, and warnings."),
            ],
            is_output_node=True,
        )

    @classmethod
    def execute(
        cls, camera: CameraTrajectory, layout: str, height: int, model: HostModel | None = None
    ) -> io.NodeOutput:
        preview = preview_camera(camera, layout, height, model)
        images = map(to_tensor, (preview.path, preview.curves, preview.rays))
        return io.NodeOutput(*images, preview.report, ui=image_and_text(preview.shown, preview.report, cls))
