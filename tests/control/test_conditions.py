"""The conditions of a video: subsets, what does not belong to it, how it is made to fit, and what is warned of."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from comfyui_fulldit.control.camera.presets import preset
from comfyui_fulldit.control.conditions import (
    CONDITIONS,
    CameraCondition,
    Conditions,
    ControlVideoCondition,
    DepthCondition,
    IdentityCondition,
    KnownFramesCondition,
    LowResCondition,
    SoundCondition,
    SourceCondition,
    VideoSize,
)
from comfyui_fulldit.control.control_video import ControlVideo
from comfyui_fulldit.control.depth import DepthClip
from comfyui_fulldit.control.errors import UserError
from comfyui_fulldit.control.fit import Fit
from comfyui_fulldit.control.identity import Identity

IMAGE = np.full((8, 8, 3), 0.4, np.float32)
VIDEO = VideoSize(17, 32, 48)


def cup(name="cup", frames=17, height=32, width=48) -> Identity:
    track = np.zeros((frames, height, width), np.float32)
    track[:, height // 4 : 3 * height // 4, width // 6 : width // 2] = 1
    return Identity(name, (IMAGE,), mask_video=track)


def ramp(frames=17, height=32, width=48) -> DepthClip:
    return DepthClip(np.broadcast_to(np.linspace(0, 1, width), (frames, height, width)))


def camera(**changes) -> CameraCondition:
    return CameraCondition(**{"trajectory": preset("pan_left"), **changes})


def identity(*identities) -> IdentityCondition:
    return IdentityCondition(identities=identities or (cup(),))


def depth(**changes) -> DepthCondition:
    return DepthCondition(**{"clip": ramp(), **changes})


def source(frames=17, height=32, width=48, **changes) -> SourceCondition:
    """A video that goes from black at the left to red at the right."""
    clip = np.zeros((frames, height, width, 3), np.float32)
    clip[..., 0] = np.linspace(0, 1, width)
    return SourceCondition(**{"frames": clip, **changes})


def known(count=1, height=32, width=48, **changes) -> KnownFramesCondition:
    return KnownFramesCondition(**{"images": np.full((count, height, width, 3), 0.25), **changes})


def edges(kind="canny", **changes) -> ControlVideoCondition:
    return ControlVideoCondition(videos=(ControlVideo(kind, source().frames, **changes),))


def sound() -> SoundCondition:
    return SoundCondition(values=np.linspace(0, 1, 17), rate=8.0)


def lowres(frames=17, height=16, width=24) -> LowResCondition:
    return LowResCondition(frames=np.full((frames, height, width, 3), 0.25))


def everything() -> Conditions:
    return Conditions(VIDEO, (lowres(), sound(), edges(), known(), source(), depth(), identity(), camera()))


NAMES = ("camera", "identity", "depth", "source", "known", "control", "sound", "lowres")


def test_conditions_stand_in_the_order_of_the_registry_however_they_are_given():
    assert everything().names == tuple(CONDITIONS) == NAMES


def test_any_subset_can_be_taken():
    for name in CONDITIONS:
        assert everything().only([name]).names == (name,)
    assert everything().only("depth").names == ("depth",)
    assert everything().only(("depth", "camera")).names == ("camera", "depth")
    assert everything().only([]).names == ()
    with pytest.raises(UserError, match=f"'audio' is unknown: choose among {', '.join(NAMES)}"):
        everything().only(["audio"])


def test_a_condition_is_found_by_its_class():
    assert everything().get(DepthCondition).clip.frames == 17
    assert everything().only("camera").get(DepthCondition) is None


def test_two_conditions_of_one_kind_are_refused():
    with pytest.raises(UserError, match="at most one of each kind"):
        Conditions(VIDEO, (depth(), depth()))


def test_what_is_not_a_condition_is_refused():
    with pytest.raises(
        UserError, match="class ndarray is not a condition; known are camera, identity, depth, source, known"
    ):
        Conditions(VIDEO, (np.zeros(3),))


def test_what_belongs_to_the_video_is_taken():
    everything().validate()
    Conditions(VideoSize(1, 16, 16)).validate()
    Conditions(VIDEO, (identity(Identity("free", (IMAGE,))),)).validate()


@pytest.mark.parametrize("field", ["frames", "height", "width", "fps"])
def test_a_video_of_no_size_is_refused(field):
    with pytest.raises(UserError, match=f"The video's {field} is 0"):
        dataclasses.replace(VIDEO, **{field: 0})


@pytest.mark.parametrize(
    ("item", "says"),
    [
        (camera(trajectory=preset("pan_left", frames=9)), "camera path has 9 frames, the video 17"),
        (camera(trajectory=np.eye(4)), "CameraTrajectory was expected"),
        (depth(clip=ramp(frames=13)), "depth clip has 13 frames"),
        (depth(clip=ramp(height=64)), "48x64"),
        (depth(clip=np.zeros((17, 32, 48))), "normalize it first"),
        (identity(cup(frames=5)), "'cup' has 5 frames"),
        (identity(cup(width=32)), "32x32"),
        (identity(cup(), cup()), "same name"),
        (identity(*(cup(str(number)) for number in range(9))), "9 identities were given.*than 8: leave 1 out"),
        (source(frames=13), "source video has 13 frames, the video 17"),
        (source(height=64), "source video is 48x64"),
        (source(strength=9), "The source has strength 9"),
        (lowres(frames=13), "low-resolution video has 13 frames, the video 17"),
        (lowres(height=48, width=72), "low-resolution video is 72x48.*the video 48x32: make the video at least"),
        (lowres(width=16), "low-resolution video is 16x16.*fit it to the same proportions"),
        (camera(strength=9), "strength 9"),
        (depth(start=0.5, end=0.5), "The depth holds from 0.5 to 0.5"),
        (camera(start=-1), "The camera holds from -1"),
    ],
)
def test_what_does_not_belong_to_the_video_is_refused(item, says):
    with pytest.raises(UserError, match=says):
        Conditions(VIDEO, (item,)).validate()


def other() -> Conditions:
    """Everything of another length and size."""
    path = preset("truck_right", frames=33, amount=1)
    identities = (cup(frames=40, height=64, width=96), Identity("free", (IMAGE,)))
    clip = ramp(frames=3, height=16)
    return Conditions(VIDEO, (camera(trajectory=path), IdentityCondition(identities=identities), depth(clip=clip)))


def test_resampling_spreads_every_condition_over_the_video():
    fitted = other().fitted(Fit.of("stretch", "resample"))
    assert fitted.get(CameraCondition).trajectory.c2w[-1, 0, 3] == pytest.approx(1)
    assert fitted.get(IdentityCondition).identities[0].mask_video.shape == (17, 32, 48)
    assert fitted.get(IdentityCondition).identities[1].mask_video is None
    assert [text.split(":")[0] for text in fitted.notes if "frames" in text] == [
        "The camera path has 33 frames",
        "The track of identity 'cup' has 40 frames",
        "The depth clip has 3 frames",
    ]


def test_holding_keeps_the_speed_and_stands_still_at_the_end():
    fitted = other().fitted(Fit.of("stretch", "hold"))
    longer = preset("truck_right", frames=33, amount=1)
    assert np.allclose(fitted.get(CameraCondition).trajectory.c2w, longer.c2w[:17])
    clip = fitted.get(DepthCondition).clip.values
    assert (clip[2:] == clip[2]).all()


def test_another_length_is_refused_unless_asked():
    with pytest.raises(UserError, match="33 frames, the video 17.*set `fit_time`"):
        other().fitted(Fit())


@pytest.mark.parametrize(("space", "first", "last"), [("crop", 0.25, 0.75), ("stretch", 0.0, 1.0), ("pad", 0.0, 0.0)])
def test_a_wide_clip_is_cropped_stretched_or_padded(space, first, last):
    video = VideoSize(17, 32, 32)
    clip = DepthClip(np.broadcast_to(np.linspace(0, 1, 64), (17, 32, 64)))
    fitted = Conditions(video, (depth(clip=clip),)).fitted(Fit.of(space))
    values = fitted.get(DepthCondition).clip.values
    row = values[0, 0] if space == "pad" else values[0, 16]
    assert row[0] == pytest.approx(first, abs=0.03) and row[-1] == pytest.approx(last, abs=0.03)
    assert len(fitted.notes) == 1


def test_a_lens_of_other_proportions_is_cropped_to_the_video():
    """A 3:2 lens in a square video sees as much in height, less in width: its focal length in widths grows."""
    path = preset("static", aspect=1.5)
    fitted = Conditions(VideoSize(17, 32, 32), (camera(trajectory=path),)).fitted(Fit())
    lens = fitted.get(CameraCondition).trajectory.intrinsics[0]
    assert lens[1] == pytest.approx(path.intrinsics[0, 1]) and lens[0] == pytest.approx(1.5 * path.intrinsics[0, 0])
    assert "1.5:1 and was cropped to 1:1" in fitted.notes[0]


def test_digests_differ_where_the_network_would_read_something_else():
    one = everything()
    assert one.digest() == everything().digest()
    others = [
        Conditions(VIDEO, (depth(), identity(), camera(strength=0.5))),
        Conditions(VIDEO, (depth(end=0.5), identity(), camera())),
        Conditions(VIDEO, (depth(), identity(dataclasses.replace(cup(), strength=2)), camera())),
        Conditions(VideoSize(17, 32, 48, 24), one.items),
        one.only(["camera"]),
    ]
    assert len({one.digest(), *(other.digest() for other in others)}) == 6


def test_identities_that_nobody_named_number_themselves():
    unnamed = [Identity(name, (IMAGE,)) for name in ("object", "identity", "object", "object 2", "identity", "object")]
    names = [one.name for one in identity(*unnamed).identities]
    assert names == ["object", "identity", "object 3", "object 2", "identity 2", "object 4"]
    Conditions(VIDEO, (identity(*unnamed),)).validate()
    with pytest.raises(UserError, match="same name"):
        Conditions(VIDEO, (identity(*unnamed, unnamed[3]),)).validate()


def test_as_many_identities_as_any_model_takes_are_carried():
    eight = identity(*(cup(f"cup {number}") for number in range(8)))
    Conditions(VIDEO, (eight,)).validate()
    assert len(Conditions(VIDEO, (eight,)).fitted(Fit()).get(IdentityCondition).identities) == 8


def test_names_of_identities_do_not_change_the_digest():
    assert identity(cup("a")).digest() == identity(cup("b")).digest()


def test_nothing_is_said_of_what_is_as_it_should_be():
    assert everything().warnings() == []


def test_what_may_not_be_meant_is_warned_of():
    assert "prompt alone" in Conditions(VIDEO).warnings()[0]
    far = camera(trajectory=preset("truck_left", amount=4))
    unknown = depth(clip=DepthClip(ramp().values, {"unknown": 0.3}), strength=0)
    text = " ".join(Conditions(VIDEO, (far, unknown)).warnings())
    assert "moves 4.0 times the median depth" in text and "30% of the depth clip" in text and "no effect" in text
    turned = camera(trajectory=preset("pan_left", amount=120))
    assert "turns by 120 degrees" in " ".join(turned.warnings())
    assert source(strength=0).warnings() == ["The strength of the source is 0, so it has no effect."]
    unit = camera(trajectory=preset("truck_left", amount=4).replace(unit="an unknown"))
    assert [text.split(";")[0] for text in unit.warnings()] == [
        "The camera moves by 4.0 in an unknown unit",
        "The camera's lengths are in an unknown unit",
    ]
    assert (
        "lengths are in metre; FullDiT models take"
        in camera(trajectory=preset("truck_left").replace(unit="metre")).warnings()[-1]
    )
