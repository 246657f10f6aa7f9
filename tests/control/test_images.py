"""Resizing: a long side gives what a short one gives, and takes no memory by the square of its length."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from comfyui_fulldit.control import images


@pytest.mark.parametrize("method", [images.resize, images.resize_sharp])
@pytest.mark.parametrize("size", [(40, 30), (7, 90), (200, 3), (1, 1)])
def test_row_by_row_is_what_the_matrix_gives(monkeypatch, method, size):
    given = np.random.default_rng(0).random((31, 47, 3), np.float32)
    expected = method(given, *size)
    monkeypatch.setattr(images, "MOST_WEIGHTS", 0)
    assert np.allclose(method(given, *size), expected, atol=1e-6) and expected.shape == (*size, 3)


@pytest.mark.parametrize("shape", [(1, 2**20), (2**20, 1)])
def test_a_strip_of_a_million_pixels_takes_little_more_than_its_own_memory(shape):
    strip = np.linspace(0, 1, 2**20, dtype=np.float32).reshape(shape)
    tracemalloc.start()
    small = images.resize(strip, 48, 32)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 2**27
    along = small.mean(0 if shape[0] == 1 else 1)
    count = len(along)
    inside = (np.arange(count)[1:-1] + 0.5) / count  # at the ends the filter has one side alone
    assert along[1:-1] == pytest.approx(inside, abs=1e-3)
