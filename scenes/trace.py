"""Ray tracing of a scene: color, z-depth and object of any list of rays. Pure torch, any device.

Shapes: N rays, T frames. Ray directions are camera rays with z = 1 rotated into the world, so the ray parameter *is*
the metric z-depth. The image is traced once at pixel centers (depth and identity are those of the centers) and then
again, at four points per pixel, only where neighboring colors differ: smooth edges at a fraction of the cost.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from einops import rearrange
from torch import Tensor

from .bodies import Body
from .palette import COLORS, RGB
from .patterns import (
    COARSE_OBJECT_PATTERNS,
    GROUND_PATTERNS,
    OBJECT_PATTERNS,
    SOFT_GROUND_PATTERNS,
    UNSEEN_GROUND_PATTERNS,
    UNSEEN_OBJECT_PATTERNS,
)
from .scene_object import SceneObject
from .solids import MISS, SOLIDS, Hit, Triple
from .world import SceneSpec, Wall

FAR = 40.0
_OBJECT_PATTERNS = {**OBJECT_PATTERNS, **COARSE_OBJECT_PATTERNS, **UNSEEN_OBJECT_PATTERNS}
_GROUND_PATTERNS = {**GROUND_PATTERNS, **UNSEEN_GROUND_PATTERNS}
_AMBIENT, _SUNLIT, _SHADOW = 0.52, 0.50, 0.55
# Four points of a rotated grid, in pixels from the center.
_SAMPLES = ((-0.125, -0.375), (0.375, -0.125), (-0.375, 0.125), (0.125, 0.375))
# Solids that fit the sphere around their longest half axis.
_ROUND_SOLIDS = ("ball", "egg", "pill")


@dataclass
class Rays:
    """Directions (N,) per component and the frame of each ray (N,); `origin` is (T,3).

    `dense` is the number of rays per frame when the rays are all pixels in order: then values of frames are spread by
    copying, which is several times cheaper than a gather.
    """

    direction: Triple
    frame: Tensor
    origin: Tensor
    dense: int = 0

    def per_ray(self, value: Tensor) -> Tensor:
        """Return a value per frame (T,) as one per ray (N,)."""
        if self.dense:
            return value[:, None].expand(-1, self.dense).reshape(-1)
        return _take(value, self.frame)

    def points(self, t: Tensor, index: Tensor) -> Triple:
        """Return the points of the rays `index` (n,) at ray parameters t (N,)."""
        t, frame = _take(t, index), _take(self.frame, index)
        x, y, z = (
            _take(start, frame) + t * _take(step, index)
            for start, step in zip(self.origin.unbind(1), self.direction, strict=True)
        )
        return x, y, z


@dataclass
class Hits:
    """Rays (indices) that hit an object, their parameters, and normals and points in the object's unit coordinates."""

    index: Tensor
    t: Tensor
    normal: Triple
    point: Triple


def _take(value: Tensor, index: Tensor) -> Tensor:
    return value.index_select(0, index)


def _take_triple(values: Triple, index: Tensor) -> Triple:
    return _take(values[0], index), _take(values[1], index), _take(values[2], index)


class _TracedObject:
    """An object of the scene with its per-frame matrices on the device."""

    def __init__(self, item: SceneObject, device: torch.device):
        def put(value: np.ndarray | Tensor | RGB) -> Tensor:
            return torch.as_tensor(value, dtype=torch.float32).to(device)

        self.body = None if item.joints is None else Body(item.joints, device)
        self.hit = SOLIDS.get(item.solid)
        self.pattern = _OBJECT_PATTERNS[item.pattern]
        self.first_color, self.second_color = (put(COLORS[name]) for name in item.colors)
        half = torch.as_tensor(item.half_size)
        to_local = rearrange(torch.as_tensor(item.rotation), "t i j -> t j i") / half[None, :, None]
        self.to_local = put(to_local)
        # Most objects never turn: their matrix is a handful of numbers then, and needs no gather.
        self.matrix = to_local[0].tolist() if item.motion != "spin" else None
        self.center = put(item.center)
        self.inverse_half = [float(1 / h) for h in half]
        self.squared_radius = float(half.max() ** 2 if item.solid in _ROUND_SOLIDS else (half**2).sum())
        if self.body is not None:
            self.squared_radius = (self.body.reach * float(half.max())) ** 2

    def first_hit(self, o: Triple, d: Triple, frame: Tensor) -> Hit:
        """Return the first hit of rays (N,) in unit coordinates, of the frames `frame` (N,)."""
        if self.body is not None:
            return self.body.hit(o, d, frame)
        assert self.hit is not None
        return self.hit(o, d)

    def texture(self, point: Triple, frame: Tensor) -> Triple:
        """Return where points (N,) of the surface lie in the pattern: of a figure, where they are when it rests."""
        if self.body is None:
            return point
        rest = Body.at_rest(frame.device)
        x, y, z = self.body.carried(torch.stack(point, -1), frame, rest, torch.zeros_like(frame)).unbind(1)
        return x, y, z

    def local(self, origin: Tensor, direction: Triple, frame: Tensor) -> tuple[Triple, Triple]:
        """Return origins and directions of rays (N,) in unit coordinates. `origin` is (T,3), one per frame."""
        start = torch.einsum("tij,tj->ti", self.to_local, origin - self.center)
        x, y, z = (_take(component, frame) for component in start.unbind(1))
        return (x, y, z), self.rotated(direction, frame)

    def rotated(self, v: Triple, frame: Tensor) -> Triple:
        """Return world vectors (N,) per component in unit coordinates."""
        if self.matrix is None:
            rows = self.to_local.unbind(1)
            x, y, z = (_dot(v, _per_frame(row, frame)) for row in rows)
            return x, y, z
        # Objects stand upright: no element outside the xz block but y itself.
        m = self.matrix
        return v[0] * m[0][0] + v[2] * m[0][2], v[1] * m[1][1], v[0] * m[2][0] + v[2] * m[2][2]


class Tracer:
    """One scene on one device."""

    def __init__(self, scene: SceneSpec, device: torch.device | str = "cpu"):
        self.device = torch.device(device)
        self.scene = scene
        self.objects = [_TracedObject(item, self.device) for item in scene.objects]
        self.c2w = torch.as_tensor(scene.camera.c2w, dtype=torch.float32).to(self.device)
        self.intrinsics = torch.as_tensor(scene.camera.intrinsics, dtype=torch.float32).to(self.device)
        self.sun = torch.as_tensor(scene.surroundings.sun, dtype=torch.float32).to(self.device)

    # ---- images -------------------------------------------------------------------------------------------------

    def render(self, height: int, width: int, supersample: bool = True) -> tuple[Tensor, Tensor, Tensor]:
        """Return the video (3,T,H,W), z-depth (T,H,W) and slot (T,H,W; -1 = none)."""
        frames = self.c2w.shape[0]
        color, depth, slot = self.cast(self.camera_rays(height, width), height)
        if supersample:
            edges = _edges(color.view(3, frames, height, width), slot.view(frames, height, width))
            self._supersample(color, edges.view(-1).nonzero().squeeze(1), height, width)
        return (
            color.clamp_(0, 1).view(3, frames, height, width),
            depth.view(frames, height, width),
            slot.view(frames, height, width),
        )

    def _supersample(self, color: Tensor, index: Tensor, height: int, width: int) -> None:
        """Replace the colors (3,N) of the pixels `index` by the mean of four samples, in place."""
        frame = index // (height * width)
        pixel = index - frame * height * width
        row = pixel // width
        column = (pixel - row * width).to(torch.float32)
        row = row.to(torch.float32)
        u = torch.cat([column + (0.5 + du) for du, _ in _SAMPLES]) / width
        v = torch.cat([row + (0.5 + dv) for _, dv in _SAMPLES]) / height
        samples = self.cast(self._rays_at(u, v, frame.repeat(4)), height)[0]
        _put(color, index, rearrange(samples, "c (sample n) -> c sample n", sample=4).mean(1))

    def camera_rays(self, height: int, width: int) -> Rays:
        """Return the rays through all pixel centers, T*H*W of them."""
        frames = self.c2w.shape[0]
        fx, fy, cx, cy = self.intrinsics.T[:, :, None, None]
        u = (torch.arange(width, device=self.device, dtype=torch.float32) + 0.5) / width
        v = (torch.arange(height, device=self.device, dtype=torch.float32) + 0.5) / height
        x, y = (u[None, None] - cx) / fx, (v[None, :, None] - cy) / fy
        r = self.c2w[:, :, None, None]
        dx, dy, dz = ((r[:, i, :, :, 0] * x + (r[:, i, :, :, 1] * y + r[:, i, :, :, 2])).reshape(-1) for i in range(3))
        frame = torch.arange(frames, device=self.device).repeat_interleave(height * width)
        return Rays((dx, dy, dz), frame, self.c2w[:, :, 3], dense=height * width)

    def _rays_at(self, u: Tensor, v: Tensor, frame: Tensor) -> Rays:
        """Return the rays through image points (N,) in [0, 1] of the given frames (N,)."""
        fx, fy, cx, cy = (_take(self.intrinsics[:, k], frame) for k in range(4))
        x, y = (u - cx) / fx, (v - cy) / fy
        dx, dy, dz = (
            _take(r[:, 0], frame) * x + _take(r[:, 1], frame) * y + _take(r[:, 2], frame) for r in self.c2w.unbind(1)
        )
        return Rays((dx, dy, dz), frame, self.c2w[:, :, 3])

    # ---- casting --------------------------------------------------------------------------------------------------

    def cast(self, rays: Rays, height: int, with_background: bool = True) -> tuple[Tensor, Tensor, Tensor]:
        """Return color (3,N), z-depth (N,) and slot (N,) of rays; height: of the image, for the size of a pixel.

        Without background, color is gray 0.5 and depth is FAR where a ray hits no object.
        """
        count = rays.frame.numel()
        color = torch.full((3, count), 0.5, device=self.device)
        slot = torch.full((count,), -1, device=self.device, dtype=torch.long)
        t = torch.full((count,), FAR, device=self.device)
        on_wall = None
        if with_background:
            up = rays.per_ray(-rays.origin[:, 1])
            t = torch.where(rays.direction[1] * FAR > up, up / rays.direction[1], t)
            if self.scene.surroundings.wall is not None:
                t, on_wall = self._hit_wall(self.scene.surroundings.wall, rays, t)
        background_t = t.clone()
        painted = []
        squared_length = _dot(rays.direction, rays.direction)
        for k, item in enumerate(self.objects):
            hits = self._hit_object(item, rays, squared_length, t)
            if hits.index.numel():
                t[hits.index] = hits.t
                slot[hits.index] = k
                painted.append((hits.index, self._object_color(item, hits, _take(rays.frame, hits.index))))
        if with_background:
            self._paint_background(color, rays, background_t, slot < 0, on_wall, height)
        for index, value in painted:
            _put(color, index, value)
        return color, t, slot

    def _paint_background(
        self, color: Tensor, rays: Rays, t: Tensor, free: Tensor, on_wall: Tensor | None, height: int
    ) -> None:
        """Paint wall, ground and sky into color (3,N), in place, where no object is (`free`); t is the background's."""
        ground = free & (t < FAR)
        wall = self.scene.surroundings.wall
        if wall is not None and on_wall is not None:
            ground = ground & ~on_wall
            index = (free & on_wall).nonzero().squeeze(1)
            _put(color, index, self._wall_color(wall, rays, t, index))
        index = ground.nonzero().squeeze(1)
        _put(color, index, self._ground_color(rays, t, index, height))
        index = (free & (t >= FAR)).nonzero().squeeze(1)
        _put(color, index, self._sky_color(rays, index))

    def _hit_object(self, item: _TracedObject, rays: Rays, squared_length: Tensor, nearest: Tensor) -> Hits:
        """Return the rays that hit an object nearer than `nearest` (N,)."""
        offset = item.center - rays.origin
        outside = (offset * offset).sum(1) - item.squared_radius
        x, y, z = (rays.per_ray(component) for component in offset.unbind(1))
        along = _dot((x, y, z), rays.direction)
        near_sphere = (along > 0) & (along * along > squared_length * rays.per_ray(outside))
        index = near_sphere.nonzero().squeeze(1)
        o, d = item.local(rays.origin, _take_triple(rays.direction, index), _take(rays.frame, index))
        t, normal = item.first_hit(o, d, _take(rays.frame, index))
        keep = (t < _take(nearest, index)).nonzero().squeeze(1)
        t = _take(t, keep)
        px, py, pz = (_take(o[i], keep) + t * _take(d[i], keep) for i in range(3))
        return Hits(_take(index, keep), t, _take_triple(normal, keep), (px, py, pz))

    def _object_color(self, item: _TracedObject, hits: Hits, frame: Tensor) -> Tensor:
        """Return the lit two-color pattern (3,n) at hits in frames (n,)."""
        share = item.pattern(*item.texture(hits.point, frame))
        sun = torch.einsum("tij,j->ti", item.to_local, self.sun)
        facing = _dot(hits.normal, _per_frame(sun, frame))
        nx, ny, nz = (hits.normal[i] * item.inverse_half[i] for i in range(3))
        length = _dot((nx, ny, nz), (nx, ny, nz)).sqrt().clamp_min(1e-9)
        light = _AMBIENT + _SUNLIT * (facing / length).clamp_min(0)
        return _mix(item.first_color, item.second_color, share) * light

    def _hit_wall(self, wall: Wall, rays: Rays, t: Tensor) -> tuple[Tensor, Tensor]:
        """Return the ray parameters (N,) with the wall, and which rays end on it."""
        ox, oy, oz = (rays.per_ray(component) for component in rays.origin.unbind(1))
        x, y, z = rays.direction
        a = x * x + z * z
        b = ox * x + oz * z
        c = ox * ox + oz * oz - wall.radius * wall.radius
        distance = (-b + (b * b - a * c).clamp_min(0).sqrt()) / a.clamp_min(1e-9)
        hit = (distance < t) & (oy + distance * y > -wall.height)
        return torch.where(hit, distance, t), hit

    def _wall_color(self, wall: Wall, rays: Rays, t: Tensor, index: Tensor) -> Tensor:
        """Return the checks (3,n) of the wall."""
        x, y, z = rays.points(t, index)
        around = torch.atan2(z, x) * (wall.panels / (2 * math.pi))
        row = (y > -0.45 * wall.height).to(t.dtype)
        cell = around.floor() + row
        share = cell - 2 * (cell * 0.5).floor()
        first, second = (_rgb(c, self.device) for c in self.scene.surroundings.place.hills)
        return _mix(first, second, share)

    def _ground_color(self, rays: Rays, t: Tensor, index: Tensor, height: int) -> Tensor:
        """Return the pattern (3,n) of the ground, with shadows and haze."""
        s = self.scene.surroundings
        x, _, z = rays.points(t, index)
        frame, t = _take(rays.frame, index), _take(t, index)
        cosine, sine = math.cos(s.angle) / s.cell, math.sin(s.angle) / s.cell
        patterns = SOFT_GROUND_PATTERNS if s.soft else _GROUND_PATTERNS
        share = patterns[s.pattern](cosine * x + sine * z + s.offset[0], cosine * z - sine * x + s.offset[1])
        # Cells of fewer than a few pixels fade into their mean: they would flicker, and no VAE would keep them.
        camera_height = -rays.origin[:, 1]
        pixel = _take(1 / (s.cell * height * self.intrinsics[:, 1] * camera_height), frame) * t * t
        share = 0.5 + (share - 0.5) * (1.25 - 3 * pixel).clamp(0, 1)
        light = self._sunlight(x, z, frame)
        color = _mix(_rgb(s.ground[0], self.device), _rgb(s.ground[1], self.device), share) * light
        haze = (t / FAR).square()
        return color + (_rgb(s.place.sky[0], self.device)[:, None] - color) * haze

    def _sunlight(self, x: Tensor, z: Tensor, frame: Tensor) -> Tensor:
        """Return the light on ground points (n,): 1 in the sun, less in the shadow of an object."""
        light = torch.ones_like(x)
        sun = [float(v) for v in self.scene.surroundings.sun]
        for item in self.objects:
            cx, cy, cz = _per_frame(item.center, frame)
            offset = cx - x, cy, cz - z
            along = offset[0] * sun[0] + offset[1] * sun[1] + offset[2] * sun[2]
            index = (_dot(offset, offset) - along * along < item.squared_radius).nonzero().squeeze(1)
            part = _take(frame, index)
            dx, dy, dz = _take_triple(offset, index)
            o = item.rotated((-dx, -dy, -dz), part)
            t, _ = item.first_hit(o, _per_frame(item.to_local @ self.sun, part), part)
            light[index] = torch.where(t < MISS, _SHADOW, light[index])
        return light

    def _sky_color(self, rays: Rays, index: Tensor) -> Tensor:
        """Return the gradient (3,n) of the sky, with the sun and a ridge of hills."""
        s = self.scene.surroundings
        x, y, z = _take_triple(rays.direction, index)
        inverse_length = torch.rsqrt(x * x + y * y + z * z)
        up = -y * inverse_length
        low, high = (_rgb(c, self.device) for c in s.place.sky)
        color = _mix(low, high, (up * 2.2).clamp(0, 1).sqrt())
        toward_sun = (x * float(s.sun[0]) + y * float(s.sun[1]) + z * float(s.sun[2])) * inverse_length
        color = color + (1 - color) * ((toward_sun - 0.90) * 6).clamp(0, 1).square() * 0.9
        around = torch.atan2(z, x)
        ridge = torch.full_like(around, 0.03)
        for amplitude, frequency, phase in s.hills.T.tolist():
            ridge = ridge + amplitude * torch.sin(frequency * around + phase)
        return torch.where((up < ridge)[None], _rgb(s.place.hills[0], self.device)[:, None], color)


def _rgb(color: RGB, device: torch.device) -> Tensor:
    return torch.tensor(color, dtype=torch.float32, device=device)


def _per_frame(values: Tensor, frame: Tensor) -> Triple:
    """Return vectors per frame (T,3) as components (N,) per ray."""
    return _take(values[:, 0], frame), _take(values[:, 1], frame), _take(values[:, 2], frame)


def _put(color: Tensor, index: Tensor, value: Tensor) -> None:
    """Set color[:, index] = value, channel by channel: a quarter of the time of the indexed assignment."""
    for k in range(3):
        color[k].scatter_(0, index, value[k])


def _dot(a: Triple, b: Triple) -> Tensor:
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


def _mix(first: Tensor, second: Tensor, share: Tensor) -> Tensor:
    """Return (3,N): the first color (3,) where share (N,) is 0, the second where it is 1."""
    return torch.addcmul(first[:, None], (second - first)[:, None], share[None])


def _edges(color: Tensor, slot: Tensor, threshold: float = 0.2) -> Tensor:
    """Return the pixels (T,H,W) whose color (3,T,H,W) or slot (T,H,W) differs from a neighbor's."""
    edge = torch.zeros(slot.shape, dtype=torch.bool, device=slot.device)
    across = ((color[..., 1:] - color[..., :-1]).abs().amax(0) > threshold) | (slot[..., 1:] != slot[..., :-1])
    down = ((color[..., 1:, :] - color[..., :-1, :]).abs().amax(0) > threshold) | (slot[:, 1:] != slot[:, :-1])
    edge[..., 1:] |= across
    edge[..., :-1] |= across
    edge[:, 1:] |= down
    edge[:, :-1] |= down
    return edge
