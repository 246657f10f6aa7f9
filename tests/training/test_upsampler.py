"""An upsampler is trained from a generator: the low-resolution video joins as nothing, and is learned."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch

from comfyui_fulldit.dataset.latents import EncodedClips
from comfyui_fulldit.models.backbone.initialize import initialize
from comfyui_fulldit.models.backbone.transformer import FullDiT
from comfyui_fulldit.models.conditioning.text import TextEncoder
from comfyui_fulldit.models.families.presets import PRESETS
from comfyui_fulldit.models.vae import VAE, fingerprint, load_vae, save_vae
from comfyui_fulldit.models.weights.checkpoint import read_config, save_model
from comfyui_fulldit.training.common.entries import EntryError
from comfyui_fulldit.training.common.settings import config_path, read_settings
from comfyui_fulldit.training.generator.batches import make_batch, noise_of
from comfyui_fulldit.training.generator.learner import Learner
from comfyui_fulldit.training.generator.settings import GeneratorSettings, SamplingSettings
from comfyui_fulldit.training.generator.start import config_of, networks
from comfyui_fulldit.training.generator.train_generator import train_generator
from comfyui_fulldit.training.stages import encode_data

CHANGES = {
    "data": [{"clips": 4, "shard": 4, "batch": 4, "first_seed": 0}],
    "video": {"frames": 5, "height": 32, "width": 48},
    "batch": 4,
    "micro_batches": 1,
    "steps": 30,
    "minutes": None,
    "warmup": 2,
    "held_out_clips": 1,
    "sheet_minutes": 1000,
    "sheet_clips": 1,
}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A generator and a VAE of random weights, the config `upsampler` for them, and its clips."""
    folder = tmp_path_factory.mktemp("upsampler")
    torch.manual_seed(0)
    save_vae(folder / "vae.safetensors", VAE(dim=4).eval())
    mark = fingerprint(load_vae(folder / "vae.safetensors"))
    config = replace(PRESETS["debug"], first_frame_pass=0.3, vae_fingerprint=mark)
    model = FullDiT(config)
    initialize(model)
    torch.nn.init.normal_(model.head.head.weight, std=0.1)
    save_model(folder / "generator.safetensors", model, TextEncoder(dim=config.text_dim), config)
    values = json.loads(config_path("generator", "upsampler").read_text())
    base = json.loads(config_path("generator", values.pop("like")).read_text())
    values = {**base, **values, **CHANGES, "model": str(folder / "generator.safetensors")}
    (folder / "upsampler.json").write_text(json.dumps(values))
    encode_data(folder / "upsampler.json", folder / "vae.safetensors", folder / "data")
    return folder


def settings_of(place) -> GeneratorSettings:
    return read_settings(place / "upsampler.json", GeneratorSettings)


def test_it_has_the_low_resolution_video_alone_and_says_how_it_is_sampled(place):
    before = read_config(place / "generator.safetensors")
    config = config_of(settings_of(place))
    assert config.streams == ("lowres",) and config.conditions == ("lowres",)
    assert (config.steps, config.guidance, config.first_frame_pass) == (6, 1.0, 0.0)
    network, _, _ = networks(settings_of(place), before.vae_fingerprint)
    assert list(network.tokenizers) == ["lowres"]
    kept = config_of(replace(settings_of(place), keep=None))
    assert set(kept.streams) == {*before.streams, "lowres"}
    some = config_of(replace(settings_of(place), keep=["camera", "sound"]))
    assert set(some.streams) == {"camera", "lowres"}  # what the model does not have cannot be kept


def test_the_first_batch_says_what_the_generator_says(place):
    """Zero-initialized: the loss with the low-resolution video is that without any, to the bit."""
    network, text, config = networks(settings_of(place), read_config(place / "generator.safetensors").vae_fingerprint)
    clips = EncodedClips(place / "data")
    assert clips.keys == ("lowres",)
    learner = Learner(network, text)
    with_it, without = (make_batch(clips, range(4), names, config, [True] * 4) for names in (("lowres",), ()))
    noise, t = noise_of(with_it.video.shape, 1), torch.full((4,), 0.7)
    assert torch.equal(learner(with_it, noise, t), learner(without, noise, t))


def test_the_loss_falls_and_the_low_resolution_video_is_why(place):
    export = place / "weights.safetensors"
    train_generator(place / "upsampler.json", place / "run", place / "vae.safetensors", place / "data", export)
    clips, config = EncodedClips(place / "data"), read_config(export)
    losses = {}
    for name, path in {"before": place / "generator.safetensors", "after": export}.items():
        settings = replace(settings_of(place), model=str(path))
        network, text, _ = networks(settings, config.vae_fingerprint)
        learner = Learner(network, text).eval()
        batches = {n or "none": make_batch(clips, range(4), n, config, [True] * 4) for n in (("lowres",), ())}
        noise, t = noise_of(clips.get("video", range(4)).shape, 1), torch.full((4,), 0.7)
        with torch.no_grad():
            losses[name] = {key: float(learner(batch, noise, t).mean()) for key, batch in batches.items()}
    assert losses["after"][("lowres",)] < 0.95 * losses["before"][("lowres",)]
    assert losses["after"][("lowres",)] < 0.98 * losses["after"]["none"]


def test_entries_that_do_not_fit_are_refused(place):
    with pytest.raises(EntryError, match="expected conditions among camera"):
        replace(settings_of(place), keep=["smell"])
    settings = read_settings(config_path("generator", "few_steps"), GeneratorSettings)
    with pytest.raises(EntryError, match="expected null with the entry distill"):
        replace(settings, sampling=SamplingSettings(steps=4, guidance=1.0))
