"""Depth of later frames from the first, in numbers that a person can check, and cameras that are not the clip's."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from comfyui_fulldit.control.camera import CameraTrajectory
from comfyui_fulldit.control.camera.trajectory import invert
from comfyui_fulldit.control.depth import DepthClip, normalize_depth
from comfyui_fulldit.control.depth.agreement import measure_agreement
from comfyui_fulldit.control.depth.geometry import depth_along, in_camera_unit
from comfyui_fulldit.control.errors import UserError
from comfyui_fulldit.scenes import WorldOptions, render

HEIGHT, WIDTH = 40, 60


def path(*places: tuple[float, float, float], turns: tuple[float, ...] = (), unit: str = "metre") -> CameraTrajectory:
    """Cameras at these places, turned right by degrees; 90 degrees wide, square pixels."""
    c2w = np.tile(np.eye(3, 4), (len(places), 1, 1))
    c2w[:, :, 3] = places
    for frame, angle in enumerate(np.radians(turns)):
        c2w[frame, :, :3] = [[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]]
    return CameraTrajectory(c2w, np.array([0.5, 0.5 * WIDTH / HEIGHT, 0.5, 0.5]), unit=unit)


def test_a_wall_comes_nearer_as_the_camera_moves_in():
    wall = np.full((HEIGHT, WIDTH), 4.0)
    depth, holes = depth_along(wall, path((0, 0, 0), (0, 0, 1), (0, 0, 2.5), (0, 0, -1)))
    for frame, away in enumerate((4, 3, 1.5, 5)):
        assert depth[frame][~holes[frame]] == pytest.approx(away, rel=1e-6)
    assert not holes[:3].any(), "moving in leaves no cracks"
    # From farther away the image shows 5/4 as much: the rim was never seen.
    assert holes[3].mean() == pytest.approx(1 - (4 / 5) ** 2, abs=0.03)
    assert np.isnan(depth[3][holes[3]]).all()


def test_a_tilted_plane_stays_a_plane():
    """depth = 1 / (0.2 + 0.3 v) is the ground; seen from elsewhere it is what the plane says, within a pixel's step."""
    x, y = (np.arange(WIDTH) + 0.5) / WIDTH, (np.arange(HEIGHT) + 0.5) / HEIGHT
    ground = np.broadcast_to(1 / (0.2 + 0.3 * y[:, None]), (HEIGHT, WIDTH))
    camera = path((0, 0, 0), (0.3, -0.1, 0.4))
    depth, holes = depth_along(ground, camera)
    # 1 / z = a + b v over the first frame is the plane n . X = 1 with these n; z of a ray of the second camera follows.
    fy, (tx, ty, tz) = 0.5 * WIDTH / HEIGHT, camera.c2w[1, :, 3]
    normal = np.array([0, 0.3 * fy, 0.2 + 0.3 * 0.5])
    ray = np.stack(np.broadcast_arrays((x[None] - 0.5) / 0.5, (y[:, None] - 0.5) / fy, 1.0), -1)
    expected = (1 - normal @ [tx, ty, tz]) / (ray @ normal)
    seen = ~holes[1]
    assert seen.mean() > 0.8
    assert np.abs(1 / depth[1][seen] - 1 / expected[seen]).max() < 0.3 / HEIGHT * 1.5


def test_what_is_near_hides_what_is_far_and_leaves_a_hole():
    depth = np.full((HEIGHT, WIDTH), 10.0)
    depth[:, 30:40] = 2  # ten pixels of a post; at 90 degrees a meter at 2 m is 15 pixels
    moved, holes = depth_along(depth, path((0, 0, 0), (1, 0, 0)))
    post = np.abs(moved[1][20] - 2) < 1e-5
    assert np.flatnonzero(post).tolist() == list(range(15, 25))
    # The background moves by 3 pixels; the hole is what the post uncovers beyond that, and the right edge.
    assert np.flatnonzero(holes[1][20]).tolist() == [*range(27, 37), 57, 58, 59]


def test_turning_moves_even_the_sky():
    depth = np.full((HEIGHT, WIDTH), np.inf)
    depth[20:] = 5
    moved, holes = depth_along(depth, path((0, 0, 0), (0, 0, 0), turns=(0, 20)))
    assert np.isinf(moved[1][3:15, :30]).all()
    assert holes[1][:, -5:].all() and not holes[1][10, :30].any()


def test_unknown_depth_stays_unknown():
    depth = np.full((HEIGHT, WIDTH), 3.0)
    depth[10:20, 10:20] = np.nan
    depth[25:30, 10:20] = 0
    moved, holes = depth_along(depth, path((0, 0, 0), (0, 0, 0)))
    assert holes[1].sum() == 150 and np.isnan(moved[0][12, 12])


def test_depth_is_scaled_to_the_unit_of_the_camera():
    depth = np.linspace(2, 8, HEIGHT * WIDTH).reshape(HEIGHT, WIDTH)
    scaled, scale = in_camera_unit(depth, path((0, 0, 0), unit="median depth of the first frame"))
    assert np.median(scaled) == pytest.approx(1) and scale == pytest.approx(1 / 5)
    assert in_camera_unit(depth, path((0, 0, 0)))[1] == 1
    for bad, says in ((depth[0], "shape"), (-depth, "no value"), (depth * np.inf, "median")):
        with pytest.raises(UserError, match=says):
            in_camera_unit(bad, path((0, 0, 0), unit="median depth of the first frame"))


# ---- do camera and depth agree? ----


@pytest.fixture(scope="module")
def clips():
    made = {}
    for number, kind in enumerate(("static", "orbit", "dolly", "crane")):
        clip = render([2_000_000_000 + number], 9, 64, 96, options=WorldOptions(cameras=(kind,), supersample=False))
        depth = normalize_depth(clip.depth[0].numpy(), kind="depth")
        made[kind] = SimpleNamespace(camera=clip.trajectory(0), depth=depth)
    return made


@pytest.mark.parametrize("kind", ["static", "orbit", "dolly", "crane"])
def test_the_true_camera_agrees(clips, kind):
    found = measure_agreement(clips[kind].camera, clips[kind].depth)
    assert found.agrees and found.residual < 0.02 and found.residual <= found.still + 0.005
    assert ("stands still" if kind == "static" else "agree") in found.report[0]


@pytest.mark.parametrize("kind", ["dolly", "crane"])
def test_wrong_cameras_are_recognized(clips, kind):
    camera, depth = clips[kind].camera, clips[kind].depth
    back = measure_agreement(camera.replace(c2w=invert(camera.c2w)), depth)
    assert back.agrees is False and "backwards" in " ".join(back.report)
    large = measure_agreement(camera.scaled(2), depth)
    assert large.residual > 2 * measure_agreement(camera, depth).residual
    assert measure_agreement(camera.scaled(4), depth).agrees is False
    assert "0.5 times as far" in " ".join(large.report)


def test_disparity_whose_zero_is_unknown_is_fitted(clips):
    camera, depth = clips["crane"].camera, clips["crane"].depth
    unknown = DepthClip(depth.values, {"kind": "disparity"})
    assert measure_agreement(camera, unknown).residual < 0.02
    flat = measure_agreement(camera, normalize_depth(depth.values, "inverted"))
    assert flat.agrees is not True and flat.residual > 0.05


def test_one_frame_decides_nothing_and_other_lengths_are_refused(clips):
    camera, depth = clips["dolly"].camera, clips["dolly"].depth
    one = measure_agreement(
        CameraTrajectory(camera.c2w[:1], camera.intrinsics[:1]), DepthClip(depth.values[:1], depth.recipe)
    )
    assert one.agrees is None and "One frame" in one.report[0]
    with pytest.raises(UserError, match="9 frames"):
        measure_agreement(camera, DepthClip(depth.values[:4], depth.recipe))
