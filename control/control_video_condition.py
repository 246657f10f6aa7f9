"""Control videos as a condition: edges, poses, regions, normals or movements, several kinds at once."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from .annotated_clip import AnnotatedClip
from .condition import Condition, VideoSize, check_frames, check_sides, digest_of, register
from .control_video.kinds import KINDS, ControlVideo
from .errors import UserError
from .fit import Fit, fit_clip
from .load import read_control_video


@register
@dataclass(frozen=True, eq=False, kw_only=True)
class ControlVideoCondition(Condition):
    """One or more control videos of different kinds, each with a strength and range of its own.

    The strength and range of the condition itself stay at their defaults.
    """

    name: ClassVar[str] = "control"
    order: ClassVar[int] = 60
    metavar: ClassVar[str] = "KIND=FILE[,strength=S][,start=A][,end=B]"
    help: ClassVar[str] = (
        f"a control video (a video, image folder or image) of the kind {', '.join(KINDS)}; KIND=detect:FILE makes it of"
        " a clip; may be repeated"
    )
    repeatable: ClassVar[bool] = True

    videos: tuple[ControlVideo, ...]

    @property
    def active(self) -> bool:
        """Whether any control video has a strength above 0."""
        return any(video.strength != 0 for video in self.videos)

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of the control videos."""
        return tuple(video.kind for video in self.videos)

    @property
    def parts(self) -> tuple[ControlVideo, ...]:
        """The control videos."""
        return self.videos

    def with_parts(self, parts: Sequence[ControlVideo]) -> ControlVideoCondition | None:
        """Return the condition with these control videos; None without any."""
        return dataclasses.replace(self, videos=tuple(parts)) if parts else None

    def join(self, other: Condition) -> ControlVideoCondition:
        """Return the control videos of both."""
        assert isinstance(other, ControlVideoCondition)
        return dataclasses.replace(self, videos=(*self.videos, *other.videos))

    def validate(self, video: VideoSize) -> None:
        """Raise UserError unless every control video belongs to the video, and kinds are given once."""
        super().validate(video)
        if not self.videos:
            raise UserError("the control condition has no control video: leave it out, or give one")
        for kind in self.kinds:
            if self.kinds.count(kind) > 1:
                raise UserError(f"two control videos are of the kind '{kind}': give each kind once")
        for one in self.videos:
            one.check_weights()
            check_frames(len(one.frames), video, one.title)
            check_sides(one.frames.shape[1:3], video, one.title)

    def fit(self, video: VideoSize, fit: Fit) -> tuple[ControlVideoCondition, list[str]]:
        """Bring every control video to the video's length and size; where one is padded there is black."""
        fitted, warnings = [], []
        for one in self.videos:
            frames, said = fit_clip(one.frames, video.frames, video.height, video.width, fit, one.title)
            fitted.append(dataclasses.replace(one, frames=frames))
            warnings += said
        return dataclasses.replace(self, videos=tuple(fitted)), warnings

    def digest(self) -> str:
        """Return the hash of kinds, frames and weights."""
        values: list[object] = []
        for one in self.videos:
            values += [one.kind, one.strength, one.start, one.end, one.frames]
        return digest_of(*values)

    def warnings(self) -> list[str]:
        """Return sentences about control videos that are the same all over, and about strengths of 0."""
        blank = [
            f"The control video '{one.kind}' shows nothing: all of its pixels are the same."
            for one in self.videos
            if one.frames.min() == one.frames.max()
        ]
        return blank + [
            f"The strength of the control video '{one.kind}' is 0, so it has no effect."
            for one in self.videos
            if one.strength == 0
        ]

    @classmethod
    def of_clip(cls, clip: AnnotatedClip) -> ControlVideoCondition | None:
        """Return the clip's control videos, or None where it has none."""
        return cls(videos=clip.control_videos) if clip.control_videos else None

    @classmethod
    def load(
        cls, specs: Sequence[str], video: VideoSize, fit: Fit, strength: float = 1.0, **options: str
    ) -> tuple[ControlVideoCondition, list[str]]:
        """Read control videos from texts KIND=FILE or KIND=detect:FILE, each with [,strength=..][,start=..][,end=..].

        strength: of those that say none.
        """
        videos, warnings = [], []
        for spec in specs:
            one, said = read_control_video(spec, video.frames, video.height, video.width, fit, strength)
            videos.append(one)
            warnings += said
        return cls(videos=tuple(videos)), warnings
