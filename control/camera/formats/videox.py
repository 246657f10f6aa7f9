"""The camera string of VideoX-Fun's nodes: a JSON list with 18 numbers per frame, fx fy cx cy 0 0 and the 12 numbers of
the world-to-camera matrix (comfyui/comfyui_nodes.py, CameraTrajectoryFromChaoJie). Rows of 19 numbers, a time before
them, are what the CAMERACTRL_POSES socket holds, and are read as well.

The program takes the intrinsics for those of a 1280x720 image and crops it to the video's shape. Another shape is
therefore written as the part of a 16:9 image that this crop gives, with the same focal length in the end.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import UserError
from ...files import atomic_path
from ..trajectory import CameraTrajectory, invert
from .common import UNKNOWN, Format, Reading, Source, array, aspect_of, check_frames, parse_json

ASPECT = 1280 / 720


def to_string(trajectory: CameraTrajectory) -> str:
    """The string of a trajectory, as VideoX-Fun's samplers take it."""
    rows = np.concatenate([widened(trajectory), np.zeros((trajectory.frames, 2)), _flat(trajectory.w2c())], 1)
    return json.dumps(rows.tolist())


def from_string(text: str) -> CameraTrajectory:
    """The trajectory of such a string; it is of a 16:9 image. Raises UserError for anything else."""
    return from_list(parse_json(text))


def from_list(value: Any) -> CameraTrajectory:
    """The trajectory of a list of rows of 18 or 19 numbers. Raises UserError for anything else."""
    if not is_list(value):
        raise UserError("it is no list of rows of 18 or 19 numbers (VideoX-Fun, CameraCtrl)")
    check_frames(len(value))
    values = array(value, (None, len(value[0])), "its rows")[:, -18:]
    w2c = CameraTrajectory(values[:, 6:].reshape(-1, 3, 4), values[:, :4])
    return w2c.replace(c2w=invert(w2c.c2w), unit=UNKNOWN)


def is_list(value: Any) -> bool:
    """Whether a JSON value seems to be such a list."""
    return isinstance(value, list) and bool(value) and isinstance(value[0], list) and len(value[0]) in (18, 19)


def widened(trajectory: CameraTrajectory, aspect: float = ASPECT) -> np.ndarray:
    """Intrinsics (F, 4) of an image of another shape from whose middle the trajectory's image is cut.

    Focal lengths and principal point stay where they are in the scene: the side that grows divides them.
    """
    grow = max(1.0, aspect / aspect_of(trajectory)), max(1.0, aspect_of(trajectory) / aspect)
    scale = np.array(grow)
    return np.concatenate([trajectory.intrinsics[:, :2] / scale, (trajectory.intrinsics[:, 2:] - 0.5) / scale + 0.5], 1)


def _flat(w2c: np.ndarray) -> np.ndarray:
    return w2c.reshape(len(w2c), 12)


def _value(source: Source) -> Any:
    # A node's string is sometimes saved as a JSON string that holds the JSON.
    value = source.json
    return parse_json(value) if isinstance(value, str) else value


def _looks(source: Source) -> bool:
    return source.is_json and isinstance(source.json, (list, str)) and is_list(_value(source))


def _read(source: Source, reading: Reading) -> CameraTrajectory:
    return from_list(_value(source))


def _write(trajectory: CameraTrajectory, path: Path) -> None:
    with atomic_path(path) as temporary:
        temporary.write_text(to_string(trajectory) + "\n", encoding="utf-8")


VIDEOX = Format(
    doc="VideoX-Fun's camera string: a JSON list of 18 numbers per frame (16:9)",
    endings=(".json", ".txt"),
    carries=frozenset({"poses"}),
    looks=_looks,
    read=_read,
    write=_write,
)
