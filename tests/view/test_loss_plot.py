"""The plot of a training's loss: as wide as the whole run, and whole whatever the losses are."""

from __future__ import annotations

import numpy as np
import pytest

from comfyui_fulldit.view.colors import NOW
from comfyui_fulldit.view.loss_plot import draw_losses


def red(image):
    """Where the smoothed line is, as (rows, columns)."""
    return np.nonzero(np.abs(image - np.array(NOW)).max(-1) < 0.12)


def test_the_line_falls_with_the_loss_and_ends_where_the_run_is():
    half = draw_losses(np.linspace(1.0, 0.2, 50), 100)
    rows, columns = red(half)
    assert half.shape == (240, 400, 3) and half.dtype == np.float32
    assert columns.max() == pytest.approx((44 + 400 - 12) / 2, abs=4), "half of the run is half of the page"
    left, right = rows[columns < 60].mean(), rows[columns > columns.max() - 20].mean()
    assert right > left + 60, "below is less"
    assert red(draw_losses(np.linspace(1.0, 0.2, 100), 100))[1].max() > 380


@pytest.mark.parametrize("losses", [[], [0.5], [0.0, 0.0], [float("nan"), 0.5], [float("nan")]])
def test_it_is_drawn_whatever_the_losses_are(losses):
    image = draw_losses(losses, 10)
    assert np.isfinite(image).all() and not len(red(image)[0]) or len(losses) == 2


def test_a_step_that_was_skipped_is_left_out():
    skipped = draw_losses([0.5, float("nan"), 0.5], 3)
    assert np.allclose(skipped, draw_losses([0.5, 0.5, 0.5], 3), atol=0.02)
