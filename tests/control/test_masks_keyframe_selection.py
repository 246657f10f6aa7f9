"""Masklets as keyframes, objects as slots, references cropped, masklets in numbers and sentences."""

from __future__ import annotations

import numpy as np
import pytest

from comfyui_fulldit.control.errors import UserError
from comfyui_fulldit.control.identity import Identity, masklet_figures, masklet_report
from comfyui_fulldit.control.identity.keyframe_selection import select_keyframes
from comfyui_fulldit.control.identity.keyframes import MaskKey, Masklet
from comfyui_fulldit.control.identity.objects import masklets_from_objects
from comfyui_fulldit.control.identity.reference import crop_reference
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
def test_what_cannot_be_done_is_said(work, says):
    with pytest.raises(UserError, match=says):
        work()


def moving(frames: int = 13) -> Masklet:
    box = [(Box((x, 0.5), (0.2, 0.4), turn),) for x, turn in ((0.2, 0.0), (0.6, 0.0), (0.7, 40.0))]
    keys = (MaskKey(0, box[0]), MaskKey(6, box[1]), MaskKey(frames - 1, box[2]))
    return Masklet(keys, frames)


def test_a_track_becomes_the_few_keyframes_that_it_was_made_of():
    track = moving().rasterize(64, 96)
    found = select_keyframes(track, 0.9)
    assert [key.frame for key in found.keys] == [0, 6, 12]
    again = found.rasterize(64, 96)
    alike = [((a > 0.5) & (b > 0.5)).sum() / ((a > 0.5) | (b > 0.5)).sum() for a, b in zip(track, again, strict=True)]
    assert min(alike) > 0.88 and alike[0] == alike[6] == 1
    assert len(select_keyframes(track, 0.9, most=2).keys) == 2
    assert [key.frame for key in select_keyframes(track, 0.9, most=1).keys] == [0, 12], "its ends are always kept"


def test_coming_and_going_are_keyframes():
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


def test_leaps_and_inverted_masks_are_remarked():
    image = np.ones((8, 8, 3), np.float32)
    track = np.zeros((6, 40, 60), np.float32)
    track[:3, 4:10, 4:10] = 1
    track[3:, 30:36, 50:56] = 1
    figures = masklet_figures(track)
    assert figures.leaps == (3,) and figures.gaps == () and (figures.first, figures.last) == (0, 5)
    assert figures.area == pytest.approx([36 / 2400] * 6) and figures.center[0] == pytest.approx([7 / 60, 7 / 40])
    warnings = " ".join(masklet_report([Identity("cup", (image,), track=track)]))
    assert "'cup' leaps at frame 3" in warnings
    assert "is it inverted" in " ".join(masklet_report([Identity("cup", (image,), track=1 - track * 0)]))
    assert np.flatnonzero(masklet_figures(track * 0).area == 0).tolist() == [0, 1, 2, 3, 4, 5]
