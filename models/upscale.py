"""A video with longer sides by an upsampler checkpoint: what the checkpoint is asked, and what of its answer is kept.

As in Movie Gen's spatial upsampler (2410.13720): the video, enlarged and encoded, enters the network beside the noise
as further channels, a few steps follow, and a long video is seen by windows whose velocities are blended.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from ..control.conditions import Conditions, LowResCondition, VideoSize
from ..control.errors import UserError
from ..control.limits import check_pixels
from ..control.lowres_condition import FACTOR
from .config import FullDiTConfig
from .encode import check_names, trained_range_warnings
from .geometry import LatentGeometry, Size3
from .sampling.windows import Windows

FACTORS = (2, 3, 4)


@dataclass(frozen=True, eq=False)
class Upscaling:
    """conditions: the low-resolution video alone, of a large one of whole tokens. frames, height, width: what of that
    one is kept; the rest is padding."""

    conditions: Conditions
    frames: int
    height: int
    width: int

    def kept(self, pieces: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """Yield the frames (height, width, 3) that are kept of the large video, which comes in pieces (f, H, W, 3)."""
        count = 0
        for piece in pieces:
            for frame in piece[: self.frames - count]:
                yield frame[: self.height, : self.width]
            count += len(piece)


def check_upsampler(config: FullDiTConfig, factor: int = FACTOR) -> None:
    """Raise UserError for a checkpoint that takes no low-resolution video, and for a factor that is none."""
    check_names((LowResCondition.name,), config)
    if factor not in FACTORS:
        raise UserError(
            f"sides of {factor} times the length were asked for: choose one of {', '.join(map(str, FACTORS))}"
        )


def large_size(size: Size3, factor: int, geometry: LatentGeometry) -> Size3:
    """Return (frames, height, width) of the smallest video of whole tokens that holds one of `size` enlarged.

    Its sides are multiples of `factor`, so that the padding of the small one is whole pixels.
    """
    below, above = geometry.nearest_frames(size[0])
    sides = (
        math.ceil(factor * side / math.lcm(step, factor)) * math.lcm(step, factor)
        for side, step in zip(size[1:], (geometry.height_step, geometry.width_step), strict=True)
    )
    height, width = sides
    return below if below == size[0] else above, height, width


def upscaling(
    frames: np.ndarray, fps: float, factor: int, config: FullDiTConfig, noise: float = 0.0, seed: int = 0
) -> Upscaling:
    """Return what an upsampler is asked for a video (F, H, W, 3), 0..1. noise: see `LowResCondition`.

    A video that does not become whole tokens is padded by its last frame and its last lines. Raises UserError as
    `check_upsampler` does, and for too many pixels.
    """
    check_upsampler(config, factor)
    count, height, width = frames.shape[:3]
    large = large_size((count, height, width), factor, config.geometry)
    check_pixels(*large[1:], "the large video")
    pads = (large[0] - count, large[1] // factor - height, large[2] // factor - width)
    if any(pads):
        frames = np.pad(frames, [*((0, pad) for pad in pads), (0, 0)], mode="edge")
    condition = LowResCondition(frames=frames, noise=noise, seed=seed)
    conditions = Conditions(VideoSize(*large, fps), (condition,))
    return Upscaling(conditions, count, factor * height, factor * width)


def upscaling_windows(config: FullDiTConfig, window: int | None = None, overlap: int | None = None) -> Windows:
    """Return the windows by which a video is seen: of the length of the clips that the checkpoint was trained on, or of
    `window` frames. Raises UserError as `Windows.of_frames` does."""
    return Windows.of_frames(config.geometry, window or config.frames, overlap)


def upscaling_warnings(asked: Upscaling, factor: int, windows: Windows, config: FullDiTConfig) -> list[str]:
    """Return sentences about what lies beyond what an upsampler was trained on."""
    conditions = asked.conditions
    seen = Conditions(windows.video(config.geometry, conditions.video), conditions.items)
    other = f"The upsampler was trained to make sides {FACTOR} times as long; {factor} times was asked for."
    return [*([other] if factor != FACTOR else []), *trained_range_warnings(seen, config)]
