"""Masks carried along a video: exact where given, close to the truth elsewhere, and honest where they are lost."""

from __future__ import annotations

import numpy as np
import pytest

from comfyui_fulldit.control.errors import UserError
from comfyui_fulldit.control.identity.clip_flow import Clip
from comfyui_fulldit.control.identity.evidence import DOUBTED, Evidence
from comfyui_fulldit.control.identity.propagate import propagate
from comfyui_fulldit.control.identity.shapes import Ellipse, rasterize
from comfyui_fulldit.control.images import resize

pytest.importorskip("cv2")
FRAMES, H, W = 9, 96, 144


def noise(seed: int, low: tuple, high: tuple) -> np.ndarray:
    """A blotchy image (H, 2 W, 3) between two colors."""
    share = resize(np.random.default_rng(seed).random((24, 72, 1)), H, 2 * W)
    return np.array(low) + (np.array(high) - np.array(low)) * share


def clip(frames: int = FRAMES, step: float = 0.035, start: float = 0.25) -> tuple[np.ndarray, np.ndarray]:
    """A reddish disc that grows and moves right before a bluish wall that moves left: video and masks."""
    wall, skin = noise(1, (0.1, 0.2, 0.4), (0.5, 0.6, 0.9)), noise(2, (0.5, 0.1, 0.1), (1.0, 0.6, 0.2))
    video, masks = [], []
    for number in range(frames):
        x = start + step * number
        mask = rasterize(Ellipse((x, 0.5), (0.25 + 0.008 * number, 0.4)), H, W)
        shift = round((x - start) * W)
        moving = np.roll(skin, shift, 1)[:, :W]
        video.append(np.roll(wall, -number, 1)[:, :W] * (1 - mask[..., None]) + moving * mask[..., None])
        masks.append(mask)
    return np.float32(video), np.float32(masks)


def iou(one: np.ndarray, other: np.ndarray) -> float:
    one, other = one > 0.5, other > 0.5
    return (one & other).sum() / max(1, (one | other).sum())


def test_a_mask_follows_its_object():
    video, masks = clip()
    steps = []
    track, report = propagate(video, {0: masks[0]}, progress=lambda: steps.append(1))
    assert track.shape == masks.shape and track.dtype == np.float32 and len(steps) == FRAMES
    assert (track[0] == masks[0]).all() and track.min() >= 0 and track.max() <= 1
    fits = [iou(a, b) for a, b in zip(track[1:], masks[1:], strict=True)]
    assert np.mean(fits) > 0.93 and min(fits) > 0.88, fits
    assert report.lost == () and report.cuts == () and report.keys == (0,) and report.trust[1:].min() > 0.3


def test_bytes_and_a_second_run_give_the_same_masks():
    video, masks = clip(4)
    one, _ = propagate(video, {0: masks[0]})
    other, _ = propagate((video * 255 + 0.5).astype(np.uint8), {0: masks[0]})
    assert (one == other).all() and (one == propagate(video, {0: masks[0]})[0]).all()


def test_time_runs_both_ways_and_two_masks_meet():
    video, masks = clip()
    backward, _ = propagate(video, {FRAMES - 1: masks[-1]})
    assert np.mean([iou(a, b) for a, b in zip(backward, masks, strict=True)]) > 0.93
    steps: list[int] = []
    both, report = propagate(video, {0: masks[0], 8: masks[8]}, progress=lambda: steps.append(1))
    assert len(steps) == FRAMES
    assert (both[0] == masks[0]).all() and (both[8] == masks[8]).all() and report.keys == (0, 8)
    assert np.mean([iou(a, b) for a, b in zip(both, masks, strict=True)]) > 0.94


def test_flow_alone_works_and_refinement_does_better():
    video, masks = clip()
    rough, _ = propagate(video, {0: masks[0]}, refine=False)
    fine, _ = propagate(video, {0: masks[0]})
    fits = [np.mean([iou(a, b) for a, b in zip(track, masks, strict=True)]) for track in (rough, fine)]
    assert 0.5 < fits[0] < fits[1] - 0.1


def test_an_object_that_leaves_is_lost_and_a_black_mask_ends_it():
    video, masks = clip(step=0.12)
    assert masks[-1].max() < 0.5 or iou(masks[-1], masks[0]) == 0
    track, report = propagate(video, {0: masks[0]})
    assert track[0].any() and not track[-1].any() and 8 in report.lost
    track, report = propagate(video, {0: masks[0], 3: masks[3] * 0})
    assert [bool(mask.any()) for mask in track] == [True] * 3 + [False] * 6 and report.lost == ()
    steps: list[int] = []
    track, _ = propagate(video, {0: masks[0] * 0, 2: masks[2], 3: masks[3] * 0}, progress=lambda: steps.append(1))
    assert len(steps) == FRAMES
    assert not track[0].any() and track[1].any()


def test_masks_do_not_cross_a_cut_and_the_report_says_where_it_is():
    video, masks = clip(4)
    cut = np.concatenate([video, 1 - video[::-1]])
    track, report = propagate(cut, {1: masks[1]})
    assert track[3].any() and not track[4:].any()
    assert report.cuts == (4,) and report.lost == (4, 5, 6, 7)
    assert "Frame 4 begins a new shot" in report.warnings[0] and "frames 4-7" in report.warnings[1]
    track, report = propagate(cut, {6: masks[1]})
    assert report.cuts == (4,) and not track[:4].any()


def test_several_objects_share_the_flow_of_one_clip():
    video, masks = clip(4)
    shared = Clip(video)
    first, _ = propagate(shared, {0: masks[0]})
    count = len(shared._flows)
    propagate(shared, {0: masks[0]})
    assert len(shared._flows) == count and (first == propagate(video, {0: masks[0]})[0]).all()


def test_one_frame_and_tiny_images_do_not_break():
    video, masks = clip(1)
    track, report = propagate(video, {0: masks[0]})
    assert (track == masks).all() and report.warnings == ()
    tiny = np.random.default_rng(0).random((3, 5, 7, 3), np.float32)
    mask = np.zeros((5, 7), np.float32)
    mask[1:4, 2:5] = 1
    assert propagate(tiny, {0: mask})[0].shape == (3, 5, 7)
    assert np.isfinite(propagate(video * np.nan, {0: masks[0]})[0]).all()


@pytest.mark.parametrize(
    ("masks", "says"),
    [
        ({}, "No mask was provided"),
        ({9: np.ones((H, W))}, "frame 9, but the video has the frames 0 to 8"),
        ({0: np.ones((W, H))}, "resize one of them"),
        ({0: np.zeros((H, W))}, "black"),
        ({0: np.full((H, W), np.nan)}, "NaN"),
        ({0: np.full((H, W), 255)}, "divide 8-bit"),
    ],
)
def test_masks_that_cannot_be_used_are_refused(masks, says):
    with pytest.raises(UserError, match=says):
        propagate(clip()[0], masks)


def test_propagation_can_be_stopped_and_refuses_what_is_not_a_video():
    video, masks = clip(3)
    with pytest.raises(UserError, match="stopped"):
        propagate(video, {0: masks[0], 2: masks[2]}, cancel=lambda: True)
    with pytest.raises(UserError, match="frames, height, width, 3"):
        propagate(video[0], {0: masks[0]})


def test_masks_that_are_right_are_trusted():
    video, masks = clip()
    _, report = propagate(video, {0: masks[0]})
    assert report.doubtful == () and report.warnings == () and report.trust.min() > 0.7


def test_a_mask_that_stays_behind_is_doubted_from_there_on():
    """From frame 4 on the disc is gone and the wall stands still: colors say that the mask lies on the wall."""
    video, masks = clip()
    wall = noise(1, (0.1, 0.2, 0.4), (0.5, 0.6, 0.9))
    for number in range(4, FRAMES):
        fade = max(0.0, 1 - 0.5 * (number - 3))
        video[number] = fade * video[3] + (1 - fade) * np.roll(wall, -3, 1)[:, :W]
    track, report = propagate(video, {0: masks[0]}, refine=False)
    assert track[-1].any() and FRAMES - 1 in report.doubtful and min(report.doubtful) >= 4
    assert f"frames {min(report.doubtful)}-8" in report.warnings[0] and "look there" in report.warnings[0]
    # The same part of a longer video is named by its own numbers.
    _, later = propagate(video, {0: masks[0]}, refine=False, first=100)
    assert later.doubtful == report.doubtful and f"From frame {100 + min(report.doubtful)} on" in later.warnings[0]


@pytest.mark.parametrize(("area", "is_doubted"), [(1.0, False), (1.66, True)])
def test_a_mask_that_leaks_slowly_is_doubted_though_all_of_the_object_is_in_it(area, is_doubted):
    """Six tenths are traced to the object: of a mask as large as it was, most of it; of one that grew, all of it."""
    evidence = Evidence(0.61, 0.01, 0.06, color=0.36, growth=0.4, area=area, jumped=False)
    assert (evidence.trust < DOUBTED) == is_doubted
    # What came near has the object's colors.
    assert Evidence(0.8, 0.0, 0.0, color=0.9, growth=1.0, area=3.5, jumped=False).trust > DOUBTED


def moving_ground(frames: int = 8) -> tuple[np.ndarray, np.ndarray]:
    """Everything moves right alike; what is marked has the colors of the rest."""
    ground = noise(5, (0.2, 0.3, 0.4), (0.7, 0.7, 0.6))
    masks = [rasterize(Ellipse((0.4 + 0.01 * k, 0.5), (0.4, 0.6)), H, W) for k in range(frames)]
    shifts = [int(round(0.01 * k * W)) for k in range(frames)]
    return np.float32([np.roll(ground, shift, 1)[:, :W] for shift in shifts]), np.float32(masks)


def test_where_colors_are_alike_flow_is_kept_if_color_eats_the_mask(monkeypatch):
    from comfyui_fulldit.control.identity import walk

    cv2 = pytest.importorskip("cv2")
    video, masks = moving_ground()
    monkeypatch.setattr(walk, "cut_by_color", lambda image, moved, anchor: cv2.erode(moved.mask, np.ones((5, 5))))
    track, report = propagate(video, {0: masks[0]})
    assert any("Flow alone was kept" in warning for warning in report.warnings)
    assert iou(track[-1], masks[-1]) > 0.85 and report.doubtful == ()
    # A video with no such disagreement has no such sentence.
    monkeypatch.undo()
    assert not any("kept" in warning for warning in propagate(video, {0: masks[0]})[1].warnings)


def test_a_mask_that_halves_at_once_is_doubted(monkeypatch):
    from comfyui_fulldit.control.identity import walk

    video, masks = clip(7)
    cut = walk.cut_by_color

    def halved(image, moved, anchor):
        mask = cut(image, moved, anchor)
        if (moved.mask > 0.5).sum() > 1000 and not done:
            done.append(1)
            mask[:, : int(0.7 * mask.shape[1])] = 0
        return mask

    done: list[int] = []
    monkeypatch.setattr(walk, "MIN_KEPT", 0.0)
    monkeypatch.setattr(walk, "cut_by_color", halved)
    monkeypatch.setattr("comfyui_fulldit.control.identity.evidence._MIN_TRACED", 100)
    _, report = propagate(video, {0: masks[0]})
    assert report.doubtful == (1, 2, 3, 4, 5, 6) and "at once" in report.warnings[0]
