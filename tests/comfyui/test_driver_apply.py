"""Apply Conditions with what users do to CONDITIONING: combined prompts, masks, areas, timestep ranges, hooks, other
nodes' keys; ranges and strengths of conditions; and the cache of what a VAE encoded."""

from __future__ import annotations

import pytest
import torch

from .driver_cases import conditions, difference, identity, module, plan_of
from .test_driver_models import CASES
from .tiny_models import FakeCLIP, FakeVAE, load, model_of, with_depth_lora

pytestmark = pytest.mark.comfyui


def words(text="a"):
    return FakeCLIP().encode_from_tokens_scheduled(text)


def user_error():
    return module("control.errors").UserError


@torch.inference_mode()
def applied(model, held, positive=None, negative=None, vae=None, **options):
    return module("nodes.drivers.run").apply(
        model, vae or FakeVAE(), positive or words("a"), negative or words("b"), held, **options
    )


@torch.inference_mode()
def stock(done, latent=None, **more):
    """The latent of core's KSampler on what Apply Conditions gave."""
    import comfy.sample

    samples = done.latent["samples"] if latent is None else latent
    noise = comfy.sample.prepare_noise(samples, 1)
    return comfy.sample.sample(
        done.model, noise, 3, 3.0, "euler", "simple", done.positive, done.negative, samples, seed=1,
        disable_pbar=True, **more,
    )  # fmt: skip


def set_values(conditioning, **values):
    return [[text, {**options, **values}] for text, options in conditioning]


# ---- what users do to conditioning -----------------------------------------------------------------------------------


@pytest.mark.parametrize("family", list(CASES))
def test_conditions_applied_after_others_are_the_only_ones(folder, family):
    """Of Apply Conditions behind another, or behind core's node of the family, nothing older acts."""
    model, held = model_of(folder, family), CASES[family]()
    fresh = stock(applied(model, held))
    earlier = applied(model, conditions([identity(8)], depth=9, source=10), without_refused=True)
    assert torch.equal(stock(applied(model, held, earlier.positive, earlier.negative)), fresh)
    nothing = conditions()
    later = stock(applied(model, nothing, earlier.positive, earlier.negative))
    assert torch.equal(later, stock(applied(model, nothing)))


@pytest.mark.parametrize("family", list(CASES))
def test_prompts_with_masks_timesteps_and_hooks_are_sampled(folder, family):
    import comfy.hooks

    model, held = model_of(folder, family), CASES[family]()
    plain = stock(applied(model, held))
    mask = torch.zeros(1, 32, 48)
    mask[..., :24] = 1
    lora = {
        "diffusion_model.blocks.1.self_attn.v.lora_A.weight": torch.randn(4, 256),
        "diffusion_model.blocks.1.self_attn.v.lora_B.weight": torch.randn(256, 4),
    }
    other = words("other")
    for positive in (
        words("a") + set_values(other, mask=mask, mask_strength=1.0),
        set_values(words("a"), start_percent=0.0, end_percent=0.5)
        + set_values(other, start_percent=0.5, end_percent=1.0),
        set_values(words("a"), hooks=comfy.hooks.create_hook_lora(lora, 1.0, 0.0)),
    ):
        found = stock(applied(model, held, positive))
        assert torch.isfinite(found).all() and difference(found, plain) > 1e-3
    assert torch.equal(stock(applied(model, held)), plain)


@pytest.mark.parametrize("family", list(CASES))
def test_a_latent_of_two_and_a_noise_mask_are_sampled(folder, family):
    done = applied(model_of(folder, family), CASES[family]())
    empty = done.latent["samples"]
    assert torch.isfinite(stock(done, empty.repeat(2, 1, 1, 1, 1))).all()
    mask = torch.zeros(1, 1, 32, 48)
    mask[..., :24] = 1
    kept = stock(done, noise_mask=mask)
    right, left = kept[..., 3:], kept[..., :3]
    assert right.std() < 0.5 * left.std()  # what is masked stays as empty as it was


@pytest.mark.parametrize("family", list(CASES))
def test_a_prompt_for_an_area_is_refused(folder, family):
    """Core would cut the noise and not what is read beside it."""
    model = model_of(folder, family)
    area = set_values(words("corner"), area=(4, 3, 0, 0), strength=1.0)
    with pytest.raises(user_error(), match="for an area of the frames only.*Set Mask"):
        applied(model, CASES[family](), words("a") + area)
    if family != "vace":  # which reads gray frames where there is nothing
        assert torch.isfinite(stock(applied(model, conditions(), words("a") + area))).all()


def test_texts_of_another_encoder_and_vaes_of_images_are_refused(folder):
    model, held = model_of(folder, "vace"), CASES["vace"]()
    narrow = [[torch.zeros(1, 4, 768), {}]]
    for positive, negative in ((words(), narrow), (words() + narrow, words()), ([[None, {}]], words())):
        with pytest.raises(user_error(), match="numbers per token"):
            applied(model, held, positive, negative)
    flat = FakeVAE()
    flat.latent_dim = 2
    with pytest.raises(user_error(), match="one of images"):
        applied(model, held, vae=flat)


def test_what_the_prompt_has_to_hold_is_said_where_it_comes_encoded(folder):
    report = applied(model_of(folder, "bernini-r"), conditions([identity(1, name="cat")])).report
    assert "You are a helpful assistant specialized in subject-to-video generation.cat is image0." in report
    driver = module("nodes.drivers.bernini").BerniniDriver()
    facts = module("nodes.drivers.registry").facts_of(model_of(folder, "bernini-r"))
    once = driver.prompt("A cat.", conditions(source=1), facts)
    assert driver.prompt(once, conditions(source=1), facts) == once  # and not twice where a user wrote it
    assert "comes encoded" not in applied(model_of(folder, "vace"), CASES["vace"]()).report


def test_the_depth_loras_conditioning_works_without_applys_model(folder):
    """Everything is in the conditioning, also where core leaves the weights offloaded (test_drivers_host.py)."""
    model = model_of(folder, "wan-depth-lora")
    done, other = (applied(model, conditions(depth=seed)) for seed in (3, 4))
    done.model.object_patches.pop("model_sampling")
    other.model.object_patches.pop("model_sampling")
    assert not done.model.object_patches
    assert difference(stock(done), stock(other)) > 1e-3


# ---- ranges and strengths --------------------------------------------------------------------------------------------


def test_references_that_come_and_go_are_said_to_change_their_numbers(folder):
    def notes(*held):
        return [str(note) for note in plan_of(model_of(folder, "bernini-r"), conditions(held)).taken.notes]

    for note in notes(identity(1, end=0.5), identity(2)):
        assert "different ranges" in note and "image0" in note
    assert not any("ranges" in note for note in notes(identity(1, end=0.5), identity(2, end=0.5)))
    # The numbers do change: the second reference alone is core's first stream.
    plan = plan_of(model_of(folder, "bernini-r"), conditions([identity(1, end=0.5), identity(2)])).plan
    assert [len(entry[1]["context_latents"]) for entry in plan.passes["pI"]] == [2, 1]
    first, second = (entry[1]["context_latents"] for entry in plan.passes["pI"])
    assert torch.equal(second[0], first[1])


def test_ranges_of_one_condition_leave_the_others_pass_for_pass(folder):
    """In rv2v with a source that ends, its pass becomes the one without anything, and the references stay."""
    held = conditions([identity(1)], source=3, source_fields={"end": 0.5})
    plan = plan_of(model_of(folder, "bernini-r"), held).plan
    counts = {
        name: [len(entry[1].get("context_latents", ())) for entry in entries] for name, entries in plan.passes.items()
    }
    assert counts == {"n0": [0, 0], "nV": [1, 0], "nVI": [2, 1], "pVI": [2, 1]}


@pytest.mark.parametrize("family", ["phantom", "bernini-r", "vace"])
def test_conditions_of_strength_0_are_none(folder, family):
    parts = {"strength": 0.0}
    taken = {"phantom": {}, "bernini-r": {"source": 1}, "vace": {"depth": 1}}[family]
    fields = {"source_fields": parts, "depth_fields": parts}
    silent = conditions([identity(1, strength=0.0), identity(2, strength=0.0)], **taken, **fields)
    model = model_of(folder, family)
    assert torch.equal(stock(applied(model, silent)), stock(applied(model, conditions())))


def test_depth_in_place_of_a_source_has_its_guidance(folder):
    """Beside references the scale of the source is the depth's, and so is its strength."""
    model, who = model_of(folder, "bernini-r"), [identity(1)]
    own = plan_of(model, conditions(who, depth=2)).plan.guidance
    assert [term.scale for term in own.terms] == [1.25, 4.5, 4.0]
    chosen = plan_of(model, conditions(who, depth=2), scales={"depth": 2.0}).plan.guidance
    assert chosen.terms[0].scale == 2.0
    half = plan_of(model, conditions(who, depth=2, depth_fields={"strength": 0.5})).plan.guidance
    assert half.terms[0].scale == 0.625
    with pytest.raises(user_error(), match="Conditions has no source"):
        plan_of(model, conditions(who, depth=2), scales={"source": 2.0})


def test_the_strength_of_depth_by_a_lora_is_not_the_sources(folder):
    model = with_depth_lora(model_of(folder, "bernini-r"))
    held = conditions([identity(1)], depth=2, source=3, depth_fields={"strength": 3.0})
    assert plan_of(model, held).plan.guidance.terms[0].scale == 1.25


def test_the_scale_of_what_is_left_out_is_left_out(folder):
    run, held = module("nodes.drivers.run"), conditions([identity(1)], depth=2)
    model = model_of(folder, "phantom")
    options = run.SamplingOptions(1, steps=1, scales={"depth": 2.0}, leave_out=True, preview=False)
    with torch.inference_mode():
        report = run.sample(model, FakeCLIP(), FakeVAE(), held, "", "", options)[1]
    assert "identity 5, text 7.5" in report
    with pytest.raises(user_error(), match="Conditions has no camera"):
        run.sample(
            model, FakeCLIP(), FakeVAE(), held, "", "", run.SamplingOptions(1, scales={"camera": 2.0}, leave_out=True)
        )


def test_an_identity_too_many_does_not_count_for_those_after_it(folder):
    """Phantom reads four images: 1, then 8 that are too many, then 1."""
    held = conditions([identity(1, name="a"), identity(2, name="b", images=8), identity(3, name="c")])
    model = model_of(folder, "phantom")
    with pytest.raises(
        user_error(), match="Identity of 'b': Phantom reads 4 reference images at most; this would be 9"
    ):
        plan_of(model, held)
    done = plan_of(model, held, leave_out=True)
    assert [one.name for one in done.taken.conditions.items[0].identities] == ["a", "c"]


def test_a_video_far_below_the_trained_size_is_said(folder):
    """As Conditions makes it without a model: 17 frames of 96x64, the embedded model's."""
    describe = module("nodes.drivers.run").describe
    model = model_of(folder, "vace")
    assert any("far below" in line for line in describe(model, conditions()).lines)
    size = module("control.conditions").VideoSize
    for video in (size(81, 480, 832), size(81, 320, 576)):
        held = module("control.conditions").Conditions(video)
        assert not any("far below" in line for line in describe(model, held).lines)


# ---- what is remembered of a VAE -------------------------------------------------------------------------------------


def test_what_was_encoded_is_remembered_by_pixels_and_vae(host):
    cached = module("nodes.drivers.prepare").CachedVAE
    images = torch.rand(5, 32, 48, 3, generator=torch.Generator().manual_seed(9))
    vae = FakeVAE()
    cached(vae).encode(images).zero_()  # the caller's own
    assert torch.equal(cached(vae).encode(images.clone()), FakeVAE().encode(images)) and len(vae.seen) == 1
    changed = images.clone()
    changed[4, 31, 47, 2] += 0.01
    for other in (changed, images[:4], images.half(), images.transpose(1, 2)):
        cached(vae).encode(other)
    assert len(vae.seen) == 5
    assert cached(FakeVAE(48)).encode(images).shape[1] == 48  # another VAE, of the same class and without weights


def test_the_oldest_is_forgotten(host, monkeypatch):
    prepare = module("nodes.drivers.prepare")
    monkeypatch.setattr(prepare, "_encoded", type(prepare._encoded)())
    vae = FakeVAE()
    for seed in range(prepare.REMEMBERED + 5):
        prepare.CachedVAE(vae).encode(torch.full((1, 16, 16, 3), seed / 100))
    assert len(prepare._encoded) == prepare.REMEMBERED


def test_encoding_can_be_canceled(host, monkeypatch):
    import comfy.model_management as management

    def stop():
        raise management.InterruptProcessingException()

    monkeypatch.setattr(management, "throw_exception_if_processing_interrupted", stop)
    vae = FakeVAE()
    with pytest.raises(management.InterruptProcessingException):
        module("nodes.drivers.prepare").CachedVAE(vae).encode(torch.zeros(1, 16, 16, 3))
    assert not vae.seen


def test_references_larger_than_the_video_keep_their_proportions(folder):
    """Bernini-R: the longest side at most 848, both sides multiples of 16; small ones are not enlarged. The count of
    tokens is that of what core's node encodes."""
    for height, width, expected in (
        (1000, 2000, (416, 848)),  # 424 is between two multiples, and Python rounds to the even one
        (3000, 1000, (848, 288)),
        (100, 60, (96, 64)),
        (10, 500, (16, 496)),
    ):
        vae, model = FakeVAE(), load(folder / "plain.safetensors", "bernini-r")
        held = conditions([identity(1, height, width)])
        done = plan_of(model, held, vae=vae)
        assert vae.seen == [(1, *expected, 3)]
        tokens = done.taken.driver.tokens(held, done.taken.facts)["identity"]
        assert tokens == expected[0] // 16 * (expected[1] // 16)
