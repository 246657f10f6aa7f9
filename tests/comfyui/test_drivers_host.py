"""Public models stay core's: its loaders, LoRAs, quantization, offloading, step caches, windows and memory estimate."""

from __future__ import annotations

import dataclasses

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
)
from .tiny_models import FakeCLIP, FakeVAE, fp8_scaled, load, model_of, wan_weights, windowed, write_wan

pytestmark = pytest.mark.comfyui

FAMILIES = ("phantom", "bernini-r", "vace", "wan-depth-lora")
ACTS, SAME = 1e-3, 1e-5


def held_for(family, frames=FRAMES, seed=0):
    """Conditions that the family takes."""
    who = [] if family == "wan-depth-lora" else [identity(seed + 1), identity(seed + 2)]
    return conditions(who, depth=seed + 3 if family in ("vace", "wan-depth-lora") else None, frames=frames)


def sampled(model, held, steps=6, **options):
    """The latent of a run by the pack's own sampler."""
    run = module("nodes.drivers.run")
    with torch.inference_mode():
        latent, _ = run.sample(
            model,
            FakeCLIP(),
            FakeVAE(),
            held,
            "a cat",
            "",
            run.SamplingOptions(3, steps=steps, preview=False, **options),
        )
    return latent["samples"]


# ---- context windows -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fuse", ["pyramid", "relative", "overlap-linear", "flat"])
@pytest.mark.parametrize("family", FAMILIES)
def test_identities_reach_every_window(folder, family, fuse):
    """In core's own windows VACE's second one forgets its references; here other images change every latent frame."""
    if family == "wan-depth-lora":
        pytest.skip("it takes no identities")
    frames = 21  # six latent frames, windows of three
    found = []
    for seed in (0, 40):
        held = conditions([identity(seed + 1, name="one"), identity(seed + 2, name="two")], frames=frames)
        plan = plan_of(windowed(model_of(folder, family), fuse), held).plan
        found.append(predict(plan)[0])
    lead = plan.trim
    assert found[0].shape[2] == lead + 6
    change = (found[0] - found[1]).abs().amax((0, 1, 3, 4)) / found[1].abs().max()
    assert change[lead:].min() > 1e-4, change


def test_cores_own_windows_forget_vaces_references(folder):
    """What is mended above, so that the day core mends it this can go."""
    frames, found = 21, []
    for seed in (0, 40):
        plan = plan_of(model_of(folder, "vace"), conditions([identity(seed + 1, name="one")], frames=frames)).plan
        found.append(predict(dataclasses.replace(plan, model=windowed(plan.model)))[0])
    change = (found[0] - found[1]).abs().amax((0, 1, 3, 4))
    assert change[1] > 0 and (change[4:] == 0).all()


def test_windows_see_the_slot_and_their_own_depth(folder, monkeypatch):
    """Each window is the reference slot and its own frames: of the noise and of what controls them."""
    seen = []
    model = windowed(model_of(folder, "vace"))
    network = model.model.diffusion_model
    real = network.forward

    def watch(x, *rest, vace_context=None, **more):
        seen.append((x.clone(), vace_context.clone()))
        return real(x, *rest, vace_context=vace_context, **more)

    monkeypatch.setattr(network, "forward", watch)
    plan = plan_of(model, held_for("vace", frames=21), scales={"text": 1.0}).plan
    noise = noise_for(plan)
    predict(plan, noise, sigmas=(1.0,))
    whole = plan.passes["p"][0][1]["vace_frames"][0]
    starts = [[0, *range(1 + start, 4 + start)] for start in (0, 2, 3)]
    assert len(seen) == len(starts)
    frames = model.model.process_latent_in(whole[:, :16])
    for (x, context), indices in zip(seen, starts, strict=True):
        assert torch.equal(x, noise[:, :, indices])
        torch.testing.assert_close(context[:, 0, :16], frames[:, :, indices])


def test_one_window_over_everything_is_no_window(folder):
    plain = plan_of(model_of(folder, "vace"), held_for("vace")).plan
    wide = plan_of(windowed(model_of(folder, "vace"), length=FRAMES), held_for("vace")).plan
    assert torch.equal(predict(plain)[0], predict(wide)[0])


def test_windows_of_other_packs_are_refused_with_references(folder):
    from comfy.context_windows import IndexListContextHandler

    class Other(IndexListContextHandler):
        pass

    model = windowed(model_of(folder, "vace"))
    other = Other.__new__(Other)
    other.__dict__.update(model.model_options["context_handler"].__dict__)
    model.model_options["context_handler"] = other
    with pytest.raises(module("control.errors").UserError, match="Other, which would forget the reference"):
        plan_of(model, held_for("vace"))
    plan_of(model, conditions(depth=1))  # without references there is nothing to forget


# ---- LoRA, quantization, offloading, caches --------------------------------------------------------------------------


@pytest.mark.parametrize("family", FAMILIES)
def test_a_lora_changes_the_video_and_leaves_no_trace(folder, family):
    import comfy.sd

    numbers = torch.Generator().manual_seed(1)
    lora = {
        "diffusion_model.blocks.1.self_attn.v.lora_A.weight": torch.randn(4, 256, generator=numbers),
        "diffusion_model.blocks.1.self_attn.v.lora_B.weight": torch.randn(256, 4, generator=numbers),
    }
    model = model_of(folder, family)
    held = held_for(family)
    plain = sampled(model, held, 2)
    with_lora = comfy.sd.load_lora_for_models(model, None, lora, 1.0, 0.0)[0]
    assert difference(sampled(with_lora, held, 2), plain) > ACTS
    assert difference(sampled(model, held, 2), plain) < SAME


@pytest.mark.parametrize("family", FAMILIES)
def test_easycache_skips_passes(folder, family, monkeypatch):
    from comfy_extras.nodes_easycache import EasyCacheNode

    model = model_of(folder, family)
    network = model.model.diffusion_model
    passes = []
    real = type(network)._forward
    monkeypatch.setattr(type(network), "_forward", lambda self, *a, **k: passes.append(1) or real(self, *a, **k))
    sampled(model, held_for(family), 12)
    full = len(passes)
    passes.clear()
    out = sampled(EasyCacheNode.execute(model, 0.9, 0.0, 1.0, False).args[0], held_for(family), 12)
    assert 0 < len(passes) < full and torch.isfinite(out).all()


@pytest.mark.parametrize("family", ["phantom", "bernini-r", "vace"])
def test_fp8_scaled_files_are_driven(folder, family, tmp_path):
    """Close to the full weights, and conditions act."""
    kind = "vace" if family == "vace" else "t2v"
    path = tmp_path / "scaled.safetensors"
    save_file(fp8_scaled(wan_weights(kind)), path)
    with torch.inference_mode():  # as the host runs every node
        model = load(path, None if kind == "vace" else family)
    found = predict(plan_of(model, held_for(family)).plan)[0]
    exact = predict(plan_of(model_of(folder, family), held_for(family)).plan)[0]
    assert 1e-6 < difference(found, exact) < 0.25
    other = predict(plan_of(model, held_for(family, seed=20)).plan)[0]
    assert difference(other, found) > ACTS


@pytest.mark.parametrize("family", ["phantom", "bernini-r", "vace"])
def test_the_call_of_the_gguf_loader_gives_a_driven_model(folder, family):
    """City96's pack hands core a state dict and operations of its own: no file is known, so the class tells."""
    import comfy.ops
    import comfy.sd

    class Operations(comfy.ops.manual_cast):
        pass

    kind = "vace" if family == "vace" else "t2v"
    model = comfy.sd.load_diffusion_model_state_dict(wan_weights(kind), model_options={"custom_operations": Operations})
    if kind == "t2v":
        with pytest.raises(module("control.errors").UserError, match="Model Family"):
            plan_of(model, held_for(family))
        model = module("nodes.bridge.families").choose_family(model, family)
    exact = predict(plan_of(model_of(folder, family), held_for(family)).plan)[0]
    assert difference(predict(plan_of(model, held_for(family)).plan)[0], exact) < SAME


@pytest.mark.parametrize("family", FAMILIES)
def test_partly_offloaded_weights_give_the_same_video(folder, family, monkeypatch):
    """The way of --lowvram: most layers stay offloaded and are cast, LoRAs included, when they are used."""
    import comfy.model_patcher

    exact = predict(plan_of(model_of(folder, family), held_for(family)).plan)[0]
    model = model_of(folder, family)
    plan = plan_of(model, held_for(family)).plan
    counted = []
    real = comfy.model_patcher.ModelPatcher.load

    def little(self, device_to=None, lowvram_model_memory=0, *rest, **more):
        real(self, device_to, 200_000, *rest, **{**more, "full_load": False})
        counted.append(self.model.model_lowvram)

    monkeypatch.setattr(comfy.model_patcher.ModelPatcher, "load", little)
    found = predict(plan)[0]
    assert counted and counted[0] is True
    assert difference(found, exact) < SAME


# ---- memory ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("family", "frames"), [("phantom", 2), ("bernini-r", 2)])
def test_reference_tokens_count_in_cores_estimate(folder, family, frames):
    """Two references are two more latent frames (Bernini's have their own sizes)."""
    from comfy.sampler_helpers import convert_cond, estimate_memory

    model = model_of(folder, family)
    plan = plan_of(model, held_for(family)).plan
    shape = list(plan.latent["samples"].shape)
    needed = []
    for name in ("i", "u") if family == "phantom" else ("nI", "n0"):
        conds = {"positive": convert_cond(plan.passes[name])}
        needed.append(estimate_memory(plan.model, shape, conds)[1])
    tokens = plan_of(model, held_for(family)).taken.driver.tokens(
        held_for(family), module("nodes.drivers.registry").facts_of(model)
    )
    video = LATENT[0] * (LATENT[1] // 2) * (LATENT[2] // 2)
    base = estimate_memory(plan.model, shape, {"positive": []})[1]
    assert needed[0] / base == pytest.approx((video + tokens["identity"]) / video, rel=1e-6)
    if family == "bernini-r":
        assert needed[1] == base
    again = module("nodes.bridge.memory")
    again.count_references(model.model)  # once only
    assert (
        estimate_memory(
            plan.model, shape, {"positive": convert_cond(plan.passes["i" if family == "phantom" else "nI"])}
        )[1]
        == needed[0]
    )


# ---- what a MODEL is -------------------------------------------------------------------------------------------------


def test_the_familys_of_cores_loader_are_told_by_the_file(folder, tmp_path):
    families = module("nodes.bridge.families")
    assert families.family_of(model_of(folder, "vace"))[0].id == "vace"
    with pytest.raises(module("control.errors").UserError, match="plain Wan|Phantom|Bernini"):
        families.family_of(load(folder / "plain.safetensors"))
    named = write_wan(tmp_path / "Phantom-Wan-1_3B_fp16.safetensors")
    family, sentence = families.family_of(load(named))
    assert family.id == "phantom" and "name" in sentence


def test_a_choice_that_the_file_rules_out_is_refused(folder):
    with pytest.raises(module("control.errors").UserError, match="said to be Phantom, but its file is VACE"):
        load(folder / "vace.safetensors", "phantom")


def test_checkpoints_that_core_takes_for_plain_wan_are_refused_by_name(host, tmp_path):
    """LingBot-World through core's loader and through a state dict, as GGUF files come."""
    import comfy.sd

    module("nodes.bridge.tags").register_tags()
    state = wan_weights()
    state["patch_embedding_wancamctrl.weight"] = torch.zeros(256, 1536)
    path = tmp_path / "renamed.safetensors"
    save_file(state, path)
    for model in (load(path), comfy.sd.load_diffusion_model_state_dict(dict(state))):
        with pytest.raises(module("control.errors").UserError, match="LingBot-World"):
            plan_of(model, conditions())
        assert type(model.model).__name__ == "WAN21"  # still core's, for everything else


def test_load_video_model_reads_diffusers_layout_and_parts(folder, tmp_path):
    loader = module("nodes.bridge.video_models")
    state = module("models.weights.key_maps").to_diffusers(wan_weights())
    names = sorted(state)
    half = len(names) // 2
    for index, part in enumerate((names[:half], names[half:]), 1):
        save_file({name: state[name] for name in part}, tmp_path / f"model-{index:05d}-of-00002.safetensors")
    model = loader.load_video_model(str(tmp_path / "model-00001-of-00002.safetensors"), "phantom")
    exact = predict(plan_of(model_of(folder, "phantom"), held_for("phantom")).plan)[0]
    assert difference(predict(plan_of(model, held_for("phantom")).plan)[0], exact) < SAME
    factory, arguments = model.cached_patcher_init
    assert factory(*arguments, disable_dynamic=True) is not None
    text = loader.about(model)
    assert "Phantom" in text and "umt5" in text and "wan_2.1_vae" in text
    (tmp_path / "model-00002-of-00002.safetensors").unlink()
    with pytest.raises(module("control.errors").UserError, match="00002-of-00002"):
        loader.load_video_model(str(tmp_path / "model-00001-of-00002.safetensors"))


def test_load_video_model_refuses_before_it_loads(host, tmp_path):
    loader = module("nodes.bridge.video_models")
    error = module("control.errors").UserError
    whole = write_wan(tmp_path / "whole.safetensors").read_bytes()
    cut = tmp_path / "cut.safetensors"
    cut.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(error, match="cut short"):
        loader.load_video_model(str(cut))
    other = tmp_path / "other.safetensors"
    save_file({"input_blocks.0.0.weight": torch.zeros(320, 4, 3, 3)}, other)
    with pytest.raises(error, match="docs/models.md"):
        loader.load_video_model(str(other))
    i2v = wan_weights()
    i2v["patch_embedding.weight"] = torch.zeros(256, 36, 1, 2, 2)
    i2v["img_emb.proj.0.bias"] = torch.zeros(1280)
    path = tmp_path / "i2v.safetensors"
    save_file(i2v, path)
    with pytest.raises(error, match="image-to-video|I2V"):
        loader.load_video_model(str(path))
