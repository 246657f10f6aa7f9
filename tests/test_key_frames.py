"""A clip in two levels from the command line: its key frames first, which the whole clip then knows."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch

from comfyui_fulldit.cli import main
from comfyui_fulldit.control.media import count_frames, video_rate
from comfyui_fulldit.models.backbone.initialize import initialize
from comfyui_fulldit.models.backbone.transformer import FullDiT
from comfyui_fulldit.models.conditioning.text import TextEncoder
from comfyui_fulldit.models.config import FIRST_STREAMS
from comfyui_fulldit.models.families.presets import PRESETS
from comfyui_fulldit.models.vae import VAE, fingerprint, load_vae, save_vae
from comfyui_fulldit.models.weights.checkpoint import save_model

CONFIG = replace(PRESETS["debug"], streams=(*FIRST_STREAMS, "known"), frames=5, height=32, width=48)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory) -> list[str]:
    """Options that choose random weights of a model that knows known frames."""
    folder = tmp_path_factory.mktemp("weights")
    torch.manual_seed(0)
    save_vae(folder / "vae.safetensors", VAE(dim=4).eval())
    config = replace(CONFIG, vae_fingerprint=fingerprint(load_vae(folder / "vae.safetensors")))
    model = FullDiT(config)
    initialize(model)
    torch.nn.init.normal_(model.head.head.weight, std=0.3)
    save_model(folder / "model.safetensors", model, TextEncoder(dim=config.text_dim), config)
    return ["--checkpoint", str(folder / "model.safetensors"), "--vae", str(folder / "vae.safetensors")]


def generate(checkpoint: list[str], out, *more: str) -> dict:
    arguments = ["generate", *checkpoint, "--prompt", "a ball", "--camera", "orbit_left", "--frames", "17"]
    assert main([*arguments, "--steps", "2", "--quiet", "--out", str(out), *more]) == 0
    return json.loads((out / "report.json").read_text())


@pytest.mark.parametrize("windows", [[], ["--window", "5", "--overlap", "0"]])
def test_the_key_frames_are_a_clip_that_the_whole_one_knows(checkpoint, tmp_path, windows):
    report = generate(checkpoint, tmp_path / "out", "--key-frames", "4", "--fps", "8", *windows)
    key, whole = tmp_path / "out" / "key_frames.mp4", tmp_path / "out" / "video.mp4"
    assert (count_frames(key), video_rate(key)) == (5, 2) and (count_frames(whole), video_rate(whole)) == (17, 8)
    assert report["asked"]["conditions"] == ["camera", "known"] and report["asked"]["frames"] == 17


def test_without_a_model_that_knows_known_frames_it_is_refused_first(tmp_path, capsys):
    without = ["--checkpoint", "fulldit_mini_few_steps", "--key-frames", "4", "--out", str(tmp_path / "out")]
    assert main(["generate", "--prompt", "a ball", *without]) == 2
    assert "'known'" in capsys.readouterr().err and not (tmp_path / "out").exists()


def test_a_distance_that_leaves_the_last_frame_out_is_refused_before_sampling(checkpoint, tmp_path, capsys):
    assert main(["generate", *checkpoint, "--key-frames", "5", "--frames", "17", "--out", str(tmp_path / "o")]) == 2
    assert "every 5 frames" in capsys.readouterr().err and not (tmp_path / "o").exists()
