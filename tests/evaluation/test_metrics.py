"""Metrics against cases that a person can work out."""

import numpy as np
import pytest

from comfyui_fulldit.evaluation import metrics


def turned(angles, places=None):
    """A path that turns about the vertical by `angles` (radians)."""
    c, s, zero, one = np.cos(angles), np.sin(angles), np.zeros(len(angles)), np.ones(len(angles))
    rotation = np.stack([c, zero, s, zero, one, zero, -s, zero, c], -1).reshape(-1, 3, 3)
    places = np.zeros((len(angles), 3)) if places is None else places
    return np.concatenate([rotation, places[..., None]], -1)


def test_a_right_path_has_no_error_whatever_its_first_pose():
    path = turned(np.linspace(0, 1, 5), np.random.default_rng(0).normal(size=(5, 3)))
    moved = turned(np.array([0.7]))[0]
    elsewhere = np.concatenate([moved[:, :3] @ path[:, :, :3], moved[:, :3] @ path[:, :, 3:] + [[1], [2], [3]]], -1)
    found = metrics.camera_errors(elsewhere, path)
    assert found["rot_err"] == pytest.approx(0, abs=1e-6)
    assert found["trans_err"] == pytest.approx(0, abs=1e-9)
    assert found["cam_mc"] == pytest.approx(0, abs=1e-9)


def test_errors_are_sums_over_frames():
    still = metrics.static_path(3)
    found = metrics.camera_errors(still, turned(np.array([0, 0.1, 0.2])))
    assert found["rot_err"] == pytest.approx(0.3)
    found = metrics.camera_errors(still, turned(np.zeros(3), np.array([[0, 0, 0], [3, 4, 0], [0, 0, 1]])))
    assert found["trans_err"] == pytest.approx(6)
    assert found["cam_mc"] == pytest.approx(6)
    both = metrics.camera_errors(still, turned(np.array([0, 0.1, 0.2]), np.full((3, 3), 0.5) * [[0], [1], [1]]))
    assert both["cam_mc"] > both["trans_err"]


def test_depth_is_on_the_scale_of_bytes():
    assert metrics.depth_mae(np.zeros((2, 4, 4)), np.ones((2, 4, 4))) == 255
    assert metrics.depth_mae(np.full((1, 2, 2), 0.5), np.full((1, 2, 2), 0.4)) == pytest.approx(25.5)


def test_objects_count_for_the_nearest_slot():
    masks = np.zeros((2, 1, 8, 16), bool)
    masks[0, 0, 2:6, 1:5] = True
    masks[1, 0, 2:6, 11:15] = True
    assert metrics.mask_ious(masks.any(0), masks) == [1.0, 1.0]
    one_moved = masks.any(0).copy()
    one_moved[0, 2:6, 1:5] = False
    one_moved[0, 2:6, 3:7] = True  # half of it stands beside its mask
    first, second = metrics.mask_ious(one_moved, masks)
    assert first == pytest.approx(8 / 24) and second == 1.0


def test_a_slot_that_is_asked_nowhere_has_no_iou_and_strays_count_where_nothing_is_asked():
    masks = np.zeros((2, 2, 6, 6), bool)
    masks[0, 0, 1:3, 1:3] = True  # asked in the first frame alone
    objects = np.zeros((2, 6, 6), bool)
    objects[:, 1:3, 1:3] = True  # and seen in both
    assert metrics.mask_ious(objects, masks) == [0.5, None]


def test_smoothness_and_dynamics():
    features = np.eye(3)[[0, 0, 1]]
    assert metrics.smoothness(features) == pytest.approx(0.5)
    assert metrics.smoothness(features[:1]) == 1
    flow = np.zeros((2, 10, 10, 2))
    flow[:, 0, :5] = [3, 4]  # the fastest twentieth
    assert metrics.dynamic_degree(flow) == pytest.approx(5)
    assert metrics.dynamic_degree(flow[:0]) == 0


def test_means_leave_out_what_was_not_measured():
    assert metrics.mean_and_error([1.0, None, 3.0]) == (2.0, 1.0, 2)
    assert metrics.mean_and_error([None]) == (None, None, 0)
    assert metrics.mean_and_error([4.0]) == (4.0, None, 1)
