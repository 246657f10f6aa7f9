"""Camera paths from and to the sockets of core and other packs, as tensors and dicts."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from einops import rearrange, repeat

from ...control.camera import CameraTrajectory, presets, sockets
from ...control.camera.easing import apply_easing
from ...control.camera.lens import fit_lens
from ...control.camera.motion_range import CameraMotionRange
from ...control.camera.plucker import plucker_embedding
from ...control.errors import UserError
from ...models.geometry import WAN_2_1
from ..progress import progress
from .arrays import to_array, to_images, to_masks
from .geometry import geometry_array
from .types import DynamicChoice, HostModel, ImageTensor, MaskTensor, TensorDict, ViewportCamera

if TYPE_CHECKING:
    from torch import Tensor

    from ...control.camera.from_video import Estimate

COMBINATION = "combination"  # the movement of Camera Preset that is written as a text of several


def camera_motion_range(model: HostModel | None) -> CameraMotionRange | None:
    """Return the range of the cameras that a MODEL was trained on; None for a model that does not say."""
    motion_range: CameraMotionRange | None = getattr(getattr(model, "model", None), "camera_motion_range", None)
    return motion_range


def from_movement(
    movement: DynamicChoice, frames: int, fps: float, ease: str, fov: float, aspect: float
) -> CameraTrajectory:
    """Return the path of a Camera Preset's movement. Raises UserError for a text that is not a sequence of them."""
    if movement["movement"] == COMBINATION:
        from ...control.camera.sequence import sequence

        return sequence(movement["text"], frames, fps, fov, aspect, ease)
    return presets.preset(
        movement["movement"],
        frames=frames,
        amount=movement.get("amount"),
        fps=fps,
        fov=fov,
        aspect=aspect,
        ease=ease,
        seed=movement.get("take", 0),
    )


def from_clip(images: ImageTensor, moving: MaskTensor | None, fps: float, fov: float, method: str) -> Estimate:
    """Return the camera path of a clip, estimated by `method`.

    moving: white where something moves by itself, one mask or one per frame. fov: horizontal, in degrees; 0 estimates
    it. Raises UserError as `estimate_camera` does.
    """
    from ...control.camera.from_video import estimate_camera
    from ...control.images import resize_clip

    frames = to_images(images, "the clip")
    masks = None
    if moving is not None:
        masks = resize_clip(to_masks(moving, "the mask of moving things"), *frames.shape[1:3]) > 0.5
    focal = 0.5 / math.tan(math.radians(fov) / 2) if fov else None
    return estimate_camera(frames, focal=focal, masks=masks, method=method, fps=fps, progress=progress)


def fit_to_video(trajectory: CameraTrajectory, width: int, height: int, frames: int) -> CameraTrajectory:
    """Return the path for a video of this size: spread over `frames`, its image center-cropped to the video's aspect.

    See `fit_lens`.
    """
    if trajectory.frames != frames:
        trajectory = trajectory.resample(frames)
    return trajectory.replace(intrinsics=fit_lens(trajectory.intrinsics, width, height), pixel_aspect=1.0)


def to_wan_embedding(trajectory: CameraTrajectory, width: int, height: int, length: int, scale: float = 1.0) -> Tensor:
    """Return a path as WAN_CAMERA_EMBEDDING (1, 24, (length + 3) / 4, height, width) float32.

    The Plücker rays of every frame, in the packing of VideoX-Fun and core's `WanCameraEmbedding`: the first frame is
    repeated four times, then every four frames share a latent frame, and channel 4 c + k is coordinate c (moment x y z,
    direction x y z) of the k-th of them. Distances are multiplied by `scale`. Raises UserError for a length that is not
    4k+1.
    """
    import comfy.model_management
    import torch

    step = WAN_2_1.temporal
    if (length - 1) % step:
        below, above = WAN_2_1.nearest_frames(length)
        raise UserError(f"The length is {length}; Wan takes {step}k+1 frames: use {below} or {above}.")
    path = fit_to_video(trajectory, width, height, length).relative().scaled(scale)
    rays = plucker_embedding(path, height, width)  # (F, 6, H, W)
    rays = np.concatenate([repeat(rays[0], "c h w -> k c h w", k=step), rays[1:]])
    packed = torch.from_numpy(rearrange(rays, "(t k) c h w -> 1 (c k) t h w", k=step))
    return packed.contiguous().to(comfy.model_management.intermediate_device())


def from_wan_embedding(embedding: Tensor, fps: float) -> CameraTrajectory:
    """Return the path in a WAN_CAMERA_EMBEDDING. Raises UserError for anything else."""
    return sockets.from_plucker_rays(sockets.unpack_wan_embedding(to_array(embedding, "the camera embedding")), fps)


def from_viewports(
    views: Sequence[ViewportCamera], frames: int, fps: float, ease: str, aspect: float, by_target: bool = True
) -> CameraTrajectory:
    """Return the path through LOAD3D_CAMERA views, evenly spread over the clip and eased as a whole.

    One view is a camera that stands still. aspect: width / height of the video; the vertical field of view stays, which
    is the one that 3D views state. Raises UserError for no view or one that cannot be used.
    """
    if not views:
        raise UserError("No 3D view is connected: connect the camera_info of Load 3D or Create Camera Info.")
    keyframes = sockets.from_viewport(views, fps, aspect, by_target)
    times = apply_easing(np.linspace(0, 1, frames) if frames > 1 else np.zeros(1), ease)
    path = keyframes.at(times, method="smooth")
    intrinsics = path.intrinsics.copy()
    intrinsics[:, 0] = intrinsics[:, 1] / aspect
    return path.replace(intrinsics=intrinsics).relative()


def to_viewports(
    trajectory: CameraTrajectory, scale: float = 1.0, start: ViewportCamera | None = None
) -> list[ViewportCamera]:
    """Return a LOAD3D_CAMERA per frame, distances multiplied by `scale`.

    start: the path begins at this camera, whose distance to its target is the path's unit; the path keeps its own lens.
    """
    path, target_distance = trajectory.scaled(scale), scale
    if start is not None:
        pose = sockets.from_viewport(start, by_target=False)
        sockets.from_viewport(start)  # refuses a view without a target
        target_distance = float(np.linalg.norm([start["target"][axis] - start["position"][axis] for axis in "xyz"]))
        path = path.relative().scaled(target_distance).absolute(pose.c2w[0])
    return [sockets.to_viewport(path, frame, target_distance) for frame in range(path.frames)]


def from_da3_geometry(geometry: TensorDict, fps: float) -> CameraTrajectory:
    """Return the cameras of a DA3_GEOMETRY, in units of its first depth map's median.

    Raises UserError for a geometry without cameras.
    """
    if not isinstance(geometry, Mapping) or any(geometry.get(key) is None for key in ("extrinsics", "intrinsics")):
        raise UserError(
            "The geometry has no cameras: run Depth Anything 3 in the mode multiview, with a Small or Base model."
        )
    return sockets.from_da3_geometry(
        geometry_array(geometry, "extrinsics"),
        geometry_array(geometry, "intrinsics"),
        geometry_array(geometry, "depth"),
        fps,
    )


def to_wan_move_tracks(
    trajectory: CameraTrajectory,
    width: int,
    height: int,
    length: int,
    columns: int,
    rows: int,
    depth: float = 1.0,
    geometry: TensorDict | None = None,
) -> dict[str, Tensor]:
    """Return TRACKS as core's Wan Move nodes take them: `track_path` (F, N, 2) in pixels, `track_visibility` (F, N).

    depth: how far the scene is, in the path's unit. geometry: a DA3_GEOMETRY whose first depth map, in units of its
    median, says instead how far each point is.
    """
    import comfy.model_management
    import torch

    distance = depth if geometry is None else _first_depth_in_medians(geometry)
    path = fit_to_video(trajectory, width, height, length)
    points, visible = sockets.to_point_tracks(path, height, width, columns, rows, distance)
    device = comfy.model_management.intermediate_device()
    return {
        "track_path": torch.from_numpy(points).to(device),
        "track_visibility": torch.from_numpy(visible).to(device),
    }


def _first_depth_in_medians(geometry: TensorDict) -> np.ndarray:
    depth = geometry_array(geometry, "depth")
    in_medians: np.ndarray = depth[0] / sockets.median_depth(depth)
    return in_medians
