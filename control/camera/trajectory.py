"""A camera path: where the camera stands and how it looks, frame by frame.

Axes are OpenCV's: x right, y down, z forward. A pose is camera-to-world: `world = R @ point_in_camera + t`.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from ..errors import UserError
from . import rotations

UNIT = "median depth of the first frame"
# Poses written with six decimals are off by 1e-6; more than this is not a rotation at all.
TOLERANCE = 1e-2


@dataclass(frozen=True, eq=False)
class CameraTrajectory:
    """F camera poses with intrinsics.

    c2w: (F, 3, 4) camera-to-world, float64, translations in `unit`.
    intrinsics: (F, 4) fx fy cx cy, normalised: fx and cx by the picture's width, fy and cy by its height. (4,) is
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
                "a focal length is zero or negative; fx and fy must be positive (in picture widths and heights)"
            )
        if intrinsics[:, :2].max() > 50:
            raise UserError(
                f"a focal length of {intrinsics[:, :2].max():.0f} picture widths: intrinsics must be normalised;"
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
        """Horizontal and vertical field of view (F, 2) in degrees (of a centred principal point)."""
        return np.degrees(2 * np.arctan(0.5 / self.intrinsics[:, :2]))

    def relative(self) -> CameraTrajectory:
        """The same path seen from its first camera: pose 0 is the identity, the others follow."""
        return self.replace(c2w=compose(invert(self.c2w[:1]), self.c2w))

    def resample(self, frames: int, fps: float | None = None) -> CameraTrajectory:
        """The whole path spread evenly over `frames` frames: rotations on the shortest arc, positions linear.

        First and last pose are kept. `fps` stays as it is unless given.
        """
        if frames < 1:
            raise UserError(f"a camera path of {frames} frames was asked for; at least 1 was expected")
        old, new = np.linspace(0, 1, self.frames), np.linspace(0, 1, frames)
        flat = np.concatenate([self.c2w[:, :, 3], self.intrinsics], 1)
        flat = np.stack([np.interp(new, old, column) for column in flat.T], 1)
        c2w = np.concatenate([rotations.interpolate(old, self.c2w[:, :, :3], new), flat[:, :3, None]], 2)
        return self.replace(c2w=c2w, intrinsics=flat[:, 3:], fps=self.fps if fps is None else fps)

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
    """Where world points (N, 3) fall in each frame: (F, N, 2), x in picture widths, y in heights, 0..1 inside.

    w2c (F, 3, 4), intrinsics (F, 4). Points at or behind the camera give NaN.
    """
    seen = np.einsum("fij,nj->fni", w2c[:, :, :3], points) + w2c[:, None, :, 3]
    depth = np.where(seen[..., 2:] > 1e-9, seen[..., 2:], np.nan)
    return seen[..., :2] / depth * intrinsics[:, None, :2] + intrinsics[:, None, 2:]
