"""The control videos of a clip of the world: edges as a detector sees them in its frames, the rest from the scene."""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from einops import rearrange
from torch import Tensor

from ..control.control_video.detect import FROM_FRAMES
from ..control.control_video.drawing import distinct_colors
from ..control.control_video.flow import color_flow
from ..control.control_video.kinds import KINDS, ControlVideo
from ..control.control_video.regions import boxes_of, draw_boxes, draw_segmentation
from ..control.control_video.skeleton import POINTS, draw_skeletons
from ..control.control_video.tracks import draw_tracks
from .figures import FACE
from .surfaces import Surfaces
from .world import SceneSpec

# So many of its control videos a clip has, each number as often: more would make its shard of latents large.
DRAWN = (1, 2)
_TRACKS = 24  # points, half of them on objects where there are any
_APART = 0.08  # of the frame's shorter side lie two points apart at least
_IN_FRONT = 0.25  # world units by which another object must be nearer than a joint to hide it


@dataclass(frozen=True, eq=False)
class ShownScene:
    """A scene and its rendering: video (3, T, H, W) in 0..1, exact depth and slots (T, H, W)."""

    scene: SceneSpec
    video: Tensor
    depth: Tensor
    slot: Tensor

    @cached_property
    def frames(self) -> np.ndarray:
        """The video as (T, H, W, 3)."""
        return rearrange(self.video, "c t h w -> t h w c").cpu().numpy()

    @cached_property
    def surfaces(self) -> Surfaces:
        """What is seen at every pixel."""
        return Surfaces(self.scene, self.depth, self.slot)

    def rng(self, kind: str) -> np.random.Generator:
        """Return a generator for what is drawn of this scene for a kind."""
        return np.random.default_rng([self.scene.seed, 1 + list(KINDS).index(kind)])


def draw_kinds(scene: SceneSpec, among: Container[str] = KINDS) -> tuple[str, ...]:
    """Return one or two of the kinds that a scene can show and that are `among` these, drawn by its seed."""
    has_figure = any(item.joints is not None for item in scene.objects)
    shown = [kind for kind in KINDS if kind in among and (kind != "pose" or has_figure)]
    rng = np.random.default_rng([scene.seed, 0])
    count = min(int(rng.choice(DRAWN)), len(shown))
    # A pose is to be learned from the few scenes that have a figure: there it is drawn as often as not.
    if "pose" in shown and len(shown) > 1 and rng.random() < 0.5:
        others = [kind for kind in shown if kind != "pose"]
        return ("pose", *rng.choice(others, count - 1, replace=False).tolist())
    return tuple(rng.choice(shown, count, replace=False).tolist())


def control_videos(shown: ShownScene, kinds: Sequence[str]) -> tuple[ControlVideo, ...]:
    """Return the control videos of these kinds, each exactly what the clip shows."""
    return tuple(
        ControlVideo(kind, FROM_FRAMES[kind](shown.frames) if kind not in _EXACT else _EXACT[kind](shown))
        for kind in kinds
    )


def _masks(slots: Tensor, count: int) -> list[np.ndarray]:
    return [(slots == k).cpu().numpy().astype(np.float32) for k in range(count)]


def _segmentation(shown: ShownScene) -> np.ndarray:
    """Objects, ground, wall and sky in colors that each scene exchanges: they tell regions apart and mean nothing."""
    surfaces = shown.surfaces
    places = [one.cpu().numpy().astype(np.float32) for one in (surfaces.ground, surfaces.wall, surfaces.sky)]
    masks = [*_masks(shown.slot, len(shown.scene.objects)), *places]
    return draw_segmentation(np.stack(masks), shown.rng("segmentation").permutation(distinct_colors(8))[: len(masks)])


def _boxes(shown: ShownScene) -> np.ndarray:
    masks = _masks(shown.slot, len(shown.scene.objects))
    boxes = boxes_of(np.stack(masks)) if masks else np.zeros((0, shown.scene.frames, 4), int)
    return draw_boxes(boxes, *shown.slot.shape[1:])


def _normals(shown: ShownScene) -> np.ndarray:
    """Red right, green up, blue toward the camera; black at the sky."""
    turned = shown.surfaces.camera_normals() * torch.tensor([1.0, -1.0, -1.0], device=shown.depth.device)
    colors = (0.5 + 0.5 * turned) * ~shown.surfaces.sky[..., None]
    return colors.clamp(0, 1).cpu().numpy()


def _flow(shown: ShownScene) -> np.ndarray:
    return color_flow(shown.surfaces.flow().cpu().numpy())


def tracked_points(shown: ShownScene) -> tuple[np.ndarray, np.ndarray]:
    """Return points (T, N, 2) in pixels and visible (T, N): points of the first frame and where they go, exactly."""
    surfaces, (height, width) = shown.surfaces, shown.slot.shape[1:]
    chosen = _scattered(shown, ~surfaces.sky[0].cpu().numpy(), shown.slot[0].cpu().numpy() >= 0)
    row, column = torch.as_tensor(chosen, device=shown.depth.device).unbind(1)
    zero = torch.zeros_like(row)
    points, slot = surfaces.points[0, row, column], shown.slot[0, row, column]
    places, seen = [], []
    for t in range(shown.scene.frames):
        frame = zero + t
        position, z = surfaces.projected(surfaces.carried(points, slot, zero, frame), frame)
        places.append(position)
        seen.append(surfaces.visible(position, z, frame))
    limit = 4.0 * max(height, width)  # OpenCV draws no points from far outside
    return torch.stack(places).clamp(-limit, limit).cpu().numpy(), torch.stack(seen).cpu().numpy()


def _scattered(shown: ShownScene, usable: np.ndarray, on_object: np.ndarray) -> np.ndarray:
    """Return rows and columns (N, 2) of pixels apart from each other, half of them on objects."""
    rng, apart = shown.rng("tracks"), max(2.0, _APART * min(usable.shape))
    chosen: list[np.ndarray] = []
    for mask, most in ((usable & on_object, _TRACKS // 2), (usable & ~on_object, _TRACKS)):
        for pixel in rng.permutation(np.argwhere(mask)):
            if len(chosen) >= most:
                break
            if all(np.hypot(*(pixel - other)) >= apart for other in chosen):
                chosen.append(pixel)
    return np.array(chosen, int).reshape(-1, 2)


def joints_in_image(shown: ShownScene) -> tuple[np.ndarray, np.ndarray]:
    """Return the joints (T, P, 18, 2) of the figures in pixels and visible (T, P, 18).

    Hidden is what lies outside the image or behind another object, and of the face what looks away.
    """
    surfaces, frames = shown.surfaces, shown.scene.frames
    places, seen = [], []
    for k, item in enumerate(shown.scene.objects):
        if item.joints is None:
            continue
        local = item.joints[:, : len(POINTS)] * item.half_size
        world = np.einsum("tij,tpj->tpi", item.rotation, local) + item.center[:, None]
        points = torch.as_tensor(world, dtype=torch.float32, device=shown.depth.device).reshape(-1, 3)
        frame = torch.arange(frames, device=points.device).repeat_interleave(len(POINTS))
        position, z = surfaces.projected(points, frame)
        shows = _unhidden(shown, position, z, frame, k) & _unturned(shown, world, k).to(points.device).reshape(-1)
        places.append(position.view(frames, len(POINTS), 2).cpu().numpy())
        seen.append(shows.view(frames, len(POINTS)).cpu().numpy())
    if not places:
        return np.zeros((frames, 0, len(POINTS), 2)), np.zeros((frames, 0, len(POINTS)), bool)
    return np.stack(places, 1), np.stack(seen, 1)


def _unhidden(shown: ShownScene, position: Tensor, z: Tensor, frame: Tensor, slot: int) -> Tensor:
    height, width = shown.slot.shape[1:]
    column, row = position.round().long().unbind(1)
    inside = (column >= 0) & (column < width) & (row >= 0) & (row < height) & (z > 0)
    row, column = row.clamp(0, height - 1), column.clamp(0, width - 1)
    there = shown.slot[frame, row, column]
    behind = (there >= 0) & (there != slot) & (shown.depth[frame, row, column] < z - _IN_FRONT)
    return inside & ~behind


def _unturned(shown: ShownScene, joints: np.ndarray, slot: int) -> Tensor:
    """Return (T, 18): of the face, what is on the side of the head that the camera sees."""
    item = shown.scene.objects[slot]
    head = item.joints[:, -1:] * item.half_size  # type: ignore[index]  # only figures are asked for
    middle = np.einsum("tij,tpj->tpi", item.rotation, head) + item.center[:, None]
    toward_camera = shown.scene.camera.c2w[:, None, :, 3] - middle
    facing = ((joints - middle) * toward_camera).sum(-1) > -1e-3
    on_face = np.isin(np.array(POINTS), FACE)
    return torch.as_tensor(facing | ~on_face)


def _pose(shown: ShownScene) -> np.ndarray:
    poses, seen = joints_in_image(shown)
    return draw_skeletons(poses, seen, *shown.slot.shape[1:])


def _tracks(shown: ShownScene) -> np.ndarray:
    return draw_tracks(*tracked_points(shown), *shown.slot.shape[1:])


# What comes from the scene itself; of the other kinds a detector sees the clip's own frames.
_EXACT: dict[str, Callable[[ShownScene], np.ndarray]] = {
    "pose": _pose,
    "segmentation": _segmentation,
    "normals": _normals,
    "flow": _flow,
    "tracks": _tracks,
    "boxes": _boxes,
}
