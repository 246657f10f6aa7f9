"""Configs and headers with numbers that cannot be are refused by name, before anything is built."""

from __future__ import annotations

import json
import struct
import time

import pytest
import torch

from comfyui_fulldit.control.errors import UserError
from comfyui_fulldit.models.conditioning.text import TextEncoder
from comfyui_fulldit.models.config import RANGES, FullDiTConfig
from comfyui_fulldit.models.estimators.estimators_file import FORMAT, load_estimators
from comfyui_fulldit.models.families.presets import PRESETS
from comfyui_fulldit.models.families.quantization import METADATA, with_layer_formats
from comfyui_fulldit.models.vae.vae_file import load_vae
from comfyui_fulldit.models.weights.checkpoint import load_model, read_config, save_model
from comfyui_fulldit.models.weights.tensor_file import parse_header, write_tensors

from .nets import randomized, small


def test_every_number_of_a_config_has_a_range_that_holds_every_preset():
    values = vars(FullDiTConfig())
    numbers = {name for name, value in values.items() if type(value) in (int, float)}
    assert set(RANGES) == numbers
    for config in PRESETS.values():
        assert FullDiTConfig.from_json(config.to_json()) == config


@pytest.mark.parametrize("name", [name for name, value in vars(FullDiTConfig()).items() if type(value) is float])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf"), -0.5])
def test_sampling_defaults_that_are_no_numbers_are_refused_by_name(name, value):
    with pytest.raises(UserError, match=f"has {name} = .*between"):
        small(**{name: value})
    parts = json.loads(small().to_json())
    parts["transformer" if name in parts["transformer"] else "fulldit"][name] = value
    with pytest.raises(UserError, match=f"has {name} = "):
        FullDiTConfig.from_json(json.dumps(parts))


@pytest.mark.parametrize("name", [name for name, value in vars(FullDiTConfig()).items() if type(value) is int])
def test_counts_and_sizes_that_cannot_be_are_refused_by_name(name):
    for value in (0, -1, 10**9, 10**30):
        with pytest.raises(UserError, match=f"has {name} = {value}, but it must lie between"):
            small(**{name: value})


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"freq_dim": 33}, "must be even"),
        ({"patch_size": (1, 2)}, "three sizes"),
        ({"patch_size": (1, 2, 0)}, "three sizes"),
        ({"patch_size": (1, 2, 2.5)}, "three sizes"),
        ({"patch_size": (1, 2, 10**9)}, "three sizes"),
        ({"patch_size": (1, 2, None)}, "three sizes"),
        ({"patches": [["depth", [1, float("inf"), 2]]]}, "three sizes"),
        ({"patches": [["depth", [1, "2", 2]]]}, "three sizes"),
        ({"patches": [[["depth"], [1, 2, 2]]]}, "three sizes"),
        ({"streams": [["camera"]]}, "streams are names"),
        ({"streams": [None]}, "streams are names"),
    ],
)
def test_malformed_lists_of_a_config_get_one_sentence(changes, says):
    with pytest.raises(UserError, match=says) as caught:
        FullDiTConfig.from_dict({**json.loads(small().to_json())["fulldit"], **changes})
    assert "\n" not in str(caught.value)


def test_a_config_nested_without_end_gets_one_sentence():
    with pytest.raises(UserError, match="not one of FullDiT"):
        FullDiTConfig.from_json("[" * 100_000)


# ---- files ----


def header(entries: object) -> bytes:
    text = entries if isinstance(entries, bytes) else json.dumps(entries).encode()
    return struct.pack("<Q", len(text)) + text + bytes(4)


TENSOR = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}


@pytest.mark.parametrize(
    "entries",
    [
        {"a": TENSOR, "__metadata__": None},
        {"a": TENSOR, "__metadata__": {"config": 5}},
        {"a": TENSOR, "__metadata__": {"config": {"transformer": {}}}},
        {"a": {**TENSOR, "data_offsets": [0, None]}},
        {"a": {**TENSOR, "data_offsets": [0]}},
        {"a": {**TENSOR, "data_offsets": 4}},
        {"a": {**TENSOR, "shape": [-1]}},
        {"a": {**TENSOR, "shape": [1.5]}},
        {"a": {**TENSOR, "shape": "12"}},
        {"a": {**TENSOR, "shape": [True]}},
        {"a": None},
        {"a": [1]},
        [TENSOR],
        b"[" * 100_000,
        b'{"a": {"dtype": "F32", "shape": [1e999], "data_offsets": [0, 4]}}',
    ],
)
def test_malformed_headers_get_one_sentence(tmp_path, entries):
    path = tmp_path / "bad.safetensors"
    path.write_bytes(header(entries))
    for work in (parse_header, read_config, load_model):
        with pytest.raises(UserError, match="not a safetensors file") as caught:
            work(path)
        assert "\n" not in str(caught.value)


def test_a_file_that_promises_more_layers_than_it_holds_is_refused_at_once(tmp_path):
    config = small()
    model, path = randomized(config), tmp_path / "many.safetensors"
    save_model(path, model, TextEncoder(dim=config.text_dim), config)
    assert load_model(path)[2] == config
    for changes, says in (
        ({"num_layers": 10**9}, "num_layers = 1000000000"),
        ({"dim": 10**12}, "dim = 1000000000000"),
        ({"dim": 2**16, "num_heads": 4, "num_layers": 900}, "does not fit the model that its config describes"),
        ({"text_dim": 2**16}, "does not fit"),
    ):
        parts = json.loads(config.to_json())
        for name, value in changes.items():
            parts["transformer"][name] = value
        tensors = {**model.state_dict(), "text_encoder.x": torch.zeros(1)}
        write_tensors(path, tensors, {"format": "fulldit", "config": json.dumps(parts)})
        began = time.perf_counter()
        with pytest.raises(UserError, match=says):
            load_model(path)
        assert time.perf_counter() - began < 30, "nothing of that size was built"


def test_a_vae_of_sizes_that_cannot_be_is_refused(tmp_path):
    path = tmp_path / "vae.safetensors"
    for gamma, stem in (
        (torch.zeros(()), torch.zeros(1, 3, 1, 1, 1)),
        (torch.zeros(10**6), torch.zeros(1, 3, 1, 1, 1)),
    ):
        tensors = {"decoder.head.0.gamma": gamma, "encoder.conv1.weight": stem, "conv2.weight": torch.zeros(16, 16)}
        write_tensors(path, tensors, {})
        with pytest.raises(UserError, match="not a Wan 2.1 VAE: its width"):
            load_vae(path)


def test_estimators_that_say_nothing_readable_get_one_sentence(tmp_path, monkeypatch):
    path = tmp_path / "estimators.safetensors"
    monkeypatch.setattr("comfyui_fulldit.models.estimators.estimators_file.Estimators.modules", lambda self: {})
    for about in ("{", "5", "null"):
        write_tensors(path, {"x": torch.zeros(1)}, {"format": FORMAT, "about": about})
        with pytest.raises(UserError, match="nothing readable"):
            load_estimators(path)


@pytest.mark.parametrize("tensor", [torch.tensor(10**9), torch.ones(3), torch.tensor([300])])
def test_formats_of_layers_that_cannot_be_read_are_left_out(tmp_path, tensor):
    path = tmp_path / "a.safetensors"
    write_tensors(path, {"blocks.0.q.comfy_quant": tensor}, {})
    assert METADATA not in with_layer_formats([path], parse_header(path))


@pytest.mark.parametrize(
    "values",
    [
        {"steps": 0},
        {"steps": 10**12},
        {"guidance": float("nan")},
        {"guidance": float("inf")},
        {"first_frame_pass": float("nan")},
        {"first_frame_pass": 1.0},
    ],
)
def test_sampling_values_that_cannot_be_are_refused_by_name_before_sampling(values):
    (name,) = values
    with pytest.raises(UserError, match=f"(?i)^{name} = .* was asked for, but it must lie between"):
        small().sampling_values(**values)
    assert small().sampling_values(7, 0.0, 0.5) == (7, 0.0, 0.5)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_weights_that_are_no_numbers_are_refused_by_name(tmp_path, value):
    config = small()
    model, path = randomized(config), tmp_path / "bad.safetensors"
    name = "blocks.0.ffn.0.weight"
    with torch.no_grad():
        model.get_parameter(name)[1, 2] = value
    save_model(path, model, TextEncoder(dim=config.text_dim), config)
    with pytest.raises(UserError, match=f"holds NaN or infinity in '{name}'"):
        load_model(path)


@pytest.mark.parametrize("value", [[3] * 3000, "x" * 5000, {"a": list(range(3000))}])
def test_what_came_is_shown_in_a_line_however_long_it_is(value):
    for name in ("dim", "eps", "streams", "patches", "patch_size", "attention"):
        values = {**json.loads(small().to_json())["fulldit"], name: value}
        try:
            FullDiTConfig.from_dict(values)
        except UserError as error:
            assert len(str(error)) < 1600
        else:
            raise AssertionError(name)
