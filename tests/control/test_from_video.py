"""Cameras estimated from videos rendered here by warping planes: they share nothing with the estimator."""

from __future__ import annotations

import numpy as np
import pytest

from comfyui_fulldit.control.camera import CameraTrajectory, rotations
from comfyui_fulldit.control.camera.from_video import estimate_camera
from comfyui_fulldit.control.camera.from_video.bundle_adjustment import Bundle, adjust, free_parameters
from comfyui_fulldit.control.camera.presets import preset
from comfyui_fulldit.control.errors import UserError

cv2 = pytest.importorskip("cv2")

HEIGHT, WIDTH, FRAMES = 192, 320, 12
FOV = 55.0


def texture(seed: int, size: int = 512) -> np.ndarray:
    random = np.random.default_rng(seed)
    total = np.zeros((size, size), np.float32)
    for cells in (8, 24, 64, 160):
        total += cv2.resize(random.standard_normal((cells, cells)).astype(np.float32), (size, size), interpolation=2)
    value = np.clip(127 + 45 * total, 0, 255).astype(np.uint8)
    return np.stack([value, np.roll(value, 40, 0), 255 - value], -1)


# Walls of a corridor: a corner, and the two edges that span it (world units: the subject's distance is 1).
PLANES = [
    ((-3, -2, 2.2), (6, 0, 0), (0, 4, 0)),
    ((-3, 0.55, 0.1), (6, 0, 0), (0, 0, 2.1)),
    ((-1.1, -2, 0.1), (0, 0, 2.1), (0, 4, 0)),
    ((0.1, -0.35, 1.0), (0.45, 0, 0.1), (0, 0.5, 0)),
    ((-0.6, -0.2, 1.3), (0.4, 0, 0.0), (0, 0.5, 0.1)),
]


def film(path: CameraTrajectory, planes=PLANES, height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    """Frames (F, H, W, 3) uint8: every plane is warped by its exact homography, the far ones first."""
    frames = []
    images = [texture(k) for k in range(len(planes))]
    for w2c, lens in zip(path.w2c(), path.intrinsics, strict=True):
        scale = np.array([[lens[0] * width, 0, lens[2] * width], [0, lens[1] * height, lens[3] * height], [0, 0, 1]])
        frame = np.full((2 * height, 2 * width, 3), 128, np.uint8)
        for (corner, along, down), image in zip(planes, images, strict=True):
            basis = np.stack([along, down, corner], 1).astype(float) / np.array([image.shape[1], image.shape[0], 1])
            into = scale @ (w2c[:, :3] @ basis + np.outer(w2c[:, 3], [0, 0, 1]))
            # Twice the size, with pixel centers at halves on both sides.
            half, double = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1]]), np.diag([2.0, 2.0, 1.0])
            move = np.linalg.inv(half) @ double @ into @ half
            size = (2 * width, 2 * height)
            drawn = cv2.warpPerspective(image, move, size, flags=cv2.INTER_AREA)
            inside = cv2.warpPerspective(np.full(image.shape[:2], 255, np.uint8), move, size)
            # What lies behind the camera would come out mirrored.
            v, u = np.mgrid[: 2 * height, : 2 * width].astype(float)
            back = np.linalg.inv(move) @ np.stack([u.ravel(), v.ravel(), np.ones(u.size)])
            ahead = (move @ (back / back[2]))[2].reshape(u.shape) > 0
            frame = np.where(((inside > 127) & ahead)[..., None], drawn, frame)
        frames.append(cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA))
    return np.stack(frames)


def filmed(name: str, amount: float | None = None, frames: int = FRAMES) -> tuple[np.ndarray, CameraTrajectory]:
    path = preset(name, frames, amount, fov=FOV, aspect=WIDTH / HEIGHT)
    return film(path), path


def rotation_error(estimate: CameraTrajectory, path: CameraTrajectory) -> float:
    return float(np.degrees(rotations.angle_between(estimate.c2w[:, :, :3], path.c2w[:, :, :3])).max())


def direction_error(estimate: CameraTrajectory, path: CameraTrajectory) -> float:
    a, b = estimate.c2w[-1, :, 3], path.c2w[-1, :, 3]
    return float(np.degrees(np.arccos(np.clip(a @ b / np.linalg.norm(a) / np.linalg.norm(b), -1, 1))))


@pytest.mark.parametrize(("name", "amount"), [("truck_right", 0.3), ("dolly_in", 0.3)])
def test_a_moving_camera_is_found(name, amount):
    frames, path = filmed(name, amount)
    result = estimate_camera(frames, focal=float(path.intrinsics[0, 0]), fps=24)
    assert result.movement == "moving" and not result.failed and result.focal_known
    assert result.trajectory.frames == FRAMES and result.trajectory.fps == 24
    assert rotation_error(result.trajectory, path) < 0.1
    assert direction_error(result.trajectory, path) < 1
    assert result.inliers.min() > 0.6
    assert result.doubtful == () and result.rotation_sd.max() < 0.5
    assert result.rotation_sd[0] == pytest.approx(0, abs=1e-6) and 0 < result.position_sd.max() < 0.02
    assert "Frames to look at: none" in result.report()
    # The unit is the median depth of what the first frame shows.
    assert np.median(result.points[:, 2]) == pytest.approx(1, abs=0.4)
    assert np.allclose(result.trajectory.c2w[0], np.eye(3, 4))


def test_little_parallax_is_a_movement_and_its_given_lens_is_not_shown():
    frames, path = filmed("truck_right", 0.02)
    result = estimate_camera(frames, focal=float(path.intrinsics[0, 0]))
    assert result.movement == "moving" and not result.doubtful
    assert rotation_error(result.trajectory, path) < 0.1 and direction_error(result.trajectory, path) < 3
    assert not result.focal_determined and "(given; the video does not show it)" in result.report()


def test_a_pan_is_a_pan_and_invents_no_translation():
    frames, path = filmed("pan_right", 12)
    result = estimate_camera(frames, focal=float(path.intrinsics[0, 0]))
    assert result.movement == "turning"
    assert rotation_error(result.trajectory, path) < 0.05
    assert np.abs(result.trajectory.c2w[:, :, 3]).max() == 0
    assert any("turns" in warning for warning in result.warnings)
    # The camera that pans right looks toward +x.
    assert result.trajectory.c2w[-1, 0, 2] == pytest.approx(np.sin(np.radians(12)), abs=1e-3)


def test_a_zoom_is_recognized():
    frames, path = filmed("zoom_in", 1.4)
    result = estimate_camera(frames, focal=float(path.intrinsics[0, 0]))
    assert result.movement == "zooming" and any("zoom" in warning for warning in result.warnings)
    ratio = result.trajectory.intrinsics[-1, 0] / result.trajectory.intrinsics[0, 0]
    assert ratio == pytest.approx(1.4, abs=0.01)
    assert rotation_error(result.trajectory, path) < 0.2


def test_a_still_camera_stands_still():
    frames, path = filmed("static", frames=6)
    noise = np.random.default_rng(0).normal(0, 2, frames.shape)
    result = estimate_camera(np.clip(frames + noise, 0, 255).astype(np.uint8))
    assert result.movement == "static"
    assert np.abs(result.trajectory.c2w - np.eye(3, 4)).max() == 0
    assert not result.focal_known and any("guess" in warning for warning in result.warnings)


def test_an_unknown_lens_is_estimated_where_the_camera_turns():
    frames, path = filmed("pan_right", 25, frames=10)
    result = estimate_camera(frames)
    assert result.focal == pytest.approx(path.intrinsics[0, 0], rel=0.03)
    assert not result.focal_known and result.focal_determined and "estimated" in result.report()


def test_a_lens_is_not_determined_by_a_camera_that_moves_straight():
    frames, _ = filmed("dolly_in", 0.3, frames=8)
    result = estimate_camera(frames)
    assert not result.focal_determined
    assert "not determined" in result.report() and "a guess" in result.report()


def test_masked_motion_is_ignored():
    """A large poster slides through the image of a camera that stands: with a mask, the camera stands."""
    frames, _ = filmed("static", frames=8)
    masks = np.zeros(frames.shape[:3], bool)
    poster = texture(99)[:150, :220]
    for k in range(len(frames)):
        frames[k, 20:170, 20 + 9 * k : 240 + 9 * k] = poster
        masks[k, 20:170, 20 + 9 * k : 240 + 9 * k] = True
    result = estimate_camera(frames, masks=masks)
    assert result.movement == "static"
    wrong = estimate_camera(frames)
    assert wrong.doubtful and any("mask what moves" in warning.lower() for warning in wrong.warnings)


def test_a_cut_is_reported():
    first, path = filmed("truck_right", 0.1, frames=9)
    other = film(path.replace(c2w=path.c2w[:4], intrinsics=path.intrinsics[:4]), planes=PLANES[1:])
    other = np.roll(other[:, ::-1], 77, 2)
    result = estimate_camera(np.concatenate([first, other]), focal=float(path.intrinsics[0, 0]))
    assert set(range(9, 13)) <= set(result.failed)
    assert set(result.failed) <= set(result.doubtful)
    assert any("No pose was found" in note for note in result.trajectory.notes)


@pytest.mark.parametrize(
    ("frames", "options", "word"),
    [
        (np.full((5, 64, 96, 3), 90, np.uint8), {}, "Too few points to track"),
        (np.zeros((1, 64, 96, 3), np.uint8), {}, "at least 2"),
        (np.zeros((5, 64, 96), np.uint8), {}, "expected"),
        (np.zeros((5, 16, 96, 3), np.uint8), {}, "32x32"),
        (np.zeros((5, 64, 96, 3), np.uint8), {"focal": 0.0}, "focal"),
        (np.zeros((5, 64, 96, 3), np.uint8), {"method": "magic"}, "magic"),
        (np.zeros((5, 64, 96, 3), np.uint8), {"masks": np.zeros((5, 64, 95), bool)}, "masks"),
        (np.zeros((5, 64, 96, 3), np.uint8), {"keyframes": 1}, "key frames"),
    ],
)
def test_invalid_videos_and_options_are_refused(frames, options, word):
    with pytest.raises(UserError, match=word):
        estimate_camera(frames, **options)


def test_bundle_adjustment_finds_exact_cameras():
    """Six cameras and forty points, started off by a degree and a tenth of a unit: exact to 1e-6."""
    random = np.random.default_rng(4)
    points = random.uniform((-1, -1, 2), (1, 1, 4), (40, 3))
    rotation = rotations.from_rotvec(random.normal(0, 0.1, (6, 3)))
    translation = random.normal(0, 0.3, (6, 3))
    rotation[0], translation[0] = np.eye(3), 0
    camera, point = np.repeat(np.arange(6), 40), np.tile(np.arange(40), 6)
    seen = np.einsum("mij,mj->mi", rotation[camera], points[point]) + translation[camera]
    at = 700 * seen[:, :2] / seen[:, 2:]
    start = Bundle(
        rotations.from_rotvec(np.r_[np.zeros((1, 3)), random.normal(0, 0.02, (5, 3))]) @ rotation,
        translation + np.r_[np.zeros((1, 3)), random.normal(0, 0.1, (5, 3))],
        np.full(6, 700.0),
        points + random.normal(0, 0.1, points.shape),
        camera,
        point,
        at,
        np.tile(np.eye(2), (240, 1, 1)),
    )
    result = adjust(start, free_parameters(6), 10.0, rounds=60, tolerance=0)
    assert np.abs(result.residuals()).max() < 1e-5
    assert np.degrees(rotations.angle_between(result.rotation, rotation)).max() < 1e-5
    scale = np.linalg.norm(translation[1]) / np.linalg.norm(result.translation[1])
    assert np.abs(result.translation * scale - translation).max() < 1e-6


def test_progress_reaches_its_total():
    from contextlib import contextmanager

    steps = []

    @contextmanager
    def bar(total, title):
        steps.append(total)
        yield lambda: steps.append(1)

    frames, path = filmed("truck_right", 0.2, frames=5)
    estimate_camera(frames, focal=float(path.intrinsics[0, 0]), progress=bar)
    assert len(steps) - 1 <= steps[0]


def test_colmap_agrees():
    pytest.importorskip("pycolmap")
    frames, path = filmed("truck_right", 0.4, frames=5)
    result = estimate_camera(frames, focal=float(path.intrinsics[0, 0]), method="colmap")
    assert result.method == "colmap" and not result.failed
    assert rotation_error(result.trajectory, path) < 0.3
    assert direction_error(result.trajectory, path) < 2


def test_an_old_pycolmap_is_refused(monkeypatch):
    import sys
    import types

    monkeypatch.setitem(sys.modules, "pycolmap", types.SimpleNamespace(__version__="3.11"))
    with pytest.raises(UserError, match="needs pycolmap 4 or newer, and 3.11 is installed"):
        estimate_camera(np.zeros((5, 64, 96, 3), np.uint8), method="colmap")
