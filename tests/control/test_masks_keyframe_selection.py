"""Masklets as few keyframes."""

from __future__ import annotations

import numpy as np
import pytest

from comfyui_fulldit.control.errors import UserError
from comfyui_fulldit.control.identity.keyframe_selection import select_keyframes
from comfyui_fulldit.control.identity.keyframes import MaskKey, Masklet
from comfyui_fulldit.control.identity.shapes import Box, Ellipse, rasterize

DISC = rasterize(Ellipse((0.5, 0.5), (0.4, 0.6)), 64, 96)


@pytest.mark.parametrize(
    ("work", "says"),
    [
        (lambda: select_keyframes(DISC), "frames, height, width"),
        (lambda: select_keyframes(DISC[None], 1.5), "accuracy"),
        (lambda: select_keyframes(DISC[None], most=0), "at least 1"),
    ],
)
def test_what_cannot_be_selected_is_refused(work, says):
    with pytest.raises(UserError, match=says):
        work()


def moving(frames: int = 13) -> Masklet:
    box = [(Box((x, 0.5), (0.2, 0.4), turn),) for x, turn in ((0.2, 0.0), (0.6, 0.0), (0.7, 40.0))]
    keys = (MaskKey(0, box[0]), MaskKey(6, box[1]), MaskKey(frames - 1, box[2]))
    return Masklet(keys, frames)


def test_a_masklet_becomes_the_few_keyframes_that_it_was_made_of():
    track = moving().rasterize(64, 96)
    found = select_keyframes(track, 0.9)
    assert [key.frame for key in found.keys] == [0, 6, 12]
    again = found.rasterize(64, 96)
    alike = [((a > 0.5) & (b > 0.5)).sum() / ((a > 0.5) | (b > 0.5)).sum() for a, b in zip(track, again, strict=True)]
    assert min(alike) > 0.88 and alike[0] == alike[6] == 1
    assert len(select_keyframes(track, 0.9, most=2).keys) == 2
    assert [key.frame for key in select_keyframes(track, 0.9, most=1).keys] == [0, 12], "its ends are always kept"


def test_frames_where_an_object_comes_or_goes_are_keyframes():
    track = moving().rasterize(64, 96)
    track[:2] = track[5:8] = track[11:] = 0
    found = select_keyframes(track, 0.9)
    again = found.rasterize(64, 96)
    assert (again.any((1, 2)) == track.any((1, 2))).all()
    assert [key.frame for key in found.keys if not key.shapes] == [0, 5, 11]
    assert not select_keyframes(np.zeros((4, 8, 8))).rasterize(8, 8).any()
    assert len(select_keyframes(track[3:4]).keys) == 1


def test_choosing_keyframes_can_be_stopped():
    with pytest.raises(UserError, match="stopped"):
        select_keyframes(moving().rasterize(64, 96), 0.99, cancel=lambda: True)
