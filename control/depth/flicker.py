"""How much depth flickers: points that stand still, followed by the exact camera, should change only as it moves."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..errors import UserError
from .align import fit_scale_shift


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
    """Flicker of `values` (F, H, W), disparity-like, against the exact `depth` (F, H, W) of the same size.

    depth: along the camera's axis, not finite or not positive = unknown or sky. c2w (F, 3, 4) in depth's unit,
    intrinsics (F, 4) as in CameraTrajectory. static (F, H, W) bool: what stands still (None: everything). The change
    that the camera brings about is that of 1 / depth, in the values' own scale, fitted once over the whole clip.
    Points that get hidden, lie on an edge or leave the image are not looked at. Raises UserError for shapes that
    differ and where there is nothing to follow.
    """
    values, depth = np.asarray(values, np.float64), np.asarray(depth, np.float64)
    if values.ndim != 3 or values.shape != depth.shape or len(c2w) != len(values) or len(intrinsics) != len(values):
        raise UserError(f"values of shape {values.shape} and depth of {depth.shape} with {len(c2w)} cameras were given")
    usable = np.isfinite(depth) & (depth > 0) & np.isfinite(values)
    if static is not None:
        usable &= np.asarray(static, bool)
    disparity = np.where(usable, 1 / np.where(usable, depth, 1), np.nan)
    if not usable.any():
        raise UserError("nothing in the clip stands still and has a depth, so flicker cannot be measured")
    scale, _, _ = fit_scale_shift(disparity, np.where(usable, values, np.nan))
    height, width = values.shape[1:]
    u, v = np.meshgrid((np.arange(width) + 0.5) / width, (np.arange(height) + 0.5) / height)
    whole, unexplained, points = 0.0, 0.0, 0
    for now in range(len(values) - 1):
        after = now + 1
        fx, fy, cx, cy = intrinsics[now]
        here = usable[now]
        z = depth[now][here]
        ray = np.stack([(u[here] - cx) / fx * z, (v[here] - cy) / fy * z, z], 1)
        world = ray @ c2w[now][:, :3].T + c2w[now][:, 3]
        seen = (world - c2w[after][:, 3]) @ c2w[after][:, :3]
        fx, fy, cx, cy = intrinsics[after]
        away = np.maximum(seen[:, 2], 1e-9)
        x = (seen[:, 0] / away * fx + cx) * width - 0.5
        y = (seen[:, 1] / away * fy + cy) * height - 0.5
        inside = (seen[:, 2] > 1e-6) & (x >= 0) & (y >= 0) & (x <= width - 1) & (y <= height - 1)
        x, y, away = x[inside], y[inside], away[inside]
        began, from_depth = values[now][here][inside], z[inside]
        column, row = np.minimum(x.astype(int), width - 2), np.minimum(y.astype(int), height - 2)
        found, visible = np.zeros(len(x)), np.ones(len(x), bool)
        for down in (0, 1):
            for right in (0, 1):
                at = (row + down, column + right)
                share = np.abs(1 - right - (x - column)) * np.abs(1 - down - (y - row))
                found += np.where(share > 0, share * np.nan_to_num(values[after][at]), 0)
                other = depth[after][at]
                visible &= (share < 1e-6) | (usable[after][at] & (np.abs(other - away) < 0.05 * away))
        change = (found - began)[visible]
        expected = scale * (1 / away[visible] - 1 / from_depth[visible])
        whole += float(np.abs(change).sum())
        unexplained += float(np.abs(change - expected).sum())
        points += len(change)
    if not points:
        raise UserError("no point of the clip is seen in two frames in a row, so flicker cannot be measured")
    return Flicker(unexplained / points, whole / points, points)
