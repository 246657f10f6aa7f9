"""LoRA layers: at first no change, then that of the product; keys stay Wan's; merged, in fp8, under autocast."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from comfyui_fulldit.control.errors import UserError
from comfyui_fulldit.models.backbone.transformer import FullDiT
from comfyui_fulldit.models.families.presets import PRESETS
from comfyui_fulldit.models.weights.lora_layers import LoRALinear, add_lora, lora_layers, lora_state, merge_lora

from .nets import apart, conditions, latent, randomized, small, words


@pytest.fixture
def layer():
    torch.manual_seed(0)
    return LoRALinear(nn.Linear(12, 8), rank=3, alpha=6)


def train_a_little(*layers: LoRALinear) -> None:
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for layer in layers:
            layer.lora_B.weight.copy_(torch.randn(layer.lora_B.weight.shape, generator=generator) * 0.1)


def test_a_new_lora_changes_nothing_and_a_trained_one_adds_the_product(layer):
    x = torch.randn(5, 12)
    plain = x @ layer.weight.T + layer.bias
    assert torch.allclose(layer(x), plain, atol=1e-6)
    train_a_little(layer)
    change = 6 / 3 * (layer.lora_B.weight @ layer.lora_A.weight)
    assert torch.allclose(layer(x), plain + x @ change.T, atol=1e-6)
    assert torch.allclose(layer.merge()(x), layer(x), atol=1e-6)


def test_only_the_two_matrices_learn(layer):
    train_a_little(layer)
    layer(torch.randn(4, 12)).square().sum().backward()
    assert layer.weight.grad is None and layer.bias.grad is None
    assert layer.lora_A.weight.grad.abs().max() > 0 and layer.lora_B.weight.grad.abs().max() > 0


@pytest.mark.parametrize("kind", [torch.bfloat16, "fp8"])
def test_the_frozen_weight_may_be_stored_in_few_bytes(layer, kind):
    train_a_little(layer)
    x = torch.randn(4, 12)
    exact = layer(x)
    if kind == "fp8":
        layer.to_fp8()
        assert layer.weight.dtype == torch.float8_e4m3fn
    else:
        layer.weight.data = layer.weight.data.to(kind)
    assert 0 < apart(layer(x), exact) < 0.06
    assert torch.allclose(layer.merge()(x).float() if kind == "fp8" else exact, layer(x), atol=0.02)
    layer(x.bfloat16()).sum().backward()
    assert layer.lora_B.weight.grad.dtype == torch.float32


def test_autocast_computes_in_its_format(layer):
    with torch.autocast("cpu", torch.bfloat16):
        assert layer(torch.randn(4, 12)).dtype == torch.bfloat16


@pytest.mark.parametrize("mode", ["decoupled", "full"])
@torch.no_grad()
def test_a_network_keeps_its_keys_and_merging_keeps_its_output(mode):
    config = small(attention=mode)
    model = randomized(config)
    keys = set(model.state_dict())
    x, t, context, given = latent(), torch.tensor([400.0]), words(config), conditions()
    before = model(x, t, context, given)
    names = add_lora(model, rank=4, alpha=2)
    assert len(names) == 10 * config.num_layers and "blocks.0.ffn.2" in names
    added = {f"{name}.lora_{m}.weight" for name in names for m in "AB"}
    assert set(model.state_dict()) == keys | added
    assert torch.equal(model(x, t, context, given), before)
    train_a_little(*lora_layers(model).values())
    changed = model(x, t, context, given)
    assert apart(changed, before) > 0.01
    merge_lora(model)
    assert set(model.state_dict()) == keys and not lora_layers(model)
    assert apart(model(x, t, context, given), changed) < 1e-4


def test_the_state_of_a_lora_is_what_files_have():
    model = randomized(small())
    add_lora(model, rank=2, alpha=8)
    alphas = {name: layer.alpha for name, layer in lora_layers(model).items()}
    state = lora_state(model.state_dict(), alphas)
    assert state["blocks.1.self_attn.q.alpha"] == 8 and state["blocks.1.ffn.0.lora_A.weight"].shape == (2, 48)
    assert len(state) == 3 * 20
    with pytest.raises(UserError, match=r"lacks 'blocks\.0\.self_attn\.q\.lora_A\.weight'"):
        lora_state({}, alphas)


def test_what_a_condition_file_holds_is_small_beside_its_wan():
    """At 1.3B, with a LoRA of rank 32 and the tokenizers in float32 (docs/condition_files.md)."""
    model = FullDiT(PRESETS["wan-1.3b"], device="meta", dtype=torch.bfloat16)
    wan = sum(p.numel() * 2 for name, p in model.named_parameters() if not name.startswith("tokenizers."))
    assert 1.41e9 < wan / 2 < 1.43e9
    add_lora(model, rank=32)
    lora = sum(p.numel() * 2 for name, p in model.named_parameters() if ".lora_" in name)
    tokenizers = sum(p.numel() * 4 for name, p in model.named_parameters() if name.startswith("tokenizers."))
    assert 0.03 < (lora + tokenizers) / wan < 0.05


def test_a_rank_or_a_model_that_is_no_use_is_refused():
    with pytest.raises(UserError, match="rank 9 was asked for on a layer 8x12: give a rank from 1 to 8"):
        LoRALinear(nn.Linear(12, 8), rank=9)
    with pytest.raises(UserError, match="takes no LoRA"):
        add_lora(nn.Sequential(nn.Linear(2, 2)), rank=1)
