"""Key frames first: what the thinned clip is asked for, and what the whole one knows of it."""

from __future__ import annotations

import numpy as np
import pytest

from comfyui_fulldit.control.camera.presets import preset
from comfyui_fulldit.control.conditions import (
    CameraCondition,
    Conditions,
    DepthCondition,
    KnownFramesCondition,
    VideoSize,
)
from comfyui_fulldit.control.depth.normalize import DepthClip
from comfyui_fulldit.control.errors import UserError
from comfyui_fulldit.control.key_frames import at_key_frames, between_key_frames

VIDEO = VideoSize(17, 16, 24, 8.0)
DEPTH = np.random.default_rng(0).random((17, 16, 24), np.float32)


def images(*levels: float) -> np.ndarray:
    return np.stack([np.full((16, 24, 3), level, np.float32) for level in levels])


def known(**values) -> KnownFramesCondition:
    return KnownFramesCondition(**{"images": images(0.1, 0.2, 0.3), "at": "0,3,8", **values})


def conditions(*items) -> Conditions:
    return Conditions(VIDEO, items)


def test_the_thinned_clip_has_every_nth_frame_of_everything_in_the_same_seconds():
    camera = preset("orbit_left", 17, fps=8.0)
    depth = DepthCondition(clip=DepthClip(DEPTH))
    thinned = at_key_frames(conditions(CameraCondition(trajectory=camera), depth), 4)
    assert thinned.video == VideoSize(5, 16, 24, 2.0)
    assert np.allclose(thinned.get(CameraCondition).trajectory.c2w, camera.c2w[::4], atol=1e-6)
    assert np.array_equal(thinned.get(DepthCondition).clip.values, DEPTH[::4])
    assert (thinned.video.frames - 1) / thinned.fps == (VIDEO.frames - 1) / VIDEO.fps
    thinned.validate()


def test_of_known_frames_those_are_kept_that_are_key_frames():
    kept = at_key_frames(conditions(known()), 4).get(KnownFramesCondition)
    assert kept.at == "0, 2" and np.allclose(kept.images[:, 0, 0, 0], [0.1, 0.3])
    assert at_key_frames(conditions(known(at="1,3,5")), 4).get(KnownFramesCondition) is None
    turned = at_key_frames(conditions(known(at="8,3,0")), 4).get(KnownFramesCondition)
    assert turned.at == "0, 2" and np.allclose(turned.images[:, 0, 0, 0], [0.3, 0.1])


def test_the_whole_clip_knows_its_key_frames():
    whole = between_key_frames(conditions(DepthCondition(clip=DepthClip(DEPTH))), images(0.5, 0.6, 0.7, 0.8, 0.9), 4)
    found = whole.get(KnownFramesCondition)
    assert found.at == "0, 4, 8, 12, 16" and found.mask is None and np.allclose(found.images[:, 0, 0, 0][1], 0.6)
    assert whole.get(DepthCondition) is not None and whole.video == VIDEO
    whole.validate()


def test_what_was_known_lies_over_the_key_frames():
    mask = np.zeros((1, 16, 24), np.float32)
    mask[:, :, :12] = 1
    whole = between_key_frames(conditions(known(mask=mask, noise=0.1, seed=7)), images(0.5, 0.6, 0.7, 0.8, 0.9), 4)
    found = whole.get(KnownFramesCondition)
    assert found.at == "0, 3-4, 8, 12, 16" and (found.noise, found.seed) == (0.1, 7)
    assert np.allclose(found.images[0, 0, [0, 20], 0], [0.1, 0.5])  # its own, and the key frame's beside it
    assert np.allclose(found.mask[1, 0, [0, 20]], [1, 0])  # frame 3 is no key frame
    assert found.mask[0].min() == found.mask[2].min() == 1
    whole.validate()


@pytest.mark.parametrize("every", [1, 0, -4, 3, 32])
def test_a_distance_that_leaves_the_last_frame_out_is_refused(every):
    with pytest.raises(UserError, match=f"every {every} frames"):
        at_key_frames(conditions(), every)


def test_other_numbers_of_key_frames_are_refused():
    with pytest.raises(UserError, match="3 key frames came for a clip that has 5"):
        between_key_frames(conditions(), images(0, 0, 0), 4)
