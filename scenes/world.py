"""What a scene consists of, drawn from its seed. Numbers only (numpy, float64): nothing is rendered here.

A scene is made for its size: one to three objects, each a tenth to a half of the frame high, coarse patterns, and
surroundings whose texture shows how the camera moves. The world's unit is arbitrary; the camera starts about four
units from the middle. The order of random draws is part of the world: changing it changes every scene.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from ..control.camera.rotations import PAN_AXIS, about_axis
from ..control.errors import UserError
from ..control.identity.slots import SLOTS
from . import additions, cameras, solids
from .cameras import CameraPath
from .palette import COLORS, PLACES, RGB, UNSEEN_PLACES, Place
from .patterns import (
    COARSE_OBJECT_PATTERNS,
    GROUND_PATTERNS,
    OBJECT_PATTERNS,
    UNSEEN_GROUND_PATTERNS,
    UNSEEN_OBJECT_PATTERNS,
)
from .scene_object import SceneObject

HELD_OUT_SEED = 1_000_000_000
# Part of every seed. Another number is another world; weights are only as good as the world they saw. 2 is the one that
# the embedded weights have seen. 3, of their successors, has soft edges on the ground, no pattern finer than a quarter
# of an object, slower spin and bounce, motion blur, and 12 frames per second.
WORLD_VERSION = 2
WORLD_VERSIONS = (2, 3)
# By number of objects: the range of their heights as shares of the frame, and their places across it.
HEIGHTS = {1: (0.38, 0.60), 2: (0.34, 0.50), 3: (0.29, 0.42)}
PLACES_ACROSS = {1: (0.0,), 2: (-0.19, 0.19), 3: (-0.29, 0.0, 0.29)}
# Sum of the differences of two colors' channels above which they are told apart.
MIN_COLOR_DISTANCE = 0.75
WALL_PROBABILITY, STATIC_PROBABILITY = 0.35, 0.1

T = TypeVar("T")


@dataclass(frozen=True)
class WorldOptions:
    """What may occur. `family` 'unseen' draws solids, patterns, places and camera movements that 'seen' never has;
    `cameras` restricts the movements by name; `objects` is the smallest and largest number of objects; `moving` the
    share of objects that move; `supersample` smooths edges (off: twice as fast); `version` is the world's; `figures`
    the share of scenes with a figure in place of an object, and `sounds` that of scenes with an object that hops to a
    sound, both from world 3 on."""

    family: str = "seen"
    cameras: tuple[str, ...] = ()
    objects: tuple[int, int] = (1, 3)
    moving: float = 0.45
    supersample: bool = True
    version: int = WORLD_VERSION
    figures: float = 0.35
    sounds: float = 0.25

    def __post_init__(self) -> None:
        if self.family not in ("seen", "unseen"):
            raise UserError(f"the family is '{self.family}'; 'seen' or 'unseen' was expected")
        if self.version not in WORLD_VERSIONS:
            known = ", ".join(map(str, WORLD_VERSIONS))
            raise UserError(f"the world's version is {self.version!r}; there are {known}")
        unknown = sorted(set(self.cameras) - set(cameras.MOVEMENTS))
        if unknown:
            known = ", ".join(cameras.MOVEMENTS)
            raise UserError(f"the camera movements {', '.join(unknown)} are unknown; known are {known}")
        low, high = self.objects
        if not 0 <= low <= high <= SLOTS:
            raise UserError(f"objects is {self.objects}; (smallest, largest) within 0 and {SLOTS} was expected")

    @property
    def is_unseen(self) -> bool:
        """Whether the family is 'unseen'."""
        return self.family == "unseen"

    @property
    def is_soft(self) -> bool:
        """Whether the world is one of soft grounds, coarse patterns, slow turns and motion blur."""
        return self.version >= 3

    @property
    def fps(self) -> float:
        """Frames per second of its clips."""
        return 12.0 if self.is_soft else 8.0


@dataclass(frozen=True)
class Wall:
    """A round wall about the middle, seen from inside: radius, height, and an even number of panels around it."""

    radius: float
    height: float
    panels: int


@dataclass(frozen=True)
class Surroundings:
    """Ground, sky and, in some scenes, a round wall. Colors are already those of the image.

    cell, angle (radians) and offset place the pattern on the ground; sun (3,) points to the sun; hills (3,3) are the
    amplitudes, frequencies and phases of the sines that make the ridge. soft: the pattern's edges are.
    """

    place: Place
    pattern: str
    cell: float
    angle: float
    offset: tuple[float, float]
    ground: tuple[RGB, RGB]
    sun: np.ndarray
    hills: np.ndarray
    wall: Wall | None
    soft: bool = False


@dataclass(frozen=True)
class SceneSpec:
    """Everything about one clip. `objects[k]` is in slot k. loudness: (T,) of its sound, 0..1, where it has one."""

    seed: int
    frames: int
    objects: tuple[SceneObject, ...]
    surroundings: Surroundings
    camera: CameraPath
    loudness: np.ndarray | None = None

    def at(self, frames: Sequence[int] | np.ndarray) -> SceneSpec:
        """Return the scene with these of its frames alone."""
        index = np.asarray(frames)
        objects = tuple(item.at(index) for item in self.objects)
        camera = replace(self.camera, c2w=self.camera.c2w[index], intrinsics=self.camera.intrinsics[index])
        loudness = None if self.loudness is None else self.loudness[index]
        return replace(self, frames=len(index), objects=objects, camera=camera, loudness=loudness)


@dataclass(frozen=True)
class _ComposedView:
    """Distance of the composed view, its focal length in image widths, and the image's width / height."""

    distance: float
    fx: float
    aspect: float


def _pick(rng: np.random.Generator, values: Sequence[T]) -> T:
    return values[int(rng.integers(len(values)))]


def _random_sign(rng: np.random.Generator) -> int:
    return 1 if rng.random() < 0.5 else -1


def _jitter(rng: np.random.Generator, color: RGB, amount: float) -> RGB:
    """Return the color with each channel brighter or darker by up to `amount`."""
    r, g, b = np.clip(np.asarray(color) * rng.uniform(1 - amount, 1 + amount, 3), 0, 1).tolist()
    return r, g, b


def _draw_surroundings(rng: np.random.Generator, options: WorldOptions) -> Surroundings:
    place = _pick(rng, UNSEEN_PLACES if options.is_unseen else PLACES)
    pattern = _pick(rng, tuple(UNSEEN_GROUND_PATTERNS if options.is_unseen else GROUND_PATTERNS))
    azimuth, height = rng.uniform(0, 2 * np.pi), np.radians(rng.uniform(30, 65))
    sun = np.array([np.cos(azimuth) * np.cos(height), -np.sin(height), np.sin(azimuth) * np.cos(height)])
    hills = np.stack([rng.uniform(0.015, 0.05, 3), np.array([3.0, 7.0, 13.0]), rng.uniform(0, 2 * np.pi, 3)])
    wall = None
    if rng.random() < WALL_PROBABILITY:
        wall = Wall(float(rng.uniform(5.5, 9.0)), float(rng.uniform(1.2, 3.2)), int(rng.integers(5, 9)) * 2)
    return Surroundings(
        place,
        pattern,
        cell=float(rng.uniform(1.1, 1.9)),
        angle=float(rng.uniform(0, np.pi)),
        offset=(float(rng.uniform(0, 8)), float(rng.uniform(0, 8))),
        ground=(_jitter(rng, place.ground[0], 0.06), _jitter(rng, place.ground[1], 0.06)),
        sun=sun,
        hills=hills,
        wall=wall,
        soft=options.is_soft,
    )


def draw_colors(rng: np.random.Generator, used: set[str]) -> tuple[str, str]:
    """Return two colors that are far apart and that no other object of the clip has."""
    names = list(COLORS)
    while True:
        first, second = (names[int(k)] for k in rng.choice(len(names), 2, replace=False))
        distance = np.abs(np.subtract(COLORS[first], COLORS[second])).sum()
        if distance > MIN_COLOR_DISTANCE and not {first, second} & used:
            return first, second


@dataclass(frozen=True)
class _MotionDraw:
    """What was drawn for the motion of an object: a direction (+1 or -1), an amount about 1, two angles in radians;
    with the progress of the clip (T,), the distance of the composed view, the object's height, and whether fast motions
    are slowed down."""

    direction: int
    amount: float
    heading: float
    phase: float
    progress: np.ndarray
    distance: float
    height: float
    slow: bool


# Shift of the center (T,3) and rotation about the vertical (T,) in radians.
_ObjectMotion = tuple[np.ndarray, np.ndarray]


def _xyz(x: np.ndarray | float, y: np.ndarray | float, z: np.ndarray | float) -> np.ndarray:
    return np.stack(np.broadcast_arrays(x, y, z), -1)


def _still(draw: _MotionDraw) -> _ObjectMotion:
    return np.zeros((len(draw.progress), 3)), np.zeros(len(draw.progress))


def _slide(draw: _MotionDraw) -> _ObjectMotion:
    travel = 0.28 * draw.distance * draw.amount * (draw.progress - 0.5)
    return _xyz(np.cos(draw.heading) * travel, 0.0, np.sin(draw.heading) * travel), np.zeros(len(travel))


def _spin(draw: _MotionDraw) -> _ObjectMotion:
    turn = np.pi / 2.4 if draw.slow else np.pi  # times an amount of up to 1.2: a quarter of a turn
    return np.zeros((len(draw.progress), 3)), draw.direction * turn * draw.amount * draw.progress


def _bounce(draw: _MotionDraw) -> _ObjectMotion:
    jumps = 1 if draw.slow else 2
    up = 0.5 * draw.amount * draw.height * np.abs(np.sin(np.pi * (draw.progress * jumps + draw.phase)))
    return _xyz(0.0, -up, 0.0), np.zeros(len(up))


def _circle(draw: _MotionDraw) -> _ObjectMotion:
    radius, angle = 0.09 * draw.distance * draw.amount, draw.phase + draw.direction * 4.5 * draw.progress
    x, z = np.cos(angle) - np.cos(draw.phase), np.sin(angle) - np.sin(draw.phase)
    return _xyz(radius * x, 0.0, radius * z), np.zeros(len(angle))


OBJECT_MOTIONS: dict[str, Callable[[_MotionDraw], _ObjectMotion]] = {
    "slide": _slide,
    "spin": _spin,
    "bounce": _bounce,
    "circle": _circle,
}


def _draw_object(
    rng: np.random.Generator,
    options: WorldOptions,
    frames: int,
    view: _ComposedView,
    place_across: float,
    heights: tuple[float, float],
    used_colors: set[str],
) -> SceneObject:
    """Return an object at `place_across` (share of the frame from its middle), as high as drawn from `heights`."""
    solid = _pick(rng, solids.UNSEEN if options.is_unseen else solids.SEEN)
    seen = COARSE_OBJECT_PATTERNS if options.is_soft else OBJECT_PATTERNS
    pattern = _pick(rng, tuple(UNSEEN_OBJECT_PATTERNS if options.is_unseen else seen))
    colors = draw_colors(rng, used_colors)
    depth = view.distance * rng.uniform(0.8, 1.3)
    across = place_across + rng.uniform(-0.05, 0.05)
    height = rng.uniform(*heights) * depth / (view.fx * view.aspect)
    width = height * rng.uniform(*solids.PROPORTIONS[solid])
    first_turn = rng.uniform(0, 2 * np.pi)
    motion = _pick(rng, tuple(OBJECT_MOTIONS)) if rng.random() < options.moving else "still"
    direction = _random_sign(rng)
    amount, heading, phase = rng.uniform(0.6, 1.2), rng.uniform(0, 2 * np.pi), rng.uniform(0, 2 * np.pi)
    progress = np.linspace(0, 1, frames)
    draw = _MotionDraw(direction, amount, heading, phase, progress, view.distance, height, options.is_soft)
    shift, turn = OBJECT_MOTIONS.get(motion, _still)(draw)
    center = np.array([across / view.fx * depth, -height / 2, depth - view.distance]) + shift
    # The reference shows the object from another side than the first frame does.
    reference_turn = first_turn + turn[0] + _random_sign(rng) * rng.uniform(np.radians(25), np.radians(70))
    return SceneObject(
        solid,
        pattern,
        colors,
        half_size=np.array([width, height, width]) / 2,
        center=center,
        rotation=about_axis(PAN_AXIS, first_turn + turn),
        motion=motion,
        reference_turn=float(reference_turn),
        reference_elevation=float(np.radians(rng.uniform(6, 22))),
    )


def _draw_objects(
    rng: np.random.Generator, options: WorldOptions, frames: int, view: _ComposedView
) -> tuple[SceneObject, ...]:
    count = int(rng.integers(options.objects[0], options.objects[1] + 1))
    order = rng.permutation(count)
    used_colors: set[str] = set()
    objects = []
    for slot in range(count):
        place = PLACES_ACROSS[count][order[slot]]
        objects.append(_draw_object(rng, options, frames, view, place, HEIGHTS[count], used_colors))
        used_colors |= set(objects[-1].colors)
    return tuple(objects)


def _draw_movement(rng: np.random.Generator, options: WorldOptions) -> str:
    """Return a camera movement; 'static' is rarer than the others."""
    names = options.cameras or (cameras.UNSEEN if options.is_unseen else cameras.SEEN)
    if "static" not in names or len(names) == 1:
        return _pick(rng, names)
    return "static" if rng.random() < STATIC_PROBABILITY else _pick(rng, [name for name in names if name != "static"])


def make_scene(seed: int, frames: int = 17, aspect: float = 1.5, options: WorldOptions | None = None) -> SceneSpec:
    """Return the scene of `seed`; `aspect` is width over height of the image. Same seed, same scene.

    Raises UserError for a negative seed.
    """
    options = options or WorldOptions()
    if seed < 0:
        raise UserError(f"the seed is {seed}; a number from 0 on was expected")
    rng = np.random.default_rng([options.version, int(seed)])
    distance = rng.uniform(3.4, 4.6)
    view = _ComposedView(distance, 0.5 / np.tan(np.radians(rng.uniform(42, 64)) / 2), aspect)
    movement = _draw_movement(rng, options)
    elevation = np.radians(rng.uniform(12 if movement == "pedestal" else 7, 20))
    objects = _draw_objects(rng, options, frames, view)
    surroundings = _draw_surroundings(rng, options)
    loudness = None
    if options.is_soft:
        # With generators of their own: scenes without them are what they would be without this.
        sound, figure = (np.random.default_rng([options.version, int(seed), part]) for part in (1, 2))
        objects, loudness = additions.with_sound(sound, options.sounds, objects)
        objects = additions.with_figure(figure, options.figures, objects)
    target = np.array([rng.uniform(-0.1, 0.1), -rng.uniform(0.3, 0.6), 0.0])
    path = cameras.make_path(rng, movement, frames, distance, elevation, target, view.fx, aspect)
    return SceneSpec(int(seed), frames, objects, surroundings, path, loudness)
