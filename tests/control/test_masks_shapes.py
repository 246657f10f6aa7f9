"""Mask shapes: what they cover, how they travel as JSON, and what is refused."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from comfyui_fulldit.control.errors import UserError
from comfyui_fulldit.control.identity import runs
from comfyui_fulldit.control.identity.raster import polygon_cover
from comfyui_fulldit.control.identity.shape_json import from_json, to_json
from comfyui_fulldit.control.identity.shapes import (
    Bitmap,
    Box,
    Brush,
    Ellipse,
    Polygon,
    rasterize,
)


@given(st.integers(1, 24), st.integers(1, 24), st.integers(0, 1000), st.floats(0, 1))
@settings(max_examples=60, deadline=None)
def test_runs_give_every_mask_back(height, width, seed, share):
    mask = np.random.default_rng(seed).random((height, width)) < share
    assert (runs.decode(runs.encode(mask), height, width) == mask).all()


def test_an_outline_costs_a_few_bytes_a_row():
    mask = rasterize(Ellipse((0.4, 0.5), (0.5, 0.8), 30), 720, 1280)
    text = runs.encode(mask)
    assert len(text) < 2400
    assert (runs.decode(text, 720, 1280) == (mask > 0.5)).all()


@pytest.mark.parametrize(
    ("text", "says"),
    [("!!", "base64"), ("", "empty"), ("gA==", "cut"), ("AA==", "add up"), ("////////fw==", "large"), ("é", "base64")],
)
def test_text_that_is_not_runs_is_refused(text, says):
    with pytest.raises(ValueError, match=says):
        runs.decode(text, 4, 4)
    with pytest.raises(UserError, match="'runs' of shape 3"):
        from_json({"kind": "bitmap", "size": [4, 4], "runs": text}, "shape 3")


@given(st.binary(max_size=40), st.integers(1, 9), st.integers(1, 9))
@settings(max_examples=200, deadline=None)
def test_no_bytes_break_the_reader_of_runs(data, height, width):
    import base64

    try:
        mask = runs.decode(base64.b64encode(data).decode(), height, width)
    except ValueError:
        return
    assert mask.shape == (height, width)


def test_a_box_covers_its_pixels_and_halves_at_its_edges():
    mask = rasterize(Box((0.5, 0.5), (0.5, 0.5)), 8, 10)
    assert mask.shape == (8, 10) and mask.dtype == np.float32
    assert mask[4, 5] == 1 and mask[4, 2] == 0.5 and mask[1, 5] == 0
    assert mask.sum() == pytest.approx(20)


@pytest.mark.parametrize("turn", [0, 17, 45, 90, -200])
def test_a_turn_keeps_the_area(turn):
    assert rasterize(Box((0.5, 0.5), (0.3, 0.2), turn), 64, 96).sum() == pytest.approx(0.06 * 64 * 96, rel=1e-5)
    ellipse = rasterize(Ellipse((0.5, 0.5), (0.3, 0.2), turn), 64, 96)
    assert ellipse.sum() == pytest.approx(math.pi / 4 * 0.06 * 64 * 96, rel=1e-4)


def test_a_turn_is_clockwise_in_the_images_own_proportions():
    mask = rasterize(Box((0.5, 0.5), (0.4, 0.02), 45), 100, 200)
    # A bar turned clockwise falls from the top left to the bottom right, at 45 degrees in pixels.
    assert mask[70, 120] > 0.5 and mask[30, 80] > 0.5 and mask[70, 80] == 0
    assert mask[60, 100 + 10] > 0.5


@given(st.integers(0, 10_000))
@settings(max_examples=25, deadline=None)
def test_a_polygons_cover_is_its_area_within_the_image(seed):
    random = np.random.default_rng(seed)
    angles = np.sort(random.random(7) * 2 * np.pi)
    points = np.stack([np.cos(angles), np.sin(angles)], 1) * 12 + random.random(2) * 10 + 4
    cover = polygon_cover(points, 20, 30)
    # Against counting points of an eight times finer grid.
    ys, xs = np.mgrid[0:160, 0:240] / 8 + 1 / 16
    inside = np.zeros(xs.shape, bool)
    for (ax, ay), (bx, by) in zip(points, np.roll(points, -1, 0), strict=True):
        crosses = (ay <= ys) != (by <= ys)
        with np.errstate(all="ignore"):
            inside ^= crosses & (xs < ax + (ys - ay) / (by - ay) * (bx - ax))
    counted = inside.reshape(20, 8, 30, 8).mean((1, 3))
    assert np.abs(cover - counted).max() < 0.13 and abs(cover.sum() - counted.sum()) < 1.5


def test_a_lasso_that_overlaps_itself_stays_filled():
    around = [(0.5 + 0.3 * math.cos(a), 0.5 + 0.3 * math.sin(a)) for a in np.linspace(0, 5 * math.pi, 60)]
    assert rasterize(Polygon(tuple(around)), 64, 64)[32, 32] == 1


def test_a_brush_is_round_and_follows_the_pen():
    dot = rasterize(Brush(((0.5, 0.5, 0.25),)), 64, 96)
    assert dot.sum() == pytest.approx(math.pi * 16**2, rel=0.01)
    stroke = rasterize(Brush(((0.2, 0.5, 0.05), (0.8, 0.5, 0.2))), 100, 200)
    assert (stroke[:, 45] > 0.5).sum() < (stroke[:, 150] > 0.5).sum()
    assert stroke[50, 100] == 1
    # One point within another's disc adds nothing.
    assert (
        rasterize(Brush(((0.5, 0.5, 0.2), (0.5, 0.5, 0.1))), 64, 64) == rasterize(Brush(((0.5, 0.5, 0.2),)), 64, 64)
    ).all()


def test_shapes_add_and_take_away_in_order():
    whole, hole = Box((0.5, 0.5), (0.5, 0.5)), Box((0.5, 0.5), (0.25, 0.25), subtract=True)
    ring = rasterize([whole, hole], 32, 32)
    assert ring[16, 16] == 0 and ring[16, 10] == 1
    assert rasterize([hole, whole], 32, 32)[16, 16] == 1
    assert rasterize([], 4, 4).sum() == 0


def test_a_bitmap_is_exact_at_its_own_size_and_fits_any_other():
    mask = rasterize(Ellipse((0.4, 0.5), (0.5, 0.8), 30), 48, 72) > 0.5
    bitmap = Bitmap.of(mask)
    assert (rasterize(bitmap, 48, 72) == mask).all()
    large = rasterize(bitmap, 96, 144)
    assert large.sum() == pytest.approx(4 * mask.sum(), rel=0.01)


SHAPES = [
    Bitmap.of(np.eye(5)),
    Polygon(((0.1, 0.1), (0.9, 0.2), (0.5, 1.5)), subtract=True),
    Ellipse((0.5, -0.25), (0.25, 0.125), 30.0),
    Box((0.5, 0.5), (1.0, 0.5)),
    Brush(((0.5, 0.5, 0.125), (0.75, 0.5, 0.0625))),
]


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: type(shape).__name__)
def test_json_gives_every_shape_back(shape):
    assert from_json(json.loads(json.dumps(to_json(shape)))) == shape


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (7, "is 7; an object"),
        ({"kind": "star"}, "'star': choose one of bitmap, polygon, ellipse, box, brush"),
        ({"kind": ["box"]}, "choose one of"),
        ({"kind": "box", "centre": [0.5, 0.5]}, "lacks the field 'size'"),
        ({"kind": "box", "centre": [0.5, 0.5], "size": [1, 1], "radius": 3}, "unknown field 'radius'"),
        ({"kind": "box", "centre": [0.5, "x"], "size": [1, 1]}, "'centre' of shape 2"),
        ({"kind": "box", "centre": [0.5, math.nan], "size": [1, 1]}, "from -4 to 5"),
        ({"kind": "ellipse", "centre": [0.5, 0.5], "size": [0, 1]}, "above 0"),
        ({"kind": "ellipse", "centre": [0.5, 0.5], "size": [1, 1], "turn": True}, "'turn' of shape 2"),
        ({"kind": "polygon", "points": [[0, 0], [1, 1]]}, "2 points; a list of 3"),
        ({"kind": "polygon", "points": [[0, 0], [1, 1], [1]]}, "Point 2 of shape 2"),
        ({"kind": "polygon", "points": "abc"}, "'points'"),
        ({"kind": "brush", "points": [[0, 0, 0]]}, "radius"),
        ({"kind": "brush", "points": [[0, 0, 0.1]] * 6000}, "6000 points"),
        ({"kind": "bitmap", "size": [4.5, 4], "runs": ""}, "whole numbers"),
        ({"kind": "bitmap", "size": [10**9, 4], "runs": ""}, "16384"),
        ({"kind": "bitmap", "size": [16384, 16384], "runs": "AA=="}, "larger than"),
        ({"kind": "bitmap", "size": [4, 4], "runs": 4}, "a text was expected"),
        ({"kind": "box", "op": "xor", "centre": [0, 0], "size": [1, 1]}, "add or subtract"),
    ],
)
def test_what_is_not_a_shape_is_refused_by_name(value, says):
    with pytest.raises(UserError, match=says):
        from_json(value, "shape 2")
