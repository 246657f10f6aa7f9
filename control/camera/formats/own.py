"""This pack's own JSON (`"format": "fulldit-camera"`): a pose per frame, or a few keys as the path editor draws them.

It keeps everything a trajectory has, to the last bit. docs/conventions.md shows both kinds.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ...errors import UserError
from ...files import write_json
from ..splines import path_from_state
from ..trajectory import UNIT, CameraTrajectory
from .common import DEFAULT_ASPECT, DEFAULT_FPS, Format, Reading, Source, column, number, records

FORMAT, VERSION = "fulldit-camera", 1


def to_own(trajectory: CameraTrajectory) -> dict[str, Any]:
    """The trajectory as plain JSON values: the file's content, and the state of a widget."""
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


def from_own(value: dict[str, Any], keyed: int = 17, aspect: float = DEFAULT_ASPECT) -> CameraTrajectory:
    """The trajectory of an object whose "format" is ours. Raises UserError for newer versions and missing fields."""
    if value.get("version", 0) != VERSION:
        raise UserError(f"it is version {value.get('version')} of {FORMAT}, this program reads {VERSION}: update it")
    fps = number(value.get("fps", DEFAULT_FPS), "fps")
    if "keys" in value:
        return path_from_state(value, keyed, fps, aspect)
    frames = records(value)
    return CameraTrajectory(
        column(frames, "c2w"),
        column(frames, "intrinsics"),
        fps=fps,
        pixel_aspect=number(value.get("pixel_aspect", 1.0), "pixel_aspect"),
        unit=str(value.get("unit", UNIT))[:100],
    )


def _looks(source: Source) -> bool:
    return source.object.get("format") == FORMAT


def _read(source: Source, reading: Reading) -> CameraTrajectory:
    return from_own(source.object, reading.keyed, reading.aspect)


def _write(trajectory: CameraTrajectory, path: Path) -> None:
    write_json(path, to_own(trajectory))


OWN = Format(
    doc="FullDiT camera: this pack's JSON, keeps everything",
    endings=(".json",),
    carries=frozenset({"poses", "intrinsics", "principal point", "fps", "unit", "pixel_aspect"}),
    looks=_looks,
    read=_read,
    write=_write,
)
