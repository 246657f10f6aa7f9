"""Checkpoint files and the text encoder: a file comes back as it was saved, and bad files are refused in a sentence."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from comfyui_fulldit.control.errors import UserError
from comfyui_fulldit.models.backbone.transformer import FullDiT
from comfyui_fulldit.models.conditioning.text import LENGTH, TextEncoder, tokenize
from comfyui_fulldit.models.families.presets import PRESETS
from comfyui_fulldit.models.weights.checkpoint import embedded_path, load_model, named_path, read_config, save_model
from comfyui_fulldit.models.weights.tensor_file import read_metadata, read_tensors, write_tensors

from .nets import conditions, latent, randomized, small, words


@pytest.fixture
def saved(tmp_path):
    config = small(vae_fingerprint="mark")
    model, text = randomized(config), TextEncoder(dim=config.text_dim)
    path = tmp_path / "model.safetensors"
    save_model(path, model, text, config, {"training": {"step": 3}, "note": "plain"}, dtype=None)
    return path, model, text, config


def test_a_checkpoint_comes_back_with_its_weights_and_config(saved):
    path, model, text, config = saved
    again, text_again, config_again = load_model(path)
    assert config_again == config == read_config(path)
    for a, b in ((model, again), (text, text_again)):
        assert all(torch.equal(value, b.state_dict()[name]) for name, value in a.state_dict().items())


@torch.no_grad()
def test_a_loaded_network_predicts_what_the_saved_one_does(saved):
    path, model, _, config = saved
    again, _, _ = load_model(path)
    x, t, context, given = latent(), torch.tensor([10.0]), words(config), conditions()
    assert torch.equal(model(x, t, context, given), again(x, t, context, given))


def test_metadata_is_kept_as_text_or_json(saved):
    metadata = read_metadata(saved[0])
    assert json.loads(metadata["training"]) == {"step": 3} and metadata["note"] == "plain"


@pytest.fixture
def half(saved, tmp_path):
    """The saved networks as they are stored by default: large matrices in half precision."""
    _, model, text, config = saved
    path = tmp_path / "half.safetensors"
    save_model(path, model, text, config)
    return path


def test_half_precision_stores_what_must_be_precise_in_float32(half):
    stored = read_tensors(half)
    # Of a network this small nothing counts as a large matrix but the text encoder's; the rule is by size.
    assert stored["tokenizers.camera.net.0.weight"].dtype == torch.float32
    assert stored["blocks.0.modulation"].dtype == stored["patch_embedding.weight"].dtype == torch.float32
    assert stored["blocks.0.ffn.0.weight"].dtype == torch.bfloat16


@torch.no_grad()
def test_a_network_in_half_precision_predicts_nearly_the_same(saved, half):
    model = saved[1]
    network, text, _ = load_model(half, dtype=torch.bfloat16)
    assert network.blocks[0].ffn[0].weight.dtype == torch.bfloat16
    assert network.patch_embedding.weight.dtype == network.tokenizers["camera"].net[0].weight.dtype == torch.float32
    context = text.encode(["a red box"])
    out = network(latent().bfloat16(), torch.tensor([500.0]), context, conditions())
    assert out.dtype == torch.bfloat16
    wide = model(latent(), torch.tensor([500.0]), context.float(), conditions())
    assert ((out.float() - wide).norm() / wide.norm()).item() < 0.05


def assert_refused(path, message):
    with pytest.raises(UserError, match=message) as caught:
        load_model(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: b"", "empty"),
        (lambda data: data[:-10], "cut short"),
        (lambda data: data[:200], "cut short"),
        (lambda data: b"hello, this is a text file", "not a safetensors file"),
        (lambda data: b"\x05", "not a safetensors file"),
    ],
)
def test_a_damaged_file_is_refused(saved, tmp_path, change, message):
    bad = tmp_path / "bad.safetensors"
    bad.write_bytes(change(saved[0].read_bytes()))
    assert_refused(bad, message)


def test_a_missing_file_is_refused(tmp_path):
    assert_refused(tmp_path / "nowhere.safetensors", "does not exist")


@pytest.mark.parametrize("zipped", [True, False])
def test_a_pickle_is_refused_whatever_it_is_called(tmp_path, zipped):
    pickled = tmp_path / "bad.safetensors"
    torch.save({"a": torch.zeros(2)}, pickled, _use_new_zipfile_serialization=zipped)
    assert_refused(pickled, "pickled")


def test_a_header_that_begins_like_a_pickle_is_read(tmp_path):
    filler = 128 - len('{"__metadata__":{"x":""}}')
    path = tmp_path / "like.safetensors"
    write_tensors(path, {}, {"x": "." * filler})
    assert path.read_bytes()[:1] == b"\x80"
    assert read_metadata(path) == {"x": "." * filler}


def test_weights_of_something_else_are_refused(tmp_path):
    foreign = tmp_path / "foreign.safetensors"
    write_tensors(foreign, {"weight": torch.zeros(3)}, {"format": "pt"})
    assert_refused(foreign, "not a FullDiT checkpoint")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.pop("blocks.0.ffn.0.bias"), "lacks blocks.0.ffn.0.bias"),
        (lambda t: t.update(extra=torch.zeros(1)), "has extra"),
        (lambda t: t.update({"head.head.bias": torch.zeros(3)}), "other shapes for head.head.bias"),
        (lambda t: t.pop("text_encoder.norm.bias"), "text encoder"),
    ],
)
def test_a_weight_that_does_not_fit_is_refused_by_name(saved, tmp_path, change, message):
    tensors, metadata = read_tensors(saved[0]), read_metadata(saved[0])
    change(tensors)
    bad = tmp_path / "bad.safetensors"
    write_tensors(bad, tensors, metadata)
    assert_refused(bad, message)


def test_a_stream_that_this_version_does_not_know_is_refused(saved, tmp_path):
    tensors, metadata = read_tensors(saved[0]), read_metadata(saved[0])
    parts = json.loads(metadata["config"])
    parts["fulldit"]["streams"].append("sound")
    bad = tmp_path / "bad.safetensors"
    write_tensors(bad, tensors, {**metadata, "config": json.dumps(parts)})
    assert_refused(bad, "sound")


def test_a_failed_save_leaves_the_old_file(saved, monkeypatch):
    path, model, text, config = saved
    before = path.read_bytes()

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr("safetensors.torch.save_file", fail)
    with pytest.raises(OSError, match="disk full"):
        save_model(path, model, text, config)
    assert path.read_bytes() == before and [p.name for p in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize(("name", "megabytes"), [("mini-cpu", 9), ("mini", 20)])
def test_the_embedded_presets_are_small_enough_for_the_repository(name, megabytes):
    config = PRESETS[name]
    model = FullDiT(config, device="meta")
    text = TextEncoder(dim=config.text_dim, device="meta")
    assert config.conditions == ("camera", "identity", "depth")
    assert 2 * sum(p.numel() for m in (model, text) for p in m.parameters()) < megabytes * 2**20


def test_embedded_weights_are_named_without_their_ending():
    assert embedded_path("fulldit_mini").name == "fulldit_mini.safetensors"


def test_text_becomes_bytes_an_end_and_padding():
    ids = tokenize("hi")
    assert ids.shape == (LENGTH,) and ids[:4].tolist() == [2 + ord("h"), 2 + ord("i"), 1, 0]
    assert tokenize("").tolist() == [1] + [0] * (LENGTH - 1)


def test_long_text_is_cut_between_characters():
    long = tokenize("\u00e9" * 200)  # two bytes each
    assert int((long > 1).sum()) == 158 and long[158] == 1


@pytest.fixture
def text():
    torch.manual_seed(0)
    return TextEncoder(dim=32).eval()


@torch.no_grad()
def test_the_text_encoder_tells_words_apart(text):
    both = text.encode(["a red ball", "a blue ball"])
    assert both.shape == (2, LENGTH // 4, 32)
    assert (both[0] - both[1]).abs().max() > 1e-2


@torch.no_grad()
def test_the_text_encoder_ignores_padding(text):
    both = text.encode(["a red ball", "a blue ball"])
    assert torch.allclose(both[:1], text.encode(["a red ball"]), atol=1e-6)
    assert both[0, 4:].abs().max() == 0 and both[0, :3].abs().max() > 0


@torch.no_grad()
def test_weights_of_words_change_these_words_alone(text):
    ids = tokenize("a red ball")[None]
    plain, weights = text.encode(["a red ball"]), torch.ones(1, LENGTH)
    assert torch.allclose(text(ids, weights), plain, atol=1e-6)
    weights[:, 2:5] = 1.4
    weighted = text(ids, weights)
    assert (weighted[0, 0] - plain[0, 0]).abs().max() > 1e-3
    assert torch.allclose(weighted[0, 3:], plain[0, 3:], atol=1e-6)


def test_the_faster_kin_of_the_embedded_model_is_the_same_network_used_otherwise():
    """It is of before the further conditions and the larger clips, and knows neither."""
    own, fast = (read_config(embedded_path(name)) for name in ("fulldit_mini", "fulldit_mini_few_steps"))
    assert (fast.steps, fast.guidance, fast.first_frame_pass) == (6, 1.0, 0.0)
    same = {"steps": own.steps, "guidance": own.guidance, "first_frame_pass": own.first_frame_pass}
    assert replace(fast, **same, streams=own.streams, other_videos=own.other_videos) == own
    assert set(fast.streams) < set(own.streams) and fast.conditions == ("camera", "identity", "depth")
    model, _, _ = load_model(embedded_path("fulldit_mini_few_steps"))
    before = load_model(embedded_path("fulldit_mini"))[0].state_dict()
    apart = {
        name: float((value - before[name]).norm() / before[name].norm()) for name, value in model.state_dict().items()
    }
    assert max(apart.values()) > 0 and apart["blocks.0.self_attn.q.weight"] < 0.5, "it was trained on, not anew"


def test_weights_are_named_bare_or_by_their_path(tmp_path, monkeypatch):
    assert named_path("fulldit_mini") == embedded_path("fulldit_mini")
    assert named_path("some/fulldit_mini.safetensors") == Path("some/fulldit_mini.safetensors")
    assert named_path("fulldit_huge") == Path("fulldit_huge")
    monkeypatch.chdir(tmp_path)
    Path("fulldit_mini").write_bytes(b"")
    assert named_path("fulldit_mini") == Path("fulldit_mini"), "a file that is there comes first"
