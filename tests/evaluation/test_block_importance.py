"""Which blocks conditions need most: the index is what it says it is, and the command prints it."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch

from comfyui_fulldit.cli import main
from comfyui_fulldit.evaluation.speed.block_importance import (
    CHANGE,
    CONDITIONS,
    VIDEO,
    block_importance,
    choose_blocks,
    importance,
)
from comfyui_fulldit.models.backbone.transformer import FullDiT
from comfyui_fulldit.models.conditioning.condition_streams import ConditionStreams, Stream
from comfyui_fulldit.models.conditioning.text import TextEncoder
from comfyui_fulldit.models.families.presets import PRESETS
from comfyui_fulldit.models.vae import VAE, fingerprint
from comfyui_fulldit.models.vae.vae_file import load_vae, save_vae
from comfyui_fulldit.models.weights.checkpoint import save_model

CONFIG = replace(PRESETS["debug"], num_layers=3)


def network(**changes):
    torch.manual_seed(0)
    model = FullDiT(replace(CONFIG, **changes)).eval()
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.2 * torch.randn_like(p))
    return model


def given():
    torch.manual_seed(1)
    streams = (Stream("camera", torch.randn(1, 2, 68)), Stream("depth", torch.randn(1, 16, 2, 4, 6)))
    return torch.randn(1, 16, 2, 4, 6), torch.randn(1, 7, CONFIG.text_dim), ConditionStreams(streams, (2, 4, 6))


def test_the_index_is_zero_for_a_block_that_only_scales_and_two_for_one_that_turns_round():
    x = torch.randn(2, 5, 8)
    assert importance(x, 3 * x) == pytest.approx(0, abs=1e-6) and importance(x, -x) == pytest.approx(2, abs=1e-6)
    half = torch.cat([x[:, :1], -x[:, 1:2]], 1)
    assert importance(x[:, :2], half) == pytest.approx(1, abs=1e-6)


@torch.no_grad()
def test_a_block_that_does_nothing_has_no_importance():
    x, context, conditions = given()
    model = network()
    for name in ("self_attn.o", "cross_attn.o", "ffn.2"):  # what is added to the tokens
        layer = model.blocks[1].get_submodule(name)
        layer.weight.zero_()
        layer.bias.zero_()
    found = block_importance(model, x, 0.5, context, conditions)
    assert found[CONDITIONS].keys() == {0, 1}, "nothing reads the condition tokens after the last block"
    assert found[VIDEO].keys() == found[CHANGE].keys() == {0, 1, 2}
    assert abs(found[CONDITIONS][1]) < 1e-6 < 1e-3 < found[CONDITIONS][0]
    assert abs(found[VIDEO][1]) < 1e-6 and found[CHANGE][1] == 0 < 1e-3 < found[CHANGE][2]
    assert not any(block._forward_hooks for block in model.blocks)


@torch.no_grad()
def test_blocks_without_conditions_have_no_figure_of_them():
    x, context, conditions = given()
    found = block_importance(network(condition_blocks=(0, 2)), x, 0.5, context, conditions)
    assert found[CONDITIONS].keys() == {0} and found[CHANGE].keys() == {0, 2} and found[VIDEO].keys() == {0, 1, 2}


def test_the_first_block_is_always_chosen_and_then_the_most_important():
    assert choose_blocks({0: 0.1, 1: 0.5, 2: 0.3, 3: 0.9}, 3) == (0, 1, 3)
    assert choose_blocks({1: 0.5, 0: 0.9}, 1) == (0,)


def test_the_command_prints_every_block(tmp_path, capsys):
    save_vae(tmp_path / "vae.safetensors", VAE(dim=4))
    mark = fingerprint(load_vae(tmp_path / "vae.safetensors"))
    for attention in ("decoupled", "full"):
        config = replace(CONFIG, vae_fingerprint=mark, attention=attention)
        save_model(
            tmp_path / f"{attention}.safetensors", network(attention=attention), TextEncoder(config.text_dim), config
        )
    command = [
        "bench",
        "blocks",
        "--quiet",
        "--scenes",
        "1",
        "--device",
        "cpu",
        "--vae",
        str(tmp_path / "vae.safetensors"),
    ]
    out = tmp_path / "blocks.json"
    assert main([*command, "--checkpoint", str(tmp_path / "decoupled.safetensors"), "--json", str(out)]) == 0
    printed, result = capsys.readouterr().out, json.loads(out.read_text())
    assert result["scenes"] == 1 and [len(result[name]) for name in (CONDITIONS, VIDEO, CHANGE)] == [3, 3, 3]
    assert result[CONDITIONS][2] is None and f"| 1 | {result[CONDITIONS][1]:.4f} |" in printed
    assert main([*command, "--checkpoint", str(tmp_path / "full.safetensors")]) == 2
    assert "there is no choice of blocks" in " ".join(capsys.readouterr().err.split())
