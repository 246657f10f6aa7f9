"""Two experts of one Wan, each with a condition file of its own: attached, paired, and sampled in one run."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace

import pytest
import torch

from .test_bridge import HEIGHT, STEPS, WIDTH, make_conditions, module, sample
from .test_condition_file import apart, config_for
from .tiny_models import FakeCLIP, wan_weights

pytestmark = pytest.mark.comfyui

BOUNDARY = 0.8
TIMES = {"high": (BOUNDARY, 1.0), "low": (0.0, BOUNDARY)}
BASES = {"high": "wan2.2_high_noise.safetensors", "low": "wan2.2_low_noise.safetensors"}


@pytest.fixture(scope="module")
def folder(host, tmp_path_factory):
    """The files of both experts, which share nothing but their sizes, and those of a model of all times ("whole")."""
    folder = tmp_path_factory.mktemp("pair")
    tensor_file, layers = module("models.weights.tensor_file"), module("models.weights.lora_layers")
    vae_parts, attach = module("models.vae"), module("models.weights.attach")
    torch.manual_seed(0)
    torch.set_num_threads(1)
    vae = vae_parts.save_vae(folder / "vae.safetensors", vae_parts.VAE(dim=8).eval())
    for seed, (name, times) in enumerate([*TIMES.items(), ("whole", (0.0, 1.0))]):
        base, config = wan_weights(seed=seed), dataclasses.replace(config_for("decoupled"), times=times)
        tensor_file.write_tensors(folder / BASES.get(name, "wan.safetensors"), base, {})
        network = module("models.backbone.transformer").FullDiT(config)
        module("models.weights.open_weights").load_backbone(network, base)
        alphas = dict.fromkeys(layers.add_lora(network, rank=4, alpha=2.0), 2.0)
        numbers = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for parameter, value in network.named_parameters():
                if "lora_B" in parameter or parameter.endswith(("_vector", "_vectors")):
                    value.copy_(torch.randn(value.shape, generator=numbers) * 0.1)
        state, pixels = network.state_dict(), tensor_file.read_tensors(vae)
        made = attach.condition_file_of(state, base, pixels, config, alphas, f"tiny {name}", dtype=torch.float32)
        module("models.weights.condition_file").write_condition_file(folder / f"{name}.safetensors", made)
    return folder


def load(folder, name, base=None):
    """MODEL and VAE of one expert."""
    files = folder / (base or BASES.get(name, "wan.safetensors")), folder / f"{name}.safetensors"
    model, _, vae = module("nodes.bridge.attached").load_attached(*files, folder / "vae.safetensors", "fp32")
    return model, vae


def join(high, low, boundary=0.0):
    return module("nodes.pair_experts").FullDiTPairExperts.execute(high, low, boundary).args[0]


@pytest.fixture(scope="module")
def paired(folder):
    (high, vae), (low, _) = load(folder, "high"), load(folder, "low")
    held = make_conditions()
    return SimpleNamespace(model=join(high, low), high=high, low=low, vae=vae, clip=FakeCLIP(), conditions=held)


def test_the_host_samples_a_pair_as_our_own_sampler_does(paired, folder):
    files, attach = module("models.weights.condition_file"), module("models.weights.attach").attach
    networks = [
        attach(folder / BASES[name], files.read_condition_file(folder / f"{name}.safetensors")) for name in TIMES
    ]
    streams = module("nodes.bridge.conditioning").encode(paired.high, paired.vae, paired.conditions)
    noise = torch.randn(1, 16, 5, HEIGHT // 8, WIDTH // 8, generator=torch.manual_seed(3))
    words = [paired.clip.encode_from_tokens_scheduled(text)[0][0] for text in ("a red ball", "")]
    walk = {"steps": STEPS, "guidance": 2.5, "shift": networks[0].config.shift}
    with torch.inference_mode():
        latent = module("models.sampling.sampler").sample(
            networks[0], noise, *words, streams, **walk, second=networks[1], boundary=BOUNDARY
        )
    ours = module("models.vae.latent").denormalize_latent(latent)
    found = sample(paired)
    assert apart(found, ours) < 1e-4
    assert all(apart(sample(paired, model=half), found) > 0.01 for half in (paired.high, paired.low))
    assert apart(sample(paired, conditions=make_conditions().only(())), found) > 1e-3


def test_one_of_a_pair_says_that_the_other_is_missing(paired):
    registry = module("nodes.drivers.registry")
    for model, said in ((paired.high, True), (paired.low, True), (paired.model, False)):
        facts = registry.facts_of(model)
        lines = registry.driver_of(facts).warnings(model, paired.conditions, facts)
        assert any("this one alone is connected" in line for line in lines) == said


def test_what_is_no_pair_is_refused_by_name(paired, folder):
    error = module("control.errors").UserError
    whole, _ = load(folder, "whole")
    with pytest.raises(error, match="The MODELs are exchanged: high is 'wan2.2_low_noise"):
        join(paired.low, paired.high)
    with pytest.raises(error, match="The low-noise model takes conditions at all times"):
        join(paired.high, whole)
    plain = module("nodes.bridge.video_models").load_video_model(str(folder / "wan.safetensors"), "wan-t2v")
    with pytest.raises(error, match="connect the two files of one model"):
        join(paired.high, plain)
    with pytest.raises(error, match="trained on tiny high, the high-noise expert of a pair, but 'wan2.2_low_noise"):
        load(folder, "high", BASES["low"])
