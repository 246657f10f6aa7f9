"""TUM RGB-D trajectories, as SLAM programs write them: `time tx ty tz qx qy qz qw` per line, time in seconds.

Camera-to-world in OpenCV axes; lines with # are comments
(https://cvg.cit.tum.de/data/datasets/rgbd-dataset/file_formats). A text of the same kind with 12 numbers per line, the
camera-to-world matrix row by row, is KITTI's odometry format; it has no time.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ...errors import UserError
from ...files import atomic_path
from .. import rotations
from ..trajectory import CameraTrajectory
from .common import UNKNOWN, Format, Reading, Source, fps_of, from_quaternion, pose, rows, square, usual_intrinsics

COLUMNS = "time tx ty tz qx qy qz qw (TUM)"
KITTI_COLUMNS = "the camera-to-world matrix row by row (KITTI), 3x4 or 4x4"


def _count(source: Source, counts: set[int]) -> bool:
    """Whether the first line of numbers has one of `counts` numbers."""
    if source.binary or source.is_json or not source.lines:
        return False
    line = source.lines[0][1]
    if len(line.replace(",", " ").split()) not in counts:
        return False
    return not any(character.isalpha() and character not in "eEnaif" for character in line)


def _read_tum(source: Source, reading: Reading) -> CameraTrajectory:
    values = rows(source.lines, (8,), COLUMNS)
    for (number, _), quaternion in zip(source.lines, values[:, 4:], strict=True):
        if abs(np.linalg.norm(quaternion) - 1) > 1e-2:
            raise UserError(f"line {number} has a quaternion that is not of length 1: {COLUMNS} was expected")
    if (np.diff(values[:, 0]) < 0).any():
        number = source.lines[int((np.diff(values[:, 0]) < 0).argmax()) + 1][0]
        raise UserError(f"line {number} has an earlier time than the line before it")
    c2w = pose(from_quaternion(values[:, [7, 4, 5, 6]]), values[:, 1:4])
    return CameraTrajectory(c2w, usual_intrinsics(reading.aspect), fps=fps_of(values[:, 0]), unit=UNKNOWN)


def _write_tum(trajectory: CameraTrajectory, path: Path) -> None:
    quaternions = rotations.to_quaternion(trajectory.c2w[:, :, :3])[:, [1, 2, 3, 0]]
    lines = ["# time tx ty tz qx qy qz qw"]
    for frame, values in enumerate(np.concatenate([trajectory.c2w[:, :, 3], quaternions], 1)):
        lines.append(" ".join([f"{frame / trajectory.fps:.6f}", *(f"{value:.15g}" for value in values)]))
    with atomic_path(path) as temporary:
        temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _read_kitti(source: Source, reading: Reading) -> CameraTrajectory:
    values = rows(source.lines, (12, 16), KITTI_COLUMNS)
    c2w = values.reshape(len(values), -1, 4)
    return CameraTrajectory(c2w, usual_intrinsics(reading.aspect), unit=UNKNOWN)


def _write_kitti(trajectory: CameraTrajectory, path: Path) -> None:
    lines = [" ".join(f"{value:.15g}" for value in matrix[:3].ravel()) for matrix in square(trajectory.c2w)]
    with atomic_path(path) as temporary:
        temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")


TUM = Format(
    doc="TUM trajectory text: time, position and quaternion per line",
    endings=(".tum", ".txt"),
    carries=frozenset({"poses", "fps"}),
    looks=lambda source: _count(source, {8}),
    read=_read_tum,
    write=_write_tum,
)
KITTI = Format(
    doc="KITTI text: a 3x4 matrix per line",
    endings=(".kitti", ".txt"),
    carries=frozenset({"poses"}),
    looks=lambda source: _count(source, {12, 16}),
    read=_read_kitti,
    write=_write_kitti,
)
