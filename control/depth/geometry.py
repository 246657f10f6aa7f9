"""Depth and camera of one scene: the depth of later frames from that of the first and the camera's path.

Lengths are in the camera's unit. Where that is the median depth of the first frame, any depth is scaled so that its
first frame has the median 1; where the path has a unit of its own (meters), depth must be in the same.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..camera.trajectory import UNIT, CameraTrajectory, compose, invert
from ..errors import UserError

NEAREST = 1e-6
MOST_DETAIL = 4


def in_camera_unit(depth: np.ndarray, camera: CameraTrajectory) -> tuple[np.ndarray, float]:
    """Return first-frame depth (H, W) in the camera's unit, and what it was multiplied by (1 for a unit of its own).

    Raises UserError for other shapes, and depth without a median above 0.
    """
    depth = np.asarray(depth, np.float64)
    if depth.ndim != 2 or min(depth.shape) < 2:
        raise UserError(f"the first frame's depth has shape {depth.shape}; (height, width) was expected")
    known = depth > 0
    if not known.any():
        raise UserError("the first frame's depth has no value above 0, so nothing can be carried to later frames")
    if camera.unit != UNIT:
        return depth, 1.0
    middle = float(np.median(depth[known]))
    if not np.isfinite(middle):
        raise UserError("more than half of the first frame is infinitely far, so its median gives no unit of length")
    return depth / middle, 1 / middle


def depth_along(
    depth: np.ndarray, camera: CameraTrajectory, step: Callable[[], object] | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return the depth of every frame of `camera` from that of its first: (F, H, W) float32, and holes (F, H, W) bool.

    depth (H, W): along the camera's axis, in any unit where the camera's is the median depth (see `in_camera_unit`),
    infinite = sky, NaN or <= 0 = unknown. The result is in the camera's unit. Every pixel is carried as the piece of a
    plane that it shows, the nearest wins, and cracks of one pixel are closed. Holes are what the first frame does not
    show or did not know; they are NaN. Nothing is known about what moves by itself. step is called after every frame.
    Raises UserError for other shapes.
    """
    first, _ = in_camera_unit(depth, camera)
    disparity = np.where(first > 0, 1 / np.where(first > 0, first, 1), np.nan)
    result = np.empty((camera.frames, *first.shape), np.float32)
    for frame in range(camera.frames):
        seen = carry(disparity, camera, 0, frame)
        with np.errstate(divide="ignore"):
            result[frame] = 1 / np.maximum(seen, 0)
        if step is not None:
            step()
    return result, np.isnan(result)


def carry(disparity: np.ndarray, camera: CameraTrajectory, start: int, end: int) -> np.ndarray:
    """Return 1 / depth (H, W), seen in frame `start`, as it is seen in frame `end`; NaN = not seen."""
    if start == end:
        return np.array(disparity, np.float64)
    height, width = disparity.shape
    disparity = np.asarray(disparity, np.float64)
    view = _View(
        compose(invert(camera.c2w[end]), camera.c2w[start]),
        camera.intrinsics[start],
        camera.intrinsics[end],
        height,
        width,
    )
    right, down = _slopes(disparity, 1), _slopes(disparity, 0)
    row, column = np.nonzero(~np.isnan(disparity))
    value, right, down = disparity[row, column], right[row, column], down[row, column]
    detail = view.detail(value, row, column)
    buffer = np.full(height * width, -np.inf)
    for part in range(detail * detail):
        off_y, off_x = (np.array(divmod(part, detail)) + 0.5) / detail - 0.5
        piece = np.maximum(value + right * off_x + down * off_y, 0)
        pixel, seen = view.project(piece, row + off_y, column + off_x)
        np.maximum.at(buffer, pixel, seen)
    return _close(buffer.reshape(height, width))


@dataclass(frozen=True, eq=False)
class _View:
    """From one camera to another: step (3, 4) from the first's axes to the second's, both lenses fx fy cx cy."""

    step: np.ndarray
    lens: np.ndarray
    other_lens: np.ndarray
    height: int
    width: int

    def project(self, disparity: np.ndarray, row: np.ndarray, column: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the pixels (M,), counted row by row, at which points (N,) are seen, and their disparity there (M,)."""
        x, y = self._rays(row, column)
        # Homogeneous: a point at infinity has disparity 0 and a direction still.
        moved = self.step[:, :1] * x + self.step[:, 1:2] * y + self.step[:, 2:3] + self.step[:, 3:] * disparity
        ahead = moved[2] > NEAREST
        z = np.where(ahead, moved[2], 1)
        fx, fy, cx, cy = self.other_lens
        at_x = np.floor((moved[0] / z * fx + cx) * self.width)
        at_y = np.floor((moved[1] / z * fy + cy) * self.height)
        inside = ahead & (at_x >= 0) & (at_x < self.width) & (at_y >= 0) & (at_y < self.height)
        return (at_y[inside] * self.width + at_x[inside]).astype(np.int64), (disparity / z)[inside]

    def detail(self, disparity: np.ndarray, row: np.ndarray, column: np.ndarray) -> int:
        """Return into how many pieces a side of a pixel must be cut so that what comes nearer has no cracks."""
        if not disparity.size:
            return 1
        x, y = self._rays(row, column)
        z = self.step[2, 0] * x + self.step[2, 1] * y + self.step[2, 2] + self.step[2, 3] * disparity
        z = z[z > NEAREST]
        growth = float(np.quantile(1 / z, 0.98)) if z.size else 1.0
        growth *= max(self.other_lens[0] / self.lens[0], self.other_lens[1] / self.lens[1])
        # A turned pixel covers up to sqrt(2) in a direction.
        return int(np.clip(np.ceil(1.42 * growth), 1, MOST_DETAIL))

    def _rays(self, row: np.ndarray, column: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return x and y at depth 1 of pixels in the first camera."""
        fx, fy, cx, cy = self.lens
        return ((column + 0.5) / self.width - cx) / fx, ((row + 0.5) / self.height - cy) / fy


def _slopes(disparity: np.ndarray, axis: int) -> np.ndarray:
    """Return the change per pixel along an axis: the smaller of both sides', 0 at edges, where they differ in sign."""
    step = np.nan_to_num(np.diff(disparity, axis=axis))
    pad = [(0, 0), (0, 0)]
    pad[axis] = (1, 0)
    before = np.pad(step, pad)
    pad[axis] = (0, 1)
    after = np.pad(step, pad)
    return np.where(before * after > 0, np.sign(before) * np.minimum(np.abs(before), np.abs(after)), 0)


def _close(buffer: np.ndarray) -> np.ndarray:
    """Return a buffer (H, W) with NaN for -inf, but the mean of known pixels on opposite sides in two directions."""
    known = np.isfinite(buffer)
    padded = np.pad(np.where(known, buffer, 0), 1)
    there = np.pad(known, 1).astype(np.float64)
    total, count, lines = np.zeros(buffer.shape), np.zeros(buffer.shape), np.zeros(buffer.shape)
    height, width = buffer.shape
    for down, right in ((0, 1), (1, 0), (1, 1), (1, -1)):
        one = (slice(1 + down, 1 + down + height), slice(1 + right, 1 + right + width))
        two = (slice(1 - down, 1 - down + height), slice(1 - right, 1 - right + width))
        both = there[one] * there[two]
        total += both * (padded[one] + padded[two])
        count += 2 * both
        lines += both
    closed = ~known & (lines >= 2)
    result = np.where(known, buffer, np.nan)
    result[closed] = (total / np.maximum(count, 1))[closed]
    return result
