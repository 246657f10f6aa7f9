"""What the autoencoder learns from: crops of rendered videos, depth clips, identity maps and reference images.

A step's batch is a function of the seed and the step alone, so that a resumed run sees what an unbroken one would have.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from einops import repeat
from torch import Tensor

from ...scenes.world import WORLD_VERSION
from ..common.entries import Count, Settings, Share

KINDS = ("video", "disparity", "identity", "reference")
# Seeds, frames, height and width to clips of each kind.
Renderer = Callable[[list[int], int, int, int], dict[str, Tensor]]


@dataclass(frozen=True)
class Phase(Settings):
    """The batches until the share `until` of the run: `batch` crops of frames x height x width or `images` stills."""

    until: Share
    frames: Count
    height: Count
    width: Count
    batch: Count
    images: Count


def rendered(seeds: list[int], frames: int, height: int, width: int, world: int = WORLD_VERSION) -> dict[str, Tensor]:
    """Render these scenes of a version of the world as four kinds of clips: uint8 (N, 3, T, H, W), references T = 1."""
    from ...scenes import WorldOptions, render

    clips = render(seeds, frames=frames, height=height, width=width, options=WorldOptions(version=world))
    images = clips.references[clips.present].clamp(0, 1)  # (N, 3, H, W), the filled slots of all scenes
    kinds = {
        "video": clips.video,
        "disparity": repeat(clips.disparity(), "n 1 t h w -> n c t h w", c=3),
        "identity": clips.identity_maps(),
        "reference": images[:, :, None],
    }
    return {kind: (value.clamp(0, 1) * 255).round().to(torch.uint8) for kind, value in kinds.items()}


def as_input(clips: Tensor) -> Tensor:
    """Return uint8 images as the network takes them: float32 in [-1, 1]."""
    return clips.float() / 127.5 - 1


class ClipPool:
    """Clips that are rendered while the training goes on.

    It starts with `ahead` + 1 blocks, renders a block of `block` scenes every `block_steps` steps and draws from the
    newest `blocks` blocks.
    """

    def __init__(
        self,
        seed: int,
        frames: int,
        height: int,
        width: int,
        mix: dict[str, float],
        block: int = 8,
        block_steps: int = 12,
        blocks: int = 24,
        ahead: int = 6,
        make: Renderer = rendered,
    ) -> None:
        self.seed, self.size, self.mix, self.make = seed, (frames, height, width), mix, make
        self.block, self.block_steps, self.blocks, self.ahead = block, block_steps, blocks, ahead
        self.held: dict[int, dict[str, Tensor]] = {}

    def batch(self, step: int, phase: Phase) -> Tensor:
        """Return the batch of this step, float32 in [-1, 1], (B, 3, T, H, W): either stills or crops of clips."""
        newest = step // self.block_steps + self.ahead
        wanted = range(max(0, newest - self.blocks + 1), newest + 1)
        self.held = {
            index: self.held[index] if index in self.held else self.make(self.seeds(index), *self.size)
            for index in wanted
        }
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + step)
        weights = torch.tensor([self.mix[kind] for kind in KINDS])
        stills = self.roll(generator) < weights[3] / weights.sum()
        if stills:
            drawn = [self.draw("reference", 1, phase, generator) for _ in range(phase.images)]
        else:
            kinds = torch.multinomial(weights[:3], phase.batch, replacement=True, generator=generator)
            drawn = [self.draw(KINDS[kind], phase.frames, phase, generator) for kind in kinds.tolist()]
        return as_input(torch.stack(drawn))

    def seeds(self, index: int) -> list[int]:
        """Return the scenes of a block."""
        return list(range(index * self.block, (index + 1) * self.block))

    def draw(self, kind: str, frames: int, phase: Phase, generator: torch.Generator) -> Tensor:
        """Return a crop of a random clip of this kind: uint8 (3, frames, height, width)."""
        blocks = list(self.held.values())
        clips = blocks[self.integer(len(blocks), generator)][kind]
        clip = clips[self.integer(len(clips), generator)]
        t, y, x = (
            self.integer(have - want + 1, generator)
            for have, want in zip(clip.shape[1:], (frames, phase.height, phase.width), strict=True)
        )
        clip = clip[:, t : t + frames, y : y + phase.height, x : x + phase.width]
        if kind == "identity":  # Any slot may have any place: the colors trade places.
            clip = clip[torch.randperm(3, generator=generator)]
        return clip.flip(-1) if self.roll(generator) < 0.5 else clip

    @staticmethod
    def integer(below: int, generator: torch.Generator) -> int:
        return int(torch.randint(below, (), generator=generator))

    @staticmethod
    def roll(generator: torch.Generator) -> float:
        return float(torch.rand((), generator=generator))
