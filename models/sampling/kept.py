"""What of a latent is there already and stays: known frames and regions, and a first frame that was settled before.

A latent frame that is kept whole is clean from the beginning, and the network reads it at time 0. Of other frames the
kept places go the straight way from their noise to what is kept, as if the network had foreseen it. ComfyUI's samplers
do the same with a noise mask. Letters: B batch, C channels, T h w latent frames and sides.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..conditioning.condition_streams import ConditionStreams

WHOLLY = 0.999  # of the pixels that a pixel of the latent stands for are known


@dataclass(frozen=True, eq=False)
class Kept:
    """`latent` (B, C, T, h, w) where `mask` (B, 1, T, h, w) is true. whole: which of the T latent frames are kept
    whole, as numbers of the CPU: the walk waits for no device to tell it."""

    latent: Tensor
    mask: Tensor
    whole: tuple[bool, ...]

    def begin(self, x: Tensor) -> Tensor:
        """Return the latent x (B, C, T, h, w) with the frames in it that are kept whole."""
        frames = [self.latent if kept else x for kept in self.whole]
        return torch.cat([source[:, :, at : at + 1].to(x) for at, source in enumerate(frames)], 2)

    def times(self, timestep: Tensor) -> Tensor:
        """Return the timestep (B,) as the network reads it: (B, T), 0 in frames kept whole, where there are any."""
        if not any(self.whole):
            return timestep
        return torch.stack([torch.zeros_like(timestep) if kept else timestep for kept in self.whole], 1)

    def lead(self, v: Tensor, x: Tensor, t: float) -> Tensor:
        """Return the velocity at x and the time t > 0, in the kept places that which leads to what is kept."""
        return torch.where(self.mask, (x - self.latent.to(x)) / t, v)

    def with_first_frame(self, settled: Tensor) -> Kept:
        """Return this with the first frame of the latent `settled` besides."""
        latent, mask = self.latent.to(settled).clone(), self.mask.clone()
        latent[:, :, 0], mask[:, :, 0] = settled[:, :, 0], True
        return Kept(latent, mask, (True, *self.whole[1:]))


def kept_of(streams: ConditionStreams | None, x: Tensor) -> Kept:
    """Return what the known frames among the streams keep of a latent x (B, C, T, h, w); maybe nothing.

    With noise on them, at another strength than 1, or in a part of the sampling alone, they guide and are not kept.
    """
    for stream in streams.streams if streams is not None else ():
        if stream.kept and stream.strength == 1 and stream.start <= 0 and stream.end >= 1:
            channels = x.shape[1]  # behind which those of the mask come
            latent, known = stream.data[:, :channels].float(), stream.data[:, channels:].float()
            mask = known.amin(1, keepdim=True) >= WHOLLY
            return Kept(latent, mask, tuple(mask.flatten(3).all(3).all(0)[0].tolist()))
    return Kept(x, torch.zeros_like(x[:, :1], dtype=torch.bool), (False,) * x.shape[2])
