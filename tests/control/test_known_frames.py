"""Known frames and regions: where they stand, what of them is known, what does not fit, how they are read and drawn."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from comfyui_fulldit.control import media
from comfyui_fulldit.control.annotated_clip import AnnotatedClip
from comfyui_fulldit.control.camera.presets import preset
from comfyui_fulldit.control.conditions import Conditions, KnownFramesCondition, VideoSize, load_conditions
from comfyui_fulldit.control.errors import UserError
from comfyui_fulldit.control.fit import Fit
from comfyui_fulldit.control.frame_spans import parse_frames
from comfyui_fulldit.control.known_frames_draw import LOG_NOISE_MEAN, LOG_NOISE_SCALE, draw_known
from comfyui_fulldit.control.known_frames_files import parse_known

VIDEO = VideoSize(9, 16, 24)


def shades(count=1, height=16, width=24) -> np.ndarray:
    """Frame k has the shade (k + 1) / 20 everywhere."""
    levels = (np.arange(count, dtype=np.float32) + 1) / 20
    return np.broadcast_to(levels[:, None, None, None], (count, height, width, 3)).copy()


def left(count=1, height=16, width=24) -> np.ndarray:
    """A mask of the left half."""
    mask = np.zeros((count, height, width), np.float32)
    mask[:, :, : width // 2] = 1
    return mask


def fitted(fit: Fit | None = None, video: VideoSize = VIDEO, **values) -> KnownFramesCondition:
    made = Conditions(video, (KnownFramesCondition(**{"images": shades(), **values}),)).fitted(fit or Fit())
    return made.get(KnownFramesCondition)


def shade_of(condition: KnownFramesCondition, video: VideoSize = VIDEO) -> list[float]:
    """The shade of every frame of what is known, in twentieths; 10 is the gray of what is not."""
    return [round(20 * float(frame.mean()), 3) for frame in condition.shown(video)]


# ---- where they stand ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text, expected",
    [
        ("first", [0]),
        ("last", [16]),
        ("0-3", [0, 1, 2, 3]),
        ("0,16", [0, 16]),
        (" 0 , 4 - 5 ", [0, 4, 5]),
        ("first,last", [0, 16]),
        ("last, FIRST", [16, 0]),
        ("14-last", [14, 15, 16]),
        ("first:2, last:3", [0, 1, 14, 15, 16]),
        ("20", [20]),
    ],
)
def test_frames_are_written_as_people_do(text, expected):
    assert parse_frames(text, 17).tolist() == expected


def test_first_and_last_alone_are_as_many_as_there_are_images():
    assert parse_frames("first", 17, 4).tolist() == [0, 1, 2, 3]
    assert parse_frames("last", 17, 4).tolist() == [13, 14, 15, 16]


@pytest.mark.parametrize("text", ["", "a", "-1", "0-", "1;2", "0,,1", "first:0", "1.5", "0-99999999", "last:99999999"])
def test_other_texts_are_refused(text):
    with pytest.raises(UserError, match="write frames like first, last, 0-8"):
        parse_frames(text, 17)


def test_spans_that_overlap_or_run_backward_are_refused():
    with pytest.raises(UserError, match="'0-5,3-8' name frame 3 twice: let the parts not overlap"):
        parse_frames("0-5,3-8", 17)
    with pytest.raises(UserError, match="name frame 0 twice"):
        parse_frames("first,last", 1)
    with pytest.raises(UserError, match="run from 8 to 3"):
        parse_frames("8-3", 17)


def test_images_stand_where_it_is_said_and_gray_elsewhere():
    assert shade_of(fitted()) == [1, *[10] * 8]
    assert shade_of(fitted(at="last")) == [*[10] * 8, 1]
    assert shade_of(fitted(images=shades(2), at="first,last")) == [1, *[10] * 7, 2]
    assert shade_of(fitted(images=shades(2), at="8,0")) == [2, *[10] * 7, 1], "in the order in which they are named"
    assert shade_of(fitted(images=shades(3))) == [1, 2, 3, *[10] * 6]
    assert shade_of(fitted(images=shades(3), at="last")) == [*[10] * 6, 1, 2, 3]
    assert fitted(images=shades(3), at="8,0,4").at == "0, 4, 8"


def test_a_region_is_kept_and_the_rest_is_gray():
    made = fitted(images=shades(9), mask=left())
    assert made.region(VIDEO)[:, :, :12].min() == 1 and made.region(VIDEO)[:, :, 12:].max() == 0
    shown = made.shown(VIDEO)
    assert (shown[:, :, 12:] == 0.5).all() and shown[3, :, :12] == pytest.approx(0.2)
    half = fitted(images=shades(9), mask=np.full((1, 16, 24), 0.5, np.float32))
    assert half.shown(VIDEO)[3] == pytest.approx(0.35), "half known lies halfway to gray"
    one_each = np.concatenate([left(8), np.ones((1, 16, 24), np.float32)])
    assert fitted(images=shades(9), mask=one_each).region(VIDEO).mean((1, 2)).tolist() == [0.5] * 8 + [1]


def test_fitting_twice_changes_nothing():
    once = fitted(Fit.of("pad"), images=shades(2, 10, 24), at="last,first", mask=left(2, 10, 24))
    twice, said = once.fit(VIDEO, Fit())
    assert twice.digest() == once.digest() and said == []


# ---- what does not fit -----------------------------------------------------------------------------------------------


def test_frames_beyond_the_video_are_refused_or_left_out():
    with pytest.raises(UserError, match=r"known frames 9-11 lie beyond the video, whose frames are 0 to 8"):
        fitted(images=shades(12), at="0-11")
    with pytest.raises(UserError, match="lie beyond"):
        fitted(at="20")
    made = Conditions(VIDEO, (KnownFramesCondition(images=shades(12)),)).fitted(Fit.of(time="hold"))
    assert shade_of(made.get(KnownFramesCondition)) == [1, 2, 3, 4, 5, 6, 7, 8, 9]
    assert made.warnings() == ["The known frames 9-11 lie beyond the video and were left out."]
    with pytest.raises(UserError, match="lie beyond"):
        fitted(Fit.of(time="hold"), at="20")


def test_more_images_than_the_video_has_frames_at_its_end_are_refused_or_left_out():
    with pytest.raises(UserError, match="known images of 3 frames before its first lie beyond the video"):
        fitted(images=shades(12), at="last")
    assert shade_of(fitted(Fit.of(time="hold"), images=shades(12), at="last")) == [4, 5, 6, 7, 8, 9, 10, 11, 12]


def test_another_number_of_images_is_refused_resampled_or_held():
    with pytest.raises(UserError, match="2 known images were given for frames 0-3: give one image per frame"):
        fitted(images=shades(2), at="0-3")
    with pytest.raises(UserError, match="1 known image was given for frames 0, 8"):
        fitted(at="first,last")
    assert shade_of(fitted(Fit.of(time="hold"), images=shades(2), at="0-3"))[:4] == [1, 2, 2, 2]
    assert shade_of(fitted(Fit.of(time="resample"), images=shades(4), at="0,8"))[::8] == [1, 4]


def test_masks_of_another_number_or_size_are_refused_or_fitted():
    with pytest.raises(UserError, match="mask of the known frames has 2 frames, but there are 3 images"):
        fitted(images=shades(3), mask=left(2))
    assert fitted(Fit.of(time="hold"), images=shades(3), mask=left(2)).mask.shape == (3, 16, 24)
    with pytest.raises(UserError, match="is 16x16 .* the images 24x16: give a mask of their size"):
        fitted(mask=left(1, 16, 16))
    stretched = fitted(Fit.of("stretch"), mask=left(1, 16, 16)).mask[0, 0]
    assert stretched[:11].tolist() == [1] * 11 and stretched[13:].tolist() == [0] * 11
    assert fitted(mask=left(1, 32, 48)).mask[0, 0, [0, 10, 13, 23]].tolist() == [1, 1, 0, 0]


def test_images_of_other_proportions_are_cropped_with_their_masks_or_padded_to_be_continued():
    wide = shades(1, 16, 48)
    made = fitted(images=wide, mask=left(1, 16, 48))
    assert made.mask[0, 0].tolist() == [1] * 12 + [0] * 12
    outpainted = fitted(Fit.of("pad"), images=wide)
    assert outpainted.mask[0, :, 0].tolist() == [0] * 4 + [1] * 8 + [0] * 4
    assert outpainted.shown(VIDEO)[0, 0] == pytest.approx(0.5)
    with pytest.raises(UserError, match="same proportions"):
        fitted(Fit.of("refuse"), images=wide)


@pytest.mark.parametrize(
    "values, message",
    [
        ({"images": np.zeros((2, 4, 4))}, r"shape \(2, 4, 4\); \(frames, height, width, 3\)"),
        ({"images": np.full((1, 4, 4, 3), np.nan)}, "NaN"),
        ({"images": np.full((1, 4, 4, 3), 255.0)}, "divide 8-bit images"),
        ({"mask": np.zeros((16, 24))}, r"mask of the known frames has shape \(16, 24\)"),
        ({"mask": np.full((1, 16, 24), 255.0)}, "mask of the known frames holds values"),
        ({"noise": -0.1}, "noise on the known frames is -0.1; 0 to 2"),
        ({"noise": float("nan")}, "noise on the known frames is nan"),
        ({"strength": 9.0}, "known frames has strength 9|strength 9"),
    ],
)
def test_malformed_input_is_refused(values, message):
    with pytest.raises(UserError, match=message):
        fitted(**values)


def test_a_black_mask_is_warned_of():
    assert "nothing is known" in " ".join(fitted(mask=0 * left()).warnings())
    assert fitted(mask=np.ones((1, 16, 24))).mask is None, "a white mask is none"


# ---- noise -----------------------------------------------------------------------------------------------------------


def test_noise_has_its_size_in_pixels_of_minus_one_to_one_and_lies_on_what_is_known():
    video = VideoSize(5, 64, 64)
    images = np.full((5, 64, 64, 3), 0.4, np.float32)
    made = fitted(video=video, images=images, mask=left(1, 64, 64), noise=0.2)
    drawn = (made.shown(video) - fitted(video=video, images=images, mask=left(1, 64, 64)).shown(video)) * 2
    assert drawn[:, :, 32:].max() == 0
    assert drawn[:, :, :32].std() == pytest.approx(0.2, rel=0.03) and abs(drawn[:, :, :32].mean()) < 0.01
    again = dataclasses.replace(made, seed=1)
    assert (made.shown(video) == made.shown(video)).all() and not (made.shown(video) == again.shown(video)).all()
    assert len({made.digest(), again.digest(), dataclasses.replace(made, noise=0.0).digest()}) == 3
    assert fitted(seed=1).digest() == fitted(seed=2).digest(), "without noise its seed means nothing"


# ---- files -----------------------------------------------------------------------------------------------------------


def test_a_specification_in_parts():
    spec = parse_known("a,b.mp4,frames=0,4-8,take=last:9,mask=m.png#2,noise=0.05")
    assert (spec.file, spec.frames, spec.take, spec.mask, spec.weights) == (
        "a,b.mp4",
        "0,4-8",
        "last:9",
        "m.png#2",
        {"noise": 0.05},
    )
    with pytest.raises(UserError, match="noise of the known frames is 'much'; a number"):
        parse_known("a.png,noise=much")


def load(*specs: str, fit: Fit | None = None) -> KnownFramesCondition:
    return load_conditions(VIDEO, {"known": specs}, fit).get(KnownFramesCondition)


def test_start_and_end_image_come_from_two_files(tmp_path):
    for name, shade in (("start", 51), ("end", 204)):
        media.write_image(tmp_path / f"{name}.png", np.full((16, 24, 3), shade, np.uint8))
    made = load(f"{tmp_path}/end.png,frames=last", f"{tmp_path}/start.png,noise=0.1,strength=0.5")
    assert made.places(9).tolist() == [0, 8] and (made.noise, made.strength) == (0.1, 0.5)
    assert made.images.mean((1, 2, 3)) == pytest.approx([0.2, 0.8])
    with pytest.raises(UserError, match="name frame 0 twice"):
        load(f"{tmp_path}/end.png", f"{tmp_path}/start.png")
    with pytest.raises(UserError, match="have the noise 0.1 and 0.2"):
        load(f"{tmp_path}/end.png,noise=0.1", f"{tmp_path}/start.png,frames=last,noise=0.2")


def test_a_clip_goes_on_from_its_last_frames_and_a_mask_says_what_is_kept(tmp_path):
    (tmp_path / "clip").mkdir()
    for number, frame in enumerate(shades(12)):
        media.write_image(tmp_path / "clip" / f"{number:03d}.png", frame)
    made = load(f"{tmp_path}/clip,take=last:5")
    assert made.images.mean((1, 2, 3)) * 20 == pytest.approx([8, 9, 10, 11, 12], abs=0.05)
    assert made.places(9).tolist() == [0, 1, 2, 3, 4]
    media.write_image(tmp_path / "keep.png", left()[0])
    made = load(f"{tmp_path}/clip,take=0-8,mask={tmp_path}/keep.png")
    assert made.region(VIDEO).mean() == 0.5
    with pytest.raises(UserError, match="has 12 frames, of which '12-13' were to be taken"):
        load(f"{tmp_path}/clip,take=12-13")
    with pytest.raises(UserError, match="name them in their order"):
        load(f"{tmp_path}/clip,take=5,3")
    media.write_image(tmp_path / "clip" / "005.png", np.zeros((8, 8, 3), np.uint8))
    with pytest.raises(UserError, match="another size|several sizes"):
        load(f"{tmp_path}/clip,take=0-8")
    (tmp_path / "masks").mkdir()
    for number, size in enumerate(((16, 24), (8, 8))):
        media.write_image(tmp_path / "masks" / f"{number}.png", np.full(size, 255, np.uint8))
    with pytest.raises(UserError, match="mask of the known frames '.*masks' has frames of several sizes"):
        load(f"{tmp_path}/keep.png,mask={tmp_path}/masks")
    with pytest.raises(UserError, match="missing.png"):
        load(f"{tmp_path}/missing.png")


# ---- what a training is shown ----------------------------------------------------------------------------------------


def test_a_training_sees_every_use_of_them():
    rng, objects = np.random.default_rng(0), [left(17, 64, 96)]
    drawn = [draw_known(rng, (17, 64, 96), objects) for _ in range(600)]
    places = [tuple(one.places.tolist()) for one in drawn if one.mask is None]
    assert {(0,), (0, 16)} < set(places) and any(len(p) > 2 and p[0] == 0 and p[-1] == len(p) - 1 for p in places)
    assert any(p[0] > 0 for p in places)
    regions = [one for one in drawn if one.mask is not None]
    assert 0.2 < len(regions) / len(drawn) < 0.4
    for one in regions:
        assert one.mask.shape == (17, 64, 96) and len(one.places) == 17 and 0 < one.mask.mean() < 1
    noise = np.log([one.noise for one in drawn if one.noise])
    assert 0.4 < len(noise) / len(drawn) < 0.6
    assert noise.mean() == pytest.approx(LOG_NOISE_MEAN, abs=0.1) and noise.std() == pytest.approx(
        LOG_NOISE_SCALE, 0.15
    )


@pytest.mark.parametrize("frames", [1, 2, 5])
def test_short_clips_have_known_frames_too(frames):
    for seed in range(40):
        drawn = draw_known(np.random.default_rng(seed), (frames, 16, 24))
        assert len(drawn.places) and drawn.places.min() >= 0 and drawn.places.max() < frames


def test_of_a_clip_they_depend_on_its_seed_alone():
    clip = AnnotatedClip(shades(9), preset("static", frames=9), (), np.ones((9, 16, 24)), 8.0, seed=5)
    first, again = KnownFramesCondition.of_clip(clip), KnownFramesCondition.of_clip(clip)
    first.validate(VIDEO)
    assert first.digest() == again.digest()
    others = {KnownFramesCondition.of_clip(dataclasses.replace(clip, seed=seed)).digest() for seed in range(8)}
    assert len(others) > 4
