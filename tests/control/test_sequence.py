"""Movements over time from one line of text: their times, how parts combine, and errors that name the part."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from comfyui_fulldit.control.camera import edit, rotations
from comfyui_fulldit.control.camera.easing import apply_easing
from comfyui_fulldit.control.camera.presets import PRESETS, preset
from comfyui_fulldit.control.camera.sequence import SequencePart, combine_parts, is_sequence, parse_sequence, sequence
from comfyui_fulldit.control.camera.trajectory import project
from comfyui_fulldit.control.errors import UserError
from comfyui_fulldit.control.load import read_camera_path

SUBJECT = np.array([[0.0, 0.0, 1.0]])


def pan_tilt_roll(path) -> np.ndarray:
    return rotations.to_pan_tilt_roll(path.c2w[:, :, :3])


@pytest.mark.parametrize("name", PRESETS)
def test_a_lone_preset_is_the_preset(name):
    path = sequence(name, frames=9, fps=12, fov=60, aspect=1.2, ease="sine_in_out")
    same = preset(name, frames=9, fps=12, fov=60, aspect=1.2, ease="sine_in_out")
    assert path.c2w == pytest.approx(same.c2w, abs=1e-12) and path.fps == 12
    assert path.intrinsics == pytest.approx(same.intrinsics, abs=1e-12)


def test_a_text_is_parsed_into_its_parts():
    parts, fov = parse_sequence(
        " pan_right:20@0-0.5+ dolly_in : -0.3 , ease = linear @ .25 - 1 + handheld:+2e+0,seed=7,fov=35 "
    )
    assert parts == [
        SequencePart("pan_right", 20, 0, 0.5),
        SequencePart("dolly_in", -0.3, 0.25, 1, "linear"),
        SequencePart("handheld", 2, seed=7),
    ]
    assert fov == 35
    assert parse_sequence("pan_left@0-0.5,ease=in", ease="out")[0] == [SequencePart("pan_left", None, 0, 0.5, "in")]
    assert parse_sequence("zoom_in,ease=in")[0] == [SequencePart("zoom_in", ease="in")]


def test_each_part_happens_in_its_time_and_stays():
    path = sequence("pan_right:20@0-0.5 + tilt_up:10@0.5-1", frames=17)
    pan, tilt, _ = pan_tilt_roll(path).T
    assert pan[8:] == pytest.approx(20) and (np.diff(pan[:9]) > 0).all()
    assert tilt[:9] == pytest.approx(0, abs=1e-9) and tilt[-1] == pytest.approx(10)


def test_parts_that_follow_one_another_are_joined_paths():
    path = sequence("dolly_in:0.4@0-0.5 + pan_right:90@0.5-1", frames=33)
    joined = edit.concatenate([preset("dolly_in", amount=0.4), preset("pan_right", amount=90)])
    assert path.c2w == pytest.approx(joined.c2w, abs=1e-12)
    turned = sequence("truck_right:1@0.5-1 + pan_right:90@0-0.5", frames=33)
    assert turned.c2w[-1, :, 3] == pytest.approx([0, 0, -1]), "right of a camera that looks right is behind"


def test_overlapping_movements_add_up():
    path = sequence("truck_right:0.5 + pedestal_up:0.2@0.5-1 + zoom_in:2@0-0.25 + zoom_in:1.5@0.75-1", frames=41)
    assert path.c2w[-1, :, 3] == pytest.approx([0.5, -0.2, 0])
    assert path.intrinsics[-1, 0] / path.intrinsics[0, 0] == pytest.approx(3)
    assert path.c2w[20, :, 3] == pytest.approx([0.5 * apply_easing(0.5, "smooth"), 0, 0])


@pytest.mark.parametrize("text", ["dolly_in:0.5@0-0.5 + orbit_right:60@0.5-1", "orbit_right:60 + dolly_in:0.5"])
def test_an_orbit_circles_the_subject_wherever_the_camera_is(text):
    path = sequence(text, frames=21)
    assert project(SUBJECT, path.w2c(), path.intrinsics) == pytest.approx(0.5)
    assert np.linalg.norm(SUBJECT - path.c2w[-1, :, 3]) == pytest.approx(0.5)


@pytest.mark.parametrize(
    "text",
    [
        "dolly_zoom:0.4",
        "dolly_in:0.4@0-0.5 + dolly_zoom:0.3@0.5-1",
        "dolly_out:1 + dolly_zoom:-0.5",
        "orbit_left:30 + dolly_zoom:0.4@0.3-1",
        "dolly_out:0.5@0-0.3 + dolly_zoom:0.4@0.3-0.6 + dolly_zoom:0.4@0.6-1",
    ],
)
def test_a_dolly_zoom_keeps_the_size_at_the_distance_there_is(text):
    path = sequence(text, frames=41)
    depth = ((SUBJECT - path.c2w[:, :, 3]) * path.c2w[:, :, 2]).sum(1)
    without = [part for part in parse_sequence(text)[0] if part.name != "dolly_zoom"]
    other = combine_parts(without, frames=41)
    plain = ((SUBJECT - other.c2w[:, :, 3]) * other.c2w[:, :, 2]).sum(1)
    assert path.intrinsics[:, 0] / depth == pytest.approx(other.intrinsics[:, 0] / plain)


def test_a_hand_sways_in_its_part_of_the_clip_alone():
    path = sequence("handheld:3@0.25-0.75", frames=81, fps=24)
    turned = np.degrees(rotations.angle_between(np.eye(3), path.c2w[:, :, :3]))
    assert turned.max() == pytest.approx(3)
    assert turned[:21] == pytest.approx(0, abs=1e-9) and turned[60:] == pytest.approx(0, abs=1e-9)
    assert path.angular_speed().max() < 60, "it fades in and out without a jump"


def test_no_parts_stand_still_and_one_frame_is_enough():
    assert combine_parts([], frames=3).c2w == pytest.approx(np.repeat(np.eye(3, 4)[None], 3, 0))
    assert sequence("pan_left@0.2-0.4 + dolly_in", frames=1).c2w[0] == pytest.approx(np.eye(3, 4))


def test_ends_that_lie_between_frames_are_reached_all_the_same():
    path = sequence("pan_right:33@0.11-0.77 + truck_left:0.7@0.3-0.93", frames=17)
    assert pan_tilt_roll(path)[-1, 0] == pytest.approx(33)
    assert np.linalg.norm(path.c2w[-1, :, 3]) == pytest.approx(0.7)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("pan_right + dolly_sideways:2", "Part 2 .*'dolly_sideways:2': .*unknown"),
        ("pan_right:20@0-0.5 + dolly_in:9", "Part 2 .*'dolly_in:9': an amount of 9"),
        ("pan_right@0.5-0.5 + dolly_in", "Part 1 .*0.5-0.5; a start and a later end"),
        ("pan_right@0-2", "The camera movement 'pan_right@0-2': .*within 0 to 1"),
        ("pan_right@soon", "its time is 'soon'"),
        ("pan_right@0-1@0-1", "two times"),
        ("pan_right@0.5", "start-end was expected"),
        ("pan_right@0..1-1.", "start-end was expected"),
        ("pan_right:fast", "'fast' was given as amount"),
        ("pan_right:20,speed=2", "'speed' is not an option"),
        ("pan_right:20,ease=bouncy + dolly_in", "Part 1 .*the ease 'bouncy' is unknown"),
        ("pan_right + ", "Part 2 .*a movement is missing"),
        ("+ pan_right", "Part 1 .*a movement is missing"),
        ("pan_right,fov=40 + dolly_in:0.2,fov=50", "Part 2 .*a second field of view"),
        ("pan_right:nan", "an amount of nan"),
        ("dolly_in:0.9 + dolly_zoom:0.5", "dolly zoom"),
        ("pan_right,fov=200", "field of view of 200"),
        ("", "a movement is missing"),
    ],
)
def test_errors_name_the_part(text, says):
    with pytest.raises(UserError, match=says):
        sequence(text)


WORDS = st.lists(
    st.one_of(
        st.sampled_from([*PRESETS, ":", "@", "+", "-", ",", "=", "0.5", "1", "20", "ease", "seed", "fov", " ", "nan"]),
        st.text(max_size=3),
    ),
    max_size=9,
).map("".join)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(WORDS)
def test_any_text_is_a_path_or_a_clear_error(text):
    try:
        assert sequence(text, frames=5).frames == 5
    except UserError as error:
        assert "part " in str(error) or "camera" in str(error) or "field of view" in str(error)


@pytest.mark.parametrize(
    ("text", "means"),
    [
        ("pan_right", True),
        ("pan_right:20.5", True),
        ("pan_right:20@0-0.5 + dolly_in:0.3@0.25-1", True),
        ("sideways:3@0-0.5", True),
        ("camera.json", False),
        ("pan_right.json", False),
        ("paths/pan_right", False),
        ("C:\\camera.txt", False),
        ("../pan_right:20", False),
        ("dolly_in:0.3 ", True),
    ],
)
def test_texts_and_files_are_told_apart(text, means):
    assert is_sequence(text) is means


def test_the_command_line_takes_a_sequence_and_a_file_of_that_name_wins(tmp_path, monkeypatch):
    text = "pan_right:20@0-0.5 + dolly_in:0.3@0.25-1"
    assert read_camera_path(text, 17, aspect=1.2)[0].c2w == pytest.approx(sequence(text, aspect=1.2).c2w)
    long = " + ".join(["pan_right:1@0-0.5"] * 40)
    assert pan_tilt_roll(read_camera_path(long, 17)[0])[-1, 0] == pytest.approx(40)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pan_right").write_text("[]")
    with pytest.raises(UserError, match="file"):
        read_camera_path("pan_right", 17)
