"""Rotary positions: where every token lies in time and space, and the angles that follow.

Positions are float32 and may be fractions. Wan splits the channels of a head between the three axes and turns
neighboring pairs (0, 1), (2, 3), ...; so do we, with real numbers on precomputed cosines and sines.
Letters: L tokens, D channels of one head, T h w patches of the video's grid.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from ..conditioning.condition_streams import Stream
from ..conditioning.streams import REFERENCE_TIME

THETA = 10000.0


def grid(times: Sequence[float], rows: Sequence[float], columns: Sequence[float]) -> torch.Tensor:
    """All (t, y, x) of a grid in raster order: (L, 3) float32 on the CPU."""
    axes = [torch.tensor(list(axis), dtype=torch.float32) for axis in (times, rows, columns)]
    return torch.stack(torch.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 3)


def centers(count: int, step: float) -> list[float]:
    """Centers of `count` coarse patches of `step` fine ones, in the coordinates of the fine ones (step 2: 0.5, 2.5)."""
    return [(i + 0.5) * step - 0.5 for i in range(count)]


def stream_positions(stream: Stream, geometry: Sequence[int], patch: Sequence[int]) -> torch.Tensor:
    """Positions (n, 3) of a stream's tokens for a video whose latent has `geometry` = (T, h, w) and patches `patch`.

    Streams aligned with the video take its coordinates: a coarse patch the center of what it covers, a stream with
    fewer frames its frames' places in time, a vector the center of the image. References keep their own grid, each at
    its slot's time before the clip.
    """
    frames, height, width = geometry
    rows, columns = -(-height // patch[1]), -(-width // patch[2])
    kind = stream.kind
    if kind.kind == "vector":
        return grid(stream.time_positions(frames), [(rows - 1) / 2], [(columns - 1) / 2])
    _, h, w = stream.data.shape[2:]
    _, ph, pw = stream.patch
    counts = (-(-h // ph), -(-w // pw))
    # Fine patches per coarse one, also where the stream has another resolution than the video.
    steps = (ph / patch[1] * height / h, pw / patch[2] * width / w)
    if kind.placed == "reference":
        steps = (ph / patch[1], pw / patch[2])
        return grid([REFERENCE_TIME - stream.slot], centers(counts[0], steps[0]), centers(counts[1], steps[1]))
    return grid(stream.time_positions(frames), centers(counts[0], steps[0]), centers(counts[1], steps[1]))


def make_rope(positions: torch.Tensor, head_dim: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Positions (L, 3) -> cosines and sines, each (L, 1, D) float32, every value twice for the pair it turns.

    The sines carry the sign of their place in the pair, so that `rotate` needs no sign of its own. The angles are
    computed in float64, since far positions times the fastest frequency leave little of float32.
    """
    side = 2 * (head_dim // 6)
    angles = []
    for axis, size in enumerate((head_dim - 2 * side, side, side)):
        frequency = THETA ** -(torch.arange(0, size, 2, dtype=torch.float64) / size)
        angles.append(positions[:, axis, None].double() * frequency)
    angle = torch.cat(angles, -1)
    cos = angle.cos().repeat_interleave(2, -1)
    sin = torch.stack([-angle.sin(), angle.sin()], -1).flatten(-2)
    return cos.float()[:, None], sin.float()[:, None]


def apply_rope(x: torch.Tensor, rope: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
    """Turn queries or keys x (B, L, heads, D) by a `make_rope`; same shape and format.

    The ropes may be in a narrower format than float32, which training on a CPU asks for; the product is then too.
    """
    cos, sin = rope
    swapped = x.unflatten(-1, (-1, 2)).flip(-1).flatten(-2)
    return torch.addcmul(x * cos, swapped, sin).to(x.dtype)
