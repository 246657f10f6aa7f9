"""The images of a camera path show how it moves, and where."""

from __future__ import annotations

import numpy as np
import pytest

from comfyui_fulldit.control.camera.presets import preset
from comfyui_fulldit.control.camera.trajectory import CameraTrajectory
from comfyui_fulldit.control.errors import UserError
from comfyui_fulldit.view import curve_plot, path_plot, plucker_plot


def red(image: np.ndarray) -> np.ndarray:
    """Where the color of the last frame is (y, x), the time bar at the foot left out."""
    part = image[30:-30]
    spots = np.argwhere((part[..., 0] > 0.8) & (part[..., 1] < 0.35))
    return spots + (30, 0)


def blue(image: np.ndarray) -> np.ndarray:
    part = image[30:-30]
    return np.argwhere((part[..., 2] > 0.7) & (part[..., 0] < 0.2)) + (30, 0)


@pytest.mark.parametrize(
    ("name", "axis", "sign"),
    [("pedestal_up", 0, -1), ("pedestal_down", 0, 1), ("truck_right", 1, 1), ("truck_left", 1, -1)],
)
def test_the_last_camera_stands_where_the_movement_leads(name, axis, sign):
    image = path_plot.draw_path(preset(name, frames=9, amount=0.8), 240, 360)
    assert image.shape == (240, 360, 3) and image.dtype == np.float32
    assert sign * (red(image).mean(0)[axis] - blue(image).mean(0)[axis]) > 10


def test_still_huge_tiny_long_and_wide_paths_can_be_drawn():
    still = preset("static", frames=1)
    far = preset("dolly_in", frames=200).scaled(1e4)
    small = preset("truck_left", frames=3).scaled(1e-9)
    wide = preset("zoom_in", frames=5, fov=150.0)
    for path in (still, far, small, wide):
        for image in (path_plot.draw_path(path, 120, 160), curve_plot.draw_curves(path, 120, 160)):
            assert image.shape == (120, 160, 3) and np.isfinite(image).all()
            assert image.min() >= 0 and image.max() <= 1 and image.std() > 0.01


def test_a_clip_of_a_path_has_an_image_per_frame_and_a_line_that_moves_on():
    path = preset("orbit_left", frames=5)
    frames = path_plot.draw_path_frames(path, 120, 160)
    curves = curve_plot.draw_curve_frames(path, 160, 200)
    assert frames.shape == (5, 120, 160, 3) and curves.shape == (5, 160, 200, 3)
    assert all(np.abs(a - b).max() > 0.2 for a, b in zip(frames, frames[1:], strict=False))
    plain = curve_plot.draw_curves(path, 160, 200)
    line = [int(np.abs(image - plain).mean((0, 2)).argmax()) for image in curves]
    assert line == sorted(line) and np.ptp(np.diff(line)) <= 2 and line[-1] - line[0] > 100


def test_a_curve_is_above_its_limit_where_the_speed_is():
    def heights(amount: float) -> tuple[float, float]:
        path = preset("truck_right", frames=9, amount=amount, ease="linear")
        page = curve_plot.draw_curves(path, 360, 360, {"speed": 0.5})[30:110]
        dashes = np.argwhere((page[..., 0] > 0.8) & (page[..., 1] < 0.35))[:, 0]
        line = np.argwhere((page[..., 2] > 0.7) & (page[..., 0] < 0.2))[:, 0]
        return float(np.median(dashes)), float(np.median(line))

    limit, fast = heights(1.0)  # one unit a second
    assert fast < limit - 10
    limit, slow = heights(0.25)
    assert slow > limit + 10


def test_a_limit_far_above_the_curve_is_written_and_not_drawn():
    far = preset("truck_right", frames=9, amount=0.05)
    plain, stated = (curve_plot.draw_curves(far, 360, 360, limits) for limits in (None, {"speed": 0.5}))
    assert np.array_equal(plain[30:110], stated[30:110]) and not np.array_equal(plain[:24], stated[:24])


def test_rays_become_colors_moments_left_and_directions_right():
    rays = np.zeros((3, 6, 4, 5))
    rays[:, 5] = 1.0  # all look forward
    rays[2, 0] = -2.0
    clip = plucker_plot.draw_plucker_frames(rays)
    assert clip.shape == (3, 4, 14, 3)
    assert np.allclose(clip[0, :, 9:], [0.5, 0.5, 1]) and np.allclose(clip[0, :, :5], 0.5)
    assert np.allclose(clip[2, :, :5], [0, 0.5, 0.5])
    sheet = plucker_plot.draw_plucker_sheet(np.repeat(rays, 4, 0), columns=3, width=300)
    assert sheet.shape[1:] == (300, 3) and sheet.std() > 0.05


def test_a_narrow_sheet_of_rays_shows_as_many_as_there_is_room_for():
    rays = np.zeros((9, 6, 40, 40))
    rays[:, 5] = 1.0
    for width in (96, 110, 140, 300):
        sheet = plucker_plot.draw_plucker_sheet(rays, columns=6, width=width)
        blue = np.isclose(sheet, [0.5, 0.5, 1]).all(-1)
        assert sheet.shape[1] == width and 1 <= len(np.flatnonzero(np.diff(blue.any(0).astype(int)) > 0)) <= 6
    with pytest.raises(UserError, match="95 pixels wide; 96 or more were expected"):
        plucker_plot.draw_plucker_sheet(rays, width=95)


def test_rays_with_other_channels_are_refused():
    with pytest.raises(UserError, match="6, height, width"):
        plucker_plot.draw_plucker_frames(np.zeros((3, 5, 4, 5)))


def test_a_path_far_from_the_origin_is_drawn_as_at_the_origin():
    path = preset("crane_up", frames=5)
    moved = CameraTrajectory(path.c2w + np.array([0, 0, 0, 100.0]), path.intrinsics, path.fps)
    assert np.abs(path_plot.draw_path(path, 120, 160) - path_plot.draw_path(moved, 120, 160)).mean() < 1e-3
