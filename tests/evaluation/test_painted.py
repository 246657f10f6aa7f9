"""Masks as a person would paint them: few corners, few keys, close to the exact ones where nothing turns around."""

import numpy as np
import pytest

from comfyui_fulldit.control.conditions import CameraCondition, DepthCondition
from comfyui_fulldit.control.identity.shapes import Ellipse, rasterize
from comfyui_fulldit.evaluation.control.painted_masks import (
    CORNERS,
    outlines,
    painted,
    painted_keys,
    painted_track,
    shared_area,
)
from comfyui_fulldit.models.estimators.judge import identities_of

SIZE = (64, 96)


def iou(one, other):
    one, other = one > 0.5, other > 0.5
    return (one & other).sum() / (one | other).sum()


def disc(x, y=0.5, size=0.4):
    return rasterize(Ellipse((x, y), (size * 64 / 96, size)), *SIZE)


def test_an_outline_has_few_corners_and_lies_on_the_edge():
    (shape,) = outlines(disc(0.5))
    assert 8 <= len(shape.points) <= CORNERS and not shape.subtract
    assert iou(rasterize(shape, *SIZE), disc(0.5)) > 0.94
    assert len(outlines(disc(0.5), corners=5)[0].points) <= 5
    assert outlines(np.zeros(SIZE)) == ()


def test_holes_are_taken_away_and_crumbs_left_alone():
    ring = disc(0.5, size=0.8) - disc(0.5, size=0.4)
    outer, hole = outlines(ring)
    assert hole.subtract and not outer.subtract and iou(rasterize((outer, hole), *SIZE), ring) > 0.93
    crumb = np.maximum(disc(0.5, size=0.8), disc(0.05, 0.05, 0.08))
    assert len(outlines(crumb)) == 1
    parts = np.maximum(disc(0.2), disc(0.8))
    assert len(outlines(parts)) == 2
    speck = np.zeros(SIZE)
    speck[10, 10] = 1
    assert len(outlines(speck)) <= 1


def test_keys_stand_every_eighth_frame_and_where_it_comes_and_goes():
    track = np.stack([disc(0.3 + 0.02 * frame) for frame in range(21)])
    assert [key.frame for key in painted_keys(track).keys] == [0, 8, 16, 20]
    track[:3] = track[18:] = 0
    assert [key.frame for key in painted_keys(track).keys] == [0, 2, 3, 8, 16, 17, 18, 20]
    again = painted_track(track)
    assert again.shape == track.shape and again.dtype == np.float32
    assert ((again > 0.5).any((1, 2)) == (track > 0.5).any((1, 2))).all()
    assert min(iou(again[frame], track[frame]) for frame in range(3, 18)) > 0.93


def test_a_single_frame_and_an_empty_track():
    assert iou(painted_track(disc(0.5)[None])[0], disc(0.5)) > 0.94
    assert not painted_track(np.zeros((5, *SIZE))).any()


def test_only_the_mask_videos_of_conditions_change(scenes):
    for scene in scenes:
        given = painted(scene.conditions)
        for kind in (CameraCondition, DepthCondition):
            assert given.get(kind) is scene.conditions.get(kind)
        for one, exact in zip(identities_of(given), identities_of(scene.conditions), strict=True):
            assert all(np.array_equal(a, b) for a, b in zip(one.images, exact.images, strict=True))
            assert one.mask_video.shape == exact.mask_video.shape and not np.array_equal(
                one.mask_video, exact.mask_video
            )
        assert 0.6 < shared_area(given, scene.conditions) < 1
    assert shared_area(scene.conditions, scene.conditions) == pytest.approx(1)
