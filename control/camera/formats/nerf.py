"""NeRF's `transforms.json` as nerfstudio, instant-ngp and Blender's synthetic scenes have it: camera-to-world in OpenGL
axes (x right, y up, z backward) and focal lengths in pixels, or one angle of view in radians
(https://docs.nerf.studio/quickstart/data_conventions.html).
"""

from __future__ import annotations

import numpy as np

from ...errors import UserError
from ..presets import intrinsics_of
from ..trajectory import CameraTrajectory
from .common import (
    UNKNOWN,
    Format,
    Reading,
    Source,
    array,
    column,
    flipped,
    number,
    positive,
    records,
    usual_intrinsics,
)


def from_transforms(value: dict, aspect: float = 1.5) -> CameraTrajectory:
    """The trajectory of a `transforms.json` object."""
    frames = records(value)
    matrices = [matrix[:3] if isinstance(matrix, list) else matrix for matrix in column(frames, "transform_matrix")]
    c2w = flipped(array(matrices, (None, 3, 4), "its transforms (transform_matrix)"))
    width, height = positive(value.get("w", 3), "w"), positive(value.get("h", 2), "h")
    if "fl_x" in value:
        fx = positive(value["fl_x"], "fl_x") / width
        fy = positive(value.get("fl_y", value["fl_x"]), "fl_y") / height
        cx = number(value.get("cx", width / 2), "cx") / width
        cy = number(value.get("cy", height / 2), "cy") / height
        intrinsics = np.array([fx, fy, cx, cy])
    elif "camera_angle_x" in value:
        degrees = np.degrees(positive(value["camera_angle_x"], "camera_angle_x"))
        if degrees >= 179:
            raise UserError(f"'camera_angle_x' is {value['camera_angle_x']}; radians below pi were expected")
        intrinsics = intrinsics_of(float(degrees), width / height)
    else:
        intrinsics = usual_intrinsics(width / height)
    return CameraTrajectory(c2w, intrinsics, unit=UNKNOWN)


def _looks(source: Source) -> bool:
    frames = source.object.get("frames")
    return isinstance(frames, list) and any(isinstance(f, dict) and "transform_matrix" in f for f in frames[:3])


def _read(source: Source, reading: Reading) -> CameraTrajectory:
    return from_transforms(source.object, reading.aspect)


TRANSFORMS = Format(
    doc="transforms.json of nerfstudio, instant-ngp and Blender's NeRF exporters",
    endings=(".json",),
    carries=frozenset({"poses", "intrinsics"}),
    looks=_looks,
    read=_read,
)
