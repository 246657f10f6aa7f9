"""Mask shapes as data: what a painter draws, at any size.

Positions are shares of the image: x of its width, y of its height, both 0 at the top left. Sizes likewise; a brush's
radius is a share of the height. A turn is in degrees, clockwise, in the image's own proportions, so a turned box
stays a box. A mask is a list of shapes laid on one another: each adds to what the ones before it cover, or takes away.

`shape_json.py` writes them as JSON and reads them back.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from ..images import resize
from . import runs
from .raster import brush_cover, clean, polygon_cover

Point = tuple[float, float]
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
        """Return the bitmap of a mask (H, W); more than 0.5 is white."""
        height, width = np.shape(mask)
        return cls(width, height, runs.encode(mask), subtract)

    def cover(self, height: int, width: int) -> np.ndarray:
        """Return the covered share of each pixel (height, width), float32, as those of all shapes do."""
        mask = decode_runs(self.runs, self.height, self.width).astype(np.float32)
        return clean(resize(mask, height, width))


@lru_cache(maxsize=16)
def decode_runs(text: str, height: int, width: int) -> np.ndarray:
    """Return the mask of a bitmap's runs, cached and read-only. Raises ValueError as `runs.decode` does."""
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
KINDS: dict[str, type[Shape]] = {"bitmap": Bitmap, "polygon": Polygon, "ellipse": Ellipse, "box": Box, "brush": Brush}


def _placed(corners: np.ndarray, shape: Ellipse | Box, height: int, width: int) -> np.ndarray:
    """Return corners (N, 2) of a shape of size 1 about 0, in pixels: sized, turned, moved to the center."""
    scale = np.array([width, height], np.float64)
    x, y = (corners * shape.size * scale).T
    cosine, sine = math.cos(math.radians(shape.turn)), math.sin(math.radians(shape.turn))
    return np.stack([cosine * x - sine * y, sine * x + cosine * y], 1) + shape.center * scale


def rasterize(shapes: Shape | Sequence[Shape], height: int, width: int) -> np.ndarray:
    """Return the mask (height, width), float32 0..1 with soft edges, of a shape or of several laid on one another."""
    mask = np.zeros((height, width), np.float32)
    for shape in shapes if isinstance(shapes, Sequence) else [shapes]:
        cover = shape.cover(height, width)
        mask = np.minimum(mask, 1 - cover) if shape.subtract else np.maximum(mask, cover)
    return mask
