"""Bare camera-to-world matrices, 4x4 or 3x4 per frame in OpenCV axes: a JSON list (also under "c2w"), or a .npy array.

Neither has intrinsics; a field of view of 50 degrees is assumed. The JSON object {"c2w": ..., "intrinsics": ...,
"fps": ...} may bring them.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from ...array_files import read_array
from ...errors import UserError
from ...files import JsonObject, atomic_path
from ..trajectory import CameraTrajectory
from .axes import to_4x4
from .format import DEFAULT_ASPECT, DEFAULT_FPS, Format, ReadOptions
from .lens import default_intrinsics
from .mirror import mirrored, unscaled
from .source import MAX_ARRAY_BYTES, Source
from .values import check_frames, number, number_array


def from_matrices(
    matrices: Any,
    intrinsics: Any = None,
    fps: float = DEFAULT_FPS,
    aspect: float = DEFAULT_ASPECT,
    mirror: str = "none",
) -> CameraTrajectory:
    """Return the trajectory of (F, 4, 4) or (F, 3, 4) camera-to-world.

    intrinsics: (4,) or (F, 4), normalized; None = the default lens for `aspect` (width / height). Raises UserError for
    other shapes and matrices that are not poses.
    """
    if isinstance(matrices, list):
        check_frames(len(matrices))
    c2w = number_array(matrices, (None, None, 4), "its camera matrices")
    notes: tuple[str, ...] = ()
    if c2w.shape[1] in (3, 4):
        c2w, notes = unscaled(mirrored(c2w, mirror))
    return CameraTrajectory(c2w, default_intrinsics(aspect) if intrinsics is None else intrinsics, fps, notes=notes)


def from_matrix_object(value: JsonObject, aspect: float = DEFAULT_ASPECT, mirror: str = "none") -> CameraTrajectory:
    """Return the trajectory of {"c2w": matrices, "intrinsics": ..., "fps": ...}; the last two may be missing."""
    fps = number(value.get("fps", DEFAULT_FPS), "fps")
    return from_matrices(value["c2w"], value.get("intrinsics"), fps, aspect, mirror)


def _matches_json(source: Source) -> bool:
    if not source.is_json:
        return False
    if isinstance(source.json, dict):
        return "c2w" in source.json and "format" not in source.json
    return isinstance(source.json, list)


def _read_json(source: Source, options: ReadOptions) -> CameraTrajectory:
    if isinstance(source.json, dict):
        return from_matrix_object(source.json, options.aspect, options.mirror)
    return from_matrices(source.json, aspect=options.aspect, mirror=options.mirror)


def _write_json(trajectory: CameraTrajectory, path: Path) -> None:
    lines = ",\n".join(json.dumps(matrix) for matrix in to_4x4(trajectory.c2w).tolist())
    with atomic_path(path) as temporary:
        temporary.write_text(f"[\n{lines}\n]\n", encoding="utf-8")


def _read_npy(source: Source, options: ReadOptions) -> CameraTrajectory:
    with open(source.path, "rb") as file:
        values = read_array(file, source.size, MAX_ARRAY_BYTES)
    if values.ndim != 3:
        raise UserError(f"the NumPy array has shape {values.shape}; (frames, 4, 4) or (frames, 3, 4) was expected")
    return from_matrices(values, aspect=options.aspect, mirror=options.mirror)


def _write_npy(trajectory: CameraTrajectory, path: Path) -> None:
    with atomic_path(path) as temporary:
        np.save(temporary, to_4x4(trajectory.c2w), allow_pickle=False)


MATRICES = Format(
    doc="4x4 camera-to-world matrices as a JSON list",
    extensions=(".json",),
    preserves=frozenset({"poses"}),
    matches=_matches_json,
    read=_read_json,
    write=_write_json,
)
NPY = Format(
    doc="4x4 camera-to-world matrices as a NumPy array",
    extensions=(".npy",),
    preserves=frozenset({"poses"}),
    matches=lambda source: source.head[:6] == b"\x93NUMPY",
    read=_read_npy,
    write=_write_npy,
)
