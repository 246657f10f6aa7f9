"""A video of fewer pixels as a condition: the new one is the same video, larger."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from .annotated_clip import AnnotatedClip
from .checked_frames import checked_frames
from .condition import Condition, Option, VideoSize, check_frames, digest_of, register
from .degradations import Degradations, degrade
from .errors import UserError
from .fit import SAME_ASPECT, Fit, fit_clip
from .images import resize_cubic
from .load import read_lowres

NAME = "the low-resolution video"
FACTOR = 2  # by which the sides of the clips are smaller that it is trained with
NOISED, MOST_TRAINED_NOISE = 0.5, 0.2  # share of the clips that are trained with noise, and how much at most
TRAINED = Degradations(plain=0.2)


class Enlarged:
    """The frames of a video at another size, made piece by piece as they are asked for: a long one is never held."""

    def __init__(self, frames: np.ndarray, height: int, width: int):
        self.frames, self.height, self.width = frames, height, width

    def __len__(self) -> int:
        return len(self.frames)

    def __getitem__(self, piece: slice) -> np.ndarray:
        """Return the frames of a piece (f, height, width, 3), bicubic, 0..1."""
        return np.stack([resize_cubic(frame, self.height, self.width) for frame in self.frames[piece]]).clip(0, 1)


@register
@dataclass(frozen=True, eq=False, kw_only=True)
class LowResCondition(Condition):
    """A video of fewer pixels, of which the new one is the larger: what an upsampler checkpoint starts from.

    frames: (F, h, w, 3), 0..1, one per frame of the video, in its proportions. noise: how far its latent is moved
    toward noise, 0..1 (conditioning augmentation, 2106.15282, section 4.2): the more, the less the new video keeps of
    its faults, and of it. seed: of that noise. Raises UserError for other shapes, NaN, and values far outside 0..1.
    """

    name: ClassVar[str] = "lowres"
    order: ClassVar[int] = 80
    help: ClassVar[str] = (
        "a video, image folder or image of fewer pixels, of which the new video is the larger, for an upsampler "
        "checkpoint; fulldit upscale does that by windows"
    )
    options: ClassVar[tuple[Option, ...]] = (
        Option("noise", "0", None, "0..1: how far the low-resolution video is moved toward noise"),
    )

    frames: np.ndarray
    noise: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "frames", checked_frames(self.frames, NAME))
        if not 0 <= self.noise <= 1:
            raise UserError(f"the noise on {NAME} is {self.noise}; 0 to 1 was expected")

    def validate(self, video: VideoSize) -> None:
        """Raise UserError unless there is one frame per frame, no larger than the video and of its proportions."""
        super().validate(video)
        check_frames(len(self.frames), video, NAME)
        height, width = self.frames.shape[1:3]
        sizes = f"{NAME} is {width}x{height} (width x height), the video {video.width}x{video.height}"
        if height > video.height or width > video.width:
            raise UserError(f"{sizes}: make the video at least as large")
        if abs(width / height / video.aspect - 1) > max(SAME_ASPECT, 1 / min(height, width)):
            raise UserError(f"{sizes}: fit it to the same proportions first")

    def fit(self, video: VideoSize, fit: Fit) -> tuple[LowResCondition, list[str]]:
        """Bring the frames to the video's length and proportions, at their own size or, if it is less, the video's."""
        height, width = self.frames.shape[1:3]
        share = min(height / video.height, width / video.width, 1.0)
        size = max(1, round(share * video.height)), max(1, round(share * video.width))
        frames, warnings = fit_clip(self.frames, video.frames, *size, fit, NAME)
        return dataclasses.replace(self, frames=frames), warnings

    def enlarged(self, video: VideoSize) -> Enlarged:
        """Return the frames at the video's size, bicubic."""
        return Enlarged(self.frames, video.height, video.width)

    def digest(self) -> str:
        """Return the hash of the frames and the noise."""
        noise = (self.noise, self.seed) if self.noise else None
        return digest_of(self.strength, self.start, self.end, self.frames, noise)

    @classmethod
    def of_frames(cls, frames: np.ndarray, seed: int) -> LowResCondition:
        """Return frames (F, H, W, 3) with sides smaller by `FACTOR`, degraded as drawn by a seed, half of them with
        noise: what they are to be made from in training."""
        rng = np.random.default_rng([seed, cls.order])
        small = degrade(frames, FACTOR, rng, TRAINED)
        noise = float(rng.uniform(0, MOST_TRAINED_NOISE)) if rng.random() < NOISED else 0.0
        return cls(frames=small, noise=noise, seed=seed)

    @classmethod
    def of_clip(cls, clip: AnnotatedClip) -> LowResCondition:
        """Return the clip made smaller by its seed."""
        return cls.of_frames(clip.frames, clip.seed)

    @classmethod
    def load(
        cls, specs: Sequence[str], video: VideoSize, fit: Fit, strength: float = 1.0, **options: str
    ) -> tuple[LowResCondition, list[str]]:
        """Read a video, a folder of images, or one image, at its own size."""
        try:
            noise = float(options.get("noise", 0))
        except ValueError as error:
            raise UserError(
                f"the noise on {NAME} is '{options['noise']}'; a number from 0 to 1 was expected"
            ) from error
        frames, warnings = read_lowres(specs[-1], video.frames, fit)
        return cls(frames=frames, noise=noise, strength=strength), warnings
