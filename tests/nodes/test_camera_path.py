"""Camera Path: the state's evaluation, what it refuses, and what it hands the page to show behind the path."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest
import torch
from PIL import Image

from comfyui_fulldit.control.camera.splines import path_from_editor_state
from comfyui_fulldit.control.errors import UserError


@pytest.fixture
def temp(host):
    """ComfyUI's temp folder."""
    return host.folder / "temp"


def test_the_default_state_is_a_path_around_the_subject(host):
    node = host.nodes["FullDiTCameraPath"]
    defaults = {entry.id: entry.default for entry in node.define_schema().inputs if entry.default is not None}
    assert defaults["frames"] == 17 and node.validate_inputs(path=defaults["path"]) is True
    out = node.execute(**defaults)
    (path,) = out.args
    assert path.frames == 17 and path.fps == 8 and out.kwargs["ui"] is None
    assert path.c2w[0] == pytest.approx(np.eye(3, 4)) and path.c2w[-1, 0, 3] == pytest.approx(0.45)
    assert (path.c2w == path_from_editor_state(defaults["path"]).c2w).all()
    # The image's shape is the lens's.
    assert node.execute(defaults["path"], 5, 24.0, 16 / 9).args[0].fov()[0, 1] < path.fov()[0, 1]


def test_broken_states_are_refused_before_the_run(host):
    node = host.nodes["FullDiTCameraPath"]
    assert "not JSON" in node.validate_inputs(path="{")
    assert "increasing" in node.validate_inputs(path='{"keys": [{"time": 1}, {"time": 0}]}')
    assert node.validate_inputs(path=None) is True, "a linked text is known later"
    with pytest.raises(UserError, match="at least one key"):
        node.execute('{"keys": []}', 17, 8.0)


def test_an_image_is_stored_for_the_page(host, temp):
    image = torch.rand(2, 64, 2000, 3)
    state = '{"keys": [{"time": 0}]}'
    out = host.nodes["FullDiTCameraPath"].execute(state, 5, 8.0, 1.5, image=image)
    (message,) = out.kwargs["ui"]["fulldit_backdrop"]
    assert set(message) == {"image"} and message["image"]["type"] == "temp"
    stored = temp / message["image"]["subfolder"] / message["image"]["filename"]
    with Image.open(io.BytesIO(stored.read_bytes())) as opened:
        assert opened.size == (960, 31)
    again = host.nodes["FullDiTCameraPath"].execute(state, 5, 8.0, 1.5, image=image)
    assert again.kwargs["ui"] == out.kwargs["ui"] and len(list(stored.parent.glob("camera_path_*.jpg"))) == 1


def wall(height=40, width=60, near=2.0, far=6.0):
    """Depth (1, H, W): the left half near, the right half far."""
    depth = torch.full((1, height, width), near)
    depth[..., width // 2 :] = far
    return depth


@pytest.mark.parametrize("kind", ["mono", "multiview", "moge"])
def test_geometry_becomes_points_with_the_median_depth_1(host, temp, kind):
    image = torch.zeros(1, 40, 60, 3)
    image[:, :, :30, 0] = 1  # the near half is red
    geometry = {"depth": wall(), "image": image, "mode": kind}
    focal = 0.7 * 60
    if kind == "multiview":
        focal = 90.0
        matrix = torch.tensor([[focal, 0, 30.0], [0, focal, 20.0], [0, 0, 1]])
        geometry |= {"intrinsics": matrix[None, None], "extrinsics": torch.eye(4)[None, None, :3]}
    if kind == "moge":
        y, x = torch.meshgrid(torch.arange(40.0), torch.arange(60.0), indexing="ij")
        rays = torch.stack([(x - 29.5) / focal, (y - 19.5) / focal, torch.ones(40, 60)], -1)
        geometry = {"points": rays[None] * wall()[..., None], "image": image, "mask": torch.ones(1, 40, 60) > 0}
        geometry["points"][0, 0, 0] = float("inf")
    out = host.nodes["FullDiTCameraPath"].execute('{"keys": [{"time": 0}]}', 5, 8.0, 1.5, geometry=geometry)
    (message,) = out.kwargs["ui"]["fulldit_backdrop"]
    data = (temp / message["points"]["subfolder"] / message["points"]["filename"]).read_bytes()
    count = message["count"]
    assert len(data) == count * 15 and count >= 2399
    points = np.frombuffer(data, "<f4", count * 3).reshape(-1, 3)
    colors = np.frombuffer(data, np.uint8, offset=count * 12).reshape(-1, 3)
    assert np.median(points[:, 2]) == pytest.approx(1, abs=0.01) or set(np.round(points[:, 2], 3)) == {1.0, 0.333}
    assert points[:, 2].max() / points[:, 2].min() == pytest.approx(3)
    left = points[:, 0] < 0
    assert (colors[left, 0] == 255).all() and (colors[~left, 0] == 0).all(), "colors belong to their points"
    assert message["fov"] == pytest.approx(np.degrees(2 * np.arctan(30 / focal)), rel=0.05)
    assert "image" in message


def test_a_geometry_without_a_usable_point_is_refused(host, temp):
    node = host.nodes["FullDiTCameraPath"]
    with pytest.raises(UserError, match="no depth"):
        node.execute('{"keys": [{"time": 0}]}', 5, 8.0, 1.5, geometry={"image": torch.zeros(1, 4, 4, 3)})
    with pytest.raises(UserError, match="no point"):
        node.execute('{"keys": [{"time": 0}]}', 5, 8.0, 1.5, geometry={"depth": torch.full((1, 4, 4), float("inf"))})


def test_a_large_geometry_is_thinned(host, temp):
    node = host.nodes["FullDiTCameraPath"]
    out = node.execute('{"keys": [{"time": 0}]}', 5, 8.0, 1.5, geometry={"depth": wall(600, 800)})
    assert 30_000 < json.loads(json.dumps(out.kwargs["ui"]))["fulldit_backdrop"][0]["count"] <= 60_000
