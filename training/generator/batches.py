"""Micro-batches: which clips, which subset of conditions, which words, which times.

One subset of conditions and one pattern of slots per micro-batch: a condition is dropped by not being there, so all
clips of a micro-batch have sequences of one length. Everything random comes from one generator whose state is saved.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from ...control.errors import UserError
from ...dataset.latents import EncodedClips, row_text
from ...models.conditioning.condition_streams import Conditions
from ...models.conditioning.text import tokenize
from ...models.conditioning.tokenizers import camera_features
from ...models.config import FullDiTConfig
from ...models.encode import assemble
from ...models.sampling.schedules import shifted_time

CONDITIONS = ("camera", "identity", "depth")


@dataclass(frozen=True)
class Batch:
    """`video` and `maps` (B, 16, T, h, w) float32, `tokens` (B, L) ids, `conditions` or None, and the names in it.

    `maps` says where the objects are, whether or not the network is told.
    """

    video: torch.Tensor
    tokens: torch.Tensor
    conditions: Conditions | None
    names: tuple[str, ...]
    maps: torch.Tensor

    def to(self, device: torch.device | str) -> Batch:
        conditions = None if self.conditions is None else self.conditions.to(device)
        return Batch(self.video.to(device), self.tokens.to(device), conditions, self.names, self.maps.to(device))


def parse_subset(key: str) -> tuple[str, ...] | None:
    """`camera+depth` -> ('camera', 'depth'); `none` -> (); `nothing` -> None, which drops the text as well."""
    if key == "nothing":
        return None
    names = () if key == "none" else tuple(key.split("+"))
    for name in names:
        if name not in CONDITIONS:
            raise UserError(f"The config names the condition {name!r}, but there are {', '.join(CONDITIONS)} only.")
    return names


def phase_at(phases: Sequence[dict], progress: float) -> dict:
    """The phase whose `until` lies above `progress`; the last one goes on for ever."""
    for phase in phases:
        if progress < phase["until"]:
            return phase
    return phases[-1]


def without(phases: Sequence[dict], never: Sequence[str]) -> list[dict]:
    """The phases with these subsets taken out; their share goes to the others of the phase in proportion.

    Raises UserError for a subset that no phase has, and where nothing is left of a phase.
    """
    for key in never:
        if not any(key in phase["subsets"] for phase in phases):
            raise UserError(f"The config never wants {key!r}, but no phase has it.")
    left = [{**p, "subsets": {k: v for k, v in p["subsets"].items() if k not in never}} for p in phases]
    if not all(phase["subsets"] for phase in left):
        raise UserError(f"Without {', '.join(never)} nothing is left of a phase of the config.")
    return left


class Order:
    """Goes through the clips of a group in a new order every epoch; new clips join at the start of an epoch.

    Groups are the patterns of taken slots, and `any`. The order depends on (seed, group, epoch, clips known then)
    alone, so the state is three numbers per group.
    """

    def __init__(self, clips: EncodedClips, seed: int):
        self.clips = clips
        self.seed = seed
        self.state: dict[str, list[int]] = {}  # group -> [epoch, position, clips known when the epoch began]
        self._orders: dict[str, torch.Tensor] = {}

    def members(self, group: str, known: int) -> torch.Tensor:
        if group == "any":
            return torch.arange(known)
        return (self.clips.patterns()[:known] == int(group)).nonzero()[:, 0]

    def _order(self, group: str) -> torch.Tensor:
        epoch, _, known = self.state[group]
        if group not in self._orders:
            offset = 0 if group == "any" else 1 + int(group)
            generator = torch.Generator().manual_seed(self.seed * 1_000_003 + epoch * 1_009 + offset)
            members = self.members(group, known)
            self._orders[group] = members[torch.randperm(len(members), generator=generator)]
        return self._orders[group]

    def take(self, group: str, count: int) -> list[int]:
        """The next `count` clips of a group."""
        found: list[int] = []
        if group not in self.state:
            self.state[group] = [0, 0, len(self.clips)]
        while len(found) < count:
            order = self._order(group)
            if not len(order):
                raise UserError(f"No clip has the slots of pattern {group}. Encode more clips.")
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
        phases: Sequence[dict],
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
        """The next micro-batch of `size` clips at this progress (0 to 1) of the training."""
        subsets = phase_at(self.phases, progress)["subsets"]
        names = parse_subset(list(subsets)[self.choose(list(subsets.values()))])
        group = "any"
        if names and "identity" in names:
            patterns = self.clips.patterns()
            kinds, counts = patterns[patterns > 0].unique(return_counts=True)
            if not len(kinds):
                raise UserError("The clips have no identities, but the config trains them.")
            group = str(int(kinds[self.choose(counts.tolist())]))
        indices = self.order.take(group, size)
        with_map = self.uniform() >= self.map_dropped
        # Full captions name colors, place and camera: read beside a condition, they would take its work away.
        share = self.plain_with_conditions if names else self.plain
        plain = torch.rand(size, generator=self.generator) < share
        return make_batch(self.clips, indices, names, self.config, plain.tolist(), with_map)

    def state(self) -> dict:
        """What `load` needs to go on with the same micro-batches."""
        return {"order": self.order.state, "generator": self.generator.get_state()}

    def load(self, state: dict) -> None:
        self.order.state = {group: list(numbers) for group, numbers in state["order"].items()}
        self.order._orders.clear()
        self.generator.set_state(state["generator"])


def make_batch(
    clips: EncodedClips,
    indices: Sequence[int],
    names: tuple[str, ...] | None,
    config: FullDiTConfig,
    plain: Sequence[bool],
    with_map: bool = True,
) -> Batch:
    """The clips `indices` under the conditions `names`; None drops the text too. For `identity` all clips must have the
    same slots taken; `with_map` False gives the references alone, as a user without masks does."""
    captions = clips.get("captions", indices)
    plains = clips.get("plain_captions", indices)
    texts = [row_text(p if short else c) for c, p, short in zip(captions, plains, plain, strict=True)]
    tokens = torch.stack([tokenize("" if names is None else text) for text in texts])
    maps = clips.get("identity_map", indices).float()
    parts: dict = {}
    if names and "camera" in names:
        parts["camera"] = camera_features(clips.get("c2w", indices), clips.get("intrinsics", indices), config.fps)
    if names and "identity" in names:
        references = clips.get("references", indices).float()
        taken = clips.get("present", indices).bool()
        if (taken != taken[:1]).any():
            raise ValueError("The clips of a micro-batch with identities must have the same slots taken.")
        parts["references"] = {k: references[:, k, :, None] for k in taken[0].nonzero()[:, 0].tolist()}
        if with_map:
            parts["maps"] = maps
    if names and "depth" in names:
        parts["depth"] = clips.get("depth", indices).float()
    conditions = assemble(config, **parts) if parts else None
    return Batch(clips.get("video", indices).float(), tokens, conditions, names or (), maps)


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
