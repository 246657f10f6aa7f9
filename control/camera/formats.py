"""Camera files of this and other programs, told apart by their content.

Read: our own JSON (`"format": "fulldit-camera"`, with a pose per frame or a few "keys"), RealEstate10K text (also
CameraCtrl's), a JSON list of 4x4 or 3x4 camera-to-world matrices (also under the key "c2w"), NeRF's `transforms.json`,
and a NumPy array of matrices.
Written, by the ending: .json (our own), .txt (RealEstate10K), .npy (4x4 matrices).
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import UserError
from ..files import atomic_path, existing, write_json
from .presets import intrinsics_of
from .splines import keys_from_json, path_through
from .trajectory import UNIT, CameraTrajectory, invert

FORMAT, VERSION = "fulldit-camera", 1
# Files that say nothing about their unit of length get this one, and `Controls.remarks` says so.
UNKNOWN = "an unknown"
# What matrices without intrinsics are taken to be filmed with.
DEFAULT_FOV, DEFAULT_ASPECT = 50.0, 1.5
LARGEST = 64 * 2**20


def read_camera(
    path: str | os.PathLike, frames: int | None = None, keyed: int = 17, aspect: float = DEFAULT_ASPECT
) -> CameraTrajectory:
    """The trajectory in a file. frames: spread the path over so many frames; None = as it is.

    A file of keys has no length and no shape of the picture: it gets `keyed` frames and `aspect` (width / height).
    Raises UserError for a missing, truncated or foreign file, naming what was expected.
    """
    path = existing(path, "camera file")
    if path.stat().st_size > LARGEST:
        raise UserError(f"the camera file '{path}' is larger than 64 MiB: this is no camera path")
    data = path.read_bytes()
    try:
        if data[:6] == b"\x93NUMPY":
            trajectory = _from_matrices(_load_npy(path))
        else:
            try:
                text = data.decode("utf-8-sig")
            except UnicodeDecodeError as error:
                raise UserError("it is neither text nor a NumPy array") from error
            if text.lstrip()[:1] in ("{", "["):
                trajectory = _from_json(text, keyed, aspect)
            else:
                trajectory = _from_realestate(text)
    except UserError as error:
        raise UserError(
            f"the camera file '{path}' cannot be read: {error}. Expected: fulldit-camera JSON, RealEstate10K text, or"
            " 4x4 camera-to-world matrices as JSON or .npy"
        ) from error
    return trajectory if frames is None else trajectory.resample(frames)


def write_camera(trajectory: CameraTrajectory, path: str | os.PathLike) -> None:
    """Write a trajectory in the format of the ending: .json (keeps everything), .txt (RealEstate10K: keeps no fps and
    unit), .npy (4x4 camera-to-world: keeps poses alone). Raises UserError for another ending.
    """
    path = Path(path)
    ending = path.suffix.lower()
    if ending == ".json":
        write_json(path, to_json(trajectory))
    elif ending == ".txt":
        with atomic_path(path) as temporary:
            temporary.write_text(to_realestate(trajectory), encoding="utf-8")
    elif ending == ".npy":
        with atomic_path(path) as temporary:
            np.save(temporary, _square(trajectory.c2w), allow_pickle=False)
    else:
        raise UserError(f"'{path.name}' has an ending that no camera format has: use .json, .txt or .npy")


def to_json(trajectory: CameraTrajectory) -> dict[str, Any]:
    """The trajectory as plain JSON values: the file's content, and the state of a widget."""
    return {
        "format": FORMAT,
        "version": VERSION,
        "axes": "OpenCV: x right, y down, z forward; c2w = camera to world",
        "unit": trajectory.unit,
        "fps": trajectory.fps,
        "pixel_aspect": trajectory.pixel_aspect,
        "frames": [
            {"c2w": pose.tolist(), "intrinsics": intrinsics.tolist()}
            for pose, intrinsics in zip(trajectory.c2w, trajectory.intrinsics, strict=True)
        ],
    }


def from_json(value: Any, keyed: int = 17, aspect: float = DEFAULT_ASPECT) -> CameraTrajectory:
    """The trajectory of what `to_json` gave, or of a list of matrices. Raises UserError for anything else."""
    if isinstance(value, list):
        return _from_matrices(value)
    if not isinstance(value, dict):
        raise UserError(f"the JSON holds a {type(value).__name__}, not a camera")
    if value.get("format") == FORMAT:
        if value.get("version", 0) != VERSION:
            raise UserError(
                f"it is version {value.get('version')} of {FORMAT}, this program reads {VERSION}: update it"
            )
        if "keys" in value:
            fps = _number(value.get("fps", 8.0), "fps")
            return path_through(keys_from_json(value["keys"]), keyed, fps, aspect, str(value.get("ease", "linear")))
        frames = _frames(value)
        return CameraTrajectory(
            _column(frames, "c2w"), _column(frames, "intrinsics"),
            fps=_number(value.get("fps", 8.0), "fps"),
            pixel_aspect=_number(value.get("pixel_aspect", 1.0), "pixel_aspect"),
            unit=str(value.get("unit", UNIT)),
        )  # fmt: skip
    if "format" in value:
        raise UserError(f"its format is '{value['format']}', not {FORMAT}")
    if "c2w" in value:
        fps = _number(value.get("fps", 8.0), "fps")
        return _from_matrices(value["c2w"], value.get("intrinsics"), fps)
    if "frames" in value and "transform_matrix" in json.dumps(value["frames"])[:10_000]:
        return _from_nerf(value)
    raise UserError(f"the JSON has the keys {', '.join(map(str, list(value)[:6])) or 'none'} and no camera in them")


def _from_json(text: str, keyed: int, aspect: float) -> CameraTrajectory:
    try:
        value = json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        raise UserError(f"its JSON is broken or truncated ({error})") from error
    return from_json(value, keyed, aspect)


def _frames(value: dict) -> list[dict]:
    frames = value.get("frames")
    if not isinstance(frames, list) or not frames or not all(isinstance(frame, dict) for frame in frames):
        raise UserError("'frames' must be a list with one object per frame")
    return frames


def _column(frames: list[dict], key: str) -> list:
    missing = [number for number, frame in enumerate(frames) if key not in frame]
    if missing:
        raise UserError(f"frame {missing[0]} has no '{key}'")
    return [frame[key] for frame in frames]


def _number(value: Any, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise UserError(f"'{name}' is {value!r}, not a number")
    return float(value)


def _from_matrices(matrices: Any, intrinsics: Any = None, fps: float = 8.0) -> CameraTrajectory:
    """From (F, 4, 4) or (F, 3, 4) camera-to-world; without intrinsics a field of view of 50 degrees is assumed."""
    if intrinsics is None:
        intrinsics = intrinsics_of(DEFAULT_FOV, DEFAULT_ASPECT)
    return CameraTrajectory(matrices, intrinsics, fps)


def _load_npy(path: Path) -> np.ndarray:
    try:
        values = np.load(path, allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise UserError(f"the NumPy array is truncated or holds Python objects ({error})") from error
    if values.dtype.kind not in "fiu":
        raise UserError(f"the NumPy array holds {values.dtype}, not numbers")
    return values


def _from_nerf(value: dict) -> CameraTrajectory:
    """Blender/NeRF `transforms.json`: camera-to-world in OpenGL axes (x right, y up, z backward), one focal length."""
    frames = _frames(value)
    try:
        c2w = np.asarray(_column(frames, "transform_matrix"), np.float64)[:, :3] * (1, -1, -1, 1)
        width, height = float(value.get("w", 3)), float(value.get("h", 2))
        if "fl_x" in value:
            fx, fy = value["fl_x"] / width, value.get("fl_y", value["fl_x"]) / height
            intrinsics = np.array([fx, fy, value.get("cx", width / 2) / width, value.get("cy", height / 2) / height])
        elif "camera_angle_x" in value:
            intrinsics = intrinsics_of(float(np.degrees(value["camera_angle_x"])), width / height)
        else:
            intrinsics = intrinsics_of(DEFAULT_FOV, width / height)
    except (TypeError, ValueError, IndexError, ZeroDivisionError) as error:
        if isinstance(error, UserError):
            raise
        raise UserError(f"its transforms are not numbers of the right shape ({error})") from error
    return CameraTrajectory(c2w, intrinsics, unit=UNKNOWN)


def to_realestate(trajectory: CameraTrajectory) -> str:
    """RealEstate10K text: a line for the source, then per frame: time in microseconds, fx fy cx cy (normalised), 0 0,
    and the 12 numbers of world-to-camera, row by row.
    """
    lines = ["fulldit"]
    for number, (pose, intrinsics) in enumerate(zip(trajectory.w2c(), trajectory.intrinsics, strict=True)):
        time = round(number / trajectory.fps * 1e6)
        values = [*intrinsics, 0, 0, *pose.ravel()]
        lines.append(" ".join([str(time), *(f"{value:.12g}" for value in values)]))
    return "\n".join(lines) + "\n"


def _from_realestate(text: str) -> CameraTrajectory:
    """From lines of 19 numbers; the line before them, an address, may be missing. Poses are world-to-camera there."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    rows = []
    for number, line in enumerate(lines, 1):
        words = re.split(r"[\s,]+", line)
        try:
            row = [float(word) for word in words]
        except ValueError as error:
            if number == 1:
                continue
            raise UserError(f"line {number} holds something that is not a number") from error
        if len(row) != 19:
            raise UserError(
                f"line {number} has {len(row)} numbers where RealEstate10K has 19: time, fx fy cx cy, 0 0 and 12 of the"
                " world-to-camera matrix"
            )
        rows.append(row)
    if not rows:
        raise UserError("it holds no line of numbers")
    values = np.array(rows)
    w2c = CameraTrajectory(values[:, 7:].reshape(-1, 3, 4), values[:, 1:5])
    steps = np.diff(values[:, 0])
    fps = 1e6 / float(np.median(steps)) if len(steps) and (steps > 0).all() else 8.0
    fps = round(fps, 3) if 0.01 < fps < 1000 else 8.0
    return w2c.replace(c2w=invert(w2c.c2w), fps=fps, unit=UNKNOWN)


def _square(pose: np.ndarray) -> np.ndarray:
    """(F, 3, 4) as (F, 4, 4)."""
    last = np.broadcast_to(np.array([0.0, 0.0, 0.0, 1.0]), (len(pose), 1, 4))
    return np.concatenate([pose, last], 1)
