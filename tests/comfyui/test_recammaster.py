"""ReCamMaster in core's own classes: its formula, and that it stays core's for LoRA, fp8, offloading and windows."""

from __future__ import annotations

import math

import pytest
import torch
from safetensors.torch import save_file

from .driver_cases import (
    FRAMES,
    LATENT,
    conditions,
    difference,
    identity,
    module,
    noise_for,
    plan_of,
    predict,
    predict_alone,
)
from .tiny_models import FakeCLIP, FakeVAE, camera_layers, fp8_scaled, load, wan_weights, windowed

pytestmark = pytest.mark.comfyui

ACTS, SAME = 1e-3, 1e-5


def camera_weights():
    """The weights of a tiny ReCamMaster."""
    return {**wan_weights(), **camera_layers()}


@pytest.fixture(scope="module")
def path(host, tmp_path_factory):
    torch.set_num_threads(1)
    module("nodes.bridge.camera_wan").register_camera_wan()
    file = tmp_path_factory.mktemp("camera") / "any_name.safetensors"
    save_file(camera_weights(), file)
    return file


@pytest.fixture(scope="module")
def model(path):
    return load(path)


def test_cores_own_loader_gives_the_camera_layers(model):
    assert module("nodes.bridge.families").family_of(model)[0].id == "recammaster"
    names = model.model.diffusion_model.state_dict().keys()
    assert set(camera_weights()) == set(names)
    import comfy.sd

    bare = comfy.sd.load_diffusion_model_state_dict(camera_weights())  # as GGUF loaders call it
    assert module("nodes.bridge.families").family_of(bare)[0].id == "recammaster"
    plain = comfy.sd.load_diffusion_model_state_dict(wan_weights())
    assert type(plain.model).__name__ == "WAN21"


# ---- the formula, written again in float64 ---------------------------------------------------------------------------


def rope(tokens: torch.Tensor, grid: tuple[int, int, int]) -> torch.Tensor:
    """Rotate (B, L, heads, 128) by time, row and column: 44, 42 and 42 numbers of each head."""
    ids = torch.stack(torch.meshgrid(*(torch.arange(n, dtype=torch.float64) for n in grid), indexing="ij"), -1)
    angles = []
    for axis, width in enumerate((44, 42, 42)):
        rates = 10000.0 ** (-torch.arange(0, width, 2, dtype=torch.float64) / width)
        angles.append(ids.reshape(-1, 3)[:, axis, None] * rates)
    turn = torch.polar(torch.ones(()).double(), torch.cat(angles, 1))[None, :, None]
    pairs = torch.view_as_complex(tokens.reshape(*tokens.shape[:-1], -1, 2))
    return torch.view_as_real(pairs * turn).flatten(-2)


def camera_formula(state, x, source, t, text, poses):
    """One pass: the velocity (1, C, T, h, w) of x (1, C, T, h, w) at 1000 t, in float64. source, poses: or None, which
    leaves them out with their layers."""
    w = {name: value.double() for name, value in state.items()}

    def linear(name, value):
        return value @ w[f"{name}.weight"].T + w[f"{name}.bias"]

    def norm(value):
        return torch.nn.functional.layer_norm(value, value.shape[-1:], eps=1e-6)

    def rms(name, value):
        return value * torch.rsqrt(value.pow(2).mean(-1, keepdim=True) + 1e-6) * w[f"{name}.weight"]

    def heads(value):
        return value.unflatten(-1, (2, 128))

    def attend(q, k, v):
        scores = torch.einsum("blhd,bmhd->bhlm", q, k) / math.sqrt(128)
        return torch.einsum("bhlm,bmhd->blhd", scores.softmax(-1), v).flatten(2)

    joined = (x if source is None else torch.cat([x, source], 2)).double()
    channels, copies = x.shape[1], joined.shape[2] // x.shape[2]
    frames, rows, columns = joined.shape[2], joined.shape[3] // 2, joined.shape[4] // 2
    cut = joined.reshape(1, channels, frames, rows, 2, columns, 2).permute(0, 2, 3, 5, 1, 4, 6).flatten(4).flatten(1, 3)
    tokens = cut @ w["patch_embedding.weight"].reshape(256, -1).T + w["patch_embedding.bias"]
    rates = 10000.0 ** (-torch.arange(128, dtype=torch.float64) / 128)
    angles = t.double()[:, None] * rates
    e = torch.cat([angles.cos(), angles.sin()], 1)
    e = linear("time_embedding.2", torch.nn.functional.silu(linear("time_embedding.0", e)))
    e6 = linear("time_projection.1", torch.nn.functional.silu(e)).unflatten(1, (6, 256))
    words = linear("text_embedding.0", text.double())
    words = linear("text_embedding.2", torch.nn.functional.gelu(words, approximate="tanh"))
    for block in range(4):
        b = f"blocks.{block}"
        shift, scale, gate, shift2, scale2, gate2 = (w[f"{b}.modulation"] + e6).unbind(1)
        h = norm(tokens) * (1 + scale) + shift
        with_camera = poses is not None and f"{b}.cam_encoder.weight" in w
        if with_camera:
            camera = linear(f"{b}.cam_encoder", poses[0, :, :, 0, 0].T.double())  # (T, d)
            h = h + camera.repeat(copies, 1).repeat_interleave(rows * columns, 0)[None]
        q, k = (rms(f"{b}.self_attn.norm_{n}", linear(f"{b}.self_attn.{n}", h)) for n in "qk")
        grid = (frames, rows, columns)
        y = attend(rope(heads(q), grid), rope(heads(k), grid), heads(linear(f"{b}.self_attn.v", h)))
        y = linear(f"{b}.self_attn.o", y)
        tokens = tokens + gate * (linear(f"{b}.projector", y) if with_camera else y)
        asked = torch.nn.functional.layer_norm(tokens, (256,), w[f"{b}.norm3.weight"], w[f"{b}.norm3.bias"], 1e-6)
        q = rms(f"{b}.cross_attn.norm_q", linear(f"{b}.cross_attn.q", asked))
        k = rms(f"{b}.cross_attn.norm_k", linear(f"{b}.cross_attn.k", words))
        y = attend(heads(q), heads(k), heads(linear(f"{b}.cross_attn.v", words)))
        tokens = tokens + linear(f"{b}.cross_attn.o", y)
        h = norm(tokens) * (1 + scale2) + shift2
        h = torch.nn.functional.gelu(linear(f"{b}.ffn.0", h), approximate="tanh")
        tokens = tokens + gate2 * linear(f"{b}.ffn.2", h)
    shift, scale = (w["head.modulation"] + e[:, None]).unbind(1)
    out = linear("head.head", norm(tokens) * (1 + scale) + shift)
    out = out.reshape(1, frames, rows, columns, 2, 2, channels).permute(0, 6, 1, 2, 4, 3, 5)
    return out.reshape(1, channels, frames, rows * 2, columns * 2)[:, :, : x.shape[2]]


@torch.inference_mode()
def test_a_pass_is_the_authors_formula(model):
    numbers = torch.Generator().manual_seed(2)
    x, source = (torch.randn(1, 16, *LATENT, generator=numbers) for _ in range(2))
    text, poses = torch.randn(1, 7, 4096, generator=numbers), torch.randn(1, 12, LATENT[0], 1, 1, generator=numbers)
    t = torch.tensor([730.0])
    key = module("nodes.bridge.camera_wan").POSES
    found = model.model.diffusion_model(x, t, text, time_dim_concat=source, transformer_options={}, **{key: poses})
    expected = camera_formula(camera_weights(), x, source, t, text, poses)
    assert difference(found.double(), expected) < SAME
    other = camera_formula(camera_weights(), x, source, t, text, torch.zeros_like(poses))
    assert difference(expected, other) > 0.05  # the camera is no rounding


# ---- poses -----------------------------------------------------------------------------------------------------------


def test_poses_are_those_of_every_fourth_frame_in_meters(model):
    """A camera that goes 2 m to the right and turns to the left, read row by row."""
    trajectories = module("control.camera.trajectory")
    import numpy as np

    angles = np.radians(np.linspace(0, 40, FRAMES))
    c2w = np.zeros((FRAMES, 3, 4))
    c2w[:, 0, 0] = c2w[:, 2, 2] = np.cos(angles)
    c2w[:, 0, 2], c2w[:, 2, 0] = -np.sin(angles), np.sin(angles)
    c2w[:, 1, 1] = 1
    c2w[:, 0, 3] = np.linspace(0, 2, FRAMES)
    lens = np.tile([1.0, 1.5, 0.5, 0.5], (FRAMES, 1))
    meter = module("control.camera.formats.format").METER
    path = trajectories.CameraTrajectory(c2w, lens, fps=15, unit=meter)
    numbers = module("nodes.drivers.recammaster").pose_numbers(path, FRAMES, module("models.geometry").WAN_2_1)
    assert numbers.shape == (1, 12, LATENT[0], 1, 1)
    last = numbers[0, :, -1, 0, 0]
    assert last[3] == pytest.approx(2.0) and last[0] == pytest.approx(math.cos(angles[-1]))
    assert last[2] == pytest.approx(-math.sin(angles[-1])) and last[8] == pytest.approx(math.sin(angles[-1]))
    torch.testing.assert_close(numbers[0, :, 0, 0, 0], torch.eye(3, 4).flatten())
    assert numbers[0, 3, 1, 0, 0] == pytest.approx(1.0)  # frame 4 of 9 frames
    subjects = trajectories.CameraTrajectory(c2w, lens, fps=15)
    in_meters = module("nodes.drivers.recammaster").pose_numbers(subjects, FRAMES, module("models.geometry").WAN_2_1)
    assert in_meters[0, 3, -1, 0, 0] == pytest.approx(6.0)  # a subject distance counts as 3 m


def held(seed=1, frames=FRAMES):
    return conditions(source=seed, camera=True, frames=frames)


def test_the_camera_and_the_source_act(model):
    first = predict(plan_of(model, held()).plan)[0]
    assert difference(predict(plan_of(model, held(seed=5)).plan)[0], first) > ACTS
    still = held()
    camera = module("control.conditions").CameraCondition(
        trajectory=module("control.camera.presets").preset("static", frames=FRAMES)
    )
    still = type(still)(still.video, (camera, *(item for item in still.items if item.name == "source")))
    assert difference(predict(plan_of(model, still).plan)[0], first) > ACTS
    assert "counts as 3 m" in str(plan_of(model, held()).taken.notes[0])


@pytest.mark.parametrize(
    ("unit", "said"), [("metre", None), ("an unknown", "a unit of the path, whose length is not known, counts as 3 m")]
)
def test_a_path_of_another_unit_is_said(model, unit, said):
    one = held()
    camera = one.items[0]
    camera = type(camera)(trajectory=camera.trajectory.replace(unit=unit))
    notes = plan_of(model, type(one)(one.video, (camera, *one.items[1:]))).taken.notes
    assert ("counts as" in str(notes[0])) == (said is not None) and (said or "") in str(notes[0])


def test_what_it_cannot_take_or_lacks_is_said(model):
    error = module("control.errors").UserError
    with pytest.raises(error, match="there is none"):
        plan_of(model, conditions(camera=True))
    with pytest.raises(error, match="there is none"):
        plan_of(model, conditions(source=1))
    with pytest.raises(error, match="needs both"):
        plan_of(model, conditions())
    with pytest.raises(error, match="ReCamMaster cannot take all"):
        plan_of(model, conditions([identity(1)], source=1, camera=True))


# ---- it stays core's -------------------------------------------------------------------------------------------------


def test_a_batch_of_two_is_two_runs(model):
    plan = plan_of(model, held()).plan
    both = noise_for(plan, batch=2)
    together = predict(plan, both)[0]
    for index in range(2):
        assert difference(together[index : index + 1], predict(plan, both[index : index + 1])[0]) < SAME


def test_loras_reach_the_camera_layers(model):
    import comfy.sd

    numbers = torch.Generator().manual_seed(1)
    lora = {}
    for layer, width in (("cam_encoder", 12), ("projector", 256), ("self_attn.q", 256)):
        lora[f"diffusion_model.blocks.1.{layer}.lora_A.weight"] = torch.randn(4, width, generator=numbers) * 0.3
        lora[f"diffusion_model.blocks.1.{layer}.lora_B.weight"] = torch.randn(256, 4, generator=numbers) * 0.3
    plain = predict(plan_of(model, held()).plan)[0]
    changed = comfy.sd.load_lora_for_models(model, None, lora, 1.0, 0.0)[0]
    assert len(changed.patches) == 3
    assert difference(predict(plan_of(changed, held()).plan)[0], plain) > ACTS
    assert difference(predict(plan_of(model, held()).plan)[0], plain) < SAME


def test_fp8_files_keep_the_camera_layers_in_fp8(path, model, tmp_path):
    file = tmp_path / "scaled.safetensors"
    save_file(fp8_scaled(camera_weights()), file)
    with torch.inference_mode():
        scaled = load(file)
    found = predict(plan_of(scaled, held()).plan)[0]
    assert 1e-6 < difference(found, predict(plan_of(model, held()).plan)[0]) < 0.25


def test_partly_offloaded_weights_give_the_same_video(path, model, monkeypatch):
    import comfy.model_patcher

    exact = predict(plan_of(model, held()).plan)[0]
    fresh = load(path)
    plan = plan_of(fresh, held()).plan
    real = comfy.model_patcher.ModelPatcher.load
    monkeypatch.setattr(
        comfy.model_patcher.ModelPatcher,
        "load",
        lambda self, device_to=None, lowvram_model_memory=0, *rest, **more: real(
            self, device_to, 200_000, *rest, **{**more, "full_load": False}
        ),
    )
    assert difference(predict(plan)[0], exact) < SAME and fresh.model.model_lowvram


def test_windows_slice_video_source_and_poses_alike(path, monkeypatch):
    seen = []
    fresh = windowed(load(path))
    key = module("nodes.bridge.camera_wan").POSES
    network = fresh.model.diffusion_model
    real = network.forward

    def watch(x, *rest, **more):
        seen.append((x.clone(), more["time_dim_concat"].clone(), more[key].clone()))
        return real(x, *rest, **more)

    monkeypatch.setattr(network, "forward", watch)
    plan = plan_of(fresh, held(frames=21), scales={"text": 1.0}).plan
    noise = noise_for(plan)
    predict(plan, noise, sigmas=(1.0,))
    options = plan.passes["p"][0][1]
    source = fresh.model.process_latent_in(options["time_dim_concat"])
    assert len(seen) == 3
    for (x, part, poses), start in zip(seen, (0, 2, 3), strict=True):
        assert torch.equal(x, noise[:, :, start : start + 3])
        torch.testing.assert_close(part, source[:, :, start : start + 3])
        assert torch.equal(poses, options[key][:, :, start : start + 3])


def test_easycache_skips_and_the_factory_makes_an_equal_copy(path, model, monkeypatch):
    from comfy_extras.nodes_easycache import EasyCacheNode

    run = module("nodes.drivers.run")
    passes = []
    network = type(model.model.diffusion_model)
    real = network._forward
    monkeypatch.setattr(network, "_forward", lambda self, *a, **k: passes.append(1) or real(self, *a, **k))
    options = run.SamplingOptions(3, steps=12, preview=False)
    with torch.inference_mode():
        run.sample(model, FakeCLIP(), FakeVAE(), held(), "a", "", options)
        full = len(passes)
        cached = EasyCacheNode.execute(model, 0.9, 0.0, 1.0, False).args[0]
        latent, report = run.sample(cached, FakeCLIP(), FakeVAE(), held(), "a", "", options)
    assert len(passes) < 2 * full and latent["samples"].shape == (1, 16, *LATENT) and "ReCamMaster" in report
    factory, arguments = model.cached_patcher_init
    copy = factory(*arguments, disable_dynamic=True)
    plan = plan_of(model, held()).plan
    noise = noise_for(plan)
    assert torch.equal(
        predict_alone(model, plan.passes["p"], noise)[0], predict_alone(copy, plan.passes["p"], noise)[0]
    )
