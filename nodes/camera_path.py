"""Camera Path: the node behind the page's editor. Its state is JSON in a widget, evaluated here."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io

from ..control.camera import splines
from . import inputs
from .followed import follow
from .page.backdrop import save_backdrop
from .page.temporary import losses
from .sockets.types import AnyGeometry, Camera, HostModel, ImageTensor, TensorDict

# An arc to the right around the subject: three keys that look at it.
START_STATE = (
    '{"format":"fulldit-camera","version":1,"ease":"smooth","turns":"fluid","keys":['
    '{"time":0,"position":[0,0,0],"target":[0,0,1],"fov":50},'
    '{"time":0.5,"position":[0.25,-0.06,0.06],"target":[0,0,1],"fov":50},'
    '{"time":1,"position":[0.45,-0.16,0.2],"target":[0,0,1],"fov":50}]}'
)


class FullDiTCameraPath(io.ComfyNode):
    """A camera path drawn in the page's 3D editor, or written as JSON."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="FullDiTCameraPath",
            display_name="Camera Path (FullDiT)",
            category="FullDiT/camera",
            description=(
                "Draw a camera path in 3D: key cameras to move and rotate, a timeline, and the view through the camera."
            ),
            search_aliases=["camera editor", "camera path", "keyframes", "trajectory", "3d camera", "draw camera"],
            inputs=[
                io.String.Input(
                    "path",
                    default=START_STATE,
                    socketless=True,
                    tooltip="The keyframes as JSON, written by the editor: all that the node needs.",
                ),
                inputs.frames(),
                inputs.fps(),
                inputs.aspect(
                    "Width divided by height of the video: the shape of the image in the editor.", optional=True
                ),
                io.Image.Input(
                    "image",
                    optional=True,
                    tooltip="After a run, the editor shows it as the first camera's view. Does not change the path.",
                ),
                AnyGeometry.Input(
                    "geometry",
                    optional=True,
                    tooltip="From Depth Anything 3 or MoGe: after a run, the editor shows it as a point cloud. "
                    "Does not change the path.",
                ),
                inputs.followed_model(),
            ],
            outputs=[Camera.Output(display_name="camera", tooltip="The camera path, relative to its first camera.")],
        )

    @classmethod
    def fingerprint_inputs(cls, **_: Any) -> int:
        """Return another number when the files that the page shows are gone, so that the node runs again."""
        return losses()

    @classmethod
    def validate_inputs(cls, path: str | None) -> bool | str:
        """Refuse broken keys before anything runs, with a sentence on the node; a linked text is not known yet."""
        return path is None or inputs.validity(lambda: splines.path_from_editor_state(path, frames=2))

    @classmethod
    def execute(
        cls,
        path: str,
        frames: int,
        fps: float,
        aspect: float = 1.5,
        image: ImageTensor | None = None,
        geometry: TensorDict | None = None,
        model: HostModel | None = None,
    ) -> io.NodeOutput:
        own = follow(model)
        camera = splines.path_from_editor_state(path, own.frames_of(frames), own.fps_of(fps), own.aspect_of(aspect))
        if image is None and geometry is None:
            return io.NodeOutput(camera, ui=own.message())
        backdrop = {"fulldit_backdrop": [save_backdrop(image, geometry)]}
        return io.NodeOutput(camera, ui={**(own.message() or {}), **backdrop})
