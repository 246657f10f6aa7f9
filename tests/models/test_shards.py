"""Weights in several files are read as one; a missing part is named."""

from __future__ import annotations

import json

import pytest
import torch

from comfyui_fulldit.control.errors import UserError
from comfyui_fulldit.models.weights.shards import read_headers, shard_paths
from comfyui_fulldit.models.weights.tensor_file import read_header, read_metadata, write_tensors

NAMES = [f"big-0000{number}-of-00003.safetensors" for number in (1, 2, 3)]


@pytest.fixture
def parts(tmp_path):
    """Three parts with one weight each."""
    for number, name in enumerate(NAMES):
        write_tensors(tmp_path / name, {f"w{number}": torch.zeros(number + 1, 2)}, {"format": "pt"})
    return tmp_path


def test_a_header_holds_shapes_and_metadata(tmp_path):
    path = tmp_path / "one.safetensors"
    write_tensors(path, {"a": torch.zeros(2, 3), "b": torch.tensor(1.0)}, {"x": "y"})
    assert read_header(path) == ({"a": (2, 3), "b": ()}, {"x": "y"}) == read_headers(path)
    assert read_metadata(path) == {"x": "y"}


@pytest.mark.parametrize("given", [*NAMES, ""])
def test_one_part_or_the_folder_brings_all_parts(parts, given):
    assert [path.name for path in shard_paths(parts / given)] == NAMES
    assert read_headers(parts / given) == ({"w0": (1, 2), "w1": (2, 2), "w2": (3, 2)}, {"format": "pt"})


def test_parts_can_be_given_themselves(parts):
    assert read_headers([parts / NAMES[0], parts / NAMES[2]])[0] == {"w0": (1, 2), "w2": (3, 2)}


@pytest.mark.parametrize("given", [NAMES[0], ""])
def test_a_missing_part_is_named(parts, given):
    (parts / NAMES[1]).unlink()
    with pytest.raises(UserError, match=f"'{NAMES[1]}' is missing of 3 parts in .*: download all parts"):
        read_headers(parts / given)


def test_an_index_names_the_files_beside_it(parts):
    index = parts / "big.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"w0": NAMES[0], "w2": f"../elsewhere/{NAMES[2]}"}}))
    for given in (index, parts):
        assert [path.name for path in shard_paths(given)] == [NAMES[0], NAMES[2]]
        assert all(path.parent == parts for path in shard_paths(given))
    index.write_text(json.dumps({"weight_map": {"w0": "gone.safetensors"}}))
    with pytest.raises(UserError, match="'gone.safetensors' is missing"):
        shard_paths(index)
    index.write_text("[]")
    with pytest.raises(UserError, match="is not an index"):
        shard_paths(index)


def test_the_transformer_of_a_diffusers_folder_is_meant(parts, tmp_path):
    folder = tmp_path / "Model-Diffusers"
    (folder / "vae").mkdir(parents=True)
    (folder / "transformer").mkdir()
    write_tensors(folder / "vae" / "diffusion_pytorch_model.safetensors", {"v": torch.zeros(1)}, {})
    write_tensors(folder / "transformer" / "diffusion_pytorch_model.safetensors", {"w": torch.zeros(1)}, {})
    assert read_headers(folder)[0] == {"w": (1,)}


def test_a_folder_without_one_model_is_refused(parts):
    (parts / "nothing").mkdir()
    with pytest.raises(UserError, match="holds no .safetensors file"):
        shard_paths(parts / "nothing")
    write_tensors(parts / "other.safetensors", {"a": torch.zeros(1)}, {})
    with pytest.raises(UserError, match="holds several models .*: give one of the files"):
        shard_paths(parts)


@pytest.mark.parametrize("name", ["a-00004-of-00003.safetensors", "a-00000-of-00000.safetensors", "a.safetensors"])
def test_a_name_that_is_no_part_is_a_file_of_its_own(tmp_path, name):
    assert shard_paths(tmp_path / name) == [tmp_path / name]
    with pytest.raises(UserError, match="does not exist"):
        read_headers(tmp_path / name)
