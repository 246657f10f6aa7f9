"""Guidance of more than two passes under what users hang on a MODEL: patches of guidance, CFG Override, step caches,
every solver."""

from __future__ import annotations

import pytest
import torch

from .driver_cases import (
    conditions,
    difference,
    identity,
    module,
    noise_for,
    plan_of,
    predict,
    predict_alone,
)
from .tiny_models import FakeCLIP, FakeVAE, load, write_wan

pytestmark = pytest.mark.comfyui

CASES = {
    "phantom": ("phantom", lambda: conditions([identity(1), identity(2)])),
    "rv2v": ("bernini-r", lambda: conditions([identity(1), identity(2)], source=3)),
    "r2v": ("bernini-r", lambda: conditions([identity(1), identity(2)])),
    "v2v": ("bernini-r", lambda: conditions(source=3)),
}
LONG = ("phantom", "rv2v")
PAIRS = {"phantom": ("p", "i"), "rv2v": ("pVI", "nVI"), "r2v": ("pI", "nI"), "v2v": ("pV", "nV")}
TEXT = {"phantom": 7.5, "rv2v": 4.0, "r2v": 4.0, "v2v": 4.0}


@pytest.fixture(scope="module")
def file(host, tmp_path_factory):
    torch.set_num_threads(1)
    return write_wan(tmp_path_factory.mktemp("guidance") / "plain.safetensors")


def made(file, case, patch=lambda model: model, **options):
    """A plan of a case, on a MODEL that `patch` has changed."""
    family, make = CASES[case]
    return plan_of(patch(load(file, family)), make(), **options).plan


def pre_cfg(model):
    """A pre-cfg patch as APG, TCFG and FreSca have them: here the positive prediction is doubled."""
    model = model.clone()
    model.set_model_sampler_pre_cfg_function(lambda args: [args["conds_out"][0] * 2, args["conds_out"][1]])
    return model


@pytest.mark.parametrize("case", LONG)
def test_pre_cfg_patches_act_on_the_text_term(file, case):
    plain, patched = made(file, case), made(file, case, pre_cfg)
    noise, plus = noise_for(plain), PAIRS[case][0]
    alone = predict_alone(plain.model, plain.passes[plus], noise)[0]
    expected = predict(plain, noise)[0] + TEXT[case] * alone
    assert difference(predict(patched, noise)[0], expected) < 1e-5


@pytest.mark.parametrize("case", [*LONG, "v2v"])
def test_cores_nodes_of_guidance_act(file, case):
    from comfy_extras.nodes_apg import APG
    from comfy_extras.nodes_cfg import CFGZeroStar
    from comfy_extras.nodes_tcfg import TCFG

    plain = predict(made(file, case))[0]
    for node, values in ((APG, (0.5, 2.0, 0.0)), (CFGZeroStar, ()), (TCFG, ())):
        patched = made(file, case, lambda model, node=node, values=values: node.execute(model, *values).args[0])
        assert difference(predict(patched)[0], plain) > 1e-3, node
        assert not module("nodes.drivers.guider").idle_patches(patched)


def test_patches_that_cannot_act_are_said(file):
    """Projected guidance has its own way with the differences; and a patch that runs the passes itself knows two."""
    from comfy_extras.nodes_cfg import CFGZeroStar

    idle = module("nodes.drivers.guider").idle_patches

    def own_batch(model):
        model = model.clone()
        model.set_model_sampler_calc_cond_batch_function(lambda args: None)
        return model

    def zero_star(model):
        return CFGZeroStar.execute(model).args[0]

    assert "do not act" in idle(made(file, "r2v", zero_star)) and not idle(made(file, "r2v"))
    assert "do not act" in idle(made(file, "rv2v", own_batch)) and not idle(made(file, "rv2v"))
    assert not idle(made(file, "v2v", own_batch))
    run = module("nodes.drivers.run")
    model = zero_star(load(file, "bernini-r"))
    with torch.inference_mode():
        options = run.SamplingOptions(1, steps=1, preview=False)
        report = run.sample(model, FakeCLIP(), FakeVAE(), CASES["r2v"][1](), "", "", options)[1]
    assert "do not act here" in report


@pytest.mark.parametrize("case", list(CASES))
def test_cfg_override_sets_the_scale_of_the_text(file, case):
    """Core's node changes the guider's cfg for a part of sampling: here for the first of two steps."""
    from comfy_extras.nodes_custom_sampler import CFGOverride

    plan = made(file, case, lambda model: CFGOverride.execute(model, 2.0, 0.0, 0.5).args[0])
    sigmas = (0.95, 0.5)  # the node reckons with the shift that the MODEL has before ours
    found = predict(plan, sigmas=sigmas)
    own, other = (predict(made(file, case, scales=scales), noise_for(plan), sigmas) for scales in ({}, {"text": 2.0}))
    assert difference(found[0], other[0]) < 1e-6 and difference(found[1], own[1]) < 1e-6
    assert difference(own[0], other[0]) > 1e-3


@pytest.mark.parametrize("case", list(CASES))
def test_the_pass_of_the_prompt_is_cores_first_and_its_negative_the_second(file, case, monkeypatch):
    """Patches (normalized attention guidance, self-attention guidance) tell them by these numbers."""
    import comfy.samplers

    plan, seen = made(file, case), []
    real = comfy.samplers.calc_cond_batch
    monkeypatch.setattr(comfy.samplers, "calc_cond_batch", lambda *rest: seen.append(rest[1]) or real(*rest))
    predict(plan)
    texts = [conds[0]["cross_attn"] for conds in seen[0][:2]]
    for text, name in zip(texts, PAIRS[case], strict=True):
        assert torch.equal(text, plan.passes[name][0][0])


@pytest.mark.parametrize("case", LONG)
def test_patches_that_ask_for_both_passes_of_the_text_get_them(file, case):
    """At scale 1 the negative one has no weight; `disable_cfg1_optimization` asks for it all the same."""
    scales = {name: 1.0 for name in ("text", "identity", *(("source",) if case == "rv2v" else ()))}
    seen = []

    def watched(model):
        model = model.clone()
        model.set_model_sampler_post_cfg_function(
            lambda args: seen.append(args["uncond_denoised"]) or args["denoised"], disable_cfg1_optimization=True
        )
        return model

    plain, plan = made(file, case, scales=scales), made(file, case, watched, scales=scales)
    assert len(plain.guidance.passes) == 1
    noise = noise_for(plan)
    assert difference(predict(plan, noise)[0], predict(plain, noise)[0]) < 1e-5
    alone = predict_alone(plan.model, plan.passes[PAIRS[case][1]], noise)[0]
    assert len(seen) >= 1 and difference(seen[0], alone) < 1e-5


SOLVERS = ("euler", "heun", "dpmpp_2m_sde", "uni_pc", "res_multistep", "lcm", "dpmpp_sde", "euler_cfg_pp", "ddim")


@pytest.mark.parametrize("solver", SOLVERS)
def test_solvers_run_on_longer_guidance(file, solver):
    run = module("nodes.drivers.run")
    for case in ("phantom", "rv2v", "r2v"):
        family, make = CASES[case]
        options = run.SamplingOptions(1, steps=2, sampler_name=solver, preview=False)
        with torch.inference_mode():
            if case == "r2v" and "cfg_pp" in solver:
                with pytest.raises(module("control.errors").UserError, match="euler_cfg_pp works on plain guidance"):
                    run.sample(load(file, family), FakeCLIP(), FakeVAE(), make(), "a", "", options)
                continue
            latent = run.sample(load(file, family), FakeCLIP(), FakeVAE(), make(), "a", "", options)[0]
        assert torch.isfinite(latent["samples"]).all()


def test_options_that_do_not_fit_are_refused_before_anything_is_encoded(file):
    class Untouched:
        def __getattr__(self, name):
            raise AssertionError(f"{name} was used")

    class Vae(FakeVAE):
        def encode(self, pixels):
            raise AssertionError("the VAE was used")

    run, error = module("nodes.drivers.run"), module("control.errors").UserError
    model, held = load(file, "bernini-r"), CASES["r2v"][1]()
    for options, vae, what in (
        ({"sampler_name": "euler_cfg_pp"}, Vae(), "plain guidance"),
        ({"first_frame_pass": 0.5}, Vae(), "anchor"),
        ({"scales": {"depth": 2.0}}, Vae(), "epth_guidance"),
        ({}, Vae(48), "48 channels"),
    ):
        with pytest.raises(error, match=what):
            run.sample(model, Untouched(), vae, held, "a", "", run.SamplingOptions(1, **options))
    flat = Vae()
    flat.latent_dim = 2
    with pytest.raises(error, match="one of images"):
        run.sample(model, Untouched(), flat, held, "a", "", run.SamplingOptions(1))
    with pytest.raises(error, match="10 frames"):
        run.sample(model, Untouched(), Vae(), conditions(frames=10), "a", "", run.SamplingOptions(1))
