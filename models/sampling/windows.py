"""A long clip by windows: the network sees a few latent frames at a time, and where windows overlap they are blended.

MultiDiffusion (Bar-Tal et al., arXiv 2302.08113): at every step each window predicts its frames, and a frame's velocity
is the mean of what its windows say, weighted so that a window counts less toward its ends. Each window has the
conditions and the texts of its time (`ConditionStreams.window`). Memory does not grow with the clip.
Letters: B batch, C channels, T h w frames and sides of the latent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch

from ...control.condition import VideoSize
from ...control.errors import UserError
from ..conditioning.condition_streams import ConditionStreams
from ..conditioning.kv_cache import ConditionKVCache
from ..conditioning.timed_text import Text, TimedText
from ..geometry import LatentGeometry

if TYPE_CHECKING:
    from .sampler import VelocityModel

KEPT_BYTES = 16 * 2**20  # of K and V of windows; those beyond are computed again at every step


@dataclass(frozen=True)
class Windows:
    """`length` latent frames at a time, of which at least `overlap` belong to the next window too.

    Raises UserError for windows without a frame of their own.
    """

    length: int
    overlap: int

    def __post_init__(self) -> None:
        if not 0 <= self.overlap < self.length:
            raise UserError(
                f"Windows of {self.length} latent frames that overlap by {self.overlap} were asked for: the overlap "
                f"must be shorter than the window, and neither may be negative."
            )

    @classmethod
    def of_frames(cls, geometry: LatentGeometry, window: int, overlap: int | None = None) -> Windows:
        """Return the windows of `window` frames that overlap by `overlap` (None: about half).

        Raises UserError, with the nearest that fits, for numbers that are not whole latent frames.
        """
        step = geometry.frame_step
        if window < 1 or (window - 1) % step:
            below, above = geometry.nearest_frames(window)
            raise UserError(
                f"a window of {window} frames was asked for; {step}k+1 was expected: take {below} or {above}"
            )
        if overlap is None:
            return cls(geometry.latent_frames(window), geometry.latent_frames(window) // 2)
        if overlap % step or not 0 <= overlap < window:
            near = max(0, min(round(overlap / step) * step, window - 1))
            raise UserError(
                f"an overlap of {overlap} frames was asked for; a multiple of {step} below the window's {window} was "
                f"expected: take {near}"
            )
        return cls(geometry.latent_frames(window), overlap // step)

    def video(self, geometry: LatentGeometry, whole: VideoSize) -> VideoSize:
        """Return the video that the network sees at a time of a `whole` one."""
        frames = geometry.video_size((self.length, 1, 1))[0]
        return replace(whole, frames=min(whole.frames, frames))

    def places(self, frames: int) -> list[range]:
        """Return the latent frames of every window over a clip of `frames`; the last window ends with the clip."""
        if frames <= self.length:
            return [range(frames)]
        starts = [*range(0, frames - self.length, self.length - self.overlap), frames - self.length]
        return [range(start, start + self.length) for start in starts]

    def weights(self, frames: int) -> list[torch.Tensor]:
        """Return how much each window counts in each of its frames (length,): of sum 1 over the windows of a frame.

        A window counts less, in even steps, over the `overlap` frames toward its ends.
        """
        places, total = self.places(frames), torch.zeros(frames)
        raw = []
        for place in places:
            inside = torch.arange(len(place))
            to_end = torch.minimum(inside, len(place) - 1 - inside) + 1
            raw.append((to_end / (self.overlap + 1)).clamp(max=1))
            total[place.start : place.stop] += raw[-1]
        return [weight / total[place.start : place.stop] for weight, place in zip(raw, places, strict=True)]


class WindowedModel:
    """A network that sees a clip by windows, for whatever asks a `VelocityModel`. A clip of one window is the network's
    own, to the bit."""

    def __init__(self, model: VelocityModel, windows: Windows):
        self.model, self.windows = model, windows
        self._kept: dict[tuple[object, ...], ConditionKVCache] = {}

    def prefill(self, conditions: ConditionStreams) -> ConditionKVCache:
        """Return what the network keeps of the conditions of a clip of one window; else nothing, since each has its
        own."""
        if len(self.windows.places(conditions.latent_size[0])) == 1:
            return self.model.prefill(conditions)
        return ConditionKVCache()

    def __call__(
        self,
        x: torch.Tensor,
        timestep: torch.Tensor,
        context: Text,
        conditions: ConditionStreams | None = None,
        kv_cache: ConditionKVCache | None = None,
    ) -> torch.Tensor:
        """Return the velocity (B, C, T, h, w) of x at 1000 t, (B,) or (B, T)."""
        places = self.windows.places(x.shape[2])
        if len(places) == 1:
            return self.model(x, timestep, context, conditions, kv_cache)
        total = torch.zeros(x.shape, dtype=torch.float32, device=x.device)
        for place, weight in zip(places, self.windows.weights(x.shape[2]), strict=True):
            inside = slice(place.start, place.stop)
            time = timestep[:, inside] if timestep.ndim > 1 else timestep
            text = context.window(place) if isinstance(context, TimedText) else context
            own = self._of_window(conditions, place)
            velocity = self.model(x[:, :, inside].contiguous(), time, text, *own)
            total[:, :, inside] += velocity.float() * weight.to(x.device)[:, None, None]
        return total

    def _of_window(
        self, conditions: ConditionStreams | None, place: Sequence[int]
    ) -> tuple[ConditionStreams | None, ConditionKVCache | None]:
        """Return the conditions of one window and what the network keeps of them."""
        if conditions is None or not conditions.streams:
            return None, None
        part = conditions.window(place)
        cache = self._kept.get(part.key)
        if cache is None:
            cache = self.model.prefill(part)
            if sum(kept.nbytes for kept in self._kept.values()) + cache.nbytes <= KEPT_BYTES:
                self._kept[part.key] = cache
        return part, cache
