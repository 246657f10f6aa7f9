"""A figure for the tracer: rays against its parts, and points that go with a part as it moves.

Shapes: T frames, N rays or points, P parts. Everything is in the figure's unit coordinates (solids.py).
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from .figures import PARTS, pose
from .solids import MISS, Hit, Triple


class Body:
    """The parts of a figure, each a capsule from a joint to a joint (T, 3), on a device."""

    def __init__(self, joints: np.ndarray, device: torch.device):
        places = torch.as_tensor(joints, dtype=torch.float32).to(device)
        self.starts = [places[:, first] for first, _, _ in PARTS]
        self.ends = [places[:, second] for _, second, _ in PARTS]
        self.radii = [radius for _, _, radius in PARTS]
        # How far it reaches from its middle, in any frame.
        self.reach = max(
            float(end.norm(dim=1).max()) + radius
            for ends in (self.starts, self.ends)
            for end, radius in zip(ends, self.radii, strict=True)
        )

    @classmethod
    def at_rest(cls, device: torch.device) -> Body:
        """Return one frame of a figure that stands still."""
        return cls(pose("", np.zeros(1)), device)

    def hit(self, o: Triple, d: Triple, frame: Tensor) -> Hit:
        """Return the first hit of rays (N,) in the frames `frame` (N,), and the normal there."""
        origin, direction = torch.stack(o, -1), torch.stack(d, -1)
        nearest = torch.full_like(o[0], MISS)
        normal = torch.zeros_like(origin)
        for start, end, radius in zip(self.starts, self.ends, self.radii, strict=True):
            a, axis = start[frame], (end - start)[frame]
            t = _hit_capsule(origin - a, direction, axis, radius)
            index = (t < nearest).nonzero().squeeze(1)
            nearest[index] = t[index]
            point = origin[index] + t[index, None] * direction[index]
            normal[index] = point - _foot(point, a[index], axis[index])[0]
        return nearest, (normal[:, 0], normal[:, 1], normal[:, 2])

    def carried(self, points: Tensor, frame: Tensor, other: Body, other_frame: Tensor) -> Tensor:
        """Return where points (N, 3) on the surface in `frame` (N,) are in the frames `other_frame` of a body like it.

        A point goes with the part that it lies on, which turns the shortest way.
        """
        part = self._part(points, frame)
        result = torch.empty_like(points)
        for k in range(len(self.radii)):
            index = (part == k).nonzero().squeeze(1)
            here, there = frame[index], other_frame[index]
            a, axis = self.starts[k][here], (self.ends[k] - self.starts[k])[here]
            b, turned = other.starts[k][there], (other.ends[k] - other.starts[k])[there]
            foot, share = _foot(points[index], a, axis)
            result[index] = b + share[:, None] * turned + _turned(points[index] - foot, axis, turned)
        return result

    def _part(self, points: Tensor, frame: Tensor) -> Tensor:
        """Return the part (N,) that each point lies on: the one whose surface is nearest."""
        distances = [
            (points - _foot(points, start[frame], (end - start)[frame])[0]).norm(dim=1) - radius
            for start, end, radius in zip(self.starts, self.ends, self.radii, strict=True)
        ]
        return torch.stack(distances).argmin(0)


def _hit_capsule(o: Tensor, d: Tensor, axis: Tensor, radius: float) -> Tensor:
    """Return the parameters (N,) at which rays hit a capsule that begins at the origin."""
    length2, dd = _dot(axis, axis), _dot(d, d)
    along_d, along_o, od = _dot(axis, d), _dot(axis, o), _dot(o, d)
    a = length2 * dd - along_d * along_d
    b = length2 * od - along_o * along_d
    c = length2 * (_dot(o, o) - radius * radius) - along_o * along_o
    inside = b * b - a * c
    t = (-b - inside.clamp_min(0).sqrt()) / a.clamp_min(1e-9)
    y = along_o + t * along_d
    on_side = (inside > 0) & (y > 0) & (y < length2) & (t > 0)
    from_cap = o - axis * ((y >= length2) & (length2 > 0))[:, None]
    b, c = _dot(from_cap, d), _dot(from_cap, from_cap) - radius * radius
    inside = b * b - dd * c
    cap = (-b - inside.clamp_min(0).sqrt()) / dd
    cap = torch.where((inside > 0) & (cap > 0), cap, MISS)
    return torch.where(on_side, t, cap)


def _foot(points: Tensor, start: Tensor, axis: Tensor) -> tuple[Tensor, Tensor]:
    """Return the nearest points (N, 3) on segments, and their shares (N,) of the way along."""
    share = (_dot(points - start, axis) / _dot(axis, axis).clamp_min(1e-12)).clamp(0, 1)
    return start + share[:, None] * axis, share


def _turned(offset: Tensor, axis: Tensor, other: Tensor) -> Tensor:
    """Return offsets (N, 3) turned as `axis` turns to `other` on the shortest way."""
    u, v = (torch.nn.functional.normalize(one, dim=1) for one in (axis, other))
    cosine, normal = _dot(u, v)[:, None], torch.linalg.cross(u, v)
    is_point = (axis.norm(dim=1) < 1e-6)[:, None]
    tilted = torch.linalg.cross(normal, offset) + normal * _dot(normal, offset)[:, None] / (1 + cosine).clamp_min(1e-6)
    return torch.where(is_point, offset, offset * cosine + tilted)


def _dot(a: Tensor, b: Tensor) -> Tensor:
    # Written out: a sum over three numbers each takes several times as long.
    x, y, z = (a * b).unbind(-1)
    return x + y + z
