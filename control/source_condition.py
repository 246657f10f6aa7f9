"""A source video as a condition: what the new video starts from."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from .annotated_clip import AnnotatedClip
from .checked_frames import checked_frames
from .condition import Condition, VideoSize, check_frames, check_sides, digest_of, register
from .errors import UserError
from .fit import Fit, TimeFit, fit_clip
from .load import read_source

NAME = "the source video"


@register
@dataclass(frozen=True, eq=False, kw_only=True)
class SourceCondition(Condition):
    """A video that the new one starts from: to be shot again, edited, or kept outside of a region.

    frames: (F, H, W, 3), 0..1, one per frame of the video, each at the same moment. fps: its frames per second, where
    they are known. FullDiT checkpoints that were trained with it take it, and so do some public models. Raises
    UserError for another shape, NaN, and values far outside 0..1.
    """

    name: ClassVar[str] = "source"
    order: ClassVar[int] = 40
    help: ClassVar[str] = "a video, image folder or image that the new video starts from: to be shot again or edited"

    frames: np.ndarray
    fps: float | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "frames", checked_frames(self.frames, NAME))
        if self.fps is not None and not self.fps > 0:
            raise UserError(f"{NAME} has {self.fps} frames per second; a number above 0 was expected")

    def validate(self, video: VideoSize) -> None:
        """Raise UserError unless there is one frame of the video's size per frame."""
        super().validate(video)
        check_frames(len(self.frames), video, NAME)
        check_sides(self.frames.shape[1:3], video, NAME)

    def fit(self, video: VideoSize, fit: Fit) -> tuple[SourceCondition, list[str]]:
        """Bring the frames to the video's length and size; where they are padded there is black."""
        frames, warnings = fit_clip(self.frames, video.frames, video.height, video.width, fit, NAME)
        fps, count = self.fps, len(self.frames)
        if fps is not None and fit.time is TimeFit.RESAMPLE and min(count, video.frames) > 1:
            fps = fps * (video.frames - 1) / (count - 1)  # the same seconds in other frames
        return dataclasses.replace(self, frames=frames, fps=fps), warnings

    def digest(self) -> str:
        """Return the hash of the frames."""
        return digest_of(self.strength, self.start, self.end, self.frames)

    @classmethod
    def of_clip(cls, clip: AnnotatedClip) -> SourceCondition | None:
        """Return a video that the clip could have been made from; None where there is none."""
        return None if clip.source is None else cls(frames=clip.source(), fps=clip.fps)

    @classmethod
    def load(
        cls, specs: Sequence[str], video: VideoSize, fit: Fit, strength: float = 1.0, **options: str
    ) -> tuple[SourceCondition, list[str]]:
        """Read a video, a folder of images, or one image for all frames."""
        frames, warnings = read_source(specs[-1], video.frames, video.height, video.width, fit)
        return cls(frames=frames, strength=strength), warnings
