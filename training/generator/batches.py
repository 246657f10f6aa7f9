"""Micro-batches: which clips, which subset of conditions, which words, which times.

One subset of conditions and one pattern of streams per micro-batch: a condition is dropped by not being there, so all
clips of a micro-batch have sequences of one length. Everything random comes from one generator whose state is saved.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypedDict

import torch

from ...control.errors import UserError
from ...dataset.latents import STREAM, EncodedClips
from ...dataset.text_rows import row_text
from ...models.conditioning.condition_streams import ConditionStreams
from ...models.conditioning.registry import ENTRIES
from ...models.conditioning.streams import STREAMS
from ...models.conditioning.text import tokenize
from ...models.config import FullDiTConfig
from ...models.sampling.schedules import shifted_time

ANY = "any"  # the group of all clips
MAPS = "identity_map"  # the stream that says where the objects are


class PhaseDict(TypedDict):
    """Until the share `until` of the run, micro-batches have these subsets of conditions, drawn with these weights."""

    until: float
    subsets: dict[str, float]


class BatchesState(TypedDict):
    """Where the drawing of micro-batches stands: `Order.state`, and the state of the generator."""

    order: dict[str, list[int]]
    generator: torch.Tensor


@dataclass(frozen=True)
class Batch:
    """`video` (B, C, T, h, w) float32, `tokens` (B, L) ids, `conditions` or None, and the names in it.

    `maps` (B, C, T, h, w) says where the objects are, whether or not the network is told; None where not all clips have
    an identity map.
    """

    video: torch.Tensor
    tokens: torch.Tensor
    conditions: ConditionStreams | None
    names: tuple[str, ...]
    maps: torch.Tensor | None

    def to(self, device: torch.device | str) -> Batch:
        """Return the batch on a device."""
        conditions = None if self.conditions is None else self.conditions.to(device)
        maps = None if self.maps is None else self.maps.to(device)
        return Batch(self.video.to(device), self.tokens.to(device), conditions, self.names, maps)


def parse_subset(key: str) -> tuple[str, ...] | None:
    """Return the conditions of a subset's key: `camera+depth`, `none` -> (), `nothing` -> None (drops the text too).

    Raises UserError for a condition that does not become tokens.
    """
    if key == "nothing":
        return None
    names = () if key == "none" else tuple(key.split("+"))
    for name in names:
        if name not in ENTRIES:
            raise UserError(f"The config names the condition {name!r}, but only {', '.join(ENTRIES)} can be trained.")
    return names


def phase_at(phases: Sequence[PhaseDict], progress: float) -> PhaseDict:
    """The phase whose `until` lies above `progress`; the last one goes on for ever."""
    for phase in phases:
        if progress < phase["until"]:
            return phase
    return phases[-1]


def without(phases: Sequence[PhaseDict], never: Sequence[str]) -> list[PhaseDict]:
    """The phases with these subsets taken out; their share goes to the others of the phase in proportion.

    Raises UserError for a subset that no phase has, and where nothing is left of a phase.
    """
    for key in never:
        if not any(key in phase["subsets"] for phase in phases):
            raise UserError(f"The config never wants {key!r}, but no phase has it.")
    left: list[PhaseDict] = [
        {"until": phase["until"], "subsets": {k: v for k, v in phase["subsets"].items() if k not in never}}
        for phase in phases
    ]
    if not all(phase["subsets"] for phase in left):
        raise UserError(f"Without {', '.join(never)} nothing is left of a phase of the config.")
    return left


class Order:
    """Goes through the clips of a group in a new order every epoch; new clips join at the start of an epoch.

    A group is 'any', or 'CONDITIONS:PATTERN' for the clips that have these streams of these conditions. The order
    depends on (seed, group, epoch, clips known then) alone, so the state is three numbers per group.
    """

    def __init__(self, clips: EncodedClips, seed: int):
        self.clips = clips
        self.seed = seed
        self.state: dict[str, list[int]] = {}  # group -> [epoch, position, clips known when the epoch began]
        self._orders: dict[str, torch.Tensor] = {}

    def members(self, group: str, known: int) -> torch.Tensor:
        """Return the clips of a group among the first `known`."""
        if group == ANY:
            return torch.arange(known)
        names, _, pattern = group.partition(":")
        return (self.clips.patterns(names.split("+"))[:known] == int(pattern)).nonzero()[:, 0]

    def _order(self, group: str) -> torch.Tensor:
        epoch, _, known = self.state[group]
        if group not in self._orders:
            digest = 0 if group == ANY else zlib.crc32(group.encode())
            generator = torch.Generator().manual_seed(self.seed * 1_000_003 + epoch * 1_009 + digest)
            members = self.members(group, known)
            self._orders[group] = members[torch.randperm(len(members), generator=generator)]
        return self._orders[group]

    def take(self, group: str, count: int) -> list[int]:
        """Return the next `count` clips of a group. Raises UserError where no clip belongs to it."""
        found: list[int] = []
        if group not in self.state:
            self.state[group] = [0, 0, len(self.clips)]
        while len(found) < count:
            order = self._order(group)
            if not len(order):
                raise UserError(f"No clip has the streams of {group}. Encode more clips.")
            _, position, _ = self.state[group]
            some = order[position : position + count - len(found)].tolist()
            found += some
            self.state[group][1] += len(some)
            if self.state[group][1] >= len(order):
                self.state[group] = [self.state[group][0] + 1, 0, self.clips.rescan()]
                self._orders.pop(group, None)
        return found


class Batches:
    """Draws micro-batches from encoded clips by the schedule of the config."""

    def __init__(
        self,
        clips: EncodedClips,
        phases: Sequence[PhaseDict],
        config: FullDiTConfig,
        seed: int = 0,
        plain: float = 0.5,
        plain_with_conditions: float = 0.8,
        map_dropped: float = 0.1,
    ):
        for phase in phases:
            for key in phase["subsets"]:
                parse_subset(key)
        self.clips = clips
        self.phases = list(phases)
        self.config = config
        self.plain = plain
        self.plain_with_conditions = plain_with_conditions
        self.map_dropped = map_dropped
        self.generator = torch.Generator().manual_seed(seed)
        self.order = Order(clips, seed)

    def uniform(self) -> float:
        return float(torch.rand((), generator=self.generator))

    def choose(self, weights: Sequence[float]) -> int:
        """An index, drawn with these weights."""
        return int(torch.multinomial(torch.tensor(weights, dtype=torch.float64), 1, generator=self.generator))

    def draw(self, size: int, progress: float) -> Batch:
        """Return the next micro-batch of `size` clips at this progress (0 to 1) of the training."""
        subsets = phase_at(self.phases, progress)["subsets"]
        names = parse_subset(list(subsets)[self.choose(list(subsets.values()))])
        indices = self.order.take(self._group(names), size)
        drop_optional = self.uniform() < self.map_dropped
        # Full captions name colors, places and camera: read beside a condition, they would take its work away.
        share = self.plain_with_conditions if names else self.plain
        plain = torch.rand(size, generator=self.generator) < share
        return make_batch(self.clips, indices, names, self.config, plain.tolist(), not drop_optional)

    def _group(self, names: tuple[str, ...] | None) -> str:
        """The group of clips to draw from: one pattern of the conditions' streams, by its share of the clips."""
        patterns = self.clips.patterns(names or ())
        if not names or bool((patterns == patterns[0]).all() and patterns[0] > 0):
            return ANY
        kinds, counts = torch.unique(patterns[patterns > 0], return_counts=True)
        if not len(kinds):
            raise UserError(f"No clip has all of {', '.join(names)}, but the config trains them together.")
        return f"{'+'.join(names)}:{int(kinds[self.choose(counts.tolist())])}"

    def state(self) -> BatchesState:
        """What `load` needs to go on with the same micro-batches."""
        return {"order": self.order.state, "generator": self.generator.get_state()}

    def load(self, state: BatchesState) -> None:
        self.order.state = {group: list(numbers) for group, numbers in state["order"].items()}
        self.order._orders.clear()
        self.generator.set_state(state["generator"])


def make_batch(
    clips: EncodedClips,
    indices: Sequence[int],
    names: tuple[str, ...] | None,
    config: FullDiTConfig,
    plain: Sequence[bool],
    with_optional: bool = True,
) -> Batch:
    """Return the clips `indices` under the conditions `names`; None drops the text too.

    The clips must all have the same streams of these conditions. `with_optional` False leaves out the streams that a
    user may leave out (references without masks).
    """
    captions = clips.get("captions", indices)
    plains = clips.get("plain_captions", indices)
    texts = [row_text(p if short else c) for c, p, short in zip(captions, plains, plain, strict=True)]
    tokens = torch.stack([tokenize("" if names is None else text) for text in texts])
    optional = () if with_optional else [name for name, kind in STREAMS.items() if kind.optional]
    streams = clips.streams(indices, names or (), optional)
    conditions = None
    if streams:
        patches = {stream.name: config.patch_of(stream.name) for stream in streams}
        conditions = ConditionStreams(tuple(streams), config.latent_size).with_patches(patches)
    return Batch(clips.get("video", indices).float(), tokens, conditions, names or (), _maps(clips, indices))


def _maps(clips: EncodedClips, indices: Sequence[int]) -> torch.Tensor | None:
    if MAPS not in clips.keys or not clips.has(MAPS, indices):
        return None
    return clips.get(STREAM + MAPS, indices).float()


def draw_times(
    size: int, frames: int, shift: float, clean_first_frame_prob: float, generator: torch.Generator
) -> torch.Tensor:
    """Times t: (B,), or (B, T) in the share `lead` of the calls.

    Uniform and stratified over the batch, then shifted toward noise. With `lead`, the first latent frame is cleaner
    than the rest (half of the times clean): what the rest must look like then follows from the camera, the depth and
    the identities, and the network learns to use them from a much stronger signal; it also learns to continue a
    image.
    """
    even = (torch.arange(size) + torch.rand(size, generator=generator)) / size
    even = even[torch.randperm(size, generator=generator)]
    t = torch.tensor([shifted_time(float(u), shift) for u in even])
    if float(torch.rand((), generator=generator)) >= clean_first_frame_prob:
        return t
    share = torch.rand(size, generator=generator) * (torch.rand(size, generator=generator) < 0.5)
    per_frame = t[:, None].repeat(1, frames)
    per_frame[:, 0] = t * share
    return per_frame
