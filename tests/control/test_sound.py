"""Sound: loudness of tones that a person can picture, its fit to a video, and the world's objects that move to it."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from comfyui_fulldit.control.conditions import Conditions, SoundCondition, VideoSize, load_conditions
from comfyui_fulldit.control.errors import UserError
from comfyui_fulldit.control.fit import Fit
from comfyui_fulldit.control.media import write_video
from comfyui_fulldit.control.sound import RATE, at_frames, loudness, read_sound, tone, write_tone
from comfyui_fulldit.models.conditioning.registry import ENTRIES
from comfyui_fulldit.models.encode import encode_conditions
from comfyui_fulldit.models.families.presets import PRESETS
from comfyui_fulldit.scenes import WorldOptions, make_scene, render
from comfyui_fulldit.scenes.export import export_scene

VIDEO = VideoSize(17, 64, 96, 8.0)
SOUNDS = WorldOptions(version=3, sounds=1.0, figures=0.0)


def beeps(rate: int = 8000) -> np.ndarray:
    """Two seconds: silence, a beep from 0.5 to 1, silence, and half as loud a one from 1.5 on."""
    times = np.arange(2 * rate) / rate
    loud = np.where((times >= 0.5) & (times < 1), 1.0, np.where(times >= 1.5, 0.5, 0))
    return 0.3 * loud * np.sin(2 * np.pi * 440 * times)


def test_loudness_is_that_of_the_beeps_whatever_the_volume_and_the_channels():
    values = loudness(beeps(), 8000)
    assert len(values) == 2 * RATE
    for seconds, expected in ((0.2, 0), (0.75, 1), (1.2, 0), (1.8, 0.5)):
        assert abs(values[int(seconds * RATE)] - expected) < 0.03
    np.testing.assert_allclose(loudness(0.1 * beeps(), 8000), values, atol=1e-5)
    np.testing.assert_allclose(loudness(np.stack([beeps(), beeps()]), 8000), values, atol=1e-5)
    assert not loudness(np.zeros((2, 4000)), 8000).any()


def test_a_tone_has_the_loudness_that_it_was_made_of():
    values = np.abs(np.sin(np.linspace(0, 5, 25))).astype(np.float32)
    heard = SoundCondition.of_samples(tone(values, 12.0), 16000)
    fitted, warnings = heard.fit(VideoSize(25, 64, 96, 12.0), Fit())
    assert not warnings and fitted.rate == 12
    np.testing.assert_allclose(fitted.values, values / values.max(), atol=0.06)


def test_frames_take_the_mean_square_around_their_time_and_silence_past_the_end():
    values = np.concatenate([np.zeros(100), np.ones(100)])  # a second, 200 values a second
    np.testing.assert_allclose(at_frames(values, 200, 6, 4), [0, 0, np.sqrt(0.5), 1, np.sqrt(0.5), 0], atol=0.02)
    np.testing.assert_allclose(at_frames(np.array([0.5, 1.0]), 2, 2, 2), [0.5, 1], atol=1e-6)


def test_another_length_is_refused_or_fitted_and_said():
    sound = SoundCondition.of_samples(beeps(), 8000)
    assert sound.seconds == 2
    refused = Conditions(VideoSize(33, 64, 96, 8.0), (sound,))
    with pytest.raises(UserError, match="The sound lasts 2.00 s, the video 4.12 s: set `fit_time` to hold"):
        refused.fitted(Fit())
    held = refused.fitted(Fit.of("crop", "hold"))
    assert held.notes == ("The sound lasts 2.00 s, the video 4.12 s: silence follows it.",)
    assert held.items[0].values[17:].max() == 0 and held.items[0].values[6] > 0.95
    stretched = refused.fitted(Fit.of("crop", "resample"))
    assert "it was stretched" in stretched.notes[0] and stretched.items[0].values[12] > 0.95
    cut = Conditions(VideoSize(9, 64, 96, 8.0), (sound,)).fitted(Fit.of("crop", "hold"))
    assert "it was cut" in cut.notes[0] and len(cut.items[0].values) == 9
    fits = Conditions(VIDEO, (sound,)).fitted(Fit())  # 17 frames are 2.125 seconds
    assert not fits.notes and fits.fitted(Fit()).items[0] is fits.items[0]


def test_features_are_loudness_and_its_rise():
    sound = SoundCondition(values=np.array([0.2, 0.2, 1.0, 0.4]), rate=8.0)
    np.testing.assert_allclose(sound.features, [[0.2, 0], [0.2, 0], [1, 0.8], [0.4, 0]], atol=1e-6)
    assert "silent" in SoundCondition(values=np.zeros(4), rate=8.0).warnings()[0]
    assert "equally loud" in SoundCondition(values=np.ones(4), rate=8.0).warnings()[0]


def test_a_latent_frame_has_the_features_of_its_frames():
    values = np.linspace(0, 1, 5)
    video = VideoSize(5, 32, 48, 8.0)
    conditions = Conditions(video, (SoundCondition(values=values, rate=8.0, strength=0.5),))
    config = replace(PRESETS["debug"], streams=("sound",))
    (stream,) = encode_conditions(conditions, None, config).streams
    assert stream.name == "sound" and stream.data.shape == (1, 2, 8) and stream.strength == 0.5
    expected = [[[0, 0] * 4, [0.25, 0.25, 0.5, 0.25, 0.75, 0.25, 1, 0.25]]]
    torch.testing.assert_close(stream.data, torch.tensor(expected, dtype=torch.float32))
    assert "sound" in ENTRIES


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SoundCondition(values=np.zeros((2, 3)), rate=8.0), r"shape \(2, 3\)"),
        (lambda: SoundCondition(values=np.array([0, 2.0]), rate=8.0), "outside 0..1"),
        (lambda: SoundCondition(values=np.array([np.nan]), rate=8.0), "outside 0..1"),
        (lambda: SoundCondition(values=np.zeros(3), rate=0.0), "a number above 0"),
        (lambda: loudness(np.zeros((0,)), 8000), "samples of shape"),
        (lambda: loudness(np.array([np.inf]), 8000), "NaN or infinity"),
        (lambda: loudness(np.zeros(8), 0.001), "lasts 8000 s; at most 3600 s"),
    ],
)
def test_what_is_no_sound_is_refused(make, message):
    with pytest.raises(UserError, match=message):
        make()


def test_sound_files_are_read_and_others_refused(tmp_path):
    write_tone(tmp_path / "tone.wav", np.array([0, 0, 1, 0.5]), 4.0)
    samples, rate = read_sound(tmp_path / "tone.wav")
    assert samples.shape == (1, 16000) and rate == 16000
    np.testing.assert_allclose(samples[0], tone(np.array([0, 0, 1, 0.5]), 4.0), atol=1e-3)
    video = VideoSize(9, 32, 48, 9.0)
    (condition,) = load_conditions(video, {"sound": [str(tmp_path / "tone.wav")]}, strengths={"sound": 2.0}).items
    assert condition.strength == 2 and len(condition.values) == 9 and condition.values.argmax() in (4, 5)
    write_video(tmp_path / "silent.mp4", np.zeros((3, 32, 48, 3)))
    (tmp_path / "text.wav").write_text("no sound")
    for name, message in (("silent.mp4", "has no sound"), ("text.wav", "cannot be read"), ("none.wav", "none.wav")):
        with pytest.raises(UserError, match=message):
            load_conditions(video, {"sound": [str(tmp_path / name)]})


def test_an_object_of_the_world_is_lifted_by_as_much_as_its_sound_is_loud(tmp_path):
    hopped = 0
    for seed in range(40):
        scene, without = (
            make_scene(seed, 25, 1.5, SOUNDS),
            make_scene(seed, 25, 1.5, WorldOptions(version=3, figures=0)),
        )
        assert scene.loudness.shape == (25,) and scene.loudness.min() >= 0 and scene.loudness.max() <= 1
        lifts = [-(item.center[:, 1] / item.half_size[1]) - 1 for item in scene.objects]
        same = [np.allclose(lift, scene.loudness, atol=1e-9) for lift in lifts]
        assert any(same)
        hopped += sum(item.motion == "hop" for item in scene.objects)
        np.testing.assert_array_equal(scene.camera.c2w, without.camera.c2w)
    assert hopped > 15
    share = np.mean([make_scene(s, 2, 1.5, WorldOptions(version=3)).loudness is not None for s in range(300)])
    assert 0.18 < share < 0.32
    clips = render([3], 9, 32, 48, options=SOUNDS)
    condition = clips.conditions(0).get(SoundCondition)
    np.testing.assert_allclose(condition.values, clips.scenes[0].loudness, atol=1e-7)
    files = export_scene(3, tmp_path, 9, 32, 48, SOUNDS)
    heard, _ = SoundCondition.load([str(files["sound"])], clips.conditions(0).video, Fit())
    fitted, warnings = heard.fit(clips.conditions(0).video, Fit())
    assert not warnings and np.corrcoef(fitted.values, condition.values)[0, 1] > 0.97
