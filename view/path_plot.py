"""Images of a camera path in space: where it goes, which way the cameras look, and the subject at distance 1.

Images are `(H, W, 3)`, clips `(F, H, W, 3)`, float32 in [0, 1]. Blue is the first frame and red the last throughout.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from einops import rearrange

from ..control.camera.rotations import angle_between, look_at_rotation
from ..control.camera.trajectory import CameraTrajectory
from .canvas import Canvas
from .colors import GRID, NOTE, SHADE, SUBJECT, Color, frame_color, lighter
from .ticks import round_step

AZIMUTH, ELEVATION = -36.0, 26.0  # the viewer stands behind, to the left and above, in degrees
FRUSTUMS = 9  # at most so many cameras are drawn along a path
SUBJECT_AT = np.array([[0.0, 0.0, 1.0]])


class Viewpoint:
    """How the page shows space: in perspective from behind and above, so that all of `points` (N, 3) fill `box` (left,
    top, right, bottom), in pixels."""

    def __init__(self, points: np.ndarray, box: tuple[float, float, float, float]):
        left, top, right, bottom = box
        azimuth, elevation = np.radians(AZIMUTH), np.radians(ELEVATION)
        back = np.array([np.sin(azimuth) * np.cos(elevation), -np.sin(elevation), -np.cos(azimuth) * np.cos(elevation)])
        self.rotation = look_at_rotation(-back)
        center = (points.min(0) + points.max(0)) / 2
        size = max(float(np.linalg.norm(points - center, axis=1).max()), 1e-6)
        self.eye = center + 5.0 * size * back
        plane = self._to_image_plane(points)
        low, high = plane.min(0), plane.max(0)
        self.scale = float(np.min([right - left, bottom - top] / np.maximum(high - low, 1e-6)))
        self.plane_center = (low + high) / 2
        self.page_center = np.array([(left + right) / 2, (top + bottom) / 2])

    def depth(self, points: np.ndarray) -> np.ndarray:
        """Return the distance (N,) of points (N, 3) from the viewer along the line of sight."""
        depth: np.ndarray = (points - self.eye) @ self.rotation[:, 2]
        return depth

    def project(self, points: np.ndarray) -> np.ndarray:
        """Return where points in space (N, 3) or (..., N, 3) are on the page: (..., N, 2) in pixels."""
        page: np.ndarray = (self._to_image_plane(points) - self.plane_center) * self.scale + self.page_center
        return page

    def _to_image_plane(self, points: np.ndarray) -> np.ndarray:
        """Return points (..., 3) projected at distance 1 from the viewer: (..., 2)."""
        local = (points - self.eye) @ self.rotation
        plane: np.ndarray = local[..., :2] / np.maximum(local[..., 2:], 1e-6)
        return plane


@dataclass(frozen=True)
class PathLayout:
    """What is drawn of a path, in its own space: poses c2w (F, 3, 4), the corners (F, 6, 3) of every camera, the height
    of the floor, the floor's grid (step, low and high (2,) in x and z), and the viewpoint."""

    c2w: np.ndarray
    corners: np.ndarray
    span: float
    floor: float
    step: float
    low: np.ndarray
    high: np.ndarray
    viewpoint: Viewpoint

    @property
    def positions(self) -> np.ndarray:
        """Return where the cameras are (F, 3)."""
        return self.c2w[:, :, 3]

    def on_floor(self, points: np.ndarray) -> np.ndarray:
        """Return the points of the floor (N, 3) below points (N, 3)."""
        return np.stack([points[:, 0], np.full(len(points), self.floor), points[:, 2]], -1)


def draw_path(trajectory: CameraTrajectory, height: int = 480, width: int = 720) -> np.ndarray:
    """Draw the path in space with cameras along it, the subject at distance 1 and the ground: `(height, width, 3)`."""
    page, layout = _page_with_path(trajectory, height, width)
    cameras = rearrange(
        layout.viewpoint.project(rearrange(layout.corners, "f n xyz -> (f n) xyz")), "(f n) xy -> f n xy", n=6
    )
    last = trajectory.frames - 1
    for index in [*_uncrowded(cameras), *sorted({0, last})]:
        color = frame_color(index, trajectory.frames)
        if index in (0, last):
            _draw_camera(page, cameras[index], color, 1.7, 0.28)
        else:
            _draw_camera(page, cameras[index], lighter(color, 0.35), 0.9, 0)
    return page.image()


def draw_path_frames(trajectory: CameraTrajectory, height: int = 480, width: int = 720) -> np.ndarray:
    """Draw the path as a clip in which the camera moves along it: `(F, height, width, 3)`."""
    page, layout = _page_with_path(trajectory, height, width)
    frames = np.empty((trajectory.frames, height, width, 3), np.float32)
    for index in range(trajectory.frames):
        with_camera = page.copy()
        camera = layout.viewpoint.project(layout.corners[index])
        _draw_camera(with_camera, camera, frame_color(index, trajectory.frames), 1.8, 0.32)
        frames[index] = with_camera.image()
    return frames


def _page_with_path(trajectory: CameraTrajectory, height: int, width: int) -> tuple[Canvas, PathLayout]:
    """Return a page with ground, subject, path and captions, on which cameras are still to be drawn."""
    layout = _lay_out(trajectory, height, width)
    page = Canvas(height, width)
    _draw_floor(page, layout)
    _draw_subject(page, layout)
    _draw_positions(page, layout)
    _draw_captions(page, trajectory, layout)
    return page, layout


def _lay_out(trajectory: CameraTrajectory, height: int, width: int) -> PathLayout:
    """Return the layout of a path on a page of this size."""
    c2w = trajectory.relative().c2w
    content = np.concatenate([c2w[:, :, 3], SUBJECT_AT])
    span = max(float((content.max(0) - content.min(0)).max()), 1e-3)
    corners = camera_corners(c2w, trajectory.intrinsics, 0.2 * span)
    floor = content[:, 1].max() + 0.28 * span
    step = round_step(span / 4)
    content = np.concatenate([content, rearrange(corners, "f n xyz -> (f n) xyz")])
    low = np.floor((content[:, [0, 2]].min(0)) / step) * step
    high = np.ceil((content[:, [0, 2]].max(0)) / step) * step
    edge = np.array([[x, floor, z] for x in (low[0], high[0]) for z in (low[1], high[1])])
    viewpoint = Viewpoint(np.concatenate([content, edge]), (14, 46, width - 14, height - 34))
    return PathLayout(c2w, corners, span, float(floor), step, low, high, viewpoint)


def camera_corners(c2w: np.ndarray, intrinsics: np.ndarray, size: float) -> np.ndarray:
    """Return apex, the four corners of the image, and the tip of the triangle above it, of every camera: (F, 6, 3).

    c2w (F, 3, 4), intrinsics (F, 4). The image has one size at any lens: its distance from the apex shows the lens.
    """
    half = np.minimum(0.5 / intrinsics[:, :2], 3.0)  # at depth 1
    half = half / np.linalg.norm(half, axis=1, keepdims=True)
    depth = np.clip(np.mean(intrinsics[:, :2] * 2 * half, axis=1), 0.35, 2.5)
    right, down = half.T
    zero = np.zeros_like(right)
    corners = [
        [zero, zero, zero],
        [-right, -down, depth],
        [right, -down, depth],
        [right, down, depth],
        [-right, down, depth],
        [zero, -1.45 * down, depth],
    ]
    local = rearrange(np.array(corners), "n xyz f -> f n xyz")
    world: np.ndarray = np.einsum("fij,fnj->fni", c2w[:, :, :3], 0.5 * size * local) + c2w[:, None, :, 3]
    return world


def _draw_floor(page: Canvas, layout: PathLayout) -> None:
    """Draw the grid of the floor, and lines from it up to the subject and to both ends of the path."""
    project, floor, (low_x, low_z), (high_x, high_z) = layout.viewpoint.project, layout.floor, layout.low, layout.high
    for x in np.arange(low_x, high_x + layout.step / 2, layout.step):
        page.line(project(np.array([[x, floor, low_z], [x, floor, high_z]])), GRID)
    for z in np.arange(low_z, high_z + layout.step / 2, layout.step):
        page.line(project(np.array([[low_x, floor, z], [high_x, floor, z]])), GRID)
    for point in (SUBJECT_AT, layout.positions[:1], layout.positions[-1:]):
        page.line(project(np.concatenate([point, layout.on_floor(point)])), SHADE)
    page.line(project(layout.on_floor(layout.positions)), SHADE, 2.0)
    page.dot(project(layout.on_floor(SUBJECT_AT))[0], 3, SHADE)


def _draw_subject(page: Canvas, layout: PathLayout) -> None:
    """Draw the subject at distance 1 before the first camera, as a ball with a highlight."""
    view = layout.viewpoint
    (spot,) = view.project(SUBJECT_AT)
    radius = float(np.clip(0.035 * layout.span * view.scale / view.depth(SUBJECT_AT)[0], 4, 14))
    page.dot(spot, radius, SUBJECT)
    page.dot(spot - 0.3 * radius, 0.35 * radius, lighter(SUBJECT, 0.5))
    page.text("subject", spot[0] + radius + 4, spot[1] + 4, size=0.38, color=SUBJECT)


def _draw_positions(page: Canvas, layout: PathLayout) -> None:
    """Draw the positions of the camera as a line, in the colors of the frames, and dots."""
    spots = layout.viewpoint.project(layout.positions)
    for index in range(len(spots) - 1):
        page.line(spots[index : index + 2], frame_color(index + 0.5, len(spots)), 2.6)
    if len(spots) <= 100:
        for index, spot in enumerate(spots):
            page.dot(spot, 2.0, frame_color(index, len(spots)))


def _draw_captions(page: Canvas, trajectory: CameraTrajectory, layout: PathLayout) -> None:
    """Write length, extent and the grid's step at the top, and the colors of the frames at the foot."""
    turned = np.degrees(angle_between(layout.c2w[:1, :, :3], layout.c2w[:, :, :3]))
    length = float(np.linalg.norm(np.diff(layout.positions, axis=0), axis=1).sum())
    frames = (
        f"{trajectory.frames} frame{'s' if trajectory.frames > 1 else ''}, {trajectory.frames / trajectory.fps:.3g} s"
    )
    page.text(f"{frames}   path {length:.3g}   turned up to {turned.max():.3g} degrees", 12, 20)
    page.text(f"grid {layout.step:g}", page.width - 12, 20, color=NOTE, align=1.0)
    _draw_time_bar(page, 12, page.height - 18, min(220, page.width - 24))


def _draw_time_bar(page: Canvas, x: float, y: float, length: float) -> None:
    """Draw the colors from the first frame to the last."""
    page.text("first", x, y + 7, size=0.36)
    page.text("last frame", x + length - 66, y + 7, size=0.36)
    edges = np.linspace(x + 36, x + length - 72, 65)
    for index, (a, b) in enumerate(zip(edges[:-1], edges[1:], strict=True)):
        page.area(np.array([[a, y], [b, y], [b, y + 8], [a, y + 8]]), frame_color(index, 64))


def _uncrowded(cameras: np.ndarray) -> list[int]:
    """Return frames between the first and the last whose cameras (F, 6, 2) on the page do not crowd each other."""
    size = np.linalg.norm(cameras[0, 1] - cameras[0, 3])
    chosen: list[int] = []
    for index in np.unique(np.round(np.linspace(0, len(cameras) - 1, FRUSTUMS)).astype(int))[1:-1]:
        others = cameras[[0, *chosen, len(cameras) - 1]]
        if np.linalg.norm(others - cameras[index], axis=-1).max(1).min() > 0.45 * size:
            chosen.append(int(index))
    return chosen


def _draw_camera(page: Canvas, corners: np.ndarray, color: Color, width: float, opacity: float) -> None:
    """Draw a camera of corners (6, 2) on the page: its pyramid, its image with a triangle above, a dot at the apex."""
    apex, image, tip = corners[0], corners[1:5], corners[5]
    if opacity:
        page.area(image, color, opacity)
    for corner in image:
        page.line(np.stack([apex, corner]), color, width)
    page.line(image, color, width, closed=True)
    top = image[:2].mean(0)
    page.area(np.stack([0.6 * top + 0.4 * image[0], 0.6 * top + 0.4 * image[1], tip]), color)
    page.dot(apex, 1.3 * width + 0.8, color)
