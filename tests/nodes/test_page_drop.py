"""Files that are dropped on the camera editor, and what the painter's timeline marks after a mask was followed."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from comfyui_fulldit.control.camera.formats import write_camera
from comfyui_fulldit.control.camera.presets import preset
from comfyui_fulldit.control.camera.splines import path_from_editor_state
from comfyui_fulldit.control.errors import UserError

FIXTURES = Path(__file__).resolve().parents[1] / "fixtures"


@pytest.fixture
def read(host):
    from comfyui_fulldit.nodes.page.camera_drop import read_dropped_camera

    return read_dropped_camera


@pytest.mark.parametrize("name", ["orbit_right", "dolly_in", "pan_left"])
def test_a_dropped_camera_file_becomes_keyframes_of_the_same_path(read, tmp_path, name):
    path = preset(name, frames=33)
    write_camera(path, tmp_path / "camera.json", "fulldit")
    dropped = read("C:\\shots\\camera.json", (tmp_path / "camera.json").read_bytes())
    assert (dropped["frames"], dropped["fps"]) == (33, path.fps)
    again = path_from_editor_state(dropped["state"], frames=33)
    assert np.abs(again.c2w - path.relative().c2w).max() < 0.01
    assert len(json.loads(dropped["state"])["keys"]) <= 33


def test_a_file_that_is_no_camera_says_its_own_name_only(read):
    with pytest.raises(UserError, match=r"'notes\.txt' cannot be read") as error:
        read("../../etc/notes.txt", b"hello")
    assert "/tmp" not in str(error.value)


@pytest.mark.parametrize(
    "name", ["", "..", "/", "a/..", "a" * 300 + ".txt", "é" * 300 + ".txt", "a\0b.txt", "\ud800.txt"]
)
def test_any_name_of_a_file_is_one_that_can_be_written(read, name):
    with pytest.raises(UserError, match="cannot be read"):
        read(name, b"hello")


@pytest.mark.parametrize("text", ["", "x", "nan", "-inf", "0", "-1.5", "1e300", "9" * 400])
def test_proportions_that_no_image_has_are_refused(host, text):
    from comfyui_fulldit.nodes.page.camera_drop import read_aspect

    assert read_aspect("1.5") == 1.5
    with pytest.raises(UserError, match="width / height"):
        read_aspect(text)


def test_a_file_that_is_too_large_is_refused(read, monkeypatch):
    from comfyui_fulldit.nodes.page import camera_drop

    monkeypatch.setattr(camera_drop, "MAX_BYTES", 10)
    with pytest.raises(UserError, match="use Load Camera File"):
        read("a.txt", b"x" * 11)


def test_the_timeline_marks_what_follow_doubts_until_it_is_corrected():
    node = shutil.which("node")
    if node is None:
        pytest.skip("there is no node to run the page's modules with")
    done = subprocess.run([node, FIXTURES / "mask_trust.mjs"], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
