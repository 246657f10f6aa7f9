"""The whole road on a device that is not there: on `meta` every step raises that would read a number back, which is to
wait for the device, or mix it up with the CPU. (Fake tensors on `cuda` cannot be indexed by torch's CPU builds.)"""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional

from comfyui_fulldit.models.backbone.transformer import FullDiT
from comfyui_fulldit.models.conditioning.condition_streams import ConditionStreams, Stream
from comfyui_fulldit.models.conditioning.encoder import encode_frames
from comfyui_fulldit.models.devices import autocast_dtype, pick_device, pick_dtype, without_autocast
from comfyui_fulldit.models.sampling.kept import Kept
from comfyui_fulldit.models.sampling.sampler import GuidedVelocity
from comfyui_fulldit.models.vae import VAE

from .nets import GEOMETRY, apart, conditions, latent, randomized, small, words

DEVICE = torch.device("meta")
LESS = {"condition_blocks": (0,), "token_selection": 0.5}
FORMATS = (torch.bfloat16, torch.float16, torch.float32)


class CastAtUse:
    """Layers that compute in the format of what comes in, whatever their weights are stored in, as a host's do."""

    class Linear(nn.Linear):
        def forward(self, x):
            return functional.linear(x, self.weight.to(x), self.bias.to(x))

    class Conv3d(nn.Conv3d):
        def forward(self, x):
            return functional.conv3d(x, self.weight.to(x), self.bias.to(x), self.stride)

    class LayerNorm(nn.LayerNorm):
        def forward(self, x):
            weight, bias = (None if value is None else value.to(x) for value in (self.weight, self.bias))
            return functional.layer_norm(x, self.normalized_shape, weight, bias, self.eps)

    class RMSNorm(nn.RMSNorm):
        def forward(self, x):
            return functional.rms_norm(x, self.normalized_shape, self.weight.to(x), self.eps)


def streams(dtype: torch.dtype, frames: int = 3) -> ConditionStreams:
    """Every stream once, on the device."""

    def empty(*shape: int) -> torch.Tensor:
        return torch.empty(1, *shape, device=DEVICE, dtype=dtype)

    return ConditionStreams(
        (
            Stream("camera", torch.empty(1, frames, 68, device=DEVICE)),
            Stream("reference", empty(16, 1, 4, 6), slot=0, strength=0.5),
            Stream("identity_map", empty(16, frames, 4, 6)),
            Stream("depth", empty(16, frames, 4, 6), end=0.5),
        ),
        (frames, *GEOMETRY[1:]),
    )


def first_frame_kept(x: torch.Tensor) -> Kept:
    mask = torch.empty(1, 1, *x.shape[2:], device=DEVICE, dtype=torch.bool)
    return Kept(x, mask, (True,) + (False,) * (x.shape[2] - 1))


def is_there(x: torch.Tensor, dtype: torch.dtype) -> bool:
    return x.device == DEVICE and x.dtype == dtype


def test_the_device_finds_what_waits_for_it_and_what_is_mixed_up():
    with pytest.raises(RuntimeError):
        float(torch.ones(2, device=DEVICE).max())
    with pytest.raises(RuntimeError):
        torch.ones(2, device=DEVICE) + torch.ones(2)


@pytest.mark.parametrize("changes", [{}, {"attention": "full"}, LESS], ids=["decoupled", "full", "less context"])
@pytest.mark.parametrize("dtype", FORMATS)
def test_steps_with_guidance_ranges_and_clean_frames_stay_on_the_device(dtype, changes):
    config = small(**changes)
    model = FullDiT(config, device=DEVICE, dtype=dtype)
    text = torch.empty(1, 7, config.text_dim, device=DEVICE, dtype=dtype)
    velocity = GuidedVelocity(
        model, text, text, streams(dtype), guidance=3.0, condition_guidance={"camera": 2.0, "depth": 1.5}
    )
    x = torch.empty(1, 16, *GEOMETRY, device=DEVICE)
    for velocity.kept in (None, first_frame_kept(x)):
        for t in (1.0, 0.7, 0.1):
            x = x - 0.1 * velocity(x, t)
    assert is_there(x, torch.float32) and velocity.passes == 2 * (4 + 3 + 3)  # depth ends half-way


@pytest.mark.parametrize("attention", ["decoupled", "full"])
@pytest.mark.parametrize("dtype", FORMATS)
@pytest.mark.parametrize("stored", [torch.float8_e4m3fn, torch.float8_e5m2])
def test_steps_with_weights_stored_in_fp8_stay_on_the_device(stored, dtype, attention):
    config = small(attention=attention, joint_text=attention == "full")
    model = FullDiT(config, operations=CastAtUse, device=DEVICE, dtype=stored)
    for every in (False, True):  # as made, with the embeddings in float32; and with every weight in fp8
        model = model.to(stored) if every else model
        text = torch.empty(1, 7, config.text_dim, device=DEVICE, dtype=dtype)
        velocity = GuidedVelocity(
            model, text, text, streams(dtype), guidance=3.0, condition_guidance={"camera": 2.0, "depth": 1.5}
        )
        x = torch.empty(1, 16, *GEOMETRY, device=DEVICE)
        for velocity.kept in (None, first_frame_kept(x)):
            assert is_there(velocity(x, 0.7), torch.float32)
        part = streams(dtype, frames=5).window([1, 2, 3])
        kv_cache = model.prefill(part, dtype=dtype)
        assert all(is_there(tensor, dtype) for layer in kv_cache.layers for tensor in layer)
        time = torch.empty(1, device=DEVICE)
        assert is_there(model(x.to(dtype), time, text, part, kv_cache=kv_cache), dtype)


@pytest.mark.parametrize("changes", [{}, {"attention": "full", "joint_text": True}, LESS])
def test_weights_stored_in_fp8_give_what_their_values_give(changes):
    """On the CPU, where a product of fp8 with another format raises."""
    with pytest.raises(RuntimeError):
        nn.Linear(2, 2).to(torch.float8_e4m3fn)(torch.ones(1, 2))
    config = small(**changes)
    rounded = randomized(config).to(torch.float8_e4m3fn).float()
    stored = FullDiT(config, operations=CastAtUse)
    stored.load_state_dict(rounded.state_dict())
    stored = stored.to(torch.float8_e4m3fn)
    arguments = (latent(), torch.tensor([500.0]), words(config), conditions())
    with torch.no_grad():
        assert apart(stored(*arguments), rounded(*arguments)) < 1e-6
        kv_cache = stored.prefill(conditions(), dtype=torch.float32)
        assert apart(stored(*arguments, kv_cache=kv_cache), rounded(*arguments)) < 1e-6


@pytest.mark.parametrize("dtype", FORMATS)
def test_windows_and_times_per_frame_stay_on_the_device(dtype):
    config = small()
    model = FullDiT(config, device=DEVICE, dtype=dtype)
    part = streams(dtype, frames=5).window([1, 2, 3])
    kv_cache = model.prefill(part, dtype=dtype)
    assert all(is_there(tensor, dtype) for layer in kv_cache.layers for tensor in layer)
    x = torch.empty(1, 16, *GEOMETRY, device=DEVICE, dtype=dtype)
    text = torch.empty(1, 7, config.text_dim, device=DEVICE, dtype=dtype)
    for timestep in (torch.empty(1, device=DEVICE), torch.empty(1, 3, device=DEVICE)):
        assert is_there(model(x, timestep, text, part, kv_cache=kv_cache), dtype)


@pytest.mark.parametrize("dtype", FORMATS)
def test_encoding_and_decoding_stay_on_the_device(dtype):
    vae = VAE(dim=8).to(DEVICE, dtype)
    latents = encode_frames(vae, torch.empty(1, 3, 9, 16, 24))  # frames come from the CPU
    assert is_there(latents, torch.float32) and latents.shape == (1, 16, 3, 2, 3)
    images = torch.cat(list(vae.decode_stream([latents.to(dtype)])), 2)
    assert is_there(images, dtype) and images.shape == (1, 3, 9, 16, 24)


@pytest.mark.parametrize("dtype", FORMATS)
def test_a_training_step_stays_on_the_device(dtype):
    config = small()
    model = FullDiT(config, device=DEVICE, dtype=dtype)
    x = torch.empty(1, 16, *GEOMETRY, device=DEVICE, dtype=dtype)
    text = torch.empty(1, 7, config.text_dim, device=DEVICE, dtype=dtype)
    velocity = model(x, torch.empty(1, device=DEVICE), text, conditions().to(DEVICE, dtype))
    torch.autograd.backward(velocity.float().square().mean())
    gradients = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
    assert {name.partition(".")[0] for name in gradients} >= {"blocks", "tokenizers", "head", "patch_embedding"}
    assert all(grad.is_meta for grad in gradients.values())


def test_a_backend_without_autocast_is_left_in_peace(monkeypatch):
    """DirectML's tensors are on `privateuseone`, about which torch raises where it is asked for autocast."""
    with pytest.raises(RuntimeError):
        torch.is_autocast_enabled("meta")
    meta = torch.device("meta")
    assert autocast_dtype(meta) is None
    with without_autocast(meta):
        pass
    config = small()
    model = FullDiT(config, device=DEVICE)
    x = torch.empty(1, 16, *GEOMETRY, device=DEVICE)
    out = model(x, torch.empty(1, device=DEVICE), torch.empty(1, 7, config.text_dim, device=DEVICE))
    assert out.shape == x.shape


def test_an_xpu_is_found_and_emulated_bfloat16_is_not_chosen(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.xpu, "is_available", lambda: True)
    assert pick_device().type == "xpu"
    asked = []
    for backend in (torch.cuda, torch.xpu):
        monkeypatch.setattr(
            backend, "is_bf16_supported", lambda including_emulation=True: asked.append(1) or including_emulation
        )
    assert pick_dtype("cuda") == pick_dtype("xpu") == torch.float32 and len(asked) == 2


@pytest.mark.parametrize("changes", [{}, {"attention": "full"}, LESS], ids=["decoupled", "full", "less context"])
@pytest.mark.parametrize("inline", [True, False], ids=["conditions inline", "conditions as a cache"])
def test_a_step_compiles_as_one_graph(changes, inline):
    config = small(**changes)
    model = randomized(config)
    given = conditions()
    kv_cache = None if inline else model.prefill(given)
    arguments = (latent(), torch.tensor([500.0]), words(config), given, kv_cache)
    torch.compiler.reset()
    step = torch.compile(model, backend="eager", fullgraph=True)
    with torch.no_grad():
        assert apart(step(*arguments), model(*arguments)) < 1e-5


def test_a_block_and_the_vae_compile_as_one_graph():
    config = small()
    model = randomized(config)
    tokens, e = torch.randn(1, 18, config.dim), torch.randn(1, 1, 6, config.dim)
    rope = model.rope(torch.rand(18, 3), ("some",), "cpu", {})
    torch.compiler.reset()
    block = torch.compile(model.blocks[0], backend="eager", fullgraph=True)
    arguments = (tokens, e, rope, words(config) @ torch.randn(config.text_dim, config.dim), model.attention)
    vae = VAE(dim=8).to(torch.bfloat16)  # in float32 a convolution is three on a CPU, and the graph as much larger
    encode, decode = (torch.compile(part, backend="eager", fullgraph=True) for part in (vae.encode, vae.decode))
    images = torch.rand(1, 3, 5, 16, 24).to(torch.bfloat16)
    with torch.no_grad():
        assert apart(block(*arguments)[0], model.blocks[0](*arguments)[0]) < 1e-5
        latents = vae.encode(images)
        assert apart(encode(images), latents) < 0.02
        assert apart(decode(latents), vae.decode(latents)) < 0.02
