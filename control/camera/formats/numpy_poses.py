"""Poses that programs save as NumPy arrays with a meaning of their own: LLFF's poses_bounds.npy, ViPE's .npz.

LLFF (also NeRF's real scenes): a row of 17 numbers per image, a 3x5 matrix row by row and the nearest and farthest
depth. Its columns are the camera's down, right and backward axes, its position, and height, width and focal length in
pixels. ViPE: `data` (frames, 4, 4), camera-to-world in OpenCV axes, and `inds`, the numbers of the frames. The lens is
`intrinsics` in the same file, or the file of the same name in the folder `intrinsics` beside that of the poses: fx fy
cx cy in pixels of an image whose middle is at cx cy.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from einops import rearrange

from ...array_files import read_archive, read_array
from ...errors import UserError
from ..even_times import spread_by_numbers
from ..trajectory import CameraTrajectory
from .format import UNKNOWN_UNIT, Format, ReadOptions
from .lens import default_intrinsics
from .mirror import mirrored
from .source import MAX_ARRAY_BYTES, Source
from .values import check_frames, number_array

LLFF_COLUMNS = 17


def _matches_llff(source: Source) -> bool:
    shape = re.search(rb"'shape': *\((\d+), *(\d+)\)", source.head[:256])
    return source.head[:6] == b"\x93NUMPY" and shape is not None and int(shape[2][:9]) == LLFF_COLUMNS


def _read_llff(source: Source, options: ReadOptions) -> CameraTrajectory:
    with open(source.path, "rb") as file:
        rows = number_array(
            read_array(file, source.size, MAX_ARRAY_BYTES), (None, LLFF_COLUMNS), "the rows of poses_bounds.npy"
        )
    check_frames(len(rows))
    matrices = rearrange(rows[:, :15], "f (i j) -> f i j", i=3)
    down, right, back, position = (matrices[:, :, column] for column in range(4))
    height, width, focal = matrices[:, :, 4].T
    if not (np.abs(rows) > 0).any():
        raise UserError("all numbers of poses_bounds.npy are 0: its program saved no poses")
    if not ((height > 0) & (width > 0) & (focal > 0)).all():
        raise UserError("poses_bounds.npy has an image size or a focal length that is not positive")
    c2w = mirrored(np.stack([right, down, -back, position], 2), options.mirror)
    half = np.full(len(rows), 0.5)
    return CameraTrajectory(c2w, np.stack([focal / width, focal / height, half, half], 1), unit=UNKNOWN_UNIT)


def _read_vipe(source: Source, options: ReadOptions) -> CameraTrajectory:
    arrays = read_archive(source.path, ("data", "inds", "intrinsics"), MAX_ARRAY_BYTES, "ViPE")
    if "data" not in arrays:
        raise UserError("it has no array 'data' with the poses (ViPE)")
    matrices = number_array(arrays["data"], (None, 4, 4), "the poses ('data')")
    check_frames(len(matrices))
    numbers = number_array(arrays.get("inds", np.arange(len(matrices))), (len(matrices),), "the frame numbers ('inds')")
    pixels = arrays.get("intrinsics")
    if pixels is None:
        pixels = _intrinsics_beside(source.path, numbers)
    intrinsics = default_intrinsics(options.aspect)
    if pixels is not None:
        intrinsics = _normalized(number_array(np.atleast_2d(pixels), (None, 4), "the intrinsics"), len(matrices))
    c2w = mirrored(matrices, options.mirror)
    return spread_by_numbers(CameraTrajectory(c2w, intrinsics, unit=UNKNOWN_UNIT), numbers)


def _intrinsics_beside(path: Path, numbers: np.ndarray) -> np.ndarray | None:
    """Return fx fy cx cy in pixels of the frames with these `numbers`, from ViPE's other file; None without one."""
    file = path.parent.parent / "intrinsics" / path.name
    if path.parent.name != "pose" or not file.is_file():
        return None
    arrays = read_archive(file, ("data", "inds"), MAX_ARRAY_BYTES, "ViPE")
    pixels = number_array(arrays.get("data"), (None, 4), "the intrinsics of the file beside ('data')")
    own = number_array(arrays.get("inds", np.arange(len(pixels))), (len(pixels),), "its frame numbers ('inds')")
    places = {number: place for place, number in enumerate(own.tolist())}
    if not set(numbers.tolist()) <= places.keys():
        raise UserError(f"the intrinsics in '{file.name}' beside it lack frames that have a pose")
    return pixels[[places[number] for number in numbers.tolist()]]


def _normalized(pixels: np.ndarray, frames: int) -> np.ndarray:
    """Return normalized intrinsics (frames, 4) of one row in pixels or a row per frame; the middle is at cx cy."""
    if len(pixels) not in (1, frames) or not (pixels > 0).all():
        raise UserError(f"its {len(pixels)} rows of intrinsics are not fx fy cx cy in pixels, one row or one per pose")
    intrinsics = np.full((frames, 4), 0.5)
    intrinsics[:, :2] = pixels[:, :2] / (2 * pixels[:, 2:])
    return intrinsics


LLFF = Format(
    doc="LLFF's poses_bounds.npy",
    extensions=(".npy",),
    preserves=frozenset({"poses", "intrinsics"}),
    matches=_matches_llff,
    read=_read_llff,
)
VIPE = Format(
    doc="ViPE's poses as .npz",
    extensions=(".npz",),
    preserves=frozenset({"poses", "intrinsics"}),
    matches=lambda source: (
        source.head[:4] == b"PK\3\4" and (source.extension == ".npz" or b".npy" in source.head[:256])
    ),
    read=_read_vipe,
)
