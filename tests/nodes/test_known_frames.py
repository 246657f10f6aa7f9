"""The node Known Frames: what a batch, a text and a mask become, and what is refused before a run."""

from __future__ import annotations

import pytest
import torch

from comfyui_fulldit.control.conditions import KnownFramesCondition
from comfyui_fulldit.control.errors import UserError

FRAMES, HEIGHT, WIDTH = 5, 32, 48


def batch(count=1, height=HEIGHT, width=WIDTH):
    """Image k is of the gray (k + 1) / 10."""
    return ((torch.arange(count) + 1) / 10)[:, None, None, None].expand(count, height, width, 3)


def known(host, images=None, frames="first", **given):
    out = host.nodes["FullDiTKnownFrames"].execute(batch() if images is None else images, frames, **given)
    return out.args[0]


def asked(host, condition, **given):
    """The condition as Conditions fits it to a video."""
    size = {"frames": FRAMES, "width": WIDTH, "height": HEIGHT}
    out = host.nodes["FullDiTConditions"].execute(**size, conditions={"condition0": condition}, **given)
    return out.args[0].get(KnownFramesCondition), out.kwargs["ui"]["text"][0]


def test_start_and_end_image_become_a_condition_with_its_weights(host):
    made, text = asked(host, known(host, batch(2), "first, last", strength=0.5, start=0.1, end=0.9, noise=0.2))
    assert made.at == "0, 4" and (made.strength, made.start, made.end, made.noise) == (0.5, 0.1, 0.9, 0.2)
    assert made.images[:, 0, 0, 0] == pytest.approx([0.1, 0.2])
    assert text.splitlines()[0] == "12 tokens, video 12"
    assert "FullDiT models take the condition 'known' only if they were trained with it." in text


def test_a_mask_of_an_editor_is_inverted_and_resized(host):
    painted = torch.zeros(1, HEIGHT // 2, WIDTH // 2)
    painted[..., : WIDTH // 4] = 1  # to be painted anew
    made, _ = asked(host, known(host, batch(FRAMES), "0-last", mask=painted, invert_mask=True))
    assert made.mask.shape == (1, HEIGHT, WIDTH) and made.mask[0, 0, [0, -1]].tolist() == [0, 1]
    with pytest.raises(UserError, match="64x64 .*the images 32x48: it cannot"):
        known(host, mask=torch.zeros(1, 64, 64))


def test_the_last_images_of_a_clip_are_taken_with_their_masks(host):
    masks = torch.zeros(9, HEIGHT, WIDTH)
    masks[6:] = 1
    made, _ = asked(host, known(host, batch(9), take="last:2", mask=masks))
    assert made.at == "0-1" and made.images[:, 0, 0, 0] == pytest.approx([0.8, 0.9]) and made.mask is None
    with pytest.raises(UserError, match="has 2 frames, of which 'last:3' were to be taken"):
        known(host, batch(2), take="last:3")


def test_padding_is_outpainting(host):
    made, text = asked(host, known(host, batch(1, 32, 32)), fit_space="pad")
    assert made.mask[0, 0].tolist() == [0] * 8 + [1] * 32 + [0] * 8
    assert "padded" in text


def test_what_does_not_fit_is_refused_or_fitted_by_choice(host):
    with pytest.raises(UserError, match="known frames 5-8 lie beyond the video"):
        asked(host, known(host, batch(9)))
    made, text = asked(host, known(host, batch(9)), fit_time="hold")
    assert made.at == "0-4" and "lie beyond the video and were left out" in text
    check = host.nodes["FullDiTKnownFrames"].validate_inputs
    assert check("0-last") is check(None) is check("first,last") is True
    assert "write frames like first" in check("begin") and "name frame 2 twice" in check("0-2,2-4")


def test_key_frames_first_and_then_what_lies_between(host):
    size = {"frames": 9, "width": WIDTH, "height": HEIGHT}
    whole = host.nodes["FullDiTConditions"].execute(**size, conditions={"condition0": known(host, batch(9), "0-last")})
    thinned, frames, fps = host.nodes["FullDiTKeyFrames"].execute(whole.args[0], 2).args
    assert (thinned.video.frames, frames, fps) == (5, 5, whole.args[0].fps / 2)
    assert thinned.get(KnownFramesCondition).images[:, 0, 0, 0] == pytest.approx([0.1, 0.3, 0.5, 0.7, 0.9])
    empty = host.nodes["FullDiTConditions"].execute(**size, conditions={}).args[0]
    between = host.nodes["FullDiTBetweenKeyFrames"].execute(empty, batch(5), 2).args[0]
    assert between.video.frames == 9 and between.get(KnownFramesCondition).at == "0, 2, 4, 6, 8"
