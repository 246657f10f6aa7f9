"""A FullDiT that starts from Bernini-R computes what core's own Wan does with Bernini's reference latents."""

from __future__ import annotations

import pytest
import torch

from .test_bridge import module
from .tiny_models import WIDTHS, wan_weights

pytestmark = pytest.mark.comfyui


@pytest.mark.parametrize("sizes", [[(4, 6)], [(4, 6), (6, 2), (2, 8)]], ids=["one", "three of their own sizes"])
def test_references_are_read_as_core_reads_berninis(host, sizes):
    import comfy.ldm.wan.model as wan
    import comfy.ops

    starts, streams = module("models.weights.start_points"), module("models.conditioning.condition_streams")
    config = module("models.config").FullDiTConfig(**WIDTHS, text_len=512, text="umt5")
    config = starts.start_config("bernini-r", config)
    ours = module("models.backbone.transformer").FullDiT(config)
    weights = wan_weights()
    starts.load_start("bernini-r", ours, weights)
    theirs = wan.WanModel(**WIDTHS, operations=comfy.ops.manual_cast, device="cpu", dtype=torch.float32)
    theirs.load_state_dict(weights)
    numbers = torch.Generator().manual_seed(4)
    x, text = torch.randn(1, 16, 3, 4, 6, generator=numbers), torch.randn(1, 9, 4096, generator=numbers)
    latents = [torch.randn(1, 16, 1, *size, generator=numbers) for size in sizes]
    given = streams.ConditionStreams(
        tuple(streams.Stream("reference", latent, slot=slot) for slot, latent in enumerate(latents)), (3, 4, 6)
    )
    with torch.no_grad():
        mine = ours.eval()(x, torch.tensor([600.0]), text, given)
        core = theirs(x, torch.tensor([600.0]), text, context_latents=latents)
        bare = theirs(x, torch.tensor([600.0]), text)
    assert (mine - core).norm() / core.norm() < 1e-5
    assert (core - bare).norm() / core.norm() > 1e-2
