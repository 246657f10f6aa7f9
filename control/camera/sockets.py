"""Cameras as ComfyUI's sockets hold them, in plain dicts, lists and numpy arrays; both ways where there are two.

LOAD3D_CAMERA (core's 3D views), CAMERACTRL_POSES (AnimateDiff-Evolved, WanVideoWrapper, KJNodes), the extrinsics and
intrinsics of DA3_GEOMETRY, TRACKS (core's Wan Move; only out: a path from tracks is what `from_video` finds), and the
rays of WAN_CAMERA_EMBEDDING. Tensors are the nodes' business.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..errors import UserError
from . import rotations
from .formats.common import (
    DEFAULT_ASPECT,
    DEFAULT_FPS,
    UNKNOWN,
    array,
    check_frames,
    from_quaternion,
    nominal_size,
    number,
    to_y_up,
    upright,
)
from .formats.realestate import from_rows
from .trajectory import UNIT, CameraTrajectory, invert, project

# What core's Render Splat takes when a camera does not say.
VIEWPORT_FOV = 35.0


def from_viewport(
    cameras: Mapping[str, Any] | Sequence[Mapping[str, Any]],
    fps: float = DEFAULT_FPS,
    aspect: float = DEFAULT_ASPECT,
    by_target: bool = True,
) -> CameraTrajectory:
    """A pose for each LOAD3D_CAMERA: right-handed, y up, looking along -z, vertical `fov` in degrees.

    by_target: count lengths in distances of the first camera to its target, so that the target stands at distance 1;
    otherwise in scene units. aspect: width / height where a camera does not say; they are taken from the first one.
    Raises UserError for an orthographic camera and for fields that are no numbers.
    """
    cameras = [cameras] if isinstance(cameras, Mapping) else list(cameras)
    check_frames(len(cameras))
    matrices, lenses = [], []
    for place, camera in enumerate(cameras):
        what = f"camera {place}" if len(cameras) > 1 else "the camera"
        if not isinstance(camera, Mapping):
            raise UserError(f"{what} of a 3D view is a {type(camera).__name__}; its position and target were expected")
        if str(camera.get("cameraType", "perspective")).lower().startswith("ortho"):
            raise UserError(f"{what} of the 3D view is orthographic: switch it to perspective")
        matrices.append(_viewport_matrix(camera, what))
        zoom = number(camera.get("zoom") or 1.0, f"zoom of {what}")
        fov = number(camera.get("fov") or VIEWPORT_FOV, f"fov of {what}")
        wide = number(camera.get("aspect") or aspect, f"aspect of {what}")
        if not (0.1 < fov < 179 and zoom > 0 and wide > 0):
            raise UserError(f"{what} of the 3D view has fov {fov:g}, zoom {zoom:g} and aspect {wide:g}")
        fy = zoom * 0.5 / np.tan(np.radians(fov) / 2)
        lenses.append((fy / wide, fy, 0.5, 0.5))
    trajectory = CameraTrajectory(upright(np.stack(matrices)), np.array(lenses), fps=fps, unit=UNKNOWN)
    if not by_target:
        return trajectory
    away = float(np.linalg.norm(_xyz(cameras[0], "target", "the camera") - _xyz(cameras[0], "position", "the camera")))
    if away < 1e-9:
        raise UserError("the camera of the 3D view stands on its target: move it away, or count in scene units")
    return trajectory.scaled(1 / away).replace(unit=UNIT)


def _xyz(camera: Mapping[str, Any], key: str, what: str, names: str = "xyz") -> np.ndarray:
    value = camera.get(key)
    if not isinstance(value, Mapping) or any(name not in value for name in names):
        raise UserError(f"{what} of the 3D view has no '{key}' with {', '.join(names)}")
    return np.array([number(value[name], f"{key}.{name}") for name in names])


def _viewport_matrix(camera: Mapping[str, Any], what: str) -> np.ndarray:
    """Camera-to-world (4, 4) in the view's own axes."""
    matrix = np.eye(4)
    matrix[:3, 3] = _xyz(camera, "position", what)
    if camera.get("quaternion"):
        turn = _xyz(camera, "quaternion", what, "wxyz")
        matrix[:3, :3] = from_quaternion(turn, f"the quaternion of {what}")
        return matrix
    forward = _xyz(camera, "target", what) - matrix[:3, 3]
    if np.linalg.norm(forward) < 1e-9:
        raise UserError(f"{what} of the 3D view stands on its target: move it away")
    # Columns right, down, forward with the world's y up; the view wants right, up, backward.
    matrix[:3, :3] = rotations.looking(forward, down=(0.0, -1.0, 0.0)) * (1, -1, -1)
    return matrix


def to_viewport(trajectory: CameraTrajectory, frame: int = 0, distance: float = 1.0) -> dict[str, Any]:
    """One pose as LOAD3D_CAMERA; its target stands `distance` before it."""
    matrix = to_y_up(trajectory.c2w[frame : frame + 1])[0]
    w, x, y, z = rotations.to_quaternion(matrix[:3, :3]).tolist()
    fx, fy = trajectory.intrinsics[frame, :2]

    def xyz(values: np.ndarray) -> dict[str, float]:
        return dict(zip("xyz", values.tolist(), strict=True))

    return {
        "position": xyz(matrix[:3, 3]),
        "target": xyz(matrix[:3, 3] - distance * matrix[:3, 2]),
        "quaternion": {"x": x, "y": y, "z": z, "w": w},
        "fov": float(np.degrees(2 * np.arctan(0.5 / fy))),
        "aspect": float(fy / fx),
        "zoom": 1.0,
        "cameraType": "perspective",
        "near": 0.01,
        "far": 1000.0,
    }


def from_poses(poses: Any, fps: float | None = None) -> CameraTrajectory:
    """The path of CAMERACTRL_POSES: per frame a time, fx fy cx cy, the width and height of the image that these are
    for (0 0: unsaid), and the 12 numbers of world-to-camera. fps None: from the times, if they are microseconds.

    Raises UserError for anything else.
    """
    if isinstance(poses, (list, tuple)):
        check_frames(len(poses))
    return from_rows(array(poses, (None, 19), "the camera poses"), fps)


def to_poses(trajectory: CameraTrajectory) -> list[list[float]]:
    """The path as CAMERACTRL_POSES; time in microseconds, and a width and height of the image's shape, by which
    AnimateDiff-Evolved turns the focal lengths into those of its own image.
    """
    width, height = nominal_size(trajectory, 720)
    times = np.round(np.arange(trajectory.frames) / trajectory.fps * 1e6)
    size = np.broadcast_to((float(width), float(height)), (trajectory.frames, 2))
    w2c = trajectory.w2c().reshape(trajectory.frames, 12)
    return np.concatenate([times[:, None], trajectory.intrinsics, size, w2c], 1).tolist()


def from_geometry(
    extrinsics: np.ndarray, intrinsics: np.ndarray, depth: np.ndarray | None = None, fps: float = DEFAULT_FPS
) -> CameraTrajectory:
    """The path of Depth Anything 3's cameras.

    extrinsics: (F, 3 or 4, 4) or (1, F, 3 or 4, 4) world-to-camera. intrinsics: (F, 3, 3) or (1, F, 3, 3), in pixels of
    the image that the network saw, whose size the geometry does not hold: it is twice the principal point, which this
    network puts in the middle. depth: (F, H, W) of the same geometry; its first frame's median becomes the unit.
    Raises UserError for the identities that a model without a camera head gives.
    """
    extrinsics, intrinsics = np.asarray(extrinsics, np.float64), np.asarray(intrinsics, np.float64)
    if extrinsics.ndim == 4 and len(extrinsics) == 1:
        extrinsics = extrinsics[0]
    if intrinsics.ndim == 4 and len(intrinsics) == 1:
        intrinsics = intrinsics[0]
    if extrinsics.ndim != 3 or extrinsics.shape[1:] not in ((3, 4), (4, 4)) or len(intrinsics) != len(extrinsics):
        raise UserError(
            f"the geometry has extrinsics of shape {extrinsics.shape} and intrinsics of shape {intrinsics.shape};"
            " (frames, 3, 4) and (frames, 3, 3) were expected"
        )
    intrinsics = array(intrinsics, (len(extrinsics), 3, 3), "the intrinsics of the geometry")
    still = np.abs(extrinsics[:, :3] - np.eye(4)[:3]).max() < 1e-9
    if np.abs(intrinsics - np.eye(3)).max() < 1e-9 or still and len(extrinsics) > 1:
        raise UserError(
            "the geometry holds no camera: its model has no camera head and filled in identities. Use a Depth Anything"
            " 3 model for several views (Small or Base, not Mono or Metric) in multi-view mode"
        )
    lens = intrinsics[:, [0, 1, 0, 1], [0, 1, 2, 2]]
    size = 2 * np.median(lens[:, 2:], 0)
    if not (size > 1).all():
        raise UserError(f"the geometry's principal point is {size / 2}; half of an image in pixels was expected")
    w2c = CameraTrajectory(extrinsics, lens / np.tile(size, 2), fps=fps, unit=UNKNOWN)
    trajectory = w2c.replace(c2w=invert(w2c.c2w))
    if depth is None:
        return trajectory
    first = np.asarray(depth[0], np.float64)
    seen = first[np.isfinite(first) & (first > 0)]
    if not seen.size:
        raise UserError("the geometry's first depth map is empty, so distances have no unit")
    return trajectory.scaled(1 / float(np.median(seen))).replace(unit=UNIT)


def to_geometry(trajectory: CameraTrajectory, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Extrinsics (1, F, 3, 4) world-to-camera and intrinsics (1, F, 3, 3) in pixels, as Depth Anything 3 has them."""
    fx, fy, cx, cy = trajectory.intrinsics.T * np.array([[width], [height], [width], [height]])
    zero, one = np.zeros_like(fx), np.ones_like(fx)
    matrix = np.stack([fx, zero, cx, zero, fy, cy, zero, zero, one], 1).reshape(-1, 3, 3)
    return trajectory.w2c()[None], matrix[None]


def to_tracks(
    trajectory: CameraTrajectory,
    height: int,
    width: int,
    columns: int = 8,
    rows: int = 5,
    depth: float | np.ndarray = 1.0,
) -> tuple[np.ndarray, np.ndarray]:
    """TRACKS: where the points of a grid go when the camera moves through a scene that stands still.

    depth: how far the scene is from the first camera along its axis, in the path's unit; a number, or a map (H', W') of
    the first frame. Points where the map is not positive and finite are left out. Gives pixels (F, N, 2) float32, x and
    y, and what is visible (F, N): before the camera and inside the image. Points behind the camera keep their place.
    """
    if height < 1 or width < 1 or not 1 <= columns * rows <= 100_000:
        raise UserError(f"tracks of {columns} x {rows} points in an image of {width} x {height} were asked for")
    x, y = np.meshgrid((np.arange(columns) + 0.5) / columns, (np.arange(rows) + 0.5) / rows)
    points = np.stack([x.ravel(), y.ravel()], 1)
    if np.ndim(depth) == 0:
        away = np.full(len(points), float(depth))
    else:
        depth = array(np.nan_to_num(depth, posinf=0, neginf=0), (None, np.shape(depth)[-1]), "the depth map")
        size = np.array(depth.shape[::-1])
        at = np.minimum((points * size).astype(int), size - 1)
        away = depth[at[:, 1], at[:, 0]]
    points, away = points[away > 0], away[away > 0]
    if not len(points):
        raise UserError("no point of the tracks has a depth: a positive number, or a map of them, was expected")
    path = trajectory.relative()
    fx, fy, cx, cy = path.intrinsics[0]
    world = np.stack([(points[:, 0] - cx) / fx * away, (points[:, 1] - cy) / fy * away, away], 1)
    seen = project(world, path.w2c(), path.intrinsics)
    visible = ((seen >= 0) & (seen <= 1)).all(-1)
    for frame in range(1, len(seen)):
        lost = np.isnan(seen[frame, :, 0])
        seen[frame, lost] = seen[frame - 1, lost]
    return (seen * (width, height)).astype(np.float32), visible


def unpack_embedding(packed: np.ndarray) -> np.ndarray:
    """The rays (F, 6, H, W), F = 4 F' - 3, in WAN_CAMERA_EMBEDDING (1, 24, F', H, W).

    Four frames share a latent frame, the first stands alone four times: channel 4 c + k holds coordinate c of frame k.
    """
    if packed.ndim != 5 or packed.shape[:2] != (1, 24):
        raise UserError(f"the camera embedding has shape {packed.shape}; (1, 24, frames, height, width) was expected")
    _, _, frames, height, width = packed.shape
    rays = packed.reshape(6, 4, frames, height, width).transpose(2, 1, 0, 3, 4)
    return rays.reshape(4 * frames, 6, height, width)[3:]


def from_rays(rays: np.ndarray, fps: float = DEFAULT_FPS) -> CameraTrajectory:
    """The path whose Plücker rays these are: (F, 6, H, W), moment o x d before unit direction d, as `plucker` gives.

    The center of a frame is the point nearest to all its rays; lens and turn come from the directions, which are a
    homography of the pixels (Hartley and Zisserman 2004, 4.1 and 6.2.4). Raises UserError for what are no rays.
    """
    rays = np.asarray(rays)
    if rays.ndim != 4 or rays.shape[1] != 6 or min(rays.shape[2:]) < 2:
        raise UserError(f"the rays have shape {rays.shape}; (frames, 6, height, width) was expected")
    check_frames(len(rays))
    height, width = rays.shape[2:]
    rows, columns = (np.unique(np.linspace(0, side - 1, 24).round().astype(int)) for side in (height, width))
    grid = np.ix_(range(len(rays)), range(6), rows, columns)
    few = rays[grid].astype(np.float64).reshape(len(rays), 6, -1)
    if not np.isfinite(few).all():
        raise UserError("the rays hold numbers that are not finite (NaN or infinity)")
    y, x = np.meshgrid((rows + 0.5) / height, (columns + 0.5) / width, indexing="ij")
    pixels = np.stack([x.ravel(), y.ravel(), np.ones(x.size)], 1)
    poses, lenses = zip(*(_camera_of(frame[:3].T, frame[3:].T, pixels) for frame in few), strict=True)
    return CameraTrajectory(np.stack(poses), np.stack(lenses), fps=fps, unit=UNKNOWN)


def _camera_of(moment: np.ndarray, direction: np.ndarray, pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pose (3, 4) and fx fy cx cy of rays: moments and directions (N, 3), pixels (N, 3) homogeneous."""
    length = np.linalg.norm(direction, axis=1)
    if np.abs(length - 1).max() > 1e-2:
        raise UserError("the rays' directions are not of length 1: moments and directions may be in the other order")
    # d x (H p) = 0 for all pixels: H = R K^-1 up to scale.
    a, b, c = direction.T[:, :, None]
    zero = np.zeros_like(pixels)
    equations = np.concatenate(
        [
            np.concatenate([zero, -c * pixels, b * pixels], 1),
            np.concatenate([c * pixels, zero, -a * pixels], 1),
            np.concatenate([-b * pixels, a * pixels, zero], 1),
        ]
    )
    homography = np.linalg.eigh(equations.T @ equations)[1][:, 0].reshape(3, 3)
    # R K^-1 with K^-1 upper triangular is a QR decomposition.
    turn, inverse = np.linalg.qr(homography * np.sign((direction * (pixels @ homography.T)).sum()))
    signs = np.sign(np.diag(inverse))
    turn, inverse = turn * signs, inverse * signs[:, None]
    if np.linalg.det(turn) < 0 or np.abs(np.diag(inverse)).min() < 1e-9:
        raise UserError("the rays are not those of a pinhole camera")
    lens = np.linalg.inv(inverse / inverse[2, 2])
    # o x d = m for all rays: [d]x^T o = m, in least squares.
    cross = np.cross(np.eye(3)[None], direction[:, None])
    matrix, target = np.swapaxes(cross, 1, 2).reshape(-1, 3), moment.reshape(-1)
    center = np.linalg.lstsq(matrix, target, rcond=None)[0]
    return np.concatenate([turn, center[:, None]], 1), np.array([lens[0, 0], lens[1, 1], lens[0, 2], lens[1, 2]])
