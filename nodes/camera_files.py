"""Camera paths from files and into files."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io

from ..control.camera import CameraTrajectory, formats
from . import folders, inputs
from .sockets.camera_files import load_camera, save_camera
from .sockets.types import Camera


class FullDiTLoadCamera(io.ComfyNode):
    """A camera path from a file of ComfyUI's input folder."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="FullDiTLoadCamera",
            display_name="Load Camera File (FullDiT)",
            category="FullDiT/camera",
            description=(
                "A camera path from ComfyUI's input folder: this pack's JSON, RealEstate10K and CameraCtrl text, "
                "nerfstudio and Blender transforms.json, COLMAP, Metashape, TUM, EuRoC and other tables, ViPE, LLFF, "
                "glTF, USD, FBX, Nuke, ReCamMaster, VideoX-Fun, and plain matrices. The content decides the format."
            ),
            search_aliases=["camera path", "trajectory", "RealEstate10K", "camera poses", "COLMAP", "import camera"],
            inputs=[
                io.Combo.Input(
                    "file",
                    options=folders.camera_files(formats.file_extensions()),
                    tooltip="A file in the input folder or its subfolders; R refreshes the list.",
                ),
                io.Int.Input(
                    "frames",
                    default=17,
                    min=0,
                    max=1025,
                    tooltip="Resample the whole path to this many frames. 0 keeps the file's poses as they are.",
                ),
                io.Float.Input(
                    "scale",
                    default=1.0,
                    min=0.0,
                    max=1000.0,
                    step=0.01,
                    round=0.0001,
                    tooltip="Multiplies all distances. Their unit should be the median depth of the first frame.",
                ),
                inputs.aspect(
                    "Width divided by height of the video, for files that do not state it.",
                    advanced=True,
                    optional=True,
                ),
                io.String.Input(
                    "camera",
                    default="",
                    optional=True,
                    advanced=True,
                    tooltip="Name or number of the camera (or COLMAP model) in a file of several; empty = the first.",
                ),
                io.Combo.Input(
                    "mirror",
                    options=list(formats.MIRRORS),
                    default="none",
                    optional=True,
                    advanced=True,
                    tooltip=(
                        "The axis of the cameras that points the other way than x right, y down, z forward, if any."
                    ),
                ),
            ],
            outputs=[Camera.Output(display_name="camera", tooltip="The camera path.")],
        )

    @classmethod
    def fingerprint_inputs(cls, file: str, **_: Any) -> int:
        """Return another number when the file changed, so that the node runs again."""
        return folders.camera_file_modified(folders.input_file(file))

    @classmethod
    def validate_inputs(cls, file: str) -> bool | str:
        """Refuse a file that is missing before anything runs."""
        return inputs.validity(lambda: folders.input_file(file))

    @classmethod
    def execute(
        cls, file: str, frames: int, scale: float, aspect: float = 1.5, camera: str = "", mirror: str = "none"
    ) -> io.NodeOutput:
        path = load_camera(file, frames, scale, aspect, camera, mirror)
        return io.NodeOutput(path, ui={"text": ["\n".join(path.notes)]} if path.notes else None)


class FullDiTSaveCamera(io.ComfyNode):
    """A camera path into a file of ComfyUI's output folder."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="FullDiTSaveCamera",
            display_name="Save Camera File (FullDiT)",
            category="FullDiT/camera",
            description=(
                "Saves a camera path in ComfyUI's output folder, for Blender, nerfstudio, COLMAP and other "
                "programs. 'fulldit' keeps everything."
            ),
            search_aliases=["export camera", "camera path", "trajectory", "transforms.json", "glTF camera"],
            inputs=[
                Camera.Input("camera", tooltip="The path to write."),
                io.Combo.Input(
                    "format",
                    options=[name for name, entry in formats.FORMATS.items() if entry.writable],
                    default="fulldit",
                    tooltip="The file format. The help page lists what each one keeps.",
                ),
                io.String.Input(
                    "filename_prefix",
                    default="camera/camera",
                    tooltip="Folder and name in the output folder; a number is added.",
                ),
            ],
            outputs=[io.String.Output(display_name="file", tooltip="Path of the saved file.")],
            is_output_node=True,
        )

    @classmethod
    def execute(cls, camera: CameraTrajectory, format: str, filename_prefix: str) -> io.NodeOutput:
        file, report = save_camera(camera, format, filename_prefix)
        return io.NodeOutput(str(file), ui={"text": [report]})
