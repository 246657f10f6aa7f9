"""Bare camera-to-world matrices, 4x4 or 3x4 per frame in OpenCV axes: a JSON list (also under "c2w"), or a .npy array.

Neither has intrinsics; a field of view of 50 degrees is assumed. The JSON object {"c2w": ..., "intrinsics": ...,
"fps": ...} may bring them.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import UserError
from ...files import atomic_path
from ..trajectory import CameraTrajectory
from .common import DEFAULT_ASPECT, DEFAULT_FPS, Format, Reading, Source, check_frames, number, square, usual_intrinsics


def from_matrices(matrices: Any, intrinsics: Any = None, fps: float = DEFAULT_FPS, aspect: float = DEFAULT_ASPECT):
    """The trajectory of (F, 4, 4) or (F, 3, 4) camera-to-world; intrinsics (4,) or (F, 4) normalised, or None."""
    if isinstance(matrices, (list, np.ndarray)):
        check_frames(len(matrices) if np.ndim(matrices) != 0 or isinstance(matrices, list) else 0)
    return CameraTrajectory(matrices, usual_intrinsics(aspect) if intrinsics is None else intrinsics, fps)


def from_object(value: dict, aspect: float = DEFAULT_ASPECT) -> CameraTrajectory:
    """The trajectory of {"c2w": matrices, "intrinsics": ..., "fps": ...}; the last two may be missing."""
    fps = number(value.get("fps", DEFAULT_FPS), "fps")
    return from_matrices(value["c2w"], value.get("intrinsics"), fps, aspect)


def _looks_json(source: Source) -> bool:
    if not source.is_json:
        return False
    if isinstance(source.json, dict):
        return "c2w" in source.json and "format" not in source.json
    return isinstance(source.json, list)


def _read_json(source: Source, reading: Reading) -> CameraTrajectory:
    if isinstance(source.json, dict):
        return from_object(source.json, reading.aspect)
    return from_matrices(source.json, aspect=reading.aspect)


def _write_json(trajectory: CameraTrajectory, path: Path) -> None:
    lines = ",\n".join(json.dumps(matrix) for matrix in square(trajectory.c2w).tolist())
    with atomic_path(path) as temporary:
        temporary.write_text(f"[\n{lines}\n]\n", encoding="utf-8")


def _read_npy(source: Source, reading: Reading) -> CameraTrajectory:
    if source.size > 4096 + 100_000 * 16 * 8:
        raise UserError("the NumPy array is larger than 100000 frames: this is no camera path")
    try:
        values = np.load(source.path, allow_pickle=False)
    except (ValueError, OSError, EOFError, SyntaxError, TypeError, OverflowError, MemoryError) as error:
        raise UserError(f"the NumPy array is truncated or holds Python objects ({error})") from error
    if not isinstance(values, np.ndarray) or values.dtype.kind not in "fiu":
        raise UserError(f"the NumPy array holds {getattr(values, 'dtype', 'several arrays')}, not numbers")
    return from_matrices(values, aspect=reading.aspect)


def _write_npy(trajectory: CameraTrajectory, path: Path) -> None:
    with atomic_path(path) as temporary:
        np.save(temporary, square(trajectory.c2w), allow_pickle=False)


MATRICES = Format(
    doc="4x4 camera-to-world matrices as a JSON list",
    endings=(".json",),
    carries=frozenset({"poses"}),
    looks=_looks_json,
    read=_read_json,
    write=_write_json,
)
NPY = Format(
    doc="4x4 camera-to-world matrices as a NumPy array",
    endings=(".npy",),
    carries=frozenset({"poses"}),
    looks=lambda source: source.head[:6] == b"\x93NUMPY",
    read=_read_npy,
    write=_write_npy,
)
