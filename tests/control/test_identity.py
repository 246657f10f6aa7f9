"""Identities: which color stands where, what the reference shows, what is refused or remarked."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from comfyui_fulldit.control.errors import UserError
from comfyui_fulldit.control.identity import (
    SLOT_COLORS,
    Identity,
    identity_map,
    masklet_figures,
    masklet_report,
    reference_image,
)

RED = np.ones((8, 6, 3), np.float32) * np.array([1, 0, 0], np.float32)


def box(frames=5, height=16, width=24, top=4, bottom=12, left=4, right=12) -> np.ndarray:
    track = np.zeros((frames, height, width), np.float32)
    track[:, top:bottom, left:right] = 1
    return track


def test_each_slot_is_painted_in_its_own_color_where_its_track_is():
    left, right = box(left=0, right=8), box(left=12, right=20)
    painted = identity_map([Identity("a", (RED,), mask_video=left), Identity("b", (RED,), mask_video=right)], 5, 16, 24)
    assert painted.shape == (5, 16, 24, 3)
    assert (painted[:, 8, 4] == SLOT_COLORS[0]).all() and (painted[:, 8, 16] == SLOT_COLORS[1]).all()
    assert painted.sum() == left.sum() + right.sum()


def test_where_tracks_overlap_the_later_slot_lies_in_front():
    painted = identity_map(
        [Identity("a", (RED,), mask_video=box()), Identity("b", (RED,), mask_video=box(left=8, right=16))], 5, 16, 24
    )
    assert (painted[0, 8, 6] == SLOT_COLORS[0]).all() and (painted[0, 8, 10] == SLOT_COLORS[1]).all()


def test_a_slot_without_a_track_keeps_its_number():
    painted = identity_map([Identity("a", (RED,)), Identity("b", (RED,), mask_video=box())], 5, 16, 24)
    assert painted[..., 0].max() == 0 and painted[..., 1].sum() == box().sum()


def test_tracks_are_resized_and_other_lengths_refused():
    identity = Identity("a", (RED,), mask_video=box())
    large = identity_map([identity], 5, 32, 48)
    assert large.shape == (5, 32, 48, 3) and large[0, 16, 16, 0] == 1 and large[0, 0, 0, 0] == 0
    with pytest.raises(UserError, match="5 frames, the video 9"):
        identity_map([identity], 9, 16, 24)
    with pytest.raises(UserError, match="3 slots"):
        identity_map([identity] * 4, 5, 16, 24)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1000), st.integers(1, 3))
def test_the_map_stays_within_zero_and_one_and_paints_at_most_one_color(seed, count):
    random = np.random.default_rng(seed)
    who = [Identity(str(k), (RED,), mask_video=random.random((2, 8, 8), np.float32)) for k in range(count)]
    painted = identity_map(who, 2, 16, 16)
    assert painted.min() >= 0 and painted.sum(-1).max() <= 1 + 1e-5


def test_the_reference_is_cut_out_centered_and_fills_the_frame():
    image = np.zeros((40, 60, 3), np.float32)
    image[..., 2] = 1  # a blue wall
    image[5:25, 40:50] = (1, 0, 0)  # a red post in a corner
    mask = np.zeros((40, 60), np.float32)
    mask[5:25, 40:50] = 1
    shown = reference_image(Identity("post", (image,), mask=mask), 64, 96)
    assert shown.shape == (64, 96, 3)
    assert shown[32, 48] == pytest.approx([1, 0, 0]) and shown[32, 4] == pytest.approx([0.5] * 3)
    rows = np.flatnonzero(shown[:, 48, 0] > 0.9)
    columns = np.flatnonzero(shown[32, :, 0] > 0.9)
    assert len(rows) / len(columns) == pytest.approx(2, abs=0.1), "its proportions stay"
    assert len(rows) > 0.8 * 64 and rows[0] + rows[-1] == pytest.approx(63, abs=1)
    assert shown[..., 2].max() <= 0.5 + 1e-6, "nothing of the wall remains"


def test_without_a_mask_the_whole_image_is_fitted_in_on_gray():
    shown = reference_image(Identity("a", (RED,)), 64, 96)
    assert (shown[:, 48] == np.array([1, 0, 0], np.float32)).all()
    assert (shown[:, 0] == 0.5).all() and (shown[:, 95] == 0.5).all()


def test_alpha_becomes_the_mask():
    alpha = np.zeros((8, 6, 1), np.float32)
    alpha[2:6, 2:4] = 1
    identity = Identity("a", (np.concatenate([RED, alpha], 2),))
    assert identity.images[0].shape == (8, 6, 3) and identity.mask.sum() == 8


def test_later_images_are_laid_on_gray_by_their_own_alpha():
    alpha = np.zeros((8, 6, 1), np.float32)
    alpha[4:] = 1
    identity = Identity("a", (RED, np.concatenate([RED, alpha], 2)), mask=np.ones((8, 6)))
    shown = reference_image(identity, 8, 6, index=1)
    assert (shown[:4] == 0.5).all() and (shown[4:] == RED[4:]).all()
    assert (dataclasses.replace(identity, name="b").images[1] == identity.images[1]).all(), "its alpha is still there"


def test_wide_subjects_fit_a_square_as_tall_ones_do():
    wide = Identity("a", (np.ones((4, 16, 3), np.float32),), mask=np.ones((4, 16)))
    tall = Identity("a", (np.ones((16, 4, 3), np.float32),), mask=np.ones((16, 4)))
    assert (reference_image(wide, 64, 96)[32] > 0.9).all(1).sum() == 56
    assert (reference_image(tall, 64, 96)[:, 48] > 0.9).all(1).sum() == 56


def test_gaps_late_empty_and_hidden_masklets_get_a_warning():
    gap, late = box(), box()
    gap[2] = 0
    late[:2] = 0
    warnings = " ".join(
        masklet_report(
            [
                Identity("gap", (RED,), mask_video=gap),
                Identity("late", (RED,), mask_video=late),
                Identity("none", (RED,), mask_video=box() * 0),
                Identity("free", (RED,)),
            ]
        )
    )
    assert "'gap' has gaps: frames 2 are empty" in warnings
    assert "'late' is seen in frames 2 to 4 only" in warnings
    assert "'none' is empty in every frame" in warnings
    assert "'late' covers 50% of 'gap'" in warnings and "free" not in warnings
    assert masklet_report([Identity("a", (RED,), mask_video=box())]) == []


def test_leaps_and_inverted_masks_get_a_warning():
    image = np.ones((8, 8, 3), np.float32)
    track = np.zeros((6, 40, 60), np.float32)
    track[:3, 4:10, 4:10] = 1
    track[3:, 30:36, 50:56] = 1
    figures = masklet_figures(track)
    assert figures.leaps == (3,) and figures.gaps == () and (figures.first, figures.last) == (0, 5)
    assert figures.area == pytest.approx([36 / 2400] * 6) and figures.center[0] == pytest.approx([7 / 60, 7 / 40])
    warnings = " ".join(masklet_report([Identity("cup", (image,), mask_video=track)]))
    assert "'cup' leaps at frame 3" in warnings
    assert "is it inverted" in " ".join(masklet_report([Identity("cup", (image,), mask_video=1 - track * 0)]))
    assert np.flatnonzero(masklet_figures(track * 0).area == 0).tolist() == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"images": ()}, "no image"),
        ({"images": (None,)}, "no image"),
        ({"images": (RED[0],)}, "shape"),
        ({"images": (RED * np.nan,)}, "NaN"),
        ({"images": (RED * 255,)}, "divide 8-bit"),
        ({"mask": np.ones((4, 4))}, "same height and width"),
        ({"mask": np.zeros((8, 6))}, "empty"),
        ({"mask": np.full((8, 6), 0.5)}, "empty"),
        ({"mask": np.full((8, 6), 7.0)}, "between 0 and 1"),
        ({"mask_video": np.ones((4, 4))}, "frames, height, width"),
        ({"mask_video": np.full((2, 4, 4), np.inf)}, "NaN or infinity"),
        ({"strength": -1}, "0 to 5"),
        ({"strength": float("nan")}, "0 to 5"),
        ({"start": 0.8, "end": 0.2}, "start < end"),
    ],
)
def test_what_is_not_an_identity_is_refused_by_name(fields, says):
    with pytest.raises(UserError, match=says) as refused:
        Identity(**{"name": "cup", "images": (RED,), **fields})
    assert "cup" in str(refused.value)
