"""The command line: what a user can mend is one line and exit code 2, before anything is written."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from comfyui_fulldit.cli import build_parser, main
from comfyui_fulldit.cli.commands import ASSETS
from comfyui_fulldit.cli.options import conditions_of
from comfyui_fulldit.control.conditions import CameraCondition
from comfyui_fulldit.control.media import read_video, video_rate
from comfyui_fulldit.models.conditioning.camera_features import CAMERA_MEAN, CAMERA_SCALE, camera_features
from comfyui_fulldit.models.families.presets import PRESETS
from comfyui_fulldit.models.weights.checkpoint import embedded_path

needs_weights = pytest.mark.skipif(
    not embedded_path("fulldit_mini").exists() or not embedded_path("fulldit_mini_vae").exists(),
    reason="the embedded weights are not in this checkout",
)
SMALL = ["--quiet", "--steps", "1", "--guidance", "1", "--frames", "5", "--height", "32", "--width", "32"]
SMALL += ["--fit-time", "resample"]


def refused(arguments: list[str], out, capsys) -> str:
    """Run, expect exit code 2 and one line on stderr that begins with the command's name; nothing is written."""
    assert main([*arguments, "--out", str(out)]) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1 and lines[0].startswith("fulldit: "), lines
    assert not out.exists()
    return lines[0]


@needs_weights
def test_generate_with_every_kind_of_condition(tmp_path, capsys):
    out = tmp_path / "out"
    arguments = ["generate", "--prompt", "a ball", "--camera", "orbit_left:25", "--depth", str(ASSETS / "depth.mp4")]
    identity = f"ball={ASSETS / 'reference.png'},mask={ASSETS / 'reference_mask.png'},track={ASSETS / 'mask.mp4'}"
    assert main([*arguments, "--identity", identity, *SMALL, "--compare", "--json", "--out", str(out)]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report == json.loads((out / "report.json").read_text())
    assert report["asked"]["conditions"] == ["camera", "identity", "depth"]
    assert set(report["seconds"]) >= {"conditions", "sampling", "decoding", "total"}
    assert report["peak_memory_mb"] > 0
    assert set(report["files"]) == {"video", "sheet", "comparison", "report"}
    assert (out / "comparison.mp4").stat().st_size > 500
    assert (out / "video.mp4").stat().st_size > 500 and (out / "sheet.png").stat().st_size > 5000


@needs_weights
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--frames", "16"], ("16", "4k+1", "17")),
        (["--height", "70"], ("70", "multiple of 16", "64")),
        (["--camera", "sideways:3"], ("sideways",)),
        (["--camera", "missing.json"], ("missing.json",)),
        (["--identity", "ball"], ("ball",)),
        (["--identity", "ball=missing.png"], ("missing.png",)),
        (["--depth", "missing.mp4"], ("missing.mp4",)),
        (["--device", "nowhere"], ("nowhere",)),
        (["--checkpoint", "missing.safetensors"], ("missing.safetensors",)),
        (["--camera-guidance", "2"], ("camera",)),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_does_not_fit_is_refused_in_one_line(arguments, words, tmp_path, capsys):
    line = refused(["generate", "--quiet", *arguments], tmp_path / "out", capsys)
    for word in words:
        assert word in line


@needs_weights
def test_too_many_identities_are_refused(tmp_path, capsys):
    four = [f"--identity=thing{k}={ASSETS / 'reference.png'}" for k in range(4)]
    assert "4" in refused(["generate", "--quiet", *four], tmp_path / "out", capsys)


@needs_weights
def test_a_clip_of_another_length_needs_fit(tmp_path, capsys):
    line = refused(
        ["generate", "--quiet", "--depth", str(ASSETS / "depth.mp4"), "--frames", "5"], tmp_path / "o", capsys
    )
    assert "17" in line and "5" in line


@pytest.mark.parametrize("kind", ["pickle", "truncated", "foreign"])
@needs_weights
def test_files_that_are_no_checkpoint_are_refused(kind, tmp_path, capsys):
    import torch
    from safetensors.torch import save_file

    path = tmp_path / "model.safetensors"
    if kind == "pickle":
        torch.save({"a": torch.zeros(1)}, path)
    elif kind == "truncated":
        path.write_bytes(embedded_path("fulldit_mini").read_bytes()[:100_000])
    else:
        save_file({"a": torch.zeros(1)}, path)
    assert "model.safetensors" in refused(["generate", "--quiet", "--checkpoint", str(path)], tmp_path / "out", capsys)


def test_a_scene_comes_as_files_that_the_reader_takes(tmp_path, capsys):
    from comfyui_fulldit.control.camera.formats import read_camera
    from comfyui_fulldit.control.media import read_video

    size = ["--frames", "5", "--height", "32", "--width", "48"]
    assert main(["scene", "--seed", "1000000007", "--objects", "2", *size, "--out", str(tmp_path / "s"), "--json"]) == 0
    written = json.loads(capsys.readouterr().out)
    assert read_camera(written["camera"]).frames == 5
    assert read_video(written["depth"]).shape == (5, 32, 48, 3)
    assert np.load(written["depth_metric"], allow_pickle=False).min() > 0
    assert "track_1" in written and "track_2" not in written


def test_doctor_says_what_it_finds(capsys):
    assert main(["doctor", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert "torch" in found and "device" in found and "fulldit_mini_vae" in found


def test_unknown_config_of_training_is_refused(tmp_path, capsys):
    assert "nonsense" in refused(["train", "vae", "--config", "nonsense"], tmp_path / "out", capsys)


LONG = "x" * 300


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--seed", "99999999999999999999999"], ("99999999999999999999999", "64 bits")),
        (["--seed", str(-(2**63) - 1)], ("64 bits",)),
        (["--frames", "1000000001"], ("1000000001 frames", "GiB")),
        (["--frames", "0"], ("--frames", "above 0")),
        (["--width", "0"], ("--width", "above 0")),
        (["--height", "-16"], ("--height", "above 0")),
        (["--height", "160000", "--width", "160000"], ("160000 x 160000 pixels",)),
        (["--steps", "100000000"], ("100000000 steps", "10000")),
        (["--guidance", "nan"], ("--guidance", "0 to 100")),
        (["--guidance", "inf"], ("--guidance", "0 to 100")),
        (["--guidance", "1e9"], ("--guidance", "0 to 100")),
        (["--camera", "pan_left", "--camera-guidance", "nan"], ("--camera-guidance", "0 to 100")),
    ],
    ids=lambda value: " ".join(value)[:40] if isinstance(value, list) else "",
)
def test_absurd_options_are_refused_before_anything_is_loaded(arguments, words, tmp_path, capsys, monkeypatch):
    from comfyui_fulldit.models import pipeline

    monkeypatch.setattr(pipeline.Pipeline, "load", lambda *args, **kwargs: pytest.fail("the model was loaded"))
    line = refused(["generate", "--quiet", *arguments], tmp_path / "out", capsys)
    for word in words:
        assert word in line


@needs_weights
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--frames", "300001"], ("300001 frames of 96x64", "GiB")),
        (["--device", "meta"], ("meta", "cannot be used")),
        (["--depth", LONG], ("does not exist",)),
        (["--camera", f"{LONG}.json"], ("does not exist",)),
        (["--identity", f"a={LONG}.png"], ("does not exist",)),
        (["--identity", f"a=~{LONG}.png"], ("does not exist",)),
        (["--identity", f"a={ASSETS / 'reference.png'},mask={LONG},track={LONG}"], ("does not exist",)),
        (["--checkpoint", LONG], ("xxx",)),
        (["--vae", LONG], ("xxx",)),
    ],
    ids=lambda value: " ".join(value)[:40] if isinstance(value, list) else "",
)
def test_what_cannot_be_used_is_refused_in_one_line(arguments, words, tmp_path, capsys):
    line = refused(["generate", "--quiet", *SMALL[1:3], *arguments], tmp_path / "out", capsys)
    for word in words:
        assert word in line


@pytest.mark.parametrize("command", [["generate"], ["scene"], ["gallery"], ["train", "vae"]], ids=" ".join)
def test_results_that_cannot_be_written_are_refused_first(command, tmp_path, capsys):
    (tmp_path / "file").write_text("a file")
    kept = sorted(tmp_path.iterdir())
    for out in ("file", "file/below", LONG, f"new/{LONG}/x"):
        assert main([*command, "--quiet", "--out", str(tmp_path / out)]) == 2
        lines = capsys.readouterr().err.strip().splitlines()
        assert len(lines) == 1 and "choose another folder" in lines[0], lines
    assert sorted(tmp_path.iterdir()) == kept


@pytest.mark.parametrize(
    "arguments", [["camera", "--json"], ["control", "--json"], ["control", "--card"]], ids=" ".join
)
def test_figures_that_cannot_be_written_are_refused_first(arguments, tmp_path, capsys):
    (tmp_path / "file").write_text("a file")
    for target in (tmp_path, tmp_path / "file" / "figures.json"):
        assert main(["bench", *arguments, str(target), "--quiet"]) == 2
        lines = capsys.readouterr().err.strip().splitlines()
        assert len(lines) == 1 and lines[0].startswith("fulldit: ") and "folder" in lines[0]


@pytest.mark.parametrize(
    "arguments", [["train", "vae", "--config", LONG], ["models", LONG], ["targets", LONG]], ids=lambda a: a[0]
)
def test_names_that_no_file_can_have_are_refused_in_one_line(arguments, capsys):
    assert main(arguments) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1 and lines[0].startswith("fulldit: ") and lines[0].endswith(".")


@needs_weights
def test_a_story_and_a_frame_rate_reach_the_report_and_the_video(tmp_path, capsys):
    out, story = tmp_path / "out", "fade 0.1s | 0-0.2s: a red ball | 0.2-end: a blue cube"
    arguments = ["generate", "--prompt", story, "--camera", "orbit_left:25", "--fps", "15"]
    assert main([*arguments, *SMALL, "--json", "--out", str(out)]) == 0
    asked = json.loads(capsys.readouterr().out)["asked"]
    assert asked["fps"] == 15 and [span["text"] for span in asked["prompt"]["spans"]] == ["a red ball", "a blue cube"]
    assert any("15 frames per second" in text and "Without" not in text for text in asked["warnings"])
    assert video_rate(out / "video.mp4") == pytest.approx(15)


@needs_weights
def test_a_story_of_one_span_is_the_prompt_and_one_of_two_is_not(tmp_path):
    clips = []
    for prompt in ("a red ball", "0-end: a red ball", "0-0.25s: a red ball | 0.25s-end: a blue cube"):
        clips.append(tmp_path / str(len(clips)))
        assert main(["generate", "--prompt", prompt, *SMALL, "--out", str(clips[-1])]) == 0
    plain, one, two = (read_video(clip / "video.mp4") for clip in clips)
    assert np.array_equal(plain, one) and not np.array_equal(plain, two)


@needs_weights
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--prompt", "0-9s: a red ball"], ("9 s", "fit_time")),
        (["--prompt", "0-0.2s: a | 0.4-0.6s: b"], ("gap from 0.2 to 0.4 s",)),
        (["--prompt", "a", "--story", "missing.json"], ("--story and --prompt",)),
        (["--story", "missing.json"], ("missing.json",)),
        (["--fps", "0"], ("--fps is 0",)),
        (["--fps", "12", "--camera", str(ASSETS / "camera.json")], ("--fps is 12", "8")),
    ],
)
def test_a_story_or_a_frame_rate_that_does_not_fit_is_refused(tmp_path, capsys, arguments, words):
    command = [word for word in SMALL if word not in ("--fit-time", "resample")]
    if "--camera" in arguments:
        command = ["--quiet", "--steps", "1"]
    line = refused(["generate", *arguments, *command], tmp_path / "out", capsys)
    assert all(word in line for word in words), line


def test_the_frame_rate_reaches_the_camera_token():
    """The seconds of the last pose are what the network reads of the frame rate."""
    args = build_parser().parse_args(["generate", "--camera", "pan_left", "--fps", "12"])
    camera = conditions_of(args, PRESETS["mini-cpu"]).get(CameraCondition).trajectory
    c2w, lens = (torch.from_numpy(np.array(values))[None] for values in (camera.c2w, camera.intrinsics))
    seconds = camera_features(c2w, lens, camera.fps)[0, -1, -1] * CAMERA_SCALE[-1] + CAMERA_MEAN[-1]
    assert seconds.item() == pytest.approx(16 / 12)


@needs_weights
def test_a_long_clip_by_windows_is_written_while_it_is_decoded(tmp_path, capsys):
    out = tmp_path / "out"
    size = ["--frames", "13", "--height", "32", "--width", "32", "--steps", "1", "--quiet", "--json"]
    arguments = ["generate", "--prompt", "a ball", "--camera", "orbit_left", "--window", "9", "--overlap", "4"]
    assert main([*arguments, *size, "--out", str(out)]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["sampling"]["window"] == [3, 1] and report["measured"] == {}
    assert not any("frames; the model was trained" in text for text in report["asked"]["warnings"])
    assert read_video(out / "video.mp4").shape == (13, 32, 32, 3) and (out / "sheet.png").stat().st_size > 2000


@needs_weights
def test_one_window_gives_the_clip_that_none_gives(tmp_path):
    clips = [tmp_path / "whole", tmp_path / "window"]
    for clip, more in zip(clips, ([], ["--window", "17"]), strict=True):
        assert main(["generate", "--prompt", "a ball", "--camera", "pan_left", *SMALL, *more, "--out", str(clip)]) == 0
    assert np.array_equal(*(read_video(clip / "video.mp4") for clip in clips))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--window", "9", "--compare"], "--window and --compare"),
        (["--overlap", "4"], "give --window too"),
        pytest.param(["--window", "8"], "take 5 or 9", marks=needs_weights),
        pytest.param(["--window", "9", "--overlap", "3"], "take 4", marks=needs_weights),
    ],
)
def test_windows_that_cannot_be_are_refused(tmp_path, capsys, arguments, words):
    assert words in refused(["generate", *SMALL, *arguments], tmp_path / "out", capsys)


def test_the_demo_is_as_large_as_the_checkpoint_was_trained_on():
    """And every file of it is there, of the size that is asked for, so that nothing has to be fitted."""
    from comfyui_fulldit.cli.commands import LARGER, _fill_in_demo

    small = PRESETS["mini-cpu"]
    both = replace(small, other_videos=((25, 96, 160, 12.0),))
    for config, options, video in (
        (small, [], small.video),
        (both, [], LARGER),
        (both, ["--frames", "17"], small.video),
        (both, ["--height", "64", "--width", "96"], small.video),
    ):
        args = build_parser().parse_args(["generate", "--demo", *options])
        _fill_in_demo(args, config)
        conditions = conditions_of(args, config)
        assert conditions.video == video and conditions.names == ("camera", "identity", "depth")
        assert args.prompt and args.compare and not any("resampled" in said for said in conditions.warnings())
