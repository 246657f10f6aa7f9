"""A source video: what it is, how it is brought to the new video's size, and from which files it is read."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from comfyui_fulldit.control import media
from comfyui_fulldit.control.conditions import Conditions, SourceCondition, VideoSize, load_conditions
from comfyui_fulldit.control.errors import UserError
from comfyui_fulldit.control.fit import Fit

VIDEO = VideoSize(5, 32, 48)
RED, GREEN, BLUE = np.eye(3, dtype=np.float32)


def flag(frames=5, height=32, width=48) -> np.ndarray:
    """Three upright stripes, red, green and blue; frame k is darkened by k tenths."""
    clip = np.empty((frames, height, width, 3), np.float32)
    third = width // 3
    clip[:, :, :third], clip[:, :, third : 2 * third], clip[:, :, 2 * third :] = RED, GREEN, BLUE
    return clip * (1 - 0.1 * np.arange(frames, dtype=np.float32))[:, None, None, None]


def fitted(frames: np.ndarray, fit: Fit | None = None, **more) -> SourceCondition:
    return Conditions(VIDEO, (SourceCondition(frames=frames, **more),)).fitted(fit or Fit()).get(SourceCondition)


def test_frames_that_fit_are_taken_as_they_are():
    assert (fitted(flag()).frames == flag()).all()
    assert Conditions(VIDEO, (SourceCondition(frames=flag()),)).fitted(Fit()).warnings() == []


def test_a_wide_video_is_cropped_in_the_middle_and_that_is_said():
    made = Conditions(VIDEO, (SourceCondition(frames=flag(width=96)),)).fitted(Fit())
    frame = made.get(SourceCondition).frames[0]
    assert frame.shape == (32, 48, 3)
    assert frame[16, 24] == pytest.approx(GREEN) and frame[16, 0] == pytest.approx(RED)
    shown = [(frame @ color > 0.9).sum() for color in (RED, GREEN, BLUE)]
    assert shown == [8 * 32, 32 * 32, 8 * 32], "the green third stays whole"
    assert made.warnings() == ["The source video is 96x32 and was cropped to the proportions of 48x32."]


def test_a_padded_video_is_black_at_the_edges():
    frame = fitted(flag(width=96), Fit.of("pad")).frames[0]
    assert (frame[0] == 0).all() and (frame[-1] == 0).all() and frame[16, 24] == pytest.approx(GREEN)


def test_another_length_is_refused_resampled_or_held():
    with pytest.raises(UserError, match="source video has 9 frames, the video 5.*set `fit_time`"):
        fitted(flag(9))
    red = flag(9)[:, 0, 0, 0]
    assert fitted(flag(9), Fit.of(time="resample")).frames[:, 0, 0, 0] == pytest.approx(red[::2])
    assert fitted(flag(9), Fit.of(time="hold")).frames[:, 0, 0, 0] == pytest.approx(red[:5])
    assert fitted(flag(3), Fit.of(time="hold")).frames[:, 0, 0, 0] == pytest.approx(red[[0, 1, 2, 2, 2]])


def test_frames_per_second_keep_the_length_in_seconds():
    """Nine frames at 16 per second and five at 8 both last from the first frame to half a second later."""
    assert fitted(flag(9), Fit.of(time="resample"), fps=16.0).fps == 8
    assert fitted(flag(9), Fit.of(time="hold"), fps=16.0).fps == 16
    assert Conditions(VIDEO, (SourceCondition(frames=flag(), fps=24.0),)).fps == 24
    assert Conditions(VIDEO, (SourceCondition(frames=flag()),)).fps == VIDEO.fps


def test_what_resizing_left_beyond_the_range_is_clipped():
    """Bicubic and Lanczos filters overshoot at edges."""
    over = flag() * 1.1 - 0.05
    frames = SourceCondition(frames=over).frames
    assert frames.min() == 0 and frames.max() == 1 and frames[0, 0, 0] == pytest.approx(RED)


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"frames": flag()[0]}, "shape .32, 48, 3.; .frames, height, width, 3. was expected"),
        ({"frames": flag()[..., :1]}, "was expected"),
        ({"frames": flag()[:0]}, "was expected"),
        ({"frames": flag() * np.nan}, "source video holds NaN"),
        ({"frames": flag() * 255}, "divide 8-bit"),
        ({"frames": flag() * 2 - 1}, "values from -1 to 1"),
        ({"fps": 0}, "0 frames per second"),
    ],
)
def test_what_is_not_a_video_is_refused(fields, says):
    with pytest.raises(UserError, match=says):
        SourceCondition(**{"frames": flag(), **fields})


def test_digests_differ_where_the_frames_do():
    one = SourceCondition(frames=flag())
    other = flag()
    other[2, 3, 4] = 0.5
    assert one.digest() == SourceCondition(frames=flag()).digest()
    assert len({one.digest(), SourceCondition(frames=other).digest(), dataclasses.replace(one, end=0.5).digest()}) == 3


def load(path, video=VIDEO, fit=None, **more) -> Conditions:
    return load_conditions(video, {"source": [str(path)]}, fit, **more)


def test_a_video_file_is_read_in_color(tmp_path):
    media.write_video(tmp_path / "clip.mp4", flag())
    made = load(tmp_path / "clip.mp4", strengths={"source": 0.5})
    (item,) = made.items
    assert item.frames.shape == (5, 32, 48, 3) and item.strength == 0.5 and made.warnings() == []
    for left, color in ((8, RED), (24, GREEN), (40, BLUE)):
        assert item.frames[0, 16, left] == pytest.approx(color, abs=0.08)
    assert item.frames[4, 16, 8, 0] == pytest.approx(0.6, abs=0.08)


def test_a_folder_of_images_of_another_size_and_length_is_fitted(tmp_path):
    for number, frame in enumerate(flag(9, 64, 192)):
        media.write_image(tmp_path / f"{number:03}.png", frame)
    with pytest.raises(UserError, match=f"source video '{tmp_path}' has 9 frames, the video 5"):
        load(tmp_path)
    made = load(tmp_path, fit=Fit.of(time="resample"))
    frames = made.get(SourceCondition).frames
    assert frames.shape == (5, 32, 48, 3) and frames[:, 16, 24, 1] == pytest.approx([1, 0.8, 0.6, 0.4, 0.2], abs=0.01)
    assert [text.split("' ")[1] for text in made.notes] == [
        "has 9 frames: it was resampled to 5.",
        "is 192x64 and was cropped to the proportions of 48x32.",
    ]


def test_images_of_a_folder_that_differ_in_size_are_refused(tmp_path):
    media.write_image(tmp_path / "0.png", flag(1)[0])
    media.write_image(tmp_path / "1.png", flag(1, 32, 96)[0])
    with pytest.raises(UserError, match="Frame 1 of .* has another size than the first"):
        load(tmp_path, VideoSize(2, 32, 48))


def test_one_image_holds_for_all_frames_and_loses_its_alpha(tmp_path):
    image = np.concatenate([flag(1)[0], np.zeros((32, 48, 1), np.float32)], 2)
    media.write_image(tmp_path / "still.png", image)
    made = load(tmp_path / "still.png")
    frames = made.get(SourceCondition).frames
    assert frames.shape == (5, 32, 48, 3) and (frames == frames[0]).all() and frames[0, 0, 0] == pytest.approx(RED)
    assert made.warnings()[0].endswith("is one image: it holds for all 5 frames.")


def test_files_that_are_missing_or_foreign_are_refused_by_name(tmp_path):
    with pytest.raises(UserError, match="missing.mp4"):
        load(tmp_path / "missing.mp4")
    (tmp_path / "text.mp4").write_text("no video")
    with pytest.raises(UserError, match="text.mp4"):
        load(tmp_path / "text.mp4")
