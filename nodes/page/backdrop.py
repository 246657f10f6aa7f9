"""What the camera editor shows behind the path: an image, and points in space from DA3 or MoGe geometry.

Files go to ComfyUI's temp folder under the hash of their content; the page gets them by the host's /view route.
"""

from __future__ import annotations

import hashlib
from typing import TypedDict

import numpy as np

from ...control.errors import UserError
from ...control.images import resize_clip
from ..sockets.arrays import to_images
from ..sockets.geometry import first_intrinsics, first_points, read_geometry
from ..sockets.types import ImageTensor, TensorDict
from .temporary import ViewFile, store, to_jpeg

MAX_WIDTH, MAX_POINTS = 960, 60_000
JPEG_QUALITY = 88
GRAY = 190  # of points without an image, 0..255
MAX_MEDIANS = 20  # points farther away than so many median depths are left out


class BackdropMessage(TypedDict, total=False):
    """The page's message; each entry only where there is one. fov: horizontal, in degrees. count: of points."""

    image: ViewFile
    points: ViewFile
    count: int
    fov: float


def save_backdrop(image: ImageTensor | None, geometry: TensorDict | None) -> BackdropMessage:
    """Write the first image, or else the geometry's, and the points of the geometry's first view, for the page.

    Raises UserError for a geometry without depth.
    """
    message: BackdropMessage = {}
    if geometry is not None:
        points, colors, fov = geometry_points(geometry)
        # Little-endian: N x 3 float32 positions, then N x 3 bytes of color.
        message["points"] = _store(points.astype("<f4").tobytes() + colors.tobytes(), ".bin")
        message["count"], message["fov"] = len(points), fov
        image = geometry.get("image") if image is None else image
    if image is not None:
        message["image"] = _store(_to_jpeg(to_images(image, "image")[0]), ".jpg")
    return message


def geometry_points(geometry: TensorDict, max_points: int = MAX_POINTS) -> tuple[np.ndarray, np.ndarray, float]:
    """Return points (N, 3), colors (N, 3) uint8, and the horizontal field of view in degrees of the view they are from.

    The points of the first view on a regular grid, at most `max_points`, in that camera's OpenCV axes, with the median
    depth as unit. Raises UserError for a geometry without depth or without a usable point.
    """
    depth = read_geometry(geometry, max_views=1)[0].depth[0]
    height, width = depth.shape
    points = first_points(geometry, height, width)
    if points is None:
        points = _unproject(depth, _intrinsics(geometry, width, height))
    usable = np.isfinite(depth) & np.isfinite(points).all(-1) & (points[..., 2] > 1e-6)
    if not usable.any():
        raise UserError("The geometry has no point with a usable depth in its first view.")
    # Noise that is very far away would push everything else into a corner.
    usable &= points[..., 2] <= MAX_MEDIANS * np.median(points[..., 2][usable])
    stride = max(1, int(np.ceil(np.sqrt(usable.sum() / max_points))))
    chosen = np.zeros_like(usable)
    chosen[::stride, ::stride] = usable[::stride, ::stride]
    points, colors = points[chosen], _colors(geometry, height, width)[chosen]
    fov = float(np.degrees(2 * np.arctan(_half_width(geometry, points, width, height))))
    return points / np.median(points[:, 2]), np.ascontiguousarray(colors), fov


def _colors(geometry: TensorDict, height: int, width: int) -> np.ndarray:
    """Return the geometry's first image at the size of its depth, (H, W, 3) uint8; gray if it has none."""
    image = geometry.get("image")
    if image is None:
        return np.full((height, width, 3), GRAY, np.uint8)
    colors = np.clip(resize_clip(to_images(image, "geometry's image")[:1], height, width)[0], 0, 1)
    rounded: np.ndarray = (colors * 255 + 0.5).astype(np.uint8)
    return rounded


def _half_width(geometry: TensorDict, points: np.ndarray, width: int, height: int) -> float:
    """Return half of the image's width at distance 1: the tangent of half of the horizontal field of view."""
    if geometry.get("points") is None:
        return float(0.5 * width / _intrinsics(geometry, width, height)[0, 0])
    matrix = first_intrinsics(geometry)
    if matrix is None:
        return float(np.percentile(np.abs(points[:, 0] / points[:, 2]), 99))
    focal = float(matrix[0, 0])
    return 0.5 / (focal if focal < 20 else focal / width)  # MoGe's are normalized by width and height


def _intrinsics(geometry: TensorDict, width: int, height: int) -> np.ndarray:
    """Return DA3's intrinsics (3, 3) in pixels; where it has none or the identity, core's own guess of 71 degrees."""
    matrix = first_intrinsics(geometry)
    if matrix is not None and matrix[0, 0] > 2:
        return matrix
    return np.array([[0.7 * width, 0, (width - 1) / 2], [0, 0.7 * width, (height - 1) / 2], [0, 0, 1]])


def _unproject(depth: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Return the points (H, W, 3) of a depth map (H, W)."""
    y, x = np.indices(depth.shape)
    rays = np.stack([(x - matrix[0, 2]) / matrix[0, 0], (y - matrix[1, 2]) / matrix[1, 1], np.ones_like(depth)], -1)
    points: np.ndarray = rays * depth[..., None]
    return points


def _to_jpeg(image: np.ndarray) -> bytes:
    """Return an image (H, W, 3), 0..1, as a JPEG at most MAX_WIDTH wide."""
    from PIL import Image

    height, width = image.shape[:2]
    size = (MAX_WIDTH, max(1, round(height * MAX_WIDTH / width))) if width > MAX_WIDTH else (width, height)
    return to_jpeg(image, size, JPEG_QUALITY, Image.Resampling.LANCZOS)


def _store(data: bytes, extension: str) -> ViewFile:
    return store(f"camera_path_{hashlib.sha256(data).hexdigest()[:16]}{extension}", data)
