"""What a video is to obey, as the network reads it: an immutable set of streams with the size of the video's latent.

Letters: B batch, C channels, T h w frames and sides of the video's latent, t those of a stream, n tokens, F features.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch

from ...control.errors import UserError
from .streams import STREAMS, STREAMS_OF, StreamKind
from .tokenizers import rebase_camera

_numbers = itertools.count()


@dataclass(frozen=True, eq=False)
class Stream:
    """One stream: `data` is a latent (B, C, t, h, w) or, for vector streams, features (B, n, F).

    `slot` is the identity of a reference. `strength` scales what the stream's tokens say (their V), `start` and `end`
    are the shares of sampling in which it takes part. `times` are the positions of its latent frames on the video's
    time axis; None spreads them evenly over the clip, which for as many frames as the video's is one to one. `patch` is
    how the checkpoint cuts the latent into tokens (`FullDiTConfig.patch_of`); None stands for the registry's.
    Raises UserError for an unknown stream, a missing slot, or data of the wrong shape.
    """

    name: str
    data: torch.Tensor
    slot: int | None = None
    strength: float = 1.0
    start: float = 0.0
    end: float = 1.0
    times: tuple[float, ...] | None = None
    patch: tuple[int, int, int] | None = None

    def __post_init__(self) -> None:
        if self.name not in STREAMS:
            raise UserError(f"There is no condition stream {self.name!r}; there are {', '.join(STREAMS)}.")
        kind = self.kind
        if self.patch is None:
            object.__setattr__(self, "patch", kind.patch)
        if self.data.ndim != (3 if kind.kind == "vector" else 5):
            expected = f"(B, n, {kind.features})" if kind.kind == "vector" else "(B, 16, t, h, w)"
            raise UserError(f"The stream {self.name!r} has the shape {tuple(self.data.shape)}, expected {expected}.")
        if kind.kind == "vector" and self.data.shape[2] != kind.features:
            raise UserError(f"The stream {self.name!r} has {self.data.shape[2]} features, expected {kind.features}.")
        if kind.has_slots != (self.slot is not None):
            raise UserError(f"The stream {self.name!r} {'needs a' if kind.has_slots else 'takes no'} slot.")
        if self.times is not None and len(self.times) != self.frames:
            raise UserError(f"The stream {self.name!r} has {self.frames} frames, but {len(self.times)} times.")

    @property
    def kind(self) -> StreamKind:
        return STREAMS[self.name]

    @property
    def condition(self) -> str:
        """The condition it belongs to: 'camera', 'identity' or 'depth'."""
        return self.kind.condition

    @property
    def frames(self) -> int:
        """Latent frames of the stream itself."""
        return self.data.shape[1 if self.kind.kind == "vector" else 2]

    @property
    def tokens(self) -> int:
        """How many tokens it becomes."""
        if self.kind.kind == "vector":
            return self.data.shape[1]
        return math.prod(-(-side // patch) for side, patch in zip(self.data.shape[2:], self.patch, strict=True))

    def time_positions(self, frames: int) -> tuple[float, ...]:
        """Where its latent frames lie on the time axis of a video of `frames` latent frames."""
        if self.times is not None:
            return self.times
        if self.frames == 1:
            return (0.0,)
        return tuple(j * (frames - 1) / (self.frames - 1) for j in range(self.frames))

    def at(self, indices: Sequence[int], frames: int) -> Stream:
        """The stream for the latent frames `indices` of a video of `frames`: see `Conditions.window`."""
        if self.kind.placed == "reference":
            return self
        positions = self.time_positions(frames)
        if len(positions) == frames and all(abs(p - i) < 1e-6 for i, p in enumerate(positions)):
            kept, times = list(indices), None
        else:
            kept, times = _inside(positions, indices)
        axis = 1 if self.kind.kind == "vector" else 2
        data = self.data.index_select(axis, torch.tensor(kept, device=self.data.device))
        if self.name == "camera" and indices[0] != 0:
            data = rebase_camera(data)
        return replace(self, data=data, times=times)


def _inside(positions: Sequence[float], indices: Sequence[int]) -> tuple[list[int], tuple[float, ...]]:
    """Frames at `positions` that lie in a window of the frames `indices`, and where they lie in it; at least one."""
    kept, times = [], []
    for j, position in enumerate(positions):
        for place, (a, b) in enumerate(itertools.pairwise(indices)):
            if b == a + 1 and a - 1e-6 <= position <= b + 1e-6:
                kept.append(j)
                times.append(place + position - a)
                break
        else:
            if position in indices:
                kept.append(j)
                times.append(float(list(indices).index(position)))
    if not kept:
        distances = [(abs(p - i), j, place) for j, p in enumerate(positions) for place, i in enumerate(indices)]
        _, j, place = min(distances)
        kept, times = [j], [float(place)]
    return kept, tuple(times)


@dataclass(frozen=True, eq=False)
class Conditions:
    """The streams of a clip whose latent has `geometry` = (T, h, w). Never changed; every method gives a new object.

    `key` says what the streams are: equal keys mean equal data (up to device and format), so it can key a cache. Two
    bundles made from the same data apart have different keys.
    """

    streams: tuple[Stream, ...]
    geometry: tuple[int, int, int]
    key: tuple = field(default_factory=lambda: (next(_numbers),))

    def __post_init__(self) -> None:
        object.__setattr__(self, "streams", tuple(self.streams))
        object.__setattr__(self, "geometry", tuple(int(side) for side in self.geometry))

    @property
    def names(self) -> tuple[str, ...]:
        """The conditions that are there, in the order of the registry."""
        return tuple(name for name in STREAMS_OF if any(stream.condition == name for stream in self.streams))

    @property
    def nbytes(self) -> int:
        return sum(stream.data.nbytes for stream in self.streams)

    @property
    def batch(self) -> int:
        return max((stream.data.shape[0] for stream in self.streams), default=1)

    def subset(self, indices: Iterable[int]) -> Conditions:
        """The streams with these indices."""
        indices = tuple(indices)
        if indices == tuple(range(len(self.streams))):
            return self
        return Conditions(tuple(self.streams[i] for i in indices), self.geometry, (*self.key, "subset", indices))

    def select(self, names: Iterable[str]) -> Conditions:
        """The streams of these conditions, for example ('camera', 'depth')."""
        names = set(names)
        return self.subset(i for i, stream in enumerate(self.streams) if stream.condition in names)

    def window(self, indices: Sequence[int]) -> Conditions:
        """The conditions of a clip made of the latent frames `indices`, for sampling long videos window by window.

        Streams with fewer frames than the video keep the frames that lie inside, at their fractional places, or else
        the nearest one. References stay. The camera becomes relative to the first frame of the window.
        """
        indices = [int(i) for i in indices]
        frames = self.geometry[0]
        if not indices or min(indices) < 0 or max(indices) >= frames:
            raise UserError(f"The window {indices} does not lie in a video of {frames} latent frames.")
        if indices == list(range(frames)):
            return self
        streams = tuple(stream.at(indices, frames) for stream in self.streams)
        return Conditions(streams, (len(indices), *self.geometry[1:]), (*self.key, "window", tuple(indices)))

    def to(self, device: Any = None, dtype: torch.dtype | None = None) -> Conditions:
        """Moved to a device; latents also to a number format. Vector features stay float32."""
        streams = tuple(
            replace(s, data=s.data.to(device, s.data.dtype if s.kind.kind == "vector" else dtype or s.data.dtype))
            for s in self.streams
        )
        if all(new.data is old.data for new, old in zip(streams, self.streams, strict=True)):
            return self
        return Conditions(streams, self.geometry, self.key)

    def tokens(self, config: Any = None) -> dict[str, int]:
        """The token budget: stream -> tokens, and 'video' for the video's own (patch size of `config`)."""
        patch = config.patch_size if config is not None else (1, 2, 2)
        found = {"video": math.prod(-(-side // p) for side, p in zip(self.geometry, patch, strict=True))}
        for stream in self.streams:
            found[stream.name] = found.get(stream.name, 0) + stream.tokens
        return found
