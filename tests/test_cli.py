"""The command line: what a user can mend is one line and exit code 2, before anything is written."""

from __future__ import annotations

import json

import numpy as np
import pytest

from comfyui_fulldit.cli import main
from comfyui_fulldit.cli.commands import ASSETS
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
