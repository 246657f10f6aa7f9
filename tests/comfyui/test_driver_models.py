"""What a MODEL is told to be, whatever loader it comes from and whatever was done with it before, and what is left of
a run on it: nothing."""

from __future__ import annotations

import gc
import weakref

import pytest
import torch

from .driver_cases import conditions, identity, module, plan_of
from .tiny_models import FakeCLIP, FakeVAE, load, model_of, wan_weights, with_depth_lora

pytestmark = pytest.mark.comfyui

LATENT = (1, 16, 3, 4, 6)
CASES = {
    "phantom": lambda: conditions([identity(1), identity(2)]),
    "bernini-r": lambda: conditions([identity(1), identity(2)], source=3),
    "vace": lambda: conditions([identity(1)], depth=3),
    "wan-depth-lora": lambda: conditions(depth=3),
}


@torch.inference_mode()
def sampled(model, held, **options):
    run = module("nodes.drivers.run")
    settings = run.SamplingOptions(3, steps=3, sampler_name="euler", preview=False, **options)
    return run.sample(model, FakeCLIP(), FakeVAE(), held, "a cat", "", settings)[0]["samples"]


@torch.inference_mode()
def stock(model, positive=None, negative=None):
    """The latent of core's KSampler, without anything of ours."""
    import comfy.sample

    clip, empty = FakeCLIP(), torch.zeros(LATENT)
    positive = positive or clip.encode_from_tokens_scheduled("a")
    negative = negative or clip.encode_from_tokens_scheduled("b")
    noise = comfy.sample.prepare_noise(empty, 1)
    return comfy.sample.sample(
        model, noise, 3, 3.0, "euler", "simple", positive, negative, empty, seed=1, disable_pbar=True
    )


def user_error():
    return module("control.errors").UserError


# ---- what a MODEL is -------------------------------------------------------------------------------------------------


def test_a_plain_model_stays_plain_after_a_clone_with_the_depth_lora_was_sampled(folder):
    """Both share their weights, which stay as wide as the LoRA made them until another clone is loaded."""
    families = module("nodes.bridge.families")
    plain = load(folder / "plain.safetensors", "wan-t2v")
    before = sampled(plain, conditions())
    wide = with_depth_lora(plain)
    sampled(wide, conditions(depth=1))
    assert plain.model.diffusion_model.patch_embedding.weight.shape[1] == 32  # what must not mislead
    assert families.family_of(plain)[0].id == "wan-t2v" and families.family_of(wide)[0].id == "wan-depth-lora"
    assert torch.equal(sampled(plain, conditions()), before)
    sampled(wide, conditions(depth=1))
    sampled(families.choose_family(plain, "phantom"), conditions([identity(1)]))


def test_a_model_without_a_file_is_told_by_its_own_shapes_after_the_depth_lora(folder):
    """As GGUF files come: core is handed a state dict."""
    import comfy.sd

    model = comfy.sd.load_diffusion_model_state_dict(wan_weights())
    wide = module("nodes.bridge.families").choose_family(with_depth_lora(model), "wan-t2v")
    sampled(wide, conditions(depth=1))
    model.model.__dict__.pop("fulldit_detection")  # as if nobody had asked before
    assert module("nodes.bridge.families").detection_of(model).candidates == ("wan-t2v", "phantom", "bernini-r")


def other_model():
    """A MODEL whose network is not a Wan."""
    import comfy.model_base
    import comfy.model_patcher

    inner = comfy.model_base.Flux.__new__(comfy.model_base.Flux)
    torch.nn.Module.__init__(inner)
    inner.diffusion_model = torch.nn.ModuleDict({"double_blocks": torch.nn.Linear(2, 2)})
    return comfy.model_patcher.ModelPatcher(inner, "cpu", "cpu")


def test_a_model_of_another_kind_is_refused_whatever_the_user_says(host):
    with pytest.raises(user_error(), match="is a Flux, which conditions cannot drive"):
        plan_of(other_model(), conditions())
    with pytest.raises(user_error(), match="is a Flux, which conditions cannot drive"):
        module("nodes.bridge.families").choose_family(other_model(), "phantom")


@pytest.mark.parametrize("model", [None, object()], ids=["nothing", "an object"])
def test_what_is_no_model_is_refused(host, model):
    with pytest.raises(user_error(), match="without a network"):
        plan_of(model, conditions())


@pytest.mark.parametrize(
    "factory",
    [
        None,
        lambda path: None,
        (lambda: None,),
        (lambda: None, ()),
        (lambda: None, {"path": 1}),
        (lambda a, b: None, ({"dtype": None}, "x.safetensors")),
        (lambda path: None, ("/nowhere/model.safetensors",)),
    ],
    ids=["none", "a function", "no arguments", "empty", "named", "another order", "a lost file"],
)
def test_factories_of_other_loaders_name_no_file(folder, factory):
    """Then the class and the shapes tell, instead of a traceback."""
    families = module("nodes.bridge.families")
    model = load(folder / "vace.safetensors")
    model.cached_patcher_init = factory
    assert families.path_of(model) is None
    assert families.family_of(model)[0].id == "vace"


def test_a_checkpoint_with_encoder_and_vae_is_told_by_its_model(host, tmp_path):
    import comfy.sd
    from safetensors.torch import save_file

    state = {f"model.diffusion_model.{name}": value for name, value in wan_weights("vace").items()}
    state["first_stage_model.decoder.middle.0.residual.0.gamma"] = torch.zeros(4, 1, 1, 1)
    state["text_encoders.umt5xxl.transformer.shared.weight"] = torch.zeros(8, 8)
    save_file(state, tmp_path / "all.safetensors")
    model = comfy.sd.load_checkpoint_guess_config(
        str(tmp_path / "all.safetensors"), output_vae=False, output_clip=False
    )[0]
    assert module("nodes.bridge.families").path_of(model) and sampled(model, CASES["vace"]()).shape[2] == 3


# ---- what is left of a run -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("family", list(CASES))
def test_a_stock_sampler_gives_after_a_run_what_it_gave_before(folder, family):
    """Also after one that was cancelled, and after the model was unloaded; and so does ours."""
    import comfy.model_management as management

    model, held = model_of(folder, family), CASES[family]()
    before = stock(model)
    patched, wrapped = set(model.object_patches), str(model.wrappers)
    ours = sampled(model, held)
    assert torch.equal(stock(model), before)
    calls = []

    class Canceled(type(model.model)):
        def apply_model(self, *rest, **more):
            calls.append(1)
            if len(calls) == 3:
                raise management.InterruptProcessingException()
            return super().apply_model(*rest, **more)

    kind = type(model.model)
    model.model.__class__ = Canceled
    with pytest.raises(management.InterruptProcessingException):
        sampled(model, held)
    model.model.__class__ = kind
    assert torch.equal(stock(model), before)
    management.unload_all_models()
    assert torch.equal(stock(model), before) and torch.equal(sampled(model, held), ours)
    assert set(model.object_patches) == patched and str(model.wrappers) == wrapped


@pytest.mark.parametrize("family", list(CASES))
def test_a_model_is_gone_with_its_last_user(folder, family, monkeypatch):
    """Core's models hold no reference to themselves, and must not get one: gigabytes would stay."""
    import comfy.model_management as management

    sampled(model_of(folder, family), CASES[family]())  # whatever is imported late keeps the frames that import it
    gc.collect()
    gc.disable()
    monkeypatch.setattr(gc, "collect", lambda *rest: 0)
    try:
        model = model_of(folder, family)
        network = weakref.ref(model.model)
        sampled(model, CASES[family]())
        del model
        management.unload_all_models()
        assert network() is None
    finally:
        gc.enable()


@pytest.mark.parametrize("family", ["phantom", "bernini-r"])
def test_cores_own_workflow_runs_on_a_model_that_was_driven(folder, family):
    """With core's nodes for the same family: what they give goes through our estimate of memory as well."""
    from comfy_extras.nodes_bernini import BerniniConditioning
    from comfy_extras.nodes_wan import WanPhantomSubjectToVideo

    clip, images = FakeCLIP(), torch.rand(2, 24, 40, 3, generator=torch.Generator().manual_seed(1))
    texts = [clip.encode_from_tokens_scheduled(text) for text in "ab"]
    if family == "phantom":
        made = WanPhantomSubjectToVideo.execute(*texts, FakeVAE(), 48, 32, 9, 1, images).args
        passes = made[0], made[2]
    else:
        references = {"reference_image_0": images[:1]}
        passes = BerniniConditioning.execute(
            *texts, FakeVAE(), 48, 32, 9, 1, source_video=images, reference_images=references
        ).args[:2]
    model = model_of(folder, family)
    before = stock(model, *passes)
    sampled(model, CASES[family]())
    assert torch.equal(stock(model, *passes), before)


def test_a_second_gpu_gives_the_same_video(folder):
    """Core's MultiGPU split, with the CPU as both devices."""
    for family, make in CASES.items():
        model = model_of(folder, family)
        alone = sampled(model, make())
        split = model.clone()
        other = split.deepclone_multigpu(new_load_device=torch.device("cpu", 0))
        other.is_multigpu_base_clone = split.is_multigpu_base_clone = True
        split.set_additional_models("multigpu", [other])
        torch.testing.assert_close(sampled(split, make()), alone, rtol=1e-4, atol=1e-4)
