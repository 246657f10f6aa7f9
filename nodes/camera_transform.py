"""Transform Camera: what can be done to a camera path."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from comfy_api.latest import io

from ..control.camera import CameraTrajectory, edit
from ..control.camera.easing import EASING_NAMES
from .sockets.types import Camera, DynamicChoice


class Operation(NamedTuple):
    """apply: called with the path and the values of `inputs` under their ids. inputs: beside the path."""

    apply: Callable[..., CameraTrajectory]
    inputs: list[io.Input]


def _number(name: str, default: float, low: float, high: float, tooltip: str, step: float = 0.05) -> io.Float.Input:
    return io.Float.Input(name, default=default, min=low, max=high, step=step, round=0.0001, tooltip=tooltip)


def _operations() -> dict[str, Operation]:
    """Return the operations by their name on the page."""
    return {
        "smooth": Operation(
            edit.smooth,
            [_number("seconds", 0.5, 0.0, 60.0, "Movements shorter than this are smoothed away. Both ends stay.")],
        ),
        "ease": Operation(
            lambda path, ease: edit.ease(path, ease),
            [io.Combo.Input("ease", options=list(EASING_NAMES), default="smooth", tooltip="Easing over the path.")],
        ),
        "shake": Operation(
            lambda path, degrees, distance, take, hertz: edit.add_handheld_shake(path, degrees, distance, take, hertz),
            [
                _number("degrees", 0.5, 0.0, 30.0, "The largest rotation, in degrees."),
                _number("distance", 0.01, 0.0, 10.0, "The largest shift, in units; presets' subject is at 1.", 0.005),
                io.Int.Input("take", default=0, min=0, max=2**31 - 1, tooltip="Another number gives another shake."),
                _number("hertz", 1.0, 0.05, 20.0, "1 is as fast as a hand, 2 twice as fast."),
            ],
        ),
        "scale movement": Operation(
            edit.scale_movement,
            [
                _number("distance", 1.0, -1000.0, 1000.0, "Multiplies how far the camera moves."),
                _number("turn", 1.0, -100.0, 100.0, "Multiplies how far it rotates."),
                _number("zoom", 1.0, -10.0, 10.0, "Multiplies the zoom: 0 removes it, -1 turns zoom in into zoom out."),
            ],
        ),
        "look at": Operation(
            lambda path, x, y, z, keep_roll: edit.look_at(path, (x, y, z), keep_roll),
            [
                _number("x", 0.0, -1000.0, 1000.0, "Right of the first camera, in units."),
                _number("y", 0.0, -1000.0, 1000.0, "Below the first camera, in units."),
                _number("z", 1.0, -1000.0, 1000.0, "In front of the first camera; the subject of presets is at 1."),
                io.Boolean.Input("keep_roll", default=False, tooltip="On: every frame keeps its own roll."),
            ],
        ),
        "field of view": Operation(
            lambda path, fov, keep_zoom: edit.with_lens(path, fov=fov, keep_zoom=keep_zoom),
            [
                _number("fov", 50.0, 1.0, 170.0, "Horizontal field of view in degrees.", 1.0),
                io.Boolean.Input("keep_zoom", default=True, tooltip="On: keep the path's zoom, from the new lens on."),
            ],
        ),
        "focal length": Operation(
            lambda path, focal_mm, sensor_mm, keep_zoom: edit.with_lens(
                path, focal_mm=focal_mm, sensor_mm=sensor_mm, keep_zoom=keep_zoom
            ),
            [
                _number("focal_mm", 35.0, 1.0, 1000.0, "Focal length in millimeters.", 1.0),
                _number("sensor_mm", 36.0, 1.0, 100.0, "Width of the sensor: 36 is full frame, 24.89 Super 35.", 0.01),
                io.Boolean.Input("keep_zoom", default=True, tooltip="On: keep the path's zoom, from the new lens on."),
            ],
        ),
        "dolly zoom": Operation(
            edit.dolly_zoom,
            [_number("subject_distance", 1.0, 0.001, 1000.0, "Distance of the subject that keeps its size.")],
        ),
        "reverse": Operation(edit.reverse, []),
        "mirror": Operation(edit.mirror, []),
        "start at zero": Operation(lambda path: path.relative(), []),
        "resample": Operation(
            lambda path, frames, fps: path.resample(frames, fps=fps or None),
            [
                io.Int.Input("frames", default=17, min=1, max=1025, tooltip="Number of frames of the whole path."),
                _number("fps", 0.0, 0.0, 240.0, "Frames per second of the result; 0 keeps the path's.", 0.5),
            ],
        ),
        "append": Operation(
            lambda path, second, continuous: edit.concatenate([path, second], continuous),
            [
                Camera.Input("second", tooltip="The path that comes after this one."),
                io.Boolean.Input(
                    "continuous", default=True, tooltip="On: it starts where the first path ends. Off: a cut."
                ),
            ],
        ),
        "add": Operation(
            lambda path, second: edit.compose_movements(path, second),
            [Camera.Input("second", tooltip="The movement to add, in the camera coordinates of the first path.")],
        ),
    }


class FullDiTTransformCamera(io.ComfyNode):
    """One operation on a camera path; chain several."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="FullDiTTransformCamera",
            display_name="Transform Camera (FullDiT)",
            category="FullDiT/camera",
            description=(
                "Changes a camera path: smooth, ease, shake, scale, look at, lens, dolly zoom, reverse, mirror, "
                "resample, append or add a second path. Chain several nodes for several changes."
            ),
            search_aliases=["camera shake", "smooth camera", "look at", "reverse camera", "join cameras", "lens"],
            inputs=[
                Camera.Input("camera", tooltip="The path to change."),
                io.DynamicCombo.Input(
                    "operation",
                    options=[io.DynamicCombo.Option(name, entry.inputs) for name, entry in _operations().items()],
                    tooltip="The change to make; each has inputs of its own.",
                ),
            ],
            outputs=[Camera.Output(display_name="camera", tooltip="The changed path.")],
        )

    @classmethod
    def execute(cls, camera: CameraTrajectory, operation: DynamicChoice) -> io.NodeOutput:
        values = {name: value for name, value in operation.items() if name != "operation"}
        return io.NodeOutput(_operations()[operation["operation"]].apply(camera, **values))
