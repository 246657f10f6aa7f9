"""Without conditions the network is the host's own WanModel: same keys, same numbers, also inside its layer classes."""

from __future__ import annotations

import dataclasses
import importlib
import json

import pytest
import torch

from .conftest import PACK

pytestmark = pytest.mark.comfyui


def twins(config, scale: float):
    """(a FullDiT, the host's WanModel with the same random weights), float32; scale: of the weights."""
    import comfy.ops
    from comfy.ldm.wan.model import WanModel

    network = importlib.import_module(f"{PACK}.models.backbone.transformer").FullDiT
    ours = network(config, operations=comfy.ops.manual_cast, device="cpu", dtype=torch.float32)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, p in ours.named_parameters():
            p.copy_(torch.randn(p.shape, generator=generator) * scale + (".norm" in name and name.endswith("weight")))
    # The fields that the metadata of a checkpoint gives to the host.
    fields = json.loads(config.to_json())["transformer"]
    stock = WanModel(**fields, operations=comfy.ops.manual_cast, device="cpu", dtype=torch.float32)
    backbone = {name: value for name, value in ours.state_dict().items() if not name.startswith("tokenizers.")}
    stock.load_state_dict(backbone, strict=True)
    return ours.eval(), stock.eval()


def presets():
    return importlib.import_module(f"{PACK}.models.families.presets").PRESETS


@pytest.fixture(scope="module")
def networks(host):
    """(a small FullDiT, the host's WanModel with the same weights)."""
    return twins(presets()["debug"], 0.2)


@torch.no_grad()
def test_without_conditions_it_equals_the_hosts_wan_model(networks) -> None:
    ours, stock = networks
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(2, 16, 3, 4, 6, generator=generator)
    context = torch.randn(2, 9, ours.config.text_dim, generator=generator)
    for t in (torch.tensor([40.0, 950.0]), torch.tensor([[0.0, 500.0, 500.0], [0.0, 900.0, 10.0]])):
        expected = stock(x, t, context)
        found = ours(x, t, context)
        assert (found - expected).abs().max() / expected.abs().max() < 1e-5


@torch.no_grad()
def test_blocks_of_wan_1_3b_equal_the_hosts(host) -> None:
    """At their real widths and number of heads, two blocks of them."""
    ours, stock = twins(dataclasses.replace(presets()["wan-1.3b"], num_layers=2, streams=()), 0.03)
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(1, 16, 3, 4, 6, generator=generator)
    context = torch.randn(1, 9, ours.config.text_dim, generator=generator)
    t = torch.tensor([640.0])
    expected = stock(x, t, context)
    assert (ours(x, t, context) - expected).abs().max() / expected.abs().max() < 1e-5
    assert (ours(x, t, 2 * context) - expected).abs().max() / expected.abs().max() > 1e-3


@pytest.mark.parametrize("kind", ["t2v", "i2v", "flf2v", "vace"])
def test_keys_of_diffusers_become_the_hosts(host, kind) -> None:
    """Every key of the host's networks has a name in diffusers, and comes back from it."""
    import comfy.ops
    from comfy.ldm.wan.model import VaceWanModel, WanModel

    sizes = {"dim": 64, "ffn_dim": 64, "num_heads": 2, "num_layers": 2, "operations": comfy.ops.manual_cast}
    with torch.device("meta"):
        if kind == "vace":
            stock = VaceWanModel(**sizes, vace_layers=2, vace_in_dim=96)
        else:
            tokens = 514 if kind == "flf2v" else None
            stock = WanModel(**sizes, model_type="t2v" if kind == "t2v" else "i2v", flf_pos_embed_token_number=tokens)
    key_maps = importlib.import_module(f"{PACK}.models.weights.key_maps")
    own = {name: tuple(value.shape) for name, value in stock.state_dict().items()}
    diffusers = key_maps.to_diffusers(own)
    # Only the patch embeddings have the same name in both.
    same = {name for name in own if name in diffusers}
    assert same == {name for name in own if name.split(".")[0] in ("patch_embedding", "vace_patch_embedding")}
    assert len(diffusers) == len(own) and key_maps.to_wan(diffusers) == own


@torch.no_grad()
def test_it_equals_the_hosts_wan_model_under_rope_options(networks) -> None:
    ours, stock = networks
    generator = torch.Generator().manual_seed(2)
    x = torch.randn(1, 16, 3, 4, 6, generator=generator)
    context = torch.randn(1, 9, ours.config.text_dim, generator=generator)
    t = torch.tensor([640.0])
    options = {"rope_options": {"scale_x": 1.5, "shift_t": 2.0}}
    expected = stock(x, t, context, transformer_options=dict(options))
    found = ours(x, t, context, transformer_options=dict(options))
    assert (found - expected).abs().max() / expected.abs().max() < 1e-5
    assert (ours(x, t, context) - expected).abs().max() / expected.abs().max() > 1e-3


@torch.no_grad()
def test_activations_of_another_format_than_the_weights_go_through(networks) -> None:
    ours, _ = networks
    generator = torch.Generator().manual_seed(2)
    x = torch.randn(1, 16, 3, 4, 6, generator=generator)
    context = torch.randn(1, 9, ours.config.text_dim, generator=generator)
    t = torch.tensor([640.0])
    plain = ours(x, t, context)
    # The host casts weights at use: activations of another format than the weights must go through.
    half = ours(x.bfloat16(), t, context.bfloat16())
    assert half.dtype == torch.bfloat16
    assert (half.float() - plain).norm() / plain.norm() < 0.05
