"""Camera paths from files and into files."""

from __future__ import annotations

from comfy_api.latest import io

from ..control.camera import formats
from . import inputs
from .bridge import paths
from .sockets.types import Camera


class FullDiTLoadCamera(io.ComfyNode):
    """A camera path from a file of ComfyUI's input folder."""

    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="FullDiTLoadCamera",
            display_name="Load Camera File (FullDiT)",
            category="FullDiT/camera",
            description=(
                "A camera path from ComfyUI's input folder: this pack's JSON, RealEstate10K and CameraCtrl text, "
                "nerfstudio and Blender transforms.json, COLMAP, TUM, glTF, USD, FBX, ReCamMaster, VideoX-Fun, and "
                "plain matrices. The content tells which."
            ),
            search_aliases=["camera path", "trajectory", "RealEstate10K", "camera poses", "COLMAP", "import camera"],
            inputs=[
                io.Combo.Input(
                    "file",
                    options=paths.camera_files(formats.file_extensions()),
                    tooltip="A file of the input folder or its subfolders; R refreshes.",
                ),
                io.Int.Input(
                    "frames",
                    default=17,
                    min=0,
                    max=1025,
                    tooltip="Spread the whole path over this many frames. 0 keeps the poses of the file as they are.",
                ),
                io.Float.Input(
                    "scale",
                    default=1.0,
                    min=0.0,
                    max=1000.0,
                    step=0.01,
                    round=0.0001,
                    tooltip="Multiplies all distances. The unit wanted is the median depth of the first frame.",
                ),
                inputs.aspect(
                    "Width divided by height of the video, for files that say nothing about the image.",
                    advanced=True,
                    optional=True,
                ),
            ],
            outputs=[Camera.Output(display_name="camera", tooltip="The camera path.")],
        )

    @classmethod
    def fingerprint_inputs(cls, file, **_):
        """Run again when the file changed."""
        return paths.changed_at(paths.input_file(file))

    @classmethod
    def validate_inputs(cls, file):
        try:
            paths.input_file(file)
        except ValueError as error:
            return str(error)
        return True

    @classmethod
    def execute(cls, file, frames, scale, aspect=1.5) -> io.NodeOutput:
        path = formats.read_camera(paths.input_file(file), frames or None, default_frames=frames or 17, aspect=aspect)
        return io.NodeOutput(path.scaled(scale) if scale != 1 else path)


class FullDiTSaveCamera(io.ComfyNode):
    """A camera path into a file of ComfyUI's output folder."""

    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="FullDiTSaveCamera",
            display_name="Save Camera File (FullDiT)",
            category="FullDiT/camera",
            description=(
                "Writes a camera path into ComfyUI's output folder, for Blender, nerfstudio, COLMAP and other "
                "programs. 'fulldit' keeps everything."
            ),
            search_aliases=["export camera", "camera path", "trajectory", "transforms.json", "glTF camera"],
            inputs=[
                Camera.Input("camera", tooltip="The path to write."),
                io.Combo.Input(
                    "format",
                    options=[name for name, entry in formats.FORMATS.items() if entry.writable],
                    default="fulldit",
                    tooltip="The kind of file. The help page lists what each one keeps.",
                ),
                io.String.Input(
                    "filename_prefix",
                    default="camera/camera",
                    tooltip="Folder and name in the output folder; a number is added.",
                ),
            ],
            outputs=[io.String.Output(display_name="file", tooltip="Where it was written.")],
            is_output_node=True,
        )

    @classmethod
    def execute(cls, camera, format, filename_prefix) -> io.NodeOutput:
        entry = formats.FORMATS[format]
        path = paths.output_file(filename_prefix, entry.extensions[0])
        formats.write_camera(camera, path, format)
        kept = ", ".join(
            word for word in ("poses", "intrinsics", "principal point", "fps", "unit") if word in entry.preserves
        )
        text = f"{camera.frames} frames in output/{paths.shown_output(path)}\nkeeps {kept}"
        return io.NodeOutput(str(path), ui={"text": [text]})
