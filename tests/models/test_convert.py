"""Models between the native layout and diffusers' folder: bit for bit, and the same numbers out of diffusers' class."""

from __future__ import annotations

import json

import pytest
import torch

from comfyui_fulldit.cli import main
from comfyui_fulldit.control.errors import UserError
from comfyui_fulldit.models.backbone.transformer import FullDiT
from comfyui_fulldit.models.conditioning.text import TextEncoder
from comfyui_fulldit.models.weights.checkpoint import load_model, save_model
from comfyui_fulldit.models.weights.convert import WEIGHTS, convert
from comfyui_fulldit.models.weights.tensor_file import read_metadata, read_tensors, write_tensors

from .nets import GEOMETRY, apart, conditions, latent, randomized, small, words
from .test_condition_file import plain
from .test_open_weights import old_fp8


def equal(first, second):
    one, other = read_tensors(first), read_tensors(second)
    assert one.keys() == other.keys()
    return all(one[n].dtype == other[n].dtype and torch.equal(one[n], other[n]) for n in one)


@pytest.fixture
def checkpoint(tmp_path):
    """A checkpoint of ours with a text encoder, in mixed formats as it is stored."""
    config = small(vae_fingerprint="mark")
    save_model(
        tmp_path / "model.safetensors", randomized(config), TextEncoder(dim=config.text_dim), config, {"note": "x"}
    )
    return tmp_path / "model.safetensors"


def test_a_fulldit_comes_back_bit_for_bit(checkpoint, tmp_path):
    folder = convert(checkpoint, tmp_path / "folder", "diffusers")
    assert sorted(path.name for path in folder.iterdir()) == ["config.json", WEIGHTS, "text_encoder"]
    assert "blocks.0.attn1.to_q.weight" in read_tensors(folder / WEIGHTS)
    back = convert(folder, tmp_path / "back.safetensors", "native")
    assert equal(back, checkpoint) and read_metadata(back) == read_metadata(checkpoint)
    assert load_model(back)[2] == load_model(checkpoint)[2]


def test_a_plain_wan_comes_back_bit_for_bit(tmp_path):
    half = {n: v.bfloat16() if v.ndim == 2 else v for n, v in plain(small(text_dim=4096)).items()}
    write_tensors(tmp_path / "wan.safetensors", half, {})
    folder = convert(tmp_path / "wan.safetensors", tmp_path / "folder", "diffusers")
    assert json.loads((folder / "config.json").read_text())["_class_name"] == "WanTransformer3DModel"
    assert equal(convert(folder / WEIGHTS, tmp_path / "back.safetensors", "native"), tmp_path / "wan.safetensors")


def test_diffusers_own_class_loads_a_plain_wan(tmp_path):
    """A head is 128 wide in every Wan, from which the config is made."""
    wan = pytest.importorskip("diffusers").WanTransformer3DModel
    config = small(dim=256, num_heads=2, freq_dim=256)
    model = FullDiT(config)
    model.load_state_dict({**model.state_dict(), **plain(config)})
    write_tensors(tmp_path / "wan.safetensors", plain(config), {})
    theirs, report = wan.from_pretrained(
        convert(tmp_path / "wan.safetensors", tmp_path / "folder", "diffusers"), output_loading_info=True
    )
    assert not report["missing_keys"] and not report["unexpected_keys"]
    x, t, text = latent(), torch.tensor([300.0]), words(config)
    with torch.no_grad():
        assert apart(theirs.eval()(x, t, text).sample, model.eval()(x, t, text)) < 1e-4


@pytest.mark.parametrize(
    "changes",
    [{"attention": "decoupled"}, {"attention": "full"}, {"attention": "full", "reference_positions": "source"}],
    ids=lambda changes: " ".join(changes.values()),
)
@torch.no_grad()
def test_the_published_class_computes_what_our_network_does(tmp_path, changes):
    pytest.importorskip("diffusers")
    from comfyui_fulldit.models.weights.diffusers_model import FullDiTWanTransformer3DModel

    config = small(freq_dim=32, **changes)
    model = randomized(config)
    save_model(tmp_path / "m.safetensors", model, None, config, dtype=None)
    folder = convert(tmp_path / "m.safetensors", tmp_path / "folder", "diffusers")
    theirs, report = FullDiTWanTransformer3DModel.from_pretrained(folder, output_loading_info=True)
    assert not report["missing_keys"] and not report["unexpected_keys"]
    theirs = theirs.eval()
    x, t, text = latent(batch=2), torch.tensor([300.0, 700.0]), words(config, 2)
    outputs = []
    for given in (None, conditions(), conditions(strength=0.5), conditions(batch=2)):
        ours = model(x, t, text, given)
        outputs.append(ours)
        assert apart(theirs(x, t, text, given).sample, ours) < 1e-4
    assert apart(outputs[1], outputs[0]) > 0.01 and apart(outputs[2], outputs[1]) > 0.001
    assert torch.equal(theirs(x, t, text, None).sample, theirs(x, t, text).sample), "nothing stays of the conditions"
    theirs.save_pretrained(tmp_path / "saved")
    again = convert(tmp_path / "saved", tmp_path / "again.safetensors", "native")
    assert equal(again, tmp_path / "m.safetensors") and read_metadata(again)["config"] == config.to_json()


def test_odd_sides_are_padded_alike(tmp_path):
    pytest.importorskip("diffusers")
    from comfyui_fulldit.models.weights.diffusers_model import FullDiTWanTransformer3DModel

    config = small()
    model = randomized(config)
    save_model(tmp_path / "m.safetensors", model, None, config, dtype=None)
    theirs = FullDiTWanTransformer3DModel.from_pretrained(
        convert(tmp_path / "m.safetensors", tmp_path / "f", "diffusers")
    )
    x = torch.randn(1, 16, 2, GEOMETRY[1] + 1, GEOMETRY[2] + 1)
    with torch.no_grad():
        ours = model(x, torch.tensor([5.0]), words(config))
        assert apart(theirs.eval()(x, torch.tensor([5.0]), words(config), return_dict=False)[0], ours) < 1e-4


def test_the_command_converts_and_puts_a_condition_file_on(tmp_path, capsys):
    from comfyui_fulldit.models.vae import VAE
    from comfyui_fulldit.models.weights.attach import condition_file_of
    from comfyui_fulldit.models.weights.condition_file import write_condition_file

    from .test_condition_file import train

    config = small(text="umt5")
    base = plain(config)
    write_tensors(tmp_path / "wan.safetensors", base, {})
    model, alphas = train(config, base)
    made = condition_file_of(
        model.state_dict(), base, VAE(dim=8).state_dict(), config, alphas, "tiny", dtype=torch.float32
    )
    write_condition_file(tmp_path / "conditions.safetensors", made)
    wan, whole = str(tmp_path / "wan.safetensors"), tmp_path / "whole.safetensors"
    command = [
        "convert",
        wan,
        str(whole),
        "--layout",
        "native",
        "--condition-file",
        str(tmp_path / "conditions.safetensors"),
    ]
    assert main(command) == 0 and str(whole) in capsys.readouterr().out
    merged = FullDiT(config)
    merged.load_state_dict(read_tensors(whole))
    x, t, text, given = latent(), torch.tensor([400.0]), words(config), conditions()
    with torch.no_grad():
        assert apart(merged.eval()(x, t, text, given), model(x, t, text, given)) < 0.05
    assert main(["convert", str(whole), str(tmp_path / "folder"), "--layout", "diffusers"]) == 0
    assert main(["convert", str(tmp_path / "folder"), str(tmp_path / "b.safetensors"), "--layout", "native"]) == 0
    assert equal(whole, tmp_path / "b.safetensors")


@pytest.mark.parametrize(
    ("change", "to", "layout", "words"),
    [
        (lambda s: s, "wan.txt", "native", "ends in .safetensors"),
        (lambda s: s, ".", "diffusers", "holds something already"),
        (lambda s: {"a": torch.zeros(1)}, "x", "diffusers", "neither layout's keys"),
        (old_fp8, "x", "diffusers", "is quantized"),
        (lambda s: {**s, "img_emb.emb_pos": torch.zeros(1)}, "x", "diffusers", "not a plain text-to-video"),
        (lambda s: {**s, "head.head.bias": s["head.head.bias"] * torch.nan}, "x", "diffusers", "NaN or infinity"),
        (lambda s: {n: v for n, v in s.items() if n != "text_embedding.0.weight"}, "x", "diffusers", "lacks 'text_emb"),
    ],
)
def test_what_cannot_be_converted_is_refused(tmp_path, change, to, layout, words):
    write_tensors(tmp_path / "wan.safetensors", change(plain(small())), {})
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(UserError, match=words):
        convert(tmp_path / "wan.safetensors", tmp_path / to, layout)
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("text", ["{", "[]", '{"fulldit": 3}', '{"fulldit": {"config": 3}}'])
def test_a_config_of_diffusers_that_is_damaged_is_refused(checkpoint, tmp_path, text):
    folder = convert(checkpoint, tmp_path / "folder", "diffusers")
    (folder / "config.json").write_text(text)
    with pytest.raises(UserError, match=r"config\.json'"):
        convert(folder, tmp_path / "back.safetensors", "native")
