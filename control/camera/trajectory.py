"""A camera path: where the camera stands and how it looks, frame by frame.

Axes are OpenCV's: x right, y down, z forward. A pose is camera-to-world: `world = R @ point_in_camera + t`.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from ..errors import UserError
from . import interpolate, rotations

UNIT = "median depth of the first frame"
# Poses written with six decimals are off by 1e-6; more than this is not a rotation at all.
TOLERANCE = 1e-2


@dataclass(frozen=True, eq=False)
class CameraTrajectory:
    """F camera poses with intrinsics.

    c2w: (F, 3, 4) camera-to-world, float64, translations in `unit`.
    intrinsics: (F, 4) fx fy cx cy, normalized: fx and cx by the image's width, fy and cy by its height. (4,) is
        taken for all frames.
    fps: frames per second. pixel_aspect: width of a pixel over its height.
    Raises UserError for other shapes, NaN or infinity, and matrices that are not rotations (slightly rounded
    rotations are made exact).
    """

    c2w: np.ndarray
    intrinsics: np.ndarray
    fps: float = 8.0
    pixel_aspect: float = 1.0
    unit: str = UNIT

    def __post_init__(self) -> None:
        c2w = _numbers(self.c2w, "camera poses")
        if c2w.ndim != 3 or c2w.shape[0] < 1 or c2w.shape[1:] not in ((3, 4), (4, 4)):
            raise UserError(f"camera poses have shape {c2w.shape}; (frames, 3, 4) was expected, camera-to-world")
        c2w = c2w[:, :3].copy()
        intrinsics = _numbers(self.intrinsics, "camera intrinsics")
        if intrinsics.shape == (4,):
            intrinsics = np.repeat(intrinsics[None], len(c2w), 0)
        if intrinsics.shape != (len(c2w), 4):
            raise UserError(
                f"camera intrinsics have shape {intrinsics.shape}; ({len(c2w)}, 4) was expected: fx fy cx cy per frame"
            )
        for name, values in (("poses", c2w), ("intrinsics", intrinsics)):
            bad = ~np.isfinite(values).reshape(len(values), -1).all(1)
            if bad.any():
                raise UserError(f"camera {name} of frame {int(bad.argmax())} are not finite numbers (NaN or infinity)")
        if (intrinsics[:, :2] <= 0).any():
            raise UserError(
                "a focal length is zero or negative; fx and fy must be positive (in image widths and heights)"
            )
        if intrinsics[:, :2].max() > 50:
            raise UserError(
                f"a focal length of {intrinsics[:, :2].max():.0f} image widths: intrinsics must be normalized;"
                " divide fx, cx by the width and fy, cy by the height"
            )
        rotation = c2w[:, :, :3]
        off = np.abs(np.swapaxes(rotation, 1, 2) @ rotation - np.eye(3)).max((1, 2))
        if off.max() > TOLERANCE:
            raise UserError(
                f"the 3x3 part of frame {int(off.argmax())} is not a rotation (off by {off.max():.3g}): scale must be"
                " taken out, and the matrix must be camera-to-world in OpenCV axes"
            )
        if (np.linalg.det(rotation) < 0).any():
            raise UserError(
                "a camera matrix mirrors the world (determinant -1): convert it to right-handed OpenCV axes"
            )
        if off.max() > 1e-12:
            c2w[:, :, :3] = rotations.nearest(rotation)
        if not (np.isfinite(self.fps) and self.fps > 0):
            raise UserError(f"{self.fps} frames per second were given for the camera; a positive number was expected")
        if not (np.isfinite(self.pixel_aspect) and self.pixel_aspect > 0):
            raise UserError(f"the pixel aspect is {self.pixel_aspect}; a positive number was expected")
        c2w.flags.writeable = False
        intrinsics = intrinsics.copy()
        intrinsics.flags.writeable = False
        object.__setattr__(self, "c2w", c2w)
        object.__setattr__(self, "intrinsics", intrinsics)
        object.__setattr__(self, "fps", float(self.fps))
        object.__setattr__(self, "pixel_aspect", float(self.pixel_aspect))

    @property
    def frames(self) -> int:
        """The number of poses."""
        return len(self.c2w)

    def w2c(self) -> np.ndarray:
        """World-to-camera matrices (F, 3, 4): the inverses of the poses."""
        return invert(self.c2w)

    def fov(self) -> np.ndarray:
        """Horizontal and vertical field of view (F, 2) in degrees (of a centered principal point)."""
        return np.degrees(2 * np.arctan(0.5 / self.intrinsics[:, :2]))

    def times(self) -> np.ndarray:
        """When each frame is shown (F,), in seconds from the first."""
        return np.arange(self.frames) / self.fps

    def relative(self, to: int = 0) -> CameraTrajectory:
        """The same path seen from the camera of frame `to`: its pose is the identity, the others follow.

        A negative `to` counts from the end. Raises UserError for a frame that is not there.
        """
        if not -self.frames <= to < self.frames:
            raise UserError(f"frame {to} of a camera path of {self.frames} frames was asked for")
        return self.replace(c2w=compose(invert(self.c2w[to])[None], self.c2w))

    def absolute(self, start_c2w: np.ndarray) -> CameraTrajectory:
        """The same path, placed so that its first camera stands at `start_c2w` (3, 4) or (4, 4): undoes `relative`.

        Raises UserError for anything but a pose.
        """
        start = CameraTrajectory([start_c2w], self.intrinsics[0]).c2w
        return self.replace(c2w=compose(start, self.relative().c2w))

    def at(self, times: np.ndarray, method: str = "linear") -> CameraTrajectory:
        """The poses at `times` (M,), 0 = first frame to 1 = last, as a path of M frames; method: interpolate.METHODS.

        Times outside 0..1 give the first or the last pose. fps stays. Raises UserError for no times or NaN.
        """
        times = np.atleast_1d(_numbers(times, "times"))
        if times.ndim != 1 or not len(times) or not np.isfinite(times).all():
            raise UserError("the times of a camera path must be a list of numbers, 0 for the first frame to 1 the last")
        given = np.linspace(0, 1, self.frames)
        c2w, intrinsics = interpolate.between(self.c2w, self.intrinsics, given, times, method)
        return self.replace(c2w=c2w, intrinsics=intrinsics)

    def resample(self, frames: int | None = None, fps: float | None = None, method: str = "linear") -> CameraTrajectory:
        """The whole path spread evenly over `frames` frames; first and last pose are kept.

        With `frames`, the path takes as long as these frames last at `fps` (None: as it is). With `fps` alone, it
        keeps its duration, to the nearest frame. method: 'linear' (shortest arcs, straight lines: adds nothing),
        'smooth' or 'screw', see interpolate.py. Raises UserError for fewer than one frame.
        """
        if frames is None:
            if fps is not None and not (np.isfinite(fps) and fps > 0):
                raise UserError(f"{fps} frames per second were asked for; a positive number was expected")
            frames = self.frames if fps is None else round((self.frames - 1) * fps / self.fps) + 1
        if frames < 1:
            raise UserError(f"a camera path of {frames} frames was asked for; at least 1 was expected")
        return self.at(np.linspace(0, 1, frames), method).replace(fps=self.fps if fps is None else fps)

    def distance(self) -> np.ndarray:
        """How far the camera has traveled up to each frame (F,), in `unit`, along its way."""
        return np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(self.c2w[:, :, 3], axis=0), axis=1))])

    def speed(self) -> np.ndarray:
        """How fast the camera moves (F,), in `unit` per second, in the step that leads to each frame.

        The first frame has the speed of the first step; a single frame stands still.
        """
        return self._of_steps(np.linalg.norm(np.diff(self.c2w[:, :, 3], axis=0), axis=1))

    def angular_speed(self) -> np.ndarray:
        """How fast the camera turns (F,), in degrees per second, in the step that leads to each frame (as `speed`)."""
        turns = rotations.angle_between(self.c2w[:-1, :, :3], self.c2w[1:, :, :3])
        return self._of_steps(np.degrees(turns))

    def _of_steps(self, steps: np.ndarray) -> np.ndarray:
        return np.concatenate([steps[:1], steps]) * self.fps if len(steps) else np.zeros(1)

    def scaled(self, scale: float) -> CameraTrajectory:
        """Translations times `scale` (for another unit, or a larger or smaller movement); rotations stay."""
        c2w = self.c2w.copy()
        c2w[:, :, 3] *= scale
        return self.replace(c2w=c2w)

    def replace(self, **changes: object) -> CameraTrajectory:
        """A copy with some fields changed, validated like a new one."""
        return dataclasses.replace(self, **changes)


def _numbers(values: object, what: str) -> np.ndarray:
    try:
        return np.asarray(values, np.float64)
    except (TypeError, ValueError) as error:
        raise UserError(f"the {what} are not a regular array of numbers: every frame needs the same count") from error


def invert(pose: np.ndarray) -> np.ndarray:
    """The inverses (..., 3, 4) of rigid poses (..., 3, 4)."""
    rotation = np.swapaxes(pose[..., :3], -1, -2)
    return np.concatenate([rotation, -rotation @ pose[..., 3:]], -1)


def compose(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """The products first @ second (..., 3, 4) of rigid poses: `second` is applied to a point before `first`."""
    rotation = first[..., :3] @ second[..., :3]
    return np.concatenate([rotation, first[..., :3] @ second[..., 3:] + first[..., 3:]], -1)


def project(points: np.ndarray, w2c: np.ndarray, intrinsics: np.ndarray) -> np.ndarray:
    """Where world points (N, 3) fall in each frame: (F, N, 2), x in image widths, y in heights, 0..1 inside.

    w2c (F, 3, 4), intrinsics (F, 4). Points at or behind the camera give NaN.
    """
    seen = np.einsum("fij,nj->fni", w2c[:, :, :3], points) + w2c[:, None, :, 3]
    depth = np.where(seen[..., 2:] > 1e-9, seen[..., 2:], np.nan)
    return seen[..., :2] / depth * intrinsics[:, None, :2] + intrinsics[:, None, 2:]
