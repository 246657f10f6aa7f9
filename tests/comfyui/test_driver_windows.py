"""VACE's reference slot in core's context windows: of the video the same is made as core makes without a slot, in every
schedule and with every way of blending."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from .driver_cases import conditions, difference, identity, mask_video, module, noise_for, plan_of, predict
from .tiny_models import FakeVAE, load, windowed, write_wan

pytestmark = pytest.mark.comfyui

SCHEDULES = ("standard_static", "standard_uniform", "looped_uniform", "batched")
FUSES = ("pyramid", "relative", "flat", "overlap-linear")
OPTIONS = {
    "plain": {},
    "causal": {"causal_window_fix": True},
    "closed": {"closed_loop": True, "stride": 2},
    "long": {"length": 4, "overlap": 1},
    "retained": {"cond_retain": "0,1", "latent_retain": "1"},
}


@pytest.fixture(scope="module")
def model(host, tmp_path_factory):
    torch.set_num_threads(1)
    return load(write_wan(tmp_path_factory.mktemp("windows") / "vace.safetensors", "vace"))


def handler_of(model, **options):
    return windowed(model, **options).model_options["context_handler"]


def fake_network(lead):
    """What stands for a model: of every frame the sum of all before it in the window, so that neighbors matter, and of
    what controls it."""

    def run(model, conds, x, timestep, options):
        out = []
        for cond in conds:
            read = cond[0]["model_conds"]["control"].cond
            video = (x + read)[:, :, lead:].cumsum(2)
            out.append(torch.cat([x[:, :, :lead] + read[:, :, :lead], video], 2))
        return out

    return run


def run_windows(handler, lead, video, control, step):
    """The result of all windows for two passes, with `lead` frames of ones before the video."""
    import comfy.conds

    slot = torch.ones_like(video[:, :, :1]).repeat(1, 1, lead, 1, 1)
    conds = [
        [{"model_conds": {"control": comfy.conds.CONDRegular(torch.cat([slot, factor * control], 2))}}]
        for factor in (1, -1)
    ]
    sigmas = torch.tensor([1.0, 0.6, 0.3, 0.0])
    inner = SimpleNamespace(
        latent_format=SimpleNamespace(temporal_downscale_ratio=4),
        resize_cond_for_context_window=lambda *rest, **more: None,
    )
    options = {"transformer_options": {"sample_sigmas": sigmas}}
    x, sigma = torch.cat([slot, video], 2), sigmas[step : step + 1]
    assert handler.should_use_context(inner, conds, x, sigma, options)
    return handler.execute(fake_network(lead), inner, conds, x, sigma, options)


@pytest.mark.parametrize("options", list(OPTIONS))
@pytest.mark.parametrize("fuse", FUSES)
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_the_video_is_blended_as_core_does_without_a_slot(model, schedule, fuse, options):
    numbers = torch.Generator().manual_seed(1)
    video, control = (torch.randn(1, 3, 9, 2, 2, generator=numbers) for _ in range(2))
    wanted = {"schedule": schedule, "fuse": fuse, **OPTIONS[options]}
    slot = module("nodes.drivers.windows").SlotContextHandler
    for step in range(2):
        expected = run_windows(handler_of(model, **wanted), 0, video, control, step)
        found = run_windows(slot(handler_of(model, **wanted), 1), 1, video, control, step)
        for one, other in zip(found, expected, strict=True):
            torch.testing.assert_close(one[:, :, 1:], other, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(found[0][:, :, :1], torch.full_like(video[:, :, :1], 2.0))
        torch.testing.assert_close(found[1][:, :, :1], torch.full_like(video[:, :, :1], 2.0))


def test_free_noise_leaves_the_slot_alone(model):
    slot = module("nodes.drivers.windows").SlotContextHandler
    noise = torch.randn(1, 2, 9, 2, 2, generator=torch.Generator().manual_seed(1))
    expected = handler_of(model)._apply_freenoise(noise.clone(), [], 5)
    found = slot(handler_of(model), 1)._apply_freenoise(torch.cat([noise[:, :, :1], noise], 2), [], 5)
    assert torch.equal(found[:, :, 1:], expected) and torch.equal(found[:, :, :1], noise[:, :, :1])


def test_several_prompts_are_given_to_the_windows_by_the_places_in_the_video(model):
    """Core's split_conds_to_windows goes by the middle of a window, which the slot must not move."""
    slot = module("nodes.drivers.windows").SlotContextHandler
    x = torch.zeros(1, 3, 9, 2, 2)
    plain = handler_of(model, split=True).get_context_windows(None, x, {})
    behind = slot(handler_of(model, split=True), 1).get_context_windows(None, torch.cat([x[:, :, :1], x], 2), {})
    assert [w.get_region_index(3) for w in behind] == [w.get_region_index(3) for w in plain] == [0, 1, 1, 2]
    assert [w.index_list for w in behind] == [[0, *(i + 1 for i in w.index_list)] for w in plain]


def test_ranges_and_prompts_split_over_windows_are_refused_together(model):
    """Core would give each window one of the parts of sampling instead of one of the prompts."""
    ranged = conditions([identity(1, end=0.5)], frames=21)
    with pytest.raises(module("control.errors").UserError, match="split_conds_to_windows"):
        plan_of(windowed(model, split=True), ranged)
    plan_of(windowed(model, split=True), conditions([identity(1)], frames=21))
    plan_of(windowed(model), ranged)


def test_windows_act_when_the_conditions_were_applied_before(model):
    """A MODEL from Apply Conditions goes through this again: the slot is kept once."""
    held = conditions([identity(1)], frames=21)
    once = plan_of(windowed(model), held).plan
    again = plan_of(once.model, held).plan
    noise = noise_for(once)
    assert difference(predict(again, noise)[0], predict(once, noise)[0]) < 1e-6


def test_a_source_counts_in_the_estimate_of_memory_as_long_as_a_window(model, tmp_path):
    """What is needed is that of a video as long as the window, whatever the length of the whole."""
    import comfy.sampler_helpers as helpers

    needed = []
    plain = load(write_wan(tmp_path / "plain.safetensors"), "bernini-r")
    for frames in (21, 81):
        plan = plan_of(windowed(plain), conditions([identity(1)], source=2, frames=frames)).plan
        conds = {name: helpers.convert_cond(entries) for name, entries in plan.passes.items()}
        shape = [*plan.latent["samples"].shape[:2], 3, *plan.latent["samples"].shape[3:]]  # as core cuts the noise
        needed.append(helpers.estimate_memory(plan.model, shape, conds))
    assert needed[0] == needed[1]


def test_windows_over_another_axis_than_time_are_left_alone(model):
    """Core's node stands at axis 0, the batch, until someone sets it."""
    model = windowed(model)
    model.model_options["context_handler"].dim = 0
    held = conditions([identity(1)])
    plan = plan_of(model, held).plan
    assert type(plan.model.model_options["context_handler"]).__name__ == "IndexListContextHandler"
    predict(plan)


def test_a_soft_mask_blends_source_and_what_is_made(model):
    """Where the mask is a half the control video is half source, half gray, and core's node halves what it is told."""
    soft = mask_video() * 0.5
    held = conditions([identity(1, mask_video=soft)], source=2)
    control = module("nodes.drivers.vace").control_video(held)
    source = torch.from_numpy(held.items[-1].frames)
    torch.testing.assert_close(control[:, :, :24], source[:, :, :24] * 0.5 + 0.25)
    plan = plan_of(model, held, vae=FakeVAE()).plan
    assert plan.passes["p"][0][1]["vace_mask"][0].amax() == 0.5
