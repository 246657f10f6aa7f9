"""An image or a clip, seen by a camera on a path: guide images for models that follow a camera by rendering."""

from __future__ import annotations

from comfy_api.latest import io

from ..control.camera import CameraTrajectory
from ..control.depth import DepthClip
from ..control.identity.preview import tile_frames
from ..control.limits import check_pixels
from .page.messages import image_and_text
from .progress import progress
from .sockets.arrays import to_images, to_tensor
from .sockets.types import Camera, Depth, ImageTensor


class FullDiTRenderAlong(io.ComfyNode):
    """The images along a camera path, their holes and their depth."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="FullDiTRenderAlong",
            display_name="Render along Camera (FullDiT)",
            category="FullDiT/camera",
            description=(
                "Shows an image or a clip from a moving camera: images, holes and depth along a path, for models that "
                "follow a camera by rendering."
            ),
            search_aliases=["reprojection", "warp image", "point cloud render", "novel view", "re-shoot", "inpaint"],
            inputs=[
                io.Image.Input(
                    "images", tooltip="An image, or a clip with as many frames as the path has poses, to re-shoot."
                ),
                Depth.Input("depth", tooltip="Depth of the image, or of every frame of the clip."),
                Camera.Input("camera", tooltip="The path. The result has one frame for each of its poses."),
                Camera.Input(
                    "clip_camera",
                    optional=True,
                    tooltip="The path of the camera that took the clip. Without it, that camera stands still.",
                ),
                _side("width"),
                _side("height"),
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
                io.Boolean.Input(
                    "soft_edges",
                    default=True,
                    advanced=True,
                    optional=True,
                    tooltip=(
                        "On: edges of estimated depth, which are blurred, are sharpened. Off: for a renderer's exact "
                        "depth."
                    ),
                ),
            ],
            outputs=[
                io.Image.Output(display_name="images", tooltip="What the camera sees; holes are black."),
                io.Mask.Output(display_name="holes", tooltip="White where the camera sees what no image shows."),
                Depth.Output(display_name="depth", tooltip="Depth along the path; holes are filled with background."),
                io.String.Output(display_name="report", tooltip="Share of holes in each frame, and the scale used."),
            ],
            has_intermediate_output=True,
        )

    @classmethod
    def execute(
        cls,
        images: ImageTensor,
        depth: DepthClip,
        camera: CameraTrajectory,
        width: int = 0,
        height: int = 0,
        clip_camera: CameraTrajectory | None = None,
        offset: float = 0.1,
        soft_edges: bool = True,
    ) -> io.NodeOutput:
        from ..models.rendering import render_clip
        from .bridge.rendering import rendering_device

        frames = to_images(images, "the image")
        size = _size(width, height, frames.shape[1], frames.shape[2])
        check_pixels(*size, "the result, by the proportions of the image,")
        with progress(camera.frames) as step:
            result = render_clip(
                to_tensor(frames),
                depth,
                camera,
                size,
                source_path=clip_camera,
                offset=offset,
                soft_edges=soft_edges,
                device=rendering_device(),
                step=step,
            )
        shown = "\n".join(result.report)
        report = f"{shown}\nHoles of each frame in %: {' '.join(f'{100 * share:.3g}' for share in result.shares)}."
        message = image_and_text(tile_frames(result.images.numpy()), shown, cls)
        return io.NodeOutput(result.images, result.holes.float(), result.depth, report, ui=message)


def _side(name: str) -> io.Int.Input:
    return io.Int.Input(
        name,
        default=0,
        min=0,
        max=4096,
        step=16,
        tooltip=f"{name.capitalize()} of the result in pixels. 0: in the image's proportions, or the image's own.",
    )


def _size(width: int, height: int, own_height: int, own_width: int) -> tuple[int, int]:
    """Return height and width of the result; a side of 0 follows from the other, or is the image's own."""
    if width and height:
        return height, width
    if width:
        return max(1, round(width * own_height / own_width)), width
    if height:
        return height, max(1, round(height * own_width / own_height))
    return own_height, own_width
