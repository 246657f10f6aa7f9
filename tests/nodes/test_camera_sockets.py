"""The converters: what core's and other packs' sockets give and take."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from comfyui_fulldit.control.camera import sockets
from comfyui_fulldit.control.camera.presets import preset
from comfyui_fulldit.control.camera.trajectory import UNIT
from comfyui_fulldit.control.errors import UserError


def to_da3_geometry(trajectory, height, width):
    """Return extrinsics (1, F, 3, 4) world-to-camera and intrinsics (1, F, 3, 3) in pixels, as in DA3_GEOMETRY."""
    fx, fy, cx, cy = trajectory.intrinsics.T * np.array([[width], [height], [width], [height]])
    zero, one = np.zeros_like(fx), np.ones_like(fx)
    flat = np.stack([fx, zero, cx, zero, fy, cy, zero, zero, one], 1)
    return trajectory.w2c()[None], flat.reshape(1, -1, 3, 3)


def run(host, node, **inputs):
    return host.nodes[node].execute(**inputs).args


def view(x=0.0, y=0.0, z=4.0, **more):
    """A camera of a 3D view (y up) that looks at the origin."""
    start = {
        "position": {"x": x, "y": y, "z": z},
        "target": {"x": 0, "y": 0, "z": 0},
        "zoom": 1,
        "fov": 40,
        "aspect": 1,
    }
    return {**start, "cameraType": "perspective", **more}


def through(host, *views, **more):
    given = {f"view{i}": v for i, v in enumerate(views)}
    settings = {"frames": 9, "fps": 8.0, "ease": "linear", "aspect": 1.5, **more}
    return run(host, "FullDiTCameraFromLoad3D", views=given, **settings)[0]


def test_two_views_are_the_ends_of_a_path_in_distances_to_the_target(host):
    """From the front to the right side of the scene: the camera moves right and forward, and turns left."""
    path = through(host, view(z=4), view(x=4, z=0))
    assert path.frames == 9 and path.unit == UNIT
    assert path.c2w[-1, :, 3] == pytest.approx([1, 0, 1])
    assert path.c2w[-1, :, 2] == pytest.approx([-1, 0, 0], abs=1e-9)
    assert path.fov()[0, 1] == pytest.approx(40) and path.intrinsics[0, 1] / path.intrinsics[0, 0] == pytest.approx(1.5)
    assert through(host, view(z=4), view(x=4, z=0), by_target=False).c2w[-1, :, 3] == pytest.approx([4, 0, 4])


def test_a_curve_meets_every_view_and_one_view_stands(host):
    path = through(host, view(z=4), view(x=2, y=1, z=3), view(x=4, z=0))
    keys = sockets.from_viewport([view(z=4), view(x=2, y=1, z=3), view(x=4, z=0)]).relative()
    assert path.c2w[[0, 4, 8]] == pytest.approx(keys.c2w, abs=1e-9)
    still = through(host, None, view(z=2))
    assert np.allclose(still.c2w, np.eye(3, 4)) and still.frames == 9
    with pytest.raises(UserError, match="No 3D view"):
        through(host)
    with pytest.raises(UserError, match="orthographic"):
        through(host, view(cameraType="orthographic"))


def test_a_path_starts_at_the_view_and_circles_its_target(host):
    """A quarter orbit to the right around what a view sees ends at the view from the right."""
    orbit = preset("orbit_right", frames=5, amount=90.0)
    (views,) = run(host, "FullDiTCameraToLoad3D", camera=orbit, start=view(z=4), scale=1.0)
    assert len(views) == 5
    for camera in views:
        assert list(camera["target"].values()) == pytest.approx([0, 0, 0], abs=1e-6)
    assert list(views[0]["position"].values()) == pytest.approx([0, 0, 4])
    assert list(views[-1]["position"].values()) == pytest.approx([4, 0, 0], abs=1e-6)
    again = through(host, *views, frames=5, by_target=True)
    assert again.c2w == pytest.approx(orbit.c2w, abs=1e-6)
    (plain,) = run(host, "FullDiTCameraToLoad3D", camera=preset("dolly_in", frames=3, amount=0.5), scale=2.0)
    assert list(plain[-1]["position"].values()) == pytest.approx([0, 0, -1])


def geometry(path, height=70, width=98, depth=3.0):
    """DA3_GEOMETRY of a path in a scene that is everywhere `depth` away."""
    extrinsics, intrinsics = to_da3_geometry(path.scaled(depth), height, width)
    return {
        "extrinsics": torch.from_numpy(extrinsics),
        "intrinsics": torch.from_numpy(intrinsics),
        "mode": "multiview",
        "depth": torch.full((path.frames, height, width), depth),
    }


def test_geometry_gives_its_cameras_in_median_depths_and_identities_are_refused(host):
    path = preset("arc_left", frames=4)
    (found,) = run(host, "FullDiTCameraFromGeometry", geometry=geometry(path), fps=12.0)
    assert found.relative().c2w == pytest.approx(path.c2w, abs=1e-5) and (found.unit, found.fps) == (UNIT, 12)
    empty = geometry(path)
    empty["extrinsics"], empty["intrinsics"] = torch.eye(4).expand(1, 4, 4, 4), torch.eye(3).expand(1, 4, 3, 3)
    with pytest.raises(UserError, match="no camera"):
        run(host, "FullDiTCameraFromGeometry", geometry=empty, fps=12.0)
    with pytest.raises(UserError, match="multiview"):
        run(host, "FullDiTCameraFromGeometry", geometry={"depth": torch.ones(1, 4, 4), "mode": "mono"}, fps=12.0)


def test_cameractrl_poses_come_back_as_the_same_path(host):
    path = preset("crane_up", frames=9).replace(fps=24.0)
    (rows,) = run(host, "FullDiTCameraToPoses", camera=path, frames=5, scale=2.0)
    assert len(rows) == 5 and {len(row) for row in rows} == {19} and all(isinstance(v, float) for v in rows[0])
    (back,) = run(host, "FullDiTCameraFromPoses", poses=rows, fps=24.0)
    assert back.c2w == pytest.approx(path.resample(5).scaled(2).c2w, abs=1e-9) and back.fps == 24
    with pytest.raises(UserError, match="19"):
        run(host, "FullDiTCameraFromPoses", poses=[[1.0] * 7], fps=8.0)


def test_an_embedding_gives_its_path_back(host):
    path = preset("spiral", frames=9, amount=0.5)
    size = {"width": 96, "height": 64, "length": 9}
    (embedding, *_) = run(host, "FullDiTCameraToPlucker", camera=path, **size)
    (back,) = run(host, "FullDiTCameraFromPlucker", camera_embedding=embedding, fps=8.0)
    assert back.c2w == pytest.approx(path.c2w, abs=1e-4) and back.intrinsics == pytest.approx(path.intrinsics, rel=1e-3)
    with pytest.raises(UserError, match="24"):
        run(host, "FullDiTCameraFromPlucker", camera_embedding=embedding[:, :6], fps=8.0)
    with pytest.raises(UserError, match="takes the output of another node"):
        run(host, "FullDiTCameraFromPlucker", camera_embedding="no", fps=8.0)


def test_tracks_follow_the_camera_and_near_ones_faster(host):
    """A truck to the right moves every point left; with depth, the near half moves more."""
    path = preset("truck_right", frames=5, amount=0.2, ease="linear", aspect=1.5)
    size = {"width": 96, "height": 64, "length": 9, "columns": 6, "rows": 4}
    given, length = run(host, "FullDiTCameraToTracks", camera=path, **size)
    way, seen = given["track_path"], given["track_visibility"]
    assert length == 9 and way.shape == (9, 24, 2) and way.dtype == torch.float32
    assert seen.shape == (9, 24) and seen.dtype == torch.bool and seen[0].all()
    moved = way[-1, :, 0] - way[0, :, 0]
    expected = -0.2 * float(path.intrinsics[0, 0]) * 96
    assert moved.numpy() == pytest.approx(expected, rel=1e-4)
    depth = torch.ones(1, 32, 48)
    depth[:, :, :24], depth[:, :, 24:] = 1.0, 3.0
    depth[:, :, 23] = 1.0
    (near, _) = run(host, "FullDiTCameraToTracks", camera=path, geometry={"depth": depth}, **size)
    moved = (near["track_path"][-1, :, 0] - near["track_path"][0, :, 0]).reshape(4, 6)
    assert moved[:, :3].numpy() == pytest.approx(3 * moved[:, 3:].numpy(), rel=1e-3)
    with pytest.raises(UserError, match="empty"):
        run(host, "FullDiTCameraToTracks", camera=path, geometry={"depth": torch.zeros(1, 4, 4)}, **size)
