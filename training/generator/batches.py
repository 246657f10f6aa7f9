"""Micro-batches: which clips, which subset of conditions, which words, which times.

One size, one subset of conditions and one pattern of streams per micro-batch: a condition is dropped by not being
there, so all clips of a micro-batch have sequences of one length. Everything random comes from one generator whose
state is saved. Where several processes train one model, each draws the same micro-batch and reads its own part of the
clips: the same streams everywhere, without which their collectives would not match.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypedDict

import torch
from torch.nn import functional

from ...control.errors import UserError
from ...dataset.clip_source import STREAM, ClipSource
from ...dataset.text_rows import row_text
from ...models.conditioning.condition_streams import ConditionStreams
from ...models.conditioning.registry import ENTRIES
from ...models.conditioning.streams import STREAMS
from ...models.conditioning.text import tokenize
from ...models.config import FullDiTConfig
from ...models.geometry import Size3
from ...models.sampling.schedules import shifted_time, unshifted_time

ANY = "any"  # the group of all clips
MAPS = "identity_map"  # the stream that says where the objects are


class PhaseDict(TypedDict):
    """Until the share `until` of the run, micro-batches have these subsets of conditions, drawn with these weights, and
    clips of at most `tokens` video tokens (None: of any size)."""

    until: float
    subsets: dict[str, float]
    tokens: int | None


class BatchesState(TypedDict):
    """Where the drawing of micro-batches stands: `Order.state` of every size, and the state of the generator."""

    orders: list[dict[str, list[int]]]
    generator: torch.Tensor


@dataclass(frozen=True)
class Batch:
    """`video` (B, C, T, h, w) float32, `tokens` (B, L) ids or (B, L, D) states of a text encoder, `conditions` or None,
    and the names in it.

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
        {**phase, "subsets": {k: v for k, v in phase["subsets"].items() if k not in never}} for phase in phases
    ]
    if not all(phase["subsets"] for phase in left):
        raise UserError(f"Without {', '.join(never)} nothing is left of a phase of the config.")
    return left


class Order:
    """Goes through the clips of a group in a new order every epoch; new clips join at the start of an epoch.

    A group is 'any', or 'CONDITIONS:PATTERN' for the clips that have these streams of these conditions. The order
    depends on (seed, group, epoch, clips known then) alone, so the state is three numbers per group.
    """

    def __init__(self, clips: ClipSource, seed: int):
        self.clips = clips
        self.seed = seed
        self.state: dict[str, list[int]] = {}  # group -> [epoch, position, clips known when the epoch began]
        self._orders: dict[str, torch.Tensor] = {}

    def load(self, state: dict[str, list[int]]) -> None:
        """Go on where `state` was taken."""
        self.state = {group: list(numbers) for group, numbers in state.items()}
        self._orders.clear()

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


@dataclass(frozen=True)
class Part:
    """The part `number` of `count` equal ones of every micro-batch: what one process reads of it."""

    number: int = 0
    count: int = 1

    def of(self, size: int) -> slice:
        """Return which clips of a micro-batch of `size` belong to it."""
        return slice(self.number * size // self.count, (self.number + 1) * size // self.count)


class Batches:
    """Draws micro-batches from encoded clips, the clips of each source of one size, by the schedule of the config."""

    def __init__(
        self,
        sources: Sequence[ClipSource],
        phases: Sequence[PhaseDict],
        config: FullDiTConfig,
        seed: int = 0,
        plain: float = 0.5,
        plain_with_conditions: float = 0.8,
        map_dropped: float = 0.1,
        part: Part | None = None,
        micro_tokens: int | None = None,
    ):
        for phase in phases:
            for key in phase["subsets"]:
                parse_subset(key)
        self.sources = list(sources)
        self.tokens = [config.geometry.tokens(latent_size_of(clips)) for clips in sources]
        self.phases = list(phases)
        self.config = config
        self.plain = plain
        self.plain_with_conditions = plain_with_conditions
        self.map_dropped = map_dropped
        self.part = part or Part()
        self.micro_tokens = micro_tokens
        self.generator = torch.Generator().manual_seed(seed)
        self.orders = [Order(clips, seed) for clips in sources]
        for phase in phases:
            self._fitting(phase)

    def uniform(self) -> float:
        return float(torch.rand((), generator=self.generator))

    def choose(self, weights: Sequence[float]) -> int:
        """An index, drawn with these weights."""
        return int(torch.multinomial(torch.tensor(weights, dtype=torch.float64), 1, generator=self.generator))

    def draw(self, size: int, progress: float) -> Batch:
        """Return this process's part of the next micro-batch at this progress (0 to 1) of the training.

        All parts together have `size` clips; with `micro_tokens`, as many as have so many video tokens, at least one a
        part: many small clips, few large ones.
        """
        phase = phase_at(self.phases, progress)
        subsets = phase["subsets"]
        names = parse_subset(list(subsets)[self.choose(list(subsets.values()))])
        source = self._choose_source(phase)
        if self.micro_tokens is not None:
            size = self.part.count * max(1, self.micro_tokens // (self.tokens[source] * self.part.count))
        indices = self.orders[source].take(self._group(self.sources[source], names), size)
        drop_optional = self.uniform() < self.map_dropped
        # Full captions name colors, places and camera: read beside a condition, they would take its work away.
        share = self.plain_with_conditions if names else self.plain
        plain = (torch.rand(size, generator=self.generator) < share).tolist()
        own = self.part.of(size)
        clips = self.sources[source]
        return make_batch(clips, indices[own], names, self.config, plain[own], not drop_optional)

    def _fitting(self, phase: PhaseDict) -> list[int]:
        """Return the numbers of the sizes that a phase takes. Raises UserError where it takes none."""
        most = phase["tokens"]
        fitting = [i for i, tokens in enumerate(self.tokens) if most is None or tokens <= most]
        if not fitting:
            raise UserError(
                f"A phase of the config takes clips of at most {most} video tokens, but those at hand have "
                f"{', '.join(map(str, sorted(self.tokens)))}. Encode smaller clips, or raise its 'tokens'."
            )
        return fitting

    def _choose_source(self, phase: PhaseDict) -> int:
        """Return the number of a size, drawn so that every clip is seen equally often."""
        fitting = self._fitting(phase)
        # The more tokens a clip has, the fewer of them are in a micro-batch of so many tokens.
        per_clip = [1 if self.micro_tokens is None else tokens for tokens in self.tokens]
        weights = [len(self.sources[i]) * per_clip[i] for i in fitting]
        return fitting[self.choose(weights)] if len(fitting) > 1 else fitting[0]

    def _group(self, clips: ClipSource, names: tuple[str, ...] | None) -> str:
        """The group of clips to draw from: one pattern of the conditions' streams, by its share of the clips."""
        patterns = clips.patterns(names or ())
        if not names or bool((patterns == patterns[0]).all() and patterns[0] > 0):
            return ANY
        kinds, counts = torch.unique(patterns[patterns > 0], return_counts=True)
        if not len(kinds):
            raise UserError(f"No clip has all of {', '.join(names)}, but the config trains them together.")
        return f"{'+'.join(names)}:{int(kinds[self.choose(counts.tolist())])}"

    def state(self) -> BatchesState:
        """What `load` needs to go on with the same micro-batches, in any number of processes."""
        return {"orders": [order.state for order in self.orders], "generator": self.generator.get_state()}

    def load(self, state: BatchesState) -> None:
        if len(state["orders"]) != len(self.orders):
            raise UserError(
                f"The run was saved with clips of {len(state['orders'])} sizes, now there are {len(self.orders)}. Go "
                "on with the same folder of clips, or begin a new run."
            )
        for order, numbers in zip(self.orders, state["orders"], strict=True):
            order.load(numbers)
        self.generator.set_state(state["generator"])


def make_batch(
    clips: ClipSource,
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
    read = _words if config.text == "bytes" else _states
    tokens = read(clips, indices, plain, config.text_len, without=names is None)
    video = clips.get("video", indices).float()
    optional = () if with_optional else [name for name, kind in STREAMS.items() if kind.optional]
    streams = clips.streams(indices, names or (), optional)
    conditions = None
    if streams:
        patches = {stream.name: config.patch_of(stream.name) for stream in streams}
        conditions = ConditionStreams(tuple(streams), size_of(video)).with_patches(patches)
    return Batch(video, tokens, conditions, names or (), _maps(clips, indices))


def check_clips(clips: ClipSource, indices: Sequence[int], config: FullDiTConfig) -> None:
    """Raise UserError, naming the folder, for clips that cannot be read, or lack the states that the model reads."""
    for index in indices:
        every = tuple(name for name in config.conditions if clips.patterns((name,))[index])
        for names in (every, None):
            tokens = make_batch(clips, [index], names, config, [True]).tokens
            if config.text != "bytes" and tokens.shape[1:] != (config.text_len, config.text_dim):
                raise UserError(
                    f"The texts of the clips in '{clips.folder}' have states of {tuple(tokens.shape[1:])} (tokens, "
                    f"width), but the model reads {(config.text_len, config.text_dim)}. Encode them with its own text "
                    f"encoder."
                )


def _words(
    clips: ClipSource, indices: Sequence[int], plain: Sequence[bool], length: int, without: bool
) -> torch.Tensor:
    """Return the ids (B, L) of captions, of the plain ones where `plain` says so; of no words with `without`."""
    captions = clips.get("captions", indices)
    plains = clips.get("plain_captions", indices)
    texts = [row_text(p if short else c) for c, p, short in zip(captions, plains, plain, strict=True)]
    return torch.stack([tokenize("" if without else text) for text in texts])


def _states(
    clips: ClipSource, indices: Sequence[int], plain: Sequence[bool], length: int, without: bool
) -> torch.Tensor:
    """Return the cached states (B, length, D) of captions, as `_words` chooses them.

    Raises UserError for clips that were encoded without a text encoder.
    """
    if without:
        states = clips.get("no_text", indices).float()
        return functional.pad(states, (0, 0, 0, length - states.shape[1]))
    captions, plains = clips.get("text", indices), clips.get("plain_text", indices)
    return torch.where(torch.tensor(plain)[:, None, None], plains, captions).float()


def size_of(video: torch.Tensor) -> Size3:
    """Return (T, h, w) of latents (B, C, T, h, w)."""
    frames, height, width = video.shape[2:]
    return frames, height, width


def latent_size_of(clips: ClipSource) -> Size3:
    """Return (T, h, w) of the latents of clips. Raises UserError where there are none."""
    if not len(clips):
        raise UserError(f"There are no clips in '{clips.folder}'. Run the stage 'data' first.")
    return size_of(clips.get("video", [0]))


def _maps(clips: ClipSource, indices: Sequence[int]) -> torch.Tensor | None:
    if MAPS not in clips.keys or not clips.has(MAPS, indices):
        return None
    return clips.get(STREAM + MAPS, indices).float()


def noise_of(shape: Sequence[int], seed: int) -> torch.Tensor:
    """Return standard normal noise of this shape that depends on the seed alone."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def draw_times(
    size: int,
    frames: int,
    shift: float,
    clean_first_frame_prob: float,
    generator: torch.Generator,
    span: tuple[float, float] = (0.0, 1.0),
) -> torch.Tensor:
    """Times t: (B,), or (B, T) in the share `clean_first_frame_prob` of the calls.

    Uniform and stratified over the batch, then shifted toward noise; of these, only times of the span. In the second
    case the first latent frame is cleaner than the rest (half of the times clean): what the rest must look like then
    follows from the camera, the depth and the identities, and the network learns to use them from a much stronger
    signal; it also learns to continue an image.
    """
    even = (torch.arange(size) + torch.rand(size, generator=generator)) / size
    even = even[torch.randperm(size, generator=generator)]
    if span != (0, 1):
        low, high = (unshifted_time(end, shift) for end in span)
        even = low + (high - low) * even
    t = torch.tensor([shifted_time(float(u), shift) for u in even])
    if float(torch.rand((), generator=generator)) >= clean_first_frame_prob:
        return t
    share = torch.rand(size, generator=generator) * (torch.rand(size, generator=generator) < 0.5)
    per_frame = t[:, None].repeat(1, frames)
    per_frame[:, 0] = t * share
    return per_frame
