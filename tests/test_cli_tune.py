"""`fulldit tune`: a video and its conditions in, a checkpoint out; the same command again goes on."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch
from einops import rearrange

from comfyui_fulldit.cli import main
from comfyui_fulldit.control.media import write_video
from comfyui_fulldit.models.backbone.transformer import FullDiT
from comfyui_fulldit.models.conditioning.text import TextEncoder
from comfyui_fulldit.models.families.presets import PRESETS
from comfyui_fulldit.models.vae.autoencoder import VAE
from comfyui_fulldit.models.vae.vae_file import fingerprint, load_vae, save_vae
from comfyui_fulldit.models.weights.checkpoint import load_model, save_model
from comfyui_fulldit.scenes import render

DEBUG = PRESETS["debug"]


@pytest.fixture
def command(tmp_path):
    """The command on a tiny checkpoint and a clip of the world, with more options."""
    torch.manual_seed(0)
    save_vae(tmp_path / "vae.safetensors", VAE(dim=4))
    config = replace(DEBUG, vae_fingerprint=fingerprint(load_vae(tmp_path / "vae.safetensors")))
    save_model(tmp_path / "model.safetensors", FullDiT(config), TextEncoder(dim=config.text_dim), config)
    video = render([3], DEBUG.frames, DEBUG.height, DEBUG.width).video[0]
    write_video(tmp_path / "clip.mp4", rearrange(video, "c t h w -> t h w c").numpy(), fps=config.fps)
    given = ["--checkpoint", "model.safetensors", "--vae", "vae.safetensors", "--steps", "2", "--rank", "2"]
    paths = [str(tmp_path / word) if word.endswith(".safetensors") else word for word in given]

    def run(*more):
        out = ["--out", str(tmp_path / "run" / "ball"), "--quiet", "--json"]
        return main(["tune", str(tmp_path / "clip.mp4"), *paths, *out, *more])

    return run


def test_a_video_becomes_a_checkpoint_and_the_command_goes_on(command, tmp_path, capsys):
    assert command("--camera", "pan_left", "--prompt", "A ball.") == 0
    result = json.loads(capsys.readouterr().out)
    assert result["file"] == str(tmp_path / "run" / "ball.safetensors") and len(result["losses"]) == 2
    load_model(result["file"])
    assert command("--camera", "pan_left", "--prompt", "A ball.", "--steps", "3") == 0
    assert json.loads(capsys.readouterr().out)["before"] == 2
    assert command("--camera", "pan_right", "--prompt", "A ball.") == 2
    assert "begun with another clips" in capsys.readouterr().err
    assert command("--camera", "pan_right", "--prompt", "A ball.", "--anew") == 0


def test_what_cannot_be_tuned_is_one_line(command, tmp_path, capsys):
    (tmp_path / "videos").mkdir()
    assert main(["tune", str(tmp_path / "videos"), "--out", str(tmp_path / "run")]) == 2
    assert "There are no clips in" in capsys.readouterr().err
    assert command("--rank", "0") == 2
    assert "Rank is 0" in capsys.readouterr().err
