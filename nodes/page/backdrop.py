"""What the camera editor shows behind the path: an image, and points in space from DA3 or MoGe geometry.

Files go to ComfyUI's temp folder under the hash of their content; the page gets them by the host's /view route.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from ...control.errors import UserError
from ..sockets.arrays import to_images
from ..sockets.geometry import as_numpy, read_geometry
from .temporary import FOLDER, jpeg, store

WIDTH, POINTS = 960, 60_000


def save_backdrop(image: Any, geometry: Any) -> dict[str, Any]:
    """Write the first image and the first view's points; where they lie, as the page's message has it.

    {"image": file, "points": file, "count": N, "fov": degrees}, each only where there is one; a file is
    {"filename", "subfolder", "type"}. Raises UserError for a geometry without depth.
    """
    message: dict[str, Any] = {}
    if geometry is not None:
        points, colors, fov = points_of(geometry)
        # Little-endian: N x 3 float32 positions, then N x 3 bytes of color.
        data = points.astype("<f4").tobytes() + colors.tobytes()
        message |= {"points": _store(data, ".bin"), "count": len(points), "fov": fov}
        image = geometry.get("image") if image is None else image
    if image is not None:
        message["image"] = _store(_jpeg(to_images(image, "image")[0]), ".jpg")
    return message


def points_of(geometry: Any, most: int = POINTS) -> tuple[np.ndarray, np.ndarray, float]:
    """Points (N, 3) in the first camera's OpenCV axes, with the median depth 1, colors (N, 3) uint8, and the
    horizontal field of view in degrees that they were seen with. At most `most` points, on a regular grid.
    """
    depth = read_geometry(geometry, views=1)[0].depth[0]
    height, width = depth.shape
    if geometry.get("points") is not None:
        points = as_numpy(geometry["points"])[0]
    else:
        points = _unproject(depth, _matrix(geometry, width, height))
    good = np.isfinite(depth) & np.isfinite(points).all(-1) & (points[..., 2] > 1e-6)
    if not good.any():
        raise UserError("The geometry has no point with a usable depth in its first view.")
    # Far walls of noise would put everything else into a corner.
    good &= points[..., 2] <= 20 * np.median(points[..., 2][good])
    image = geometry.get("image")
    if image is None:
        colors = np.full((height, width, 3), 190, np.uint8)
    else:
        from ...control.images import resize_clip

        colors = resize_clip(to_images(image, "geometry's image")[:1], height, width)[0]
        colors = (np.clip(colors, 0, 1) * 255 + 0.5).astype(np.uint8)
    stride = max(1, int(np.ceil(np.sqrt(good.sum() / most))))
    chosen = np.zeros_like(good)
    chosen[::stride, ::stride] = good[::stride, ::stride]
    points, colors = points[chosen], colors[chosen]
    if "points" in geometry and geometry["points"] is not None and geometry.get("intrinsics") is None:
        slope = np.percentile(np.abs(points[:, 0] / points[:, 2]), 99)
    elif geometry.get("points") is not None:  # MoGe's are normalized by width and height
        focal = float(as_numpy(geometry["intrinsics"])[0][0, 0])
        slope = 0.5 / (focal if focal < 20 else focal / width)
    else:
        slope = 0.5 * width / _matrix(geometry, width, height)[0, 0]
    return points / np.median(points[:, 2]), np.ascontiguousarray(colors), float(np.degrees(2 * np.arctan(slope)))


def _matrix(geometry: Mapping, width: int, height: int) -> np.ndarray:
    """DA3's intrinsics (3, 3) in pixels, or a guess of 71 degrees (core's own) where it gives none or the identity."""
    if geometry.get("intrinsics") is not None:
        matrix = as_numpy(geometry["intrinsics"]).reshape(-1, 3, 3)[0]
        if matrix[0, 0] > 2:
            return matrix
    return np.array([[0.7 * width, 0, (width - 1) / 2], [0, 0.7 * width, (height - 1) / 2], [0, 0, 1]])


def _unproject(depth: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Points (H, W, 3) of a depth map (H, W)."""
    y, x = np.indices(depth.shape)
    rays = np.stack([(x - matrix[0, 2]) / matrix[0, 0], (y - matrix[1, 2]) / matrix[1, 1], np.ones_like(depth)], -1)
    return rays * depth[..., None]


def _jpeg(image: np.ndarray) -> bytes:
    """An image (H, W, 3), 0..1, as JPEG, at most WIDTH wide."""
    from PIL import Image

    height, width = image.shape[:2]
    size = (WIDTH, max(1, round(height * WIDTH / width))) if width > WIDTH else (width, height)
    return jpeg(image, size, 88, resample=Image.Resampling.LANCZOS)


def _store(data: bytes, ending: str) -> dict[str, str]:
    name = f"camera_path_{hashlib.sha256(data).hexdigest()[:16]}{ending}"
    store(name, data)
    return {"filename": name, "subfolder": FOLDER, "type": "temp"}
