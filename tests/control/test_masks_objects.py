"""Masks of several objects as slots."""

from __future__ import annotations

import numpy as np
import pytest

from comfyui_fulldit.control.errors import UserError
from comfyui_fulldit.control.identity.objects import masklets_from_objects


def objects() -> np.ndarray:
    masks = np.zeros((4, 4, 16, 32), bool)
    masks[:, 0, 2:6, 20:24] = True  # small, right
    masks[2:, 1, 2:14, 2:14] = True  # large, left, late
    masks[1:, 3, 2:8, 12:18] = True  # object 2 is never seen
    return masks


@pytest.mark.parametrize(
    ("order", "expected"),
    [("given", [0, 1, 3]), ("area", [1, 3, 0]), ("seen", [0, 3, 1]), ("left", [1, 3, 0]), ([3, 2], [3, 2])],
)
@pytest.mark.parametrize("packed", [False, True])
def test_objects_go_to_slots_in_the_order_that_is_asked_for(order, expected, packed):
    masks = objects()
    given = np.packbits(masks, axis=-1, bitorder="little") if packed else masks
    tracks, numbers = masklets_from_objects(given, (32, 64), order, packed=packed)
    assert numbers == expected
    for track, number in zip(tracks, numbers, strict=True):
        assert track.shape == (4, 32, 64) and track.dtype == np.float32
        assert ((track > 0.5)[:, ::2, ::2] == masks[:, number]).mean() > 0.95
    assert len(masklets_from_objects(given, order=order, most=1, packed=packed)[0]) == 1


@pytest.mark.parametrize(
    ("masks", "fields", "says"),
    [
        (np.zeros((2, 3, 4)), {}, "frames, objects, height, width"),
        (np.zeros((2, 3, 4, 8)), {}, "None of the objects is seen"),
        (np.zeros((2, 3, 4, 8)), {"order": [3]}, "objects 0 to 2"),
        (np.zeros((2, 3, 4, 8)), {"order": "size"}, "given, area, seen, left"),
        (np.zeros((2, 3, 4, 8)), {"packed": True}, "bytes"),
    ],
)
def test_objects_that_cannot_be_used_are_refused(masks, fields, says):
    with pytest.raises(UserError, match=says):
        masklets_from_objects(masks, **fields)
