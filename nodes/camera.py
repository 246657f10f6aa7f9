"""Camera Preset: a movement by name."""

from __future__ import annotations

from comfy_api.latest import io

from ..control.camera import presets
from ..control.camera.easing import EASING_NAMES
from . import inputs
from .followed import follow
from .sockets.cameras import COMBINATION, from_movement
from .sockets.types import Camera, DynamicChoice, HostModel


def _option(name: str) -> io.DynamicCombo.Option:
    """Return one entry of the movement list, with an amount of its own: unit, default and bounds."""
    preset = presets.PRESETS[name]
    low, high = preset.range
    if low == high:
        return io.DynamicCombo.Option(name, [])
    settings = [
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
        take = io.Int.Input("take", default=0, min=0, max=2**31 - 1, tooltip="Another number gives another sway.")
        settings.append(take)
    return io.DynamicCombo.Option(name, settings)


def _combination() -> io.DynamicCombo.Option:
    """Return the entry for several movements in one text."""
    text = io.String.Input(
        "text",
        default="pan_right:20@0-0.5 + dolly_in:0.3@0.25-1",
        tooltip="Movements joined by +, each as name:amount@start-end; start and end are shares of the clip, 0 to 1.",
    )
    return io.DynamicCombo.Option(COMBINATION, [text])


class FullDiTCameraPreset(io.ComfyNode):
    """A camera movement by name."""

    @classmethod
    def define_schema(cls) -> io.Schema:
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
                    tooltip="The movement of the camera. The last frame reaches the full amount.",
                ),
                inputs.frames(),
                inputs.fps(),
                io.Combo.Input(
                    "ease",
                    options=list(EASING_NAMES),
                    default="smooth",
                    tooltip="Easing over the clip. smooth: slow start and end. linear: constant speed. in: slow start.",
                ),
                io.Float.Input(
                    "fov",
                    default=50.0,
                    min=5.0,
                    max=150.0,
                    step=1.0,
                    advanced=True,
                    optional=True,
                    tooltip="Horizontal field of view in degrees. The embedded model was trained on 35 to 75.",
                ),
                inputs.aspect("Width divided by height of the video.", advanced=True, optional=True),
                inputs.followed_model(),
            ],
            outputs=[Camera.Output(display_name="camera", tooltip="The camera path.")],
        )

    @classmethod
    def execute(
        cls,
        movement: DynamicChoice,
        frames: int,
        fps: float,
        ease: str,
        fov: float = 50.0,
        aspect: float = 1.5,
        model: HostModel | None = None,
    ) -> io.NodeOutput:
        own = follow(model)
        path = from_movement(movement, own.frames_of(frames), own.fps_of(fps), ease, fov, own.aspect_of(aspect))
        return io.NodeOutput(path, ui=own.message())
