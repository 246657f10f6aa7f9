"""Camera Path: the node behind the page's editor. Its state is JSON in a widget, evaluated here."""

from __future__ import annotations

from comfy_api.latest import io

from ..control.camera import splines
from . import inputs
from .sockets.types import AnyGeometry, Camera

# An arc to the right around the subject: three keys that look at it.
START = (
    '{"format":"fulldit-camera","version":1,"ease":"smooth","turns":"fluid","keys":['
    '{"time":0,"position":[0,0,0],"target":[0,0,1],"fov":50},'
    '{"time":0.5,"position":[0.25,-0.06,0.06],"target":[0,0,1],"fov":50},'
    '{"time":1,"position":[0.45,-0.16,0.2],"target":[0,0,1],"fov":50}]}'
)


class FullDiTCameraPath(io.ComfyNode):
    """A camera path drawn in the page's 3D editor, or written as JSON."""

    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="FullDiTCameraPath",
            display_name="Camera Path (FullDiT)",
            category="FullDiT/camera",
            description=(
                "Draw a camera path in 3D: key cameras that you move and turn, a timeline, and the image as the "
                "camera sees it."
            ),
            search_aliases=["camera editor", "camera path", "keyframes", "trajectory", "3d camera", "draw camera"],
            inputs=[
                io.String.Input(
                    "path",
                    default=START,
                    socketless=True,
                    tooltip="The keys as JSON: what the editor draws, and all that the node needs.",
                ),
                inputs.frames(),
                inputs.fps(),
                inputs.aspect(
                    "Width divided by height of the video: the shape of the image in the editor.", optional=True
                ),
                io.Image.Input(
                    "image",
                    optional=True,
                    tooltip="Shown in the editor as what the first camera sees, after a run. Does not change the path.",
                ),
                AnyGeometry.Input(
                    "geometry",
                    optional=True,
                    tooltip="Depth Anything 3 or MoGe: shown in the editor as points in space, after a run. "
                    "Does not change the path.",
                ),
            ],
            outputs=[Camera.Output(display_name="camera", tooltip="The camera path.")],
        )

    @classmethod
    def validate_inputs(cls, path):
        """Refuse broken keys before anything runs, with a sentence on the node."""
        if path is None:  # linked: not known yet
            return True
        try:
            splines.path_from_editor_state(path, frames=2)
        except ValueError as error:
            return str(error)
        return True

    @classmethod
    def execute(cls, path, frames, fps, aspect=1.5, image=None, geometry=None) -> io.NodeOutput:
        camera = splines.path_from_editor_state(path, frames, fps, aspect)
        if image is None and geometry is None:
            return io.NodeOutput(camera)
        from .page.backdrop import save_backdrop

        return io.NodeOutput(camera, ui={"fulldit_backdrop": [save_backdrop(image, geometry)]})
