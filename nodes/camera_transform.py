"""Transform Camera: what can be done to a camera path."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from comfy_api.latest import io

from ..control.camera import CameraTrajectory, edit
from ..control.camera.easing import EASING_NAMES
from .sockets.types import Camera

Work = Callable[..., CameraTrajectory]


def _number(name: str, default: float, low: float, high: float, tooltip: str, step: float = 0.05):
    return io.Float.Input(name, default=default, min=low, max=high, step=step, round=0.0001, tooltip=tooltip)


# Every operation with what it asks for; the names of the inputs are those of the function's arguments.
def _operations() -> dict[str, tuple[Work, list]]:
    return {
        "smooth": (
            edit.smooth,
            [_number("seconds", 0.5, 0.0, 60.0, "What is shorter than this is evened out. The ends stay.")],
        ),
        "ease": (
            lambda path, ease: edit.ease(path, ease),
            [io.Combo.Input("ease", options=list(EASING_NAMES), default="smooth", tooltip="How the speed is spread.")],
        ),
        "shake": (
            lambda path, degrees, distance, take, hertz: edit.add_handheld_shake(path, degrees, distance, take, hertz),
            [
                _number("degrees", 0.5, 0.0, 30.0, "The largest turn of the hand, in degrees."),
                _number("distance", 0.01, 0.0, 10.0, "The largest shift; 0.01 is a hundredth of the unit.", 0.005),
                io.Int.Input("take", default=0, min=0, max=2**31 - 1, tooltip="Another number sways differently."),
                _number("hertz", 1.0, 0.05, 20.0, "1 sways as a hand does, 2 twice as fast."),
            ],
        ),
        "scale movement": (
            edit.scale_movement,
            [
                _number("distance", 1.0, -1000.0, 1000.0, "Times how far the camera moves."),
                _number("turn", 1.0, -100.0, 100.0, "Times how far it turns."),
                _number("zoom", 1.0, -10.0, 10.0, "0 takes the zoom away, -1 makes a zoom in a zoom out."),
            ],
        ),
        "look at": (
            lambda path, x, y, z, keep_roll: edit.look_at(path, (x, y, z), keep_roll),
            [
                _number("x", 0.0, -1000.0, 1000.0, "Right of the first camera, in units."),
                _number("y", 0.0, -1000.0, 1000.0, "Below the first camera, in units."),
                _number("z", 1.0, -1000.0, 1000.0, "Before the first camera; the subject of presets is at 1."),
                io.Boolean.Input("keep_roll", default=False, tooltip="On, a frame keeps its own roll."),
            ],
        ),
        "field of view": (
            lambda path, fov, keep_zoom: edit.with_lens(path, fov=fov, keep_zoom=keep_zoom),
            [
                _number("fov", 50.0, 1.0, 170.0, "Across, in degrees.", 1.0),
                io.Boolean.Input("keep_zoom", default=True, tooltip="On, a zoom goes on from the new lens."),
            ],
        ),
        "focal length": (
            lambda path, focal_mm, sensor_mm, keep_zoom: edit.with_lens(
                path, focal_mm=focal_mm, sensor_mm=sensor_mm, keep_zoom=keep_zoom
            ),
            [
                _number("focal_mm", 35.0, 1.0, 1000.0, "In millimeters.", 1.0),
                _number("sensor_mm", 36.0, 1.0, 100.0, "Width of the sensor: 36 is full frame, 24.89 Super 35.", 0.01),
                io.Boolean.Input("keep_zoom", default=True, tooltip="On, a zoom goes on from the new lens."),
            ],
        ),
        "dolly zoom": (
            edit.dolly_zoom,
            [_number("subject_distance", 1.0, 0.001, 1000.0, "Where the subject is that keeps its size.")],
        ),
        "reverse": (edit.reverse, []),
        "mirror": (edit.mirror, []),
        "start at zero": (lambda path: path.relative(), []),
        "resample": (
            lambda path, frames, fps: path.resample(frames, fps=fps or None),
            [
                io.Int.Input("frames", default=17, min=1, max=1025, tooltip="The whole path over so many frames."),
                _number("fps", 0.0, 0.0, 240.0, "Frames per second of the result; 0 keeps the path's.", 0.5),
            ],
        ),
        "append": (
            lambda path, second, continuous: edit.concatenate([path, second], continuous),
            [
                Camera.Input("second", tooltip="The path that comes after."),
                io.Boolean.Input(
                    "continuous", default=True, tooltip="On, it starts where the first ends. Off, it is a cut."
                ),
            ],
        ),
        "add": (
            lambda path, second: edit.compose_movements(path, second),
            [Camera.Input("second", tooltip="The movement on top, made in the frame of the first's camera.")],
        ),
    }


class FullDiTTransformCamera(io.ComfyNode):
    """One operation on a camera path; chain several."""

    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="FullDiTTransformCamera",
            display_name="Transform Camera (FullDiT)",
            category="FullDiT/camera",
            description=(
                "One change to a camera path: smooth, ease, shake, scale, look at, lens, dolly zoom, reverse, mirror, "
                "resample, or a second path appended or added. Chain several."
            ),
            search_aliases=["camera shake", "smooth camera", "look at", "reverse camera", "join cameras", "lens"],
            inputs=[
                Camera.Input("camera", tooltip="The path to change."),
                io.DynamicCombo.Input(
                    "operation",
                    options=[io.DynamicCombo.Option(name, inputs) for name, (_, inputs) in _operations().items()],
                    tooltip="What is done; each has inputs of its own.",
                ),
            ],
            outputs=[Camera.Output(display_name="camera", tooltip="The changed path.")],
        )

    @classmethod
    def execute(cls, camera: CameraTrajectory, operation: dict[str, Any]) -> io.NodeOutput:
        work, _ = _operations()[operation["operation"]]
        return io.NodeOutput(work(camera, **{name: value for name, value in operation.items() if name != "operation"}))
