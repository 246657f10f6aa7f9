"""A camera path: where the camera is and how it is oriented, frame by frame.

Axes are OpenCV's: x right, y down, z forward. A pose is camera-to-world: `world = R @ point_in_camera + t`.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..errors import UserError
from . import interpolate, rotations

UNIT = "median depth of the first frame"
# Poses written with six decimals are off by 1e-6; more than this is not a rotation at all.
TOLERANCE = 1e-2
# In image widths: a longer focal length was given in pixels.
MAX_FOCAL = 50
MOST_FPS = 100_000  # beyond any camera: the number stands for something else


@dataclass(frozen=True, eq=False)
class CameraTrajectory:
    """F camera poses with intrinsics.

    c2w: (F, 3, 4) camera-to-world, float64, translations in `unit`; (F, 4, 4) is accepted.
    intrinsics: (F, 4) fx fy cx cy, normalized: fx and cx by the image's width, fy and cy by its height; (4,) is used
        for all frames.
    fps: frames per second. pixel_aspect: width of a pixel over its height.
    notes: sentences about what its file left open or had wrong; the warnings of the conditions say them.
    Raises UserError for other shapes, NaN or infinity, and matrices that are not rotations (slightly rounded
    rotations are made exact).
    """

    c2w: np.ndarray
    intrinsics: np.ndarray
    fps: float = 8.0
    pixel_aspect: float = 1.0
    unit: str = UNIT
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        c2w = _checked_poses(self.c2w)
        intrinsics = _checked_intrinsics(self.intrinsics, len(c2w))
        if not 0 < self.fps <= MOST_FPS:  # NaN is in no range
            raise UserError(
                f"{self.fps} frames per second were given for the camera; a number above 0, at most {MOST_FPS:,}, was "
                f"expected"
            )
        if not (np.isfinite(self.pixel_aspect) and self.pixel_aspect > 0):
            raise UserError(f"the pixel aspect is {self.pixel_aspect}; a positive number was expected")
        c2w.flags.writeable = False
        intrinsics.flags.writeable = False
        object.__setattr__(self, "c2w", c2w)
        object.__setattr__(self, "intrinsics", intrinsics)
        object.__setattr__(self, "fps", float(self.fps))
        object.__setattr__(self, "pixel_aspect", float(self.pixel_aspect))

    @property
    def frames(self) -> int:
        """The number of poses."""
        return len(self.c2w)

    @property
    def unit_name(self) -> str:
        """The unit of length as a noun in a sentence, also where it is 'an unknown'."""
        return f"{self.unit} unit" if self.unit.startswith(("a ", "an ")) else self.unit

    def w2c(self) -> np.ndarray:
        """Return the world-to-camera matrices (F, 3, 4): the inverses of the poses."""
        return invert(self.c2w)

    def fov(self) -> np.ndarray:
        """Return the horizontal and vertical field of view (F, 2) in degrees (of a centered principal point)."""
        degrees: np.ndarray = np.degrees(2 * np.arctan(0.5 / self.intrinsics[:, :2]))
        return degrees

    def times(self) -> np.ndarray:
        """Return when each frame is shown (F,), in seconds from the first."""
        return np.arange(self.frames) / self.fps

    def relative(self, to: int = 0) -> CameraTrajectory:
        """Return the path in the axes of the camera of frame `to`, whose pose becomes the identity.

        A negative `to` counts from the end. Raises UserError for a frame that the path does not have.
        """
        if not -self.frames <= to < self.frames:
            raise UserError(f"frame {to} of a camera path of {self.frames} frames was asked for")
        return self.replace(c2w=compose(invert(self.c2w[to])[None], self.c2w))

    def absolute(self, start_c2w: ArrayLike) -> CameraTrajectory:
        """Return the path placed so that its first pose is `start_c2w` (3, 4) or (4, 4): undoes `relative`.

        Raises UserError for anything but a pose.
        """
        start = _checked_poses(_as_floats(start_c2w, "camera poses")[None])
        return self.replace(c2w=compose(start, self.relative().c2w))

    def at(self, times: ArrayLike, method: str = "linear") -> CameraTrajectory:
        """Return the poses at `times` (M,), 0 = first frame to 1 = last, as a path of M frames with the same fps.

        method: one of interpolate.METHODS. Times outside 0..1 give the first or the last pose. Raises UserError for no
        times or NaN.
        """
        times = np.atleast_1d(_as_floats(times, "times"))
        if times.ndim != 1 or not len(times) or not np.isfinite(times).all():
            raise UserError("the times of a camera path must be a list of numbers, 0 for the first frame to 1 the last")
        own_times = np.linspace(0, 1, self.frames)
        c2w, intrinsics = interpolate.interpolate_poses(self.c2w, self.intrinsics, own_times, times, method)
        return self.replace(c2w=c2w, intrinsics=intrinsics)

    def resample(self, frames: int | None = None, fps: float | None = None, method: str = "linear") -> CameraTrajectory:
        """Return the whole path spread evenly over `frames` frames; first and last pose are kept.

        With `frames`, the path takes as long as these frames last at `fps` (None: the path's own). With `fps` alone, it
        keeps its duration, to the nearest frame. method: 'linear' (shortest arcs and straight lines), 'smooth' or
        'screw', see interpolate.py. Raises UserError for fewer than one frame.
        """
        if frames is None:
            if fps is not None and not (np.isfinite(fps) and fps > 0):
                raise UserError(f"{fps} frames per second were asked for; a positive number was expected")
            frames = self.frames if fps is None else round((self.frames - 1) * fps / self.fps) + 1
        if frames < 1:
            raise UserError(f"a camera path of {frames} frames was asked for; at least 1 was expected")
        return self.at(np.linspace(0, 1, frames), method).replace(fps=self.fps if fps is None else fps)

    def distance(self) -> np.ndarray:
        """Return how far the camera has traveled along its path up to each frame (F,), in `unit`."""
        return np.concatenate([[0.0], np.cumsum(self._step_lengths())])

    def speed(self) -> np.ndarray:
        """Return how fast the camera moves (F,), in `unit` per second, in the step that leads to each frame.

        The first frame has the speed of the first step; a path of one frame has speed 0.
        """
        return self._per_second(self._step_lengths())

    def angular_speed(self) -> np.ndarray:
        """Return how fast the camera rotates (F,), in degrees per second, in the step to each frame (as `speed`)."""
        angles = rotations.angle_between(self.c2w[:-1, :, :3], self.c2w[1:, :, :3])
        return self._per_second(np.degrees(angles))

    def _step_lengths(self) -> np.ndarray:
        """Return the distances (F-1,) between neighboring positions."""
        lengths: np.ndarray = np.linalg.norm(np.diff(self.c2w[:, :, 3], axis=0), axis=1)
        return lengths

    def _per_second(self, steps: np.ndarray) -> np.ndarray:
        return np.concatenate([steps[:1], steps]) * self.fps if len(steps) else np.zeros(1)

    def scaled(self, scale: float) -> CameraTrajectory:
        """Return the path with translations times `scale` (another unit, or a larger movement); rotations stay."""
        c2w = self.c2w.copy()
        c2w[:, :, 3] *= scale
        return self.replace(c2w=c2w)

    def replace(self, **changes: Any) -> CameraTrajectory:
        """Return a copy with some fields changed, validated like a new one."""
        return dataclasses.replace(self, **changes)


def _as_floats(values: ArrayLike, name: str) -> np.ndarray:
    try:
        return np.asarray(values, np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise UserError(f"the {name} are not a regular array of numbers: every frame needs the same count") from error


def _check_finite(values: np.ndarray, name: str) -> None:
    """Raise UserError, with the number of the first such frame, for NaN or infinity in (F, ...)."""
    bad = ~np.isfinite(values).reshape(len(values), -1).all(1)
    if bad.any():
        raise UserError(f"camera {name} of frame {int(bad.argmax())} are not finite numbers (NaN or infinity)")


def _checked_poses(values: ArrayLike) -> np.ndarray:
    """Return poses (F, 3, 4) with exact rotations. Raise UserError for other shapes and matrices."""
    c2w = _as_floats(values, "camera poses")
    if c2w.ndim != 3 or c2w.shape[0] < 1 or c2w.shape[1:] not in ((3, 4), (4, 4)):
        raise UserError(f"camera poses have shape {c2w.shape}; (frames, 3, 4) was expected, camera-to-world")
    c2w = c2w[:, :3].copy()
    _check_finite(c2w, "poses")
    rotation = c2w[:, :, :3]
    error = np.abs(np.swapaxes(rotation, 1, 2) @ rotation - np.eye(3)).max((1, 2))
    if error.max() > TOLERANCE:
        raise UserError(
            f"the 3x3 part of frame {int(error.argmax())} is not a rotation (off by {error.max():.3g}): scale must be"
            " taken out, and the matrix must be camera-to-world in OpenCV axes"
        )
    if (np.linalg.det(rotation) < 0).any():
        raise UserError("a camera matrix mirrors the world (determinant -1): convert it to right-handed OpenCV axes")
    if error.max() > 1e-12:
        c2w[:, :, :3] = rotations.nearest_rotation(rotation)
    return c2w


def _checked_intrinsics(values: ArrayLike, frames: int) -> np.ndarray:
    """Return intrinsics (frames, 4), also of one (4,) for all. Raise UserError for other shapes and numbers."""
    intrinsics = _as_floats(values, "camera intrinsics").copy()
    if intrinsics.shape == (4,):
        intrinsics = np.repeat(intrinsics[None], frames, 0)
    if intrinsics.shape != (frames, 4):
        raise UserError(
            f"camera intrinsics have shape {intrinsics.shape}; ({frames}, 4) was expected: fx fy cx cy per frame"
        )
    _check_finite(intrinsics, "intrinsics")
    focal = intrinsics[:, :2]
    if (focal <= 0).any():
        raise UserError("a focal length is zero or negative; fx and fy must be positive (in image widths and heights)")
    if focal.max() > MAX_FOCAL:
        raise UserError(
            f"a focal length of {focal.max():.0f} image widths was given: intrinsics must be normalized;"
            " divide fx, cx by the width and fy, cy by the height"
        )
    return intrinsics


def invert(pose: np.ndarray) -> np.ndarray:
    """Return the inverses (..., 3, 4) of rigid poses (..., 3, 4)."""
    rotation = np.swapaxes(pose[..., :3], -1, -2)
    return np.concatenate([rotation, -rotation @ pose[..., 3:]], -1)


def compose(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the products first @ second (..., 3, 4) of rigid poses: `second` is applied to a point before `first`."""
    rotation = first[..., :3] @ second[..., :3]
    return np.concatenate([rotation, first[..., :3] @ second[..., 3:] + first[..., 3:]], -1)


def make_poses(rotation: np.ndarray, position: np.ndarray) -> np.ndarray:
    """Return the poses (..., 3, 4) of rotations (..., 3, 3) and positions (..., 3)."""
    return np.concatenate([rotation, position[..., None]], -1)


def project(points: np.ndarray, w2c: np.ndarray, intrinsics: np.ndarray) -> np.ndarray:
    """Return the image positions (F, N, 2) of world points (N, 3), x in image widths, y in heights, 0..1 inside.

    w2c (F, 3, 4), intrinsics (F, 4). Points at or behind the camera give NaN.
    """
    in_camera = np.einsum("fij,nj->fni", w2c[:, :, :3], points) + w2c[:, None, :, 3]
    depth = np.where(in_camera[..., 2:] > 1e-9, in_camera[..., 2:], np.nan)
    result: np.ndarray = in_camera[..., :2] / depth * intrinsics[:, None, :2] + intrinsics[:, None, 2:]
    return result
