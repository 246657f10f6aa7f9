"""`fulldit agreement`, `fit`, `export` and `generate --bundle`: the nodes' work on the command line."""

from __future__ import annotations

import json

import numpy as np
import pytest

from comfyui_fulldit.cli import main
from comfyui_fulldit.cli.commands import ASSETS
from comfyui_fulldit.control.bundle import read_bundle
from comfyui_fulldit.control.media import read_video, video_rate, write_video

CAMERA, DEPTH = str(ASSETS / "camera.json"), str(ASSETS / "depth.mp4")
IDENTITY = f"object={ASSETS / 'reference.png'},mask={ASSETS / 'reference_mask.png'},track={ASSETS / 'mask.mp4'}"
ASKED = ["--camera", CAMERA, "--identity", IDENTITY, "--depth", DEPTH]


def printed(capsys, arguments: list[str]) -> dict:
    assert main([*arguments, "--json", "--quiet"]) == 0
    return json.loads(capsys.readouterr().out)


def refused(capsys, arguments: list[str]) -> str:
    assert main([*arguments, "--quiet"]) == 2
    return capsys.readouterr().err


def test_conditions_go_to_a_folder_and_back(tmp_path, capsys):
    folder = tmp_path / "bundle"
    result = printed(capsys, ["export", *ASKED, str(folder), "--camera-format", "colmap", "--no-videos"])
    assert result["folder"] == str(folder) and any("camera_colmap" in line for line in result["report"])
    found, _ = read_bundle(folder)
    assert found.names == ("camera", "identity", "depth") and not list(folder.rglob("*.mp4"))
    again = tmp_path / "again"
    printed(capsys, ["export", "--bundle", str(folder), str(again)])
    assert read_bundle(again)[0].digest() == found.digest()


def test_a_bundle_and_options_of_conditions_exclude_each_other(tmp_path, capsys):
    folder = str(tmp_path / "bundle")
    assert main(["export", "--camera", CAMERA, folder, "--quiet"]) == 0
    assert "--bundle and --camera" in refused(capsys, ["export", "--bundle", folder, "--camera", CAMERA, f"{folder}2"])
    assert "--frames is 9" in refused(capsys, ["generate", "--bundle", folder, "--frames", "9", "--out", f"{folder}3"])
    assert "exists already" in refused(capsys, ["export", "--camera", CAMERA, folder])


def test_a_finished_video_is_judged(tmp_path, capsys):
    # The example's own clip shows what its camera and depth say.
    video = str(ASSETS / "fulldit_video.mp4")
    result = printed(capsys, ["agreement", video, *ASKED, "--estimators", "embedded", "--out", str(tmp_path / "out")])
    verdicts = {one["condition"]: one["verdict"] for one in result["conditions"]}
    assert verdicts["identity"] == verdicts["depth"] == "followed"
    assert json.loads((tmp_path / "out" / "agreement.json").read_text())["conditions"] == result["conditions"]
    assert (tmp_path / "out" / "agreement.png").stat().st_size > 5000
    assert any("procedural world" in line for line in result["lines"])


def test_what_other_tools_found_is_judged_without_estimators(tmp_path, capsys):
    found = ["--found-camera", CAMERA, "--found-depth", DEPTH, "--found-mask", str(ASSETS / "mask.mp4")]
    video = str(ASSETS / "fulldit_video.mp4")
    result = printed(capsys, ["agreement", video, *ASKED, *found, "--out", str(tmp_path / "out")])
    assert [one["source"] for one in result["conditions"]] == ["connected estimate"] * 3
    assert [one["verdict"] for one in result["conditions"]] == ["followed"] * 3


def test_a_video_is_fitted_by_the_rate_of_its_file(tmp_path, capsys):
    source, to = tmp_path / "in.mp4", tmp_path / "out.mp4"
    clip = np.linspace(0, 1, 48, dtype=np.float32)[:, None, None, None] * np.ones((1, 64, 128, 3), np.float32)
    write_video(source, clip, 24.0)
    assert video_rate(source) == pytest.approx(24.0)
    result = printed(capsys, ["fit", str(source), str(to), "--width", "96", "--height", "64", "--fps", "8"])
    assert result["report"][0] == "From 48 frames of 128x64 at 24 fps (2 s) to 13 frames of 96x64 at 8 fps (1.62 s)."
    fitted = read_video(to)
    assert fitted.shape == (13, 64, 96, 3) and video_rate(to) == pytest.approx(8.0)
    assert np.abs(fitted.mean((1, 2, 3)) - clip[:37:3, 0, 0, 0]).max() < 0.02
    assert "earlier start" in refused(capsys, ["fit", str(source), str(tmp_path / "no.mp4"), "--start", "9"])
    assert not (tmp_path / "no.mp4").exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--start", "inf"], "--start is inf; a finite number was expected"),
        (["--start", "nan"], "--start is nan; a finite number was expected"),
        (["--start", "1e300"], "choose an earlier start"),
        (["--start", "1e308"], "choose an earlier start"),
        (["--source-fps", "0"], "--source-fps is 0; a number from 0.001 to 100000 was expected"),
        (["--source-fps", "nan"], "--source-fps is nan"),
        (["--fps", "1e-308"], "--fps is 1e-308; a number from 0.001 to 100000 was expected"),
        (["--source-fps", "0.001", "--fps", "100000"], "cut or shrink it"),
    ],
)
def test_times_and_rates_that_no_video_has_are_refused_before_the_work(tmp_path, capsys, options, words):
    line = refused(capsys, ["fit", str(ASSETS / "mask.mp4"), str(tmp_path / "fitted.mp4"), *options])
    assert line.startswith("fulldit: ") and words in line and line.count("\n") == 1
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (["encode", "none.jsonl", "--per-shard", "0"], "--per-shard is 0; a number above 0"),
        (["annotate", "none.jsonl", "--workers", "-1"], "--workers is -1; 0 for none"),
        (["annotate", "none.jsonl", "--doubtful", "nan"], "--doubtful is nan; a finite number"),
        (["split", "none.jsonl", "--longest", "inf"], "--longest is inf; a finite number"),
        (["filter", "none.jsonl", "--motion", "nan..4"], "LOW..HIGH was expected"),
    ],
)
def test_numbers_that_no_dataset_is_made_by_are_refused(capsys, command, words):
    assert words in refused(capsys, ["dataset", *command])


def test_bytes_that_are_no_text_reach_the_manifest_and_the_terminal(tmp_path, capsys):
    odd = b"caf\xe9".decode(errors="surrogateescape")
    write_video(tmp_path / f"{odd}.mp4", np.zeros((3, 32, 32, 3)), 8)
    out = str(tmp_path / odd)
    assert main(["dataset", "read", "folder", str(tmp_path), "--license", odd, "--out", out, "--quiet"]) == 0
    line = json.loads((tmp_path / odd / "manifest.jsonl").read_text(encoding="utf-8"))
    assert line["license"] == odd and odd in line["video"]
    assert "caf\\udce9" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["half \ud800", "a\0b", "n" * 300])
def test_a_result_that_no_folder_can_be_called_is_refused(tmp_path, capsys, name):
    (tmp_path / "manifest.jsonl").write_text('{"id": "a", "video": "a.mp4", "license": "CC0"}\n')
    line = refused(capsys, ["dataset", "annotate", str(tmp_path / "manifest.jsonl"), "--name", name])
    assert "choose another folder or name" in line and line.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["manifest.jsonl"]
