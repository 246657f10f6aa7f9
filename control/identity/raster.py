"""Outlines to antialiased masks: how much of each pixel they cover.

Pixel (row, column) is the unit square from (column, row) to (column + 1, row + 1). All of it is plain arithmetic, so
that the page's mask painter can compute the same numbers.
"""

from __future__ import annotations

import numpy as np

# How many cuts of edges are worked on at once, which bounds the memory.
CHUNK = 500_000


def clean(cover: np.ndarray) -> np.ndarray:
    """The cover as float32, with what rounding left of 0 and 1 (a millionth) made 0 and 1."""
    cover = np.where(cover < 1e-6, 0, cover)
    return np.where(cover > 1 - 1e-6, 1, cover).astype(np.float32)


def polygon_cover(points: np.ndarray, height: int, width: int) -> np.ndarray:
    """The covered share of each pixel (height, width) of the closed polygon (N, 2), x and y in pixels.

    Exact for outlines that do not cross themselves. Where they do, parts run around twice in one direction are filled,
    as a lasso is meant. Every edge is cut where it crosses pixel borders; a piece adds its height, weighted by the
    share of its pixel to its right, and a sum along the row carries it to all pixels further right (the signed-area
    accumulation of font rasterizers).
    """
    points = np.asarray(points, np.float64)
    start, end = points, np.roll(points, -1, 0)
    slanted = start[:, 1] != end[:, 1]
    start, end = start[slanted], end[slanted]
    # What lies above or below the image is cut away; left and right of it the height still counts.
    reach = end - start
    limits = np.sort((np.array([[0.0, height]]) - start[:, 1:]) / reach[:, 1:], axis=1)
    first, last = np.maximum(limits[:, 0], 0), np.minimum(limits[:, 1], 1)
    kept = first < last
    start, reach, first, last = start[kept], reach[kept], first[kept], last[kept]
    total = np.zeros(height * (width + 2))
    if not len(start):
        return np.zeros((height, width), np.float32)
    cuts = np.minimum(np.abs(reach[:, 0]), width) + np.minimum(np.abs(reach[:, 1]), height) + 4
    group = (np.cumsum(cuts) // CHUNK).astype(int)
    for number in np.unique(group):
        chosen = group == number
        _accumulate(total, start[chosen], reach[chosen], first[chosen], last[chosen], height, width)
    total = total.reshape(height, width + 2)
    return clean(np.minimum(np.abs(np.cumsum(total, 1)[:, :width]), 1))


def _accumulate(total, start, reach, first, last, height: int, width: int) -> None:
    """Add the pieces of edges start + t reach, first <= t <= last, to the flat sums (height * (width + 2))."""
    edges, times = [np.arange(len(start))] * 2, [first, last]
    for axis, size in ((0, width), (1, height)):
        one, other = start[:, axis] + first * reach[:, axis], start[:, axis] + last * reach[:, axis]
        low = np.maximum(np.ceil(np.minimum(one, other)), 0)
        high = np.minimum(np.floor(np.maximum(one, other)), size)
        count = np.where(reach[:, axis] != 0, np.maximum(high - low + 1, 0), 0).astype(int)
        edge = np.repeat(np.arange(len(start)), count)
        line = np.repeat(low, count) + np.arange(len(edge)) - np.repeat(np.cumsum(count) - count, count)
        time = (line - start[edge, axis]) / reach[edge, axis]
        edges.append(edge)
        times.append(np.clip(time, first[edge], last[edge]))
    edge, time = np.concatenate(edges), np.concatenate(times)
    order = np.lexsort((time, edge))
    edge, time = edge[order], time[order]
    same = (edge[1:] == edge[:-1]) & (time[1:] > time[:-1])
    edge, begin, finish = edge[:-1][same], time[:-1][same], time[1:][same]
    middle = start[edge] + ((begin + finish) / 2)[:, None] * reach[edge]
    rise = (finish - begin) * reach[edge, 1]
    x = np.clip(middle[:, 0], 0, width)
    column = np.floor(x)
    row = np.clip(np.floor(middle[:, 1]), 0, height - 1)
    place = (row * (width + 2) + column).astype(np.int64)
    total += np.bincount(place, rise * (1 - (x - column)), total.size)
    total += np.bincount(place + 1, rise * (x - column), total.size)


def brush_cover(points: np.ndarray, height: int, width: int) -> np.ndarray:
    """The cover (height, width) of a stroke: points (N, 3) x, y and radius, in pixels, joined by round strokes.

    A pixel's cover is 0.5 minus the distance of its center to the stroke's edge, kept within 0..1; along a segment the
    radius runs from that of its first point to that of its second.
    """
    points = np.asarray(points, np.float64)
    cover = np.zeros((height, width), np.float32)
    pairs = zip(points[:-1], points[1:], strict=True) if len(points) > 1 else [(points[0], points[0])]
    for one, other in pairs:
        reach = max(one[2], other[2]) + 1
        left, right = _span(one[0], other[0], reach, width)
        top, bottom = _span(one[1], other[1], reach, height)
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


def _span(one: float, other: float, reach: float, size: int) -> tuple[int, int]:
    """The pixels, first and one past the last, that a stroke between two coordinates can touch."""
    low, high = min(one, other) - reach, max(one, other) + reach
    return int(max(0, np.floor(low))), int(min(size, np.ceil(high)))
