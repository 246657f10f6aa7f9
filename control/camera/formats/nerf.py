"""JSON of the NeRF programs: `transforms.json` and nerfstudio's camera paths.

`transforms.json` (nerfstudio, instant-ngp, Blender's synthetic scenes): camera-to-world in OpenGL axes (x right, y up,
z backward) and focal lengths in pixels, for all frames or per frame, or one angle of view in radians
(https://docs.nerf.studio/quickstart/data_conventions.html). The frames are taken in the order of their file names.
A camera path (nerfstudio's viewer, `ns-render camera-path`): 16 numbers per frame in the same axes, `fov` is vertical.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from ...errors import UserError
from ...files import write_json
from ..trajectory import CameraTrajectory
from .common import (
    DEFAULT_FPS,
    UNKNOWN,
    Format,
    Reading,
    Source,
    array,
    column,
    flipped,
    natural,
    nominal_size,
    number,
    positive,
    records,
    square,
    usual_intrinsics,
)


def from_transforms(value: dict, aspect: float = 1.5) -> CameraTrajectory:
    """The trajectory of a `transforms.json` object. aspect: width / height where the file says neither."""
    frames = records(value)
    names = [frame.get("file_path") for frame in frames]
    if all(isinstance(name, str) for name in names) and len(set(names)) == len(names):
        frames = [frame for _, frame in sorted(zip(names, frames, strict=True), key=lambda pair: natural(pair[0]))]
    matrices = [matrix[:3] if isinstance(matrix, list) else matrix for matrix in column(frames, "transform_matrix")]
    c2w = flipped(array(matrices, (None, 3, 4), "its transforms (transform_matrix)"))
    own = {"fl_x", "fl_y", "cx", "cy", "w", "h", "camera_angle_x", "camera_angle_y"}
    if any(own & set(frame) for frame in frames):
        intrinsics = np.stack([_intrinsics({**value, **frame}, aspect) for frame in frames])
    else:
        intrinsics = _intrinsics(value, aspect)
    fps = positive(value.get("fps", DEFAULT_FPS), "fps")
    return CameraTrajectory(c2w, intrinsics, fps=fps, unit=UNKNOWN)


def _intrinsics(value: dict, aspect: float) -> np.ndarray:
    """fx fy cx cy (4,) normalized, of the fields of a frame or of the file."""
    known = {key: positive(value[key], key) for key in ("fl_x", "fl_y", "w", "h") if value.get(key) is not None}
    # Without a size the principal point is taken to be the middle.
    width = known.get("w") or 2 * positive(value.get("cx", aspect / 2), "cx")
    height = known.get("h") or 2 * positive(value.get("cy", width / aspect / 2), "cy")
    if "fl_x" in known:
        fx, fy = known["fl_x"] / width, known.get("fl_y", known["fl_x"]) / height
    elif value.get("camera_angle_x") is not None:
        fx = 0.5 / math.tan(_angle(value, "camera_angle_x") / 2)
        fy = fx * width / height
        if value.get("camera_angle_y") is not None:
            fy = 0.5 / math.tan(_angle(value, "camera_angle_y") / 2)
    else:
        fx, fy = usual_intrinsics(width / height)[:2]
    cx, cy = number(value.get("cx", width / 2), "cx"), number(value.get("cy", height / 2), "cy")
    return np.array([fx, fy, cx / width, cy / height])


def _angle(value: dict, key: str) -> float:
    angle = positive(value[key], key)
    if not 1e-3 < angle < 3.13:
        raise UserError(f"'{key}' is {angle:g}; an angle of view in radians, below pi, was expected")
    return angle


def to_transforms(trajectory: CameraTrajectory) -> dict:
    """The `transforms.json` object of a trajectory; nerfstudio looks for the images under images/."""
    width, height = nominal_size(trajectory)
    pixels = trajectory.intrinsics * (width, height, width, height)
    names = ("fl_x", "fl_y", "cx", "cy")
    steady = bool((pixels == pixels[0]).all())
    frames = []
    for frame, (matrix, values) in enumerate(zip(flipped(square(trajectory.c2w)), pixels.tolist(), strict=True)):
        entry: dict = {} if steady else dict(zip(names, values, strict=True))
        frames.append({"file_path": f"images/frame_{frame + 1:05d}.png", **entry, "transform_matrix": matrix.tolist()})
    shared = dict(zip(names, pixels[0].tolist(), strict=True)) if steady else {}
    return {
        "camera_model": "PINHOLE",
        "w": width,
        "h": height,
        **shared,
        "fps": trajectory.fps,
        "frames": frames,
    }


def from_camera_path(value: dict) -> CameraTrajectory:
    """The trajectory of a nerfstudio camera path."""
    frames = records(value, "camera_path")
    c2w = flipped(array(column(frames, "camera_to_world"), (None, 16), "its camera_to_world").reshape(-1, 4, 4))
    intrinsics = []
    for place, frame in enumerate(frames):
        aspect = positive(frame.get("aspect", 1.0), f"aspect of frame {place}")
        fov = positive(frame.get("fov", 50.0), f"fov of frame {place}")
        if not 0.1 < fov < 179:
            raise UserError(f"'fov' of frame {place} is {fov:g}; degrees below 179 were expected")
        fy = 0.5 / math.tan(math.radians(fov) / 2)
        intrinsics.append([fy / aspect, fy, 0.5, 0.5])
    fps = positive(value.get("fps", DEFAULT_FPS), "fps")
    return CameraTrajectory(c2w, np.array(intrinsics), fps=fps, unit=UNKNOWN)


def to_camera_path(trajectory: CameraTrajectory) -> dict:
    """The nerfstudio camera path of a trajectory; its principal point is the middle of the image."""
    width, height = nominal_size(trajectory)
    frames = []
    for matrix, (fx, fy) in zip(flipped(square(trajectory.c2w)), trajectory.intrinsics[:, :2].tolist(), strict=True):
        fov = math.degrees(2 * math.atan(0.5 / fy))
        frames.append({"camera_to_world": matrix.ravel().tolist(), "fov": fov, "aspect": fy / fx})
    return {
        "camera_type": "perspective",
        "render_width": width,
        "render_height": height,
        "fps": trajectory.fps,
        "seconds": trajectory.frames / trajectory.fps,
        "camera_path": frames,
        "is_cycle": False,
    }


def is_transforms(value: dict) -> bool:
    """Whether a JSON object seems to be a `transforms.json`."""
    frames = value.get("frames")
    return isinstance(frames, list) and any(isinstance(f, dict) and "transform_matrix" in f for f in frames[:3])


def _write_path(trajectory: CameraTrajectory, path: Path) -> None:
    write_json(path, to_camera_path(trajectory))


def _write(trajectory: CameraTrajectory, path: Path) -> None:
    write_json(path, to_transforms(trajectory))


def _read(source: Source, reading: Reading) -> CameraTrajectory:
    return from_transforms(source.object, reading.aspect)


TRANSFORMS = Format(
    doc="transforms.json of nerfstudio, instant-ngp and Blender's NeRF exporters",
    endings=(".json",),
    carries=frozenset({"poses", "intrinsics", "principal point", "fps"}),
    looks=lambda source: is_transforms(source.object),
    read=_read,
    write=_write,
)
CAMERA_PATH = Format(
    doc="nerfstudio's camera path JSON",
    endings=(".json",),
    carries=frozenset({"poses", "intrinsics", "fps"}),
    looks=lambda source: "camera_path" in source.object,
    read=lambda source, reading: from_camera_path(source.object),
    write=_write_path,
)
