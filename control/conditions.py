"""All conditions of one video together: what travels along the Conditions wire, and what the command line makes."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from .camera_condition import CameraCondition
from .condition import CONDITIONS, Condition, VideoSize, digest_of
from .control_video_condition import ControlVideoCondition
from .depth_condition import DepthCondition
from .errors import UserError
from .fit import Fit
from .identity_condition import IdentityCondition
from .known_frames_condition import KnownFramesCondition
from .lowres_condition import LowResCondition
from .sound_condition import SoundCondition
from .source_condition import SourceCondition

T = TypeVar("T", bound=Condition)

__all__ = [
    "CONDITIONS",
    "CameraCondition",
    "Condition",
    "Conditions",
    "ControlVideoCondition",
    "DepthCondition",
    "IdentityCondition",
    "KnownFramesCondition",
    "LowResCondition",
    "SoundCondition",
    "SourceCondition",
    "VideoSize",
    "load_conditions",
]


@dataclass(frozen=True, eq=False)
class Conditions:
    """Any subset of conditions for one video, at most one of each kind, in the order of the registry.

    notes: sentences about what was done to make them fit. Two of one class become one where the class can (`join`).
    Raises UserError where it cannot, and for a class that is not registered.
    """

    video: VideoSize
    items: tuple[Condition, ...] = ()
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for item in self.items:
            if CONDITIONS.get(getattr(item, "name", "")) is not type(item):
                known = ", ".join(CONDITIONS)
                raise UserError(f"An object of the class {type(item).__name__} is not a condition; known are {known}")
        items: dict[str, Condition] = {}
        for item in self.items:
            items[item.name] = items[item.name].join(item) if item.name in items else item
        object.__setattr__(self, "items", tuple(items[name] for name in CONDITIONS if name in items))
        object.__setattr__(self, "notes", tuple(self.notes))

    @property
    def names(self) -> tuple[str, ...]:
        """The conditions that are present, in the order of the registry."""
        return tuple(item.name for item in self.items)

    @property
    def fps(self) -> float:
        """Frames per second: what a condition states, else the video's."""
        return next((item.fps for item in self.items if item.fps is not None), self.video.fps)

    def get(self, kind: type[T]) -> T | None:
        """Return the condition of this class, or None."""
        return next((item for item in self.items if isinstance(item, kind)), None)

    def only(self, names: Iterable[str]) -> Conditions:
        """Return the conditions with these names. Raises UserError for an unknown name."""
        wanted = {names} if isinstance(names, str) else set(names)
        for name in sorted(wanted - set(CONDITIONS)):
            raise UserError(f"the condition '{name}' is unknown: choose among {', '.join(CONDITIONS)}")
        return dataclasses.replace(self, items=tuple(item for item in self.items if item.name in wanted))

    def fitted(self, fit: Fit) -> Conditions:
        """Return every condition at the video's size and length; what was done is added to the notes.

        Raises UserError for a mismatch that `fit` refuses, and for what does not fit all the same.
        """
        items, notes = [], list(self.notes)
        for item in self.items:
            item, said = item.fit(self.video, fit)
            items.append(item)
            notes += said
        result = dataclasses.replace(self, items=tuple(items), notes=tuple(notes))
        result.validate()
        return result

    def validate(self) -> None:
        """Raise UserError unless every condition belongs to the video."""
        for item in self.items:
            item.validate(self.video)

    def digest(self) -> str:
        """Return a hash of everything that decides what the network reads."""
        return digest_of(self.video, *((item.name, item.digest()) for item in self.items))

    def warnings(self) -> list[str]:
        """Return sentences about what was done to fit the conditions, and about what may not be meant."""
        if not self.items:
            return ["No condition is present, so the prompt alone decides."]
        return [*self.notes, *(text for item in self.items for text in item.warnings())]


def load_conditions(
    video: VideoSize,
    specs: Mapping[str, Sequence[str]],
    fit: Fit | None = None,
    strengths: Mapping[str, float] | None = None,
    options: Mapping[str, Mapping[str, str]] | None = None,
) -> Conditions:
    """Read the conditions of a video from what a user typed, and check them.

    specs: by condition, the texts of its option (`Condition.load`); empty ones are left out. options: by condition, the
    values of its further options. Raises UserError, naming the file, for whatever cannot be used.
    """
    fit, items, notes = fit or Fit(), [], []
    for name, condition in CONDITIONS.items():
        if not specs.get(name):
            continue
        strength = (strengths or {}).get(name, 1.0)
        item, said = condition.load(specs[name], video, fit, strength, **(options or {}).get(name, {}))
        items.append(item)
        notes += said
    return Conditions(video, tuple(items), tuple(notes)).fitted(fit)
