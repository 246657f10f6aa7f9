"""This pack's own JSON (`"format": "fulldit-camera"`): a pose per frame, or a few keyframes of the path editor.

It preserves everything a trajectory has, to the last bit. docs/conventions.md shows both kinds.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ...errors import UserError
from ...files import JsonObject, write_json
from ..splines import path_from_editor_state
from ..trajectory import UNIT, CameraTrajectory
from .format import DEFAULT_ASPECT, DEFAULT_FPS, DEFAULT_FRAMES, Format, ReadOptions
from .mirror import mirrored
from .source import Source
from .values import frame_objects, frame_values, number

FORMAT, VERSION = "fulldit-camera", 1


def to_fulldit_json(trajectory: CameraTrajectory) -> JsonObject:
    """Return the trajectory as plain JSON values: the content of a file, and the state of a widget."""
    return {
        "format": FORMAT,
        "version": VERSION,
        "axes": "OpenCV: x right, y down, z forward; c2w = camera to world",
        "unit": trajectory.unit,
        "fps": trajectory.fps,
        "pixel_aspect": trajectory.pixel_aspect,
        "frames": [
            {"c2w": c2w.tolist(), "intrinsics": intrinsics.tolist()}
            for c2w, intrinsics in zip(trajectory.c2w, trajectory.intrinsics, strict=True)
        ],
    }


def from_fulldit_json(
    value: JsonObject, default_frames: int = DEFAULT_FRAMES, aspect: float = DEFAULT_ASPECT
) -> CameraTrajectory:
    """Return the trajectory of an object whose "format" is ours.

    default_frames, aspect (width / height): of a file of keyframes. Raises UserError for newer versions and missing
    fields.
    """
    if value.get("version", 0) != VERSION:
        raise UserError(
            f"it is version {str(value.get('version'))[:20]} of {FORMAT}, this program reads {VERSION}: update it"
        )
    fps = number(value.get("fps", DEFAULT_FPS), "fps")
    if "keys" in value:
        return path_from_editor_state(value, default_frames, fps, aspect)
    frames = frame_objects(value)
    c2w: Any = frame_values(frames, "c2w")
    intrinsics: Any = frame_values(frames, "intrinsics")
    return CameraTrajectory(
        c2w,
        intrinsics,
        fps=fps,
        pixel_aspect=number(value.get("pixel_aspect", 1.0), "pixel_aspect"),
        unit=str(value.get("unit", UNIT))[:100],
    )


def _matches(source: Source) -> bool:
    return source.json_object.get("format") == FORMAT


def _read(source: Source, options: ReadOptions) -> CameraTrajectory:
    path = from_fulldit_json(source.json_object, options.default_frames, options.aspect)
    return path.replace(c2w=mirrored(path.c2w, options.mirror))


def _write(trajectory: CameraTrajectory, path: Path) -> None:
    write_json(path, to_fulldit_json(trajectory))


FULLDIT = Format(
    doc="FullDiT camera: this pack's JSON, keeps everything",
    extensions=(".json",),
    preserves=frozenset({"poses", "intrinsics", "principal point", "fps", "unit", "pixel_aspect"}),
    matches=_matches,
    read=_read,
    write=_write,
)
