"""What the tests of the datasets share: encoded clips of the world at debug size, as shards of both kinds."""

from __future__ import annotations

import socket

import pytest
import torch

from comfyui_fulldit.dataset.clip_source import STREAM
from comfyui_fulldit.dataset.latents import EncodedClips, write_shards
from comfyui_fulldit.dataset.shards.pack import pack, write_sample
from comfyui_fulldit.dataset.shards.sample import Sample
from comfyui_fulldit.models.families.presets import PRESETS
from comfyui_fulldit.models.vae.autoencoder import VAE
from comfyui_fulldit.models.vae.vae_file import fingerprint, load_vae, save_vae

DEBUG = PRESETS["debug"]
SIZE = (DEBUG.frames, DEBUG.height, DEBUG.width)


@pytest.fixture(scope="session")
def vae_file(tmp_path_factory):
    torch.manual_seed(0)
    return save_vae(tmp_path_factory.mktemp("vae") / "fulldit_mini_vae.safetensors", VAE(dim=4))


@pytest.fixture(scope="session")
def vae(vae_file):
    return load_vae(vae_file)


@pytest.fixture(scope="session")
def encoded(tmp_path_factory, vae):
    """Eight encoded clips, and the same ones as WebDataset shards of three clips."""
    folder = tmp_path_factory.mktemp("encoded")
    write_shards(vae, folder / "plain", DEBUG, 8, shard=4, batch=4)
    clips = EncodedClips(folder / "plain")
    for number in range(len(clips)):
        write_sample(folder / "one_by_one", as_sample(clips, number, fingerprint(vae)))
    assert pack(folder / "one_by_one", folder / "tars", per_shard=3) == 8
    return folder


def as_sample(clips, number, vae_fingerprint, without=(), size=SIZE, tokens=12) -> Sample:
    """A clip of safetensors shards as a sample of its own, `without` some of its streams."""
    names = ["video", "c2w", "intrinsics", "captions", "plain_captions"]
    names += [STREAM + key for key in clips.keys if key not in without and clips.has(key, [number])]
    tensors = {name: clips.get(name, [number])[0].clone() for name in names}
    return Sample(f"clip{number:03d}", tensors, size, tokens, vae_fingerprint, {"id": f"clip{number:03d}"})


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    """These tests may talk to a server of their own on this machine, and to nobody else."""
    real = socket.socket.connect

    def connect(self, address):
        if self.family != getattr(socket, "AF_UNIX", None) and address[0] not in ("127.0.0.1", "localhost"):
            raise OSError(f"tests must not use the network, but one tried to reach {address}")
        return real(self, address)

    monkeypatch.setattr(socket.socket, "connect", connect)
