"""ReCamMaster's and MultiCamVideo's `camera_extrinsics.json`: per frame and camera a matrix as text.

{"frame0": {"cam01": "[r r r 0] [r r r 0] [r r r 0] [x y z 1]", ...}, ...} holds the transposed camera-to-world matrix
in Unreal Engine's axes: x forward, y right, z up (left-handed), lengths in centimeters (inference_recammaster.py,
TextVideoCameraDataset.__getitem__). Of several cameras the first is read; ReCamMaster calls them cam01 to cam10.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from ...errors import UserError
from ...files import write_json
from ..trajectory import CameraTrajectory
from .common import METER, Format, Reading, Source, array, check_frames, natural, pose, usual_intrinsics, words

# Unreal's x y z (forward, right, up) to OpenCV's (right, down, forward): a mirror, so it goes on both sides of a turn.
UNREAL = np.array([[0.0, 1, 0], [0, 0, -1], [1, 0, 0]])
CENTIMETERS = 100.0


def _looks(source: Source) -> bool:
    return any(re.fullmatch(r"frame\d+", key) for key in list(source.object)[:3])


def _read(source: Source, reading: Reading) -> CameraTrajectory:
    value = source.object
    names = sorted((name for name in value if re.fullmatch(r"frame\d+", name)), key=natural)
    check_frames(len(names))
    cameras = value[names[0]]
    if not isinstance(cameras, dict) or not cameras:
        raise UserError(f"'{names[0]}' must be an object with a matrix per camera, such as cam01")
    camera = min(cameras, key=natural)
    matrices = []
    for name in names:
        if not isinstance(value[name], dict) or camera not in value[name]:
            raise UserError(f"'{name}' has no camera '{camera}'")
        matrices.append(_matrix(value[name][camera], f"'{camera}' of '{name}'"))
    stacked = np.stack(matrices)
    rotation = UNREAL @ np.swapaxes(stacked[:, :3, :3], 1, 2) @ UNREAL.T
    c2w = pose(rotation, stacked[:, 3, :3] @ UNREAL.T / CENTIMETERS)
    return CameraTrajectory(c2w, usual_intrinsics(reading.aspect), unit=METER)


def _matrix(text: object, what: str) -> np.ndarray:
    """The transposed matrix (4, 3) of '[a b c 0] [..] [..] [x y z 1]'; the last column may be missing."""
    if isinstance(text, str):
        lines = [line.split() for line in re.findall(r"\[([^\[\]]{0,400})\]", text[:2000])]
        try:
            values = [[float(word) for word in line[:3]] for line in lines]
        except ValueError as error:
            raise UserError(f"{what} holds something that is not a number: {words(text)}") from error
        if len(lines) == 4 and all(len(line) in (3, 4) for line in lines):
            return array(values, (4, 3), what)
    raise UserError(f"{what} is {words(str(text))}; four rows '[a b c d] [...] [...] [...]' were expected")


def _write(trajectory: CameraTrajectory, path: Path) -> None:
    rotation = UNREAL.T @ trajectory.c2w[:, :, :3] @ UNREAL
    position = trajectory.c2w[:, :, 3] @ UNREAL * CENTIMETERS
    frames = {}
    for number, (turned, place) in enumerate(zip(rotation, position, strict=True)):
        lines = [*(f"[{' '.join(f'{x:.15g}' for x in row)} 0]" for row in turned.T)]
        lines.append(f"[{' '.join(f'{x:.15g}' for x in place)} 1]")
        frames[f"frame{number}"] = {"cam01": " ".join(lines) + " "}
    write_json(path, frames)


RECAMMASTER = Format(
    doc="ReCamMaster's camera_extrinsics.json",
    endings=(".json",),
    carries=frozenset({"poses"}),
    looks=_looks,
    read=_read,
    write=_write,
)
