"""The range of movement of clips, and the sentences about a path that leaves it."""

from __future__ import annotations

import json

import pytest

from comfyui_fulldit.control.camera import edit
from comfyui_fulldit.control.camera.motion_range import CameraMotionRange, measure_motion_range, motion_range_warnings
from comfyui_fulldit.control.camera.presets import preset
from comfyui_fulldit.control.errors import UserError

SEEN = measure_motion_range(
    [preset("pan_right", amount=20), preset("pan_left", amount=20), preset("tilt_up", amount=10)]
    + [preset("truck_right", amount=0.5), preset("dolly_in", amount=0.4), preset("zoom_in", amount=1.5)]
)


def test_the_range_covers_what_the_clips_do():
    assert SEEN.pan == pytest.approx((-20, 20)) and SEEN.tilt == pytest.approx((0, 10)) and SEEN.roll == (0, 0)
    assert SEEN.right == pytest.approx((0, 0.5)) and SEEN.forward == pytest.approx((0, 0.4))
    assert SEEN.turn == pytest.approx(20) and SEEN.distance == pytest.approx(0.5) and SEEN.clips == 6
    assert SEEN.fov[1] == pytest.approx(50) and SEEN.fov[0] == pytest.approx(preset("zoom_in", amount=1.5).fov()[-1, 0])
    step = preset("truck_right", amount=0.5).speed().max() / 8
    assert SEEN.distance_step == pytest.approx(step)


def test_where_the_clip_starts_in_the_world_makes_no_difference():
    start = preset("orbit_right", amount=120).c2w[-1]
    moved, own = (
        measure_motion_range([path]).to_json() for path in (preset("arc_left").absolute(start), preset("arc_left"))
    )
    assert {k: pytest.approx(v, abs=1e-5) for k, v in own.items()} == moved


@pytest.mark.parametrize(
    ("name", "amount"), [("pan_right", 15), ("truck_right", 0.45), ("zoom_in", 1.4), ("static", 0), ("pan_left", 20.5)]
)
def test_within_the_range_there_is_no_warning(name, amount):
    assert motion_range_warnings(preset(name, amount=amount), SEEN) == []


@pytest.mark.parametrize(
    ("path", "words"),
    [
        (preset("pan_right", amount=60), ("pans to the right by 60 degrees", "trained on at most 20 degrees")),
        (preset("tilt_down", amount=30), ("tilts down by 30 degrees", "none of that")),
        (preset("roll_ccw", amount=12), ("rolls counterclockwise by 12 degrees",)),
        (preset("truck_left", amount=0.3), ("moves to the left by 0.3", "none of that")),
        (preset("pedestal_up", amount=0.4), ("moves up by 0.4",)),
        (preset("dolly_in", amount=2), ("moves forward by 2", "from one frame to the next")),
        (preset("static", fov=90), ("The field of view is 90 degrees", "trained on 35 to 50")),
        (preset("pan_right", amount=20, frames=3), ("turns by up to 10 degrees from one frame to the next",)),
    ],
)
def test_a_warning_says_what_is_beyond_the_range_and_by_how_much(path, words):
    warnings = " ".join(motion_range_warnings(path, SEEN))
    for word in words:
        assert word in warnings, warnings


def test_a_diagonal_beyond_the_range_is_warned_of():
    path = edit.compose_movements(preset("truck_right", amount=0.5), preset("dolly_in", amount=0.4))
    wide = CameraMotionRange(**{**SEEN.__dict__, "distance_step": 1.0})
    assert "0.64 away in all" in " ".join(motion_range_warnings(path, wide))


def test_a_pan_beyond_half_a_turn_counts_on():
    twice = edit.concatenate([preset("pan_right", amount=150)] * 2)
    assert measure_motion_range([twice]).pan[1] == pytest.approx(300)


def test_the_range_round_trips_through_json():
    value = json.loads(json.dumps(SEEN.to_json()))
    assert CameraMotionRange.from_json(value).to_json() == SEEN.to_json()
    for broken in ({}, [], {**value, "pan": [1]}, {**value, "turn": "far"}, {**value, "pan": [0, float("nan")]}):
        with pytest.raises(UserError):
            CameraMotionRange.from_json(broken)


def test_no_clips_are_refused():
    with pytest.raises(UserError, match="No camera path"):
        measure_motion_range([])


def test_the_range_of_two_sets_of_clips_covers_both():
    left, right = (measure_motion_range([preset(name, frames=9)]) for name in ("pan_left", "pan_right"))
    both = left.joined(right)
    assert both.pan == (left.pan[0], right.pan[1]) and both.clips == 2
    assert both == measure_motion_range([preset(name, frames=9) for name in ("pan_left", "pan_right")])
