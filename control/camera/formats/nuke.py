"""Nuke's .chan files: `frame tx ty tz rx ry rz` and often the vertical field of view, a line per frame.

Angles are degrees. A camera looks along its -z with y up, in a world with y up. It is turned about its z axis first,
then about x, then y: ZXY, as Nuke's cameras are set unless an artist changes it.
"""

from __future__ import annotations

import numpy as np

from ...errors import UserError
from .. import rotations
from ..even_times import spread_by_numbers
from ..trajectory import CameraTrajectory, make_poses
from .axes import c2w_from_opengl, to_4x4
from .format import UNKNOWN_UNIT, Format, ReadOptions
from .lens import default_intrinsics
from .mirror import mirrored
from .source import Source
from .values import number_rows

COLUMNS = "frame tx ty tz rx ry rz and the vertical field of view (Nuke .chan)"
ORDER_ASSUMED = "Its angles were taken in Nuke's usual rotation order ZXY: a .chan file does not say which it has."


def _matches(source: Source) -> bool:
    """Return whether a text has such lines: by its extension, or a whole number first and angles, not a quaternion."""
    if source.is_binary or source.is_json or not source.rows:
        return False
    words = source.rows[0][1].split()
    if source.extension == ".chan" or len(words) not in (7, 8) or not words[0].isdigit():
        return source.extension == ".chan"
    try:
        # Of `tx ty tz qx qy qz qw`, and of the same with a time before it.
        return abs(float(np.linalg.norm([float(word) for word in words[-4:]])) - 1) > 1e-2
    except ValueError:
        return False


def _read(source: Source, options: ReadOptions) -> CameraTrajectory:
    rows = number_rows(source.rows, (7, 8), COLUMNS)
    x, y, z = np.radians(rows[:, 4:7]).T
    rotation = (
        rotations.about_axis(rotations.PAN_AXIS, y)
        @ rotations.about_axis(rotations.TILT_AXIS, x)
        @ rotations.about_axis(rotations.ROLL_AXIS, z)
    )
    c2w = mirrored(c2w_from_opengl(to_4x4(make_poses(rotation, rows[:, 1:4]))), options.mirror)
    intrinsics = default_intrinsics(options.aspect)
    if rows.shape[1] == 8:
        fov = rows[:, 7]
        if not ((fov > 0.1) & (fov < 179)).all():
            raise UserError(
                f"a field of view is {fov[(fov <= 0.1) | (fov >= 179)][0]:g}; degrees below 179 were expected"
            )
        fy = 0.5 / np.tan(np.radians(fov) / 2)
        intrinsics = np.stack([fy / options.aspect, fy, np.full_like(fy, 0.5), np.full_like(fy, 0.5)], 1)
    notes = (ORDER_ASSUMED,) if ((rows[:, 4:7] != 0).sum(1) > 1).any() else ()
    return spread_by_numbers(CameraTrajectory(c2w, intrinsics, unit=UNKNOWN_UNIT, notes=notes), rows[:, 0])


CHAN = Format(
    doc="Nuke's .chan: frame, position and angles per line",
    extensions=(".chan",),
    preserves=frozenset({"poses", "intrinsics"}),
    matches=_matches,
    read=_read,
)
