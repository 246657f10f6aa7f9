"""How much depth flickers: points that stand still, followed by the exact camera, should change only as it moves."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..errors import UserError
from .align import fit_scale_shift

NEAREST = 1e-6  # depth from which on a point is in front of the camera
SAME_DEPTH = 0.05  # share by which depths of one point may differ between frames; more, and another surface is seen


class Flicker(NamedTuple):
    """Mean absolute change from frame to frame of what stands still, in units of the values (0..1 when normalized).

    unexplained: what is left when the change that the camera's movement brings about is taken out; it is what one sees
    as flicker. whole: the change as it is. points: how many pairs were looked at.
    """

    unexplained: float
    whole: float
    points: int


def static_flicker(
    values: np.ndarray, depth: np.ndarray, c2w: np.ndarray, intrinsics: np.ndarray, static: np.ndarray | None = None
) -> Flicker:
    """Return the flicker of `values` (F, H, W), disparity-like, against the exact `depth` (F, H, W) of the same size.

    depth: along the camera's axis, not finite or not positive = unknown or sky. c2w (F, 3, 4) in depth's unit,
    intrinsics (F, 4) as in CameraTrajectory. static (F, H, W) bool: what stands still (None: everything). The change
    that the camera brings about is that of 1 / depth, in the values' own scale, fitted once over the whole clip.
    Points that get hidden, lie on an edge or leave the image are not looked at. Raises UserError for shapes that
    differ and where there is nothing to follow.
    """
    values, depth = np.asarray(values, np.float64), np.asarray(depth, np.float64)
    if values.ndim != 3 or values.shape != depth.shape or len(c2w) != len(values) or len(intrinsics) != len(values):
        raise UserError(
            f"values of shape {values.shape} and depth of {depth.shape} came with {len(c2w)} cameras and"
            f" {len(intrinsics)} lenses; one of each per frame was expected"
        )
    usable = np.isfinite(depth) & (depth > 0) & np.isfinite(values)
    if static is not None:
        usable &= np.asarray(static, bool)
    if not usable.any():
        raise UserError("nothing in the clip stands still and has a depth, so flicker cannot be measured")
    disparity = np.where(usable, 1 / np.where(usable, depth, 1), np.nan)
    scale, _, _ = fit_scale_shift(disparity, np.where(usable, values, np.nan))
    frames = [_Frame(*frame) for frame in zip(values, depth, usable, c2w, intrinsics, strict=True)]
    whole, unexplained, points = 0.0, 0.0, 0
    for now, after in zip(frames, frames[1:], strict=False):
        change, expected = _changes(now, after)
        whole += float(np.abs(change).sum())
        unexplained += float(np.abs(change - scale * expected).sum())
        points += len(change)
    if not points:
        raise UserError("no point of the clip is seen in two frames in a row, so flicker cannot be measured")
    return Flicker(unexplained / points, whole / points, points)


class _Frame(NamedTuple):
    """One frame: values, depth and usable (H, W), c2w (3, 4), intrinsics (4,)."""

    values: np.ndarray
    depth: np.ndarray
    usable: np.ndarray
    c2w: np.ndarray
    intrinsics: np.ndarray

    def world_points(self) -> np.ndarray:
        """Return the usable points (N, 3) in the world."""
        height, width = self.depth.shape
        u, v = np.meshgrid((np.arange(width) + 0.5) / width, (np.arange(height) + 0.5) / height)
        fx, fy, cx, cy = self.intrinsics
        z = self.depth[self.usable]
        ray = np.stack([(u[self.usable] - cx) / fx * z, (v[self.usable] - cy) / fy * z, z], 1)
        points: np.ndarray = ray @ self.c2w[:, :3].T + self.c2w[:, 3]
        return points

    def project(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return x and y in pixels and the depth of points (N, 3) in the world; depth <= 0 is behind the camera."""
        height, width = self.depth.shape
        fx, fy, cx, cy = self.intrinsics
        camera = (points - self.c2w[:, 3]) @ self.c2w[:, :3]
        depth = np.maximum(camera[:, 2], 1e-9)
        x = (camera[:, 0] / depth * fx + cx) * width - 0.5
        y = (camera[:, 1] / depth * fy + cy) * height - 0.5
        return x, y, np.where(camera[:, 2] > NEAREST, depth, 0)


def _changes(now: _Frame, after: _Frame) -> tuple[np.ndarray, np.ndarray]:
    """Return the change of the values (N,) of points that both frames show, and the change of 1 / depth."""
    height, width = now.depth.shape
    x, y, depth = after.project(now.world_points())
    inside = (depth > 0) & (x >= 0) & (y >= 0) & (x <= width - 1) & (y <= height - 1)
    x, y, depth = x[inside], y[inside], depth[inside]
    began, began_depth = now.values[now.usable][inside], now.depth[now.usable][inside]
    column, row = np.minimum(x.astype(int), width - 2), np.minimum(y.astype(int), height - 2)
    value, visible = np.zeros(len(x)), np.ones(len(x), bool)
    for down in (0, 1):
        for right in (0, 1):
            at = (row + down, column + right)
            share = np.abs(1 - right - (x - column)) * np.abs(1 - down - (y - row))
            value += np.where(share > 0, share * np.nan_to_num(after.values[at]), 0)
            same_surface = after.usable[at] & (np.abs(after.depth[at] - depth) < SAME_DEPTH * depth)
            visible &= (share < 1e-6) | same_surface
    return (value - began)[visible], 1 / depth[visible] - 1 / began_depth[visible]
