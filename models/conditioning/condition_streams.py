"""What a video is to obey, as the network reads it: an immutable set of streams with the size of the video's latent.

Letters: B batch, C channels, T h w frames and sides of the video's latent, t those of a stream, n tokens, F features.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import torch

from ...control.errors import UserError
from ..geometry import LatentGeometry, Size3
from .streams import CONDITION_OF, STREAMS, StreamType

_numbers = itertools.count()


@dataclass(frozen=True, eq=False)
class Stream:
    """One stream: `data` is a latent (B, C, t, h, w) or, for vector streams, features (B, n, F).

    `slot` is the identity of a reference. `strength` scales what the stream's tokens say (their V), `start` and `end`
    are the shares of sampling in which it takes part. `times` are the positions of its latent frames on the video's
    time axis; None spreads them evenly over the clip, which for as many frames as the video's is one to one. `kept`:
    what its mask says is known stays in the video as it is (sampling/kept.py). `patch` is
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
    kept: bool = False
    patch: Size3 | None = None

    def __post_init__(self) -> None:
        if self.name not in STREAMS:
            raise UserError(f"There is no condition stream {self.name!r}; there are {', '.join(STREAMS)}.")
        if self.patch is None:
            object.__setattr__(self, "patch", self.kind.patch)
        if self.data.ndim != (3 if self.is_vector else 5):
            expected = "(B, n, F)" if self.is_vector else "(B, C, t, h, w)"
            raise UserError(f"The stream {self.name!r} has the shape {tuple(self.data.shape)}, expected {expected}.")
        if self.is_vector and self.data.shape[2] % self.kind.features:
            raise UserError(
                f"The stream {self.name!r} has {self.data.shape[2]} features, expected a multiple of"
                f" {self.kind.features}: those of every frame in a latent frame."
            )
        if self.kind.has_slots != (self.slot is not None):
            raise UserError(f"The stream {self.name!r} {'needs a' if self.kind.has_slots else 'takes no'} slot.")
        if self.times is not None and len(self.times) != self.frames:
            raise UserError(f"The stream {self.name!r} has {self.frames} frames, but {len(self.times)} times.")

    @property
    def kind(self) -> StreamType:
        """The entry of the registry."""
        return STREAMS[self.name]

    @property
    def is_vector(self) -> bool:
        """Whether its data are features, not a latent."""
        return self.kind.kind == "vector"

    @property
    def condition(self) -> str:
        """The condition that it belongs to: 'camera', 'identity', ..."""
        return CONDITION_OF[self.name]

    @property
    def frames(self) -> int:
        """Latent frames of the stream itself."""
        return self.data.shape[1 if self.is_vector else 2]

    @property
    def tokens(self) -> int:
        """How many tokens of the sequence it becomes; none where they are added to the video's."""
        if self.kind.is_added:
            return 0
        if self.is_vector:
            return self.data.shape[1]
        return math.prod(-(-side // patch) for side, patch in zip(self.data.shape[2:], self.patch or (), strict=True))

    @property
    def key(self) -> str:
        """Its name, and its slot where it has one: 'depth', 'reference.0'."""
        return self.name if self.slot is None else f"{self.name}.{self.slot}"

    def time_positions(self, frames: int) -> tuple[float, ...]:
        """Return where its latent frames lie on the time axis of a video of `frames` latent frames."""
        if self.times is not None:
            return self.times
        if self.frames == 1:
            return (0.0,)
        return tuple(j * (frames - 1) / (self.frames - 1) for j in range(self.frames))

    def window(self, indices: Sequence[int], frames: int) -> Stream:
        """Return the stream for the latent frames `indices` of a video of `frames`: see `ConditionStreams.window`."""
        if self.kind.placed == "reference":
            return self
        positions = self.time_positions(frames)
        times: tuple[float, ...] | None = None
        if len(positions) == frames and all(abs(p - i) < 1e-6 for i, p in enumerate(positions)):
            kept = list(indices)
        else:
            kept, times = _inside(positions, indices)
        axis = 1 if self.is_vector else 2
        data = self.data.index_select(axis, torch.tensor(kept, device=self.data.device))
        if self.kind.rebase is not None and indices[0] != 0:
            data = self.kind.rebase(data)
        return replace(self, data=data, times=times)


def _inside(positions: Sequence[float], indices: Sequence[int]) -> tuple[list[int], tuple[float, ...]]:
    """Return which frames at `positions` lie in a window of the frames `indices`, and where in it; at least one."""
    kept, times = [], []
    for j, position in enumerate(positions):
        for offset, (a, b) in enumerate(itertools.pairwise(indices)):
            if b == a + 1 and a - 1e-6 <= position <= b + 1e-6:
                kept.append(j)
                times.append(offset + position - a)
                break
        else:
            if position in indices:
                kept.append(j)
                times.append(float(list(indices).index(int(position))))
    if not kept:
        distances = [(abs(p - i), j, offset) for j, p in enumerate(positions) for offset, i in enumerate(indices)]
        _, j, offset = min(distances)
        kept, times = [j], [float(offset)]
    return kept, tuple(times)


@dataclass(frozen=True, eq=False)
class ConditionStreams:
    """The streams of a clip whose latent has the size `latent_size` = (T, h, w). Every method gives a new object.

    `key` says what the streams are: equal keys mean equal data (up to device and format), so it can key a cache. Two
    objects made from the same data apart have different keys.
    """

    streams: tuple[Stream, ...]
    latent_size: Size3
    key: tuple[object, ...] = field(default_factory=lambda: (next(_numbers),))

    def __post_init__(self) -> None:
        object.__setattr__(self, "streams", tuple(self.streams))
        frames, height, width = self.latent_size
        object.__setattr__(self, "latent_size", (int(frames), int(height), int(width)))

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The conditions that are present, in the order of the registry."""
        present = {stream.condition for stream in self.streams}
        return tuple(name for name in dict.fromkeys(CONDITION_OF.values()) if name in present)

    @property  # no cached one: those of Python 3.11 have a lock, at which torch.compile breaks the graph
    def joined(self) -> ConditionStreams:
        """The streams whose tokens join the sequence."""
        return self.subset(i for i, stream in enumerate(self.streams) if not stream.kind.is_added)

    @property
    def nbytes(self) -> int:
        """Bytes of all data."""
        return sum(stream.data.nbytes for stream in self.streams)

    @property
    def batch(self) -> int:
        """The largest batch of a stream; others of batch 1 are shared."""
        return max([1, *(stream.data.shape[0] for stream in self.streams)])

    def subset(self, indices: Iterable[int]) -> ConditionStreams:
        """Return the streams with these indices."""
        indices = tuple(indices)
        if indices == tuple(range(len(self.streams))):
            return self
        streams = tuple(self.streams[i] for i in indices)
        return ConditionStreams(streams, self.latent_size, (*self.key, "subset", indices))

    def select(self, names: Iterable[str]) -> ConditionStreams:
        """Return the streams of these conditions, for example ('camera', 'depth')."""
        names = set(names)
        return self.subset(i for i, stream in enumerate(self.streams) if stream.condition in names)

    def window(self, indices: Sequence[int]) -> ConditionStreams:
        """Return the streams of a clip made of the latent frames `indices`, for sampling a long video by windows.

        Streams with fewer frames than the video keep the frames that lie inside, at their fractional places, or else
        the nearest one. References stay. Vectors become relative to the first frame of the window.
        """
        indices = [int(i) for i in indices]
        frames = self.latent_size[0]
        if not indices or min(indices) < 0 or max(indices) >= frames:
            raise UserError(f"The window {indices} does not lie in a video of {frames} latent frames.")
        if indices == list(range(frames)):
            return self
        streams = tuple(stream.window(indices, frames) for stream in self.streams)
        size = (len(indices), *self.latent_size[1:])
        return ConditionStreams(streams, size, (*self.key, "window", tuple(indices)))

    def exchange_slots(self, first: int = 0, second: int = 1) -> ConditionStreams:
        """Return the same streams with the slots of two identities exchanged: no second encoding.

        The key is a new one: what was cached for the old streams does not hold.
        """
        other = {first: second, second: first}
        streams = tuple(
            stream if stream.slot is None else replace(stream, slot=other.get(stream.slot, stream.slot))
            for stream in self.streams
        )
        return ConditionStreams(streams, self.latent_size)

    def with_patches(self, patch_of: dict[str, Size3]) -> ConditionStreams:
        """Return the streams cut into tokens as a checkpoint reads them: stream name -> (frames, rows, columns)."""
        streams = tuple(replace(stream, patch=patch_of[stream.name]) for stream in self.streams)
        return ConditionStreams(streams, self.latent_size)

    def to(self, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> ConditionStreams:
        """Return the streams on a device; latents also in a number format. Vector features stay float32."""
        streams = tuple(
            replace(s, data=s.data.to(device, s.data.dtype if s.is_vector else dtype or s.data.dtype))
            for s in self.streams
        )
        if all(new.data is old.data for new, old in zip(streams, self.streams, strict=True)):
            return self
        return ConditionStreams(streams, self.latent_size, self.key)

    def tokens(self, geometry: LatentGeometry) -> dict[str, int]:
        """Return the token budget: stream -> tokens, and 'video' for the video's own."""
        budget = {"video": geometry.tokens(self.latent_size)}
        for stream in self.streams:
            budget[stream.name] = budget.get(stream.name, 0) + stream.tokens
        return budget
