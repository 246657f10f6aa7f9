"""From frames and pixels to the latent and its tokens, and back: the one place that knows how a VAE and a patch divide.

A causal video VAE makes one latent frame of the first frame and one of every `temporal` frames after it, and one latent
pixel of `spatial` x `spatial` pixels (Wan 2.1: 4 and 8, 16 channels; Wan 2.2 TI2V-5B: 4 and 16, 48 channels). The
transformer cuts the latent into patches. Letters: T h w frames and sides of a latent.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ..control.condition import VideoSize
from ..control.errors import UserError

Size3 = tuple[int, int, int]


@dataclass(frozen=True)
class LatentGeometry:
    """How the video of a model becomes latent and tokens; the defaults are Wan 2.1's.

    channels: of the latent. temporal, spatial: compression of the VAE. patch: frames, rows and columns of the latent
    in one video token.
    """

    channels: int = 16
    temporal: int = 4
    spatial: int = 8
    patch: Size3 = (1, 2, 2)

    def latent_frames(self, frames: int) -> int:
        """Return how many latent frames hold `frames` frames."""
        return (frames - 1) // self.temporal + 1

    def middle_frame(self, index: int) -> float:
        """Return the middle of the frames that latent frame `index` holds, in frames; the first holds one."""
        return max(0.0, self.temporal * index - (self.temporal - 1) / 2)

    def latent_size(self, frames: int, height: int, width: int) -> Size3:
        """Return (T, h, w) of the latent of a video."""
        return self.latent_frames(frames), height // self.spatial, width // self.spatial

    def video_size(self, latent: Sequence[int]) -> Size3:
        """Return (frames, height, width) of the video of a latent (T, h, w)."""
        frames, height, width = latent
        return self.temporal * (frames - 1) + 1, self.spatial * height, self.spatial * width

    def tokens(self, latent: Sequence[int], patch: Sequence[int] | None = None) -> int:
        """Return how many tokens a latent (T, h, w) becomes in patches of `patch` (default: the video's)."""
        return math.prod(-(-side // step) for side, step in zip(latent, patch or self.patch, strict=True))

    @property
    def elements_per_token(self) -> int:
        """How many positions of the latent one video token covers."""
        return math.prod(self.patch)

    @property
    def frame_step(self) -> int:
        """A video has a multiple of so many frames, and one more."""
        return self.temporal * self.patch[0]

    @property
    def height_step(self) -> int:
        """The height of a video is a multiple of so many pixels."""
        return self.spatial * self.patch[1]

    @property
    def width_step(self) -> int:
        """The width of a video is a multiple of so many pixels."""
        return self.spatial * self.patch[2]

    def nearest_frames(self, frames: int) -> tuple[int, int]:
        """Return the lengths next below (or equal) and above that fit."""
        below = max(0, (frames - 1) // self.frame_step) * self.frame_step + 1
        return below, below + self.frame_step

    def nearest_size(self, video: VideoSize) -> VideoSize:
        """Return the size nearest to `video` that fits."""
        below, above = self.nearest_frames(video.frames)
        frames = below if video.frames - below <= above - video.frames else above
        height, width = (
            max(step, round(side / step) * step)
            for side, step in ((video.height, self.height_step), (video.width, self.width_step))
        )
        return VideoSize(frames, height, width, video.fps)

    def check(self, frames: int, height: int, width: int) -> None:
        """Raise UserError, with the nearest that fits, unless a video of this size becomes whole tokens."""
        if frames < 1 or (frames - 1) % self.frame_step:
            below, above = self.nearest_frames(frames)
            raise UserError(
                f"{frames} frames were asked for; {self.frame_step}k+1 was expected: take {below} or {above}"
            )
        for name, side, step in (("height", height, self.height_step), ("width", width, self.width_step)):
            if side < step or side % step:
                near = getattr(self.nearest_size(VideoSize(frames, max(1, height), max(1, width))), name)
                raise UserError(f"the {name} is {side}; a multiple of {step} was expected: take {near}")

    def describe(self, latent: Sequence[int]) -> str:
        """Return what a latent (T, h, w) is, in words for errors."""
        frames, height, width = self.video_size(latent)
        return f"{frames} frames of {width}x{height}"


WAN_2_1 = LatentGeometry()
WAN_2_2_5B = LatentGeometry(channels=48, spatial=16)
