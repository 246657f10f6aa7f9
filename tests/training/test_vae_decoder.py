"""The second stage of the autoencoder moves the decoder and nothing that makes latents."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch

from comfyui_fulldit.models.vae.vae_file import fingerprint, load_vae
from comfyui_fulldit.training.common.entries import EntryError
from comfyui_fulldit.training.common.settings import config_path
from comfyui_fulldit.training.stages import run
from comfyui_fulldit.training.vae.settings import read_vae_settings
from comfyui_fulldit.training.vae.train_decoder import train_decoder
from comfyui_fulldit.training.vae.train_vae import train_vae


def test_latents_stay_and_images_change(tmp_path):
    first = train_vae("debug", tmp_path / "vae")
    _, settings = read_vae_settings("debug")
    second = train_decoder(settings, first, tmp_path / "decoder")
    before, after = load_vae(first), load_vae(second)
    assert fingerprint(before) == fingerprint(after)
    clip = torch.rand(1, 3, 5, 16, 16, generator=torch.Generator().manual_seed(0)) * 2 - 1
    latent = before.encode(clip)
    assert torch.equal(latent, after.encode(clip))
    assert not torch.equal(before.decode(latent), after.decode(latent))


def test_a_config_trains_the_decoder_of_a_finished_autoencoder(tmp_path):
    first = train_vae("debug", tmp_path / "vae")
    config = json.loads(config_path("vae", "debug").read_text(encoding="utf-8"))
    content = {**config, "start": str(first), "trains": "decoder", "decoder": None}
    (tmp_path / "decoder.json").write_text(json.dumps(content), encoding="utf-8")
    run("vae", tmp_path / "decoder.json", tmp_path / "out")
    before, after = load_vae(first), load_vae(tmp_path / "out" / "fulldit_mini_vae.safetensors")
    assert fingerprint(before) == fingerprint(after)
    assert not torch.equal(before.decoder.conv1.weight, after.decoder.conv1.weight)
    assert not (tmp_path / "out" / "vae").exists()


@pytest.mark.parametrize("changes", [{"start": ""}, {"start": "fulldit_mini_vae", "decoder": {"seed": 2}}])
def test_a_decoder_alone_needs_a_start_and_no_second_run(changes):
    settings, _ = read_vae_settings("debug")
    with pytest.raises(EntryError, match="trains"):
        replace(settings, trains="decoder", **{"decoder": None, **changes})
