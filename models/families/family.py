"""What a family of public video models is: what it takes of our conditions, how its authors sample it, its files.

Plain data, read by the nodes, the errors, `docs/models.md` and `fulldit models` alike; the table is in `matrix.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

# What a user can say about a video. "mask": who is where, a mask video per identity; "source": a video to start from;
# "known": frames or regions of the video that are there already; "control": a control video of another kind than depth.
FACETS = ("camera", "identity", "mask", "depth", "source", "known", "control")

How = Literal["native", "part", "rendered", "ignored", "refused"]
Role = Literal["model", "text encoder", "vae", "lora", "second expert", "clip vision", "control net"]


@dataclass(frozen=True)
class Support:
    """What a family does with one facet.

    how: 'native' (as the user means it), 'part' (with a limit that the sentence names), 'rendered' (only through images
    made of it) or 'refused'. sentence: what becomes of it, or why not. strength, span: what the user's strength and the
    range start..end do, in words; empty where it is refused.
    """

    how: How
    sentence: str
    strength: str = ""
    span: str = ""

    @property
    def taken(self) -> bool:
        """Whether the family reads it at all."""
        return self.how not in ("refused", "ignored")


@dataclass(frozen=True)
class Settings:
    """How the authors sample a model: core's names of sampler and scheduler, the guidance scales by name, the clips
    that it was trained on, and the negative prompt.

    boundary: the flow time below which the second expert takes over; 0 where there is one network. low_noise_factor:
    what the scales are multiplied by from there on.
    """

    steps: int
    shift: float
    scales: Mapping[str, float]
    sampler: str = "uni_pc"
    scheduler: str = "simple"
    width: int = 832
    height: int = 480
    frames: int = 81
    fps: float = 16.0
    negative: str = ""
    boundary: float = 0.0
    low_noise_factor: float = 1.0


@dataclass(frozen=True)
class ModelFile:
    """One file that a user downloads. folder: below ComfyUI's models folder.

    bytes: rounded, for the person who decides; the hub knows the exact number. 0 where it is not known here.
    """

    role: Role
    name: str
    repository: str
    path: str
    folder: str
    license: str
    bytes: int = 0

    @property
    def url(self) -> str:
        """The address that a browser downloads it from."""
        return f"https://huggingface.co/{self.repository}/resolve/main/{self.path}"


@dataclass(frozen=True)
class Variant:
    """One size of a family. name: '1.3B'; dim, layers: of the transformer, by which a file is told."""

    name: str
    dim: int
    layers: int
    settings: Settings
    files: tuple[ModelFile, ...] = ()
    memory: str = ""


@dataclass(frozen=True)
class Family:
    """One row of the matrix.

    takes: by facet; one that is missing is refused. most_identities: how many references it reads. control_kinds:
    the kinds of control videos that it knows (`control/control_video/kinds.py`). driven: whether this
    pack has a driver for it; where not, `sentence` says what happens instead. with_depth_lora: what a depth control
    LoRA on the model changes. unverified: what of it nobody here has seen. files: those of a family without variants.
    """

    id: str
    name: str
    takes: Mapping[str, Support]
    variants: tuple[Variant, ...] = ()
    most_identities: int = 0
    control_kinds: tuple[str, ...] = ()
    driven: bool = True
    sentence: str = ""
    source: str = ""
    notes: tuple[str, ...] = field(default=())
    with_depth_lora: Mapping[str, Support] = field(default_factory=dict)
    unverified: str = ""
    files: tuple[ModelFile, ...] = ()

    def support(self, facet: str, depth_lora: bool = False) -> Support:
        """Return what the family does with a facet. depth_lora: a depth control LoRA is on the model."""
        changed = self.with_depth_lora.get(facet) if depth_lora else None
        return changed or self.takes.get(facet, Support("refused", f"{self.name} does not take it."))

    def variant(self, dim: int) -> Variant:
        """Return the variant of this width, or the nearest one. Raises LookupError where the family has none."""
        if not self.variants:
            raise LookupError(f"{self.name} has no variants")
        return min(self.variants, key=lambda one: abs(one.dim - dim))
