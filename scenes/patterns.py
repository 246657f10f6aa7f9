"""Two-color patterns: how much of the second color a point has, from 0 to 1.

Object patterns are functions of a point in the solid's unit coordinates, so they fit every solid without a
parameterization of its surface. Ground patterns are functions of ground coordinates in cells. All are coarse on
purpose: a detail has to survive a VAE that sees 8x8 pixels as one. In world 3 the ground's edges are soft, which costs
the motion that they show nothing and lets the VAE keep it, and the two finest patterns of objects gave way to coarser
ones.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor


def _odd(x: Tensor) -> Tensor:
    """Return 1 where floor(x) is odd, else 0."""
    cell = x.floor()
    return cell - 2 * (cell * 0.5).floor()


def _from_middle(x: Tensor) -> Tensor:
    """Return the offset from the middle of a cell of size 1, -0.5 to 0.5."""
    return x - x.floor() - 0.5


def _azimuth(x: Tensor, z: Tensor) -> Tensor:
    """Return the angle around the vertical in whole turns, -0.5 to 0.5."""
    return torch.atan2(z, x) / (2 * math.pi)


OBJECT_PATTERNS: dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {
    "half-and-half": lambda x, y, z: (y > 0).to(y.dtype),
    "two-sided": lambda x, y, z: (x > 0).to(x.dtype),
    "striped": lambda x, y, z: _odd(y * 1.4 + 0.5),
    "banded": lambda x, y, z: (y.abs() < 0.3).to(y.dtype),
    "checked": lambda x, y, z: _odd((0.97 * x).floor() + (0.97 * y).floor() + (0.97 * z).floor() + 0.5),
    "dotted": lambda x, y, z: (
        _from_middle(_azimuth(x, z) * 4).square() * (x * x + z * z) * 1.6 + _from_middle(y).square() < 0.12
    ).to(x.dtype),
    "segmented": lambda x, y, z: _odd(_azimuth(x, z) * 4),
    "diagonal": lambda x, y, z: _odd((x + y + 0.3 * z) * 1.1),
}
# Those of world 3: its two finest are replaced in their places, so that the draws of the others stay what they were.
_COARSER: dict[str, tuple[str, Callable[[Tensor, Tensor, Tensor], Tensor]]] = {
    "dotted": (
        "spotted",
        lambda x, y, z: (_from_middle(_azimuth(x, z) * 2).square() * (x * x + z * z) * 6.4 + y.square() < 0.25).to(
            x.dtype
        ),
    ),
    "segmented": ("quartered", lambda x, y, z: ((x > 0) != (y > 0)).to(x.dtype)),
}
COARSE_OBJECT_PATTERNS = dict(_COARSER.get(name, (name, pattern)) for name, pattern in OBJECT_PATTERNS.items())
UNSEEN_OBJECT_PATTERNS: dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {
    "spiral": lambda x, y, z: _odd(_azimuth(x, z) * 2 + y * 1.5),
    "zigzag": lambda x, y, z: _odd(y * 2 + 1.2 * _from_middle(_azimuth(x, z) * 5).abs()),
    "crossed": lambda x, y, z: ((y.abs() < 0.22) | (x.abs() < 0.22)).to(x.dtype),
}

GROUND_PATTERNS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "checks": lambda u, v: _odd(u.floor() + v.floor() + 0.5),
    "stripes": lambda u, v: _odd(u),
    "dots": lambda u, v: (_from_middle(u).square() + _from_middle(v).square() < 0.13).to(u.dtype),
    "tiles": lambda u, v: (torch.maximum(_from_middle(u).abs(), _from_middle(v).abs()) > 0.36).to(u.dtype),
    "blotches": lambda u, v: (
        (torch.sin(2.3 * u + 1.4 * torch.sin(1.9 * v)) + torch.sin(2.6 * v + 0.9 * u)) * 2.5 + 0.5
    ).clamp(0, 1),
    "bricks": lambda u, v: _odd(u + 0.5 * _odd(v)),
}
UNSEEN_GROUND_PATTERNS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "circles": lambda u, v: _odd((u * u + v * v).sqrt()),
    "waves": lambda u, v: _odd(u + 0.35 * torch.sin(2 * v)),
}


def _soft(wave: Tensor) -> Tensor:
    """Return 0 to 1 by the sign of a wave of amplitude 1, with an edge a quarter of a cell wide."""
    return torch.sigmoid(6 * wave)


def _wave(x: Tensor) -> Tensor:
    """Return a sine that is negative on even cells of size 1 and positive on odd ones."""
    return -torch.sin(math.pi * x)


# The patterns of the ground with soft edges, in cells of the same size.
SOFT_GROUND_PATTERNS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "checks": lambda u, v: _soft(-_wave(u) * _wave(v)),
    "stripes": lambda u, v: _soft(_wave(u)),
    "dots": lambda u, v: _soft(8 * (0.13 - _from_middle(u).square() - _from_middle(v).square())),
    "tiles": lambda u, v: _soft(3 * (torch.maximum(_from_middle(u).abs(), _from_middle(v).abs()) - 0.36)),
    "blotches": GROUND_PATTERNS["blotches"],
    "bricks": lambda u, v: _soft(_wave(u + 0.5 * _soft(_wave(v)))),
    "circles": lambda u, v: _soft(_wave((u * u + v * v).sqrt())),
    "waves": lambda u, v: _soft(_wave(u + 0.35 * torch.sin(2 * v))),
}
