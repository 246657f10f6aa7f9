"""A camera by rendering on VACE, Bernini-R and Wan Fun Control: what reaches them is what models/rendering renders, it
acts in every context window, is rendered once, and is said or refused before anything is sampled."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from .driver_cases import (
    FRAMES,
    HEIGHT,
    LATENT,
    WIDTH,
    difference,
    identity,
    mask_video,
    module,
    noise_for,
    plan_of,
    predict,
)
from .tiny_models import FakeCLIP, FakeVAE, load, model_of, windowed, with_depth_lora, write_wan

pytestmark = pytest.mark.comfyui

FAMILIES = ("vace", "bernini-r", "fun-control", "fun-control-2.2")
ACTS = 1e-4


@pytest.fixture(scope="module")
def models(folder, tmp_path_factory):
    """A MODEL of each family."""
    place = tmp_path_factory.mktemp("fun")
    made = {kind: load(write_wan(place / f"{i}.safetensors", kind)) for i, kind in enumerate(FAMILIES[2:])}
    return {**made, "vace": model_of(folder, "vace"), "bernini-r": model_of(folder, "bernini-r")}


def user_error():
    return module("control.errors").UserError


def held(movement="truck_right", source=1, who=(), frames=FRAMES, without=(), **weights):
    """Conditions with a camera, a source video and its smooth depth. weights: strengths and ranges, by name."""
    parts, depths = module("control.conditions"), module("control.depth")
    path = module("control.camera.presets").preset(movement, frames=frames, aspect=WIDTH / HEIGHT)
    video = np.random.default_rng(source).random((frames, HEIGHT, WIDTH, 3), np.float32)
    v, u = np.mgrid[:HEIGHT, :WIDTH]
    depth = depths.normalize_depth(2 + 0.3 * np.sin(u / 7 + np.arange(frames)[:, None, None]) + v / HEIGHT, "depth")
    items = [
        parts.CameraCondition(trajectory=path, **weights.get("camera", {})),
        parts.SourceCondition(frames=video, **weights.get("of_source", {})),
        parts.DepthCondition(clip=depth, **weights.get("of_depth", {})),
    ]
    items = [item for item in items if item.name not in without]
    if who:
        items.append(parts.IdentityCondition(identities=tuple(who)))
    return parts.Conditions(parts.VideoSize(frames, HEIGHT, WIDTH, 16.0), tuple(items))


def rendering(conditions):
    """By the models' own function, nothing remembered."""
    return module("models.rendering").render_conditions(conditions)


class WatchingVAE(FakeVAE):
    """Keeps the pixels that it encodes. Its own weights, so that nothing encoded before is remembered."""

    count = 0

    def __init__(self):
        super().__init__()
        WatchingVAE.count += 1
        self.mix = self.mix + 1e-3 * WatchingVAE.count
        self.pixels = []

    def encode(self, pixels):
        self.pixels.append(pixels.clone())
        return super().encode(pixels)


def encoded(model, conditions, **options):
    """What a plan gives the VAE, and the plan."""
    vae = WatchingVAE()
    plan = plan_of(model, conditions, vae=vae, **options).plan
    return vae.pixels, plan


# ---- what reaches the models -----------------------------------------------------------------------------------------


def test_vace_is_given_the_render_and_its_holes_to_paint(models):
    """To keep: the render where there is no hole. To paint: gray, white in the mask. Nothing else."""
    conditions = held()
    pixels, plan = encoded(models["vace"], conditions)
    expected = rendering(conditions)
    holes = expected.holes[..., None]
    assert 0.01 < holes.float().mean() < 0.9 and not holes[0].any()
    inactive, reactive = pixels  # as core splits the control video by the mask: (v - 0.5) (1 - m) + 0.5, and with m
    gray = torch.full_like(expected.images, 0.5)
    torch.testing.assert_close(inactive, torch.where(holes, gray, expected.images), rtol=0, atol=1e-6)
    assert torch.equal(reactive, gray)
    mask = plan.passes["p"][0][1]["vace_mask"][0]
    # One channel per pixel of an 8x8 cell; in time core takes the nearest of the video's frames.
    cells = torch.nn.functional.pixel_unshuffle(expected.holes.float()[:, None], 8).movedim(1, 0)
    frames = torch.nn.functional.interpolate(cells[None], size=LATENT, mode="nearest-exact")
    assert torch.equal(mask, frames)
    control = module("nodes.drivers.vace").control_video
    with_rendering = module("nodes.drivers.rendered").with_rendering
    facts = module("nodes.drivers.registry").facts_of(models["vace"])
    seen = control(with_rendering(conditions, facts), expected.holes.float())
    assert torch.equal(seen[~expected.holes], expected.images[~expected.holes]) and (seen[expected.holes] == 0.5).all()


def test_vace_paints_masks_of_identities_beside_the_holes(models):
    """With a reference: its canvas before the video, and the left half is painted anew wherever the camera looks."""
    conditions = held(who=[identity(3, mask_video=mask_video())])
    pixels, plan = encoded(models["vace"], conditions)
    expected = rendering(conditions)
    painted = expected.holes.clone()
    painted[:, :, : WIDTH // 2] = True
    inactive = next(image for image in pixels if len(image) == FRAMES)
    wanted = torch.where(painted[..., None], torch.full_like(inactive, 0.5), expected.images)
    torch.testing.assert_close(inactive, wanted, rtol=0, atol=1e-6)
    assert plan.trim == 1 and plan.passes["p"][0][1]["vace_mask"][0][:, :, 0].sum() == 0
    notes = plan_of(models["vace"], conditions).taken.notes
    assert any("masks of the new video" in note.sentence for note in notes if note.facet == "mask")


def test_bernini_edits_the_render(models):
    conditions = held()
    pixels, plan = encoded(models["bernini-r"], conditions)
    assert len(pixels) == 1 and torch.equal(pixels[0], rendering(conditions).images)
    assert set(plan.passes) == {"nV", "pV"}
    driver = module("nodes.drivers.registry").DRIVERS["bernini-r"]
    facts = module("nodes.drivers.registry").facts_of(models["bernini-r"])
    text = driver.prompt("A street.", conditions, facts)
    assert text == (
        "You are a helpful assistant specialized in video editing."
        "A street. Fill the black areas with what belongs there."
    )
    assert driver.prompt(text, conditions, facts) == text
    with_reference = held(who=[identity(1, name="the cat")])
    assert set(plan_of(models["bernini-r"], with_reference).plan.passes) == {"n0", "nV", "nVI", "pVI"}
    assert driver.prompt("A street.", with_reference, facts) == (
        "You are a helpful assistant specialized in video editing with reference."
        "A street. the cat is image0. Fill the black areas with what belongs there."
    )


def test_a_depth_lora_on_bernini_reads_the_depth_that_the_camera_sees(models, folder):
    conditions = held()
    pixels, _ = encoded(with_depth_lora(model_of(folder, "bernini-r")), conditions)
    expected = rendering(conditions)
    depth = module("nodes.sockets.arrays").to_gray_images(expected.depth.values)
    assert any(torch.equal(one, expected.images) for one in pixels)
    assert any(torch.equal(one, depth) for one in pixels)


@pytest.mark.parametrize("kind", ["fun-control", "fun-control-2.2"])
def test_fun_control_follows_the_rendered_depth_from_the_renders_first_frame(models, kind):
    conditions = held()
    pixels, _ = encoded(models[kind], conditions)
    expected = rendering(conditions)
    depth = module("nodes.sockets.arrays").to_gray_images(expected.depth.values)
    assert any(one.shape == depth.shape and torch.equal(one, depth) for one in pixels)
    first = torch.from_numpy(conditions.items[-1].frames[:1])
    assert torch.equal(expected.images[:1], first)
    starts = [one for one in pixels if torch.equal(one[:1], first)]
    assert len(starts) == 1 and not any((one[1:] == expected.images[1:]).all() for one in starts if len(one) > 1)


# ---- it acts ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("windows", [False, True])
@pytest.mark.parametrize("family", FAMILIES)
def test_the_camera_acts_in_the_frames_of_every_window(models, family, windows):
    """Another path gives another video in each latent frame, and so does another source where all of it is seen: Fun
    Control reads its first frame alone."""
    frames = 21 if windows else FRAMES
    model = windowed(models[family]) if windows else models[family]
    who = [identity(3)] if family in ("vace", "bernini-r") else ()

    def run(**changes):
        return plan_of(model, held(who=who, frames=frames, **changes)).plan

    first = run()
    found = predict(first)[0]
    lead = first.trim
    changed = {"camera": {"movement": "arc_left"}}
    if family in ("vace", "bernini-r"):
        changed["source"] = {"source": 9}
    for name, changes in changed.items():
        change = (predict(run(**changes))[0] - found).abs().amax((0, 1, 3, 4)) / found.abs().max()
        assert change[lead:].min() > ACTS, (name, change)


@pytest.mark.parametrize("family", FAMILIES)
def test_windows_read_what_the_camera_sees_in_their_own_frames(models, family, monkeypatch):
    model, seen = windowed(models[family]), []
    network = model.model.diffusion_model
    real = network.forward
    monkeypatch.setattr(network, "forward", lambda x, *a, **k: seen.append((x, k)) or real(x, *a, **k))
    plan = plan_of(model, held(frames=21), scales={"text": 1.0}).plan
    predict(plan, noise_for(plan), sigmas=(1.0,))
    options, process = plan.passes["p" if family != "bernini-r" else "pV"][0][1], model.model.process_latent_in
    assert len(seen) == 3
    for (x, more), start in zip(seen, (0, 2, 3), strict=True):
        part = slice(start, start + 3)
        if family == "vace":
            read, whole = more["vace_context"][:, 0, :16], options["vace_frames"][0][:, :16]
        elif family == "bernini-r":
            read, whole = more["context_latents"][0], options["context_latents"][0]
        else:
            read, whole = x[:, 16:32], options["concat_latent_image"][:, :16]
        torch.testing.assert_close(read, process(whole)[:, :, part])


@pytest.mark.parametrize("family", FAMILIES)
def test_the_sampler_ends_with_the_video_and_says_the_holes(models, family):
    run, conditions = module("nodes.drivers.run"), held()
    with torch.inference_mode():
        latent, report = run.sample(
            models[family], FakeCLIP(), FakeVAE(), conditions, "a", "", run.SamplingOptions(1, steps=2, preview=False)
        )
    assert latent["samples"].shape == (1, 16, *LATENT)
    assert f"{rendering(conditions).shares.mean():.1%} are holes" in report


# ---- strength and range ----------------------------------------------------------------------------------------------


def test_the_cameras_strength_is_that_of_the_render(models):
    options = plan_of(models["vace"], held(camera={"strength": 0.3})).plan.passes["p"][0][1]
    assert options["vace_strength"] == [0.3]
    done = plan_of(models["vace"], held(camera={"strength": 0.3}, who=[identity(1)]))
    assert done.plan.passes["p"][0][1]["vace_strength"] == [1.0]
    assert any("one strength for all of them" in str(note) for note in done.taken.notes if note.facet == "camera")
    scaled = plan_of(models["bernini-r"], held(camera={"strength": 0.5}, who=[identity(1)])).plan
    assert [(term.name, term.scale) for term in scaled.guidance.terms][0] == ("source", 0.625)
    for family in ("bernini-r", "fun-control"):
        notes = plan_of(models[family], held(camera={"strength": 0.5})).taken.notes
        assert any("only be 0 or 1" in str(note) for note in notes if note.facet == "camera")


@pytest.mark.parametrize("family", FAMILIES)
def test_the_cameras_range_is_that_of_the_render(models, family):
    """After its end nothing of source and depth is seen, whatever their own ranges."""
    ranged = plan_of(models[family], held(camera={"end": 0.5}, of_source={"end": 0.9})).plan
    other = plan_of(models[family], held("arc_left", camera={"end": 0.5}, of_source={"end": 0.9})).plan
    whole = plan_of(models[family], held()).plan
    sampling = ranged.model.get_model_object("model_sampling")
    sigmas = [float(sampling.percent_to_sigma(share)) for share in (0.5, 0.501)]
    found = [predict(plan, sigmas=sigmas) for plan in (ranged, other, whole)]
    assert difference(found[0][0], found[2][0]) < 1e-5 and difference(found[0][0], found[1][0]) > ACTS
    assert difference(found[0][1], found[1][1]) < 1e-5 and difference(found[0][1], found[2][1]) > ACTS


def test_a_camera_of_strength_0_leaves_everything_as_without_one(models):
    off = held(camera={"strength": 0.0})
    without = held(without=("camera",))
    for family in ("bernini-r", "fun-control"):
        plans = [plan_of(models[family], one, leave_out=True).plan for one in (off, without)]
        assert torch.equal(predict(plans[0])[0], predict(plans[1])[0])


# ---- rendered once ---------------------------------------------------------------------------------------------------


def test_a_second_run_renders_nothing(models, monkeypatch):
    """With another seed, prompt, strength, range or model; equal conditions made anew are the same."""
    calls, host_rendering = [], module("nodes.bridge.rendering")
    real = host_rendering.render_conditions
    monkeypatch.setattr(host_rendering, "render_conditions", lambda *a, **k: calls.append(1) or real(*a, **k))
    run = module("nodes.drivers.run")

    def sampled(conditions, seed=1, prompt="a", family="vace"):
        options = run.SamplingOptions(seed, steps=1, preview=False)
        with torch.inference_mode():
            return run.sample(models[family], FakeCLIP(), FakeVAE(), conditions, prompt, "", options)[0]["samples"]

    run.describe(models["vace"], held(source=77))  # what Conditions shows with a model connected
    assert calls == [1]
    one = sampled(held(source=77))
    assert not torch.equal(sampled(held(source=77), seed=2), one)
    sampled(held(source=77, camera={"strength": 0.5, "end": 0.5}), prompt="b")
    sampled(held(source=77), family="bernini-r")
    assert calls == [1]
    sampled(held("arc_left", source=77))
    sampled(held(source=78))
    assert calls == [1, 1, 1]
    assert torch.equal(sampled(held(source=77)), one) and calls == [1, 1, 1]


def test_both_experts_of_a_pair_read_one_rendering(tmp_path, folder, monkeypatch):
    names = ("wan2.2_bernini_r_high_noise_x.safetensors", "wan2.2_bernini_r_low_noise_x.safetensors")
    high, low = (load(write_wan(tmp_path / name, seed=seed), "bernini-r") for seed, name in enumerate(names))
    pair = module("nodes.pair_experts").FullDiTPairExperts.execute(high, low, 0.875).args[0]
    calls, host_rendering = [], module("nodes.bridge.rendering")
    real = host_rendering.render_conditions
    monkeypatch.setattr(host_rendering, "render_conditions", lambda *a, **k: calls.append(1) or real(*a, **k))

    def sampled(movement):
        plan = plan_of(pair, held(movement, source=95)).plan
        return predict(plan, sigmas=(0.9, 0.4))

    one, other = sampled("truck_right"), sampled("arc_left")
    assert calls == [1, 1]
    assert all(difference(a, b) > ACTS for a, b in zip(one, other, strict=True))  # one step in each of the two


def test_what_is_remembered_is_bounded(models, monkeypatch):
    host_rendering = module("nodes.bridge.rendering")
    host_rendering._rendered.clear()
    size = FRAMES * HEIGHT * WIDTH * 3 * 4
    monkeypatch.setattr(host_rendering, "REMEMBERED", 2 * size)
    for source in (80, 81, 82):
        host_rendering.remembered_rendering(held(source=source))
    assert len(host_rendering._rendered) == 2
    monkeypatch.setattr(host_rendering, "REMEMBERED", 1)
    assert host_rendering.remembered_rendering(held(source=83)).images.nbytes == size
    assert len(host_rendering._rendered) == 1


# ---- said and refused ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("family", FAMILIES)
def test_conditions_say_the_share_of_holes_and_the_scale_before_anything_is_sampled(models, family):
    conditions = held()
    lines = module("nodes.drivers.run").describe(models[family], conditions).lines
    (line,) = [line for line in lines if line.startswith("camera: ")]
    assert f"{rendering(conditions).shares.mean():.1%} are holes, at most" in line and "Near (1) is at a" in line
    assert all(any(text.startswith(f"{name}: ") for text in lines) for name in ("source", "depth"))


@pytest.mark.parametrize("family", FAMILIES)
def test_a_camera_that_leaves_what_the_source_shows_is_warned_about(models, family):
    """In a line of its own, with the warnings of the model: before anything is sampled, and in the report."""
    conditions = held()
    camera = conditions.items[0]
    c2w = camera.trajectory.c2w.copy()
    for frame, angle in enumerate(np.radians(np.linspace(0, 170, FRAMES))):
        c2w[frame, :, :3] = [[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]]
    turned = dataclasses.replace(camera, trajectory=camera.trajectory.replace(c2w=c2w))
    away = dataclasses.replace(conditions, items=(turned, *conditions.items[1:]))
    run = module("nodes.drivers.run")
    for one, times in ((away, 1), (conditions, 0)):
        lines = run.describe(models[family], one).lines
        assert sum(line.startswith("In frame ") and "has left all" in line for line in lines) == times
        words = FakeCLIP().encode_from_tokens_scheduled("a")
        report = run.apply(models[family], FakeVAE(), words, words, one).report
        assert report.count("the camera has left all that the source shows: take a shorter path") == times


@pytest.mark.parametrize("missing", [("source",), ("depth",), ("source", "depth")])
@pytest.mark.parametrize("family", FAMILIES)
def test_a_camera_that_lacks_something_is_refused_by_name_or_left_out(models, family, missing):
    conditions = held(without=missing)
    with pytest.raises(user_error(), match="there is no .*: connect") as error:
        plan_of(models[family], conditions)
    for name in ("source_video", "depth"):
        assert (f"{name} (th" in str(error.value)) == (name.removesuffix("_video") in missing)
    done = plan_of(models[family], conditions, leave_out=True)
    assert [note.how for note in done.taken.notes if note.facet == "camera"] == ["ignored"]
    assert torch.isfinite(predict(done.plan)[0]).all()


def test_what_cannot_be_rendered_is_refused_with_the_reason(models):
    conditions = held()
    depth = module("control.depth").DepthClip(conditions.items[1].clip.values, {"kind": "disparity"})
    camera = conditions.items[0]
    items = (
        dataclasses.replace(camera, trajectory=camera.trajectory.replace(unit="meters")),
        dataclasses.replace(conditions.items[1], clip=depth),
        conditions.items[2],
    )
    with pytest.raises(user_error(), match="cannot be rendered along the path: the camera moves in meters but"):
        plan_of(models["vace"], dataclasses.replace(conditions, items=items))


@pytest.mark.parametrize("change", ["length", "size"])
@pytest.mark.parametrize("family", FAMILIES)
def test_a_source_video_of_another_length_or_size_is_refused_before_anything_runs(models, family, change):
    conditions = held()
    source = conditions.items[2]
    frames = source.frames[:4] if change == "length" else source.frames[:, :, ::2]
    items = (*conditions.items[:2], dataclasses.replace(source, frames=frames))
    expected = {"length": "source video has 4 frames, the video 9", "size": "source video is 24x32"}[change]
    with pytest.raises(user_error(), match=expected):
        plan_of(models[family], dataclasses.replace(conditions, items=items))


def test_an_interrupted_rendering_leaves_nothing(models, monkeypatch):
    import comfy.model_management as management

    def stop():
        raise management.InterruptProcessingException()

    monkeypatch.setattr(management, "throw_exception_if_processing_interrupted", stop)
    remembered = dict(module("nodes.bridge.rendering")._rendered)
    with pytest.raises(management.InterruptProcessingException):
        plan_of(models["vace"], held(source=90))
    assert dict(module("nodes.bridge.rendering")._rendered) == remembered
