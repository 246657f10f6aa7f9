"""Mask shapes as JSON objects and back.

A shape is an object with "kind" (`shapes.KINDS`), "op" ("add", or "subtract") where it takes away, and the fields of
its class, for example {"kind": "ellipse", "centre": [0.5, 0.5], "size": [0.2, 0.4], "turn": 30}. The page's painter
writes and refuses the same, in the same words (web/mask_painter/text.mjs).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..errors import UserError, shorten
from ..files import JsonObject
from .shapes import KINDS, Bitmap, Box, Brush, Ellipse, Polygon, Shape, decode_runs

MOST_POINTS = 5000
MOST_PIXELS = 16384  # per side of a bitmap
# How far beyond the image positions may lie, in shares of it.
LOWEST, HIGHEST = -4, 5

Json = Mapping[str, Any]


def to_json(shape: Shape) -> JsonObject:
    """Return the shape as a JSON object; positions are rounded to a hundred-thousandth of the image."""
    kind = next(name for name, cls in KINDS.items() if isinstance(shape, cls))
    value: JsonObject = {"kind": kind}
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


def from_json(value: object, where: str = "the shape") -> Shape:
    """Return a shape from its JSON object. Raises UserError, calling the shape `where`, for anything else."""
    if not isinstance(value, dict):
        raise UserError(f"{where} is {shorten(value)}; an object with a kind was expected")
    kind = value.get("kind")
    if not isinstance(kind, str) or kind not in KINDS:
        raise UserError(f"the kind of {where} is {shorten(kind)}: choose one of {', '.join(KINDS)}")
    op = value.get("op", "add")
    if op not in ("add", "subtract"):
        raise UserError(f"the op of {where} is {shorten(op)}: choose add or subtract")
    fields, read = _READERS[kind]
    unknown = set(value) - fields - {"kind", "op"}
    missing = fields - set(value) - {"turn"}
    if unknown or missing:
        article = "an" if kind[0] in "aeiou" else "a"
        raise UserError(
            f"{where} {'has the unknown field' if unknown else 'lacks the field'} '{sorted(unknown or missing)[0]}':"
            f" {article} {kind} has {', '.join(sorted(fields))}"
        )
    return read(value, where, op == "subtract")


def _read_bitmap(value: Json, where: str, subtract: bool) -> Bitmap:
    sides = read_numbers(value["size"], 2, f"'size' of {where}", 1, MOST_PIXELS, whole=True)
    width, height = int(sides[0]), int(sides[1])
    text = value["runs"]
    if not isinstance(text, str):
        raise UserError(f"'runs' of {where} is {shorten(text)}; a text was expected")
    try:
        decode_runs(text, height, width)
    except ValueError as error:
        raise UserError(f"'runs' of {where} cannot be read: {error}; was the state cut or changed?") from error
    return Bitmap(width, height, text, subtract)


def _read_points(value: Json, where: str, least: int, size: int) -> list[tuple[float, ...]]:
    points = value["points"]
    if not isinstance(points, list) or not least <= len(points) <= MOST_POINTS:
        count = f"{len(points)} points" if isinstance(points, list) else shorten(points)
        raise UserError(f"'points' of {where} is {count}; a list of {least} to {MOST_POINTS} was expected")
    return [
        read_numbers(point, size, f"point {number} of {where}", LOWEST, HIGHEST) for number, point in enumerate(points)
    ]


def _read_polygon(value: Json, where: str, subtract: bool) -> Polygon:
    return Polygon(tuple((x, y) for x, y in _read_points(value, where, 3, 2)), subtract)


def _read_brush(value: Json, where: str, subtract: bool) -> Brush:
    points = _read_points(value, where, 1, 3)
    if any(not 0 < radius <= 1 for _, _, radius in points):
        raise UserError(f"a radius of {where} is not above 0 and at most 1 (shares of the height)")
    return Brush(tuple((x, y, radius) for x, y, radius in points), subtract)


def _read_placed(cls: type[Ellipse] | type[Box]) -> Callable[[Json, str, bool], Ellipse | Box]:
    """Return the reader of a shape that has a center, a size and a turn."""

    def read(value: Json, where: str, subtract: bool) -> Ellipse | Box:
        x, y = read_numbers(value["centre"], 2, f"'centre' of {where}", LOWEST, HIGHEST)
        width, height = read_numbers(value["size"], 2, f"'size' of {where}", 0, 10)
        (turn,) = read_numbers([value.get("turn", 0)], 1, f"'turn' of {where}", -1e6, 1e6)
        if min(width, height) <= 0:
            raise UserError(f"'size' of {where} is {shorten(value['size'])}; two numbers above 0 were expected")
        return cls((x, y), (width, height), turn, subtract)

    return read


# Of each kind: the fields of its object, and what reads them.
_READERS: dict[str, tuple[set[str], Callable[[Json, str, bool], Shape]]] = {
    "bitmap": ({"size", "runs"}, _read_bitmap),
    "polygon": ({"points"}, _read_polygon),
    "ellipse": ({"centre", "size", "turn"}, _read_placed(Ellipse)),
    "box": ({"centre", "size", "turn"}, _read_placed(Box)),
    "brush": ({"points"}, _read_brush),
}


def read_numbers(
    value: object, count: int, what: str, low: float, high: float, whole: bool = False
) -> tuple[float, ...]:
    """Return `count` numbers from `low` to `high` of a JSON list. Raises UserError, naming `what`, otherwise."""
    entries = list(value) if isinstance(value, (list, tuple)) else []
    fits = len(entries) == count and all(_is_number(entry) and low <= entry <= high for entry in entries)
    if not fits or (whole and any(entry != int(entry) for entry in entries)):
        if count == 1:
            raise UserError(f"{what} is {shorten(entries[0])}; a number from {low:g} to {high:g} was expected")
        kind = "whole numbers" if whole else "numbers"
        raise UserError(f"{what} is {shorten(value)}; {count} {kind} from {low:g} to {high:g} were expected")
    return tuple(float(entry) for entry in entries)


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
