"""Depth: near is bright, over the whole clip, whatever came in."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from comfyui_fulldit.control.depth import DepthClip, normalize_depth, to_disparity
from comfyui_fulldit.control.errors import UserError


def slope(frames=5, height=8, width=20) -> np.ndarray:
    """Meters that grow from 1 (left) to 10 (right)."""
    return np.broadcast_to(np.linspace(1, 10, width), (frames, height, width)).copy()


def test_near_is_one_and_far_is_zero():
    clip = normalize_depth(slope(), "depth")
    assert clip.values[:, :, 0].min() == 1 and clip.values[:, :, -1].max() == 0
    assert (np.diff(clip.values[0, 0]) <= 0).all()
    assert clip.values.dtype == np.float32


def test_the_same_scene_in_every_kind_gives_the_same_clip():
    meters = slope()
    disparity = 1 / meters
    expected = normalize_depth(meters, "depth").values
    for given_, kind in ((disparity, "disparity"), (disparity, "auto"), (meters, "auto"), (1 - disparity, "inverted")):
        assert normalize_depth(given_, kind).values == pytest.approx(expected, abs=1e-5)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1000), st.floats(0.01, 100))
def test_the_unit_of_depth_does_not_matter(seed, unit):
    meters = np.random.default_rng(seed).uniform(1, 9, (3, 6, 7))
    assert normalize_depth(meters * unit, "depth").values == pytest.approx(
        normalize_depth(meters, "depth").values, abs=1e-4
    )


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1000))
def test_normalizing_twice_changes_almost_nothing(seed):
    once = normalize_depth(np.random.default_rng(seed).uniform(1, 9, (3, 10, 10)), "depth")
    assert normalize_depth(once.values).values == pytest.approx(once.values, abs=0.02)


def test_one_range_for_the_whole_clip():
    """A clip that recedes gets darker; frame by frame it would not."""
    clip = normalize_depth(np.stack([slope(1)[0] * k for k in (1, 2, 4)]), "depth")
    means = clip.values.mean((1, 2))
    assert means[0] > 1.5 * means[1] > 2 * means[2] > 0
    assert clip.recipe["scope"] == "whole clip"


def test_outliers_do_not_flatten_the_rest():
    meters = slope(height=50)
    meters[0, 0, 0] = 1e-4
    assert normalize_depth(meters, "depth").values == pytest.approx(
        normalize_depth(slope(height=50), "depth").values, abs=0.01
    )


def test_unknown_values_become_far_and_are_counted():
    meters = slope()
    meters[0, :2] = np.nan
    meters[1, :2] = 0
    meters[2, :2] = -3
    meters[3, :2] = np.inf  # the sky: known, and far
    clip = normalize_depth(meters, "depth")
    assert (clip.values[:4, :2] == 0).all()
    assert clip.recipe["unknown"] == pytest.approx(3 * 2 / (5 * 8), abs=1e-6)
    json.dumps(clip.recipe)


def test_a_few_near_pixels_in_an_empty_clip_still_count():
    disparity = np.zeros((3, 20, 20))
    disparity[:, 5, 5] = 1
    assert normalize_depth(disparity).values.max() == 1


def test_infinity_becomes_zero_disparity_and_no_distance_unknown():
    with np.errstate(all="raise"):
        assert to_disparity(np.array([2, np.inf])) == pytest.approx([0.5, 0])
        assert np.isnan(to_disparity(np.array([0, -1, np.nan]))).all()


def test_color_channels_are_averaged_and_sizes_change():
    gray = np.repeat((1 / slope())[..., None], 3, 3)
    clip = normalize_depth(gray)
    assert clip.values == pytest.approx(normalize_depth(1 / slope()).values, abs=1e-6)
    assert clip.resized(16, 40).values.shape == (5, 16, 40) and clip.frames == 5


@pytest.mark.parametrize(
    ("depth", "options", "says"),
    [
        (np.ones((3, 4, 4)), {}, "same everywhere"),
        (np.ones((3, 4, 4)) * 7, {"kind": "depth"}, "same everywhere"),
        (np.zeros((3, 4, 4)), {"kind": "disparity"}, "same everywhere"),
        (np.full((3, 4, 4), np.nan), {}, "no usable value"),
        (np.zeros((3, 4, 4)), {"kind": "depth"}, "no usable value"),
        (np.ones((4, 4)), {}, "frames, height, width"),
        (slope(), {"kind": "metric"}, "disparity"),
        (slope(), {"low": 0.9, "high": 0.1}, "quantiles"),
    ],
)
def test_what_is_not_depth_is_refused(depth, options, says):
    with pytest.raises(UserError, match=says):
        normalize_depth(depth, **options)


@pytest.mark.parametrize(("values", "says"), [(slope(), "normalize"), (slope() * np.nan, "NaN"), (slope()[0], "shape")])
def test_a_clip_holds_only_normalized_values(values, says):
    with pytest.raises(UserError, match=says):
        DepthClip(values)
