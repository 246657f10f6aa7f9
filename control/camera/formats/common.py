"""What the formats share: the file being read, numbers out of text and JSON, and changes of axes and rotation.

Axes of cameras: OpenCV's (ours, COLMAP, TUM, RealEstate10K) look along +z with y down; OpenGL's (NeRF, Blender, glTF,
USD, ComfyUI's 3D viewport) look along -z with y up. Both agree on x, so turning one into the other negates the
second and third column of a camera-to-world rotation.
"""

from __future__ import annotations

import io
import json
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import UserError
from ..presets import intrinsics_of
from ..trajectory import CameraTrajectory

# Files that say nothing about their unit of length get this one, and `Controls.warnings` says so.
UNKNOWN = "an unknown"
METER = "metre"
# What poses without intrinsics are taken to be filmed with: degrees across, width over height, frames per second.
DEFAULT_FOV, DEFAULT_ASPECT, DEFAULT_FPS = 50.0, 1.5, 8.0
# Text and JSON are held in memory several times over; scenes (glTF, USD, FBX) bring meshes that are passed over.
LARGEST, LARGEST_SCENE = 32 * 2**20, 2**30
# An hour at 24 frames per second; more is no camera path, and would fill the memory.
MOST_FRAMES = 100_000
_FLIP = np.array([1.0, -1.0, -1.0])


@dataclass(frozen=True)
class Reading:
    """What a file may leave open: the frames and the aspect (width / height) that a file of keys or poses gets."""

    keyed: int = 17
    aspect: float = DEFAULT_ASPECT


@dataclass(frozen=True)
class Format:
    """A camera file format.

    doc: what it is, in a few words. endings: how its files are called, the usual one first ('' = a folder).
    carries: which of 'poses', 'intrinsics' (focal lengths), 'principal point', 'fps', 'unit', 'pixel_aspect' survive.
    looks: whether a file seems to be of this format, by its content. read, write: None where it cannot be done.
    needs: the library that reading or writing takes, if any.
    """

    doc: str
    endings: tuple[str, ...]
    carries: frozenset[str]
    looks: Callable[[Source], bool]
    read: Callable[[Source, Reading], CameraTrajectory] | None = None
    write: Callable[[CameraTrajectory, Path], None] | None = None
    needs: str = ""

    @property
    def reads(self) -> bool:
        """Whether `read_camera` understands it."""
        return self.read is not None

    @property
    def writes(self) -> bool:
        """Whether `write_camera` makes it."""
        return self.write is not None


class Source:
    """A file (or folder) being read: its start, text and JSON are looked at once, when first asked for."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.folder = path.is_dir()
        self.size = 0 if self.folder else path.stat().st_size
        self.ending = path.suffix.lower()

    @cached_property
    def head(self) -> bytes:
        """The first kilobytes; a folder has none."""
        if self.folder:
            return b""
        with open(self.path, "rb") as file:
            return file.read(4096)

    @cached_property
    def data(self) -> bytes:
        """All bytes. Raises UserError above `LARGEST`."""
        if self.size > LARGEST:
            raise UserError(f"it is larger than {LARGEST >> 20} MiB: this is no camera path")
        return self.path.read_bytes()

    @cached_property
    def text(self) -> str:
        """All of it as text (UTF-8). Raises UserError when it is not text."""
        try:
            return self.data.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise UserError("it is neither text nor a file whose first bytes are known") from error

    @property
    def binary(self) -> bool:
        """Whether the start holds bytes that no text has."""
        return self.folder or b"\0" in self.head

    @property
    def is_json(self) -> bool:
        """Whether it starts as JSON does."""
        return not self.binary and self.head.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] in (b"{", b"[", b'"')

    @cached_property
    def json(self) -> Any:
        """Its JSON value. Raises UserError when it is broken."""
        return parse_json(self.text)

    @property
    def object(self) -> dict:
        """Its JSON object; empty when the file holds something else."""
        return self.json if self.is_json and isinstance(self.json, dict) else {}

    @cached_property
    def lines(self) -> list[tuple[int, str]]:
        """The lines that are neither empty nor comments (#), each with its number in the file, counted from 1.

        Raises UserError for more lines than a path can have frames.
        """
        found = []
        for number, line in enumerate(io.StringIO(self.text), 1):
            line = line.strip()
            if line and not line.startswith("#"):
                found.append((number, line))
                if len(found) > MOST_FRAMES + 100:
                    raise UserError(f"it has more than {MOST_FRAMES} lines: this is no camera path")
        return found


def parse_json(text: str) -> Any:
    """The value of a JSON text. Raises UserError when it is broken; NaN and infinity are refused later, by use."""
    # An empty list takes twenty times the memory of its text.
    if text.count("[") + text.count("{") > 10 * MOST_FRAMES:
        raise UserError(f"its JSON has more lists and objects than a path of {MOST_FRAMES} frames")
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UserError(f"its JSON is broken or truncated ({error})") from error


def rows(lines: list[tuple[int, str]], width: tuple[int, ...], what: str, skip: int = 0) -> np.ndarray:
    """The numbers of text lines (lines, columns), separated by blanks or commas.

    width: the counts that are allowed, the same in every line. skip: so many first lines may hold something else.
    Raises UserError with the number of the line and `what` a line should hold.
    """
    found: list[list[float]] = []
    for place, (number, line) in enumerate(lines):
        words = re.split(r"[\s,;]+", line.strip(",; \t"))
        try:
            row = [float(word) for word in words]
        except ValueError as error:
            if place < skip:
                continue
            raise UserError(f"line {number} holds something that is not a number") from error
        if len(row) not in width or (found and len(row) != len(found[0])):
            wanted = len(found[0]) if found and len(row) in width else " or ".join(map(str, width))
            raise UserError(f"line {number} has {len(row)} numbers where {wanted} were expected: {what}")
        if not all(map(math.isfinite, row)):
            raise UserError(f"line {number} holds a number that is not finite (NaN or infinity)")
        found.append(row)
    if not found:
        raise UserError("it holds no line of numbers")
    check_frames(len(found))
    return np.array(found)


def check_frames(count: int) -> None:
    """Raises UserError for none, or for more frames than a path can have."""
    if not 1 <= count <= MOST_FRAMES:
        raise UserError(f"it has {count} frames; 1 to {MOST_FRAMES} were expected")


def records(value: dict, key: str = "frames") -> list[dict]:
    """The list of objects, one per frame, under `key`. Raises UserError for anything else."""
    frames = value.get(key)
    if not isinstance(frames, list) or not frames or not all(isinstance(frame, dict) for frame in frames):
        raise UserError(f"'{key}' must be a list with one object per frame")
    check_frames(len(frames))
    return frames


def column(frames: list[dict], key: str) -> list:
    """What each frame has under `key`. Raises UserError naming the first frame without it."""
    for number, frame in enumerate(frames):
        if key not in frame:
            raise UserError(f"frame {number} has no '{key}'")
    return [frame[key] for frame in frames]


def number(value: Any, name: str) -> float:
    """A finite number. Raises UserError naming the field for anything else."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) < 1e300:
        raise UserError(f"'{name}' is {str(value)[:60]!r}, not a number")
    return float(value)


def positive(value: Any, name: str) -> float:
    """A finite number above 0. Raises UserError naming the field for anything else."""
    if number(value, name) <= 0:
        raise UserError(f"'{name}' is {value}, a positive number was expected")
    return float(value)


def array(value: Any, shape: tuple[int | None, ...], what: str) -> np.ndarray:
    """Finite numbers of `shape` (None = any length). Raises UserError that says `what` for anything else."""
    try:
        values = np.asarray(value)
        values = values.astype(np.float64) if values.dtype.kind in "fiu" else None
    except (TypeError, ValueError, OverflowError, RecursionError):
        values = None
    if values is None or len(values.shape) != len(shape):
        raise UserError(f"{what} must be numbers of shape {_shape(shape)}")
    if any(wanted is not None and wanted != have for wanted, have in zip(shape, values.shape, strict=True)):
        raise UserError(f"{what} have shape {values.shape}; {_shape(shape)} was expected")
    if not np.isfinite(values).all():
        raise UserError(f"{what} hold numbers that are not finite (NaN or infinity)")
    return values


def _shape(shape: tuple[int | None, ...]) -> str:
    return "(" + ", ".join("frames" if entry is None else str(entry) for entry in shape) + ")"


def flipped(c2w: np.ndarray) -> np.ndarray:
    """Camera-to-world (..., 3 or 4, 4) with the camera's y and z axes turned round: OpenGL's to OpenCV's, or back."""
    return c2w * np.append(_FLIP, 1.0)


def pose(rotation: np.ndarray, position: np.ndarray) -> np.ndarray:
    """Poses (F, 3, 4) of rotations (F, 3, 3) and positions (F, 3)."""
    return np.concatenate([rotation, position[..., None]], -1)


def square(c2w: np.ndarray) -> np.ndarray:
    """(F, 3, 4) as (F, 4, 4)."""
    last = np.broadcast_to(np.array([0.0, 0.0, 0.0, 1.0]), (len(c2w), 1, 4))
    return np.concatenate([c2w, last], 1)


def from_quaternion(wxyz: np.ndarray, what: str = "a quaternion") -> np.ndarray:
    """Rotation matrices (..., 3, 3) of quaternions (..., 4) w x y z, of any length but 0. Raises UserError for 0."""
    length = np.linalg.norm(wxyz, axis=-1, keepdims=True)
    if not (length > 1e-6).all() or not np.isfinite(length).all():
        raise UserError(f"{what} has the length 0 or is not finite")
    w, x, y, z = np.moveaxis(wxyz / length, -1, 0)
    entries = [
        1 - 2 * (y * y + z * z),
        2 * (x * y - z * w),
        2 * (x * z + y * w),
        2 * (x * y + z * w),
        1 - 2 * (x * x + z * z),
        2 * (y * z - x * w),
        2 * (x * z - y * w),
        2 * (y * z + x * w),
        1 - 2 * (x * x + y * y),
    ]
    return np.stack(entries, -1).reshape(*w.shape, 3, 3)


def fps_of(seconds: np.ndarray, default: float = DEFAULT_FPS) -> float:
    """Frames per second of time stamps in seconds; `default` when they do not increase.

    Rates within 1/5000 of a whole number are that number, since time stamps are rounded; 23.976 stays.
    """
    steps = np.diff(seconds)
    if not len(steps) or not (steps > 0).all():
        return default
    # The whole span is exact to one rounding; it counts only where no frame was left out.
    step = float(np.median(steps))
    mean = float(seconds[-1] - seconds[0]) / len(steps)
    fps = 1 / (mean if abs(mean - step) < 0.01 * step else step)
    if not 0.01 < fps < 1000:
        return default
    return float(round(fps)) if abs(fps - round(fps)) < 2e-4 * fps else round(fps, 6)


def usual_intrinsics(aspect: float, fov: float = DEFAULT_FOV) -> np.ndarray:
    """fx fy cx cy (4,) of a camera about which the file says nothing."""
    return intrinsics_of(fov, aspect)


def natural(name: str) -> list:
    """A key that sorts 'frame10' behind 'frame9'."""
    return [(1, int(part[:18])) if part.isdigit() else (0, part) for part in re.split(r"(\d+)", name)]


def aspect_of(trajectory: CameraTrajectory) -> float:
    """Width over height of the image for which the intrinsics of the first frame are."""
    fx, fy = trajectory.intrinsics[0, :2]
    return float(fy / fx / trajectory.pixel_aspect)


def nominal_size(trajectory: CameraTrajectory, height: int = 1080) -> tuple[int, int]:
    """A width and height in pixels with the image's shape, for formats that count in pixels.

    Intrinsics in pixels are made with the rounded numbers, so they turn back exactly.
    """
    aspect = min(max(aspect_of(trajectory), 1e-3), 1e3)
    return max(1, round(height * aspect)), height


def words(text: str) -> str:
    """The start of a piece of a file, fit to be shown in an error."""
    return repr(text[:40] + ("..." if len(text) > 40 else ""))


def upright(matrix: np.ndarray, up: str = "Y") -> np.ndarray:
    """Poses (F, 3, 4) in our axes of matrices (F, 4, 4) camera-to-world as 3D programs have them.

    There a camera looks along its own -z with y up; the world has `up` 'Y' (glTF, ComfyUI's viewport) or 'Z' (Blender)
    or 'X'. Our world has y down, so that a camera standing level in the middle and looking ahead is the identity.
    Scale and shear are taken out: what counts is where the camera looks and what is up.
    """
    back, above = matrix[:, :3, 2], matrix[:, :3, 1]
    length = np.linalg.norm(back, axis=-1, keepdims=True)
    if not (length > 1e-12).all() or not np.isfinite(matrix).all():
        raise UserError("a camera matrix is squeezed flat or is not finite")
    back = back / length
    above = above - (above * back).sum(-1, keepdims=True) * back
    length = np.linalg.norm(above, axis=-1, keepdims=True)
    if not (length > 1e-12).all():
        raise UserError("a camera matrix is squeezed flat")
    above = above / length
    rotation = np.stack([np.cross(above, back), -above, -back], -1)
    world = _WORLDS[up]
    return pose(world @ rotation, matrix[:, :3, 3] @ world.T)


def to_y_up(c2w: np.ndarray) -> np.ndarray:
    """The reverse of `upright` for a world with y up: matrices (F, 4, 4) of poses (F, 3, 4)."""
    world = _WORLDS["Y"].T
    return square(flipped(pose(world @ c2w[:, :, :3], c2w[:, :, 3] @ world.T)))


# Rows: our right, down and forward in the axes of a world with that axis up; forward is where such programs look first.
_WORLDS = {
    "Y": np.array([[1.0, 0, 0], [0, -1, 0], [0, 0, -1]]),
    "Z": np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]]),
    "X": np.array([[0.0, -1, 0], [-1, 0, 0], [0, 0, -1]]),
}


def regular_times(keys: np.ndarray, fps: float | None = None) -> tuple[np.ndarray, float]:
    """The times (F,) in seconds at which to sample an animation with these key times, and the frames per second.

    Keys at even distances are frames (a baked animation); others are sampled 24 times a second. Raises UserError for
    an animation that is too long to be one.
    """
    keys = np.sort(np.asarray(keys, np.float64))
    # The same key in two tracks may differ by rounding.
    keys = keys[np.concatenate([[True], np.diff(keys) > 1e-5])]
    if len(keys) < 2:
        return keys[:1], fps or DEFAULT_FPS
    if fps is None:
        steps = np.diff(keys)
        step = float(np.median(steps))
        even = bool((np.abs(steps - step) < 0.02 * step + 2e-5).all()) and step <= 0.21
        fps = fps_of(keys, 24.0) if even else 24.0
    span = float(keys[-1] - keys[0]) * fps
    if not span < MOST_FRAMES:
        raise UserError(f"its animation lasts {keys[-1] - keys[0]:.0f} s, more than {MOST_FRAMES} frames")
    return keys[0] + np.arange(int(span + 0.5) + 1) / fps, fps
