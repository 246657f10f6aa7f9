"""Tables of poses whose header names the columns: CSV of many programs, and EuRoC's ground truth.

Needed are a position (tx ty tz, x y z, p_RS_R_x ...) and a quaternion (qx qy qz qw in any order), camera-to-world in
OpenCV axes; a time or frame number may stand beside them. Other columns are left out. The header is the first line, or
a comment. EuRoC's columns (time in nanoseconds, `p_RS_R`, `q_RS`) are the poses of its IMU.
"""

from __future__ import annotations

import re

import numpy as np

from ...errors import UserError
from .. import rotations
from ..even_times import spread_by_numbers, spread_by_seconds
from ..trajectory import CameraTrajectory, make_poses
from .format import UNKNOWN_UNIT, Format, ReadOptions
from .lens import default_intrinsics
from .mirror import mirrored
from .source import Source
from .timing import second_of
from .values import number_rows

COLUMNS = ("tx", "ty", "tz", "qx", "qy", "qz", "qw")
_POSITION = re.compile(r"(?:t|p|pos|position|trans|translation|loc|location)?(?:_rs_r)?_?([xyz])")
_QUATERNION = re.compile(r"(?:q|quat|quaternion|rot|rotation|orientation|r)(?:_rs)?_?([wxyz])")
_TIME = re.compile(r"(?:time|times|timestamp|timestamps|stamp|t|sec|seconds)(?:_(s|ms|us|ns))?")
_FRAME = re.compile(r"(?:frame|frame_?(?:id|index|idx|number|no)|id|idx|index)")
_SECONDS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}
_HEADER_BYTES = 4000


def _named_columns(header: str) -> dict[str, int]:
    """Return the place of each column that a header names: COLUMNS, 'frame' and 'time' (or 'time ns')."""
    # Units in brackets, as EuRoC has them, belong to the name before them.
    header = re.sub(r"\s*[\[(]([^\])]*)[\])]", lambda unit: f"_{unit[1]}".rstrip("_ "), header.lower().strip(" #%/"))
    places: dict[str, int] = {}
    for place, word in enumerate(_words(header, _separator(header))):
        word = re.sub(r"[\s.]+", "_", word)
        bare = re.sub(r"_m$", "", word)
        if found := _QUATERNION.fullmatch(bare):
            places.setdefault(f"q{found[1]}", place)
        elif found := _POSITION.fullmatch(bare):
            places.setdefault(f"t{found[1]}", place)
        elif found := _TIME.fullmatch(word):
            places.setdefault(f"time {found[1]}" if found[1] else "time", place)
        elif _FRAME.fullmatch(word):
            places.setdefault("frame", place)
    return places


def _separator(header: str) -> str | None:
    """Return what separates the entries of a table with this header: ; or a tab or a comma, else (None) blanks."""
    return next((mark for mark in (";", "\t", ",") if mark in header), None)


def _words(line: str, separator: str | None) -> list[str]:
    return [word.strip(" '\"") for word in line.split(separator)]


def _header(source: Source) -> str | None:
    """Return the line that names the columns: the first, or a comment before it; None where neither does."""
    if source.is_binary or source.is_json or not source.lines:
        return None
    comments = [line for line in source.text[:_HEADER_BYTES].splitlines() if line.strip()[:1] == "#"]
    for line in (source.lines[0][1], *comments):
        places = _named_columns(line)
        if set(COLUMNS) <= places.keys():
            return line
    return None


def _matches(source: Source) -> bool:
    return _header(source) is not None


def _read(source: Source, options: ReadOptions) -> CameraTrajectory:
    header = _header(source) or ""
    places = _named_columns(header)
    used = [*COLUMNS, *(name for name in places if name not in COLUMNS)]
    separator, last = _separator(header), max(places.values())
    chosen = []
    for line_number, line in source.lines[1:] if source.lines[0][1] == header else source.lines:
        words = _words(line, separator)
        if len(words) <= last:
            raise UserError(f"line {line_number} has {len(words)} entries; its header names {last + 1} or more")
        # Where something else separates the entries, a comma is a decimal comma.
        chosen.append((line_number, " ".join(words[places[name]].replace(",", ".") or "missing" for name in used)))
    values = number_rows(chosen, (len(used),), f"the columns {', '.join(used)}")
    quaternions = values[:, [6, 3, 4, 5]]
    for (line_number, _), length in zip(chosen, np.linalg.norm(quaternions, axis=1), strict=True):
        if abs(length - 1) > 1e-2:
            raise UserError(f"line {line_number} has a quaternion of length {length:.3g}, not 1")
    notes: tuple[str, ...] = ()
    if "_rs_r" in header.lower():
        notes = ("The poses are of EuRoC's IMU, not of a camera: its cameras are turned against it.",)
    path = CameraTrajectory(
        mirrored(make_poses(rotations.from_quaternion(quaternions), values[:, :3]), options.mirror),
        default_intrinsics(options.aspect),
        unit=UNKNOWN_UNIT,
        notes=notes,
    )
    return _spread(path, dict(zip(used, values.T, strict=True)))


def _spread(path: CameraTrajectory, columns: dict[str, np.ndarray]) -> CameraTrajectory:
    """Return the path by the time or the frame numbers of its columns."""
    for name, values in columns.items():
        if name.startswith("time"):
            unit = _SECONDS.get(name.removeprefix("time "))
            return spread_by_seconds(path, values * (unit or second_of(values)))
    return spread_by_numbers(path, columns["frame"]) if "frame" in columns else path


TABLE = Format(
    doc="a table whose header names tx ty tz qx qy qz qw, as CSV or with blanks; EuRoC",
    extensions=(".csv", ".txt"),
    preserves=frozenset({"poses", "fps"}),
    matches=_matches,
    read=_read,
)
