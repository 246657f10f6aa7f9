"""Checkpoint files and the text encoder: what comes back is what went in, and bad files are refused in a sentence."""

from __future__ import annotations

import json

import pytest
import torch

from comfyui_fulldit.control.errors import UserError
from comfyui_fulldit.models.conditioning.text import LENGTH, TextEncoder, tokenize
from comfyui_fulldit.models.families.presets import PRESETS
from comfyui_fulldit.models.weights.checkpoint import embedded_path, load_model, read_config, save_model
from comfyui_fulldit.models.weights.tensor_file import read_metadata, read_tensors, write_tensors

from .nets import conditions, latent, randomized, small, words


@pytest.fixture
def saved(tmp_path):
    config = small(vae_fingerprint="mark")
    model, text = randomized(config), TextEncoder(dim=config.text_dim)
    path = tmp_path / "model.safetensors"
    save_model(path, model, text, config, {"training": {"step": 3}, "note": "plain"}, dtype=None)
    return path, model, text, config


@torch.no_grad()
def test_round_trip(saved):
    path, model, text, config = saved
    again, text_again, config_again = load_model(path)
    assert config_again == config == read_config(path)
    for a, b in ((model, again), (text, text_again)):
        assert all(torch.equal(value, b.state_dict()[name]) for name, value in a.state_dict().items())
    x, t, context, given = latent(), torch.tensor([10.0]), words(config), conditions()
    assert torch.equal(model(x, t, context, given), again(x, t, context, given))
    metadata = read_metadata(path)
    assert json.loads(metadata["training"]) == {"step": 3} and metadata["note"] == "plain"


@torch.no_grad()
def test_half_precision_keeps_what_must_be_precise(saved, tmp_path):
    _, model, text, config = saved
    path = tmp_path / "half.safetensors"
    save_model(path, model, text, config)
    stored = read_tensors(path)
    # Of a network this small nothing counts as a large matrix but the text encoder's; the rule is by size.
    assert stored["tokenizers.camera.net.0.weight"].dtype == torch.float32
    assert stored["blocks.0.modulation"].dtype == stored["patch_embedding.weight"].dtype == torch.float32
    assert stored["blocks.0.ffn.0.weight"].dtype == torch.bfloat16
    half, words_half, _ = load_model(path, dtype=torch.bfloat16)
    assert half.blocks[0].ffn[0].weight.dtype == torch.bfloat16
    assert half.patch_embedding.weight.dtype == half.tokenizers["camera"].net[0].weight.dtype == torch.float32
    x, context = latent().bfloat16(), words_half.encode(["a red box"])
    out = half(x, torch.tensor([500.0]), context, conditions())
    assert out.dtype == torch.bfloat16
    wide = model(latent(), torch.tensor([500.0]), context.float(), conditions())
    assert ((out.float() - wide).norm() / wide.norm()).item() < 0.05


def test_bad_files_are_refused(saved, tmp_path):
    path, _, _, _ = saved
    data = path.read_bytes()

    def refused(match, content=None, name="bad.safetensors"):
        bad = tmp_path / name
        if content is not None:
            bad.write_bytes(content)
        with pytest.raises(UserError, match=match) as caught:
            load_model(bad)
        assert "\n" not in str(caught.value)

    refused("does not exist", name="nowhere.safetensors")
    refused("empty", b"")
    refused("cut short", data[:-10])
    refused("cut short", data[:200])
    refused("not a safetensors file", b"hello, this is a text file")
    refused("not a safetensors file", b"\x05")
    torch.save({"a": torch.zeros(2)}, tmp_path / "pickle.pt")
    refused("pickled", (tmp_path / "pickle.pt").read_bytes())
    torch.save({"a": torch.zeros(2)}, tmp_path / "old.pt", _use_new_zipfile_serialization=False)
    refused("pickled", (tmp_path / "old.pt").read_bytes())
    # Its header of 128 bytes begins as a pickle does.
    filler = 128 - len('{"__metadata__":{"x":""}}')
    write_tensors(tmp_path / "like.safetensors", {}, {"x": "." * filler})
    assert (tmp_path / "like.safetensors").read_bytes()[:1] == b"\x80"
    assert read_metadata(tmp_path / "like.safetensors") == {"x": "." * filler}
    write_tensors(tmp_path / "foreign.safetensors", {"weight": torch.zeros(3)}, {"format": "pt"})
    refused("not a FullDiT checkpoint", name="foreign.safetensors")


def test_strict_about_keys_shapes_and_streams(saved, tmp_path):
    path, _, _, config = saved
    tensors, metadata = read_tensors(path), read_metadata(path)
    bad = tmp_path / "bad.safetensors"
    for change, match in (
        (lambda t: t.pop("blocks.0.ffn.0.bias"), "lacks blocks.0.ffn.0.bias"),
        (lambda t: t.update(extra=torch.zeros(1)), "has extra"),
        (lambda t: t.update({"head.head.bias": torch.zeros(3)}), "other shapes for head.head.bias"),
        (lambda t: t.pop("text_encoder.norm.bias"), "text encoder"),
    ):
        changed = dict(tensors)
        change(changed)
        write_tensors(bad, changed, metadata)
        with pytest.raises(UserError, match=match):
            load_model(bad)
    parts = json.loads(metadata["config"])
    parts["fulldit"]["streams"].append("sound")
    write_tensors(bad, tensors, {**metadata, "config": json.dumps(parts)})
    with pytest.raises(UserError, match="sound"):
        load_model(bad)


def test_a_failed_save_leaves_the_old_file(saved, monkeypatch):
    path, model, text, config = saved
    before = path.read_bytes()

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr("safetensors.torch.save_file", fail)
    with pytest.raises(OSError, match="disk full"):
        save_model(path, model, text, config)
    assert path.read_bytes() == before and [p.name for p in path.parent.iterdir()] == [path.name]


def test_presets_fit_the_budget_of_the_repository():
    from comfyui_fulldit.models.backbone.transformer import FullDiT

    for name, megabytes in (("mini-cpu", 9), ("mini", 20)):
        config = PRESETS[name]
        model = FullDiT(config, device="meta")
        text = TextEncoder(dim=config.text_dim, device="meta")
        assert config.conditions == ("camera", "identity", "depth")
        assert 2 * sum(p.numel() for m in (model, text) for p in m.parameters()) < megabytes * 2**20, name
    assert embedded_path("fulldit_mini").name == "fulldit_mini.safetensors"


def test_tokenize():
    ids = tokenize("hi")
    assert ids.shape == (LENGTH,) and ids[:4].tolist() == [2 + ord("h"), 2 + ord("i"), 1, 0]
    long = tokenize("\u00e9" * 200)  # two bytes each: cut between characters, never inside one
    assert int((long > 1).sum()) == 158 and long[158] == 1
    assert tokenize("").tolist() == [1] + [0] * (LENGTH - 1)


@torch.no_grad()
def test_text_encoder_tells_words_apart_and_ignores_padding():
    torch.manual_seed(0)
    text = TextEncoder(dim=32).eval()
    both = text.encode(["a red ball", "a blue ball"])
    assert both.shape == (2, LENGTH // 4, 32)
    assert (both[0] - both[1]).abs().max() > 1e-2
    assert torch.allclose(both[:1], text.encode(["a red ball"]), atol=1e-6)
    assert both[0, 4:].abs().max() == 0 and both[0, :3].abs().max() > 0
    ids = tokenize("a red ball")[None]
    weights = torch.ones(1, LENGTH)
    assert torch.equal(text(ids, weights), both[:1]) or torch.allclose(text(ids, weights), both[:1], atol=1e-6)
    weights[:, 2:5] = 1.4
    weighted = text(ids, weights)
    assert (weighted[0, 0] - both[0, 0]).abs().max() > 1e-3 and torch.allclose(weighted[0, 3:], both[0, 3:], atol=1e-6)
