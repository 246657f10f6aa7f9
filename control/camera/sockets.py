"""Conversions between camera paths and the cameras of ComfyUI's sockets, as plain dicts, lists and numpy arrays.

LOAD3D_CAMERA (core's 3D viewports), CAMERACTRL_POSES (AnimateDiff-Evolved, WanVideoWrapper, KJNodes), the extrinsics
and intrinsics of DA3_GEOMETRY, TRACKS (point tracks of core's Wan Move; only written: `from_video` estimates a path
from tracks), and the rays of WAN_CAMERA_EMBEDDING. Tensors are converted by the nodes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from einops import rearrange

from ..errors import UserError
from ..files import JsonObject
from . import rotations
from .formats.axes import c2w_from_opengl, c2w_to_opengl
from .formats.format import DEFAULT_ASPECT, DEFAULT_FPS, UNKNOWN_UNIT
from .formats.lens import nominal_size
from .formats.realestate import from_realestate_rows
from .formats.values import check_frames, number, number_array
from .trajectory import UNIT, CameraTrajectory, invert, make_poses, project

# What core's Render Splat uses for a camera without a field of view, in degrees.
VIEWPORT_FOV = 35.0


def from_viewport(
    cameras: Mapping[str, Any] | Sequence[Mapping[str, Any]],
    fps: float = DEFAULT_FPS,
    aspect: float = DEFAULT_ASPECT,
    by_target: bool = True,
) -> CameraTrajectory:
    """Return the path of LOAD3D_CAMERAs, a pose each: right-handed, y up, looking along -z, vertical `fov` in degrees.

    by_target: count lengths in distances of the first camera to its target, so that the target is at distance 1;
    otherwise in scene units. aspect: width / height where a camera states none. Raises UserError for an orthographic
    camera and for fields that are not numbers.
    """
    cameras = [cameras] if isinstance(cameras, Mapping) else list(cameras)
    check_frames(len(cameras))
    names = [f"camera {index}" if len(cameras) > 1 else "the camera" for index in range(len(cameras))]
    for camera, name in zip(cameras, names, strict=True):
        if not isinstance(camera, Mapping):
            raise UserError(f"{name} of a 3D view is a {type(camera).__name__}; its position and target were expected")
        if str(camera.get("cameraType", "perspective")).lower().startswith("ortho"):
            raise UserError(f"{name} of the 3D view is orthographic: switch it to perspective")
    matrices = np.stack([_viewport_matrix(camera, name) for camera, name in zip(cameras, names, strict=True)])
    lenses = [_viewport_intrinsics(camera, aspect, name) for camera, name in zip(cameras, names, strict=True)]
    trajectory = CameraTrajectory(c2w_from_opengl(matrices), np.array(lenses), fps=fps, unit=UNKNOWN_UNIT)
    if not by_target:
        return trajectory
    to_target = _vector(cameras[0], "target", "the camera") - _vector(cameras[0], "position", "the camera")
    distance = float(np.linalg.norm(to_target))
    if distance < 1e-9:
        raise UserError("the camera of the 3D view is at its target: move it away, or count in scene units")
    return trajectory.scaled(1 / distance).replace(unit=UNIT)


def _vector(camera: Mapping[str, Any], key: str, name: str, components: str = "xyz") -> np.ndarray:
    """Return a field with these components. Raise UserError, which calls the camera `name`, for anything else."""
    value = camera.get(key)
    if not isinstance(value, Mapping) or any(component not in value for component in components):
        raise UserError(f"{name} of the 3D view has no '{key}' with {', '.join(components)}")
    return np.array([number(value[component], f"{key}.{component}") for component in components])


def _viewport_matrix(camera: Mapping[str, Any], name: str) -> np.ndarray:
    """Return camera-to-world (4, 4) in the viewport's own axes."""
    matrix = np.eye(4)
    matrix[:3, 3] = _vector(camera, "position", name)
    if camera.get("quaternion"):
        wxyz = _vector(camera, "quaternion", name, "wxyz")
        matrix[:3, :3] = rotations.from_quaternion(wxyz, f"the quaternion of {name}")
        return matrix
    forward = _vector(camera, "target", name) - matrix[:3, 3]
    if np.linalg.norm(forward) < 1e-9:
        raise UserError(f"{name} of the 3D view is at its target: move it away")
    # Columns right, down, forward with the world's y up; the viewport's are right, up, backward.
    matrix[:3, :3] = rotations.look_at_rotation(forward, down=(0.0, -1.0, 0.0)) * (1, -1, -1)
    return matrix


def _viewport_intrinsics(camera: Mapping[str, Any], default_aspect: float, name: str) -> tuple[float, ...]:
    """Return fx fy cx cy, normalized."""
    zoom = number(camera.get("zoom") or 1.0, f"zoom of {name}")
    fov = number(camera.get("fov") or VIEWPORT_FOV, f"fov of {name}")
    aspect = number(camera.get("aspect") or default_aspect, f"aspect of {name}")
    if not (0.1 < fov < 179 and zoom > 0 and aspect > 0):
        raise UserError(f"{name} of the 3D view has fov {fov:g}, zoom {zoom:g} and aspect {aspect:g}")
    fy = float(zoom * 0.5 / np.tan(np.radians(fov) / 2))
    return fy / aspect, fy, 0.5, 0.5


def to_viewport(trajectory: CameraTrajectory, frame: int = 0, distance: float = 1.0) -> JsonObject:
    """Return one pose as LOAD3D_CAMERA, with its target `distance` ahead."""
    matrix = c2w_to_opengl(trajectory.c2w[frame : frame + 1])[0]
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


def from_cameractrl_poses(poses: Any, fps: float | None = None) -> CameraTrajectory:
    """Return the path of CAMERACTRL_POSES.

    Per frame these hold a time, fx fy cx cy, the width and height of the image that these are for (0 0: not stated),
    and the 12 numbers of world-to-camera. fps None: from the times, if they are microseconds. Raises UserError for
    anything else.
    """
    if isinstance(poses, (list, tuple)):
        check_frames(len(poses))
    return from_realestate_rows(number_array(poses, (None, 19), "the camera poses"), fps)


def to_cameractrl_poses(trajectory: CameraTrajectory) -> list[list[float]]:
    """Return the path as CAMERACTRL_POSES.

    Times are in microseconds; width and height have the image's aspect, by which AnimateDiff-Evolved turns the focal
    lengths into those of its own image.
    """
    width, height = nominal_size(trajectory, 720)
    times = np.round(trajectory.times() * 1e6)
    size = np.broadcast_to((float(width), float(height)), (trajectory.frames, 2))
    w2c = rearrange(trajectory.w2c(), "f i j -> f (i j)")
    rows: list[list[float]] = np.concatenate([times[:, None], trajectory.intrinsics, size, w2c], 1).tolist()
    return rows


def from_da3_geometry(
    extrinsics: np.ndarray, intrinsics: np.ndarray, depth: np.ndarray | None = None, fps: float = DEFAULT_FPS
) -> CameraTrajectory:
    """Return the path of Depth Anything 3's cameras.

    extrinsics: (F, 3 or 4, 4) or (1, F, 3 or 4, 4) world-to-camera. intrinsics: (F, 3, 3) or (1, F, 3, 3), in pixels of
    the image that the network saw, whose size the geometry does not hold: it is twice the principal point, which this
    network puts in the middle. depth: (F, H, W) of the same geometry; its first frame's median becomes the unit.
    Raises UserError for other shapes and for the identities that a model without a camera head gives.
    """
    extrinsics, intrinsics = _checked_da3_cameras(extrinsics, intrinsics)
    lens = intrinsics[:, [0, 1, 0, 1], [0, 1, 2, 2]]
    size = 2 * np.median(lens[:, 2:], 0)
    if not (size > 1).all():
        raise UserError(f"the geometry's principal point is {size / 2}; half of an image in pixels was expected")
    w2c = CameraTrajectory(extrinsics, lens / np.tile(size, 2), fps=fps, unit=UNKNOWN_UNIT)
    trajectory = w2c.replace(c2w=invert(w2c.c2w))
    if depth is None:
        return trajectory
    return trajectory.scaled(1 / median_depth(depth)).replace(unit=UNIT)


def median_depth(depth: np.ndarray) -> float:
    """Return the median of the first of depth maps (F, H, W), where it is known: positive and finite.

    Raises UserError for other shapes, and a map of which nothing is known.
    """
    if np.ndim(depth) != 3 or not np.size(depth):
        raise UserError(f"the geometry's depth has shape {np.shape(depth)}; (frames, height, width) was expected")
    first = np.asarray(depth[0], np.float64)
    known = first[np.isfinite(first) & (first > 0)]
    if not known.size:
        raise UserError("the geometry's first depth map is empty, so distances have no unit")
    return float(np.median(known))


def _checked_da3_cameras(extrinsics: np.ndarray, intrinsics: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return extrinsics (F, 3 or 4, 4) and intrinsics (F, 3, 3) without a batch axis; errors as `from_da3_geometry`."""
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
    intrinsics = number_array(intrinsics, (len(extrinsics), 3, 3), "the intrinsics of the geometry")
    all_identity = np.abs(extrinsics[:, :3] - np.eye(4)[:3]).max() < 1e-9
    if np.abs(intrinsics - np.eye(3)).max() < 1e-9 or all_identity and len(extrinsics) > 1:
        raise UserError(
            "the geometry holds no camera: its model has no camera head and filled in identities. Use a Depth Anything"
            " 3 model for several views (Small or Base, not Mono or Metric) in multi-view mode"
        )
    return extrinsics, intrinsics


def to_point_tracks(
    trajectory: CameraTrajectory,
    height: int,
    width: int,
    columns: int = 8,
    rows: int = 5,
    depth: float | np.ndarray = 1.0,
) -> tuple[np.ndarray, np.ndarray]:
    """Return TRACKS: how the points of a grid move in the image when the camera moves through a static scene.

    depth: distance of the scene from the first camera along its axis, in the path's unit; a number, or a map (H', W')
    of the first frame. Points where the map is not positive and finite are left out. Returns pixels (F, N, 2) float32,
    x and y, and visibility (F, N): in front of the camera and inside the image. Points behind the camera keep the last
    position. Raises UserError for an empty grid and for no depth at all.
    """
    if height < 1 or width < 1 or not 1 <= columns * rows <= 100_000:
        raise UserError(f"tracks of {columns} x {rows} points in an image of {width} x {height} were asked for")
    x, y = np.meshgrid((np.arange(columns) + 0.5) / columns, (np.arange(rows) + 0.5) / rows)
    points = np.stack([x.ravel(), y.ravel()], 1)
    point_depth = _depth_at(points, depth)
    points, point_depth = points[point_depth > 0], point_depth[point_depth > 0]
    if not len(points):
        raise UserError("no point of the tracks has a depth: a positive number, or a map of them, was expected")
    path = trajectory.relative()
    focal, center = path.intrinsics[0, :2], path.intrinsics[0, 2:]
    world = np.concatenate([(points - center) / focal, np.ones((len(points), 1))], 1) * point_depth[:, None]
    projected = project(world, path.w2c(), path.intrinsics)
    visible: np.ndarray = np.all((projected >= 0) & (projected <= 1), axis=-1)
    for frame in range(1, len(projected)):
        behind = np.isnan(projected[frame, :, 0])
        projected[frame, behind] = projected[frame - 1, behind]
    return (projected * (width, height)).astype(np.float32), visible


def _depth_at(points: np.ndarray, depth: float | np.ndarray) -> np.ndarray:
    """Return the depth (N,) of image points (N, 2), 0..1, from a number or a map (H', W'); 0 where it is not finite."""
    if np.ndim(depth) == 0:
        return np.full(len(points), float(depth))
    finite = np.nan_to_num(depth, posinf=0, neginf=0)
    depth_map = number_array(finite, (None, np.shape(depth)[-1]), "the depth map")
    size = np.array(depth_map.shape[::-1])
    pixels = np.minimum((points * size).astype(int), size - 1)
    values: np.ndarray = depth_map[pixels[:, 1], pixels[:, 0]]
    return values


def unpack_wan_embedding(packed: np.ndarray) -> np.ndarray:
    """Return the rays (F, 6, H, W), F = 4 F' - 3, in WAN_CAMERA_EMBEDDING (1, 24, F', H, W).

    Four frames share a latent frame, the first is repeated four times: channel 4 c + k holds coordinate c of frame k.
    Raises UserError for other shapes.
    """
    if packed.ndim != 5 or packed.shape[:2] != (1, 24):
        raise UserError(f"the camera embedding has shape {packed.shape}; (1, 24, frames, height, width) was expected")
    return rearrange(packed, "1 (c k) f h w -> (f k) c h w", k=4)[3:]


def from_plucker_rays(rays: np.ndarray, fps: float = DEFAULT_FPS) -> CameraTrajectory:
    """Return the path whose Plücker rays these are: (F, 6, H, W), as `plucker_embedding` returns them.

    The center of a frame is the point nearest to all its rays; lens and rotation come from the directions, which are a
    homography of the pixels (Hartley and Zisserman 2004, 4.1 and 6.2.4). Raises UserError for anything else.
    """
    rays = np.asarray(rays)
    if rays.ndim != 4 or rays.shape[1] != 6 or min(rays.shape[2:]) < 2:
        raise UserError(f"the rays have shape {rays.shape}; (frames, 6, height, width) was expected")
    check_frames(len(rays))
    height, width = rays.shape[2:]
    # A grid of rays is enough.
    rows, columns = (np.unique(np.linspace(0, side - 1, 24).round().astype(int)) for side in (height, width))
    sparse = rearrange(rays[:, :, rows[:, None], columns].astype(np.float64), "f c h w -> f (h w) c")
    if not np.isfinite(sparse).all():
        raise UserError("the rays hold numbers that are not finite (NaN or infinity)")
    y, x = np.meshgrid((rows + 0.5) / height, (columns + 0.5) / width, indexing="ij")
    pixels = np.stack([x.ravel(), y.ravel(), np.ones(x.size)], 1)
    cameras = [_camera_from_rays(frame[:, :3], frame[:, 3:], pixels) for frame in sparse]
    poses, lenses = zip(*cameras, strict=True)
    return CameraTrajectory(np.stack(poses), np.stack(lenses), fps=fps, unit=UNKNOWN_UNIT)


def _camera_from_rays(moment: np.ndarray, direction: np.ndarray, pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return pose (3, 4) and fx fy cx cy of rays: moments and directions (N, 3), pixels (N, 3) homogeneous."""
    length = np.linalg.norm(direction, axis=1)
    if np.abs(length - 1).max() > 1e-2:
        raise UserError("the rays' directions are not of length 1: moments and directions may be in the other order")
    # d x (H p) = 0 for all pixels: H = R K^-1 up to scale.
    a, b, c = rearrange(direction, "n xyz -> xyz n 1")
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
    rotation, inverse_k = np.linalg.qr(homography * np.sign((direction * (pixels @ homography.T)).sum()))
    signs = np.sign(np.diag(inverse_k))
    rotation, inverse_k = rotation * signs, inverse_k * signs[:, None]
    if np.linalg.det(rotation) < 0 or np.abs(np.diag(inverse_k)).min() < 1e-9:
        raise UserError("the rays are not those of a pinhole camera")
    k = np.linalg.inv(inverse_k / inverse_k[2, 2])
    # o x d = m for all rays: [d]x^T o = m, in least squares.
    cross = np.cross(np.eye(3)[None], direction[:, None])
    matrix, target = np.swapaxes(cross, 1, 2).reshape(-1, 3), moment.reshape(-1)
    center = np.linalg.lstsq(matrix, target, rcond=None)[0]
    return make_poses(rotation, center), np.array([k[0, 0], k[1, 1], k[0, 2], k[1, 2]])
