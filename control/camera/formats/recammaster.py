"""ReCamMaster's and MultiCamVideo's `camera_extrinsics.json`: per frame and camera a matrix as text.

{"frame0": {"cam01": "[r r r 0] [r r r 0] [r r r 0] [x y z 1]", ...}, ...} holds the transposed camera-to-world matrix
in Unreal Engine's axes: x forward, y right, z up (left-handed), lengths in centimeters (inference_recammaster.py,
TextVideoCameraDataset.__getitem__). Of several cameras the first is read unless another is asked for; ReCamMaster calls
them cam01 to cam10.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from ...errors import UserError
from ...files import write_json
from ...frame_order import natural_sort_key
from ..trajectory import CameraTrajectory, make_poses
from .choice import choose
from .format import METER, Format, ReadOptions
from .frame_names import spread_by_names
from .lens import default_intrinsics
from .mirror import mirrored
from .source import Source
from .values import check_frames, excerpt, number_array

# Unreal's x y z (forward, right, up) to OpenCV's (right, down, forward): mirrors, so both sides of a rotation change.
OPENCV_FROM_UNREAL = np.array([[0.0, 1, 0], [0, 0, -1], [1, 0, 0]])
CENTIMETERS_PER_METER = 100.0


def _matches(source: Source) -> bool:
    return any(re.fullmatch(r"frame\d+", key) for key in list(source.json_object)[:3])


def _read(source: Source, options: ReadOptions) -> CameraTrajectory:
    value = source.json_object
    names = sorted((name for name in value if re.fullmatch(r"frame\d+", name)), key=natural_sort_key)
    check_frames(len(names))
    if not isinstance(value[names[0]], dict) or not value[names[0]]:
        raise UserError(f"'{names[0]}' must be an object with a matrix per camera, such as cam01")
    cameras = sorted(value[names[0]], key=natural_sort_key)
    place, notes = choose(cameras, options.camera)
    camera = cameras[place]
    matrices = []
    for name in names:
        if not isinstance(value[name], dict) or camera not in value[name]:
            raise UserError(f"'{name}' has no camera '{camera}'")
        matrices.append(_parse_matrix(value[name][camera], f"'{camera}' of '{name}'"))
    transposed = np.stack(matrices)
    rotation = OPENCV_FROM_UNREAL @ np.swapaxes(transposed[:, :3, :3], 1, 2) @ OPENCV_FROM_UNREAL.T
    c2w = make_poses(rotation, transposed[:, 3, :3] @ OPENCV_FROM_UNREAL.T / CENTIMETERS_PER_METER)
    c2w = mirrored(c2w, options.mirror)
    path = CameraTrajectory(c2w, default_intrinsics(options.aspect), unit=METER, notes=notes)
    return spread_by_names(path, names)


def _parse_matrix(text: object, name: str) -> np.ndarray:
    """Return the transposed matrix (4, 3) of '[a b c 0] [..] [..] [x y z 1]'; the last column may be missing."""
    if isinstance(text, str):
        rows = [row.split() for row in re.findall(r"\[([^\[\]]{0,400})\]", text[:2000])]
        try:
            values = [[float(word) for word in row[:3]] for row in rows]
        except ValueError as error:
            raise UserError(f"{name} holds something that is not a number: {excerpt(text)}") from error
        if len(rows) == 4 and all(len(row) in (3, 4) for row in rows):
            return number_array(values, (4, 3), name)
    raise UserError(f"{name} is {excerpt(str(text))}; four rows '[a b c d] [...] [...] [...]' were expected")


def _write(trajectory: CameraTrajectory, path: Path) -> None:
    rotations = OPENCV_FROM_UNREAL.T @ trajectory.c2w[:, :, :3] @ OPENCV_FROM_UNREAL
    positions = trajectory.c2w[:, :, 3] @ OPENCV_FROM_UNREAL * CENTIMETERS_PER_METER
    frames = {}
    for number, (rotation, position) in enumerate(zip(rotations, positions, strict=True)):
        rows = [f"[{' '.join(f'{x:.15g}' for x in row)} 0]" for row in rotation.T]
        rows.append(f"[{' '.join(f'{x:.15g}' for x in position)} 1]")
        frames[f"frame{number}"] = {"cam01": " ".join(rows) + " "}
    write_json(path, frames)


RECAMMASTER = Format(
    doc="ReCamMaster's camera_extrinsics.json",
    extensions=(".json",),
    preserves=frozenset({"poses"}),
    matches=_matches,
    read=_read,
    write=_write,
    several=True,
)
