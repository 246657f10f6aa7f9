"""Held-out scenes: never trained on, with captions that name neither colors nor places."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from einops import rearrange

from ..control.conditions import Conditions
from ..scenes import HELD_OUT_SEED, WorldOptions, render
from ..scenes.world import WORLD_VERSION

__all__ = ["FAMILIES", "WORLD_VERSION", "HeldOutScene", "held_out_scenes"]
FAMILIES = ("seen", "unseen")


@dataclass(frozen=True, eq=False)
class HeldOutScene:
    """`frames` (F, H, W, 3) of the truth, the `conditions` that describe it exactly, and a `prompt` that gives none of
    them away."""

    seed: int
    prompt: str
    conditions: Conditions
    frames: np.ndarray


def held_out_scenes(
    count: int,
    frames: int,
    height: int,
    width: int,
    first: int = 0,
    family: str = "seen",
    chunk: int = 4,
) -> Iterator[HeldOutScene]:
    """Yield `count` scenes from number `first` on, rendered a few at a time.

    `family` 'unseen' has other solids and moves.
    """
    options = WorldOptions(family=family)
    for start in range(first, first + count, chunk):
        seeds = [HELD_OUT_SEED + number for number in range(start, min(start + chunk, first + count))]
        clips = render(seeds, frames=frames, height=height, width=width, options=options)
        for index, seed in enumerate(seeds):
            image = rearrange(clips.video[index], "c f h w -> f h w c").contiguous().numpy()
            yield HeldOutScene(seed, clips.plain_captions[index], clips.conditions(index), image)
