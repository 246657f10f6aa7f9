"""Outlines to antialiased masks: how much of each pixel they cover.

Pixel (row, column) is the unit square from (column, row) to (column + 1, row + 1). All of it is plain arithmetic, so
that the page's mask painter can compute the same numbers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

# How many cuts of edges are worked on at once, which bounds the memory.
CHUNK = 500_000


def clean(cover: np.ndarray) -> np.ndarray:
    """Return the cover as float32, with what rounding left of 0 and 1 (a millionth) made 0 and 1."""
    cover = np.where(cover < 1e-6, 0, cover)
    return np.where(cover > 1 - 1e-6, 1, cover).astype(np.float32)


def polygon_cover(points: np.ndarray, height: int, width: int) -> np.ndarray:
    """Return the covered share of each pixel (height, width) of the closed polygon (N, 2), x and y in pixels.

    Exact for outlines that do not cross themselves. Where they do, parts run around twice in one direction are filled,
    as a lasso is meant. Every edge is cut where it crosses pixel borders; a piece adds its height, weighted by the
    share of its pixel to its right, and a sum along the row carries it to all pixels further right (the signed-area
    accumulation of font rasterizers).
    """
    edges = _Edges.of_polygon(np.asarray(points, np.float64), height)
    if not len(edges):
        return np.zeros((height, width), np.float32)
    total = np.zeros(height * (width + 2))
    cuts = np.minimum(np.abs(edges.vector[:, 0]), width) + np.minimum(np.abs(edges.vector[:, 1]), height) + 4
    group = (np.cumsum(cuts) // CHUNK).astype(int)
    for number in np.unique(group):
        _accumulate(total, edges.chosen(group == number), height, width)
    sums: np.ndarray = np.cumsum(total.reshape(height, width + 2), 1)[:, :width]
    return clean(np.minimum(np.abs(sums), 1))


@dataclass(frozen=True, eq=False)
class _Edges:
    """The parts of edges within the rows of an image: start + t vector, first <= t <= last, x and y in pixels."""

    start: np.ndarray
    vector: np.ndarray
    first: np.ndarray
    last: np.ndarray

    @classmethod
    def of_polygon(cls, points: np.ndarray, height: int) -> _Edges:
        """Return the edges of a closed polygon (N, 2) that are not level.

        What lies above or below the image is cut away; left and right of the image the height still counts.
        """
        start, end = points, np.roll(points, -1, 0)
        slanted = start[:, 1] != end[:, 1]
        start, end = start[slanted], end[slanted]
        vector = end - start
        limits = np.sort((np.array([[0.0, height]]) - start[:, 1:]) / vector[:, 1:], axis=1)
        edges = cls(start, vector, np.maximum(limits[:, 0], 0), np.minimum(limits[:, 1], 1))
        return edges.chosen(edges.first < edges.last)

    def __len__(self) -> int:
        return len(self.start)

    def chosen(self, chosen: np.ndarray) -> _Edges:
        """Return some of the edges, by a bool array (N,)."""
        return _Edges(self.start[chosen], self.vector[chosen], self.first[chosen], self.last[chosen])


def _accumulate(total: np.ndarray, edges: _Edges, height: int, width: int) -> None:
    """Add the pieces of edges to the flat sums (height * (width + 2))."""
    edge, begin, end = _cut_at_pixels(edges, height, width)
    middle = edges.start[edge] + ((begin + end) / 2)[:, None] * edges.vector[edge]
    rise = (end - begin) * edges.vector[edge, 1]
    x = np.clip(middle[:, 0], 0, width)
    column = np.floor(x)
    row = np.clip(np.floor(middle[:, 1]), 0, height - 1)
    place = (row * (width + 2) + column).astype(np.int64)
    total += np.bincount(place, rise * (1 - (x - column)), total.size)
    total += np.bincount(place + 1, rise * (x - column), total.size)


def _cut_at_pixels(edges: _Edges, height: int, width: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return pieces of edges that lie within one pixel each: the number of the edge, and t at both ends."""
    numbers, times = [np.arange(len(edges))] * 2, [edges.first, edges.last]
    for axis, size in ((0, width), (1, height)):
        start, vector = edges.start[:, axis], edges.vector[:, axis]
        one, other = start + edges.first * vector, start + edges.last * vector
        low = np.maximum(np.ceil(np.minimum(one, other)), 0)
        high = np.minimum(np.floor(np.maximum(one, other)), size)
        count = np.where(vector != 0, np.maximum(high - low + 1, 0), 0).astype(int)
        edge = np.repeat(np.arange(len(edges)), count)
        line = np.repeat(low, count) + np.arange(len(edge)) - np.repeat(np.cumsum(count) - count, count)
        numbers.append(edge)
        times.append(np.clip((line - start[edge]) / vector[edge], edges.first[edge], edges.last[edge]))
    edge, time = np.concatenate(numbers), np.concatenate(times)
    order = np.lexsort((time, edge))
    edge, time = edge[order], time[order]
    same = (edge[1:] == edge[:-1]) & (time[1:] > time[:-1])
    return edge[:-1][same], time[:-1][same], time[1:][same]


def brush_cover(points: np.ndarray, height: int, width: int) -> np.ndarray:
    """Return the cover (height, width) of a stroke: points (N, 3) x, y and radius, in pixels, joined by round strokes.

    A pixel's cover is 0.5 minus the distance of its center to the stroke's edge, kept within 0..1; along a segment the
    radius runs from that of its first point to that of its second.
    """
    points = np.asarray(points, np.float64)
    cover = np.zeros((height, width), np.float32)
    pairs = zip(points[:-1], points[1:], strict=True) if len(points) > 1 else [(points[0], points[0])]
    for one, other in pairs:
        radius = max(one[2], other[2]) + 1
        left, right = _touched(one[0], other[0], radius, width)
        top, bottom = _touched(one[1], other[1], radius, height)
        if left >= right or top >= bottom:
            continue
        x = np.arange(left, right)[None] + 0.5 - one[0]
        y = np.arange(top, bottom)[:, None] + 0.5 - one[1]
        dx, dy, widens = other - one
        length2 = dx * dx + dy * dy
        share = np.clip((x * dx + y * dy) / length2, 0, 1) if length2 > 0 else np.zeros(())
        if length2 == 0 and widens > 0:
            share = np.ones(())
        distance = np.sqrt((x - share * dx) ** 2 + (y - share * dy) ** 2) - (one[2] + share * widens)
        part = cover[top:bottom, left:right]
        np.maximum(part, np.clip(0.5 - distance, 0, 1), out=part, casting="unsafe")
    return cover


def _touched(one: float, other: float, radius: float, size: int) -> tuple[int, int]:
    """Return the pixels, first and one past the last, that a stroke between two coordinates can touch."""
    low, high = min(one, other) - radius, max(one, other) + radius
    return int(max(0, np.floor(low))), int(min(size, np.ceil(high)))
