"""Lenses of camera files: whose proportions count, and those that no pinhole camera has are refused or said."""

from __future__ import annotations

import json

import numpy as np
import pytest

from comfyui_fulldit.control.camera.formats import read_camera
from comfyui_fulldit.control.errors import UserError

EYE = np.eye(4).tolist()


def camera_path(**fields) -> str:
    frames = [{"camera_to_world": np.eye(4).ravel().tolist(), "fov": 90, "aspect": 1.0}] * 2
    return json.dumps({"camera_type": "perspective", "camera_path": frames, **fields})


def transforms(frame: dict | None = None, **fields) -> str:
    frames = [{"file_path": f"{name}.png", "transform_matrix": EYE, **(frame or {})} for name in "ab"]
    return json.dumps({"fl_x": 100, "fl_y": 100, "w": 200, "h": 100, **fields, "frames": frames})


def colmap(folder, camera: str):
    folder.mkdir()
    (folder / "cameras.txt").write_text(f"1 {camera}\n2 OPENCV_FISHEYE 200 100 100 100 100 50 0 0 0 0\n")
    (folder / "images.txt").write_text("1 1 0 0 0 0 0 0 1 a.png\n\n")
    return folder


def test_the_lens_of_a_nerfstudio_path_is_that_of_the_rendered_image(tmp_path):
    """90 degrees from top to bottom of an image twice as wide as high, whatever the viewer's window was."""
    (tmp_path / "a.json").write_text(camera_path(render_width=1600, render_height=800))
    assert read_camera(tmp_path / "a.json").intrinsics[0] == pytest.approx([0.25, 0.5, 0.5, 0.5])
    (tmp_path / "a.json").write_text(camera_path())
    assert read_camera(tmp_path / "a.json").intrinsics[0] == pytest.approx([0.5, 0.5, 0.5, 0.5])
    (tmp_path / "a.json").write_text(camera_path(render_width=0, render_height=800))
    with pytest.raises(UserError, match="render_width"):
        read_camera(tmp_path / "a.json")


@pytest.mark.parametrize(
    "text, name",
    [
        (camera_path(camera_type="fisheye"), "fisheye"),
        (camera_path(camera_type="equirectangular"), "equirectangular"),
        (transforms(camera_model="OPENCV_FISHEYE"), "OPENCV_FISHEYE"),
        (transforms(camera_model="EQUIRECTANGULAR"), "EQUIRECTANGULAR"),
        (transforms({"camera_model": "FISHEYE624"}), "FISHEYE624"),
        (transforms(is_fisheye=True), "is_fisheye"),
    ],
)
def test_a_lens_of_no_pinhole_camera_is_refused_by_its_name(tmp_path, text, name):
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(UserError, match=f"its lens is '{name}'.*undistort.*perspective camera"):
        read_camera(tmp_path / "a.json")


@pytest.mark.parametrize("fields", [{"k1": 0.1}, {"frame": {"p2": -0.01}}, {"k4": 1e-3, "camera_model": "OPENCV"}])
def test_the_distortion_that_is_left_out_is_said(tmp_path, fields):
    (tmp_path / "a.json").write_text(transforms(**fields))
    assert "distortion was left out" in read_camera(tmp_path / "a.json").notes[0]
    (tmp_path / "a.json").write_text(transforms(k1=0, k2=0.0, p1=None, camera_model="OPENCV"))
    assert read_camera(tmp_path / "a.json").notes == ()


def test_colmaps_lenses(tmp_path):
    """Only the lens of an image counts: the fisheye in these models has none."""
    plain = read_camera(colmap(tmp_path / "plain", "OPENCV 200 100 100 100 100 50 0 0 0 0"))
    bent = read_camera(colmap(tmp_path / "bent", "SIMPLE_RADIAL 200 100 100 100 50 0.02"))
    assert plain.notes == () and "distortion was left out" in bent.notes[0]
    assert plain.intrinsics[0] == pytest.approx([0.5, 1, 0.5, 0.5]) == bent.intrinsics[0]
    with pytest.raises(UserError, match="SIMPLE_RADIAL_FISHEYE"):
        read_camera(colmap(tmp_path / "fish", "SIMPLE_RADIAL_FISHEYE 200 100 100 100 50 0.02"))


def test_an_orthographic_usd_camera_is_refused(tmp_path):
    pytest.importorskip("pxr")
    (tmp_path / "a.usda").write_text('#usda 1.0\ndef Camera "C"\n{\n    token projection = "orthographic"\n}\n')
    with pytest.raises(UserError, match="orthographic"):
        read_camera(tmp_path / "a.usda")
