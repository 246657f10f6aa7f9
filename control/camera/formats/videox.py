"""The camera string of VideoX-Fun's nodes: a JSON list with 18 numbers per frame, fx fy cx cy 0 0 and the 12 numbers of
the world-to-camera matrix (comfyui/comfyui_nodes.py, CameraTrajectoryFromChaoJie). Rows of 19 numbers, with a time
before them, are what the CAMERACTRL_POSES socket holds, and are read as well.

The program takes the intrinsics for those of a 1280x720 image and crops it to the video's aspect. Another aspect is
therefore written as the part of a 16:9 image that this crop gives, with the same focal length in the end.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from einops import rearrange

from ...errors import UserError
from ...files import atomic_path
from ..trajectory import CameraTrajectory, invert
from .format import UNKNOWN_UNIT, Format, ReadOptions
from .lens import image_aspect
from .mirror import mirrored
from .realestate import from_realestate_rows
from .source import Source, parse_json
from .values import check_frames, number_array

ASPECT = 1280 / 720


def to_videox_string(trajectory: CameraTrajectory) -> str:
    """Return the string of a trajectory, as VideoX-Fun's samplers take it."""
    w2c = rearrange(trajectory.w2c(), "f i j -> f (i j)")
    rows = np.concatenate([_uncropped_intrinsics(trajectory), np.zeros((trajectory.frames, 2)), w2c], 1)
    return json.dumps(rows.tolist())


def from_videox_rows(value: Any, mirror: str = "none") -> CameraTrajectory:
    """Return the trajectory, of a 16:9 image, of rows of 18 or 19 numbers. Raises UserError for anything else."""
    if not is_videox_rows(value):
        raise UserError("it is not a list of rows of 18 or 19 numbers (VideoX-Fun, CameraCtrl)")
    check_frames(len(value))
    rows = number_array(value, (None, len(value[0])), "its rows")
    if rows.shape[1] == 19:
        return from_realestate_rows(rows, mirror=mirror)
    w2c = CameraTrajectory(mirrored(rows[:, 6:].reshape(-1, 3, 4), mirror, w2c=True), rows[:, :4])
    return w2c.replace(c2w=invert(w2c.c2w), unit=UNKNOWN_UNIT)


def is_videox_rows(value: Any) -> bool:
    """Return whether a JSON value looks like a list of such rows."""
    return isinstance(value, list) and bool(value) and isinstance(value[0], list) and len(value[0]) in (18, 19)


def _uncropped_intrinsics(trajectory: CameraTrajectory, aspect: float = ASPECT) -> np.ndarray:
    """Return the intrinsics (F, 4) of an image with `aspect` from whose middle the trajectory's image is cropped.

    Focal lengths and principal point stay the same in pixels: the side that grows divides them.
    """
    own = image_aspect(trajectory)
    scale = np.array([max(1.0, aspect / own), max(1.0, own / aspect)])
    focal, center = trajectory.intrinsics[:, :2], trajectory.intrinsics[:, 2:]
    return np.concatenate([focal / scale, (center - 0.5) / scale + 0.5], 1)


def _rows(source: Source) -> Any:
    # A node's string is sometimes saved as a JSON string that holds the JSON.
    value = source.json
    return parse_json(value) if isinstance(value, str) else value


def _matches(source: Source) -> bool:
    return source.is_json and isinstance(source.json, (list, str)) and is_videox_rows(_rows(source))


def _read(source: Source, options: ReadOptions) -> CameraTrajectory:
    return from_videox_rows(_rows(source), options.mirror)


def _write(trajectory: CameraTrajectory, path: Path) -> None:
    with atomic_path(path) as temporary:
        temporary.write_text(to_videox_string(trajectory) + "\n", encoding="utf-8")


VIDEOX = Format(
    doc="VideoX-Fun's camera string: a JSON list of 18 numbers per frame (16:9)",
    extensions=(".json", ".txt"),
    preserves=frozenset({"poses"}),
    matches=_matches,
    read=_read,
    write=_write,
)
