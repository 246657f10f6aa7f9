"""Plücker coordinates against derivations that share nothing with the code."""

from __future__ import annotations

import numpy as np
import pytest

from comfyui_fulldit.control.camera import CameraTrajectory, rotations
from comfyui_fulldit.control.camera.plucker import plucker_embedding
from comfyui_fulldit.control.camera.presets import preset
from comfyui_fulldit.control.camera.trajectory import project
from comfyui_fulldit.control.errors import UserError


def wild(frames: int = 5) -> CameraTrajectory:
    random = np.random.default_rng(7)
    turn = rotations.from_rotvec(random.normal(0, 0.8, (frames, 3)))
    lens = np.array([0.9, 1.4, 0.5, 0.5]) * random.uniform(0.8, 1.2, (frames, 4))
    return CameraTrajectory(np.concatenate([turn, random.normal(0, 1, (frames, 3, 1))], 2), lens)


def by_homogeneous_points(path: CameraTrajectory, height: int, width: int) -> np.ndarray:
    """pytorch3d's and nerfstudio's way: unproject two depths of every pixel by the inverse of K [R|t] as a 4x4 matrix,
    take the line through the two points. Its moment is a x b / |b - a|, without the camera's center.
    """
    result = np.empty((path.frames, 6, height, width))
    for frame, (c2w, (fx, fy, cx, cy)) in enumerate(zip(path.c2w, path.intrinsics, strict=True)):
        w2c = np.linalg.inv(np.vstack([c2w, [0, 0, 0, 1]]))
        k = np.array([[fx * width, 0, cx * width, 0], [0, fy * height, cy * height, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
        back = np.linalg.inv(k @ w2c)
        for v in range(height):
            for u in range(width):
                a, b = (back[:3, :3] @ np.array([(u + 0.5) * z, (v + 0.5) * z, z]) + back[:3, 3] for z in (1.0, 3.0))
                length = np.linalg.norm(b - a)
                result[frame, :3, v, u] = np.cross(a, b) / length
                result[frame, 3:, v, u] = (b - a) / length
    return result


def test_coordinates_are_those_of_lines_through_unprojected_points():
    path = wild()
    expected = by_homogeneous_points(path, 6, 9)
    assert np.abs(plucker_embedding(path, 6, 9, dtype=np.float64) - expected).max() < 1e-12
    assert plucker_embedding(path, 6, 9).dtype == np.float32
    assert np.abs(plucker_embedding(path, 6, 9) - expected).max() < 1e-6


def test_every_pixel_sees_its_own_ray():
    """Points along the rays fall on the centers of their pixels, and lie on the lines of the coordinates."""
    path, height, width = wild(1), 4, 6
    line = plucker_embedding(path, height, width, dtype=np.float64)[0].reshape(6, -1).T
    direction = line[:, 3:]
    points = path.c2w[0, :, 3] + 2.5 * direction
    u, v = np.meshgrid((np.arange(width) + 0.5) / width, (np.arange(height) + 0.5) / height)
    positions = project(points, path.w2c(), path.intrinsics)[0]
    assert positions == pytest.approx(np.stack([u.ravel(), v.ravel()], -1))
    # A point x lies on the line (m, d) exactly if x x d = m.
    assert np.cross(points, line[:, 3:]) == pytest.approx(line[:, :3])
    assert np.einsum("ni,ni->n", line[:, :3], line[:, 3:]) == pytest.approx(0, abs=1e-12)


def test_rays_and_moments_of_a_still_and_a_moved_camera():
    still = plucker_embedding(preset("static", frames=2), 3, 3, dtype=np.float64)
    assert np.abs(still[:, :3]).max() == 0, "a camera at the origin has no moments"
    assert still[0, 3:, 1, 1] == pytest.approx([0, 0, 1]), "the middle pixel looks ahead"
    assert still[0, 3, 1, 2] > 0 > still[0, 3, 1, 0], "the right column looks right"
    assert still[0, 4, 2, 1] > 0 > still[0, 4, 0, 1], "the lower row looks down"
    moved = plucker_embedding(preset("truck_right", frames=2, amount=2), 3, 3, dtype=np.float64)
    # o = (2, 0, 0), d = (0, 0, 1): o x d = (0, -2, 0).
    assert moved[-1, :, 1, 1] == pytest.approx([0, -2, 0, 0, 0, 1])


def test_the_other_order_swaps_the_halves():
    path = wild(2)
    one, other = (plucker_embedding(path, 3, 4, order) for order in ("moment_direction", "direction_moment"))
    assert np.array_equal(one[:, :3], other[:, 3:]) and np.array_equal(one[:, 3:], other[:, :3])


@pytest.mark.parametrize(
    ("options", "says"), [({"height": 0}, "at least 1 x 1"), ({"order": "d_first"}, "moment_direction")]
)
def test_an_empty_image_and_an_unknown_order_are_refused(options, says):
    with pytest.raises(UserError, match=says):
        plucker_embedding(wild(1), **{"height": 2, "width": 2, **options})
