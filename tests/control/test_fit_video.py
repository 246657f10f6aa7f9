"""A video at another size, length and rate: which frames are taken, and that every loss is said."""

from __future__ import annotations

import numpy as np
import pytest

from comfyui_fulldit.control.condition import VideoSize
from comfyui_fulldit.control.errors import UserError
from comfyui_fulldit.control.fit import SpaceFit
from comfyui_fulldit.control.fit_video import TimeMode, fit_video, longest_length
from comfyui_fulldit.control.media import write_video


def video(frames: int, height: int = 8, width: int = 16) -> np.ndarray:
    """Every frame has the brightness of its number in hundredths."""
    return np.broadcast_to((np.arange(frames, dtype=np.float32) / 100)[:, None, None, None], (frames, height, width, 3))


def test_the_speed_is_kept_by_time_stamps():
    fitted = fit_video(video(48), 24, VideoSize(16, 8, 16, 8.0))
    assert fitted.chosen.tolist() == list(range(0, 48, 3))
    assert np.allclose(fitted.frames[:, 0, 0, 0] * 100, fitted.chosen)
    assert any("of 3 frames one was taken" in line for line in fitted.report)
    assert not any("held" in line or "cut off" in line for line in fitted.report)


def test_a_rate_that_is_no_divisor_takes_the_nearest_moment():
    fitted = fit_video(video(60), 30, VideoSize(17, 8, 16, 16.0))
    assert np.abs(fitted.chosen / 30 - np.arange(17) / 16).max() <= 0.5 / 30 + 1e-9
    assert any("cut off (29 frames)" in line for line in fitted.report)


def test_a_video_that_is_too_short_holds_its_last_frame_and_says_so():
    fitted = fit_video(video(8), 8, VideoSize(12, 8, 16, 8.0))
    assert fitted.chosen.tolist() == [*range(8), 7, 7, 7, 7]
    assert any("too short by 4" in line and "0.5 s" in line for line in fitted.report)


def test_the_whole_clip_is_spread_and_its_speed_said():
    fitted = fit_video(video(33), 8, VideoSize(17, 8, 16, 8.0), time=TimeMode.WHOLE)
    assert fitted.chosen.tolist() == list(range(0, 33, 2))
    assert any("1.94 times as fast" in line for line in fitted.report)


def test_frame_by_frame_keeps_numbers_and_says_the_speed():
    fitted = fit_video(video(20), 24, VideoSize(17, 8, 16, 8.0), time=TimeMode.FRAMES)
    assert fitted.chosen.tolist() == list(range(17))
    assert any("33%" in line for line in fitted.report)


def test_a_start_and_masks_go_along():
    masks = np.zeros((20, 8, 16), np.float32)
    masks[10:] = 1
    fitted = fit_video(video(20), 10, VideoSize(5, 4, 8, 10.0), start=0.8, masks=masks)
    assert fitted.chosen.tolist() == [8, 9, 10, 11, 12] and fitted.masks.shape == (5, 4, 8)
    assert fitted.masks.mean((1, 2)).tolist() == [0, 0, 1, 1, 1]
    assert any("begins at 0.8 s" in line for line in fitted.report)


@pytest.mark.parametrize(
    ("space", "words"), [(SpaceFit.CROP, "50% was cut off at left and right"), (SpaceFit.PAD, "50% is empty at top")]
)
def test_what_is_cut_or_empty_is_said(space, words):
    fitted = fit_video(video(3), 8, VideoSize(3, 8, 8), space)
    assert fitted.frames.shape == (3, 8, 8, 3) and any(words in line for line in fitted.report)
    assert (fitted.frames[2, :2].max() == 0) == (space is SpaceFit.PAD)


def test_enlarging_is_said_and_a_video_that_fits_stays_as_it_is():
    assert any("enlarged 2 times" in line for line in fit_video(video(3), 8, VideoSize(3, 16, 32)).report)
    given = np.random.default_rng(0).random((3, 8, 16, 3), np.float32)
    fitted = fit_video(given, 8, VideoSize(3, 8, 16))
    assert np.array_equal(fitted.frames, given) and len(fitted.report) == 1


def test_the_longest_length_holds_nothing():
    for count, fps, rate in ((48, 24.0, 8.0), (61, 30.0, 16.0), (7, 8.0, 24.0), (1, 24.0, 8.0)):
        longest = longest_length(count, fps, rate, TimeMode.SPEED)
        size = VideoSize(longest, 8, 16, rate)
        assert not any("held" in line for line in fit_video(video(count), fps, size).report)
    assert longest_length(48, 24, 8, TimeMode.WHOLE) == 48


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"fps": 0}, "per second"),
        ({"fps": 1e-308}, "1e-308 frames per second; a number from 0.001 to 100000 was expected"),
        ({"fps": float("nan")}, "nan frames per second"),
        ({"video": VideoSize(10**9, 8, 16)}, "The fitted video of 1000000000 frames of 16x8 takes .* cut or shrink"),
        ({"start": 9.0}, "earlier start"),
        ({"start": -1.0}, "earlier start"),
        ({"masks": np.zeros((2, 8, 16), np.float32)}, "one per frame"),
        ({"space": SpaceFit.REFUSE, "video": VideoSize(3, 8, 8)}, "fit_space"),
    ],
)
def test_what_cannot_be_is_refused(change, words):
    given = {"frames": video(10), "fps": 8, "video": VideoSize(3, 8, 16), **change}
    with pytest.raises(UserError, match=words):
        fit_video(**given)


@pytest.mark.parametrize("fps", [1e-308, 1e300, float("inf"), float("nan")])
def test_a_rate_that_no_video_has_is_refused_where_it_comes_in(tmp_path, fps):
    with pytest.raises(UserError, match="per second|fps"):
        VideoSize(3, 8, 16, fps)
    with pytest.raises(UserError, match="that is to be written has .* per second"):
        write_video(tmp_path / "clip.mp4", video(3), fps)
    assert not any(tmp_path.iterdir())
