"""First intersection of rays with solids in their own unit coordinates.

Every solid fits the box [-1, 1]^3 and has y pointing down, as the world has. A function takes ray origins and
directions as three tensors each (any one shape) and returns `(t, normal)`: the ray parameter of the first hit
(`MISS` where there is none) and the outward normal in unit coordinates, not normalized. Rays start outside.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

Triple = tuple[Tensor, Tensor, Tensor]
Hit = tuple[Tensor, Triple]

MISS = 1e9
TORUS_RING, TORUS_TUBE = 0.68, 0.32


def _nonzero(x: Tensor) -> Tensor:
    """Return a divisor kept away from zero without changing its sign."""
    return torch.where(x.abs() < 1e-7, torch.full_like(x, 1e-7), x)


def _point_at(o: Triple, d: Triple, t: Tensor) -> Triple:
    return o[0] + t * d[0], o[1] + t * d[1], o[2] + t * d[2]


def ball(o: Triple, d: Triple) -> Hit:
    """Return the first hit of the unit sphere; with unequal scales an ellipsoid."""
    a = d[0] * d[0] + d[1] * d[1] + d[2] * d[2]
    b = o[0] * d[0] + o[1] * d[1] + o[2] * d[2]
    c = o[0] * o[0] + o[1] * o[1] + o[2] * o[2] - 1
    inside = b * b - a * c
    t = (-b - inside.clamp_min(0).sqrt()) / a
    t = torch.where((inside > 0) & (t > 0), t, MISS)
    return t, _point_at(o, d, t)


def box(o: Triple, d: Triple) -> Hit:
    """Return the first hit of the cube [-1, 1]^3, by slabs."""
    near, far = torch.full_like(d[0], -math.inf), torch.full_like(d[0], math.inf)
    for k in range(3):
        inverse = 1 / _nonzero(d[k])
        middle, half = -o[k] * inverse, inverse.abs()
        near, far = torch.maximum(near, middle - half), torch.minimum(far, middle + half)
    t = torch.where((near < far) & (near > 0), near, MISS)
    x, y, z = _point_at(o, d, t)
    largest = torch.maximum(torch.maximum(x.abs(), y.abs()), z.abs())
    zero = torch.zeros_like(t)
    nx, ny, nz = (torch.where(q.abs() >= largest, q.sign(), zero) for q in (x, y, z))
    return t, (nx, ny, nz)


def cylinder(o: Triple, d: Triple) -> Hit:
    """Return the first hit of an upright cylinder of radius 1, |y| <= 1."""
    a = (d[0] * d[0] + d[2] * d[2]).clamp_min(1e-12)
    b = o[0] * d[0] + o[2] * d[2]
    inside = b * b - a * (o[0] * o[0] + o[2] * o[2] - 1)
    root = inside.clamp_min(0).sqrt()
    inverse = 1 / _nonzero(d[1])
    middle, half = -o[1] * inverse, inverse.abs()
    side, cap = (-b - root) / a, middle - half
    near = torch.maximum(side, cap)
    far = torch.minimum((-b + root) / a, middle + half)
    t = torch.where((inside > 0) & (near < far) & (near > 0), near, MISS)
    p = _point_at(o, d, t)
    on_cap = cap > side
    zero = torch.zeros_like(t)
    return t, (torch.where(on_cap, zero, p[0]), torch.where(on_cap, p[1].sign(), zero), torch.where(on_cap, zero, p[2]))


def cone(o: Triple, d: Triple) -> Hit:
    """Return the first hit of a cone with its apex at y = -1 (up) and a base of radius 1 at y = 1."""
    y = o[1] + 1
    a = _nonzero(d[0] * d[0] + d[2] * d[2] - 0.25 * d[1] * d[1])
    b = o[0] * d[0] + o[2] * d[2] - 0.25 * y * d[1]
    inside = b * b - a * (o[0] * o[0] + o[2] * o[2] - 0.25 * y * y)
    root = inside.clamp_min(0).sqrt()
    t = torch.full_like(a, MISS)
    for candidate in ((-b - root) / a, (-b + root) / a):
        height = o[1] + candidate * d[1]
        good = (inside > 0) & (candidate > 0) & (height.abs() <= 1) & (candidate < t)
        t = torch.where(good, candidate, t)
    base = (1 - o[1]) / _nonzero(d[1])
    x, z = o[0] + base * d[0], o[2] + base * d[2]
    on_base = (base > 0) & (base < t) & (x * x + z * z <= 1)
    t = torch.where(on_base, base, t)
    p = _point_at(o, d, t)
    zero, one = torch.zeros_like(t), torch.ones_like(t)
    return t, (
        torch.where(on_base, zero, p[0]),
        torch.where(on_base, one, -0.25 * (p[1] + 1)),
        torch.where(on_base, zero, p[2]),
    )


def pill(o: Triple, d: Triple) -> Hit:
    """Return the first hit of an upright capsule when scaled (r, 2r, r); unscaled, its ends are half-ellipsoids."""
    half = 0.5
    a0 = d[0] * d[0] + d[2] * d[2]
    b0 = o[0] * d[0] + o[2] * d[2]
    c0 = o[0] * o[0] + o[2] * o[2] - 1
    t = torch.full_like(a0, MISS)
    center = torch.zeros_like(a0)
    inside = b0 * b0 - a0 * c0
    side = (-b0 - inside.clamp_min(0).sqrt()) / a0.clamp_min(1e-12)
    t = torch.where((inside > 0) & (side > 0) & ((o[1] + side * d[1]).abs() <= half), side, t)
    center = torch.where(t < MISS, o[1] + t * d[1], center)
    for end in (-half, half):
        y = (o[1] - end) / half
        v = d[1] / half
        a, b, c = a0 + v * v, b0 + y * v, c0 + y * y
        inside = b * b - a * c
        root = (-b - inside.clamp_min(0).sqrt()) / a
        good = (inside > 0) & (root > 0) & (root < t) & ((o[1] + root * d[1]) * (1 if end > 0 else -1) >= half)
        t = torch.where(good, root, t)
        center = torch.where(good, torch.full_like(center, end), center)
    p = _point_at(o, d, t)
    return t, (p[0], (p[1] - center) / (half * half), p[2])


def _polyhedron(planes: list[tuple[float, float, float, float]]) -> Callable[[Triple, Triple], Hit]:
    """Return the function of the convex solid within planes (nx, ny, nz, offset): n . p <= offset."""

    def hit(o: Triple, d: Triple) -> Hit:
        near = torch.full_like(d[0], -MISS)
        far = torch.full_like(d[0], MISS)
        normal = [torch.zeros_like(near) for _ in range(3)]
        for nx, ny, nz, offset in planes:
            speed = _nonzero(nx * d[0] + ny * d[1] + nz * d[2])
            t = (offset - (nx * o[0] + ny * o[1] + nz * o[2])) / speed
            entering = (speed < 0) & (t > near)
            near = torch.where(entering, t, near)
            far = torch.where(speed > 0, torch.minimum(far, t), far)
            for k, value in enumerate((nx, ny, nz)):
                normal[k] = torch.where(entering, torch.full_like(near, value), normal[k])
        t = torch.where((near < far) & (near > 0), near, MISS)
        return t, (normal[0], normal[1], normal[2])

    return hit


def _prism_planes(sides: int) -> list[tuple[float, float, float, float]]:
    inner = math.cos(math.pi / sides)
    around = [(math.cos(2 * math.pi * k / sides), 0.0, math.sin(2 * math.pi * k / sides), inner) for k in range(sides)]
    return [*around, (0.0, 1.0, 0.0, 1.0), (0.0, -1.0, 0.0, 1.0)]


pyramid = _polyhedron([(0, 1, 0, 1), (2, -1, 0, 1), (-2, -1, 0, 1), (0, -1, 2, 1), (0, -1, -2, 1)])
diamond = _polyhedron([(a, b, c, 1) for a in (-1, 1) for b in (-1, 1) for c in (-1, 1)])
hexagon = _polyhedron(_prism_planes(6))


def torus(o: Triple, d: Triple, steps: int = 48) -> Hit:
    """Return the first hit of a standing ring around the z axis, by sphere tracing: exact to about 1e-4 of its size."""
    length = (d[0] * d[0] + d[1] * d[1] + d[2] * d[2]).sqrt()
    u = d[0] / length, d[1] / length, d[2] / length
    t = (-(o[0] * u[0] + o[1] * u[1] + o[2] * u[2]) - 1.8).clamp_min(0)
    for _ in range(steps):
        x, y, z = _point_at(o, u, t)
        t = t + torch.hypot(torch.hypot(x, y) - TORUS_RING, z) - TORUS_TUBE
    p = _point_at(o, u, t)
    ring = torch.hypot(p[0], p[1]).clamp_min(1e-6)
    error = torch.hypot(ring - TORUS_RING, p[2]) - TORUS_TUBE
    pull = 1 - TORUS_RING / ring
    return torch.where(error.abs() < 2e-3, t / length, MISS), (p[0] * pull, p[1] * pull, p[2])


SOLIDS: dict[str, Callable[[Triple, Triple], Hit]] = {
    "ball": ball,
    "cube": box,
    "cylinder": cylinder,
    "cone": cone,
    "pill": pill,
    "egg": ball,
    "pyramid": pyramid,
    "diamond": diamond,
    "hexagonal prism": hexagon,
    "ring": torus,
}
SEEN = ("ball", "cube", "cylinder", "cone", "pill", "egg")
UNSEEN = ("pyramid", "diamond", "hexagonal prism", "ring")
# Width over height of each solid, as a range to draw from; depth equals width.
PROPORTIONS: dict[str, tuple[float, float]] = {
    "ball": (1.0, 1.0),
    "cube": (0.8, 1.15),
    "cylinder": (0.6, 1.0),
    "cone": (0.75, 1.05),
    "pill": (0.5, 0.5),
    "egg": (0.62, 0.72),
    "pyramid": (0.9, 1.2),
    "diamond": (0.75, 1.0),
    "hexagonal prism": (0.7, 1.0),
    "ring": (1.0, 1.0),
}
