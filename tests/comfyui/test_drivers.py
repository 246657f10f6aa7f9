"""Public models under one set of conditions, on tiny random weights with the real keys, in core's own machinery.

What is held here is that every condition acts, or is refused with the promised sentence, and that the guidance of each
family is its authors' formula. What the real weights make of it cannot be tested without them.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from .driver_cases import (
    FRAMES,
    HEIGHT,
    LATENT,
    WIDTH,
    conditions,
    difference,
    identity,
    mask_video,
    module,
    noise_for,
    plan_of,
    predict,
    predict_alone,
)
from .tiny_models import FakeCLIP, FakeVAE, load, with_depth_lora, write_wan

pytestmark = pytest.mark.comfyui

ACTS = 1e-3  # a condition that acts changes the prediction by more than this share of its largest value
SAME = 1e-5


@pytest.fixture(scope="module")
def models(host, tmp_path_factory):
    """A MODEL of each family."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("families")
    plain = write_wan(folder / "wan2.1_t2v_1.3B.safetensors")
    vace = write_wan(folder / "wan2.1_vace_1.3B.safetensors", "vace")
    return {
        "wan-t2v": load(plain, "wan-t2v"),
        "phantom": load(plain, "phantom"),
        "bernini-r": load(plain, "bernini-r"),
        "vace": load(vace),
        "wan-depth-lora": module("nodes.bridge.families").choose_family(with_depth_lora(load(plain)), "wan-t2v"),
    }


def user_error():
    return module("control.errors").UserError


# ---- every condition acts, or is refused -----------------------------------------------------------------------------

TAKEN = [
    ("phantom", {"identities": 1}),
    ("phantom", {"identities": 4}),
    ("bernini-r", {"identities": 1}),
    ("bernini-r", {"identities": 8}),
    ("bernini-r", {"source": 1}),
    ("bernini-r", {"depth": 1}),
    ("bernini-r", {"identities": 2, "source": 1}),
    ("vace", {"identities": 1}),
    ("vace", {"identities": 3}),
    ("vace", {"depth": 1}),
    ("vace", {"identities": 2, "depth": 1}),
    ("vace", {"known": 1}),
    ("vace", {"identities": 2, "depth": 1, "known": 1}),
    ("wan-depth-lora", {"depth": 1}),
]


def made(parts: dict, seed: int = 0):
    """Conditions of a row of TAKEN; seed: another gives other images."""
    identities = [
        identity(100 * seed + index, name=f"thing{index}", images=parts.get("images", 1))
        for index in range(parts.get("identities", 0))
    ]
    rest = {name: value + 100 * seed for name, value in parts.items() if name not in ("identities", "images")}
    return conditions(identities, **rest)


@pytest.mark.parametrize(("family", "parts"), TAKEN, ids=lambda value: str(value))
def test_a_condition_acts(models, family, parts):
    """Other images give another video, for each kind of condition by itself."""
    first = predict(plan_of(models[family], made(parts)).plan)[0]
    for name in parts:
        held = made(parts)
        other = made(parts, seed=1)
        kind = name if name != "identities" else "identity"
        items = [item for item in held.items if item.name != kind] + [item for item in other.items if item.name == kind]
        changed = type(held)(held.video, tuple(items))
        assert difference(predict(plan_of(models[family], changed).plan)[0], first) > ACTS, name


REFUSED = [
    ("wan-t2v", {"identities": 1}, "identity"),
    ("wan-t2v", {"depth": 1}, "depth"),
    ("wan-t2v", {"source": 1}, "source"),
    ("wan-t2v", {"camera": True}, "camera"),
    ("wan-t2v", {"known": 1}, "known"),
    ("bernini-r", {"known": 1}, "known"),
    ("phantom", {"identities": 5}, "identity"),
    ("phantom", {"depth": 1}, "depth"),
    ("phantom", {"source": 1}, "source"),
    ("phantom", {"camera": True}, "camera"),
    ("bernini-r", {"identities": 5, "images": 2}, "identity"),
    ("bernini-r", {"depth": 1, "source": 1}, "depth"),
    ("bernini-r", {"camera": True}, "camera"),
    ("vace", {"source": 1}, "source"),
    ("vace", {"camera": True}, "camera"),
    ("wan-depth-lora", {"identities": 1}, "identity"),
    ("wan-depth-lora", {"camera": True}, "camera"),
]


@pytest.mark.parametrize(("family", "parts", "facet"), REFUSED, ids=lambda value: str(value))
def test_what_a_model_cannot_take_is_refused_by_name(models, family, parts, facet):
    from_matrix = module("models.families.matrix").FAMILIES[family]
    held = made(parts) if "camera" not in parts else conditions(camera=True)
    with pytest.raises(user_error(), match=f"{from_matrix.name} cannot take all") as error:
        plan_of(models[family], held)
    message = str(error.value)
    assert facet in message.lower() and "leave_out" in message
    others = module("models.families.matrix").other_models(facet)
    assert others and others in message
    # Left out, it is sampled without, and said.
    done = plan_of(models[family], held, leave_out=True)
    assert any(note.how == "ignored" and note.facet == facet for note in done.taken.notes)
    assert math.isfinite(float(predict(done.plan)[0].sum()))


@pytest.mark.parametrize("family", ["phantom", "bernini-r", "vace", "wan-depth-lora", "wan-t2v"])
def test_masks_without_a_source_video_are_refused(models, family):
    held = conditions([identity(1, mask_video=mask_video())])
    with pytest.raises(user_error(), match="mask"):
        plan_of(models[family], held)


def test_vace_paints_the_masked_region_of_a_source_anew(models):
    """Outside the region what VACE is told to keep is the source; inside, it reads gray, or the depth."""
    vace = module("nodes.drivers.vace")
    who = identity(1, mask_video=mask_video())
    held = conditions([who], source=2)
    control = vace.control_video(held)
    source = torch.from_numpy(held.items[-1].frames)
    assert torch.equal(control[:, :, WIDTH // 2 :], source[:, :, WIDTH // 2 :])
    assert torch.equal(control[:, :, : WIDTH // 2], torch.full_like(control[:, :, : WIDTH // 2], 0.5))
    with_depth = vace.control_video(conditions([who], source=2, depth=3))
    assert not torch.equal(with_depth, control)
    assert torch.equal(with_depth[:, :, WIDTH // 2 :], source[:, :, WIDTH // 2 :])
    mask = plan_of(models["vace"], held).plan.passes["p"][0][1]["vace_mask"][0]
    assert mask.shape == (1, 64, 1 + LATENT[0], *LATENT[1:])
    assert mask[:, :, 0].sum() == 0  # the reference slot is given
    assert mask[:, :, 1:, :, : LATENT[2] // 2].min() == 1 and mask[:, :, 1:, :, LATENT[2] // 2 :].max() == 0
    first = predict(plan_of(models["vace"], held).plan)[0]
    moved = mask_video()[:, :, ::-1].copy()
    other = conditions([identity(1, mask_video=moved)], source=2)
    assert difference(predict(plan_of(models["vace"], other).plan)[0], first) > ACTS


def test_vace_keeps_what_is_known_and_makes_the_rest(models):
    """Known frames go into the control video and are closed in the mask; over a source and a depth they lie on top."""
    vace = module("nodes.drivers.vace")
    held = conditions(known=4)
    first, last = (torch.from_numpy(image) for image in held.items[-1].images)
    control, mask = vace.control_video(held), vace.made_mask(held)
    assert torch.allclose(control[0], first) and torch.allclose(control[-1], last) and (control[1:-1] == 0.5).all()
    assert mask.amax((1, 2)).tolist() == [0, *[1] * (FRAMES - 2), 0]
    images = np.random.default_rng(5).random((5, HEIGHT, WIDTH, 3), np.float32)
    clip = conditions(known=4, known_fields={"images": images, "at": "first"})
    given = plan_of(models["vace"], clip).plan.passes["p"][0][1]["vace_mask"][0]
    assert given[:, :, :2].max() == 0 and given[:, :, 2].min() == 1, "five frames are two of the latent"
    with_depth = vace.control_video(conditions(known=4, depth=3))
    assert torch.allclose(with_depth[0], first)
    assert torch.allclose(with_depth[1:-1], vace.control_video(conditions(depth=3))[1:-1], atol=1e-6)
    who = identity(1, mask_video=mask_video())
    both, alone = conditions([who], source=2, known=4), conditions([who], source=2)
    assert torch.allclose(vace.control_video(both)[0], first) and vace.made_mask(both)[0].max() == 0
    assert torch.allclose(vace.made_mask(both)[1:-1], vace.made_mask(alone)[1:-1])
    left = conditions(known=4, known_fields={"mask": mask_video(1)})
    assert vace.made_mask(left)[0, :, : WIDTH // 2].max() == 0 and vace.made_mask(left)[0, :, WIDTH // 2 :].min() == 1


def test_the_same_conditions_drive_every_model(models):
    """One Conditions object, several models: what one cannot take is left out there and there only."""
    held = conditions([identity(1), identity(2)], depth=3)
    lines = {}
    for family in ("phantom", "bernini-r", "vace"):
        done = plan_of(models[family], held, leave_out=True)
        lines[family] = {note.facet: note.how for note in done.taken.notes}
        assert torch.isfinite(predict(done.plan)[0]).all()
    assert lines["vace"]["depth"] == "native" and lines["phantom"]["depth"] == "ignored"
    assert lines["bernini-r"]["depth"] == "part" and lines["phantom"]["identity"] == "native"


# ---- images as the authors have them ---------------------------------------------------------------------------------


@pytest.mark.parametrize("family", ["phantom", "vace"])
def test_references_come_to_core_in_exactly_the_videos_size(models, family):
    """So core's center crop does nothing; what is added is white."""
    vae = FakeVAE()
    plan_of(models[family], conditions([identity(1, 24, 96), identity(2, 64, 16)]), vae=vae)
    assert {shape[1:3] for shape in vae.seen} == {(HEIGHT, WIDTH)}


def test_bernini_keeps_the_proportions_of_references(models):
    vae = FakeVAE()
    plan_of(models["bernini-r"], conditions([identity(1, 32, 96)]), vae=vae)
    assert (1, 32, 96, 3) in vae.seen


def test_bernini_names_the_references_in_the_prompt(models):
    driver = module("nodes.drivers.registry").DRIVERS["bernini-r"]
    facts = module("nodes.drivers.registry").facts_of(models["bernini-r"])
    held = conditions([identity(1, name="the cat"), identity(2, name="a ball")])
    text = driver.prompt("It plays with image1.", held, facts)
    assert text == (
        "You are a helpful assistant specialized in subject-to-video generation."
        "It plays with image1. the cat is image0."
    )
    edit = driver.prompt("Make it snow.", conditions(source=1), facts)
    assert edit == "You are a helpful assistant specialized in video editing.Make it snow."
    assert driver.prompt("A cat.", conditions(), facts) == "A cat."


# ---- guidance is the authors' formula --------------------------------------------------------------------------------


def test_phantoms_guidance_is_cores_dual_cfg(models):
    from comfy_extras.nodes_custom_sampler import Guider_DualCFG

    plan = plan_of(models["phantom"], conditions([identity(1), identity(2)])).plan
    guider = Guider_DualCFG(plan.model)
    guider.set_conds(plan.passes["p"], plan.passes["i"], plan.passes["u"])
    guider.set_cfg(7.5, 5.0)
    assert difference(predict(plan)[0], predict(plan, guider=guider)[0]) < 1e-6


def bernini_plan(models, task):
    held = {
        "t2v": conditions(),
        "v2v": conditions(source=1),
        "r2v": conditions([identity(1), identity(2)]),
        "rv2v": conditions([identity(1), identity(2)], source=1),
    }[task]
    return plan_of(models["bernini-r"], held)


def frames_apg(delta, base):
    """Bernini's projection, one latent frame after the other, norm 50, a half of the parallel part."""
    out = torch.empty_like(delta)
    for b in range(delta.shape[0]):
        for t in range(delta.shape[2]):
            d, v = delta[b, :, t].double(), base[b, :, t].double()
            d = d * min(1.0, 50.0 / float(d.norm()))
            along = (d * v).sum() / (v * v).sum() * v
            out[b, :, t] = (d - along + 0.5 * along).to(delta.dtype)
    return out


FORMULAS = {
    "t2v": lambda p: p["n0"] + 4.0 * (p["p0"] - p["n0"]),
    "v2v": lambda p: p["nV"] + 4.0 * (p["pV"] - p["nV"]),
    "r2v": lambda p: (
        p["n0"] + 4.5 * frames_apg(p["nI"] - p["n0"], p["nI"]) + 4.0 * frames_apg(p["pI"] - p["nI"], p["pI"])
    ),
    "rv2v": lambda p: p["n0"] + 1.25 * (p["nV"] - p["n0"]) + 4.5 * (p["nVI"] - p["nV"]) + 4.0 * (p["pVI"] - p["nVI"]),
}


@pytest.mark.parametrize("task", list(FORMULAS))
def test_berninis_guidance_is_its_formula(models, task):
    """Each pass alone by core's guider, over three steps, added up as the authors write it."""
    plan = bernini_plan(models, task).plan
    noise, sigmas = noise_for(plan), (0.9, 0.7, 0.4)
    alone = {name: predict_alone(plan.model, held, noise, sigmas) for name, held in plan.passes.items()}
    for step, found in enumerate(predict(plan, noise, sigmas)):
        expected = FORMULAS[task]({name: outputs[step] for name, outputs in alone.items()})
        assert difference(found, expected) < 1e-5


def test_image_passes_of_bernini_count_their_streams_from_1(models):
    """In rv2v references stand behind the video; alone they are the first streams."""
    plan = bernini_plan(models, "r2v").plan
    assert [len(entry[1].get("context_latents", ())) for name in ("n0", "nI", "pI") for entry in plan.passes[name]] == [
        0,
        2,
        2,
    ]
    plan = bernini_plan(models, "rv2v").plan
    streams = {name: plan.passes[name][0][1].get("context_latents", ()) for name in plan.passes}
    assert [len(streams[name]) for name in ("n0", "nV", "nVI", "pVI")] == [0, 1, 3, 3]
    assert streams["nVI"][0].shape[2] == LATENT[0]  # the video comes first


@pytest.mark.parametrize(
    ("scales", "count"), [({}, 4), ({"text": 1.0, "identity": 1.0, "source": 1.0}, 1), ({"text": 0.0}, 3)]
)
def test_passes_of_weight_0_are_not_run(models, monkeypatch, scales, count):
    plan = plan_of(models["bernini-r"], conditions([identity(1)], source=1), scales=scales).plan
    seen = []
    network = models["bernini-r"].model.diffusion_model
    real = network.forward
    monkeypatch.setattr(network, "forward", lambda x, *rest, **more: seen.append(x.shape[0]) or real(x, *rest, **more))
    predict(plan)
    assert sum(seen) == count


def test_cfg_patches_act_where_the_guidance_is_cores_own(models):
    plan = plan_of(models["vace"], conditions(depth=1)).plan
    plain = predict(plan)[0]
    plan.model.set_model_sampler_post_cfg_function(lambda args: args["denoised"] * 2)
    torch.testing.assert_close(predict(plan)[0], plain * 2)


def test_cfg_patches_act_on_the_text_term_of_longer_guidance(models):
    plan = plan_of(models["phantom"], conditions([identity(1)])).plan
    plain = predict(plan)[0]
    alone = {name: predict_alone(plan.model, held, noise_for(plan))[0] for name, held in plan.passes.items()}
    plan.model.set_model_sampler_post_cfg_function(lambda args: args["denoised"] * 2)
    text = alone["i"] + 7.5 * (alone["p"] - alone["i"])
    assert difference(predict(plan)[0], plain + text) < SAME


@pytest.mark.parametrize("family", ["phantom", "bernini-r", "vace"])
def test_a_batch_of_two_is_two_runs(models, family):
    plan = plan_of(models[family], conditions([identity(1), identity(2)])).plan
    both = noise_for(plan, batch=2)
    together = predict(plan, both)[0]
    for index in range(2):
        assert difference(together[index : index + 1], predict(plan, both[index : index + 1])[0]) < SAME


# ---- strength and range ----------------------------------------------------------------------------------------------


def test_strength_scales_the_image_term_of_phantom(models):
    half = plan_of(models["phantom"], conditions([identity(1, strength=0.5)])).plan
    assert [term.scale for term in half.guidance.terms] == [2.5, 7.5]


def test_strength_is_vaces_own(models):
    weak = plan_of(models["vace"], conditions(depth=1, depth_fields={"strength": 0.3})).plan
    assert weak.passes["p"][0][1]["vace_strength"] == [0.3]


def test_strengths_that_differ_are_said(models):
    done = plan_of(models["phantom"], conditions([identity(1, strength=0.5), identity(2)]))
    assert "one strength for all of them" in str(done.taken.notes[0])
    done = plan_of(models["wan-depth-lora"], conditions(depth=1, depth_fields={"strength": 0.3}))
    assert "only be 0 or 1" in str(done.taken.notes[0])


@pytest.mark.parametrize(
    ("family", "parts"),
    [
        ("phantom", {"identities": 1}),
        ("bernini-r", {"identities": 1, "source": 1}),
        ("vace", {"identities": 1, "depth": 1}),
        ("wan-depth-lora", {"depth": 1}),
    ],
    ids=str,
)
def test_a_range_is_a_span_of_sampling(models, family, parts):
    """Up to its end a condition acts as ever; after it, it is as if it were not there."""
    ranged = {name: {"end": 0.5} for name in ("depth_fields", "source_fields")}
    clips = {name: value for name, value in parts.items() if name != "identities"}
    count = parts.get("identities", 0)
    held = conditions([identity(i, end=0.5) for i in range(count)], **clips, **ranged)
    other = conditions(
        [identity(50 + i, end=0.5, name=f"thing{i}") for i in range(count)],
        **{k: v + 9 for k, v in clips.items()},
        **ranged,
    )
    whole = conditions([identity(i) for i in range(count)], **clips)
    plans = [plan_of(models[family], one).plan for one in (held, other, whole)]
    sampling = plans[0].model.get_model_object("model_sampling")
    before, after = (float(sampling.percent_to_sigma(share)) for share in (0.5, 0.501))
    found = [predict(plan, sigmas=(before, after)) for plan in plans]
    assert difference(found[0][0], found[2][0]) < SAME  # at its very end it still holds, and nothing else does
    assert difference(found[0][0], found[1][0]) > ACTS
    assert difference(found[0][1], found[1][1]) < SAME
    assert difference(found[0][1], found[2][1]) > ACTS


# ---- bad input -------------------------------------------------------------------------------------------------------


def test_a_wrong_vae_text_encoder_or_size_is_named(models):
    run = module("nodes.drivers.run")
    clip = FakeCLIP()
    words = clip.encode_from_tokens_scheduled("a")
    held = conditions(depth=1)
    taken = run.accept(models["vace"], held, False)
    request, settings = module("nodes.drivers.plan").Request, taken.driver.settings(taken.facts, held)
    with pytest.raises(user_error(), match="48 channels.*wan_2.1_vae"):
        run.plan(models["vace"], FakeVAE(48), taken, request(held, words, words), settings)
    narrow = FakeCLIP(768).encode_from_tokens_scheduled("a")
    with pytest.raises(user_error(), match="768 numbers per token.*umt5"):
        run.plan(models["vace"], FakeVAE(), taken, request(held, narrow, narrow), settings)
    with pytest.raises(user_error(), match="10 frames.*take 9 or 13"):
        plan_of(models["vace"], conditions(depth=1, frames=10))


def test_a_scale_that_a_family_does_not_have_is_refused(models):
    with pytest.raises(user_error(), match="no guidance by depth"):
        plan_of(models["vace"], conditions(depth=1), scales={"depth": 2.0})
    with pytest.raises(user_error(), match="Conditions has no identity"):
        plan_of(models["phantom"], conditions(), scales={"identity": 2.0})


def test_a_size_beyond_training_is_a_warning(models):
    held = conditions(depth=1, frames=85)
    lines = module("nodes.drivers.run").describe(models["vace"], held).lines
    assert any("85 frames" in line and "81" in line for line in lines)


# ---- the nodes -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("family", ["phantom", "bernini-r", "vace", "wan-depth-lora"])
def test_the_sampler_gives_a_latent_of_the_videos_own_length(models, family):
    """References are never in the output; the report says what became of each condition."""
    held = conditions([identity(1), identity(2)], depth=3)
    node = module("nodes.sampler").FullDiTSampler
    with torch.inference_mode():
        latent, report = node.execute(
            models[family],
            FakeCLIP(),
            FakeVAE(),
            held,
            "a cat",
            seed=1,
            steps=2,
            cfg=-1,
            sampler_name="auto",
            scheduler="auto",
            preview=False,
            leave_out=True,
        ).args
    assert latent["samples"].shape == (1, 16, *LATENT) and torch.isfinite(latent["samples"]).all()
    assert "2 steps" in report and "depth" in report and "passes per step" in report


@pytest.mark.parametrize("family", ["phantom", "bernini-r", "vace", "wan-depth-lora"])
def test_apply_drives_a_stock_ksampler(models, family):
    """With the guidance of two passes it is the FullDiT Sampler's own latent."""
    import comfy.sample

    held = conditions([identity(1)], depth=3)
    clip = FakeCLIP()
    out = module("nodes.apply").FullDiTApply.execute(
        models[family],
        FakeVAE(),
        clip.encode_from_tokens_scheduled("a cat"),
        clip.encode_from_tokens_scheduled(""),
        held,
        True,
    )
    positive, negative, latent, model, trim, report = out.args
    noise = comfy.sample.prepare_noise(latent["samples"], 1)
    with torch.inference_mode():
        result = comfy.sample.sample(
            model, noise, 2, 5.0, "euler", "simple", positive, negative, latent["samples"], disable_pbar=True, seed=1
        )
    assert result.shape[2] - trim == LATENT[0] and torch.isfinite(result).all()
    assert ("Trim Video Latent" in report) == (family == "vace")
    assert ("one scale" in report or "passes" in report) == (family in ("phantom", "bernini-r"))


def test_a_users_own_shift_stays(models):
    from comfy_extras.nodes_model_advanced import ModelSamplingSD3

    shifted = ModelSamplingSD3().patch(models["vace"], 11.0)[0]
    for model, shift in ((shifted, 11.0), (models["vace"], models_shift("vace"))):
        plan = plan_of(model, conditions(depth=1)).plan
        assert plan.model.get_model_object("model_sampling").shift == shift


def models_shift(family: str) -> float:
    return module("models.families.matrix").FAMILIES[family].variants[0].settings.shift
