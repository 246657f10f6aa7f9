"""Camera Preview: a camera path as images and words."""

from __future__ import annotations

from comfy_api.latest import io

from .sockets.arrays import to_tensor
from .sockets.types import Camera


class FullDiTCameraPreview(io.ComfyNode):
    """The path in space, its speeds and its rays, and what a model may not follow."""

    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="FullDiTCameraPreview",
            display_name="Camera Preview (FullDiT)",
            category="FullDiT/camera",
            description=(
                "A camera path as images: in space, as curves of its speeds, and as Plücker rays. With a model it "
                "says what goes beyond the movements that the model was trained on."
            ),
            search_aliases=["plot camera", "show camera path", "camera trajectory", "Plücker", "visualize camera"],
            inputs=[
                Camera.Input("camera", tooltip="The path to show."),
                io.Combo.Input(
                    "layout",
                    options=["sheet", "frames"],
                    default="sheet",
                    tooltip="sheet: one image each. frames: one per frame, for Video Combine.",
                ),
                io.Int.Input(
                    "height", default=384, min=128, max=2048, step=16, tooltip="Height of the images in pixels."
                ),
                io.Model.Input(
                    "model", optional=True, tooltip="From Load FullDiT: warns about what it was not trained on."
                ),
            ],
            outputs=[
                io.Image.Output(display_name="path", tooltip="Where the camera goes, from behind and above."),
                io.Image.Output(display_name="curves", tooltip="Speed, turning and field of view over time."),
                io.Image.Output(display_name="rays", tooltip="Plücker rays: moment and direction as colors."),
                io.String.Output(display_name="report", tooltip="The path in words, and warnings."),
            ],
            is_output_node=True,
        )

    @classmethod
    def execute(cls, camera, layout, height, model=None) -> io.NodeOutput:
        import torch
        from comfy_api.latest import UI

        from ..control.camera.plucker import plucker_embedding
        from ..view import camera_plot
        from .sockets.cameras import camera_motion_range_of, describe_path, limits

        width = height * 3 // 2
        most = limits(camera_motion_range_of(model), camera.fps)
        aspect = float((camera.intrinsics[0, 1] / camera.intrinsics[0, 0]).clip(0.2, 5))
        high = max(32, height // (4 if layout == "sheet" else 2))
        rays = plucker_embedding(camera.relative(), high, max(32, round(high * aspect)))
        path = to_tensor(camera_plot.draw_path(camera, height, width)[None])
        curves = to_tensor(camera_plot.draw_curves(camera, height, width, most)[None])
        text = describe_path(camera, model)
        # The node itself shows the path above the curves; the outputs are for other nodes.
        shown = UI.PreviewImage(torch.cat([path, curves], 1), cls=cls).as_dict() | {"text": [text]}
        if layout == "sheet":
            images = camera_plot.plucker_sheet(rays, width=width)[None]
        else:
            path = to_tensor(camera_plot.path_frames(camera, height, width))
            curves = to_tensor(camera_plot.curve_frames(camera, height, width, most))
            images = camera_plot.plucker_clip(rays)
        return io.NodeOutput(path, curves, to_tensor(images), text, ui=shown)
