"""An upsampler from the command line and in one command with the generator, and the low-resolution video it reads."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from comfyui_fulldit.cli import main
from comfyui_fulldit.control.bundle import read_bundle, write_bundle
from comfyui_fulldit.control.conditions import Conditions, LowResCondition, VideoSize
from comfyui_fulldit.control.errors import UserError
from comfyui_fulldit.control.fit import Fit
from comfyui_fulldit.control.images import resize_cubic
from comfyui_fulldit.control.media import read_video, video_rate, write_image, write_video
from comfyui_fulldit.models.backbone.initialize import initialize
from comfyui_fulldit.models.backbone.transformer import FullDiT
from comfyui_fulldit.models.conditioning.text import TextEncoder
from comfyui_fulldit.models.encode import count_tokens, encode_conditions
from comfyui_fulldit.models.families.presets import PRESETS
from comfyui_fulldit.models.geometry import WAN_2_1, WAN_2_2_5B
from comfyui_fulldit.models.pipeline import Pipeline
from comfyui_fulldit.models.sampling.windows import Windows
from comfyui_fulldit.models.upscale import large_size, upscaling, upscaling_warnings, upscaling_windows
from comfyui_fulldit.models.vae import VAE, fingerprint, load_vae, save_vae
from comfyui_fulldit.models.weights.checkpoint import embedded_path, save_model
from comfyui_fulldit.scenes import render
from comfyui_fulldit.view.sheet import condition_frames

CONFIG = replace(PRESETS["debug"], streams=("lowres",), frames=5, height=32, width=48, steps=2, guidance=1.0)
needs_weights = pytest.mark.skipif(
    not embedded_path("fulldit_mini").exists() or not embedded_path("fulldit_mini_vae").exists(),
    reason="the embedded weights are not in this checkout",
)


def clip(frames=5, height=16, width=24, seed=0) -> np.ndarray:
    return np.random.default_rng(seed).random((frames, height, width, 3), np.float32)


def lowres(count=5, height=16, width=24, **changes) -> LowResCondition:
    return LowResCondition(**{"frames": clip(count, height, width), **changes})


@pytest.fixture(scope="module")
def upsampler(tmp_path_factory):
    """Random weights of an upsampler, and of a VAE."""
    folder = tmp_path_factory.mktemp("weights")
    torch.manual_seed(0)
    save_vae(folder / "vae.safetensors", VAE(dim=4).eval())
    config = replace(CONFIG, vae_fingerprint=fingerprint(load_vae(folder / "vae.safetensors")))
    model = FullDiT(config)
    initialize(model)
    for weight in (model.head.head.weight, model.tokenizers["lowres"].patch_embedding.weight):
        torch.nn.init.normal_(weight, std=0.3)
    save_model(folder / "model.safetensors", model, TextEncoder(dim=config.text_dim), config)
    other = replace(config, streams=("camera",))
    without = FullDiT(other)
    initialize(without)
    save_model(folder / "low.safetensors", without, TextEncoder(dim=config.text_dim), other)
    return folder


def arguments(upsampler, *more) -> list[str]:
    return [*more, "--vae", str(upsampler / "vae.safetensors"), "--quiet"]


# ---- the condition -------------------------------------------------------------------------------------------------


def test_it_is_fitted_at_its_own_size_and_never_larger_than_the_video():
    video = VideoSize(5, 32, 48)
    fitted, said = lowres().fit(video, Fit())
    assert np.array_equal(fitted.frames, lowres().frames) and not said
    cropped, said = lowres(width=40).fit(video, Fit())
    assert cropped.frames.shape == (5, 16, 24, 3) and "cropped" in said[0]
    shrunk, _ = lowres(height=64, width=96).fit(video, Fit())
    assert shrunk.frames.shape == (5, 32, 48, 3)
    Conditions(video, (fitted,)).validate()
    with pytest.raises(UserError, match="low-resolution video has 4 frames"):
        lowres(4).fit(video, Fit())


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"frames": np.zeros((5, 4, 4))}, "has shape"),
        ({"frames": np.full((5, 4, 4, 3), np.nan)}, "NaN"),
        ({"frames": np.full((5, 4, 4, 3), 7.0)}, "between 0 and 1"),
        ({"noise": 1.5}, "noise on the low-resolution video is 1.5"),
        ({"noise": -0.1}, "0 to 1 was expected"),
    ],
)
def test_what_is_no_video_is_refused(changes, words):
    with pytest.raises(UserError, match=words):
        lowres(**changes)


def test_frames_are_enlarged_piece_by_piece_as_they_are_asked_for():
    larger = lowres().enlarged(VideoSize(5, 32, 48))
    assert len(larger) == 5 and larger[1:3].shape == (2, 32, 48, 3)
    expected = resize_cubic(lowres().frames[2], 32, 48).clip(0, 1)
    assert np.array_equal(larger[2:3][0], expected) and np.array_equal(larger[0:5][2], expected)


def test_noise_moves_its_latent_toward_the_same_noise_for_a_seed(upsampler):
    vae = load_vae(upsampler / "vae.safetensors")

    def data(**changes):
        (stream,) = encode_conditions(Conditions(CONFIG.video, (lowres(**changes),)), vae, CONFIG).streams
        return stream.data

    clean, whole = data(), data(noise=1.0)
    torch.testing.assert_close(data(noise=0.25), 0.75 * clean + 0.25 * whole)
    assert torch.equal(whole, data(frames=clip(seed=1), noise=1.0)) and not torch.equal(whole, data(noise=1.0, seed=1))
    assert abs(float(whole.std()) - 1) < 0.2
    assert (
        lowres().digest() == lowres(seed=3).digest() != lowres(noise=0.1).digest() != lowres(noise=0.1, seed=1).digest()
    )


def test_it_takes_no_token_and_comes_from_every_scene():
    conditions = Conditions(CONFIG.video, (lowres(),))
    assert count_tokens(conditions, CONFIG) == {"video": 12, "lowres": 0}
    scene = render([3], 5, 32, 48)
    first, again = (scene.conditions(0, ["lowres"]).get(LowResCondition) for _ in range(2))
    assert first.frames.shape == (5, 16, 24, 3) and np.array_equal(first.frames, again.frames)
    noises = [render([seed], 5, 32, 48).conditions(0, ["lowres"]).get(LowResCondition).noise for seed in range(12)]
    assert min(noises) == 0 < max(noises) <= 0.2


def test_a_bundle_and_a_sheet_have_it(tmp_path):
    conditions = Conditions(CONFIG.video, (lowres(noise=0.1, seed=4, strength=0.5),))
    write_bundle(conditions, tmp_path / "bundle")
    found, warnings = read_bundle(tmp_path / "bundle")
    held = found.get(LowResCondition)
    assert not warnings and (held.noise, held.seed, held.strength) == (0.1, 4, 0.5)
    assert np.abs(held.frames - lowres().frames).max() < 0.01
    ((title, frames),) = condition_frames(conditions, 32, 48)
    assert title == "low resolution" and frames.shape == (5, 32, 48, 3)


# ---- what is asked of an upsampler -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "factor", "geometry", "expected"),
    [
        ((17, 64, 96), 2, WAN_2_1, (17, 128, 192)),
        ((18, 60, 90), 2, WAN_2_1, (21, 128, 192)),
        ((1, 64, 96), 3, WAN_2_1, (1, 192, 288)),
        ((17, 65, 96), 3, WAN_2_1, (17, 240, 288)),
        ((17, 64, 96), 2, WAN_2_2_5B, (17, 128, 192)),
    ],
)
def test_the_large_video_is_whole_tokens(size, factor, geometry, expected):
    assert large_size(size, factor, geometry) == expected
    geometry.check(*expected)
    assert all(side % factor == 0 for side in expected[1:])


def test_padding_repeats_the_edges_and_is_cut_again():
    frames = clip(6, 15, 23)
    asked = upscaling(frames, 8.0, 2, CONFIG)
    held = asked.conditions.get(LowResCondition).frames
    assert held.shape == (9, 16, 24, 3) and asked.conditions.video == VideoSize(9, 32, 48, 8.0)
    assert np.array_equal(held[:6, :15, :23], frames)
    assert np.array_equal(held[8, :15, :23], frames[-1]) and np.array_equal(held[:6, 15, :23], frames[:, -1])
    large = clip(9, 32, 48)
    kept = np.stack(list(asked.kept([large[:1], large[1:5], large[5:]])))
    assert np.array_equal(kept, large[:6, :30, :46])


def test_windows_are_as_long_as_the_clips_it_was_trained_on():
    config = replace(CONFIG, frames=17)
    assert upscaling_windows(config) == Windows(5, 2) and upscaling_windows(config, 9, 0) == Windows(3, 0)
    asked = upscaling(clip(33), 8.0, 2, CONFIG)
    assert upscaling_warnings(asked, 2, upscaling_windows(CONFIG), CONFIG) == []
    asked = upscaling(clip(5), 8.0, 3, CONFIG)
    (first, second) = upscaling_warnings(asked, 3, upscaling_windows(CONFIG), CONFIG)
    assert "trained to make sides 2 times as long; 3 times" in first and "48x32" in second


def test_other_checkpoints_and_factors_are_refused():
    with pytest.raises(UserError, match="does not take the condition 'lowres' .its streams: camera"):
        upscaling(clip(), 8.0, 2, PRESETS["debug"])
    with pytest.raises(UserError, match="5 times the length were asked for: choose one of 2, 3, 4"):
        upscaling(clip(), 8.0, 5, CONFIG)


# ---- the commands ----------------------------------------------------------------------------------------------------


def test_a_video_becomes_larger_by_windows(upsampler, tmp_path, capsys):
    write_video(tmp_path / "low.mp4", clip(10, 14, 22), 12.0)
    command = arguments(upsampler, "upscale", str(tmp_path / "low.mp4"), str(tmp_path / "high.mp4"), "--json")
    assert main([*command, "--checkpoint", str(upsampler / "model.safetensors")]) == 0
    report = json.loads(capsys.readouterr().out)
    assert read_video(tmp_path / "high.mp4").shape == (10, 28, 44, 3) and video_rate(tmp_path / "high.mp4") == 12
    assert (report["frames"], report["height"], report["width"], report["steps"]) == (10, 28, 44, 2)
    assert report["window"] == [2, 1] and report["fps"] == 12
    assert any("12 frames per second" in text for text in report["warnings"])


def test_a_folder_of_images_has_no_rate_of_its_own(upsampler, tmp_path, capsys):
    (tmp_path / "frames").mkdir()
    for number, frame in enumerate(clip(2)):
        write_image(tmp_path / "frames" / f"{number}.png", frame)
    command = arguments(upsampler, "upscale", str(tmp_path / "frames"), str(tmp_path / "high.mp4"))
    command += ["--checkpoint", str(upsampler / "model.safetensors")]
    assert main(command) == 2
    assert "says no frames per second: give them with --fps" in capsys.readouterr().err
    assert main([*command, "--fps", "4"]) == 0
    assert f"{tmp_path / 'high.mp4'}: 2 frames of 48x32" in capsys.readouterr().out
    assert video_rate(tmp_path / "high.mp4") == 4


def test_one_window_is_the_whole_to_the_bit(upsampler):
    pipeline = Pipeline.load(upsampler / "model.safetensors", upsampler / "vae.safetensors")
    asked = upscaling(clip(13), 8.0, 2, pipeline.config)
    whole, _ = pipeline.sample("", asked.conditions, seed=1)
    one, _ = pipeline.sample("", asked.conditions, seed=1, windows=Windows(4, 2))
    parts, _ = pipeline.sample("", asked.conditions, seed=1, windows=Windows(2, 1))
    assert torch.equal(whole, one) and not torch.equal(whole, parts)
    other = upscaling(clip(13, seed=1), 8.0, 2, pipeline.config)
    assert not torch.equal(pipeline.sample("", other.conditions, seed=1)[0], whole)


@pytest.mark.parametrize("windows", [[], ["--window", "5"]])
def test_low_and_high_come_from_one_command(upsampler, tmp_path, capsys, windows):
    low, high = str(upsampler / "low.safetensors"), str(upsampler / "model.safetensors")
    command = arguments(upsampler, "generate", "--prompt", "a ball", "--checkpoint", low, "--steps", "1", "--json")
    size = ["--frames", "9", "--height", "16", "--width", "32"]
    out = ["--out", str(tmp_path / "out")]
    assert main([*command, *size, *windows, "--upscale", "2", "--upsampler", high, *out]) == 0
    report = json.loads(capsys.readouterr().out)
    done = report["upscaled"]
    assert (done["frames"], done["height"], done["width"], done["steps"]) == (9, 32, 64, 2)
    assert read_video(tmp_path / "out" / "video.mp4").shape == (9, 16, 32, 3)
    assert read_video(report["files"]["upscaled"]).shape == (9, 32, 64, 3)
    assert {"upscaling", "decoding of the large video"} <= set(report["seconds"])


def test_both_ways_give_the_upsampler_the_same_frames(upsampler, tmp_path):
    """A clip that is held, and one that is written as it is decoded and read again from a file."""
    low, high = str(upsampler / "low.safetensors"), str(upsampler / "model.safetensors")
    command = arguments(
        upsampler, "generate", "--checkpoint", low, "--steps", "1", "--upscale", "2", "--upsampler", high
    )
    clips = []
    for name, more in {"whole": [], "windows": ["--window", "5"]}.items():
        assert main([*command, "--prompt", "a ball", *more, "--out", str(tmp_path / name)]) == 0
        clips.append(read_video(tmp_path / name / "upscaled.mp4"))
    assert np.array_equal(*clips)


def test_a_generator_reads_it_as_any_condition(upsampler, tmp_path, capsys):
    write_video(tmp_path / "low.mp4", clip(), 8.0)
    command = arguments(upsampler, "generate", "--checkpoint", str(upsampler / "model.safetensors"), "--json")
    more = ["--lowres", str(tmp_path / "low.mp4"), "--lowres-noise", "0.1", "--out", str(tmp_path / "out")]
    assert main([*command, *more]) == 0
    assert json.loads(capsys.readouterr().out)["asked"]["conditions"] == ["lowres"]
    assert main([*command, *more, "--lowres-noise", "much"]) == 2
    assert "noise on the low-resolution video is 'much'" in capsys.readouterr().err


@needs_weights
@pytest.mark.parametrize(
    ("command", "words"),
    [
        (["upscale", "LOW", "high.mp4", "--checkpoint", "fulldit_mini"], "does not take the condition 'lowres'"),
        (["generate", "--lowres", "LOW"], "does not take the condition 'lowres'"),
        (["generate", "--upscale", "2", "--upsampler", "fulldit_mini"], "does not take the condition 'lowres'"),
        (["generate", "--upscale", "2"], "--upscale and --upsampler go together"),
        (["generate", "--upsampler", "fulldit_mini"], "--upscale and --upsampler go together"),
        (["upscale", "LOW", "high.txt", "--checkpoint", "fulldit_mini"], "does not end as a video does"),
        (["bench", "upscale"], "give its checkpoint with --checkpoint"),
        (["bench", "upscale", "--checkpoint", "fulldit_mini"], "does not take the condition 'lowres'"),
    ],
)
def test_what_is_no_upsampler_is_refused_before_any_work(tmp_path, capsys, command, words, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_video(tmp_path / "low.mp4", clip(), 8.0)
    assert main([str(tmp_path / "low.mp4") if part == "LOW" else part for part in command]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert words in line and not (tmp_path / "high.mp4").exists() and not (tmp_path / "outputs").exists()


def test_the_benchmark_sets_it_beside_bicubic(upsampler, tmp_path, capsys):
    path = tmp_path / "figures.json"
    command = arguments(upsampler, "bench", "upscale", "--checkpoint", str(upsampler / "model.safetensors"))
    assert main([*command, "--scenes", "2", "--steps", "1", "--json", str(path)]) == 0
    psnr = json.loads(path.read_text())["psnr"]
    ways = [f"{given} {way}" for given in ("clean", "degraded") for way in ("bicubic", "upsampler")]
    assert list(psnr) == ["vae", *ways] and "degraded bicubic" in capsys.readouterr().out
    assert psnr["clean bicubic"]["mean"] > psnr["degraded bicubic"]["mean"] > psnr["degraded upsampler"]["mean"]
