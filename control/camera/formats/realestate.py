"""RealEstate10K text, also CameraCtrl's: a line with the source (an address, may be missing), 19 numbers per frame.

They are the time in microseconds, fx fy cx cy normalized by width and height, two zeros, and the 12 numbers of the
world-to-camera matrix row by row, in OpenCV axes (https://google.github.io/realestate10k, section "Format").
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ...files import atomic_path
from ..even_times import spread_by_seconds
from ..trajectory import CameraTrajectory, invert
from .format import DEFAULT_FPS, UNKNOWN_UNIT, Format, ReadOptions
from .mirror import mirrored
from .source import Source
from .values import number_rows

COLUMNS = "time, fx fy cx cy, 0 0 and 12 of the world-to-camera matrix (RealEstate10K)"


def to_realestate(trajectory: CameraTrajectory) -> str:
    """Return the text of a trajectory."""
    lines = ["fulldit"]
    for frame, (w2c, intrinsics) in enumerate(zip(trajectory.w2c(), trajectory.intrinsics, strict=True)):
        time = round(frame / trajectory.fps * 1e6)
        values = [*intrinsics, 0, 0, *w2c.ravel()]
        lines.append(" ".join([str(time), *(f"{value:.15g}" for value in values)]))
    return "\n".join(lines) + "\n"


def from_realestate_rows(rows: np.ndarray, fps: float | None = None, mirror: str = "none") -> CameraTrajectory:
    """Return the trajectory of rows (F, 19). fps None: from the times, which are in microseconds."""
    w2c = CameraTrajectory(mirrored(rows[:, 7:].reshape(-1, 3, 4), mirror, w2c=True), rows[:, 1:5])
    path = w2c.replace(c2w=invert(w2c.c2w), fps=fps or DEFAULT_FPS, unit=UNKNOWN_UNIT)
    return spread_by_seconds(path, rows[:, 0] / 1e6) if fps is None else path


def _matches(source: Source) -> bool:
    if source.is_binary or source.is_json:
        return False
    counts = [len(line.split()) for _, line in source.rows[:3]]
    return 19 in counts


def _read(source: Source, options: ReadOptions) -> CameraTrajectory:
    return from_realestate_rows(number_rows(source.rows, (19,), COLUMNS, header_lines=1), mirror=options.mirror)


def _write(trajectory: CameraTrajectory, path: Path) -> None:
    with atomic_path(path) as temporary:
        temporary.write_text(to_realestate(trajectory), encoding="utf-8")


REALESTATE = Format(
    doc="RealEstate10K and CameraCtrl text: 19 numbers per frame",
    extensions=(".txt",),
    preserves=frozenset({"poses", "intrinsics", "principal point", "fps"}),
    matches=_matches,
    read=_read,
    write=_write,
)
