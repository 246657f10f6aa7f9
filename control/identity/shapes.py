"""Mask shapes as data: what a painter draws, at any size.

Positions are shares of the image: x of its width, y of its height, both 0 at the top left. Sizes likewise; a brush's
radius is a share of the height. A turn is in degrees, clockwise, in the image's own proportions, so a turned box
stays a box. A mask is a list of shapes laid on one another: each adds to what the ones before it cover, or takes away.

As JSON, a shape is an object with "kind" (KINDS), "op" ("add", or "subtract") where it takes away, and the fields of
its class, for example {"kind": "ellipse", "centre": [0.5, 0.5], "size": [0.2, 0.4], "turn": 30}.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from ..errors import UserError
from ..images import resize
from . import runs
from .raster import brush_cover, clean, polygon_cover

Point = tuple[float, float]
MOST_POINTS = 5000
# Corners of the polygon that stands for an ellipse: at a radius of 300 pixels it is off by 0.02 of one.
CORNERS = 256


@dataclass(frozen=True)
class Bitmap:
    """A black-and-white image over the whole frame, as `runs.encode` writes it: width, height, text."""

    width: int
    height: int
    runs: str
    subtract: bool = False

    @classmethod
    def of(cls, mask: np.ndarray, subtract: bool = False) -> Bitmap:
        """The bitmap of a mask (H, W); more than 0.5 is white."""
        height, width = np.shape(mask)
        return cls(width, height, runs.encode(mask), subtract)

    def cover(self, height: int, width: int) -> np.ndarray:
        mask = _decoded(self.runs, self.height, self.width).astype(np.float32)
        return clean(resize(mask, height, width))


@lru_cache(maxsize=16)
def _decoded(text: str, height: int, width: int) -> np.ndarray:
    return runs.decode(text, height, width)


@dataclass(frozen=True)
class Polygon:
    """A closed outline of at least three points, as a polygon tool or a lasso draws it."""

    points: tuple[Point, ...]
    subtract: bool = False

    def cover(self, height: int, width: int) -> np.ndarray:
        return polygon_cover(np.multiply(self.points, (width, height)), height, width)


@dataclass(frozen=True)
class Ellipse:
    """An ellipse: its center, its width and height before it is turned, its turn."""

    center: Point
    size: Point
    turn: float = 0.0
    subtract: bool = False

    def cover(self, height: int, width: int) -> np.ndarray:
        angle = np.arange(CORNERS) * (2 * math.pi / CORNERS)
        # A hair larger, so that the polygon has the ellipse's area.
        grown = math.sqrt(2 * math.pi / CORNERS / math.sin(2 * math.pi / CORNERS)) / 2
        corners = np.stack([np.cos(angle), np.sin(angle)], 1) * grown
        return polygon_cover(_placed(corners, self, height, width), height, width)


@dataclass(frozen=True)
class Box:
    """A rectangle: its center, its width and height before it is turned, its turn."""

    center: Point
    size: Point
    turn: float = 0.0
    subtract: bool = False

    def cover(self, height: int, width: int) -> np.ndarray:
        corners = np.array([(-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5)])
        return polygon_cover(_placed(corners, self, height, width), height, width)


@dataclass(frozen=True)
class Brush:
    """A stroke of a round brush: points x, y and radius (a share of the image's height; pen pressure changes it)."""

    points: tuple[tuple[float, float, float], ...]
    subtract: bool = False

    def cover(self, height: int, width: int) -> np.ndarray:
        return brush_cover(np.multiply(self.points, (width, height, height)), height, width)


Shape = Bitmap | Polygon | Ellipse | Box | Brush
KINDS: dict[str, type] = {"bitmap": Bitmap, "polygon": Polygon, "ellipse": Ellipse, "box": Box, "brush": Brush}


def _placed(corners: np.ndarray, shape: Ellipse | Box, height: int, width: int) -> np.ndarray:
    """Corners (N, 2) of a shape of size 1 about 0, in pixels: sized, turned, moved to the center."""
    scale = np.array([width, height], np.float64)
    x, y = (corners * shape.size * scale).T
    cosine, sine = math.cos(math.radians(shape.turn)), math.sin(math.radians(shape.turn))
    return np.stack([cosine * x - sine * y, sine * x + cosine * y], 1) + shape.center * scale


def rasterize(shapes: Shape | Sequence[Shape], height: int, width: int) -> np.ndarray:
    """The mask (height, width), float32 0..1 with soft edges, of one shape or of several laid on one another."""
    mask = np.zeros((height, width), np.float32)
    for shape in [shapes] if isinstance(shapes, tuple(KINDS.values())) else shapes:
        cover = shape.cover(height, width)
        mask = np.minimum(mask, 1 - cover) if shape.subtract else np.maximum(mask, cover)
    return mask


def to_json(shape: Shape) -> dict[str, Any]:
    """The shape as a JSON object; positions are rounded to a hundred-thousandth of the image."""
    kind = next(name for name, cls in KINDS.items() if isinstance(shape, cls))
    value: dict[str, Any] = {"kind": kind}
    if shape.subtract:
        value["op"] = "subtract"
    if isinstance(shape, Bitmap):
        return {**value, "size": [shape.width, shape.height], "runs": shape.runs}
    if isinstance(shape, (Polygon, Brush)):
        points = [[round(float(entry), 5) for entry in point] for point in shape.points]
        if isinstance(shape, Brush):
            points = [[x, y, max(radius, 1e-5)] for x, y, radius in points]
        return {**value, "points": points}
    value["centre"] = [round(float(entry), 5) for entry in shape.center]
    value["size"] = [max(round(float(entry), 5), 1e-5) for entry in shape.size]
    return value | ({"turn": round(float(shape.turn), 4)} if shape.turn else {})


_FIELDS = {
    "bitmap": {"size", "runs"},
    "polygon": {"points"},
    "ellipse": {"centre", "size", "turn"},
    "box": {"centre", "size", "turn"},
    "brush": {"points"},
}


def from_json(value: Any, where: str = "the shape") -> Shape:
    """A shape from its JSON object. `where` names it in the UserError that is raised for anything else."""
    if not isinstance(value, dict):
        raise UserError(f"{where} is {shown(value)}; an object with a kind was expected")
    kind = value.get("kind")
    if not isinstance(kind, str) or kind not in KINDS:
        raise UserError(f"the kind of {where} is {shown(kind)}: choose one of {', '.join(KINDS)}")
    op = value.get("op", "add")
    if op not in ("add", "subtract"):
        raise UserError(f"the op of {where} is {shown(op)}: choose add or subtract")
    unknown = set(value) - _FIELDS[kind] - {"kind", "op"}
    missing = _FIELDS[kind] - set(value) - {"turn"}
    if unknown or missing:
        raise UserError(
            f"{where} {'has the unknown field' if unknown else 'lacks the field'} '{sorted(unknown or missing)[0]}':"
            f" {_article(kind)} has {', '.join(sorted(_FIELDS[kind]))}"
        )
    subtract = op == "subtract"
    if kind == "bitmap":
        width, height = (int(side) for side in numbers(value["size"], 2, f"'size' of {where}", 1, 16384, whole=True))
        if not isinstance(value["runs"], str):
            raise UserError(f"'runs' of {where} is {shown(value['runs'])}; a text was expected")
        try:
            _decoded(value["runs"], height, width)
        except ValueError as error:
            raise UserError(f"'runs' of {where} cannot be read: {error}; was the state cut or changed?") from error
        return Bitmap(width, height, value["runs"], subtract)
    if kind in ("polygon", "brush"):
        points, least, size = value["points"], (3 if kind == "polygon" else 1), (2 if kind == "polygon" else 3)
        if not isinstance(points, list) or not least <= len(points) <= MOST_POINTS:
            count = f"{len(points)} points" if isinstance(points, list) else shown(points)
            raise UserError(f"'points' of {where} is {count}; a list of {least} to {MOST_POINTS} was expected")
        read = [numbers(p, size, f"point {number} of {where}", -4, 5) for number, p in enumerate(points)]
        if kind == "brush" and any(not 0 < point[2] <= 1 for point in read):
            raise UserError(f"a radius of {where} is not above 0 and at most 1 (shares of the height)")
        return KINDS[kind](tuple(read), subtract)
    center = numbers(value["centre"], 2, f"'centre' of {where}", -4, 5)
    size = numbers(value["size"], 2, f"'size' of {where}", 0, 10)
    (turn,) = numbers([value.get("turn", 0)], 1, f"'turn' of {where}", -1e6, 1e6)
    if min(size) <= 0:
        raise UserError(f"'size' of {where} is {shown(value['size'])}; two numbers above 0 were expected")
    return KINDS[kind](center, size, turn, subtract)


def numbers(value: Any, count: int, what: str, low: float, high: float, whole: bool = False) -> tuple[float, ...]:
    """`count` numbers from `low` to `high` from a JSON list, or the UserError that says what came."""
    fits = isinstance(value, (list, tuple)) and len(value) == count
    fits = fits and all(isinstance(e, (int, float)) and not isinstance(e, bool) and low <= e <= high for e in value)
    if not fits or (whole and any(entry != int(entry) for entry in value)):
        kind = "whole numbers" if whole else "numbers"
        if count == 1:
            raise UserError(f"{what} is {shown(value[0])}; a number from {low:g} to {high:g} was expected")
        raise UserError(f"{what} is {shown(value)}; {count} {kind} from {low:g} to {high:g} were expected")
    return tuple(float(entry) for entry in value)


def _article(kind: str) -> str:
    return ("an " if kind[0] in "aeiou" else "a ") + kind


def shown(value: Any) -> str:
    """A value as an error shows it: never longer than a line."""
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
