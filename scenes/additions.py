"""What world 3 adds to the objects of a scene: a figure in the place of one, and a sound that one hops to."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..control.camera.rotations import PAN_AXIS, about_axis
from .figures import GAITS, pose
from .scene_object import SceneObject

FIGURE = "figure"  # the solid of a figure
# How fast a beat swells, in shares of the clip, and how high the loudest lifts an object, in shares of its half height.
_ATTACK, _HOP = 0.04, 1.0


def with_figure(rng: np.random.Generator, share: float, objects: tuple[SceneObject, ...]) -> tuple[SceneObject, ...]:
    """Return the objects with a figure of the same height, colors and path in place of one, in a share of scenes."""
    if not objects or rng.random() >= share:
        return objects
    slot = int(rng.integers(len(objects)))
    item = objects[slot]
    gait = str(rng.choice(list(GAITS)))
    progress = np.linspace(0, 1, len(item.center))
    wave = np.sin(2 * np.pi * (rng.uniform(0.8, 1.8) * progress + rng.random()))
    facing = rng.uniform(np.radians(-60), np.radians(60))
    figure = replace(
        item,
        solid=FIGURE,
        half_size=np.repeat(item.half_size[1], 3),
        rotation=about_axis(PAN_AXIS, np.full(1, facing)) @ item.rotation[0].T @ item.rotation,
        reference_turn=float(facing + rng.choice((-1, 1)) * rng.uniform(np.radians(25), np.radians(50))),
        gait=gait,
        joints=pose(gait, wave, mirrored=rng.random() < 0.5),
    )
    return (*objects[:slot], figure, *objects[slot + 1 :])


def with_sound(
    rng: np.random.Generator, share: float, objects: tuple[SceneObject, ...]
) -> tuple[tuple[SceneObject, ...], np.ndarray | None]:
    """Return the objects, one of them hopping as high as a sound is loud, and its loudness (T,); in a share of scenes.

    The others are as they were. A sound is two to five beats that fade.
    """
    if not objects or rng.random() >= share:
        return objects, None
    slot = int(rng.integers(len(objects)))
    item = objects[slot]
    progress = np.linspace(0, 1, len(item.center))
    beats = np.sort(rng.uniform(0.02, 0.9, int(rng.integers(2, 6))))
    strengths = rng.uniform(0.5, 1, len(beats))
    strengths[rng.integers(len(beats))] = 1
    fade = rng.uniform(0.06, 0.14)
    since = progress[:, None] - beats
    swells = (since / _ATTACK).clip(0, 1) * np.exp(-(since - _ATTACK).clip(0) / fade)
    loudness = (strengths * swells).max(1)
    center = item.center.copy()
    center[:, 1] = -item.half_size[1] * (1 + _HOP * loudness)
    hopping = replace(item, center=center, motion="hop" if item.motion in ("still", "bounce") else item.motion)
    return (*objects[:slot], hopping, *objects[slot + 1 :]), loudness
