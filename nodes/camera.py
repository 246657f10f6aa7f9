"""Camera Preset: a movement by name."""

from __future__ import annotations

from comfy_api.latest import io

from ..control.camera import presets
from ..control.camera.easing import EASING_NAMES
from . import inputs
from .sockets.types import Camera

COMBINATION = "combination"


def _option(name: str):
    """One entry of the movement list, with its own amount: unit, usual value and bounds."""
    preset = presets.PRESETS[name]
    low, high = preset.range
    if low == high:
        return io.DynamicCombo.Option(name, [])
    own = [
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
        own.append(take)
    return io.DynamicCombo.Option(name, own)


def _combination():
    """The entry for several movements in one text."""
    text = io.String.Input(
        "text",
        default="pan_right:20@0-0.5 + dolly_in:0.3@0.25-1",
        tooltip="Movements joined by +, each as name:amount@start-end; start and end are parts of the clip, 0 to 1.",
    )
    return io.DynamicCombo.Option(COMBINATION, [text])


class FullDiTCameraPreset(io.ComfyNode):
    """A camera movement by name."""

    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="FullDiTCameraPreset",
            display_name="Camera Preset (FullDiT)",
            category="FullDiT/camera",
            description=(
                "A camera movement by name: pan, tilt, roll, truck, dolly, orbit, arc, crane, zoom and more, or "
                "several of them in one clip."
            ),
            search_aliases=["camera motion", "camera path", "pan", "orbit", "dolly", "trajectory"],
            inputs=[
                io.DynamicCombo.Input(
                    "movement",
                    options=[*(_option(name) for name in presets.PRESETS), _combination()],
                    tooltip="What the camera does. The last frame reaches the amount in full.",
                ),
                inputs.frames(),
                inputs.fps(),
                io.Combo.Input(
                    "ease",
                    options=list(EASING_NAMES),
                    default="smooth",
                    tooltip="How the speed is spread. smooth: slow start and end. linear: one speed. in: slow start.",
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
                inputs.aspect("Width divided by height of the video.", advanced=True, optional=True),
            ],
            outputs=[Camera.Output(display_name="camera", tooltip="The camera path.")],
        )

    @classmethod
    def execute(cls, movement, frames, fps, ease, fov=50.0, aspect=1.5) -> io.NodeOutput:
        if movement["movement"] == COMBINATION:
            from ..control.camera.sequence import sequence

            return io.NodeOutput(sequence(movement["text"], frames, fps, fov, aspect, ease))
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
