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
from ..even_times import spread_by_seconds
from ..trajectory import CameraTrajectory, make_poses
from .format import UNKNOWN_UNIT, Format, ReadOptions
from .lens import default_intrinsics
from .mirror import mirrored
from .source import Source
from .timing import second_of
from .values import number_rows

COLUMNS = "time tx ty tz qx qy qz qw (TUM)"
KITTI_COLUMNS = "the camera-to-world matrix row by row (KITTI), 3x4 or 4x4"


def _first_line_has(source: Source, counts: set[int]) -> bool:
    """Return whether the first line of a text has one of `counts` numbers."""
    if source.is_binary or source.is_json or not source.rows:
        return False
    line = source.rows[0][1]
    if len(line.split()) not in counts:
        return False
    # Letters of numbers: 1e-3, nan, inf.
    return not any(character.isalpha() and character not in "eEnaif" for character in line)


def _read_tum(source: Source, options: ReadOptions) -> CameraTrajectory:
    rows = number_rows(source.rows, (8,), COLUMNS)
    times, positions, xyzw = rows[:, 0], rows[:, 1:4], rows[:, 4:]
    for (line_number, _), quaternion in zip(source.lines, xyzw, strict=True):
        if abs(np.linalg.norm(quaternion) - 1) > 1e-2:
            raise UserError(f"line {line_number} has a quaternion that is not of length 1: {COLUMNS} was expected")
    earlier = np.diff(times) < 0
    if earlier.any():
        line_number = source.lines[int(earlier.argmax()) + 1][0]
        raise UserError(f"line {line_number} has an earlier time than the line before it")
    c2w = mirrored(make_poses(rotations.from_quaternion(xyzw[:, [3, 0, 1, 2]]), positions), options.mirror)
    path = CameraTrajectory(c2w, default_intrinsics(options.aspect), unit=UNKNOWN_UNIT)
    return spread_by_seconds(path, times * second_of(times))


def _write_tum(trajectory: CameraTrajectory, path: Path) -> None:
    xyzw = rotations.to_quaternion(trajectory.c2w[:, :, :3])[:, [1, 2, 3, 0]]
    lines = ["# time tx ty tz qx qy qz qw"]
    for frame, values in enumerate(np.concatenate([trajectory.c2w[:, :, 3], xyzw], 1)):
        lines.append(" ".join([f"{frame / trajectory.fps:.6f}", *(f"{value:.15g}" for value in values)]))
    _write_lines(lines, path)


def _read_kitti(source: Source, options: ReadOptions) -> CameraTrajectory:
    rows = number_rows(source.rows, (12, 16), KITTI_COLUMNS)
    c2w = mirrored(rows.reshape(len(rows), -1, 4), options.mirror)
    return CameraTrajectory(c2w, default_intrinsics(options.aspect), unit=UNKNOWN_UNIT)


def _write_kitti(trajectory: CameraTrajectory, path: Path) -> None:
    _write_lines([" ".join(f"{value:.15g}" for value in matrix.ravel()) for matrix in trajectory.c2w], path)


def _write_lines(lines: list[str], path: Path) -> None:
    with atomic_path(path) as temporary:
        temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")


TUM = Format(
    doc="TUM trajectory text: time, position and quaternion per line",
    extensions=(".tum", ".txt"),
    preserves=frozenset({"poses", "fps"}),
    matches=lambda source: _first_line_has(source, {8}),
    read=_read_tum,
    write=_write_tum,
)
KITTI = Format(
    doc="KITTI text: a 3x4 matrix per line",
    extensions=(".kitti", ".txt"),
    preserves=frozenset({"poses"}),
    matches=lambda source: _first_line_has(source, {12, 16}),
    read=_read_kitti,
    write=_write_kitti,
)
