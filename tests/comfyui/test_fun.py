"""Wan Fun Camera and Fun Control under the same conditions, on tiny random weights with the real keys."""

from __future__ import annotations

from types import SimpleNamespace

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
    module,
    noise_for,
    plan_of,
    predict,
)
from .tiny_models import FakeCLIP, FakeVAE, load, windowed, write_wan

pytestmark = pytest.mark.comfyui

CAMERAS = ("fun-camera", "fun-camera-2.2")
CONTROLS = ("fun-control", "fun-control-v1.1", "fun-control-2.2")
WITH_REFERENCE = CONTROLS[1:]
ACTS, SAME = 1e-3, 1e-5


@pytest.fixture(scope="module")
def models(host, tmp_path_factory):
    """A MODEL of each kind, by core's loader, under a name that tells nothing."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("fun")
    return {kind: load(write_wan(folder / f"{i}.safetensors", kind)) for i, kind in enumerate((*CAMERAS, *CONTROLS))}


@pytest.mark.parametrize("kind", [*CAMERAS, *CONTROLS])
def test_the_family_is_told_by_the_keys(models, kind):
    family = module("nodes.bridge.families").family_of(models[kind])[0]
    assert family.id == ("fun-camera" if kind in CAMERAS else "fun-control")


def changed(held, name, other):
    """`held` with the condition of this name of `other`."""
    items = [item for item in held.items if item.name != name] + [item for item in other.items if item.name == name]
    return type(held)(held.video, tuple(items))


@pytest.mark.parametrize("kind", CAMERAS)
def test_camera_and_start_image_act(models, kind):
    held = conditions(source=1, camera=True)
    first = predict(plan_of(models[kind], held).plan)[0]
    assert (
        difference(predict(plan_of(models[kind], changed(held, "source", conditions(source=5))).plan)[0], first) > ACTS
    )
    still = module("control.conditions").CameraCondition(
        trajectory=module("control.camera.presets").preset("static", frames=FRAMES)
    )
    other = type(held)(held.video, (still, *(item for item in held.items if item.name == "source")))
    assert difference(predict(plan_of(models[kind], other).plan)[0], first) > ACTS
    without = predict(plan_of(models[kind], conditions(source=1)).plan)[0]
    assert difference(without, first) > ACTS


@pytest.mark.parametrize("kind", CONTROLS)
def test_depth_and_start_image_act(models, kind):
    held = conditions(depth=1, source=2)
    first = predict(plan_of(models[kind], held).plan)[0]
    for name, other in (("depth", conditions(depth=7)), ("source", conditions(source=8))):
        assert difference(predict(plan_of(models[kind], changed(held, name, other)).plan)[0], first) > ACTS, name


@pytest.mark.parametrize("kind", WITH_REFERENCE)
def test_a_reference_acts_where_there_is_a_layer_for_it(models, kind):
    first = predict(plan_of(models[kind], conditions([identity(1)], depth=1)).plan)[0]
    other = plan_of(models[kind], conditions([identity(9, name="thing1")], depth=1)).plan
    assert difference(predict(other)[0], first) > ACTS


def test_a_path_of_another_unit_is_said(models):
    held = conditions(source=1, camera=True)
    for unit, words in (("metre", "Its lengths are in metre and count as they are"), (None, "")):
        camera = held.items[0]
        path = camera.trajectory if unit is None else camera.trajectory.replace(unit=unit)
        other = type(held)(held.video, (type(camera)(trajectory=path), *held.items[1:]))
        note = plan_of(models["fun-camera"], other).taken.notes[0]
        assert (words in note.sentence) and ("Its lengths" in note.sentence) == (unit is not None)


def test_what_is_refused(models):
    error = module("control.errors").UserError
    with pytest.raises(error, match="connect it as the source video"):
        plan_of(models["fun-camera"], conditions(camera=True))
    with pytest.raises(error, match="no layer for a reference"):
        plan_of(models["fun-control"], conditions([identity(1)], depth=1))
    with pytest.raises(error, match="reads 1 reference images at most"):
        plan_of(models["fun-control-2.2"], conditions([identity(1), identity(2)], depth=1))
    with pytest.raises(error, match="cannot take all"):
        plan_of(models["fun-control"], conditions(camera=True))
    with pytest.raises(error, match="cannot take all"):
        plan_of(models["fun-camera"], conditions(depth=1, source=1, camera=True))


@pytest.mark.parametrize("kind", CAMERAS)
def test_rays_have_the_videos_own_size_and_the_start_image_is_not_cropped(models, kind):
    """ComfyUI's template makes rays for 512x512, whatever the video is."""
    vae = FakeVAE()
    seen_before_by_nobody = 70 + CAMERAS.index(kind)
    plan = plan_of(models[kind], conditions(source=seen_before_by_nobody, camera=True), vae=vae).plan
    options = plan.passes["p"][0][1]
    assert options["camera_conditions"].shape == (1, 24, LATENT[0], HEIGHT, WIDTH)
    assert vae.seen == [(1, HEIGHT, WIDTH, 3)]
    assert options["concat_mask"][:, :, 0].max() == 0 and options["concat_mask"][:, :, 1:].min() == 1


def test_absent_vision_features_are_zeros_and_given_ones_act(models):
    """Without any, core would take the words for the image's features."""
    held = conditions(source=1, camera=True)
    plan = plan_of(models["fun-camera"], held).plan
    assert not plan.passes["p"][0][1]["clip_vision_output"].penultimate_hidden_states.any()
    assert "clip_vision_output" not in plan_of(models["fun-camera-2.2"], held).plan.passes["p"][0][1]
    run = module("nodes.drivers.run")
    words = FakeCLIP().encode_from_tokens_scheduled("a")
    features = SimpleNamespace(penultimate_hidden_states=torch.randn(1, 257, 1280))
    taken = run.accept(models["fun-camera"], held, False)
    request, settings = module("nodes.drivers.plan").Request, taken.driver.settings(taken.facts, held)
    plans = [
        run.plan(models["fun-camera"], FakeVAE(), taken, request(held, words, words, {}, vision), settings)
        for vision in (None, features)
    ]
    assert difference(predict(plans[1])[0], predict(plans[0])[0]) > ACTS


@pytest.mark.parametrize("kind", ["fun-camera", "fun-control-2.2"])
def test_context_windows_slice_what_belongs_to_their_frames(models, kind, monkeypatch):
    held = conditions(source=1, camera=kind in CAMERAS, depth=None if kind in CAMERAS else 3, frames=21)
    model = windowed(models[kind])
    network = model.model.diffusion_model
    seen = []
    real = network.forward
    monkeypatch.setattr(network, "forward", lambda x, *a, **k: seen.append((x, k)) or real(x, *a, **k))
    plan = plan_of(model, held, scales={"text": 1.0}).plan
    noise = noise_for(plan)
    predict(plan, noise, sigmas=(1.0,))
    assert len(seen) == 3
    for (x, more), start in zip(seen, (0, 2, 3), strict=True):
        assert torch.equal(x[:, :16], noise[:, :, start : start + 3])
        if kind in CAMERAS:
            whole = plan.passes["p"][0][1]["camera_conditions"]
            assert torch.equal(more["camera_conditions"], whole[:, :, start : start + 3])


@pytest.mark.parametrize("kind", [*CAMERAS, *CONTROLS])
def test_a_batch_of_two_is_two_runs_and_the_sampler_ends_with_the_video(models, kind):
    held = conditions(source=1, camera=kind in CAMERAS, depth=None if kind in CAMERAS else 3)
    plan = plan_of(models[kind], held).plan
    both = noise_for(plan, batch=2)
    together = predict(plan, both)[0]
    for index in range(2):
        assert difference(together[index : index + 1], predict(plan, both[index : index + 1])[0]) < SAME
    run = module("nodes.drivers.run")
    with torch.inference_mode():
        latent, report = run.sample(
            models[kind], FakeCLIP(), FakeVAE(), held, "a", "", run.SamplingOptions(1, steps=2, preview=False)
        )
    assert latent["samples"].shape == (1, 16, *LATENT) and "Wan Fun" in report
