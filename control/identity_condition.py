"""Identities as a condition: who is in the video, and where."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from .annotated_clip import AnnotatedClip
from .condition import Condition, VideoSize, check_frames, check_sides, digest_of, register
from .errors import UserError
from .fit import Fit, fit_clip
from .identity import Identity, masklet_report
from .identity.mask_input import inverted_mask_warning
from .identity.slots import DEFAULT_NAMES, MOST_IDENTITIES
from .load import read_identity
from .strength import check_strength


@register
@dataclass(frozen=True, eq=False, kw_only=True)
class IdentityCondition(Condition):
    """One or more identities, each with a strength and range of its own; the first takes slot 0, and so on.

    The strength and range of the condition itself stay at their defaults. Identities that nobody has named number
    themselves: 'identity', 'identity 2'. How many a model takes is the model's to say.
    """

    name: ClassVar[str] = "identity"
    order: ClassVar[int] = 20
    metavar: ClassVar[str] = "NAME=IMAGE[,mask=FILE][,track=FILE]"
    help: ClassVar[str] = "a subject: its image, the image's mask, and a mask video saying where it is; may be repeated"
    repeatable: ClassVar[bool] = True

    identities: tuple[Identity, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "identities", _told_apart(self.identities))

    @property
    def active(self) -> bool:
        """Whether any identity has a strength above 0."""
        return any(identity.strength != 0 for identity in self.identities)

    @property
    def parts(self) -> tuple[Identity, ...]:
        """The identities."""
        return self.identities

    def with_parts(self, parts: Sequence[Identity]) -> IdentityCondition | None:
        """Return the condition with these identities; None without any."""
        return dataclasses.replace(self, identities=tuple(parts)) if parts else None

    def validate(self, video: VideoSize) -> None:
        """Raise UserError unless every mask video belongs to the video, and names are told apart.

        Also for more identities than any model takes.
        """
        super().validate(video)
        if not self.identities:
            raise UserError("the identity condition has no identity: leave it out, or give one")
        if len(self.identities) > MOST_IDENTITIES:
            raise UserError(
                f"{len(self.identities)} identities were given, but no model takes more than {MOST_IDENTITIES}: leave"
                f" {len(self.identities) - MOST_IDENTITIES} out"
            )
        names = [identity.name for identity in self.identities]
        if len(set(names)) < len(names):
            raise UserError(f"two identities have the same name ({', '.join(names)}): give each its own")
        for identity in self.identities:
            check_strength(identity.strength, identity.start, identity.end, f"identity '{identity.name}'")
            if identity.mask_video is not None:
                what = f"the track of identity '{identity.name}'"
                check_frames(len(identity.mask_video), video, what)
                check_sides(identity.mask_video.shape[1:], video, what)

    def fit(self, video: VideoSize, fit: Fit) -> tuple[IdentityCondition, list[str]]:
        """Bring every mask video to the video's length and size."""
        fitted, warnings = [], []
        for identity in self.identities:
            if identity.mask_video is not None:
                what = f"the track of identity '{identity.name}'"
                track, said = fit_clip(identity.mask_video, video.frames, video.height, video.width, fit, what)
                identity = dataclasses.replace(identity, mask_video=np.clip(track, 0, 1))
                warnings += said
            fitted.append(identity)
        return dataclasses.replace(self, identities=tuple(fitted)), warnings

    def digest(self) -> str:
        """Return the hash of images, masks, mask videos and weights; names do not count."""
        values: list[object] = []
        for identity in self.identities:
            values += [identity.strength, identity.start, identity.end, len(identity.images)]
            values += [*identity.images, identity.mask, identity.mask_video]
        return digest_of(*values)

    def warnings(self) -> list[str]:
        """Return sentences about masks of a background, odd mask videos (`masklet_report`), and strengths of 0."""
        inverted = [
            warning
            for identity in self.identities
            for warning in inverted_mask_warning(identity.mask, f"the mask of identity '{identity.name}'")
        ]
        return [*inverted, *masklet_report(self.identities)] + [
            f"The strength of identity '{identity.name}' is 0, so it has no effect."
            for identity in self.identities
            if identity.strength == 0
        ]

    @classmethod
    def of_clip(cls, clip: AnnotatedClip) -> IdentityCondition | None:
        """Return who is in the clip, or None where nobody is."""
        return cls(identities=clip.identities) if clip.identities else None

    @classmethod
    def load(
        cls, specs: Sequence[str], video: VideoSize, fit: Fit, strength: float = 1.0, **options: str
    ) -> tuple[IdentityCondition, list[str]]:
        """Read identities from texts NAME=IMAGE[,mask=FILE][,track=FILE][,strength=..][,start=..][,end=..]."""
        identities: list[Identity] = []
        warnings: list[str] = []
        for number, spec in enumerate(specs):
            default = f"identity {number + 1}"
            identity, said = read_identity(spec, video.frames, video.height, video.width, fit, default)
            identities.append(identity)
            warnings += said
        return cls(identities=tuple(identities)), warnings


def _told_apart(identities: Sequence[Identity]) -> tuple[Identity, ...]:
    """Return the identities with a number after each default name that is taken already."""
    taken = {identity.name for identity in identities if identity.name not in DEFAULT_NAMES}
    result: list[Identity] = []
    for identity in identities:
        name = identity.name
        if name in DEFAULT_NAMES:
            numbers = itertools.count(2)
            while name in taken:
                name = f"{identity.name} {next(numbers)}"
            taken.add(name)
        result.append(identity if name == identity.name else dataclasses.replace(identity, name=name))
    return tuple(result)
