"""What every condition has: how strongly and when it holds, and how it is checked, fitted, told apart and read.

A condition is one class: a frozen dataclass derived from `Condition`, registered with `@register`. Conditions
(`conditions.py`), the command line, the token budget, guidance, training and the benchmark go over the registry; how a
condition becomes tokens is its entry in `models/conditioning/entries.py`. One without an entry is for other models:
every FullDiT checkpoint refuses it.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import numpy as np

from .errors import UserError
from .fit import Fit
from .limits import check_rate
from .strength import check_strength

if TYPE_CHECKING:
    from .annotated_clip import AnnotatedClip


@dataclass(frozen=True)
class VideoSize:
    """The video that is to be made: `frames` frames of `height` x `width` pixels at `fps` frames per second.

    Raises UserError for a number that is not above 0, and a rate that no video has. Whether a model can make it is the
    model's to say (`models/geometry.py`).
    """

    frames: int
    height: int
    width: int
    fps: float = 8.0

    def __post_init__(self) -> None:
        for name in ("frames", "height", "width", "fps"):
            if not getattr(self, name) > 0:
                raise UserError(f"the video's {name} is {getattr(self, name)}; a number above 0 was expected")
        check_rate(self.fps, "the video")

    @property
    def aspect(self) -> float:
        """Width over height."""
        return self.width / self.height

    def __str__(self) -> str:
        return f"{self.frames} frames of {self.width}x{self.height}"


@dataclass(frozen=True)
class Option:
    """A further choice for what a condition is read from: on the command line `--CONDITION-NAME`."""

    name: str
    default: str
    choices: tuple[str, ...] | None  # None: any text
    help: str


@dataclass(frozen=True, eq=False, kw_only=True)
class Condition(ABC):
    """One thing that the video is to obey.

    strength: weight of its tokens' values, 0..5; 0 is the same as not giving it. start, end: the part of sampling in
    which it holds, 0..1.

    A subclass states `name` (lower case, one word), `order` (its place in lists and in chained guidance), `metavar` and
    `help` (of its option on the command line), `repeatable` (whether that option may come several times) and `options`.
    """

    name: ClassVar[str]
    order: ClassVar[int] = 100
    metavar: ClassVar[str] = "FILE"
    help: ClassVar[str] = ""
    repeatable: ClassVar[bool] = False
    options: ClassVar[tuple[Option, ...]] = ()

    strength: float = 1.0
    start: float = 0.0
    end: float = 1.0

    @property
    def active(self) -> bool:
        """Whether it has any effect: its strength is not 0."""
        return self.strength != 0

    @property
    def parts(self) -> tuple[Any, ...]:
        """What of it has a `strength`, `start` and `end` of its own: several things, or the condition itself."""
        return (self,)

    def with_parts(self, parts: Sequence[Any]) -> Condition | None:
        """Return the condition with these of its parts alone; None without any."""
        return self if parts else None

    @property
    def fps(self) -> float | None:
        """Frames per second that the condition itself states, or None."""
        return None

    def join(self, other: Condition) -> Condition:
        """Return this condition and another of its class as one. Raises UserError where a video takes only one."""
        raise UserError(f"the condition '{self.name}' was given twice: give at most one of each kind")

    def validate(self, video: VideoSize) -> None:
        """Raise UserError unless the condition belongs to a video of this size, with what to do about it."""
        check_strength(self.strength, self.start, self.end, f"the {self.name}")

    @abstractmethod
    def fit(self, video: VideoSize, fit: Fit) -> tuple[Condition, list[str]]:
        """Return the condition at the size and length of `video`, and what was done for that, in sentences.

        Raises UserError for a mismatch that `fit` refuses.
        """

    @abstractmethod
    def digest(self) -> str:
        """Return a text that differs for conditions that the network reads differently (`digest_of`)."""

    def warnings(self) -> list[str]:
        """Return sentences about what is allowed but may not be meant."""
        return [] if self.active else [f"The strength of the {self.name} is 0, so it has no effect."]

    @classmethod
    def of_clip(cls, clip: AnnotatedClip) -> Condition | None:
        """Return the condition that describes a clip exactly, for training and measuring.

        None where the clip does not show it, or where nothing is known about it: the condition is then not trained.
        """
        return None

    @classmethod
    @abstractmethod
    def load(
        cls, specs: Sequence[str], video: VideoSize, fit: Fit, strength: float = 1.0, **options: str
    ) -> tuple[Condition, list[str]]:
        """Read the condition for a video from what a user typed (several texts where it is `repeatable`).

        options: by the names in `cls.options`. Returns warnings as `fit` does. Raises UserError, naming the file, for
        whatever cannot be used.
        """


C = TypeVar("C", bound=Condition)
CONDITIONS: dict[str, type[Condition]] = {}


def register(condition: type[C]) -> type[C]:
    """Add a condition's class to the registry, which is kept in the order that the classes state; a decorator."""
    entries: list[type[Condition]] = sorted([*CONDITIONS.values(), condition], key=lambda entry: entry.order)
    CONDITIONS.clear()
    CONDITIONS.update({entry.name: entry for entry in entries})
    return condition


def check_frames(count: int, video: VideoSize, what: str) -> None:
    """Raise UserError unless `what`, which has `count` frames, has exactly the video's."""
    if count != video.frames:
        raise UserError(
            f"{what} has {count} frames, the video {video.frames}: set `fit_time` to resample or hold, or give one per"
            f" frame"
        )


def check_sides(shape: Sequence[int], video: VideoSize, what: str) -> None:
    """Raise UserError unless `what`, whose frames have `shape` (height, width), has exactly the video's sides."""
    if tuple(shape) != (video.height, video.width):
        raise UserError(
            f"{what} is {shape[1]}x{shape[0]} (width x height), the video {video.width}x{video.height}: fit it first"
        )


def digest_of(*values: object) -> str:
    """Return the SHA-256 of plain values and arrays, in order; None and an empty array differ."""
    total = hashlib.sha256()
    for value in values:
        if isinstance(value, np.ndarray):
            total.update(repr((value.shape, value.dtype.str)).encode())
            total.update(np.ascontiguousarray(value).reshape(-1).data)  # without a copy: it may be a whole video
        else:
            total.update(repr(value).encode())
        total.update(b"|")
    return total.hexdigest()
