"""The range of camera movement in the training data, which travels with a checkpoint (control/camera/reach.py).

A checkpoint that `fulldit train` writes has it in its metadata. For weights from before that, `write_reach` measures
the clips of the procedural world that they saw and writes NAME.reach.json beside them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ..control.camera.reach import Reach, measure
from ..control.camera.trajectory import CameraTrajectory
from ..control.files import write_json
from ..models.checkpoint import reach_file
from ..scenes import render
from .latents import EncodedClips


def of_clips(clips: EncodedClips, fps: float, most: int = 2048) -> Reach:
    """The reach of encoded clips, at `fps` frames per second; of more than `most`, of so many evenly spread ones."""
    some = np.unique(np.linspace(0, len(clips) - 1, min(len(clips), most)).astype(int)).tolist()
    return measure(_paths(clips.get("c2w", some).numpy(), clips.get("intrinsics", some).numpy(), fps))


def of_world(clips: int, size: tuple[int, int, int], first_seed: int = 0, batch: int = 16) -> Reach:
    """The reach of the scenes that `clips` clips of `size` (frames, height, width) from `first_seed` on are made of.

    They are rendered, since the unit of a clip is the median depth of its first frame: about 0.1 s each at 17x64x96.
    """

    def rendered() -> Iterator[CameraTrajectory]:
        seeds = list(range(first_seed, first_seed + clips))
        for at in range(0, clips, batch):
            scenes = render(seeds[at : at + batch], *size)
            yield from _paths(*(values.numpy() for values in scenes.trajectories()), scenes.fps)

    return measure(rendered())


def write_reach(checkpoint: str | os.PathLike, clips: int, size: tuple[int, int, int]) -> Path:
    """Measure the world's first `clips` scenes and write their reach beside `checkpoint`; returns the file."""
    path = reach_file(checkpoint)
    write_json(path, of_world(clips, size).to_json())
    return path


def _paths(c2w: np.ndarray, intrinsics: np.ndarray, fps: float) -> Iterator[CameraTrajectory]:
    for poses, lens in zip(c2w, intrinsics, strict=True):
        yield CameraTrajectory(poses, lens, fps=fps)
