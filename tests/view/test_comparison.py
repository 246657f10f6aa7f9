"""Clips side by side: every frame of every clip in its cell, below its title."""

from __future__ import annotations

import numpy as np
import pytest

from comfyui_fulldit.control.errors import UserError
from comfyui_fulldit.view.comparison import BAND, GAP, draw_comparison


def test_every_clip_is_in_its_cell_and_a_short_one_holds_its_last_frame():
    gray = {"one": (0.0, 0.2, 0.4), "two": (0.6, 0.8), "three": (1.0, 1.0, 1.0), "four": (0.5, 0.1, 0.9)}
    clips = {name: np.stack([np.full((16, 24, 3), value, np.float32) for value in gray[name]]) for name in gray}
    frames = list(draw_comparison(clips))
    height, width = 160, 240  # ten times as large, so that a title fits
    assert len(frames) == 3
    assert {frame.shape for frame in frames} == {(GAP + 2 * (BAND + height + GAP), GAP + 3 * (width + GAP), 3)}
    for number, frame in enumerate(frames):
        for index, name in enumerate(gray):
            top, left = GAP + index // 3 * (BAND + height + GAP), GAP + index % 3 * (width + GAP)
            cell = frame[top + BAND : top + BAND + height, left : left + width]
            assert np.allclose(cell, gray[name][min(number, len(gray[name]) - 1)], atol=1e-6)
            title = frame[top : top + BAND, left : left + width]
            assert np.ptp(title) > 0.5, "a title is written"
    assert not np.shares_memory(*frames[:2])


def test_nothing_to_compare_is_refused():
    with pytest.raises(UserError, match="at least one clip"):
        draw_comparison({})
