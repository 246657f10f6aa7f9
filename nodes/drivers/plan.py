"""What a driver is asked and what it gives: facts about a MODEL, and the plan of a run."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from ...control.conditions import Conditions
from ...models.config import FullDiTConfig
from ...models.families.family import Family, Settings, Variant
from ...models.families.notes import Note, facet_notes
from ...models.geometry import WAN_2_1, LatentGeometry
from ...models.sampling.guidance import Guidance

SECOND = "fulldit_second_expert"  # an attachment of a MODEL: the MODEL of its low-noise expert (experts.py)
BOUNDARY = "fulldit_boundary"  # an attachment of a MODEL: the sigma where that one takes over, where the user said so

Conditioning: TypeAlias = list[list[Any]]  # the host's CONDITIONING: [text, options] entries


@dataclass(frozen=True)
class ModelFacts:
    """What is known of a MODEL without running it.

    sentence: how its family was found, for the user. in_channels: of its patch embedding, LoRA patches included.
    text_dim: the width of the text states that it reads. has_reference_layer: whether a Fun model has `ref_conv`.
    has_uni3c: whether a Uni3C control net with a render is on it. geometry: how its videos become latent and tokens.
    config: of a FullDiT checkpoint.
    """

    family: Family
    variant: Variant | None = None
    sentence: str = ""
    in_channels: int = 16
    text_dim: int = 4096
    has_reference_layer: bool = False
    has_uni3c: bool = False
    geometry: LatentGeometry = WAN_2_1
    config: FullDiTConfig | None = None

    @property
    def name(self) -> str:
        """The family, with the size where it has several."""
        return f"{self.family.name} {self.variant.name}" if self.variant is not None else self.family.name

    @property
    def has_depth_lora(self) -> bool:
        """Whether a depth control LoRA has widened the patch embedding."""
        return self.in_channels == 32 and "depth" in self.family.with_depth_lora


@dataclass(frozen=True)
class Request:
    """What is to be sampled: conditions that were accepted, the encoded texts, and the scales that the user set.

    scales: by name ('text', and conditions); a missing one is the authors'. clip_vision: the CLIP vision features of a
    start image, or None.
    """

    conditions: Conditions
    positive: Conditioning
    negative: Conditioning
    scales: Mapping[str, float] = field(default_factory=dict)
    clip_vision: Any = None


@dataclass(frozen=True)
class Plan:
    """Everything that a run needs.

    model: a clone of the MODEL with what the family needs patched in. passes: CONDITIONING by name. latent: a LATENT of
    zeros, reference frames included; trim: how many latent frames to cut from its front afterwards. stock: the names of
    the two passes that a stock KSampler can run, and lost what is lost by that, in words. first_frame_pass: the share
    of the steps that settle the first latent frame beforehand. second: the other expert of a pair, for the steps below
    the sigma `boundary`, where every scale is multiplied by `second_factor`.
    """

    model: Any
    passes: Mapping[str, Conditioning]
    guidance: Guidance
    latent: dict[str, Any]
    stock: tuple[str, str]
    trim: int = 0
    lost: str = ""
    first_frame_pass: float = 0.0
    second: Any = None
    boundary: float = 0.0
    second_factor: float = 1.0


def second_of(model: Any) -> Any:
    """Return the low-noise MODEL that is paired with a MODEL, or None."""
    return getattr(model, "attachments", {}).get(SECOND)


class Driver(ABC):
    """How one family takes conditions, in core's conditioning keys. Stateless: one instance per family."""

    family: str  # its row of the matrix

    def accept(self, conditions: Conditions, facts: ModelFacts) -> list[Note]:
        """Return what becomes of each condition; raises nothing and needs no weights."""
        notes = facet_notes(conditions, facts.family, facts.has_depth_lora)
        return [_by_render(note) for note in notes] if facts.has_uni3c else notes

    def settings(self, facts: ModelFacts, conditions: Conditions) -> Settings:
        """Return how the authors sample this model under these conditions."""
        if facts.variant is None:
            raise LookupError(f"{facts.family.name} has no settings")
        return facts.variant.settings

    def prompt(self, text: str, conditions: Conditions, facts: ModelFacts) -> str:
        """Return the positive prompt as the model must read it."""
        return text

    def check(self, conditions: Conditions) -> None:
        """Raise UserError for conditions without which the model can do nothing."""
        return

    def reads_whole_frames(self, conditions: Conditions) -> bool:
        """Return whether the network reads something beside the noise that has the size of whole frames."""
        return any(item.active for item in conditions.items)

    def projects(self, conditions: Conditions, facts: ModelFacts) -> bool:
        """Return whether the guidance by the text is projected, so that it is not plain guidance at all."""
        return False

    def tokens(self, conditions: Conditions, facts: ModelFacts) -> dict[str, int]:
        """Return how many tokens each condition adds to the sequence, by name; one that adds none is missing."""
        return {}

    def warnings(self, model: Any, conditions: Conditions, facts: ModelFacts) -> list[str]:
        """Return sentences about what lies beyond the clips that the model was trained on."""
        video, trained = conditions.video, self.settings(facts, conditions)
        said = []
        if trained.boundary and second_of(model) is None:
            said.append(
                f"{facts.name} is two networks, one for each part of sampling, and one of them is connected: connect "
                f"both to Pair Experts."
            )
        if video.frames > trained.frames:
            said.append(f"The video has {video.frames} frames; {facts.family.name} was trained on {trained.frames}.")
        if video.width * video.height > 1.1 * trained.width * trained.height:
            said.append(
                f"The video is {video.width}x{video.height}; {facts.family.name} was trained on "
                f"{trained.width}x{trained.height}."
            )
        if 3 * video.width * video.height < trained.width * trained.height:
            said.append(
                f"The video is {video.width}x{video.height}, far below the {trained.width}x{trained.height} that "
                f"{facts.family.name} was trained on: expect little of it."
            )
        return said

    @abstractmethod
    def plan(self, model: Any, vae: Any, request: Request, facts: ModelFacts, settings: Settings) -> Plan:
        """Encode what the conditions need and return the plan."""


def _by_render(note: Note) -> Note:
    """A camera that the model itself does not read is that of the render which Uni3C follows."""
    if note.facet != "camera" or note.how not in ("refused", "rendered"):
        return note
    sentence = "The render of Uni3C moves the camera: make it along this path, with Render along Camera."
    if note.how == "rendered":
        sentence += " So nothing is rendered here, and depth and source video are read as without a camera."
    return replace(note, how="rendered", sentence=sentence)
