"""References cropped from larger images."""

from __future__ import annotations

import numpy as np
import pytest

from comfyui_fulldit.control.errors import UserError
from comfyui_fulldit.control.identity.reference import crop_reference
from comfyui_fulldit.control.identity.shapes import Box, rasterize


def test_a_reference_is_cropped_with_or_without_its_background():
    image = np.zeros((60, 100, 3), np.float32)
    image[:, :50] = (0, 0, 1)
    image[:, 50:] = (0, 1, 0)
    mask = rasterize(Box((0.5, 0.5), (0.2, 0.5)), 60, 100)
    image[mask > 0.5] = (1, 0, 0)
    gray, cover = crop_reference(image, mask, height=64, width=96)
    kept, same = crop_reference(image, mask, True, 64, 96)
    assert (cover == same).all() and cover.shape == (64, 96)
    assert gray[32, 48] == pytest.approx([1, 0, 0]) and kept[32, 48] == pytest.approx([1, 0, 0])
    assert gray[32, 4] == pytest.approx([0.5] * 3)
    assert kept[32, 20] == pytest.approx([0, 0, 1]) and kept[32, 76] == pytest.approx([0, 1, 0])
    # The thing lies at one place in both, where the mask says.
    for cropped in (gray, kept):
        assert ((cropped[..., 0] > 0.7) == (cover > 0.5)).mean() > 0.97


def test_a_reference_beside_the_border_shows_gray_beyond_it():
    image, mask = np.ones((40, 40, 3), np.float32) * 0.9, np.zeros((40, 40), np.float32)
    mask[:10, :10] = 1
    kept, cover = crop_reference(image, mask, True, 32, 64, margin=0.25)
    assert kept.shape == (32, 64, 3) and kept[0, 0] == pytest.approx([0.5] * 3) and kept[31, 63, 0] > 0.8
    assert cover[16, 32] == 1 and kept[16, 32, 0] == pytest.approx(0.9)


def test_a_reference_takes_alpha_and_does_without_a_mask():
    image = np.ones((10, 20, 4), np.float32)
    image[..., 3] = rasterize(Box((0.5, 0.5), (0.25, 0.5)), 10, 20)
    cropped, cover = crop_reference(image, height=32, width=32)
    assert cover.sum() == pytest.approx(28 * 28, rel=0.1) and cropped.shape == (32, 32, 3)
    whole, cover = crop_reference(image[..., :3], None, True, 32, 32)
    assert whole.shape == (32, 32, 3) and cover.mean() == pytest.approx(0.5, abs=0.02)
    for fields, says in (
        ({"mask": np.ones((10, 10))}, "cannot belong"),
        ({"margin": 0.5}, "margin"),
        ({"mask": np.zeros((10, 20))}, "empty"),
        ({"height": 0}, "at least 1"),
    ):
        with pytest.raises(UserError, match=says):
            crop_reference(image, **fields)
