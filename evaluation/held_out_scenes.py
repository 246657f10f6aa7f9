"""Held-out scenes: never trained on, with captions that name neither colors nor places."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from einops import rearrange

from ..control.conditions import Conditions
from ..control.control_video import KINDS
from ..scenes import HELD_OUT_SEED, Clips, WorldOptions, render
from ..scenes.world import WORLD_VERSION

__all__ = ["FAMILIES", "WORLD_VERSION", "HeldOutScene", "held_out_scenes"]
FAMILIES = ("seen", "unseen")


@dataclass(frozen=True, eq=False)
class HeldOutScene:
    """`frames` (F, H, W, 3) of the truth, the `conditions` that describe it exactly, a `prompt` that gives none of them
    away, and a `caption` that names colors and places. It is number `index` of `clips`."""

    seed: int
    prompt: str
    conditions: Conditions
    frames: np.ndarray
    caption: str
    clips: Clips
    index: int

    @property
    def number(self) -> int:
        """Which of the held-out scenes it is."""
        return self.seed - HELD_OUT_SEED


def held_out_scenes(
    count: int,
    frames: int,
    height: int,
    width: int,
    first: int = 0,
    family: str = "seen",
    chunk: int = 4,
    names: Iterable[str] = ("camera", "identity", "depth"),
    kinds: Container[str] = KINDS,
    world: int = WORLD_VERSION,
) -> Iterator[HeldOutScene]:
    """Yield `count` scenes from number `first` on, rendered a few at a time.

    `family` 'unseen' has other solids and moves. names, kinds: as `Clips.conditions` has them. world: its version.
    """
    options = WorldOptions(family=family, version=world)
    for start in range(first, first + count, chunk):
        seeds = [HELD_OUT_SEED + number for number in range(start, min(start + chunk, first + count))]
        clips = render(seeds, frames=frames, height=height, width=width, options=options)
        for index, seed in enumerate(seeds):
            image = rearrange(clips.video[index], "c f h w -> f h w c").contiguous().numpy()
            conditions, texts = clips.conditions(index, names, kinds), (clips.plain_captions, clips.captions)
            prompt, caption = (each[index] for each in texts)
            yield HeldOutScene(seed, prompt, conditions, image, caption, clips, index)
