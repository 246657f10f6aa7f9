"""From a plain Wan and a dataset's shards to a condition file: LoRA, cached texts, and what comes out is attached."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import pytest
import torch

from comfyui_fulldit.control.errors import UserError
from comfyui_fulldit.dataset.latents import EncodedClips, write_shards
from comfyui_fulldit.dataset.shards.pack import pack, write_sample
from comfyui_fulldit.models.backbone.transformer import FullDiT
from comfyui_fulldit.models.conditioning.condition_streams import ConditionStreams, Stream
from comfyui_fulldit.models.families import presets
from comfyui_fulldit.models.vae.autoencoder import VAE
from comfyui_fulldit.models.vae.vae_file import fingerprint, load_vae, save_vae
from comfyui_fulldit.models.weights.attach import attach, check_base, check_vae
from comfyui_fulldit.models.weights.condition_file import read_condition_file
from comfyui_fulldit.models.weights.key_maps import to_diffusers
from comfyui_fulldit.models.weights.lora_layers import lora_layers, merge_lora
from comfyui_fulldit.models.weights.open_weights import load_backbone
from comfyui_fulldit.models.weights.tensor_file import read_tensors, write_tensors
from comfyui_fulldit.training.common.settings import config_path, read_settings
from comfyui_fulldit.training.generator import train_generator
from comfyui_fulldit.training.generator.batches import make_batch
from comfyui_fulldit.training.generator.settings import GeneratorSettings, LoRASettings
from comfyui_fulldit.training.generator.start import networks
from comfyui_fulldit.training.generator.train_generator import Trainer

from ..dataset.conftest import as_sample
from ..models.wan_keys import text_to_video

TINY = replace(presets.PRESETS["debug"], text="umt5", text_len=7, text_dim=24)
SETTINGS = {"model": "wan-tiny", "held_out_clips": 2, "precision": "fp32"}


def words_of(number, config):
    """States as a text encoder gives them: of two captions with zeros behind them, and of no words."""
    generator = torch.Generator().manual_seed(number)
    states = torch.zeros(2, config.text_len, config.text_dim, dtype=torch.bfloat16)
    states[:, :4] = torch.randn(2, 4, config.text_dim, generator=generator).bfloat16()
    nothing = torch.randn(2, config.text_dim, generator=torch.Generator().manual_seed(99)).bfloat16()
    return {"text": states[0].clone(), "plain_text": states[1].clone(), "no_text": nothing}


@pytest.fixture(scope="module")
def road(tmp_path_factory):
    """A base of random weights, a VAE, and clips with states of their captions: those to train on and two others."""
    folder = tmp_path_factory.mktemp("road")
    torch.manual_seed(0)
    save_vae(folder / "vae.safetensors", VAE(dim=4))
    generator = torch.Generator().manual_seed(1)
    base = {
        name: 0.1 * torch.randn(value.shape, generator=generator)
        for name, value in FullDiT(TINY).state_dict().items()
        if not name.startswith("tokenizers.")
    }
    write_tensors(folder / "wan.safetensors", base, {})
    vae = load_vae(folder / "vae.safetensors")
    for name, count, first in (("data", 8, 0), ("held_out", 2, 100)):
        write_shards(vae, folder / "plain" / name, TINY, count, shard=count, first_seed=first)
        clips = EncodedClips(folder / "plain" / name)
        for number in range(count):
            sample = as_sample(clips, number, fingerprint(vae))
            sample.tensors.update(words_of(number, TINY))
            write_sample(folder / "one_by_one" / name, sample)
        pack(folder / "one_by_one" / name, folder / "run" / name, per_shard=4)
    return folder


@pytest.fixture
def trainer(road, monkeypatch, tmp_path):
    monkeypatch.setitem(presets.PRESETS, "wan-tiny", TINY)

    def make(data=road / "run" / "data", vae=road / "vae.safetensors", **changes):
        settings = read_settings(config_path("generator", "debug"), GeneratorSettings, SETTINGS)
        lora = {"base": str(road / "wan.safetensors"), "lora": LoRASettings(rank=2, base="fp32")}
        weights = tmp_path / "conditions.safetensors"
        return Trainer(
            replace(settings, clean_first_frame_prob=0.0, **{**lora, **changes}), tmp_path / "out", vae, data, weights
        )

    return make


@pytest.mark.parametrize("start, reads", [("wan", ("decoupled", "before")), ("bernini-r", ("full", "source"))])
def test_a_lora_on_a_wan_becomes_a_condition_file_that_is_attached(road, trainer, tmp_path, start, reads):
    run = trainer(start=start)
    assert run.learner.text is None
    assert run.run()["finished"]
    made = attach(road / "wan.safetensors", read_condition_file(tmp_path / "conditions.safetensors"))
    averaged = run.averaged().model
    assert lora_layers(averaged) and not lora_layers(made)
    merge_lora(averaged)
    for name, value in averaged.state_dict().items():
        assert torch.allclose(made.state_dict()[name], value, atol=2e-3), name
    bare = FullDiT(made.config)
    load_backbone(bare, read_tensors(road / "wan.safetensors"))
    q = "blocks.0.self_attn.q.weight"
    assert not torch.equal(made.state_dict()[q], bare.state_dict()[q])
    header = read_condition_file(tmp_path / "conditions.safetensors")
    assert (made.config.attention, made.config.reference_positions) == reads
    assert header.base_name == "wan.safetensors" and json.loads(header.extra["training"])["step"] == 4


@pytest.mark.parametrize("layout", [lambda weights: weights, to_diffusers], ids=["ComfyUI's", "diffusers'"])
def test_a_training_that_starts_from_bernini_reads_references_before_its_first_step(tmp_path, monkeypatch, layout):
    """Of a file with the keys of Wan2.1-T2V-1.3B, which are Bernini-R's; from plain Wan, slots have other vectors."""
    config = replace(TINY, text_dim=4096, freq_dim=256)
    monkeypatch.setitem(presets.PRESETS, "wan-tiny", config)
    numbers = torch.Generator().manual_seed(3)
    shapes = text_to_video(config.dim, config.ffn_dim, config.num_layers)
    weights = {name: 0.1 * torch.randn(shape, generator=numbers) for name, shape in shapes.items()}
    write_tensors(tmp_path / "base.safetensors", layout(weights), {})
    settings = read_settings(
        config_path("generator", "debug"), GeneratorSettings, {**SETTINGS, "base": str(tmp_path / "base.safetensors")}
    )
    plain, ours = (networks(replace(settings, start=start), "")[0] for start in ("wan", "bernini-r"))
    tokenizers = [network.tokenizers["reference"] for network in (plain, ours)]
    assert tokenizers[0].slot_vectors.abs().max() > 0 and not tokenizers[1].slot_vectors.any()
    assert torch.equal(tokenizers[1].patch_embedding.weight, weights["patch_embedding.weight"])
    reference = Stream("reference", torch.randn(1, 16, 1, 4, 6, generator=numbers), slot=0)
    given = ConditionStreams((reference,), config.latent_size)
    x, text = torch.randn(1, 16, *config.latent_size, generator=numbers), torch.randn(1, 7, 4096, generator=numbers)
    with torch.no_grad():
        bare, read = (ours(x, torch.tensor([500.0]), text, conditions) for conditions in (None, given))
    assert float((read - bare).norm() / bare.norm()) > 0.01


def test_a_save_reads_neither_base_nor_vae_again(road, trainer, tmp_path):
    for name in ("wan", "vae"):
        shutil.copy(road / f"{name}.safetensors", tmp_path)
    run = trainer(base=str(tmp_path / "wan.safetensors"), vae=tmp_path / "vae.safetensors")
    for name in ("wan", "vae"):
        (tmp_path / f"{name}.safetensors").unlink()
    run.save()
    made = read_condition_file(tmp_path / "conditions.safetensors")
    check_base(read_tensors(road / "wan.safetensors"), made, "wan")
    check_vae(read_tensors(road / "vae.safetensors"), made, "vae")


@pytest.mark.parametrize("times, expert", [((0.8, 1.0), "high-noise"), ((0.0, 0.8), "low-noise")])
def test_an_expert_is_trained_on_its_own_times(road, trainer, tmp_path, times, expert):
    run = trainer(times=list(times))
    drawn = torch.cat([run.data.draw(0.9)[2] for _ in range(40)])
    assert times[0] - 1e-6 <= float(drawn.min()) and float(drawn.max()) <= times[1] + 1e-6
    assert float(drawn.max() - drawn.min()) > 0.8 * (times[1] - times[0])
    assert run.run(until=1)["steps"] == 1
    made = read_condition_file(tmp_path / "conditions.safetensors")
    assert (made.config.times, made.config.expert) == (times, expert)
    with pytest.raises(UserError, match=f"trained on wan.safetensors, the {expert} expert of a pair, but 'low"):
        check_base({name: value + 1 for name, value in read_tensors(road / "wan.safetensors").items()}, made, "low")


def test_batches_have_the_cached_states(trainer):
    clips = trainer().data.clips
    full, plain = words_of(0, TINY)["text"], words_of(1, TINY)["plain_text"]
    batch = make_batch(clips, [0, 1], (), TINY, [False, True])
    assert torch.equal(batch.tokens[0], full.float()) and torch.equal(batch.tokens[1], plain.float())
    nothing = make_batch(clips, [0, 1], None, TINY, [False, True]).tokens
    assert nothing.shape == (2, TINY.text_len, TINY.text_dim)
    assert torch.equal(nothing[0, :2], words_of(0, TINY)["no_text"].float()) and not nothing[:, 2:].any()


def test_clips_without_states_are_refused_in_a_sentence_before_weights_are_read(road, trainer, tmp_path, monkeypatch):
    monkeypatch.setattr(train_generator, "networks", lambda *_: pytest.fail("the weights were read"))
    with pytest.raises(UserError, match="have no (no_)?text"):
        trainer(data=road / "plain" / "data")
    (tmp_path / "alone").mkdir()
    (tmp_path / "alone" / "data").symlink_to(road / "run" / "data")
    with pytest.raises(UserError, match="no clips in .*held_out.*encode --held-out"):
        trainer(data=tmp_path / "alone" / "data")
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "data").symlink_to(road / "run" / "data")
    shutil.copytree(road / "run" / "held_out", tmp_path / "bad" / "held_out")
    shard = next((tmp_path / "bad" / "held_out").glob("*.tar"))
    shard.write_bytes(shard.read_bytes().replace(b"no_text", b"lost_it"))
    with pytest.raises(UserError, match="has no no_text"):
        trainer(data=tmp_path / "bad" / "data")
