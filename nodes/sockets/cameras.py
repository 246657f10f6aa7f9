"""Camera paths as core's and other packs' sockets hold them, as tensors, and what a path is in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ...control.camera import CameraTrajectory, sockets
from ...control.camera.easing import apply_easing
from ...control.camera.formats import UNKNOWN_UNIT
from ...control.camera.motion_range import CameraMotionRange, motion_range_warnings
from ...control.camera.plucker import plucker_embedding
from ...control.camera.rotations import angle_between
from ...control.errors import UserError


def for_video(trajectory: CameraTrajectory, width: int, height: int, frames: int) -> CameraTrajectory:
    """The path for a video of this size: spread over `frames`, and its image cropped in the middle to the aspect.

    An image that is too high loses above and below (the horizontal field of view stays), one that is too wide at its
    sides, as CameraCtrl and core's Wan Fun nodes crop.
    """
    if trajectory.frames != frames:
        trajectory = trajectory.resample(frames)
    intrinsics = trajectory.intrinsics.copy()
    own = intrinsics[:, 1] / intrinsics[:, 0]  # width / height of what the lens sees
    ratio = own / (width / height)
    # Focal lengths count in widths and heights: the side that is cut gets shorter, so its focal length grows.
    across, down = np.maximum(ratio, 1), np.maximum(1 / ratio, 1)
    intrinsics[:, 0] *= across
    intrinsics[:, 1] *= down
    intrinsics[:, 2] = 0.5 + (intrinsics[:, 2] - 0.5) * across
    intrinsics[:, 3] = 0.5 + (intrinsics[:, 3] - 0.5) * down
    return trajectory.replace(intrinsics=intrinsics, pixel_aspect=1.0)


def wan_embedding(trajectory: CameraTrajectory, width: int, height: int, length: int, scale: float = 1.0) -> Any:
    """WAN_CAMERA_EMBEDDING (1, 24, (length + 3) / 4, height, width) float32: Plücker rays of every frame, in the
    packing of VideoX-Fun and core's `WanCameraEmbedding`.

    The first frame stands four times, then every four frames share a latent frame: channel 4 c + k is coordinate c
    (moment x y z, direction x y z) of the k-th of them. Distances are multiplied by `scale`.
    Raises UserError for a length that is not 4k+1.
    """
    import comfy.model_management
    import torch

    if (length - 1) % 4:
        below = (length - 1) // 4 * 4 + 1
        raise UserError(f"The length is {length}; Wan takes 4k+1 frames: use {below} or {below + 4}.")
    path = for_video(trajectory, width, height, length).relative().scaled(scale)
    rays = torch.from_numpy(plucker_embedding(path, height, width))  # F C H W
    rays = torch.cat([rays[:1].expand(4, -1, -1, -1), rays[1:]])
    packed = rays.unflatten(0, (-1, 4)).permute(2, 1, 0, 3, 4).flatten(0, 1)  # (c k) F' H W
    return packed[None].contiguous().to(comfy.model_management.intermediate_device())


def from_embedding(embedding: Any, fps: float) -> CameraTrajectory:
    """The path in a WAN_CAMERA_EMBEDDING. Raises UserError for what is none."""
    return sockets.from_plucker_rays(sockets.unpack_wan_embedding(_array(embedding, "the camera embedding")), fps)


def through_views(
    views: Sequence[Mapping[str, Any]], frames: int, fps: float, ease: str, aspect: float, by_target: bool = True
) -> CameraTrajectory:
    """The path through LOAD3D_CAMERA views, evenly spread over the clip and eased as a whole; one view stands still.

    aspect: width / height of the video; the vertical field of view stays, which is the one that 3D views state.
    Raises UserError for no view or one that cannot be used.
    """
    if not views:
        raise UserError("No 3D view is connected: connect the camera_info of Load 3D or Create Camera Info.")
    keys = sockets.from_viewport(views, fps, aspect, by_target)
    at = apply_easing(np.linspace(0, 1, frames) if frames > 1 else np.zeros(1), ease)
    path = keys.at(at, method="smooth")
    intrinsics = path.intrinsics.copy()
    intrinsics[:, 0] = intrinsics[:, 1] / aspect
    return path.replace(intrinsics=intrinsics).relative()


def viewports(
    trajectory: CameraTrajectory, scale: float = 1.0, start: Mapping[str, Any] | None = None
) -> list[dict[str, Any]]:
    """A LOAD3D_CAMERA per frame. start: the path begins there, in distances to its target; its own lens stays."""
    path, away = trajectory.scaled(scale), scale
    if start is not None:
        place = sockets.from_viewport(start, by_target=False)
        sockets.from_viewport(start)  # refuses a view without a target
        away = float(np.linalg.norm([start["target"][axis] - start["position"][axis] for axis in "xyz"]))
        path = path.relative().scaled(away).absolute(place.c2w[0])
    return [sockets.to_viewport(path, frame, away) for frame in range(path.frames)]


def from_geometry(geometry: Mapping[str, Any], fps: float) -> CameraTrajectory:
    """The cameras of a DA3_GEOMETRY, in units of its first depth map's median. Raises UserError where it has none."""
    if not isinstance(geometry, Mapping) or "extrinsics" not in geometry or "intrinsics" not in geometry:
        raise UserError(
            "The geometry has no cameras: run Depth Anything 3 in the mode multiview, with a Small or Base model."
        )
    names = ("extrinsics", "intrinsics", "depth")
    extrinsics, intrinsics, depth = (_array(geometry[name], f"'{name}' of the geometry") for name in names)
    return sockets.from_da3_geometry(extrinsics, intrinsics, depth, fps)


def tracks(
    trajectory: CameraTrajectory,
    width: int,
    height: int,
    length: int,
    columns: int,
    rows: int,
    depth: float = 1.0,
    geometry: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """TRACKS as core's Wan Move nodes take them: `track_path` (frames, points, 2) pixels, `track_visibility`.

    geometry: a DA3_GEOMETRY whose first depth map, in units of its median, says how far each point is.
    """
    import comfy.model_management
    import torch

    away: float | np.ndarray = depth
    if geometry is not None:
        away = _array(geometry["depth"], "'depth' of the geometry")[0].astype(np.float64)
        seen = away[np.isfinite(away) & (away > 0)]
        if not seen.size:
            raise UserError("The geometry's first depth map is empty: look at the node that made it.")
        away = away / np.median(seen)
    path, visible = sockets.to_point_tracks(
        for_video(trajectory, width, height, length), height, width, columns, rows, away
    )
    device = comfy.model_management.intermediate_device()
    return {
        "track_path": torch.from_numpy(path).to(device),
        "track_visibility": torch.from_numpy(visible).to(device),
    }


def camera_motion_range_of(model: Any) -> CameraMotionRange | None:
    """What the cameras of a MODEL's training did; None for a model that does not say."""
    return getattr(getattr(model, "model", None), "camera_motion_range", None)


def limits(reach: CameraMotionRange | None, fps: float) -> dict[str, float] | None:
    """The fastest movement and turn that a model has seen, per second at `fps`."""
    return None if reach is None else {"speed": reach.distance_step * fps, "angular": reach.turn_step * fps}


def describe_path(path: CameraTrajectory, model: Any = None) -> str:
    """Length, way, turns and lens of a path, a line each, and what of it is beyond what the model was trained on."""
    path = path.relative()
    away = np.linalg.norm(path.c2w[:, :, 3], axis=1).max()
    turned = np.degrees(angle_between(np.eye(3), path.c2w[:, :, :3])).max()
    fov = path.fov()[:, 0]
    lens = f"{fov[0]:.4g}" if np.ptp(fov) < 0.05 else f"{fov[0]:.4g} to {fov[-1]:.4g}"
    lines = [
        f"{path.frames} frames, {path.frames / path.fps:.4g} s at {path.fps:g} a second",
        f"travels {path.distance()[-1]:.3g}, up to {away:.3g} from the start, up to {path.speed().max():.3g} a second",
        f"turns by up to {turned:.3g} degrees, up to {path.angular_speed().max():.3g} a second",
        f"field of view {lens} degrees",
        f"unit: {'unknown' if path.unit == UNKNOWN_UNIT else path.unit}",
    ]
    if model is not None:
        reach = camera_motion_range_of(model)
        if reach is None:
            lines.append("The model does not say which movements it was trained on.")
        else:
            lines += motion_range_warnings(path, reach) or ["Within what the model was trained on."]
            if path.unit == UNKNOWN_UNIT and away > 0:
                lines.append("The unit is unknown: distances were compared as if it were the model's.")
    return "\n".join(lines)


def _array(tensor: Any, what: str) -> np.ndarray:
    """A tensor's numbers. Raises UserError for what is no tensor."""
    if not hasattr(tensor, "detach"):
        raise UserError(f"{what} is a {type(tensor).__name__}; a tensor was expected.")
    return tensor.detach().float().cpu().numpy()
