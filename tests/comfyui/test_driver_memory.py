"""Core's estimate of memory with reference tokens counted, against the peak of a pass at real size.

The pass runs on fake tensors: every storage is counted while it lives, and nothing is computed. What a GPU's kernels
take beside is not in it.
"""

from __future__ import annotations

import weakref

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode

from .driver_cases import module

pytestmark = pytest.mark.comfyui

FRAMES, H, W = 21, 60, 104  # 81 frames of 832x480
SIZES = {"1.3B": (1536, 12, 8960), "14B": (5120, 40, 13824)}
CLOSE = 0.15


class Peak(TorchDispatchMode):
    """The most bytes of tensors that lived at once."""

    def __init__(self) -> None:
        super().__init__()
        self.live: dict[int, int] = {}
        self.now = self.peak = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        for value in torch.utils._pytree.tree_leaves(out):
            if isinstance(value, torch.Tensor):
                storage = value.untyped_storage()
                key = storage._cdata
                if key not in self.live:
                    self.live[key] = storage.nbytes()
                    self.now += storage.nbytes()
                    self.peak = max(self.peak, self.now)
                    weakref.finalize(storage, self._free, key)
        return out

    def _free(self, key: int) -> None:
        self.now -= self.live.pop(key, 0)


def simulated(kind, size, monkeypatch, frames=FRAMES, **more):
    """The peak of one pass in bytes; more: other arguments of the network, by shape."""
    import comfy.ldm.modules.attention as attention
    import comfy.ldm.wan.model as wan
    import comfy.ops

    monkeypatch.setattr(wan, "optimized_attention", attention.attention_pytorch)
    dim, heads, ffn = SIZES[size]
    settings = {"dim": dim, "ffn_dim": ffn, "num_layers": 4, "num_heads": heads, "text_dim": 4096}
    settings |= {"operations": comfy.ops.manual_cast, "device": "cpu", "dtype": torch.bfloat16}
    with FakeTensorMode(allow_non_fake_inputs=True):
        if kind == "vace":
            network = wan.VaceWanModel(vace_layers=2, vace_in_dim=96, **settings)
            more["vace_strength"] = [1.0]
        else:
            network = wan.WanModel(**settings)

        def latent(shape):
            return torch.empty(*shape, dtype=torch.bfloat16)

        given = {
            name: [latent(one) for one in value] if name == "context_latents" else latent(value)
            for name, value in more.items()
            if name != "vace_strength"
        }
        if kind == "vace":
            given["vace_strength"] = [1.0]
        with torch.no_grad(), Peak() as peak:
            network(latent((1, 16, frames, H, W)), torch.empty(1), latent((1, 512, 4096)), **given)
    return peak.peak


def estimated(kind, size, monkeypatch, frames=FRAMES, **keys):
    """Core's estimate for one pass in bytes, of a model without weights, references counted."""
    import comfy.model_management
    import comfy.supported_models
    from comfy.sampler_helpers import estimate_memory

    monkeypatch.setattr(comfy.model_management, "pytorch_attention_flash_attention", lambda: True)
    dim, _, _ = SIZES[size]
    config = {"image_model": "wan2.1", "model_type": "vace" if kind == "vace" else "t2v", "dim": dim}
    factor = getattr(comfy.supported_models, "WAN21_Vace" if kind == "vace" else "WAN21_T2V")(
        config
    ).memory_usage_factor

    class Patcher:
        model = empty_model(factor)

    module("nodes.bridge.memory").count_references(Patcher.model)
    return estimate_memory(Patcher, [1, 16, frames, H, W], {"positive": [keys]})[1]


def empty_model(factor):
    """As much of core's BaseModel as the estimate asks for."""
    import comfy.model_base

    inner = comfy.model_base.BaseModel.__new__(comfy.model_base.BaseModel)
    torch.nn.Module.__init__(inner)
    inner.memory_usage_factor = factor
    inner.memory_usage_factor_conds, inner.memory_usage_shape_process = (), {}
    inner.get_dtype_inference = lambda: torch.bfloat16
    return inner


CASES = {
    "Phantom 1.3B, 4 references": ("t2v", "1.3B", {"time_dim_concat": (1, 16, 4, H, W)}),
    "Phantom 14B, 4 references": ("t2v", "14B", {"time_dim_concat": (1, 16, 4, H, W)}),
    "Bernini-R 1.3B, source and 2 references": (
        "t2v",
        "1.3B",
        {"context_latents": [(1, 16, FRAMES, H, W), (1, 16, 1, H, W), (1, 16, 1, 104, 60)]},
    ),
    "Bernini-R 1.3B, 8 references": ("t2v", "1.3B", {"context_latents": [(1, 16, 1, H, W)] * 8}),
}


@pytest.mark.parametrize("case", list(CASES))
def test_the_estimate_is_close_to_the_simulated_peak(host, monkeypatch, case):
    kind, size, shapes = CASES[case]
    peak = simulated(kind, size, monkeypatch, **shapes)
    tensors = {
        name: [torch.empty(one, device="meta") for one in shape]
        if name == "context_latents"
        else torch.empty(shape, device="meta")
        for name, shape in shapes.items()
    }
    with_references = estimated(kind, size, monkeypatch, **tensors)
    assert abs(with_references / peak - 1) < CLOSE, f"{with_references / 2**20:.0f} MB for {peak / 2**20:.0f} MB"
    assert with_references > estimated(kind, size, monkeypatch)


@pytest.mark.parametrize("size", list(SIZES))
def test_cores_estimate_for_vace_holds_with_the_reference_slot(host, monkeypatch, size):
    """The slot is part of the latent, so core counts it."""
    frames = FRAMES + 1
    peak = simulated("vace", size, monkeypatch, frames, vace_context=(1, 1, 96, frames, H, W))
    assert abs(estimated("vace", size, monkeypatch, frames) / peak - 1) < CLOSE
