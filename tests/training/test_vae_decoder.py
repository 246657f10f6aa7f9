"""The second stage of the autoencoder moves the decoder and nothing that makes latents."""

from __future__ import annotations

import torch

from comfyui_fulldit.models.vae.vae_file import fingerprint, load_vae
from comfyui_fulldit.training.vae.train_decoder import train_decoder
from comfyui_fulldit.training.vae.train_vae import train_vae


def test_latents_stay_and_images_change(tmp_path):
    first = train_vae("debug", tmp_path / "vae")
    second = train_decoder("debug", first, tmp_path / "decoder")
    before, after = load_vae(first), load_vae(second)
    assert fingerprint(before) == fingerprint(after)
    clip = torch.rand(1, 3, 5, 16, 16, generator=torch.Generator().manual_seed(0)) * 2 - 1
    latent = before.encode(clip)
    assert torch.equal(latent, after.encode(clip))
    assert not torch.equal(before.decode(latent), after.decode(latent))
