"""What a rendered scene shows at every pixel beyond color and depth: normals, and where each point goes.

Shapes: T frames, H x W pixels, N points. Points and normals are in world coordinates, in units of the world; positions
in an image are x and y in pixels, pixel centers at whole numbers.
"""

from __future__ import annotations

import torch
from einops import rearrange
from torch import Tensor

from .solids import Triple
from .trace import FAR, Tracer
from .world import SceneSpec

_ON_GROUND = 1e-3  # so far from y = 0 a point of the background may lie that belongs to the ground
_BEHIND = 1e-2  # the least depth at which a point is projected


class Surfaces:
    """The surfaces that a scene shows, from its exact depth and slots (T, H, W).

    points (T, H, W, 3): where each pixel's ray ends; at the sky FAR away. normals (T, H, W, 3): outward, unit, 0 at the
    sky. sky, ground, wall: (T, H, W) bool.
    """

    def __init__(self, scene: SceneSpec, depth: Tensor, slot: Tensor):
        self.tracer = Tracer(scene, depth.device)
        self.depth, self.slot = depth, slot
        self.height, self.width = depth.shape[1:]
        rays = self.tracer.camera_rays(self.height, self.width)
        self._direction, self._frame = torch.stack(rays.direction, -1), rays.frame
        points = rays.origin[rays.frame] + depth.reshape(-1, 1) * self._direction
        self.points = points.view(*depth.shape, 3)
        self.sky = (slot < 0) & (depth >= FAR)
        self.ground = (slot < 0) & ~self.sky & (self.points[..., 1].abs() < _ON_GROUND * depth.clamp_min(1))
        self.wall = (slot < 0) & ~self.sky & ~self.ground
        self.normals = self._find_normals()

    def _find_normals(self) -> Tensor:
        normals = torch.zeros_like(self.points)
        normals[self.ground] = torch.tensor([0.0, -1.0, 0.0], device=normals.device)
        inward = -self.points[self.wall]
        inward[:, 1] = 0
        normals[self.wall] = torch.nn.functional.normalize(inward, dim=1)
        flat = normals.view(-1, 3)
        for k, item in enumerate(self.tracer.objects):
            index = (self.slot.reshape(-1) == k).nonzero().squeeze(1)
            frame = self._frame[index]
            o, d = item.local(self.tracer.c2w[:, :, 3], _triple(self._direction[index]), frame)
            _, normal = item.first_hit(o, d, frame)
            # A normal of the unit solid becomes one of the world by the transpose of world-to-unit.
            outward = torch.einsum("nij,ni->nj", item.to_local[frame], torch.stack(normal, -1))
            flat[index] = torch.nn.functional.normalize(outward, dim=1)
        return normals

    def carried(self, points: Tensor, slot: Tensor, frame: Tensor, other: Tensor) -> Tensor:
        """Return where points (N, 3) of the objects `slot` (N,), -1 for what stands still, are in the frames `other`.

        frame, other: (N,), those that the points are of and those that they are wanted in.
        """
        result = points.clone()
        for k, item in enumerate(self.tracer.objects):
            index = (slot == k).nonzero().squeeze(1)
            here, there = frame[index], other[index]
            local = torch.einsum("nij,nj->ni", item.to_local[here], points[index] - item.center[here])
            if item.body is not None:
                local = item.body.carried(local, here, item.body, there)
            to_world = torch.linalg.inv(item.to_local)[there]
            result[index] = torch.einsum("nij,nj->ni", to_world, local) + item.center[there]
        return result

    def projected(self, points: Tensor, frame: Tensor) -> tuple[Tensor, Tensor]:
        """Return the positions (N, 2) and depths (N,) of points (N, 3) in the images of the frames (N,)."""
        c2w, lens = self.tracer.c2w[frame], self.tracer.intrinsics[frame]
        seen = torch.einsum("nji,nj->ni", c2w[:, :, :3], points - c2w[:, :, 3])
        z = seen[:, 2]
        share = seen[:, :2] / z.clamp_min(_BEHIND)[:, None] * lens[:, :2] + lens[:, 2:]
        return share * share.new_tensor([self.width, self.height]) - 0.5, z

    def visible(self, positions: Tensor, z: Tensor, frame: Tensor, tolerance: float = 0.03) -> Tensor:
        """Return which points (N,) with positions and depths are seen: in the image, and as far as what is seen there.

        tolerance: the share by which the depth may differ from the nearest one of the pixels around.
        """
        column, row = positions.round().long().unbind(1)
        inside = (column >= 0) & (column < self.width) & (row >= 0) & (row < self.height) & (z > _BEHIND)
        near = torch.zeros_like(inside)
        for dy in (-1, 0, 1):
            for dx in (-1, 0, 1):
                y, x = (row + dy).clamp(0, self.height - 1), (column + dx).clamp(0, self.width - 1)
                near |= (self.depth[frame, y, x] - z).abs() < tolerance * z
        return inside & near

    def flow(self) -> Tensor:
        """Return the movement (T, H, W, 2) in pixels of every pixel's point to the next frame.

        In the last frame it is the movement from the one before. A clip of one frame does not move.
        """
        frames = len(self.depth)
        other = torch.arange(1, frames + 1, device=self.depth.device)
        other[-1] = max(frames - 2, 0)
        to = other[self._frame]
        points, slot = self.points.reshape(-1, 3), self.slot.reshape(-1)
        moved = self.carried(points, slot, self._frame, to)
        # The sky is infinitely far: only turning moves it.
        moved = moved + self.sky.reshape(-1, 1) * (self.tracer.c2w[to, :, 3] - self.tracer.c2w[self._frame, :, 3])
        offset = self.projected(moved, to)[0] - self.projected(points, self._frame)[0]
        offset = offset.view(*self.depth.shape, 2)
        offset[-1] *= -1
        return offset

    def camera_normals(self) -> Tensor:
        """Return the normals (T, H, W, 3) along the camera's axes: right, down, forward."""
        return torch.einsum("tji,thwj->thwi", self.tracer.c2w[:, :, :3], self.normals)


def _triple(values: Tensor) -> Triple:
    x, y, z = rearrange(values, "n i -> i n").unbind(0)
    return x, y, z
