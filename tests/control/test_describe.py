"""A camera path in words: every preset, mixed paths, and what must not change the words."""

from __future__ import annotations

import numpy as np
import pytest

from comfyui_fulldit.control.camera.describe import describe_camera
from comfyui_fulldit.control.camera.presets import PRESETS, preset
from comfyui_fulldit.control.camera.runs import Run, cut_into_runs
from comfyui_fulldit.control.camera.sequence import sequence

OF_PRESETS = {
    "static": "stands still",
    "pan_left": "pans left by 20 degrees",
    "pan_right": "pans right by 20 degrees",
    "tilt_up": "tilts up by 15 degrees",
    "tilt_down": "tilts down by 15 degrees",
    "roll_cw": "rolls clockwise by 20 degrees",
    "roll_ccw": "rolls counterclockwise by 20 degrees",
    "truck_left": "moves left",
    "truck_right": "moves right",
    "pedestal_up": "moves up",
    "pedestal_down": "moves down",
    "dolly_in": "moves forward",
    "dolly_out": "moves backward",
    "orbit_left": "orbits left by 25 degrees",
    "orbit_right": "orbits right by 25 degrees",
    "arc_left": "orbits left by 25 degrees and up by 6 degrees while moving forward",
    "arc_right": "orbits right by 25 degrees and up by 6 degrees while moving forward",
    "crane_up": "rises, keeping the subject in the center",
    "crane_down": "sinks, keeping the subject in the center",
    "zoom_in": "zooms in 1.6 times",
    "zoom_out": "zooms out 1.6 times",
    "dolly_zoom": "moves forward while zooming out, so that the subject keeps its size",
    "handheld": "sways slightly like a handheld camera",
    "spiral": "circles once in a widening spiral, facing the subject",
    "orbit_up": "orbits up by 20 degrees",
    "orbit_down": "orbits down by 20 degrees",
    "fly_through": "moves far forward while swinging from side to side by 35 degrees and rolling from side to side by"
    " 12 degrees",
}
OF_SEQUENCES = {
    "orbit_left:25@0-0.5 + dolly_in:0.4@0.5-1": "orbits left by 25 degrees, then moves forward",
    "pan_right:20@0-0.5 + dolly_in:0.3@0.25-1": "pans right by 20 degrees, then moves forward",
    "pan_right:20 + dolly_in:0.3": "moves forward while panning right by 20 degrees",
    "pan_left@0-0.3 + pan_right@0.7-1": "pans left by 20 degrees, then stands still, then pans right by 20 degrees",
    "pan_right:20@0-0.5 + pan_right:-20@0.5-1": "pans right by 20 degrees, then pans left by 20 degrees",
    "orbit_left:25 + dolly_in:0.3": "orbits left by 25 degrees while moving forward",
    "truck_right:0.3 + pan_right:15": "moves right while panning right by 15 degrees",
    "truck_left:0.3 + pedestal_up:0.2 + zoom_in:1.5": "moves left and up while zooming in 1.5 times",
    "dolly_in:0.5 + handheld:2": "moves forward while swaying slightly like a handheld camera",
    "tilt_up:10@0.5-1": "stands still, then tilts up by 10 degrees",
    "pan_left:20@0-0.5": "pans left by 20 degrees, then stands still",
    "dolly_in:0.1": "moves slightly forward",
    "dolly_out:3": "moves far backward",
    "dolly_zoom:-0.5": "moves backward while zooming in, so that the subject keeps its size",
    "pan_right:200": "pans right by 200 degrees",
    "orbit_right:360": "orbits right by 360 degrees",
    "tilt_up:1": "tilts up by 1 degree",
}


@pytest.mark.parametrize(("frames", "fps", "ease"), [(25, 12, "smooth"), (81, 16, "linear")])
@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_in_words_at_any_length_and_ease(name, frames, fps, ease):
    path = preset(name, frames=frames, fps=fps, ease=ease)
    assert describe_camera(path) == f"The camera {OF_PRESETS[name]}."


@pytest.mark.parametrize("text", OF_SEQUENCES)
def test_mixed_paths_in_words(text):
    assert describe_camera(sequence(text)) == f"The camera {OF_SEQUENCES[text]}."


@pytest.mark.parametrize("name", ["orbit_left", "pan_right", "dolly_zoom", "spiral", "arc_right"])
def test_where_the_clip_starts_in_the_world_makes_no_difference(name):
    path = preset(name)
    start = preset("arc_left", amount=70).c2w[-1]
    assert describe_camera(path.absolute(start)) == describe_camera(path)


def test_a_path_in_another_unit_has_no_sizes_of_lengths():
    path = sequence("dolly_in:0.1").replace(unit="meter")
    assert describe_camera(path) == "The camera moves forward."


@pytest.mark.parametrize("name", ["pan_left", "truck_right", "zoom_in", "orbit_up", "dolly_in"])
def test_small_errors_of_an_estimate_are_not_said(name):
    path = preset(name, frames=33)
    noise = np.random.default_rng(0).normal(0, 3e-4, (33, 3))
    shaken = path.c2w.copy()
    shaken[:, :, 3] += noise
    assert describe_camera(path.replace(c2w=shaken)) == f"The camera {OF_PRESETS[name]}."


def test_one_frame_stands_still():
    assert describe_camera(preset("pan_left", frames=1)) == "The camera stands still."


def test_a_curve_is_cut_where_it_turns_back_and_where_it_rests():
    rise, rest, fall = np.linspace(0, 4, 9), np.full(8, 4.0), np.linspace(4, 0, 9)[1:]
    runs = cut_into_runs(np.concatenate([rise, rest, fall]), 1.0)
    assert runs == [Run(0.0, 8 / 24, 4.0), Run(16 / 24, 1.0, -4.0)]
    wiggle = np.concatenate([rise, [3.5, 3.8], rise + 4])
    assert [run.amount for run in cut_into_runs(wiggle, 1.0)] == [8.0]
    assert cut_into_runs(np.zeros(5), 0.1) == [] and cut_into_runs(np.zeros(1), 0.1) == []
