"""Casts rays into a scene: color, z-depth and which object, for any list of rays. Pure torch, any device.

Shapes: N rays, T frames. Ray directions are camera rays with z = 1 turned into the world, so the ray parameter *is*
the metric z-depth. The image is traced once at pixel centers (depth and identity are those of the centers) and then
again, at four points per pixel, only where neighboring colors differ: smooth edges at a fraction of the price.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from .palette import COLORS, RGB
from .patterns import GROUND_PATTERNS, OBJECT_PATTERNS, UNSEEN_GROUND_PATTERNS, UNSEEN_OBJECT_PATTERNS
from .solids import MISS, SOLIDS
from .world import SceneSpec, Thing

FAR = 40.0
_OBJECT = {**OBJECT_PATTERNS, **UNSEEN_OBJECT_PATTERNS}
_GROUND = {**GROUND_PATTERNS, **UNSEEN_GROUND_PATTERNS}
_AMBIENT, _SUNLIT, _SHADOW = 0.52, 0.50, 0.55
# Four points of a rotated grid, in pixels from the center.
_SAMPLES = ((-0.125, -0.375), (0.375, -0.125), (-0.375, 0.125), (0.125, 0.375))


@dataclass
class Rays:
    """Directions (N,) per component and the frame of each ray (N,); `origin` is (T,3).

    `dense` is the number of rays per frame when the rays are all pixels in order: then values of frames are spread by
    copying, which is several times cheaper than a gather.
    """

    x: Tensor
    y: Tensor
    z: Tensor
    frame: Tensor
    origin: Tensor
    dense: int = 0

    def of(self, value: Tensor) -> Tensor:
        """A value per frame (T,) as one per ray (N,)."""
        if self.dense:
            return value[:, None].expand(-1, self.dense).reshape(-1)
        return _take(value, self.frame)


def _take(value: Tensor, index: Tensor) -> Tensor:
    return value.index_select(0, index)


class _Solid:
    """A thing with its per-frame matrices on the device."""

    def __init__(self, thing: Thing, device: torch.device):
        def put(value) -> Tensor:
            return torch.as_tensor(value, dtype=torch.float32).to(device)

        self.hit = SOLIDS[thing.solid]
        self.pattern = _OBJECT[thing.pattern]
        self.colors = [put(COLORS[name]) for name in thing.colors]
        half = torch.as_tensor(thing.half_size)
        to_local = torch.as_tensor(thing.rotation).transpose(1, 2) / half[None, :, None]
        self.to_local = put(to_local)
        # Most things never turn: their matrix is a handful of numbers then, and needs no gather.
        self.matrix = to_local[0].tolist() if thing.motion != "spin" else None
        self.center = put(thing.center)
        self.inverse_half = [float(1 / h) for h in half]
        self.radius2 = float(
            (half[0] ** 2 + half[2] ** 2 + half[1] ** 2)
            if thing.solid not in ("ball", "egg", "pill")
            else half.max() ** 2
        )

    def local(
        self, origin: Tensor, direction: tuple[Tensor, Tensor, Tensor], frame: Tensor
    ) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
        """World rays in unit coordinates. `origin` is (T,3), one per frame."""
        start = torch.einsum("tij,tj->ti", self.to_local, origin - self.center)
        return tuple(_take(start[:, i], frame) for i in range(3)), self.turned(direction, frame)

    def turned(self, v: tuple[Tensor, Tensor, Tensor], frame: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """World vectors (N,) per component in unit coordinates."""
        if self.matrix is None:
            m = self.to_local
            return tuple(_dot(v, [_take(m[:, i, j], frame) for j in range(3)]) for i in range(3))
        # Things stand upright: no element outside the xz block but y itself.
        m = self.matrix
        return v[0] * m[0][0] + v[2] * m[0][2], v[1] * m[1][1], v[0] * m[2][0] + v[2] * m[2][2]


class Tracer:
    """One scene on one device."""

    def __init__(self, scene: SceneSpec, device: torch.device | str = "cpu"):
        self.device = torch.device(device)
        self.scene = scene
        self.solids = [_Solid(thing, self.device) for thing in scene.things]
        self.c2w = torch.as_tensor(scene.camera.c2w, dtype=torch.float32).to(self.device)
        self.intrinsics = torch.as_tensor(scene.camera.intrinsics, dtype=torch.float32).to(self.device)
        self.sun = torch.as_tensor(scene.surroundings.sun, dtype=torch.float32).to(self.device)

    # ---- images -------------------------------------------------------------------------------------------------

    def image(self, height: int, width: int, supersample: bool = True) -> tuple[Tensor, Tensor, Tensor]:
        """Video (3,T,H,W), z-depth (T,H,W) and slot (T,H,W; -1 = none)."""
        frames = self.c2w.shape[0]
        pixels = height * width
        rays = self.camera_rays(height, width)
        color, depth, slot = self.cast(rays, height)
        if supersample:
            edge = _edges(color.view(3, frames, height, width), slot.view(frames, height, width)).view(-1)
            index = edge.nonzero().squeeze(1)
            frame = index // pixels
            rest = index - frame * pixels
            row = rest // width
            column = (rest - row * width).to(torch.float32)
            row = row.to(torch.float32)
            us = torch.cat([column + (0.5 + du) for du, _ in _SAMPLES])
            vs = torch.cat([row + (0.5 + dv) for _, dv in _SAMPLES])
            fine = self.cast(self._rays_at(us / width, vs / height, frame.repeat(4)), height)[0]
            _put(color, index, fine.view(3, 4, -1).mean(1))
        return (
            color.clamp_(0, 1).view(3, frames, height, width),
            depth.view(frames, height, width),
            slot.view(frames, height, width),
        )

    def camera_rays(self, height: int, width: int) -> Rays:
        """Rays through all pixel centers, T*H*W of them."""
        frames = self.c2w.shape[0]
        fx, fy, cx, cy = self.intrinsics.T[:, :, None, None]
        u = (torch.arange(width, device=self.device, dtype=torch.float32) + 0.5) / width
        v = (torch.arange(height, device=self.device, dtype=torch.float32) + 0.5) / height
        x, y = (u[None, None] - cx) / fx, (v[None, :, None] - cy) / fy
        r = self.c2w[:, :, None, None]
        parts = [(r[:, i, :, :, 0] * x + (r[:, i, :, :, 1] * y + r[:, i, :, :, 2])).reshape(-1) for i in range(3)]
        frame = torch.arange(frames, device=self.device).repeat_interleave(height * width)
        return Rays(*parts, frame, self.c2w[:, :, 3], dense=height * width)

    def _rays_at(self, u: Tensor, v: Tensor, frame: Tensor) -> Rays:
        """Rays through image points (N,) in [0, 1] of given frames."""
        fx, fy, cx, cy = (_take(self.intrinsics[:, k], frame) for k in range(4))
        x, y = (u - cx) / fx, (v - cy) / fy
        parts = [
            _take(r[:, 0], frame) * x + _take(r[:, 1], frame) * y + _take(r[:, 2], frame) for r in self.c2w.unbind(1)
        ]
        return Rays(*parts, frame, self.c2w[:, :, 3])

    # ---- casting --------------------------------------------------------------------------------------------------

    def cast(self, rays: Rays, height: int, backdrop: bool = True) -> tuple[Tensor, Tensor, Tensor]:
        """Color (3,N), z-depth (N,) and slot (N,). Without `backdrop`, what is behind the objects is gray 0.5."""
        count = rays.x.numel()
        color = torch.full((3, count), 0.5, device=self.device)
        slot = torch.full((count,), -1, device=self.device, dtype=torch.long)
        t = torch.full((count,), FAR, device=self.device)
        wall_hit = None
        if backdrop:
            up = rays.of(-rays.origin[:, 1])
            t = torch.where(rays.y * FAR > up, up / rays.y, t)
            if self.scene.surroundings.wall is not None:
                t, wall_hit = self._wall_distance(rays, t)
        behind = t.clone() if backdrop else None
        painted = []
        length2 = rays.x * rays.x + rays.y * rays.y + rays.z * rays.z
        for k, solid in enumerate(self.solids):
            index, distance, normal, point = self._object_hit(solid, rays, length2, t)
            if index.numel() == 0:
                continue
            t[index] = distance
            slot[index] = k
            painted.append((index, self._object_color(solid, normal, point, _take(rays.frame, index))))
        if backdrop:
            free = slot < 0
            ground = free & (behind < FAR)
            if wall_hit is not None:
                ground = ground & ~wall_hit
                index = (free & wall_hit).nonzero().squeeze(1)
                _put(color, index, self._wall_color(rays, t, index))
            index = ground.nonzero().squeeze(1)
            _put(color, index, self._ground_color(rays, t, index, height))
            index = (free & (behind >= FAR)).nonzero().squeeze(1)
            _put(color, index, self._sky_color(rays, index))
        for index, value in painted:
            _put(color, index, value)
        return color, t, slot

    def _object_hit(self, solid: _Solid, rays: Rays, length2: Tensor, nearest: Tensor):
        """Rays (index) that hit a solid nearer than `nearest`, with ray parameter, local normal and local point."""
        origin, direction = rays.origin, (rays.x, rays.y, rays.z)
        offset = solid.center - origin
        reach = (offset * offset).sum(1) - solid.radius2
        x, y, z = direction
        along = _dot([rays.of(offset[:, k]) for k in range(3)], direction)
        index = ((along > 0) & (along * along > length2 * rays.of(reach))).nonzero().squeeze(1)
        frame = _take(rays.frame, index)
        o, d = solid.local(origin, (_take(x, index), _take(y, index), _take(z, index)), frame)
        t, normal = solid.hit(o, d)
        keep = (t < _take(nearest, index)).nonzero().squeeze(1)
        t = _take(t, keep)
        point = tuple(_take(o[i], keep) + t * _take(d[i], keep) for i in range(3))
        return _take(index, keep), t, tuple(_take(n, keep) for n in normal), point

    def _object_color(self, solid: _Solid, normal, point, frame: Tensor) -> Tensor:
        """Lit two-color pattern (3,N)."""
        mix = solid.pattern(*point)
        sun = torch.einsum("tij,j->ti", solid.to_local, self.sun)
        facing = _dot(normal, [_take(sun[:, i], frame) for i in range(3)])
        size = _dot(*[[normal[i] * solid.inverse_half[i] for i in range(3)]] * 2).sqrt().clamp_min(1e-9)
        light = _AMBIENT + _SUNLIT * (facing / size).clamp_min(0)
        first, second = solid.colors
        return _mix(first, second, mix) * light

    def _wall_distance(self, rays: Rays, t: Tensor) -> tuple[Tensor, Tensor]:
        """The round wall about the middle, seen from inside: distance with it, and which rays end on it."""
        radius, tall, _ = self.scene.surroundings.wall
        ox, oy, oz = (rays.of(rays.origin[:, k]) for k in range(3))
        a = rays.x * rays.x + rays.z * rays.z
        b = ox * rays.x + oz * rays.z
        c = ox * ox + oz * oz - radius * radius
        distance = (-b + (b * b - a * c).clamp_min(0).sqrt()) / a.clamp_min(1e-9)
        hit = (distance < t) & (oy + distance * rays.y > -tall)
        return torch.where(hit, distance, t), hit

    def _wall_color(self, rays: Rays, t: Tensor, index: Tensor) -> Tensor:
        _, tall, panels = self.scene.surroundings.wall
        frame, t = _take(rays.frame, index), _take(t, index)
        x, y, z = (
            _take(start, frame) + t * _take(step, index)
            for start, step in zip(rays.origin.unbind(1), (rays.x, rays.y, rays.z), strict=True)
        )
        around = torch.atan2(z, x) * (panels / (2 * math.pi))
        row = (y > -0.45 * tall).to(t.dtype)
        cell = around.floor() + row
        mix = cell - 2 * (cell * 0.5).floor()
        first, second = (_rgb(c, self.device) for c in self.scene.surroundings.place.hills)
        return _mix(first, second, mix)

    def _ground_color(self, rays: Rays, t: Tensor, index: Tensor, height: int) -> Tensor:
        s = self.scene.surroundings
        frame, t = _take(rays.frame, index), _take(t, index)
        origin = rays.origin
        px = _take(origin[:, 0], frame) + t * _take(rays.x, index)
        pz = _take(origin[:, 2], frame) + t * _take(rays.z, index)
        c, q = math.cos(s.angle) / s.cell, math.sin(s.angle) / s.cell
        mix = _GROUND[s.pattern](c * px + q * pz + s.offset[0], c * pz - q * px + s.offset[1])
        # Cells of fewer than a few pixels melt into their mean: they would flicker, and no VAE would keep them.
        pixel = _take(1 / (s.cell * height * self.intrinsics[:, 1] * -origin[:, 1]), frame) * t * t
        mix = 0.5 + (mix - 0.5) * (1.25 - 3 * pixel).clamp(0, 1)
        light = self._shadows(px, pz, frame)
        color = _mix(_rgb(s.ground[0], self.device), _rgb(s.ground[1], self.device), mix) * light
        haze = (t / FAR).square()
        return color + (_rgb(s.place.sky[0], self.device)[:, None] - color) * haze

    def _shadows(self, px: Tensor, pz: Tensor, frame: Tensor) -> Tensor:
        """Light on ground points (N,): 1 in the sun, less in the shadow of an object."""
        light = torch.ones_like(px)
        sun = [float(v) for v in self.scene.surroundings.sun]
        for solid in self.solids:
            ox, oy, oz = (_take(solid.center[:, k], frame) for k in range(3))
            ox, oz = ox - px, oz - pz
            along = ox * sun[0] + oy * sun[1] + oz * sun[2]
            index = (ox * ox + oy * oy + oz * oz - along * along < solid.radius2).nonzero().squeeze(1)
            part = _take(frame, index)
            o = solid.turned(tuple(-_take(v, index) for v in (ox, oy, oz)), part)
            toward = solid.to_local @ self.sun
            t, _ = solid.hit(o, tuple(_take(toward[:, i], part) for i in range(3)))
            light[index] = torch.where(t < MISS, _SHADOW, light[index])
        return light

    def _sky_color(self, rays: Rays, index: Tensor) -> Tensor:
        s = self.scene.surroundings
        x, y, z = (_take(v, index) for v in (rays.x, rays.y, rays.z))
        inverse = torch.rsqrt(x * x + y * y + z * z)
        up = -y * inverse
        low, high = (_rgb(c, self.device) for c in s.place.sky)
        color = _mix(low, high, (up * 2.2).clamp(0, 1).sqrt())
        sun = (x * float(s.sun[0]) + y * float(s.sun[1]) + z * float(s.sun[2])) * inverse
        color = color + (1 - color) * ((sun - 0.90) * 6).clamp(0, 1).square() * 0.9
        around = torch.atan2(z, x)
        ridge = 0.03 + sum(float(a) * torch.sin(float(k) * around + float(p)) for a, k, p in s.hills.T)
        rock = _rgb(s.place.hills[0], self.device)[:, None]
        return torch.where((up < ridge)[None], rock, color)


def _rgb(color: RGB, device: torch.device) -> Tensor:
    return torch.tensor(color, dtype=torch.float32, device=device)


def _put(color: Tensor, index: Tensor, value: Tensor) -> None:
    """color[:, index] = value, channel by channel: a quarter of the time of the indexed assignment."""
    for k in range(3):
        color[k].scatter_(0, index, value[k])


def _dot(a, b) -> Tensor:
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


def _mix(first: Tensor, second: Tensor, share: Tensor) -> Tensor:
    """(3,N): first where share is 0, second where it is 1."""
    return torch.addcmul(first[:, None], (second - first)[:, None], share[None])


def _edges(color: Tensor, slot: Tensor, threshold: float = 0.2) -> Tensor:
    """Pixels (T,H,W) whose color or object differs from a neighbor's."""
    edge = torch.zeros(slot.shape, dtype=torch.bool, device=slot.device)
    across = ((color[..., 1:] - color[..., :-1]).abs().amax(0) > threshold) | (slot[..., 1:] != slot[..., :-1])
    down = ((color[..., 1:, :] - color[..., :-1, :]).abs().amax(0) > threshold) | (slot[:, 1:] != slot[:, :-1])
    edge[..., 1:] |= across
    edge[..., :-1] |= across
    edge[:, 1:] |= down
    edge[:, :-1] |= down
    return edge
