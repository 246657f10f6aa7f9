"""Cameras of ComfyUI's sockets, of core and other packs, in geometry that a person can picture."""

from __future__ import annotations

import json

import numpy as np
import pytest

from comfyui_fulldit.control.camera import CameraTrajectory, rotations, sockets
from comfyui_fulldit.control.camera.formats import read_camera
from comfyui_fulldit.control.camera.plucker import plucker_embedding
from comfyui_fulldit.control.camera.presets import preset
from comfyui_fulldit.control.camera.trajectory import UNIT
from comfyui_fulldit.control.errors import UserError

VIEW = {"position": {"x": 0, "y": 0, "z": 4}, "target": {"x": 0, "y": 0, "z": 0}, "zoom": 1, "fov": 90, "aspect": 2}


def to_da3_geometry(trajectory, height, width):
    """Return extrinsics (1, F, 3, 4) world-to-camera and intrinsics (1, F, 3, 3) in pixels, as in DA3_GEOMETRY."""
    fx, fy, cx, cy = trajectory.intrinsics.T * np.array([[width], [height], [width], [height]])
    zero, one = np.zeros_like(fx), np.ones_like(fx)
    flat = np.stack([fx, zero, cx, zero, fy, cy, zero, zero, one], 1)
    return trajectory.w2c()[None], flat.reshape(1, -1, 3, 3)


def moving(frames: int = 13) -> CameraTrajectory:
    """Turned, moved and zoomed, with an off-center lens."""
    random = np.random.default_rng(3)
    rotation = rotations.from_rotvec(np.cumsum(random.normal(0, 0.1, (frames, 3)), 0))
    position = np.cumsum(random.normal(0, 0.2, (frames, 3)), 0)
    lens = np.stack([np.linspace(0.9, 1.3, frames), np.linspace(1.4, 2, frames)], 1)
    middle = np.repeat([[0.47, 0.52]], frames, 0)
    return CameraTrajectory(np.concatenate([rotation, position[..., None]], 2), np.concatenate([lens, middle], 1))


def test_a_viewport_camera_before_its_target_stands_at_distance_one():
    """Four units in front of the origin in a world with y up: ours stands one behind it and looks ahead, level."""
    path = sockets.from_viewport(VIEW)
    assert path.c2w[0, :, :3] == pytest.approx(np.eye(3)) and path.c2w[0, :, 3] == pytest.approx([0, 0, -1])
    assert path.unit == UNIT and path.fov()[0, 1] == pytest.approx(90)
    assert path.intrinsics[0, :2] == pytest.approx([0.25, 0.5])
    assert sockets.from_viewport(VIEW, by_target=False).c2w[0, :, 3] == pytest.approx([0, 0, -4])
    assert sockets.from_viewport({**VIEW, "zoom": 2}).intrinsics[0, 1] == pytest.approx(1)


def test_a_viewport_camera_above_looks_down_with_its_quaternion_or_by_its_target():
    above = {**VIEW, "position": {"x": 0, "y": 3, "z": 3}}
    half = np.radians(-22.5)
    turned = {**above, "quaternion": {"x": float(np.sin(half)), "y": 0, "z": 0, "w": float(np.cos(half))}}
    for camera in (above, turned):
        pose = sockets.from_viewport(camera).c2w[0]
        assert pose[:, 2] == pytest.approx([0, 0.5**0.5, 0.5**0.5]), "forward goes ahead and down"
        assert pose[:, 0] == pytest.approx([1, 0, 0]) and pose[1, 3] < 0, "up is negative y"


def test_a_viewport_camera_round_trips():
    path = moving()
    views = [sockets.to_viewport(path, frame, 2.0) for frame in range(path.frames)]
    json.dumps(views)
    again = sockets.from_viewport(views, by_target=False)
    assert again.c2w == pytest.approx(path.c2w, abs=1e-12)
    assert again.intrinsics[:, :2] == pytest.approx(path.intrinsics[:, :2])
    assert sockets.from_viewport(views).c2w[:, :, 3] == pytest.approx(path.c2w[:, :, 3] / 2)


@pytest.mark.parametrize(
    "change, says",
    [
        ({"cameraType": "orthographic"}, "orthographic"),
        ({"position": None}, "'position'"),
        ({"position": {"x": "a", "y": 0, "z": 0}}, "position.x"),
        ({"target": {"x": 0, "y": 0, "z": 4}}, "is at its target"),
        ({"fov": 200}, "fov 200"),
        ({"quaternion": {"x": 0, "y": 0, "z": 0, "w": 0}}, "length 0"),
    ],
)
def test_invalid_viewport_cameras_are_refused(change, says):
    with pytest.raises(UserError, match=says):
        sockets.from_viewport({**VIEW, **change})


def test_cameractrl_poses_are_19_numbers_with_world_to_camera():
    path = preset("truck_right", 5, amount=1, fps=10)
    rows = sockets.to_cameractrl_poses(path)
    assert len(rows) == 5 and all(len(row) == 19 for row in rows)
    assert rows[-1][0] == 400_000 and rows[-1][10] == pytest.approx(-1), "the world moves left by 1"
    assert rows[0][5] / rows[0][6] == pytest.approx(1.5), "the shape of the image"
    again = sockets.from_cameractrl_poses(rows)
    assert again.c2w == pytest.approx(path.c2w) and again.fps == pytest.approx(10)
    with pytest.raises(UserError, match="19"):
        sockets.from_cameractrl_poses([[1, 2, 3]])


def test_da3_geometry_round_trips():
    path = moving()
    extrinsics, intrinsics = to_da3_geometry(path, 280, 504)
    assert extrinsics.shape == (1, 13, 3, 4) and intrinsics.shape == (1, 13, 3, 3)
    centered = path.replace(intrinsics=path.intrinsics * (1, 1, 0, 0) + (0, 0, 0.5, 0.5))
    extrinsics, intrinsics = to_da3_geometry(centered, 280, 504)
    again = sockets.from_da3_geometry(extrinsics, intrinsics)
    assert again.c2w == pytest.approx(path.c2w) and again.intrinsics == pytest.approx(centered.intrinsics)
    scaled = sockets.from_da3_geometry(extrinsics, intrinsics, np.full((13, 4, 4), 5.0))
    assert scaled.c2w[:, :, 3] == pytest.approx(path.c2w[:, :, 3] / 5) and scaled.unit == UNIT


def test_identity_matrices_are_refused_as_a_camera():
    eye, lens = np.eye(4)[None].repeat(3, 0), np.eye(3)[None].repeat(3, 0)
    with pytest.raises(UserError, match="no camera head"):
        sockets.from_da3_geometry(eye[None], lens[None])
    with pytest.raises(UserError, match="no camera head"):
        sockets.from_da3_geometry(eye, to_da3_geometry(preset("static", 3), 64, 96)[1][0])


def test_truck_right_moves_the_tracks_left_and_pan_right_too():
    for name, amount in (("truck_right", 0.3), ("pan_right", 10)):
        tracks, visible = sockets.to_point_tracks(preset(name, 9, amount=amount, ease="linear"), 64, 96, 5, 3)
        assert tracks.shape == (9, 15, 2) and visible.shape == (9, 15) and visible[0].all()
        assert (np.diff(tracks[..., 0], axis=0) < 0).all()
        assert tracks[0, 7] == pytest.approx([48, 32])
        assert not visible[-1, 0] and visible[-1, 4], "the left edge leaves the image"


def test_near_tracks_move_more_and_those_without_depth_are_left_out():
    depth = np.ones((6, 10))
    depth[:, 5:], depth[0] = 4.0, np.nan
    tracks, _ = sockets.to_point_tracks(preset("truck_right", 5, amount=0.2), 60, 100, 10, 6, depth)
    moved = np.abs(tracks[-1, :, 0] - tracks[0, :, 0])
    assert tracks.shape[1] == 50
    assert moved[:5] == pytest.approx(4 * moved[5:10], rel=1e-4)
    with pytest.raises(UserError, match="depth"):
        sockets.to_point_tracks(preset("static", 2), 60, 100, depth=np.zeros((4, 4)))


def test_tracks_behind_the_camera_stay_finite_and_hidden():
    tracks, visible = sockets.to_point_tracks(preset("dolly_in", 9, amount=0.9).scaled(3), 64, 96)
    assert np.isfinite(tracks).all() and not visible[-1].any()


def test_plucker_rays_determine_the_camera():
    path = moving(9)
    again = sockets.from_plucker_rays(plucker_embedding(path, 48, 80))
    assert again.c2w == pytest.approx(path.c2w, abs=2e-5) and again.intrinsics == pytest.approx(
        path.intrinsics, rel=1e-4
    )
    with pytest.raises(UserError, match="length 1"):
        sockets.from_plucker_rays(plucker_embedding(path, 48, 80, order="direction_moment"))
    with pytest.raises(UserError, match="shape"):
        sockets.from_plucker_rays(np.zeros((3, 5, 8, 8)))


def test_the_wan_embedding_unpacks_to_its_rays():
    rays = plucker_embedding(moving(9), 8, 12)
    packed = np.concatenate([rays[:1].repeat(4, 0), rays[1:]]).reshape(3, 4, 6, 8, 12).transpose(2, 1, 0, 3, 4)
    assert np.array_equal(sockets.unpack_wan_embedding(packed.reshape(1, 24, 3, 8, 12)), rays)
    with pytest.raises(UserError, match="24"):
        sockets.unpack_wan_embedding(np.zeros((1, 6, 3, 8, 12)))


def test_cameractrl_poses_are_also_a_file(tmp_path):
    path = moving(4)
    (tmp_path / "poses.json").write_text(json.dumps(sockets.to_cameractrl_poses(path)))
    assert read_camera(tmp_path / "poses.json").c2w == pytest.approx(path.c2w)
