"""Masks between keyframes keep their form, keys are exact, and the painter's state is read strictly."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from comfyui_fulldit.control.camera.easing import apply_easing
from comfyui_fulldit.control.errors import UserError
from comfyui_fulldit.control.identity.inbetween import Between, Form, signed_distance
from comfyui_fulldit.control.identity.keyframes import MaskKey, Masklet
from comfyui_fulldit.control.identity.shapes import Bitmap, Box, Ellipse, Polygon, rasterize
from comfyui_fulldit.control.identity.state import MaskSlot, MaskState, state_from_json, state_to_json

H, W = 128, 192


def iou(one: np.ndarray, other: np.ndarray) -> float:
    one, other = one > 0.5, other > 0.5
    return (one & other).sum() / max(1, (one | other).sum())


def outline(points, center, size, turn) -> Polygon:
    """A polygon about its own center of mass, `size` in image heights."""
    p = np.array(points, float)
    q = np.roll(p, -1, 0)
    cross = p[:, 0] * q[:, 1] - q[:, 0] * p[:, 1]
    p = (p - ((p + q) * cross[:, None]).sum(0) / (3 * cross.sum())) * size * H
    a = math.radians(turn)
    p = p @ np.array([[math.cos(a), math.sin(a)], [-math.sin(a), math.cos(a)]]) / (W, H) + center
    return Polygon(tuple(map(tuple, p)))


POINTS = {
    "boot": [(-0.5, -0.5), (-0.1, -0.5), (-0.1, 0.2), (0.5, 0.2), (0.5, 0.5), (-0.5, 0.5)],
    "bar": [(-0.5, -0.1), (0.5, -0.1), (0.5, 0.1), (-0.5, 0.1)],
    "kite": [(0, -0.5), (0.35, -0.1), (0, 0.5), (-0.35, -0.1)],
}
MOTIONS = {
    "far": ((0.2, 0.5), (0.8, 0.4), 0.35, 0.35, 0, 0),
    "grow": ((0.5, 0.5), (0.5, 0.5), 0.2, 0.7, 0, 0),
    "turn": ((0.5, 0.5), (0.5, 0.5), 0.6, 0.6, 0, 80),
    "all": ((0.25, 0.35), (0.7, 0.55), 0.3, 0.65, -20, 60),
    "leaves": ((0.5, 0.5), (1.0, 0.5), 0.6, 0.6, 0, 0),
}


@pytest.mark.parametrize("motion", MOTIONS)
@pytest.mark.parametrize("name", POINTS)
def test_moving_growing_and_turning_shapes_keep_their_form(name, motion):
    c0, c1, s0, s1, t0, t1 = MOTIONS[motion]
    between = Between(*(Form(rasterize(outline(POINTS[name], *v), H, W)) for v in ((c0, s0, t0), (c1, s1, t1))))
    found = []
    for w in (0.2, 0.5, 0.8):
        center = np.add(np.multiply(c0, 1 - w), np.multiply(c1, w))
        truth = rasterize(outline(POINTS[name], center, s0 + w * (s1 - s0), t0 + w * (t1 - t0)), H, W)
        found.append(iou(between.at(w), truth))
    assert np.mean(found) > 0.93, found  # at this small size a pixel weighs much: the benchmark measures 672x384


def test_stretching_ellipses_pass_through_ellipses():
    between = Between(*(Form(Ellipse((0.5, 0.5), size).cover(H, W)) for size in ((0.5, 0.3), (0.5, 0.6))))
    assert iou(between.at(0.5), Ellipse((0.5, 0.5), (0.5, 0.45)).cover(H, W)) > 0.96


def test_the_way_back_is_the_way_there():
    one = Form(outline(POINTS["boot"], (0.3, 0.4), 0.4, 0).cover(H, W))
    other = Form(outline(POINTS["boot"], (0.7, 0.5), 0.7, 50).cover(H, W))
    assert iou(Between(one, other).at(0.3), Between(other, one).at(0.7)) > 0.98


def test_a_stated_turn_goes_all_the_way_round():
    bar = Bitmap.of(rasterize(Box((0.5, 0.5), (0.5, 0.1)), H, W))
    track = Masklet((MaskKey(0, (bar,), turn=360), MaskKey(8, (bar,))), 9)
    masks = track.rasterize(H, W)
    assert iou(masks[2], rasterize(Box((0.5, 0.5), (0.5, 0.1), 90), H, W)) > 0.9
    assert iou(masks[4], masks[0]) > 0.97
    still = Masklet((MaskKey(0, (bar,)), MaskKey(8, (bar,))), 9).rasterize(H, W)
    assert (still == still[0]).all()


def test_the_distance_is_exact_for_a_straight_edge():
    mask = np.zeros((6, 10))
    mask[:, :4] = 1
    assert signed_distance(mask)[3] == pytest.approx(np.arange(10) + 0.5 - 4)
    assert signed_distance(np.ones((5, 5)))[2] == pytest.approx([-0.5, -1.5, -2.5, -1.5, -0.5])


@pytest.mark.parametrize("ease", ["linear", "smooth", "hold", "back_in_out", "expo_out"])
def test_keys_are_exact_and_eases_are_obeyed(ease):
    shapes = [(Box((0.3, 0.5), (0.2, 0.3)),), (Box((0.7, 0.5), (0.2, 0.3)),)]
    track = Masklet((MaskKey(2, shapes[0], ease), MaskKey(8, shapes[1])), 11)
    masks = track.rasterize(H, W)
    first, last = (rasterize(shape, H, W) for shape in shapes)
    assert (masks[:3] == first).all() and (masks[8:] == last).all()
    if ease == "hold":
        assert (masks[3:8] == first).all()
    else:
        centers = [(mask.sum(0) @ (np.arange(W) + 0.5)) / mask.sum() / W for mask in masks]
        assert centers[2:9] == pytest.approx(0.3 + 0.4 * apply_easing(np.arange(7) / 6, ease), abs=0.004)


def test_an_empty_key_takes_the_object_out_of_the_image():
    box = (Box((0.5, 0.5), (0.3, 0.3)),)
    track = Masklet((MaskKey(0, box), MaskKey(3), MaskKey(6, box)), 9)
    assert [bool(mask.any()) for mask in track.masks(16, 24)] == [True] * 3 + [False] * 3 + [True] * 3
    assert not Masklet((), 3).rasterize(16, 24).any()


def test_a_masklet_spreads_over_another_number_of_frames():
    track = Masklet((MaskKey(0, (Box((0.2, 0.5), (0.2, 0.3)),)), MaskKey(4, (Box((0.8, 0.5), (0.2, 0.3)),))), 5)
    few, many = track.rasterize(64, 96), track.rasterize(64, 96, frames=9)
    assert (few == many[::2]).all()
    assert track.rasterize(64, 96, frames=1).shape == (1, 64, 96)
    seen = []
    track.rasterize(16, 16, progress=lambda: seen.append(1))
    assert len(seen) == 5


def test_tiny_full_and_cut_masks_do_not_break():
    tiny, full = np.zeros((8, 9)), np.ones((8, 9))
    tiny[3, 4] = 1
    corner, row = np.zeros((8, 9)), np.zeros((8, 9))
    corner[0, 0] = row[2] = 1
    for one, other in ((tiny, full), (full, tiny), (full, full), (corner, row), (row, tiny), (tiny, tiny)):
        mask = Between(Form(one), Form(other)).at(0.4)
        assert np.isfinite(mask).all() and mask.min() >= 0 and mask.max() <= 1
    assert Between(Form(np.ones((1, 1))), Form(np.ones((1, 1)))).at(0.5).shape == (1, 1)


@pytest.mark.parametrize(
    ("keys", "frames", "says"),
    [
        ((MaskKey(2), MaskKey(2)), 5, "Two mask keys stand at frame 2"),
        ((MaskKey(5),), 5, "frames 0 to 4"),
        ((MaskKey(0, (), "bouncy"),), 5, "'bouncy' is unknown: choose one of hold, smooth"),
        ((), 0, "1 to"),
    ],
)
def test_what_is_not_a_masklet_is_refused(keys, frames, says):
    with pytest.raises(UserError, match=says):
        Masklet(keys, frames)


def state() -> MaskState:
    cup = Masklet((MaskKey(0, (Box((0.25, 0.5), (0.5, 0.5), 30.0),), "smooth", 90.0), MaskKey(2.5)), 5)
    hat = Masklet((MaskKey(4, (Bitmap.of(np.eye(6)), Ellipse((0.5, 0.5), (0.5, 0.25), subtract=True))),), 5)
    return MaskState(48, 32, 5, (MaskSlot("cup", cup), MaskSlot("hat", hat, "#00ff80", False)))


def test_json_gives_the_state_back():
    text = state_to_json(state())
    assert state_from_json(text) == state() and state_from_json(json.loads(text)) == state()
    tracks = state().rasterize()
    assert [track.shape for track in tracks] == [(5, 32, 48)] * 2
    assert state().rasterize(16, 24, 9)[1].shape == (9, 16, 24)


def test_three_slots_of_eight_painted_keys_stay_small():
    slots = []
    for slot in range(3):
        keys = []
        for number in range(8):
            blob = rasterize(outline(POINTS["boot"], (0.3 + 0.05 * number, 0.5), 0.8, 9 * number + slot), 720, 1280)
            keys.append(MaskKey(15 * number, (Bitmap.of(blob),)))
        slots.append(MaskSlot(f"object {slot}", Masklet(tuple(keys), 121)))
    assert len(state_to_json(MaskState(1280, 720, 121, tuple(slots)))) < 100_000


def changed(path: list, value) -> dict:
    data = json.loads(state_to_json(state()))
    place = data
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    return data


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("", "not JSON"),
        ('{"format": "fulldit-masks", "version": 1, "frames": NaN}', "NaN is not a JSON number"),
        ("[" * 100_000, "not JSON"),
        ("[]", "fulldit-masks"),
        (changed(["version"], 2), "version 2; this pack reads version 1"),
        (changed(["size"], [0, 4]), "'size' of the masks"),
        (changed(["frames"], 1e9), "'frames' of the masks"),
        (changed(["slots"], {}), "'slots'"),
        (changed(["slots", 0], None), "Slot 0 of the masks is None"),
        (changed(["slots", 0, "name"], ""), "name of slot 0"),
        (changed(["slots", 0, "colour"], "red"), "color of slot 'cup' is 'red'"),
        (changed(["slots", 0, "visible"], 1), "'visible' of slot 'cup'"),
        (changed(["slots", 0, "layer"], 1), "unknown field 'layer'"),
        (changed(["slots", 0, "keys"], 4), "'keys' of slot 'cup'"),
        (changed(["slots", 0, "keys", 1], 4), "Key 1 of slot 'cup' is 4"),
        (changed(["slots", 0, "keys", 1, "frame"], 5), "'frame' of key 1 of slot 'cup' is 5; a number from 0 to 4"),
        (changed(["slots", 0, "keys", 1, "frame"], 0), "two mask keys stand at frame 0"),
        (changed(["slots", 0, "keys", 1, "time"], 0), "both a frame and a time"),
        (changed(["slots", 0, "keys", 1, "ease"], ["linear"]), "ease of key 1"),
        (changed(["slots", 0, "keys", 0, "turn"], "far"), "'turn' of key 0"),
        (changed(["slots", 0, "keys", 0, "shapes"], {}), "'shapes' of key 0"),
        (changed(["slots", 0, "keys", 0, "shapes", 0, "size"], [1]), "'size' of shape 0 of key 0 of slot 'cup'"),
        (changed(["slots", 1, "keys", 0, "shapes", 0, "runs"], "AA=="), "shape 0 of key 0 of slot 'hat'"),
    ],
)
def test_malformed_states_are_refused_by_name(given, says):
    with pytest.raises(UserError, match=says):
        state_from_json(given)


def test_a_time_may_stand_for_a_frame():
    data = changed(["slots", 1, "keys", 0], {"time": 0.5, "shapes": []})
    assert state_from_json(data).slots[1].masklet.keys[0].frame == 2


VALUES = [None, True, -1, 0, 0.5, 1e308, "", "AAAA", [], {}, [[]], [1, 2], [0.5, 0.5, 0.1], {"kind": "box"}, 10**30, 5]


def places(value, path=()) -> list[tuple]:
    """The paths of everything in a JSON value."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, entry in inner for place in places(entry, (*path, key)))]


@pytest.mark.parametrize("seed", range(6))
def test_no_changed_state_breaks_the_reader(seed):
    random = np.random.default_rng(seed)
    for _ in range(50):
        data = json.loads(state_to_json(state()))
        listed = places(data)[1:]
        *path, last = listed[random.integers(len(listed))]
        place = data
        for step in path:
            place = place[step]
        if random.random() < 0.2:
            del place[last]
        else:
            place[last] = VALUES[random.integers(len(VALUES))]
        text = json.dumps(data)
        if random.random() < 0.1:
            text = text[: random.integers(len(text))]
        try:
            read = state_from_json(text)
        except UserError as error:
            assert len(str(error)) < 500
            continue
        assert state_from_json(state_to_json(read)).frames == read.frames
        for track in read.rasterize(12, 18, 3):
            assert np.isfinite(track).all() and track.min() >= 0 and track.max() <= 1
