"""The distances behind depth clips, and lenses for images of other proportions."""

from __future__ import annotations

import numpy as np
import pytest

from comfyui_fulldit.control.camera import CameraTrajectory
from comfyui_fulldit.control.camera.lens import fit_lens
from comfyui_fulldit.control.depth import DepthClip, normalize_depth
from comfyui_fulldit.control.depth.scale import DepthScale
from comfyui_fulldit.control.errors import UserError

UNIT = "median depth of the first frame"


def path(unit: str) -> CameraTrajectory:
    return CameraTrajectory(np.eye(3, 4)[None], np.array([0.5, 0.75, 0.5, 0.5]), unit=unit)


def meters() -> np.ndarray:
    """Two frames; the median of the first is 4 m, and all of the second is twice as far."""
    first = np.linspace(2, 6, 5 * 7).reshape(5, 7)
    return np.stack([first, 2 * first])


def test_metric_depth_comes_back_in_meters_and_in_medians_of_the_first_frame():
    clip = normalize_depth(meters(), "depth", near=2.0, far=12.0)
    scale = DepthScale.of(clip, path("meters"))
    assert scale.distances(clip.values) == pytest.approx(meters(), rel=1e-5) and scale.offset is None
    assert "distance of 2 and far (0) at 12, in units of the path (meters)" in scale.describe("meters")
    relative = DepthScale.of(clip, path(UNIT))
    assert relative.distances(clip.values) == pytest.approx(meters() / 4, rel=1e-5)
    assert np.median(relative.distances(clip.values[0])) == pytest.approx(1)
    assert "distance of 0.5 and far (0) at 3" in relative.describe(UNIT)


def test_distances_become_values_again():
    clip = normalize_depth(meters(), "depth", near=2.0, far=12.0)
    for unit in ("meters", UNIT):
        scale = DepthScale.of(clip, path(unit))
        assert scale.normalize(scale.distances(clip.values)) == pytest.approx(clip.values, abs=1e-6)
        assert scale.normalize(np.array([np.inf, 1e-6])).tolist() == [0, 1]
        assert np.isnan(scale.normalize(np.array([np.nan]))).all()


def test_what_is_infinitely_far_stays_so():
    clip = normalize_depth(meters(), "depth", near=2.0, far=np.inf)
    scale = DepthScale.of(clip, path("meters"))
    assert np.isinf(scale.distances(np.zeros(3))).all() and "far (0) at inf" in scale.describe("meters")


def test_relative_depth_takes_the_offset():
    values = np.linspace(0, 1, 2 * 5 * 7).reshape(2, 5, 7)
    for recipe in ({"kind": "disparity"}, {"kind": "depth", "scope": "per frame", "range": [[0, 1]] * 2}):
        clip = DepthClip(values, recipe)
        scale = DepthScale.of(clip, path(UNIT), 0.25)
        assert scale.offset == 0.25
        near, far = scale.distances(np.array([1.0, 0.0]))
        assert far / near == pytest.approx(1.25 / 0.25)
        assert np.median(scale.distances(clip.values[0])) == pytest.approx(1)
        with pytest.raises(UserError, match="moves in meters but the depth is relative"):
            DepthScale.of(clip, path("meters"))
        for bad in (0.0, -1.0, np.inf, np.nan):
            with pytest.raises(UserError, match="a number above 0 was expected"):
                DepthScale.of(clip, path(UNIT), bad)


def test_a_lens_is_cropped_to_the_proportions_of_the_image():
    """A lens for 3:2, 90 degrees wide: a square image loses the sides, a strip above and below."""
    lens = np.array([[0.5, 0.75, 0.5, 0.5], [0.5, 0.75, 0.4, 0.6]])
    assert fit_lens(lens, 300, 200) == pytest.approx(lens)
    assert fit_lens(lens, 200, 200) == pytest.approx(np.array([[0.75, 0.75, 0.5, 0.5], [0.75, 0.75, 0.35, 0.6]]))
    assert fit_lens(lens, 300, 100) == pytest.approx(np.array([[0.5, 1.5, 0.5, 0.5], [0.5, 1.5, 0.4, 0.7]]))
