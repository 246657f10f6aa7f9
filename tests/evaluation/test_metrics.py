"""Metrics against cases that a person can work out."""

import numpy as np
import pytest

from comfyui_fulldit.models.estimators import metrics


def turned(angles, positions=None):
    """A path that turns about the vertical by `angles` (radians)."""
    c, s, zero, one = np.cos(angles), np.sin(angles), np.zeros(len(angles)), np.ones(len(angles))
    rotation = np.stack([c, zero, s, zero, one, zero, -s, zero, c], -1).reshape(-1, 3, 3)
    positions = np.zeros((len(angles), 3)) if positions is None else positions
    return np.concatenate([rotation, positions[..., None]], -1)


def test_a_correct_path_has_no_error_whatever_its_first_pose():
    path = turned(np.linspace(0, 1, 5), np.random.default_rng(0).normal(size=(5, 3)))
    moved = turned(np.array([0.7]))[0]
    elsewhere = np.concatenate([moved[:, :3] @ path[:, :, :3], moved[:, :3] @ path[:, :, 3:] + [[1], [2], [3]]], -1)
    errors = metrics.camera_errors(elsewhere, path)
    assert errors["rot_err"] == pytest.approx(0, abs=1e-6)
    assert errors["trans_err"] == pytest.approx(0, abs=1e-9)
    assert errors["cam_mc"] == pytest.approx(0, abs=1e-9)


def test_the_rotation_error_is_a_sum_over_frames():
    errors = metrics.camera_errors(metrics.static_path(3), turned(np.array([0, 0.1, 0.2])))
    assert errors["rot_err"] == pytest.approx(0.3)


def test_the_translation_error_is_a_sum_over_frames():
    moved = turned(np.zeros(3), np.array([[0, 0, 0], [3, 4, 0], [0, 0, 1]]))
    errors = metrics.camera_errors(metrics.static_path(3), moved)
    assert errors["trans_err"] == pytest.approx(6)
    assert errors["cam_mc"] == pytest.approx(6)


def test_camera_motion_consistency_counts_rotation_and_translation():
    both = turned(np.array([0, 0.1, 0.2]), np.full((3, 3), 0.5) * [[0], [1], [1]])
    errors = metrics.camera_errors(metrics.static_path(3), both)
    assert errors["cam_mc"] > errors["trans_err"]


def test_the_depth_error_is_on_the_scale_of_bytes():
    assert metrics.depth_mae(np.zeros((2, 4, 4)), np.ones((2, 4, 4))) == 255
    assert metrics.depth_mae(np.full((1, 2, 2), 0.5), np.full((1, 2, 2), 0.4)) == pytest.approx(25.5)


def test_every_pixel_belongs_to_the_nearest_mask_of_its_frame():
    draw = np.random.default_rng(0)
    masks = draw.random((3, 6, 9, 13)) > 0.95
    masks[:, 0] = False  # nobody is there
    masks[:2, 1], masks[2, 1, 4, 4] = False, True  # one is alone
    found = metrics.nearest_slot(masks)
    rows, columns = np.mgrid[:9, :13]
    for frame in range(6):
        distances = np.full((3, 9, 13), np.inf)
        for slot in range(3):
            for row, column in np.argwhere(masks[slot, frame]):
                away = np.maximum(abs(rows - row), abs(columns - column))
                distances[slot] = np.minimum(distances[slot], away)
        if not masks[:, frame].any():
            assert (found[frame] == -1).all()
            continue
        chosen = np.take_along_axis(distances, found[frame][None], 0)[0]
        assert (chosen == distances.min(0)).all()


def test_an_object_counts_for_the_slot_whose_mask_is_nearest():
    masks = np.zeros((2, 1, 8, 16), bool)
    masks[0, 0, 2:6, 1:5] = True
    masks[1, 0, 2:6, 11:15] = True
    assert metrics.mask_ious(masks.any(0), masks) == [1.0, 1.0]
    one_moved = masks.any(0).copy()
    one_moved[0, 2:6, 1:5] = False
    one_moved[0, 2:6, 3:7] = True  # half of it stands beside its mask
    first, second = metrics.mask_ious(one_moved, masks)
    assert first == pytest.approx(8 / 24) and second == 1.0


def test_a_slot_without_a_mask_has_no_iou_and_objects_in_frames_without_masks_count_against_all():
    masks = np.zeros((2, 2, 6, 6), bool)
    masks[0, 0, 1:3, 1:3] = True  # in the first frame alone
    objects = np.zeros((2, 6, 6), bool)
    objects[:, 1:3, 1:3] = True  # visible in both
    assert metrics.mask_ious(objects, masks) == [0.5, None]


def test_smoothness_is_the_mean_cosine_of_neighboring_frames():
    features = np.eye(3)[[0, 0, 1]]
    assert metrics.smoothness(features) == pytest.approx(0.5)
    assert metrics.smoothness(features[:1]) == 1


def test_the_dynamic_degree_is_the_mean_of_the_fastest_twentieth():
    flow = np.zeros((2, 10, 10, 2))
    flow[:, 0, :5] = [3, 4]
    assert metrics.dynamic_degree(flow) == pytest.approx(5)
    assert metrics.dynamic_degree(flow[:0]) == 0


def test_means_leave_out_values_that_were_not_measured():
    assert metrics.mean_and_error([1.0, None, 3.0]) == (2.0, 1.0, 2)
    assert metrics.mean_and_error([None]) == (None, None, 0)
    assert metrics.mean_and_error([4.0]) == (4.0, None, 1)


def test_psnr_of_what_is_known_counts_the_mask_alone():
    target = np.full((2, 4, 6, 3), 0.5, np.float32)
    estimate = target.copy()
    estimate[:, :, :3] += 0.1
    estimate[:, :, 3:] += 0.01
    left = np.zeros((1, 4, 6), np.float32)
    left[..., :3] = 1
    assert metrics.masked_psnr(estimate, target, left) == pytest.approx(20, abs=1e-4)
    assert metrics.masked_psnr(estimate, target, 1 - left) == pytest.approx(40, abs=1e-3)
    assert metrics.masked_psnr(estimate, target) == pytest.approx(-10 * np.log10((0.01 + 0.0001) / 2), abs=1e-4)
    assert metrics.masked_psnr(target, target) == 100
    assert metrics.masked_psnr(estimate, target, 0 * left) is None
