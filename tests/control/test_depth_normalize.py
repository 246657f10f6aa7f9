"""Fixed ranges, single frames, sky, holes, and which way the values point."""

from __future__ import annotations

import json

import numpy as np
import pytest

from comfyui_fulldit.control.depth import normalize_depth
from comfyui_fulldit.control.depth.normalize import apply_recipe
from comfyui_fulldit.control.errors import UserError


def landscape(frames=4, height=32, width=48) -> np.ndarray:
    """Meters: sky at infinity above, ground from 30 m at the horizon to 1 m at one's feet, a box at 3 m."""
    depth = np.full((frames, height, width), np.inf)
    depth[:, height // 3 :] = 1 / np.linspace(1 / 30, 1, height - height // 3)[:, None]
    depth[:, 12:20, 5:15] = 3
    return depth


def test_fixed_near_and_far_mean_the_same_in_every_clip():
    for meters in (landscape(), landscape() * 1.5):
        clip = normalize_depth(meters, "depth", near=1, far=20)
        expected = np.clip((1 / meters - 1 / 20) / (1 - 1 / 20), 0, 1)
        assert clip.values == pytest.approx(expected, abs=1e-6) and clip.recipe["scope"] == "fixed"
    assert normalize_depth(landscape(), "depth", near=1, far=np.inf).values == pytest.approx(1 / landscape(), abs=1e-6)
    same = np.full((2, 4, 4), 5.0)  # one distance is no problem where the range is known
    assert normalize_depth(same, "depth", near=1, far=np.inf).values == pytest.approx(0.2)
    gray = normalize_depth(same, "disparity", near=10, far=0)
    assert gray.values == pytest.approx(0.5)
    assert normalize_depth(same, "inverted", near=0, far=10).values == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("kind", "near", "far", "says"),
    [
        ("depth", 5, 1, "0 < near < far"),
        ("depth", 0, 1, "0 < near < far"),
        ("depth", np.nan, 1, "0 < near < far"),
        ("disparity", 0, 1, "near > far"),
        ("inverted", 1, 0, "near < far"),
        ("depth", 1, None, "give both"),
    ],
)
def test_a_range_that_makes_no_sense_is_refused(kind, near, far, says):
    with pytest.raises(UserError, match=says):
        normalize_depth(landscape(), kind, near=near, far=far)


def test_ranges_are_per_frame_only_when_asked_for():
    meters = np.stack([landscape(1)[0] * k for k in (1, 2, 4)])
    clip = normalize_depth(meters, "depth", scope="frame")
    assert clip.values[1] == pytest.approx(clip.values[0], abs=1e-5)
    assert clip.recipe["scope"] == "per frame" and len(clip.recipe["range"]) == 3
    assert not np.allclose(*normalize_depth(meters, "depth").values[:2])
    meters[1] = 7  # an even frame among others takes the clip's range
    assert np.ptp(normalize_depth(meters, "depth", scope="frame").values[1]) == 0
    with pytest.raises(UserError, match="scope"):
        normalize_depth(meters, scope="shot")


def test_the_recipe_gives_the_same_again():
    meters = landscape()
    clip = normalize_depth(meters, "depth")
    recipe = json.loads(json.dumps(clip.recipe))
    assert np.array_equal(apply_recipe(meters[1:3], recipe), clip.values[1:3])
    for broken in ({}, {"kind": "depth"}, {"kind": "auto", "range": [0, 1]}, {"kind": "depth", "range": [1, 1]}):
        with pytest.raises(UserError, match="recipe"):
            apply_recipe(meters, broken)


def test_sky_is_far_and_has_no_part_in_the_range():
    disparity = np.where(np.isinf(landscape()), 1, 1 / landscape())  # an estimator that takes the sky for near
    sky = np.isinf(landscape()).astype(np.float32)
    clip = normalize_depth(disparity, "disparity", sky=sky)
    assert (clip.values[sky > 0] == 0).all() and clip.recipe["sky"] == pytest.approx(sky.mean(), abs=1e-6)
    known = disparity[sky == 0]
    assert clip.recipe["range"] == pytest.approx(np.quantile(known, [0.02, 0.98]), abs=1e-6)
    with pytest.raises(UserError, match="sky mask"):
        normalize_depth(disparity, "disparity", sky=sky[:1])


def test_unknown_areas_are_far_or_filled():
    disparity = 1 / landscape()
    holed = disparity.copy()
    holed[:, 14:18, 8:12] = np.nan
    assert (normalize_depth(holed, "disparity").values[:, 14:18, 8:12] == 0).all()
    filled = normalize_depth(holed, "disparity", fill=True)
    assert filled.values[:, 14:18, 8:12] == pytest.approx(filled.values[:, 13:14, 8:12].repeat(4, 1))
    holed[0] = np.nan  # nothing to fill a frame from
    assert (normalize_depth(holed, "disparity", fill=True).values[0] == 0).all()


def test_auto_sees_which_way_images_point():
    near_is_bright = np.nan_to_num(1 / landscape())
    assert normalize_depth(near_is_bright).recipe["kind"] == "disparity"
    dark = normalize_depth(1 - near_is_bright)
    assert dark.recipe["kind"] == "inverted" and "inverted" in dark.recipe["warnings"][0]
    assert dark.values == pytest.approx(normalize_depth(near_is_bright).values, abs=1e-5)
    assert normalize_depth(landscape()).recipe["kind"] == "depth"
    raw = normalize_depth(near_is_bright * 40)  # disparity of an estimator, in no unit
    assert raw.recipe["kind"] == "disparity" and "distances" in raw.recipe["warnings"][0]


def test_a_stated_kind_is_taken_with_a_warning_where_it_looks_wrong():
    for values, kind in ((1 - np.nan_to_num(1 / landscape()), "disparity"), (1 / landscape(), "inverted")):
        clip = normalize_depth(values, kind)
        assert clip.recipe["kind"] == kind and "exchanged" in clip.recipe["warnings"][0]
    assert "warnings" not in normalize_depth(landscape(), "depth").recipe


@pytest.mark.parametrize("kind", ["depth", "disparity", "inverted", "auto"])
def test_odd_clips_are_handled_or_refused(kind):
    one = normalize_depth(np.random.default_rng(0).uniform(1, 2, (1, 9, 9)), kind)
    assert one.frames == 1
    whole_numbers = np.arange(2 * 8 * 8).reshape(2, 8, 8).astype(np.uint16)
    assert normalize_depth(whole_numbers, kind).values.max() == 1
    for bad in (np.full((2, 4, 4), np.nan), np.full((2, 4, 4), np.inf), np.full((2, 4, 4), 3.0)):
        with pytest.raises(UserError):
            normalize_depth(bad, kind)
    with pytest.raises(UserError, match="numbers"):
        normalize_depth(np.full((2, 4, 4), "near"), kind)
