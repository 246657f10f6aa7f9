"""How the fit of a moving camera begins: with little parallax, past a flat scene, and beside a simpler fit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from comfyui_fulldit.control.camera import rotations
from comfyui_fulldit.control.camera.from_video import bundle_adjustment as ba
from comfyui_fulldit.control.camera.from_video import flat_scene, two_view
from comfyui_fulldit.control.camera.from_video.motion_fits import MotionFit
from comfyui_fulldit.control.camera.from_video.problem import Problem

pytest.importorskip("cv2")
FRAMES, FOCAL = 9, 600.0
FORWARD = np.linspace(0, 1, FRAMES)[:, None] * np.array([0.0, 0.0, 1.2])
SIDEWAYS = np.sin(np.linspace(0, np.pi, FRAMES))[:, None] * np.array([0.25, 0.0, 0.0])


@pytest.mark.parametrize("baselines", [20, 200, 1000])
def test_points_at_many_baselines_start_a_path(baselines):
    """OpenCV's own limit is 50: a camera that sways a little has nothing nearer."""
    random = np.random.default_rng(1)
    depths = random.uniform(0.5 * baselines, 1.5 * baselines, 300)
    points = np.concatenate([random.uniform(-0.5, 0.5, (300, 2)), np.ones((300, 1))], 1) * depths[:, None]
    turn = rotations.from_rotvec(np.radians([[1.0, -2.0, 0.5]]))[0]
    step = np.array([0.6, 0.0, 0.8])
    moved = points @ turn.T + step
    rays = points[:, :2] / points[:, 2:], moved[:, :2] / moved[:, 2:]
    rotation, translation, inliers = two_view.relative_pose(*rays, 1 / FOCAL)
    assert inliers.mean() > 0.95 and translation @ step > 0.99
    assert np.degrees(rotations.angle_between(rotation[None], turn[None]))[0] < 0.01


def wall(noise: float, bumps: float, seed: int = 0) -> tuple[Problem, MotionFit]:
    """A camera that goes forward and a little sideways toward an upright wall, with some points `bumps` before it."""
    random = np.random.default_rng(seed)
    points = np.concatenate([random.uniform(-1.5, 1.5, (200, 2)), np.full((200, 1), 4.0)], 1)
    points[:20, 2] -= bumps
    centers = FORWARD + SIDEWAYS
    camera, point = np.repeat(np.arange(FRAMES), 200), np.tile(np.arange(200), FRAMES)
    inside = points[point] - centers[camera]
    observed = FOCAL * inside[:, :2] / inside[:, 2:] + random.normal(0, noise, (len(camera), 2))
    bundle = ba.Bundle(
        np.tile(np.eye(3), (FRAMES, 1, 1)),
        -centers,
        np.full(FRAMES, FOCAL),
        points,
        camera,
        point,
        observed,
        np.tile(np.eye(2), (len(camera), 1, 1)),
    )
    problem = Problem(np.zeros((200, FRAMES, 2)), FOCAL, True, 1.0, [])
    return problem, MotionFit("moving", np.arange(FRAMES), np.arange(200), bundle, np.ones(FRAMES, bool))


def turned(fit: MotionFit) -> float:
    """The largest angle of a camera to the first: the true path has none."""
    rotation = fit.bundle.rotation
    return float(np.degrees(rotations.angle_between(rotation, np.tile(rotation[:1], (FRAMES, 1, 1)))).max())


def test_the_right_one_of_two_paths_past_a_wall_is_taken_from_either():
    problem, fit = wall(noise=0.05, bumps=0.3)
    cameras = np.arange(FRAMES)
    plane = flat_scene._plane(fit.bundle.points)
    other = flat_scene._other_plane(fit.bundle, cameras, plane)
    tilt = np.degrees(np.arccos(other @ plane / np.linalg.norm(plane)))
    wrong = replace(fit, bundle=flat_scene._laid_on(fit.bundle, cameras, other))
    assert tilt > 5 and turned(wrong) > 1.0
    for start in (fit, wrong):
        best, is_ambiguous = flat_scene.best_path(problem, start)
        assert turned(best) < 0.2 and not is_ambiguous


def test_what_is_not_flat_has_one_path():
    problem, fit = wall(noise=0.05, bumps=0.0)
    points = fit.bundle.points.copy()
    points[:, 2] += np.random.default_rng(3).uniform(-2, 2, 200)
    assert flat_scene._other_path(problem, replace(fit, bundle=replace(fit.bundle, points=points))) is None


def test_a_fit_outdoes_another_by_points_that_it_alone_explains():
    _, fit = wall(noise=0.0, bumps=0.0)
    errors = np.full(200, 0.05)
    worse = np.where(np.arange(200) < 10, 1.0, errors)
    fine, other = replace(fit, point_errors=errors), replace(fit, point_errors=worse)
    assert fine.outdoes(other, 0.04) and not fine.outdoes(other, 0.06) and not other.outdoes(fine, 0.0)
    few = np.where(np.arange(200) < 4, 1.0, errors)
    assert not fine.outdoes(replace(fit, point_errors=few), 0.0)  # may be chance
    assert not fine.outdoes(fit, 0.0)  # was never measured
