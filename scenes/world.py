"""What a scene consists of, drawn from its seed. Numbers only (numpy, float64): nothing is rendered here.

A scene is made for its size: one to three objects, each a tenth to a half of the frame high, coarse patterns, and
surroundings whose texture shows how the camera moves. The world's unit is arbitrary; the camera starts about four
units from the middle.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..control.errors import UserError
from ..control.identity.slots import SLOTS
from . import cameras, solids
from .cameras import CameraPath, axis_rotation
from .palette import COLORS, PLACES, RGB, UNSEEN_PLACES, Place
from .patterns import GROUND_PATTERNS, OBJECT_PATTERNS, UNSEEN_GROUND_PATTERNS, UNSEEN_OBJECT_PATTERNS

HELD_OUT_SEED = 1_000_000_000
# Part of every seed. Another number is another world; weights are only as good as the world they saw.
WORLD_VERSION = 2


@dataclass(frozen=True)
class WorldOptions:
    """What may occur. `family` 'unseen' draws solids, patterns, places and camera movements that 'seen' never has;
    `cameras` restricts the movements by name; `objects` is the smallest and largest number of objects; `moving` the
    share of objects that move; `supersample` smooths edges (off: twice as fast)."""

    family: str = "seen"
    cameras: tuple[str, ...] = ()
    objects: tuple[int, int] = (1, 3)
    moving: float = 0.45
    supersample: bool = True

    def __post_init__(self) -> None:
        if self.family not in ("seen", "unseen"):
            raise UserError(f"family is '{self.family}'; expected 'seen' or 'unseen'.")
        unknown = set(self.cameras) - {*cameras.SEEN, *cameras.UNSEEN}
        if unknown:
            known = ", ".join((*cameras.SEEN, *cameras.UNSEEN))
            raise UserError(f"Unknown camera movements {sorted(unknown)}; known are {known}.")
        low, high = self.objects
        if not 0 <= low <= high <= SLOTS:
            raise UserError(f"objects is {self.objects}; expected (smallest, largest) within 0 and {SLOTS}.")


@dataclass(frozen=True)
class Thing:
    """An object: solid, two-color pattern, size and motion. `center` (T,3) and `rotation` (T,3,3) object-to-world."""

    solid: str
    pattern: str
    colors: tuple[str, str]
    half_size: np.ndarray
    center: np.ndarray
    rotation: np.ndarray
    motion: str
    reference_turn: float
    reference_elevation: float


@dataclass(frozen=True)
class Surroundings:
    """Ground, sky and, in some scenes, a round wall. Colors are already those of the image."""

    place: Place
    pattern: str
    cell: float
    angle: float
    offset: tuple[float, float]
    ground: tuple[RGB, RGB]
    sun: np.ndarray
    hills: np.ndarray
    wall: tuple[float, float, int] | None


@dataclass(frozen=True)
class SceneSpec:
    """Everything about one clip. `things[k]` stands in slot k."""

    seed: int
    frames: int
    things: tuple[Thing, ...]
    surroundings: Surroundings
    camera: CameraPath


def _pick(rng: np.random.Generator, names: Sequence) -> object:
    return names[int(rng.integers(len(names)))]


def _jitter(rng: np.random.Generator, color: RGB, amount: float) -> RGB:
    return tuple(float(c) for c in np.clip(np.asarray(color) * rng.uniform(1 - amount, 1 + amount, 3), 0, 1))


def _surroundings(rng: np.random.Generator, family: str) -> Surroundings:
    unseen = family == "unseen"
    place = _pick(rng, UNSEEN_PLACES if unseen else PLACES)
    pattern = _pick(rng, tuple(UNSEEN_GROUND_PATTERNS if unseen else GROUND_PATTERNS))
    azimuth, height = rng.uniform(0, 2 * np.pi), np.radians(rng.uniform(30, 65))
    sun = np.array([np.cos(azimuth) * np.cos(height), -np.sin(height), np.sin(azimuth) * np.cos(height)])
    hills = np.stack([rng.uniform(0.015, 0.05, 3), np.array([3.0, 7.0, 13.0]), rng.uniform(0, 2 * np.pi, 3)])
    wall = None
    if rng.random() < 0.35:
        wall = (float(rng.uniform(5.5, 9.0)), float(rng.uniform(1.2, 3.2)), int(rng.integers(5, 9)) * 2)
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
    )


def _identity(rng: np.random.Generator, family: str, used: set[str]) -> tuple[str, str, tuple[str, str]]:
    unseen = family == "unseen"
    solid = _pick(rng, solids.UNSEEN if unseen else solids.SEEN)
    pattern = _pick(rng, tuple(UNSEEN_OBJECT_PATTERNS if unseen else OBJECT_PATTERNS))
    names = list(COLORS)
    # No two objects of a clip share a color, and the two colors of one are far apart.
    while True:
        first, second = (names[int(k)] for k in rng.choice(len(names), 2, replace=False))
        distance = np.abs(np.subtract(COLORS[first], COLORS[second])).sum()
        if distance > 0.75 and not {first, second} & used:
            return solid, pattern, (first, second)


def _things(
    rng: np.random.Generator, options: WorldOptions, frames: int, distance: float, fx: float, aspect: float
) -> tuple[Thing, ...]:
    count = int(rng.integers(options.objects[0], options.objects[1] + 1))
    heights = {1: (0.38, 0.60), 2: (0.34, 0.50), 3: (0.29, 0.42)}.get(count, (0, 0))
    places = {1: (0.0,), 2: (-0.19, 0.19), 3: (-0.29, 0.0, 0.29)}.get(count, ())
    order = rng.permutation(count)
    used: set[str] = set()
    things = []
    s = np.linspace(0, 1, frames)
    for slot in range(count):
        solid, pattern, colors = _identity(rng, options.family, used)
        used |= set(colors)
        away = distance * rng.uniform(0.8, 1.3)
        across = places[order[slot]] + rng.uniform(-0.05, 0.05)
        height = rng.uniform(*heights) * away / (fx * aspect)
        width = height * rng.uniform(*solids.PROPORTIONS[solid])
        half = np.array([width, height, width]) / 2
        center = np.zeros((frames, 3))
        center[:, 0] = across / fx * away
        center[:, 1] = -half[1]
        center[:, 2] = away - distance
        turn = np.full(frames, rng.uniform(0, 2 * np.pi))
        motion = "still"
        if rng.random() < options.moving:
            motion = _pick(rng, ("slide", "spin", "bounce", "circle"))
        sign = 1 if rng.random() < 0.5 else -1
        amount, heading, start = rng.uniform(0.6, 1.2), rng.uniform(0, 2 * np.pi), rng.uniform(0, 2 * np.pi)
        if motion == "slide":
            center[:, 0] += 0.28 * distance * amount * np.cos(heading) * (s - 0.5)
            center[:, 2] += 0.28 * distance * amount * np.sin(heading) * (s - 0.5)
        elif motion == "spin":
            turn = turn + sign * np.pi * amount * s
        elif motion == "bounce":
            center[:, 1] -= 0.5 * amount * height * np.abs(np.sin(np.pi * (s * 2 + start)))
        elif motion == "circle":
            radius = 0.09 * distance * amount
            center[:, 0] += radius * (np.cos(start + sign * 4.5 * s) - np.cos(start))
            center[:, 2] += radius * (np.sin(start + sign * 4.5 * s) - np.sin(start))
        # The reference shows the object from another side than the first frame does.
        side = turn[0] + (1 if rng.random() < 0.5 else -1) * rng.uniform(np.radians(25), np.radians(70))
        things.append(
            Thing(
                solid,
                pattern,
                colors,
                half,
                center,
                axis_rotation(1, turn),
                motion,
                float(side),
                float(np.radians(rng.uniform(6, 22))),
            )
        )
    return tuple(things)


def make_scene(seed: int, frames: int = 17, aspect: float = 1.5, options: WorldOptions | None = None) -> SceneSpec:
    """Draws the scene of `seed`; `aspect` is width over height of the image. Same seed, same scene."""
    options = options or WorldOptions()
    if seed < 0:
        raise UserError(f"The seed is {seed}; expected a number from 0 on.")
    rng = np.random.default_rng([WORLD_VERSION, int(seed)])
    distance = rng.uniform(3.4, 4.6)
    fx = 0.5 / np.tan(np.radians(rng.uniform(42, 64)) / 2)
    kinds = options.cameras or (cameras.UNSEEN if options.family == "unseen" else cameras.SEEN)
    if "static" in kinds and len(kinds) > 1:
        others = tuple(kind for kind in kinds if kind != "static")
        kind = "static" if rng.random() < 0.1 else _pick(rng, others)
    else:
        kind = _pick(rng, kinds)
    elevation = np.radians(rng.uniform(12 if kind == "pedestal" else 7, 20))
    things = _things(rng, options, frames, distance, fx, aspect)
    surroundings = _surroundings(rng, options.family)
    target = np.array([rng.uniform(-0.1, 0.1), -rng.uniform(0.3, 0.6), 0.0])
    path = cameras.make_path(rng, kind, frames, distance, elevation, target, fx, aspect)
    return SceneSpec(int(seed), frames, things, surroundings, path)
