"""Plücker coordinates of every pixel's ray: the camera input of many networks.

A ray through the camera's center o with unit direction d is the pair (o x d, d) of moment and direction (Sitzmann et
al. 2021, Light Field Networks, section 3.1). CameraCtrl (He et al. 2024, section 3.1), VideoX-Fun and ComfyUI's Wan Fun
camera nodes stack them in this order, 'moment_direction'; Light Field Networks and others write 'direction_moment'.
"""

from __future__ import annotations

import numpy as np
from einops import rearrange

from ..errors import UserError
from .trajectory import CameraTrajectory

ORDERS = ("moment_direction", "direction_moment")


def _ray_directions(trajectory: CameraTrajectory, frame: int, height: int, width: int) -> np.ndarray:
    """Return the unit directions (3, H, W), in world axes, of the rays through the pixel centers of a frame.

    The center of pixel (x, y) is (x + 0.5, y + 0.5).
    """
    fx, fy, cx, cy = trajectory.intrinsics[frame]
    x = ((np.arange(width) + 0.5) / width - cx) / fx
    y = ((np.arange(height) + 0.5) / height - cy)[:, None] / fy
    in_camera = np.stack(np.broadcast_arrays(x, y, 1.0)) / np.sqrt(x * x + y * y + 1)
    flat = trajectory.c2w[frame, :, :3] @ rearrange(in_camera, "xyz h w -> xyz (h w)")
    return rearrange(flat, "xyz (h w) -> xyz h w", h=height)


def plucker_embedding(
    trajectory: CameraTrajectory,
    height: int,
    width: int,
    order: str = "moment_direction",
    dtype: type[np.floating] = np.float32,
) -> np.ndarray:
    """Return the Plücker coordinates (F, 6, H, W) of the rays of every pixel, in the world of the poses as they are.

    Networks expect the world to be the first camera: pass `trajectory.relative()` unless the path starts at the
    identity. Channels 0-2 are the moment o x d (in the trajectory's unit) and 3-5 the unit direction d; the other
    `order` swaps them. Computed in float64 one frame at a time, kept as `dtype`. Raises UserError for an empty image or
    an unknown order.
    """
    if height < 1 or width < 1:
        raise UserError(
            f"Plücker coordinates of an image of {width} x {height} were asked for; at least 1 x 1 was expected"
        )
    if order not in ORDERS:
        raise UserError(f"the order '{order}' of Plücker coordinates is unknown: choose one of {', '.join(ORDERS)}")
    result = np.empty((trajectory.frames, 6, height, width), dtype)
    moment, direction = (slice(0, 3), slice(3, 6)) if order == ORDERS[0] else (slice(3, 6), slice(0, 3))
    for frame in range(trajectory.frames):
        x, y, z = ray = _ray_directions(trajectory, frame, height, width)
        ox, oy, oz = trajectory.c2w[frame, :, 3]
        result[frame, direction] = ray
        result[frame, moment] = oy * z - oz * y, oz * x - ox * z, ox * y - oy * x
    return result
