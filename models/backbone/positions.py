"""Rotary position embedding (RoPE) in 3D: the position of every token in time and space, and the rotations that follow.

Positions are float32 and may be fractions. Wan splits the channels of a head between the three axes and rotates
neighboring pairs (0, 1), (2, 3), ...; so do we, with real numbers on precomputed cosines and sines.
Letters: L tokens, D channels of one head, T h w patches of the video's grid.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from einops import rearrange, repeat
from torch.nn import functional

from ..conditioning.condition_streams import Stream
from ..conditioning.kv_cache import Rope
from ..conditioning.streams import REFERENCE_TIME
from ..devices import autocast_dtype

THETA = 10000.0
MAX_ROPE_BYTES = 128 * 2**20  # kept at once; a long video under context windows has a few per window length


def grid(times: Sequence[float], rows: Sequence[float], columns: Sequence[float]) -> torch.Tensor:
    """Return the (t, y, x) of every point of a grid in raster order: (L, 3) float32 on the CPU."""
    axes = [torch.tensor(list(axis), dtype=torch.float32) for axis in (times, rows, columns)]
    return rearrange(torch.stack(torch.meshgrid(*axes, indexing="ij")), "tyx t h w -> (t h w) tyx")


def centers(count: int, step: float) -> list[float]:
    """Return the centers of `count` coarse patches of `step` fine ones, in fine patches (step 2: 0.5, 2.5, ...)."""
    return [(i + 0.5) * step - 0.5 for i in range(count)]


def stream_positions(
    stream: Stream, geometry: Sequence[int], patch: Sequence[int], sources: bool = False
) -> torch.Tensor:
    """Return the positions (n, 3) of a stream's tokens for a video whose latent has `geometry` (T, h, w) and `patch`.

    Streams aligned with the video take its coordinates: a coarse patch the center of what it covers, a stream with
    fewer frames the times of its frames, a vector the center of the image. References keep their own grid, each at
    its slot's time before the clip; with `sources` all at its start, told apart by a fourth number (n, 4): 1 and more
    for the slots, 0 for all other streams (Bernini-R).
    """
    if sources:
        places = _in_space_and_time(stream, geometry, patch, 0.0)
        return functional.pad(places, (0, 1), value=0.0 if stream.slot is None else 1.0 + stream.slot)
    return _in_space_and_time(stream, geometry, patch, REFERENCE_TIME - (stream.slot or 0))


def _in_space_and_time(
    stream: Stream, geometry: Sequence[int], patch: Sequence[int], reference_time: float
) -> torch.Tensor:
    """Return the (t, y, x) of a stream's tokens, (n, 3); a reference's lie at `reference_time`."""
    frames, height, width = geometry
    rows, columns = -(-height // patch[1]), -(-width // patch[2])
    kind = stream.kind
    if kind.kind == "vector":
        return grid(stream.time_positions(frames), [(rows - 1) / 2], [(columns - 1) / 2])
    _, h, w = stream.data.shape[2:]
    _, ph, pw = stream.patch or kind.patch
    counts = (-(-h // ph), -(-w // pw))
    if kind.placed == "reference":
        rows_at, columns_at = centers(counts[0], ph / patch[1]), centers(counts[1], pw / patch[2])
        return grid([reference_time], rows_at, columns_at)
    # Fine patches per coarse one, also where the stream has another resolution than the video.
    steps = (ph / patch[1] * height / h, pw / patch[2] * width / w)
    return grid(stream.time_positions(frames), centers(counts[0], steps[0]), centers(counts[1], steps[1]))


def positions_key(stream: Stream) -> tuple[object, ...]:
    """Return what the positions of a stream depend on, beside the latent's size and the network's patch."""
    return stream.name, tuple(stream.data.shape[1:]), stream.slot, stream.patch, stream.times


def make_rope(positions: torch.Tensor, head_dim: int) -> Rope:
    """Return the cosines and sines of positions (L, 3), each (L, 1, head_dim) float32: a value twice for its pair.

    A fourth number of a position, that of its source, turns all pairs further (Bernini-R). The sines carry the sign of
    their half of the pair, so that `apply_rope` needs no sign of its own. The angles are computed in
    float64, since far positions times the fastest frequency leave little of float32.
    """
    side = 2 * (head_dim // 6)
    angles = []
    for axis, size in enumerate((head_dim - 2 * side, side, side)):
        frequency = THETA ** -(torch.arange(0, size, 2, dtype=torch.float64) / size)
        angles.append(positions[:, axis, None].double() * frequency)
    angle = torch.cat(angles, -1)
    if positions.shape[1] == 4:
        angle += positions[:, 3, None].double() * THETA ** -(torch.arange(0, head_dim, 2).double() / head_dim)
    cos = repeat(angle.cos(), "l pair -> l 1 (pair two)", two=2)
    sin = rearrange([-angle.sin(), angle.sin()], "two l pair -> l 1 (pair two)")
    return cos.float(), sin.float()


def apply_rope(x: torch.Tensor, rope: Rope) -> torch.Tensor:
    """Return queries or keys x (B, L, heads, D) rotated by a `make_rope`; same shape and format.

    The rope may be in a narrower format than float32, which training on a CPU asks for; the product is then too.
    """
    cos, sin = rope
    pairs = x.reshape(*x.shape[:-1], -1, 2)
    return torch.addcmul(x * cos, pairs.flip(-1).flatten(-2), sin).to(x.dtype)


class RopeCache:
    """The ropes of one network, computed once for each set of positions, device and number format."""

    def __init__(self, head_dim: int):
        self.head_dim = head_dim
        self._ropes: dict[tuple[Any, ...], Rope] = {}

    def __call__(
        self,
        positions: torch.Tensor,
        key: tuple[Any, ...],
        device: str | torch.device,
        transformer_options: dict[str, Any],
    ) -> Rope:
        """Return the rope of `positions` (L, 3 or 4) on `device`; `key` names the positions.

        A host's `rope_options` (scale_t, shift_t, ... for t, y, x) stretch and move all positions alike.
        """
        changes = transformer_options.get("rope_options") or {}
        scale = [float(changes.get(f"scale_{axis}", 1.0)) for axis in "tyx"]
        shift = [float(changes.get(f"shift_{axis}", 0.0)) for axis in "tyx"]
        device = torch.device(device)
        # Autocast asks for speed: half-precision angles there, float32 everywhere else.
        dtype = autocast_dtype(device) or torch.float32
        key = (*key, *scale, *shift, device, dtype)
        if key not in self._ropes:
            places = positions[:, :3].float() * torch.tensor(scale) + torch.tensor(shift)
            cos, sin = make_rope(torch.cat([places, positions[:, 3:].float()], 1), self.head_dim)
            self._ropes[key] = cos.to(device, dtype), sin.to(device, dtype)
            while len(self._ropes) > 1 and self.nbytes > MAX_ROPE_BYTES:
                del self._ropes[next(iter(self._ropes))]  # the oldest
        return self._ropes[key]

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return sum(cos.nbytes + sin.nbytes for cos, sin in self._ropes.values())
