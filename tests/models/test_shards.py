"""Weights in several files: whichever of them is chosen, all are read, and what is missing is named."""

from __future__ import annotations

import json

import pytest
import torch
from safetensors.torch import save_file

from comfyui_fulldit.control.errors import UserError
from comfyui_fulldit.models.weights.shards import read_headers, read_shards, shard_paths
from comfyui_fulldit.models.weights.tensor_file import read_header, read_metadata, write_tensors

NAMES = [f"wan-{number:05}-of-00012.safetensors" for number in range(1, 13)]


@pytest.fixture
def folder(tmp_path):
    """Twelve shards, an index, and a file that has nothing to do with them."""
    numbers = torch.Generator().manual_seed(0)
    shards = {name: {f"layer{i}": torch.randn(3, generator=numbers)} for i, name in enumerate(NAMES)}
    for name, tensors in shards.items():
        save_file(tensors, tmp_path / name)
    index = {"metadata": {}, "weight_map": {key: name for name, tensors in shards.items() for key in tensors}}
    (tmp_path / "wan.safetensors.index.json").write_text(json.dumps(index))
    (tmp_path / "config.json").write_text("{}")
    return tmp_path


@pytest.mark.parametrize("chosen", [NAMES[0], NAMES[6], NAMES[11], "wan.safetensors.index.json", "."])
def test_any_shard_the_index_and_the_folder_stand_for_all(folder, chosen):
    assert shard_paths(folder / chosen) == [folder / name for name in NAMES]
    assert list(read_shards(folder / chosen)) == [f"layer{i}" for i in range(12)]


def test_a_folder_needs_no_index_and_may_have_the_transformer_below(folder, tmp_path_factory):
    (folder / "wan.safetensors.index.json").unlink()
    assert shard_paths(folder) == [folder / name for name in NAMES]
    pipeline = tmp_path_factory.mktemp("pipeline")
    folder.rename(pipeline / "transformer")
    assert shard_paths(pipeline) == [pipeline / "transformer" / name for name in NAMES]


def test_a_single_file_stands_for_itself(tmp_path):
    one = tmp_path / "wan-00001.safetensors"
    assert shard_paths(one) == [one]
    save_file({"a": torch.ones(2)}, one)
    assert torch.equal(read_shards(one)["a"], torch.ones(2)) and shard_paths(tmp_path) == [one]


@pytest.mark.parametrize("chosen", [NAMES[0], "wan.safetensors.index.json", "."])
def test_a_missing_shard_is_named(folder, chosen):
    (folder / NAMES[4]).unlink()
    with pytest.raises(UserError, match=f"in 12 files, but {NAMES[4]} is not in this folder"):
        shard_paths(folder / chosen)
    (folder / NAMES[5]).unlink()
    with pytest.raises(UserError, match=f"{NAMES[4]} and 1 more is not"):
        read_shards(folder / chosen)


def test_a_truncated_shard_is_named(folder):
    path = folder / NAMES[7]
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(UserError, match=f"{NAMES[7]}' is cut short"):
        read_shards(folder / NAMES[0])


def test_a_tensor_in_two_shards_is_refused(folder):
    save_file({"layer0": torch.zeros(3)}, folder / NAMES[2])
    with pytest.raises(UserError, match=f"{NAMES[2]}' holds 'layer0'"):
        read_shards(folder)


def test_a_folder_with_several_models_or_none_asks_for_the_file(folder, tmp_path_factory):
    (folder / "wan.safetensors.index.json").unlink()
    save_file({"a": torch.ones(2)}, folder / "other.safetensors")
    with pytest.raises(UserError, match=r"has other\.safetensors, wan-00001-of-00012\.safetensors, but one model"):
        shard_paths(folder)
    with pytest.raises(UserError, match=r"has no \.safetensors file"):
        shard_paths(tmp_path_factory.mktemp("empty"))


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"weight_map": {}}', '{"weight_map": {"a": 1}}', '{"weight_map": {"a": "../a.safetensors"}}']
)
def test_a_malformed_index_is_refused(tmp_path, text):
    index = tmp_path / "wan.safetensors.index.json"
    index.write_text(text)
    with pytest.raises(UserError, match="is not an index"):
        shard_paths(index)
    with pytest.raises(UserError, match="is not an index"):
        shard_paths(tmp_path / "absent.safetensors.index.json")


def test_a_header_holds_shapes_and_metadata(tmp_path):
    path = tmp_path / "one.safetensors"
    write_tensors(path, {"a": torch.zeros(2, 3), "b": torch.tensor(1.0)}, {"x": "y"})
    assert read_header(path) == ({"a": (2, 3), "b": ()}, {"x": "y"}) == read_headers(path)
    assert read_metadata(path) == {"x": "y"}


def test_headers_of_all_shards_are_one(folder):
    expected = {f"layer{i}": (3,) for i in range(12)}
    assert read_headers(folder / NAMES[4])[0] == expected == read_headers([folder / name for name in NAMES])[0]
    assert read_headers([folder / NAMES[0]])[0] == {"layer0": (3,)}
    with pytest.raises(UserError, match="does not exist"):
        read_headers(folder / "absent.safetensors")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[" * 100_000, "not an index"),
        ('{"weight_map": {"a": "' + "x" * 300 + '.safetensors"}}', "is not in this folder"),
        ('{"weight_map": {"a": ["b"]}}', "not an index"),
    ],
)
def test_an_index_beyond_reason_is_one_sentence(tmp_path, text, says):
    (tmp_path / "model.safetensors.index.json").write_text(text)
    with pytest.raises(UserError, match=says):
        shard_paths(tmp_path / "model.safetensors.index.json")
