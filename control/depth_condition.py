"""Depth as a condition."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from .annotated_clip import AnnotatedClip
from .condition import Condition, Option, VideoSize, check_frames, check_sides, digest_of, register
from .depth import DepthClip, normalize_depth
from .depth.conventions import PLANAR
from .errors import UserError
from .fit import Fit, fit_clip
from .load import load_depth

UNKNOWN_SHARE = 0.05  # of a clip from which on it is worth a warning


@register
@dataclass(frozen=True, eq=False, kw_only=True)
class DepthCondition(Condition):
    """A depth clip, one frame per frame of the video: near 1, far 0."""

    name: ClassVar[str] = "depth"
    order: ClassVar[int] = 30
    help: ClassVar[str] = "a depth video, image folder or image, EXR, or an .npy array of shape (frames, height, width)"
    options: ClassVar[tuple[Option, ...]] = (
        Option("kind", "auto", ("auto", "disparity", "depth", "inverted"), "what a bright or large value means"),
        Option("convention", "auto", ("auto", *PLANAR), "what the numbers of EXR, PNG, PGM or PFM files are"),
        Option("channel", "", None, "the channel of EXR files (default: the one that looks like depth)"),
    )

    clip: DepthClip

    def validate(self, video: VideoSize) -> None:
        """Raise UserError unless there is one frame of the video's size per frame."""
        super().validate(video)
        if not isinstance(self.clip, DepthClip):
            raise UserError(f"the depth is a {type(self.clip).__name__}; a DepthClip was expected: normalize it first")
        check_frames(self.clip.frames, video, "the depth clip")
        check_sides(self.clip.values.shape[1:], video, "the depth clip")

    def fit(self, video: VideoSize, fit: Fit) -> tuple[DepthCondition, list[str]]:
        """Bring the clip to the video's length and size; where it is padded there is far."""
        values, warnings = fit_clip(self.clip.values, video.frames, video.height, video.width, fit, "the depth clip")
        return dataclasses.replace(self, clip=DepthClip(values.clip(0, 1), self.clip.recipe)), warnings

    def digest(self) -> str:
        """Return the hash of the values."""
        return digest_of(self.strength, self.start, self.end, self.clip.values)

    def warnings(self) -> list[str]:
        """Return sentences about unknown parts, and what was said when the clip was made."""
        warnings = super().warnings()
        unknown = self.clip.recipe.get("unknown", 0)
        if unknown > UNKNOWN_SHARE:
            warnings.append(f"{unknown:.0%} of the depth clip is unknown and was taken as far away.")
        return warnings + list(self.clip.recipe.get("warnings", []))

    @classmethod
    def of_clip(cls, clip: AnnotatedClip) -> DepthCondition:
        """Return the clip's depth, normalized over the whole clip."""
        return cls(clip=normalize_depth(clip.depth, kind="depth"))

    @classmethod
    def load(
        cls, specs: Sequence[str], video: VideoSize, fit: Fit, strength: float = 1.0, **options: str
    ) -> tuple[DepthCondition, list[str]]:
        """Read a depth clip; its values are normalized over the whole clip."""
        clip = load_depth(
            specs[-1],
            video.frames,
            video.height,
            video.width,
            options.get("kind", "auto"),
            fit,
            convention=options.get("convention", "auto"),
            channel=options.get("channel") or None,
        )
        return cls(clip=clip, strength=strength), []
