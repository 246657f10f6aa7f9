"""Source videos: what a clip could have been made from. The same moments of its scene, from another camera that begins
in the same place, or with another object in the place of one. Exact, since both are rendered.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal, TypeAlias

import numpy as np

from ..control.camera.trajectory import compose, invert
from . import cameras, solids
from .cameras import MIN_HEIGHT, CameraPath, make_path
from .patterns import COARSE_OBJECT_PATTERNS, OBJECT_PATTERNS, UNSEEN_OBJECT_PATTERNS
from .scene_object import SceneObject
from .world import SceneSpec, WorldOptions, draw_colors

# Share of the sources that show the scene from another camera; the others, where there is an object, show another one.
OTHER_CAMERA, STATIC = 0.65, 0.3
Other: TypeAlias = Literal["camera", "object"]
_STREAM = 40  # of random numbers beside those of the scene itself
_MIDDLE = np.array([0.0, -0.45, 0.0])  # of what there is to see


def source_scene(scene: SceneSpec, options: WorldOptions, aspect: float, other: Other | None = None) -> SceneSpec:
    """Return the scene that a source video of `scene` shows. aspect: width over height. Same seed, same source.

    other: what is another one in it, drawn by the seed where it is not said; an object only where there is one.
    """
    rng = np.random.default_rng([options.version, scene.seed, _STREAM])
    drawn = "camera" if not scene.objects or rng.random() < OTHER_CAMERA else "object"
    if not scene.objects or (other or drawn) == "camera":
        return replace(scene, camera=_other_camera(rng, scene.camera, options, aspect))
    slot = int(rng.integers(len(scene.objects)))
    item = _other_object(rng, scene.objects, slot, options)
    return replace(scene, objects=(*scene.objects[:slot], item, *scene.objects[slot + 1 :]))


def _other_camera(rng: np.random.Generator, camera: CameraPath, options: WorldOptions, aspect: float) -> CameraPath:
    """Return a path of another movement that begins with the first pose and the first lens of `camera`."""
    known = cameras.UNSEEN if options.is_unseen else cameras.SEEN
    names = [name for name in known if name not in (camera.movement, "static")]
    movement = "static" if rng.random() < STATIC else names[int(rng.integers(len(names)))]
    first = camera.c2w[0]
    offset = first[:, 3] - _MIDDLE
    distance = float(np.linalg.norm(offset))
    elevation = float(np.arcsin(np.clip(-offset[1] / distance, -1, 1)))
    path = make_path(rng, movement, len(camera.c2w), distance, elevation, _MIDDLE, camera.intrinsics[0, 0], aspect)
    c2w = compose(first, compose(invert(path.c2w[0]), path.c2w))
    c2w[:, 1, 3] = np.minimum(c2w[:, 1, 3], max(-MIN_HEIGHT * distance, first[1, 3]))
    lens = path.intrinsics / path.intrinsics[:1]
    return CameraPath(movement, path.direction, c2w, camera.intrinsics[0] * lens)


def _other_object(
    rng: np.random.Generator, objects: tuple[SceneObject, ...], slot: int, options: WorldOptions
) -> SceneObject:
    """Return another object of the same height that moves like the one in `slot`."""
    old = objects[slot]
    shapes = [solid for solid in (solids.UNSEEN if options.is_unseen else solids.SEEN) if solid != old.solid]
    coarse = COARSE_OBJECT_PATTERNS if options.is_soft else OBJECT_PATTERNS
    patterns = tuple(UNSEEN_OBJECT_PATTERNS if options.is_unseen else coarse)
    solid = shapes[int(rng.integers(len(shapes)))]
    pattern = patterns[int(rng.integers(len(patterns)))]
    height = old.half_size[1]
    width = height * rng.uniform(*solids.PROPORTIONS[solid])
    colors = draw_colors(rng, {color for item in objects for color in item.colors})
    return replace(old, solid=solid, pattern=pattern, colors=colors, half_size=np.array([width, height, width]))
