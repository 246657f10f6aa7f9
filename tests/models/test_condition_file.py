"""Condition files: written from a training, attached to a plain Wan in every layout, and strict about all else."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch

from comfyui_fulldit.control.errors import UserError
from comfyui_fulldit.models.backbone.transformer import FullDiT
from comfyui_fulldit.models.conditioning.text import TextEncoder
from comfyui_fulldit.models.vae import VAE
from comfyui_fulldit.models.weights.attach import attach, check_vae, condition_file_of
from comfyui_fulldit.models.weights.checkpoint import load_model, save_model
from comfyui_fulldit.models.weights.condition_file import read_condition_file, write_condition_file
from comfyui_fulldit.models.weights.key_maps import to_diffusers
from comfyui_fulldit.models.weights.lora_keys import normalize_lora
from comfyui_fulldit.models.weights.lora_layers import add_lora, lora_layers
from comfyui_fulldit.models.weights.open_weights import load_backbone
from comfyui_fulldit.models.weights.tensor_file import read_metadata, read_tensors, write_tensors

from .nets import apart, conditions, latent, randomized, small, words
from .test_open_weights import new_fp8, old_fp8


def plain(config, seed=0):
    """Random weights of a plain Wan of this size."""
    state = randomized(config, seed).state_dict()
    return {name: value.clone() for name, value in state.items() if not name.startswith("tokenizers.")}


def train(config, base, rank=4, alpha=2.0):
    """A FullDiT on this base with a LoRA, as if it had been trained: (network, alphas)."""
    model = FullDiT(config)
    load_backbone(model, base)
    add_lora(model, rank, alpha)
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for name, p in model.named_parameters():
            if ".lora_" in name or name.startswith("tokenizers."):
                p.copy_(torch.randn(p.shape, generator=generator) * 0.2)
    return model.eval(), {name: layer.alpha for name, layer in lora_layers(model).items()}


@pytest.fixture(scope="module", params=["decoupled", "full"])
def trained(request, tmp_path_factory):
    """(network, config, weights of the base, of the VAE, folder with base.safetensors and conditions.safetensors)."""
    folder = tmp_path_factory.mktemp("attach")
    config = small(attention=request.param, text="umt5", vae_fingerprint="of the cache")
    base = plain(config)
    model, alphas = train(config, base)
    torch.manual_seed(0)
    vae = VAE(dim=8).state_dict()
    write_tensors(folder / "base.safetensors", base, {})
    made = condition_file_of(
        model.state_dict(), base, vae, config, alphas, "Wan2.1-T2V-tiny", {"training": {"step": 3}}, dtype=torch.float32
    )
    write_condition_file(folder / "conditions.safetensors", made)
    return model, config, base, vae, folder


def attached(base, path):
    return attach(base, read_condition_file(path))


@torch.no_grad()
def answer(model):
    config = model.config
    return model(latent(), torch.tensor([400.0]), words(config), conditions())


LAYOUTS = {
    "native": lambda w: (w, {}),
    "prefixed": lambda w: ({f"model.diffusion_model.{n}": v for n, v in w.items()}, {}),
    "diffusers": lambda w: (to_diffusers(w), {}),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_base_and_file_make_the_trained_network(trained, tmp_path, layout):
    model, _, base, _, folder = trained
    write_tensors(tmp_path / "wan.safetensors", *LAYOUTS[layout](base))
    made = attached(tmp_path / "wan.safetensors", folder / "conditions.safetensors")
    assert apart(answer(made), answer(model)) < 1e-5
    bare = FullDiT(made.config)
    load_backbone(bare, base)
    assert apart(answer(bare.eval()), answer(model)) > 0.05, "the file changes the output"


@pytest.mark.parametrize("kind", ["old fp8", "new fp8", "fp16"])
def test_the_base_may_be_of_another_number_format(trained, tmp_path, kind):
    model, _, base, _, folder = trained
    state, metadata = {
        "old fp8": lambda: (old_fp8(base), {}),
        "new fp8": lambda: new_fp8(base, in_metadata=True),
        "fp16": lambda: ({n: v.half() for n, v in base.items()}, {}),
    }[kind]()
    write_tensors(tmp_path / "wan.safetensors", state, metadata)
    made = attached(tmp_path / "wan.safetensors", folder / "conditions.safetensors")
    assert 0 < apart(answer(made), answer(model)) < 0.3


def test_half_the_bytes_are_enough_for_the_lora(trained, tmp_path):
    model, config, base, vae, folder = trained
    alphas = {name: 2.0 for name, _ in lora_layers(model).items()}
    made = condition_file_of(model.state_dict(), base, vae, config, alphas, "tiny")
    write_condition_file(tmp_path / "half.safetensors", made)
    assert (tmp_path / "half.safetensors").stat().st_size < (folder / "conditions.safetensors").stat().st_size
    assert apart(answer(attached(folder / "base.safetensors", tmp_path / "half.safetensors")), answer(model)) < 0.02
    stored = read_tensors(tmp_path / "half.safetensors")
    assert stored["tokenizers.camera.net.0.weight"].dtype == torch.float32


def test_a_file_comes_back_as_it_was_written(trained, tmp_path):
    *_, folder = trained
    read = read_condition_file(folder / "conditions.safetensors")
    assert read.config.vae_fingerprint == "" and read.base_name == "Wan2.1-T2V-tiny"
    assert json.loads(read.extra["training"]) == {"step": 3}
    write_condition_file(tmp_path / "again.safetensors", read)
    first, second = (
        read_tensors(f / n) for f, n in ((folder, "conditions.safetensors"), (tmp_path, "again.safetensors"))
    )
    assert first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)
    assert read_metadata(tmp_path / "again.safetensors") == read_metadata(folder / "conditions.safetensors")


def test_other_programs_read_its_lora(trained):
    _, _, base, _, folder = trained
    lora = normalize_lora(read_tensors(folder / "conditions.safetensors"), base)
    assert len(lora.applied) == 20 and "blocks.1.ffn.2" in lora.applied
    assert all(not name.startswith("blocks.") for name in lora.unknown)


def refused(call, *words):
    with pytest.raises(UserError) as caught:
        call()
    message = str(caught.value)
    assert "\n" not in message and message[0] in "'ABCDEFGHIJKLMNOPQRSTUVWXYZ" and message.endswith(".")
    for word in words:
        assert word in message, message


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"num_layers": 3}, ("with 2 blocks, but", "has 3 blocks")),
        ({"dim": 96}, ("width 48", "width 96")),
        ({"ffn_dim": 48}, ("feed-forward width 96", "feed-forward width 48")),
        ({"in_dim": 48, "out_dim": 48}, ("16 input channels", "48 input channels")),
        ({"text_dim": 64}, ("text width 32", "text width 64")),
    ],
)
def test_a_base_of_another_size_is_refused_by_name(trained, tmp_path, change, words):
    _, config, _, _, folder = trained
    write_tensors(tmp_path / "large.safetensors", plain(replace(config, **change)), {})
    refused(
        lambda: attached(tmp_path / "large.safetensors", folder / "conditions.safetensors"),
        "'conditions.safetensors' belongs to a Wan",
        "'large.safetensors'",
        *words,
    )


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (
            lambda c, b: plain(c, seed=5),
            ("was trained on Wan2.1-T2V-tiny, but 'other.safetensors' holds other weights",),
        ),
        (lambda c, b: {n: v + 0.02 if "self_attn" in n else v for n, v in b.items()}, ("holds other weights",)),
        (
            lambda c, b: {**b, "img_emb.proj.0.bias": torch.zeros(2)},
            ("not a plain text-to-video", "img_emb.proj.0.bias"),
        ),
        (lambda c, b: {**b, "blocks.0.cam_encoder.weight": torch.zeros(48, 12)}, ("has blocks.0.cam_encoder.weight",)),
        (lambda c, b: randomized(c).state_dict(), ("not a plain", "tokenizers.")),
        (lambda c, b: {n: v for n, v in b.items() if n != "blocks.1.norm3.bias"}, ("lacks blocks.1.norm3.bias",)),
        (
            lambda c, b: {**b, "blocks.0.self_attn.q.weight": b["blocks.0.self_attn.q.weight"] * torch.nan},
            ("NaN", "q.weight"),
        ),
        (lambda c, b: {"decoder.middle.0.weight": torch.zeros(2)}, ("cannot be the base", "VAE")),
    ],
)
def test_another_base_is_refused(trained, tmp_path, make, words):
    _, config, base, _, folder = trained
    write_tensors(tmp_path / "other.safetensors", make(config, base), {})
    refused(
        lambda: attached(tmp_path / "other.safetensors", folder / "conditions.safetensors"), "other.safetensors", *words
    )


def test_another_vae_is_refused(trained):
    _, _, _, vae, folder = trained
    read = read_condition_file(folder / "conditions.safetensors")
    check_vae({name: value.bfloat16() for name, value in vae.items()}, read, "vae.safetensors")
    torch.manual_seed(9)
    refused(lambda: check_vae(VAE(dim=8).state_dict(), read, "mine.safetensors"), "'mine.safetensors'", "wan_2.1_vae")


Q = "diffusion_model.blocks.0.self_attn.q"
DAMAGE = {
    "lost tokenizer": (lambda t: t.pop("tokenizers.depth.type_vector"), "lacks 'tokenizers.depth.type_vector'"),
    "lost half of a pair": (lambda t: t.pop(f"{Q}.lora_B.weight"), "lacks 'blocks.0.self_attn.q.lora_B.weight'"),
    "lost alpha": (lambda t: t.pop(f"{Q}.alpha"), "lacks 'blocks.0.self_attn.q.alpha'"),
    "lost sample": (lambda t: t.pop("base_sample"), "lacks 'base_sample'"),
    "odd sample": (lambda t: t.update(vae_sample=torch.zeros(3)), "lacks 'vae_sample'"),
    "foreign": (lambda t: t.update(extra=torch.zeros(1)), "has 'extra'"),
    "block too far": (
        lambda t: t.update({f"{Q.replace('.0.', '.7.')}.alpha": torch.ones(())}),
        "'blocks.7.self_attn.q'",
    ),
    "other layer": (lambda t: t.update({"diffusion_model.head.head.alpha": torch.ones(())}), "LoRA of 'head.head'"),
    "shape": (lambda t: t.update({f"{Q}.lora_A.weight": torch.zeros(4, 7)}), "of shape (4, 7)"),
    "integers": (lambda t: t.update({f"{Q}.alpha": torch.ones((), dtype=torch.int64)}), "in int64; float32"),
    "fp8": (lambda t: t.update({f"{Q}.alpha": torch.ones((), dtype=torch.float8_e4m3fn)}), "in float8_e4m3fn;"),
    "NaN": (
        lambda t: t[f"{Q}.lora_A.weight"].fill_(torch.nan),
        "holds NaN or infinity in 'blocks.0.self_attn.q.lora_A",
    ),
    "infinity": (lambda t: t["tokenizers.camera.net.0.bias"].fill_(torch.inf), "holds NaN or infinity in 'tokenizers."),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_file_is_refused_by_the_name_of_what_is_wrong(trained, tmp_path, damage):
    *_, folder = trained
    tensors = read_tensors(folder / "conditions.safetensors")
    change, word = DAMAGE[damage]
    change(tensors)
    path = tmp_path / "bad.safetensors"
    write_tensors(path, tensors, read_metadata(folder / "conditions.safetensors"))
    refused(lambda: read_condition_file(path), "bad.safetensors", word)


@pytest.mark.parametrize(
    ("change", "word"), [(lambda d: d[:-9], "cut short"), (lambda d: d[:99], "cut short"), (lambda d: b"", "empty")]
)
def test_a_file_that_is_cut_short_is_refused(trained, tmp_path, change, word):
    *_, folder = trained
    path = tmp_path / "cut.safetensors"
    path.write_bytes(change((folder / "conditions.safetensors").read_bytes()))
    refused(lambda: attached(folder / "base.safetensors", path), "cut.safetensors", word)


def test_a_whole_checkpoint_and_a_condition_file_are_told_apart(trained, tmp_path):
    *_, folder = trained
    config = small()
    save_model(tmp_path / "whole.safetensors", randomized(config), TextEncoder(dim=config.text_dim), config)
    refused(lambda: read_condition_file(tmp_path / "whole.safetensors"), "not a condition file", "without a Wan file")
    refused(lambda: read_condition_file(folder / "base.safetensors"), "not a condition file")
    refused(lambda: load_model(folder / "conditions.safetensors"), "is a condition file", "plain Wan")


def test_a_config_that_cannot_be_read_is_refused(trained, tmp_path):
    *_, folder = trained
    tensors, metadata = (read(folder / "conditions.safetensors") for read in (read_tensors, read_metadata))
    for config, word in (("{", "'fulldit'"), (metadata["config"].replace("decoupled", "half"), "'half'")):
        if config != metadata["config"]:
            write_tensors(tmp_path / "odd.safetensors", tensors, {**metadata, "config": config})
            refused(lambda: read_condition_file(tmp_path / "odd.safetensors"), "odd.safetensors", word)


def test_what_was_trained_beside_the_lora_is_refused(trained):
    model, config, base, vae, _ = trained
    alphas = {name: layer.alpha for name, layer in lora_layers(model).items()}
    state = model.state_dict()
    state["head.head.bias"] = state["head.head.bias"] + 1
    refused(lambda: condition_file_of(state, base, vae, config, alphas, "tiny"), "'head.head.bias' was trained itself")
    foreign = {**model.state_dict(), "blocks.0.extra": torch.zeros(1)}
    refused(
        lambda: condition_file_of(foreign, base, vae, config, alphas, "tiny"), "'blocks.0.extra' is not of the base"
    )
    learned = {n: v for n, v in model.state_dict().items() if ".lora_" in n or n.startswith("tokenizers.")}
    assert len(condition_file_of(learned, base, vae, config, alphas, "tiny").lora) == 60


@pytest.mark.parametrize("stored", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("kept", ["float32", "bfloat16", "fp8"])
def test_a_training_may_keep_the_base_in_another_format(trained, stored, kept):
    _, config, base, vae, _ = trained
    file = {name: value.to(stored) for name, value in base.items()}
    model, alphas = train(config, file)
    if kept == "fp8":
        for layer in lora_layers(model).values():
            layer.to_fp8()
    else:
        model.to(getattr(torch, kept))
    made = condition_file_of(model.state_dict(), file, vae, config, alphas, "tiny")
    assert len(made.lora) == 60
    state = model.state_dict()
    state["blocks.0.norm3.weight"] = state["blocks.0.norm3.weight"] * 1.1
    refused(lambda: condition_file_of(state, file, vae, config, alphas, "tiny"), "'blocks.0.norm3.weight' was trained")
