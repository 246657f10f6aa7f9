"""Camera nodes: a preset, or a path from a file."""

from __future__ import annotations

from comfy_api.latest import io

from ..control.camera import formats, presets
from .bridge import paths
from .types import Camera

ENDINGS = (".json", ".txt", ".npy")


def _option(name: str):
    """One entry of the movement list, with its own amount: unit, usual value and bounds."""
    preset = presets.PRESETS[name]
    low, high = preset.range
    if low == high:
        return io.DynamicCombo.Option(name, [])
    inputs = [
        io.Float.Input(
            "amount",
            default=float(preset.default),
            min=float(low),
            max=float(high),
            step=1.0 if "degrees" in preset.unit else 0.05,
            round=0.001,
            tooltip=f"{preset.doc} In {preset.unit}.",
        )
    ]
    if name == "handheld":
        take = io.Int.Input("take", default=0, min=0, max=2**31 - 1, tooltip="Another number sways differently.")
        inputs.append(take)
    return io.DynamicCombo.Option(name, inputs)


class FullDiTCameraPreset(io.ComfyNode):
    """A camera movement by name."""

    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="FullDiTCameraPreset",
            display_name="Camera Preset (FullDiT)",
            category="FullDiT/camera",
            description="A camera movement by name: pan, tilt, roll, truck, dolly, orbit, arc, crane, zoom and more.",
            search_aliases=["camera motion", "camera path", "pan", "orbit", "dolly", "trajectory"],
            inputs=[
                io.DynamicCombo.Input(
                    "movement",
                    options=[_option(name) for name in presets.PRESETS],
                    tooltip="What the camera does. The last frame reaches the amount in full.",
                ),
                io.Int.Input("frames", default=17, min=1, max=1025, tooltip="How many poses: the length of the video."),
                io.Float.Input(
                    "fps", default=8.0, min=0.1, max=240.0, step=0.5, tooltip="Frames per second of the video."
                ),
                io.Combo.Input(
                    "ease",
                    options=list(presets.EASES),
                    default="smooth",
                    tooltip="smooth: slow start and end. linear: one speed. in: slow start. out: slow end.",
                ),
                io.Float.Input(
                    "fov",
                    default=50.0,
                    min=5.0,
                    max=150.0,
                    step=1.0,
                    advanced=True,
                    optional=True,
                    tooltip="Horizontal field of view in degrees. The embedded model knows about 35 to 75.",
                ),
                io.Float.Input(
                    "aspect",
                    default=1.5,
                    min=0.1,
                    max=10.0,
                    step=0.05,
                    round=0.001,
                    advanced=True,
                    optional=True,
                    tooltip="Width divided by height of the video.",
                ),
            ],
            outputs=[Camera.Output(display_name="camera", tooltip="The camera path.")],
        )

    @classmethod
    def execute(cls, movement, frames, fps, ease, fov=50.0, aspect=1.5) -> io.NodeOutput:
        path = presets.preset(
            movement["movement"],
            frames=frames,
            amount=movement.get("amount"),
            fps=fps,
            fov=fov,
            aspect=aspect,
            ease=ease,
            seed=movement.get("take", 0),
        )
        return io.NodeOutput(path)


class FullDiTLoadCamera(io.ComfyNode):
    """A camera path from a file of ComfyUI's input folder."""

    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="FullDiTLoadCamera",
            display_name="Load Camera File (FullDiT)",
            category="FullDiT/camera",
            description=(
                "A camera path from ComfyUI's input folder: this pack's JSON, a RealEstate10K text file, "
                "or 4x4 camera-to-world matrices as JSON or .npy."
            ),
            search_aliases=["camera path", "trajectory", "RealEstate10K", "camera poses"],
            inputs=[
                io.Combo.Input(
                    "file", options=paths.input_files(*ENDINGS), tooltip="A file of the input folder; R refreshes."
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
            ],
            outputs=[Camera.Output(display_name="camera", tooltip="The camera path.")],
        )

    @classmethod
    def fingerprint_inputs(cls, file, **_):
        """Run again when the file changed."""
        return paths.input_file(file).stat().st_mtime_ns

    @classmethod
    def validate_inputs(cls, file):
        try:
            paths.input_file(file)
        except ValueError as error:
            return str(error)
        return True

    @classmethod
    def execute(cls, file, frames, scale) -> io.NodeOutput:
        path = formats.read_camera(paths.input_file(file), frames=frames or None)
        return io.NodeOutput(path.scaled(scale) if scale != 1 else path)
