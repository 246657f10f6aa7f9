"""Two networks in one run: the same as core's split where the solver has no history, and better where it has one."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from .driver_cases import conditions, difference, identity, module, noise_for, plan_of, predict_alone
from .tiny_models import FakeCLIP, FakeVAE, load, windowed, write_wan

pytestmark = pytest.mark.comfyui

STEPS, BOUNDARY, SAME = 8, 0.875, 1e-5


@pytest.fixture(scope="module")
def files(host, tmp_path_factory):
    """Two networks under the names of a pair."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("pair")
    names = ("wan2.2_bernini_r_high_noise_x.safetensors", "wan2.2_bernini_r_low_noise_x.safetensors")
    return [write_wan(folder / name, seed=seed) for seed, name in enumerate(names)]


def pair(files, family="bernini-r", boundary=BOUNDARY, **changed):
    """A paired MODEL, and its two halves."""
    high, low = (changed.get(name) or load(file, family) for name, file in zip(("high", "low"), files, strict=True))
    node = module("nodes.pair_experts").FullDiTPairExperts
    return node.execute(high, low, boundary).args[0], high, low


def sampled(model, held, sampler, steps=STEPS, **options):
    """The latent and the report of the FullDiT Sampler."""
    run = module("nodes.drivers.run")
    options = run.SamplingOptions(3, steps=steps, sampler_name=sampler, scheduler="simple", preview=False, **options)
    with torch.inference_mode():
        latent, report = run.sample(model, FakeCLIP(), FakeVAE(), held, "a cat", "blurry", options)
    return latent["samples"], report


def solver_run(plan, predict, sampler, sigmas, noise):
    """One uninterrupted run of core's solver over any prediction (x, sigma) -> clean latent."""
    import comfy.samplers

    class Guider(comfy.samplers.CFGGuider):
        def predict_noise(self, x, timestep, model_options=None, seed=None):
            return predict(x, timestep)

    guider = Guider(plan.model)
    guider.set_conds(plan.passes[plan.stock[0]], plan.passes[plan.stock[1]])
    with torch.inference_mode():
        return guider.sample(
            noise, torch.zeros_like(noise), comfy.samplers.sampler_object(sampler), sigmas, disable_pbar=True, seed=3
        )


@pytest.mark.parametrize("sampler", ["euler", "res_multistep", "uni_pc", "dpmpp_2m", "heun"])
def test_a_run_is_one_solver_over_a_model_that_switches_inside(files, sampler):
    """The networks asked one by one, each pass by core's own guider, with the authors' 0.8 below the boundary."""
    import comfy.sample

    model, high, low = pair(files)
    held = conditions([identity(1)], source=2)
    found, report = sampled(model, held, sampler)
    plans = [plan_of(half, held).plan for half in (high, low)]
    sigmas = module("nodes.bridge.sampling").sigmas_of(
        plans[0].model, STEPS, module("nodes.bridge.sampling").SamplingSettings(3, STEPS, sampler, "simple")
    )
    assert (sigmas[:-1] >= BOUNDARY).sum() in range(1, STEPS)  # both take part
    noise = comfy.sample.prepare_noise(plans[0].latent["samples"], 3)

    def predict(x, sigma):
        first = float(sigma[0]) >= BOUNDARY
        plan, factor = plans[0 if first else 1], 1.0 if first else 0.8
        alone = {name: one_prediction(plan.model, conditioning, x, sigma) for name, conditioning in plan.passes.items()}
        result = alone["n0"]
        for scale, plus, minus in ((1.25, "nV", "n0"), (4.5, "nVI", "nV"), (4.0, "pVI", "nVI")):
            result = result + factor * scale * (alone[plus] - alone[minus])
        return result

    expected = solver_run(plans[0], predict, sampler, sigmas, noise)
    assert difference(found, expected) < 1e-4
    assert "times 0.8" in report and "Pair Experts" not in report


def one_prediction(model, conditioning, x, sigma):
    """A pass at a sigma, for an x that is already noisy."""
    import comfy.samplers

    class Raw:
        def sample(self, guider, sigmas, extra_args, callback, noise, *rest):
            self.output = guider(x, sigma, **extra_args)
            return self.output

    guider, raw = comfy.samplers.CFGGuider(model), Raw()
    guider.set_conds(conditioning, conditioning)
    guider.set_cfg(1.0)
    guider.sample(x, torch.zeros_like(x), raw, torch.tensor([float(sigma[0]), 0.0]), disable_pbar=True, seed=0)
    return raw.output


def split_by_core(plans, sampler, sigmas, noise, scales):
    """Core's way: a sampler for each network, the second from where the first stopped."""
    import comfy.samplers

    cut = int((sigmas[:-1] >= BOUNDARY).sum())
    latent = torch.zeros_like(noise)
    for plan, part, scale in zip(plans, (sigmas[: cut + 1], sigmas[cut:]), scales, strict=True):
        guider = comfy.samplers.CFGGuider(plan.model)
        guider.set_conds(plan.passes["p"], plan.passes["n"])
        guider.set_cfg(scale)
        with torch.inference_mode():
            latent = guider.sample(
                noise, latent, comfy.samplers.sampler_object(sampler), part, disable_pbar=True, seed=3
            )
        noise = torch.zeros_like(noise)
    return latent


@pytest.mark.parametrize(("sampler", "low", "high"), [("euler", 0.0, 1e-5), ("res_multistep", 1e-3, 1.0)])
def test_cores_split_is_the_same_only_without_a_history(files, sampler, low, high):
    """Plain Wan 2.2: with euler equal; with a multistep solver core's split is another video, since it starts anew."""
    import comfy.sample

    model, first, second = pair(files, "wan-t2v")
    held = conditions()
    found, _ = sampled(model, held, sampler)
    facts = module("nodes.drivers.registry").facts_of(model)
    settings = facts.variant.settings
    plans = [plan_of(half, held).plan for half in (first, second)]
    common = module("nodes.drivers.common")
    plans = [
        dataclasses.replace(plan, model=common.ready_model(half, settings))
        for plan, half in zip(plans, (first, second), strict=True)
    ]
    sigmas = module("nodes.bridge.sampling").sigmas_of(
        plans[0].model, STEPS, module("nodes.bridge.sampling").SamplingSettings(3, STEPS, sampler, "simple")
    )
    noise = comfy.sample.prepare_noise(plans[0].latent["samples"], 3)
    scales = (settings.scales["text"], settings.scales["text"] * settings.low_noise_factor)
    assert low <= difference(split_by_core(plans, sampler, sigmas, noise, scales), found) < high


def test_conditions_act_in_both_networks(files):
    model, high, low = pair(files)
    first, _ = sampled(model, conditions([identity(1)]), "euler")
    assert difference(sampled(model, conditions([identity(9, name="thing1")]), "euler")[0], first) > 1e-3
    assert difference(sampled(model, conditions([identity(1)]), "euler", scales={"identity": 1.0})[0], first) > 1e-3
    # Neither network alone is the pair.
    assert all(difference(sampled(half, conditions([identity(1)]), "euler")[0], first) > 1e-3 for half in (high, low))


def test_a_lora_on_the_low_noise_model_acts_and_windows_run(files):
    import comfy.sd

    numbers = torch.Generator().manual_seed(1)
    lora = {
        "diffusion_model.blocks.1.self_attn.v.lora_A.weight": torch.randn(4, 256, generator=numbers),
        "diffusion_model.blocks.1.self_attn.v.lora_B.weight": torch.randn(256, 4, generator=numbers),
    }
    held = conditions([identity(1)])
    plain, _ = sampled(pair(files)[0], held, "euler")
    changed = comfy.sd.load_lora_for_models(load(files[1], "bernini-r"), None, lora, 1.0, 0.0)[0]
    assert difference(sampled(pair(files, low=changed)[0], held, "euler")[0], plain) > 1e-3
    long = conditions([identity(1)], frames=21)
    both = [windowed(load(file, "bernini-r")) for file in files]
    latent, _ = sampled(pair(files, high=both[0], low=both[1])[0], long, "euler", steps=4)
    assert latent.shape[2] == 6 and torch.isfinite(latent).all()


def test_a_step_cache_on_the_low_noise_model_does_not_act_and_on_the_high_noise_one_it_does(files, caplog):
    from comfy_extras.nodes_easycache import EasyCacheNode

    held = conditions([identity(1)])
    plain, _ = sampled(pair(files)[0], held, "euler")
    cached = EasyCacheNode.execute(load(files[1], "bernini-r"), 0.9, 0.0, 1.0, False).args[0]
    with caplog.at_level("WARNING"):
        found, _ = sampled(pair(files, low=cached)[0], held, "euler")
    assert difference(found, plain) < SAME and "does not act" in caplog.text
    high = EasyCacheNode.execute(load(files[0], "bernini-r"), 0.9, 0.0, 1.0, False).args[0]
    assert torch.isfinite(sampled(pair(files, high=high)[0], held, "euler")[0]).all()


def test_nothing_is_left_behind(files):
    """After a run, and after one that was cut off, both halves sample as before."""
    model, high, low = pair(files)
    held = conditions([identity(1)])
    plan = plan_of(low, held).plan
    noise = noise_for(plan)
    before = predict_alone(low, plan.passes[plan.stock[0]], noise)[0]
    first, _ = sampled(model, held, "euler")

    class Stopped(Exception):
        pass

    network = low.model.diffusion_model
    real, calls = network.forward, []

    def broken(*args, **kwargs):
        calls.append(1)
        raise Stopped

    network.forward = broken
    with pytest.raises(Stopped):
        sampled(model, held, "euler")
    network.forward = real
    assert calls
    assert torch.equal(predict_alone(low, plan.passes[plan.stock[0]], noise)[0], before)
    assert difference(sampled(model, held, "euler")[0], first) < 1e-6


def test_what_is_no_pair_is_refused(files, tmp_path):
    error = module("control.errors").UserError
    high, low = (load(file, "bernini-r") for file in files)
    with pytest.raises(error, match="exchanged"):
        pair(files, high=low, low=high)
    with pytest.raises(error, match="Both MODELs are"):
        pair(files, high=high, low=load(files[0], "bernini-r"))
    with pytest.raises(error, match="Bernini-R.*Wan T2V"):
        pair(files, low=load(files[1], "wan-t2v"))
    vace = load(write_wan(tmp_path / "vace.safetensors", "vace"))
    other = load(write_wan(tmp_path / "vace2.safetensors", "vace", seed=1))
    with pytest.raises(error, match="one network, not a pair"):
        pair(files, high=vace, low=other)
    registry = module("nodes.drivers.registry")
    facts = registry.facts_of(high)
    large = dataclasses.replace(facts, variant=facts.family.variant(5120))
    lines = registry.driver_of(facts).warnings(high, conditions(), large)
    assert any("Bernini-R A14B is two networks" in line and "Pair Experts" in line for line in lines)
    lines = registry.driver_of(facts).warnings(pair(files)[0], conditions(), large)
    assert not any("two networks" in line for line in lines)


def test_apply_says_that_a_stock_sampler_runs_one_network(files):
    model, _, _ = pair(files)
    words = FakeCLIP().encode_from_tokens_scheduled("a")
    applied = module("nodes.drivers.run").apply(model, FakeVAE(), words, words, conditions([identity(1)]))
    assert "high-noise MODEL alone" in applied.report
