"""Camera by Uni3C's render, identities and depth in one run, on tiny random weights: each acts, alone and together."""

from __future__ import annotations

import importlib.util

import pytest
import torch
from safetensors.torch import save_file

from .driver_cases import conditions, difference, identity, mask_video, module, noise_for, plan_of, predict
from .tiny_models import UNI3C, FakeVAE, model_of, uni3c_weights, windowed

pytestmark = pytest.mark.comfyui

HEIGHT, WIDTH = 32, 48
ACTS, SAME = 1e-4, 1e-5


class RenderVAE(FakeVAE):
    """What Uni3C's patch asks of a VAE beside encoding."""

    def temporal_compression_decode(self):
        return 4


@pytest.fixture(scope="module")
def files(folder):
    if importlib.util.find_spec("comfy.ldm.wan.uni3c") is None:
        pytest.skip("this ComfyUI has no Uni3C")
    return folder


def control_net(seed=4):
    """A tiny Uni3C as core's loader gives it."""
    import comfy.model_patcher
    import comfy.ops
    from comfy.ldm.wan.uni3c import WanUni3CControlnet

    network = WanUni3CControlnet(**UNI3C, device="cpu", dtype=torch.float32, operations=comfy.ops.manual_cast)
    network.load_state_dict(uni3c_weights(seed))
    return comfy.model_patcher.ModelPatcher(network, torch.device("cpu"), torch.device("cpu"))


def with_render(files, family, render_seed=None, frames=9):
    """A MODEL of a family, by core's node with a random render where a seed is given."""
    model = model_of(files, family)
    if render_seed is None:
        return model
    from comfy_extras.nodes_model_patch import WanUni3CControlnetApply

    render = torch.rand(frames, HEIGHT, WIDTH, 3, generator=torch.Generator().manual_seed(render_seed))
    return WanUni3CControlnetApply().apply_patch(model, control_net(), RenderVAE(), render, 1.0, 0.0, 1.0)[0]


def held_for(family, seed=0, frames=9, depth_seed=3):
    who = [identity(seed + 1, name="one"), identity(seed + 2, name="two")]
    return conditions(who, depth=depth_seed if family == "vace" else None, frames=frames)


@pytest.mark.parametrize("family", ["vace", "phantom", "bernini-r"])
@pytest.mark.parametrize("windows", [False, True])
def test_camera_identities_and_depth_act_in_one_run_and_in_every_window(files, family, windows):
    frames = 21 if windows else 9

    def run(render=7, **more):
        model = with_render(files, family, render, frames)
        return predict(plan_of(windowed(model) if windows else model, held_for(family, frames=frames, **more)).plan)[0]

    first = run()
    changes = {"camera": run(render=8), "identities": run(seed=50)}
    if family == "vace":
        changes["depth"] = run(depth_seed=60)
    for name, other in changes.items():
        change = (other - first).abs().amax((0, 1, 3, 4)) / first.abs().max()
        lead = 1 if family == "vace" else 0
        assert change[lead:].min() > ACTS, (name, change)


@pytest.mark.parametrize("family", ["vace", "phantom", "bernini-r"])
def test_without_references_it_is_cores_own_patch(files, family):
    """On the video's frames alone there is nothing to align."""
    model = with_render(files, family, 7)
    aligned = plan_of(model, conditions()).plan
    noise = noise_for(aligned)
    found = predict(aligned, noise)[0]
    patches = aligned.model.model_options["transformer_options"]["patches"]["double_block"]
    assert type(patches[0]).__name__ == "AlignedUni3C"
    patches[0] = model.model_options["transformer_options"]["patches"]["double_block"][0]
    assert difference(predict(aligned, noise)[0], found) < SAME


@pytest.mark.parametrize("family", ["vace", "phantom"])
def test_reference_slots_are_left_out_of_the_render(files, family, monkeypatch):
    """Core's patch encodes a longer render, so that every frame's render is another's."""
    seen = []
    vae_class = RenderVAE
    real = vae_class.encode
    monkeypatch.setattr(vae_class, "encode", lambda self, pixels: seen.append(len(pixels)) or real(self, pixels))
    predict(plan_of(with_render(files, family, 7), held_for(family)).plan)
    assert seen == [9]


def test_windows_read_the_render_of_their_own_frames(files, monkeypatch):
    """In core's patch every window reads the first frames of the render."""
    from comfy_extras import nodes_model_patch

    model = windowed(with_render(files, "vace", 7, frames=21))
    plan = plan_of(model, held_for("vace", frames=21), scales={"text": 1.0}).plan
    taken = []
    real = nodes_model_patch.WanUni3CCnetPatch.build_controlnet_input

    def watch(self, x, dtype, samples):
        joined = real(self, x, dtype, samples)
        taken.append((self, joined[:, 20:].clone()))
        return joined

    monkeypatch.setattr(nodes_model_patch.WanUni3CCnetPatch, "build_controlnet_input", watch)
    predict(plan, sigmas=(1.0,))
    assert len(taken) == 3
    whole = taken[0][0].render
    assert whole.shape[2] == 6
    for (_, part), start in zip(taken, (0, 2, 3), strict=True):
        torch.testing.assert_close(part, whole[:, :, start : start + 3])


def test_a_camera_condition_is_said_to_be_the_renders(files):
    held = conditions([identity(1)], camera=True)
    notes = plan_of(with_render(files, "vace", 7), held).taken.notes
    assert [note.how for note in notes if note.facet == "camera"] == ["rendered"]
    with pytest.raises(module("control.errors").UserError, match="Camera"):
        plan_of(with_render(files, "vace"), held)


@pytest.mark.parametrize("family", ["vace", "bernini-r"])
def test_uni3cs_render_wins_over_one_along_the_path_and_that_is_said(files, family, monkeypatch):
    """With what the model would render along: source and depth mean what they mean without a camera."""
    who = [identity(1, mask_video=mask_video())] if family == "vace" else []
    depth = 3 if family == "vace" else None  # Bernini-R reads one of them
    without, held = (conditions(who, depth=depth, source=2, camera=camera) for camera in (False, True))
    rendered = module("nodes.drivers.rendered")
    monkeypatch.setattr(rendered, "remembered_rendering", lambda held: pytest.fail("something was rendered"))
    model = with_render(files, family, 7)
    plans = [plan_of(model, one) for one in (without, held)]
    noise = noise_for(plans[0].plan)
    assert torch.equal(predict(plans[1].plan, noise)[0], predict(plans[0].plan, noise)[0])
    (note,) = [note for note in plans[1].taken.notes if note.facet == "camera"]
    assert "The render of Uni3C moves the camera" in note.sentence and "nothing is rendered here" in note.sentence


def test_the_model_of_cores_loader_reads_the_official_keys(files, tmp_path):
    """`to_q` and `to_out.0`, as in the file that people have."""
    state = {}
    for name, value in control_net().model.state_dict().items():
        for ours, theirs in ((".q.", ".to_q."), (".k.", ".to_k."), (".v.", ".to_v."), (".o.", ".to_out.0.")):
            name = name.replace(f"self_attn{ours}", f"self_attn{theirs}")
        state[name] = value
    path = tmp_path / "uni3c.safetensors"
    save_file(state, path)
    assert module("models.families.detect").detect_file(path).family == "uni3c"
