"""A condition of one's own is one class, one entry and one node (toy_condition.py): all the rest takes it as it is."""

from __future__ import annotations

import importlib.util
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from comfyui_fulldit.cli import main
from comfyui_fulldit.control import condition as control_condition
from comfyui_fulldit.control import conditions as control_conditions
from comfyui_fulldit.dataset.latents import EncodedClips, write_shards
from comfyui_fulldit.evaluation.control.trials import trials_of
from comfyui_fulldit.evaluation.held_out_scenes import held_out_scenes
from comfyui_fulldit.models.backbone.initialize import initialize
from comfyui_fulldit.models.backbone.transformer import FullDiT
from comfyui_fulldit.models.conditioning import registry, streams
from comfyui_fulldit.models.conditioning.text import TextEncoder
from comfyui_fulldit.models.encode import count_tokens
from comfyui_fulldit.models.families.presets import PRESETS
from comfyui_fulldit.models.pipeline import Pipeline
from comfyui_fulldit.models.vae import VAE, fingerprint, load_vae, save_vae
from comfyui_fulldit.models.weights.checkpoint import save_model
from comfyui_fulldit.scenes import render
from comfyui_fulldit.training.generator.batches import make_batch
from comfyui_fulldit.training.generator.learner import Learner


def _toy():
    """The file beside this one; the tests' import mode keeps folders out of sys.path."""
    spec = importlib.util.spec_from_file_location("toy_condition", Path(__file__).with_name("toy_condition.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def brightness():
    with _toy().registered("comfyui_fulldit") as condition:
        yield condition


@pytest.fixture(scope="module")
def checkpoint(brightness, tmp_path_factory):
    """Random weights of a model that knows the new condition, and of a VAE."""
    folder = tmp_path_factory.mktemp("weights")
    torch.manual_seed(0)
    save_vae(folder / "vae.safetensors", VAE(dim=4).eval())
    mark = fingerprint(load_vae(folder / "vae.safetensors"))
    config = replace(
        PRESETS["debug"], streams=tuple(streams.STREAMS), vae_fingerprint=mark, frames=5, height=32, width=48
    )
    model = FullDiT(config)
    initialize(model)
    for name, parameter in model.named_parameters():
        if name.endswith("head.weight") or ".type" in name or name.endswith("type_vector"):
            torch.nn.init.normal_(parameter, std=0.3)
    save_model(folder / "model.safetensors", model, TextEncoder(dim=config.text_dim), config)
    return folder / "model.safetensors", folder / "vae.safetensors"


def test_the_command_line_takes_it_by_its_name(checkpoint, tmp_path, capsys):
    model, vae = checkpoint
    arguments = ["generate", "--checkpoint", str(model), "--vae", str(vae), "--prompt", "a ball", "--steps", "2"]
    arguments += ["--brightness", "0.7", "--brightness-guidance", "2", "--camera", "static", "--compare"]
    assert main([*arguments, "--quiet", "--json", "--out", str(tmp_path / "out")]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["asked"]["conditions"] == ["camera", "brightness"]
    assert (tmp_path / "out" / "video.mp4").is_file()


def test_the_generated_video_depends_on_it(brightness, checkpoint):
    pipeline = Pipeline.load(*checkpoint)
    video = pipeline.config.video

    def latents(value):
        condition = brightness(values=np.full(video.frames, value))
        conditions = control_conditions.Conditions(video, (condition,))
        return pipeline.generate("a ball", conditions, seed=1, steps=2).frames

    assert np.array_equal(latents(0.2), latents(0.2))
    assert not np.array_equal(latents(0.2), latents(0.9))


def test_its_tokens_are_counted(brightness):
    config = replace(PRESETS["debug"], streams=tuple(streams.STREAMS))
    conditions = control_conditions.Conditions(config.video, (brightness(values=np.zeros(config.frames)),))
    counts = count_tokens(conditions, config)
    assert counts["brightness"] == config.latent_size[0] and set(counts) == {"video", "brightness"}


def test_a_training_batch_brings_it_from_rendered_clips(checkpoint, tmp_path):
    pipeline = Pipeline.load(*checkpoint)
    write_shards(pipeline.vae, tmp_path / "data", pipeline.config, clips=2, shard=2)
    clips = EncodedClips(tmp_path / "data")
    batch = make_batch(clips, [0, 1], ("brightness",), pipeline.config, [True, True])
    (stream,) = batch.conditions.streams
    frames = render([0, 1], 5, 32, 48).video
    expected = frames.mean((1, 3, 4))  # (2, 5)
    assert torch.allclose(stream.data[:, 1], expected[:, 1:], atol=1e-6)
    assert torch.allclose(stream.data[:, 0], expected[:, :1].expand(-1, 4), atol=1e-6)
    learner = Learner(pipeline.model.float(), pipeline.text.float())
    noise = torch.randn(batch.video.shape, generator=torch.manual_seed(0))
    loss = learner(batch, noise, torch.full((2,), 0.5))
    without = learner(make_batch(clips, [0, 1], (), pipeline.config, [True, True]), noise, torch.full((2,), 0.5))
    assert loss.shape == (2,) and torch.isfinite(loss).all() and not torch.equal(loss, without)


def test_the_benchmark_tries_it_alone_and_with_the_camera(brightness):
    taken = ("camera", "reference", "identity_map", "depth", "source", "known", "brightness")
    trials = trials_of(replace(PRESETS["debug"], streams=taken))
    assert trials[-1].name == "brightness" and trials[-1].sets == (("brightness",), ("camera", "brightness"))
    (scene,) = held_out_scenes(1, 5, 32, 48, names=())
    assert isinstance(trials[-1].make(scene), brightness)


def test_checkpoints_without_it_refuse_it(brightness):
    """Nothing is ignored in silence."""
    from comfyui_fulldit.control.errors import UserError
    from comfyui_fulldit.models.encode import check_conditions

    config = replace(PRESETS["debug"], streams=("camera",))
    conditions = control_conditions.Conditions(config.video, (brightness(values=np.zeros(config.frames)),))
    with pytest.raises(UserError, match="brightness"):
        check_conditions(conditions, config)


def test_the_registries_hold_it_once(brightness):
    ours = ["camera", "identity", "depth", "source", "known", "control", "sound", "lowres"]
    assert list(control_condition.CONDITIONS) == [*ours, "brightness"]
    assert list(registry.ENTRIES) == list(control_condition.CONDITIONS)
