"""Geometry of core's nodes in, control images for other models out."""

from __future__ import annotations

import numpy as np
import pytest

from comfyui_fulldit.control.depth import DepthClip, normalize_depth
from comfyui_fulldit.control.depth.convert import TARGETS, control_images, from_da3, from_moge
from comfyui_fulldit.control.errors import UserError


def meters(frames=3, height=16, width=24) -> np.ndarray:
    return np.broadcast_to(1 / np.linspace(0.1, 1, height)[:, None], (frames, height, width)).astype(np.float32).copy()


def test_depth_anything_3_gives_distances_with_infinite_sky_and_unknown_where_unsure():
    depth = meters()
    sky = np.zeros_like(depth)
    sky[:, :4] = 0.9
    depth[:, :4] = 3  # what the network says of the sky means nothing
    sure = np.ones_like(depth)
    sure[:, 8, 8] = 0
    found = from_da3({"depth": depth, "sky": sky, "confidence": sure, "mode": "mono", "image": None}, 0.5)
    assert np.isinf(found.depth[:, :4]).all() and found.sky[:, :4].all() and np.isnan(found.depth[:, 8, 8]).all()
    assert "stabilize" in found.warnings[0] and depth[0, 0, 0] == 3
    clip = normalize_depth(found.depth, "depth", sky=found.sky)
    assert (clip.values[:, :4] == 0).all() and clip.values[:, -1, 0].min() == 1
    plain = from_da3({"depth": meters(), "mode": "multiview"}, 0.5)
    assert plain.sky is None and "no confidence" in plain.warnings[0] and np.array_equal(plain.depth, meters())


def test_moge_gives_distances_with_infinite_sky_where_its_mask_ends():
    depth, mask = meters(), np.ones((3, 16, 24), bool)
    depth[:, 0], mask[:, 1] = np.inf, False
    depth[:, 5, 5] = np.nan
    found = from_moge({"depth": depth, "mask": mask})
    assert np.isinf(found.depth[:, :2]).all() and found.sky.sum() == 2 * 24 * 3 and np.isnan(found.depth[0, 5, 5])
    points = np.stack([np.zeros_like(depth), np.zeros_like(depth), meters()], -1)
    assert np.array_equal(from_moge({"points": points}).depth, meters())
    assert from_moge({"depth": meters(1)}).warnings == []


@pytest.mark.parametrize("reader", [from_da3, from_moge])
@pytest.mark.parametrize(
    "geometry", [{}, {"depth": None}, {"depth": np.zeros(4)}, {"depth": [[1], [1, 2]]}, {"depth": "far"}]
)
def test_what_is_not_geometry_is_refused(reader, geometry):
    with pytest.raises(UserError):
        reader(geometry)
    with pytest.raises(UserError, match="as its depth has"):
        from_da3({"depth": meters(), "sky": meters(2)})


def clip(frames=21, height=64, width=96) -> DepthClip:
    return normalize_depth(meters(frames, height, width), "depth")


@pytest.mark.parametrize("target", list(TARGETS))
def test_images_are_near_bright_in_three_equal_channels(target):
    images, said = control_images(clip(17), target)
    assert images.shape == (17, 64, 96, 3) and images.dtype == np.float32 and not said
    assert np.array_equal(images[..., 0], clip(17).values) and np.array_equal(images[..., 0], images[..., 2])


def test_lengths_and_sides_are_brought_to_what_a_model_takes_with_a_warning():
    images, said = control_images(clip(21, 70, 100), "ltx")
    assert images.shape == (17, 64, 96, 3) and "last 4 frames" in said[2] and "stretched" in said[3]
    assert control_images(clip(21), "vace")[0].shape[0] == 21
    images, said = control_images(clip(9), "wan fun", 32, 96, 17)
    assert images.shape == (17, 32, 96, 3) and "spread" in said[0] and "stretched" in said[1]
    assert control_images(clip(9), "ltx", 128, 192, downscale=2)[0].shape == (9, 64, 96, 3)


@pytest.mark.parametrize(
    ("target", "options", "says"),
    [
        ("sora", {}, "vace"),
        ("vace", {"height": 70}, "64"),
        ("ltx", {"frames": 21}, "take 17|take 25"),
        ("vace", {"frames": 0}, "4k\\+1"),
        ("vace", {"downscale": 2}, "only guides of LTX"),
        ("ltx", {"width": 96, "downscale": 2}, "multiple of 64"),
    ],
)
def test_what_a_model_cannot_take_is_refused(target, options, says):
    with pytest.raises(UserError, match=says):
        control_images(clip(), target, **options)
