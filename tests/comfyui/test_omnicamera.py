"""OmniCamera: ReCamMaster's layers in every fifth block of Wan 2.2 TI2V 5B, of a file that holds a part of the"
" weights."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import save_file

from .driver_cases import conditions, difference, identity, module, noise_for, plan_of, predict, predict_alone
from .test_recammaster import camera_formula
from .tiny_models import FakeVAE, camera_layers, wan_weights, windowed

pytestmark = pytest.mark.comfyui

ACTS, SAME = 1e-3, 1e-5
SIZE, LATENT = (64, 96), (3, 4, 6)
BLOCKS = (0, 3)  # of 4; the real one has 0, 5, ..., 25 of 30
PART = "omnicamera_step61000.safetensors"


def base_weights():
    """A tiny Wan 2.2 TI2V 5B."""
    return wan_weights("t2v", 1, in_dim=48, out_dim=48)


def part_weights():
    """What the published file holds: attention and camera layers."""
    other = wan_weights("t2v", 8, in_dim=48, out_dim=48)
    return {name: value for name, value in other.items() if "_attn." in name} | camera_layers(7, BLOCKS)


@pytest.fixture(scope="module")
def folder(host, tmp_path_factory):
    torch.set_num_threads(1)
    import folder_paths

    module("nodes.bridge.camera_wan").register_camera_wan()
    place = tmp_path_factory.mktemp("omnicamera")
    save_file({f"dit.{name}": value for name, value in part_weights().items()}, place / PART)
    save_file(base_weights(), place / "wan2.2_ti2v_5B_fp16.safetensors")
    folder_paths.add_model_folder_path("diffusion_models", str(place))
    yield place
    folder_paths.folder_names_and_paths["diffusion_models"][0].remove(str(place))


@pytest.fixture(scope="module")
def model(folder):
    return module("nodes.bridge.video_models").load_video_model(str(folder / PART))


def vae():
    return FakeVAE(48, 16)


def held(**more):
    return conditions(size=SIZE, **more)


def made(model, held, **more):
    return plan_of(model, held, vae=vae(), **more)


def test_the_part_goes_onto_the_base_and_whole_files_load_as_well(model):
    whole = {**base_weights(), **part_weights()}
    state = model.model.diffusion_model.state_dict()
    assert set(state) == set(whole)
    assert all(torch.equal(state[name], value) for name, value in whole.items())
    facts = module("nodes.drivers.registry").facts_of(model)
    assert facts.name == "OmniCamera 5B" and facts.geometry.channels == 48
    import comfy.sd

    bare = comfy.sd.load_diffusion_model_state_dict(whole)  # as GGUF loaders call it
    assert module("nodes.bridge.families").family_of(bare)[0].id == "omnicamera"
    assert type(bare.model).__name__ == "CameraWAN22"
    plain = comfy.sd.load_diffusion_model_state_dict(base_weights())
    assert type(plain.model).__name__ == "WAN22"


def test_a_part_without_its_base_or_with_another_is_refused(folder, tmp_path, monkeypatch):
    load, error = module("nodes.bridge.video_models"), module("control.errors").UserError
    other = tmp_path / "my_ti2v_5b.safetensors"
    save_file(wan_weights("t2v", 1, in_dim=48, out_dim=48, dim=384), other)
    monkeypatch.setattr(load, "base_model_file", lambda: other)
    with pytest.raises(error, match=r"my_ti2v_5b.*is \(256,\) in the part and \(384,\) in the base"):
        load.load_video_model(str(folder / PART))
    monkeypatch.undo()
    monkeypatch.setattr("folder_paths.get_full_path", lambda kind, name: None)
    with pytest.raises(error, match="no file 'wan2.2_ti2v_5B_fp16.safetensors'.*can be downloaded"):
        load.load_video_model(str(folder / PART))


@torch.inference_mode()
@pytest.mark.parametrize("with_source", [False, True])
@pytest.mark.parametrize("with_camera", [False, True])
def test_a_pass_is_the_authors_formula(model, with_source, with_camera):
    """Without a path neither layer acts: the branches of the guidance without camera are plain Wan."""
    numbers = torch.Generator().manual_seed(2)
    x, source = (torch.randn(1, 48, *LATENT, generator=numbers) for _ in range(2))
    text, poses = torch.randn(1, 7, 4096, generator=numbers), torch.randn(1, 12, LATENT[0], 1, 1, generator=numbers)
    source, poses, t = source if with_source else None, poses if with_camera else None, torch.tensor([730.0])
    key = module("nodes.bridge.camera_wan").POSES
    given = {} if poses is None else {key: poses}
    found = model.model.diffusion_model(x, t, text, time_dim_concat=source, transformer_options={}, **given)
    state = {**base_weights(), **part_weights()}
    expected = camera_formula(state, x, source, t, text, poses)
    assert difference(found.double(), expected) < SAME
    if with_camera:
        assert difference(expected, camera_formula(state, x, source, t, text, None)) > 0.05  # no rounding


def test_guidance_is_that_of_the_authors(model):
    """n + 5 (h - n) + 3 (p - h), each pass alone by core; a scale of the user's own replaces one."""
    plan = made(model, held(source=1, camera=True), scales={"camera": 2.0}).plan
    noise = noise_for(plan)
    one = {name: predict_alone(plan.model, plan.passes[name], noise)[0] for name in "nhp"}
    expected = one["n"] + 5 * (one["h"] - one["n"]) + 2 * (one["p"] - one["h"])
    assert difference(predict(plan, noise)[0], expected) < SAME
    own = made(model, held(source=1, camera=True)).plan
    assert [(term.name, term.scale) for term in own.guidance.terms] == [("text", 5.0), ("camera", 3.0)]
    without = made(model, held(source=1)).plan
    assert without.guidance.passes == ("n", "h")


def test_camera_and_source_act_alone_and_together(model):
    first = predict(made(model, held(source=1, camera=True)).plan)[0]
    assert difference(predict(made(model, held(source=5, camera=True)).plan)[0], first) > ACTS
    assert difference(predict(made(model, held(source=1, camera="truck_left")).plan)[0], first) > ACTS
    alone = predict(made(model, held(camera=True)).plan)[0]
    assert difference(predict(made(model, held()).plan)[0], alone) > ACTS
    # Half of sampling with the path is neither all of it nor none.
    late = made(model, held(camera=True, camera_fields={"start": 0.5}))
    assert (
        difference(predict(late.plan, sigmas=(0.98,))[0], predict(made(model, held()).plan, sigmas=(0.98,))[0]) < SAME
    )
    assert (
        difference(predict(late.plan, sigmas=(0.2,))[0], predict(made(model, held(camera=True)).plan, sigmas=(0.2,))[0])
        < SAME
    )


def test_what_becomes_of_conditions_is_said(model):
    notes = [str(note) for note in made(model, held(source=1, camera=True)).taken.notes]
    assert "counts as 3 m" in notes[0]
    with pytest.raises(module("control.errors").UserError, match="OmniCamera cannot take all"):
        made(model, held(identities=[identity(1)], camera=True))


def test_a_batch_of_two_is_two_runs(model):
    plan = made(model, held(source=1, camera=True)).plan
    both = noise_for(plan, batch=2)
    together = predict(plan, both)[0]
    for index in range(2):
        assert difference(together[index : index + 1], predict(plan, both[index : index + 1])[0]) < SAME


def test_loras_reach_the_camera_layers(model):
    import comfy.sd

    numbers, lora = torch.Generator().manual_seed(1), {}
    for layer, width in (("cam_encoder", 12), ("projector", 256), ("self_attn.q", 256)):
        lora[f"diffusion_model.blocks.3.{layer}.lora_A.weight"] = torch.randn(4, width, generator=numbers) * 0.3
        lora[f"diffusion_model.blocks.3.{layer}.lora_B.weight"] = torch.randn(256, 4, generator=numbers) * 0.3
    everything = held(source=1, camera=True)
    plain = predict(made(model, everything).plan)[0]
    changed = comfy.sd.load_lora_for_models(model, None, lora, 1.0, 0.0)[0]
    assert len(changed.patches) == 3
    assert difference(predict(made(changed, everything).plan)[0], plain) > ACTS
    assert difference(predict(made(model, everything).plan)[0], plain) < SAME


def test_windows_slice_video_source_and_poses_alike(folder, monkeypatch):
    seen = []
    fresh = windowed(module("nodes.bridge.video_models").load_video_model(str(folder / PART)))
    key, network = module("nodes.bridge.camera_wan").POSES, fresh.model.diffusion_model
    real = network.forward

    def watch(x, *rest, **more):
        if more.get(key) is not None:
            seen.append((x.clone(), more["time_dim_concat"].clone(), more[key].clone()))
        return real(x, *rest, **more)

    monkeypatch.setattr(network, "forward", watch)
    plan = made(fresh, held(source=1, camera=True, frames=21)).plan
    noise = noise_for(plan)
    predict(plan, noise, sigmas=(1.0,))
    options = plan.passes["p"][0][1]
    source = fresh.model.process_latent_in(options["time_dim_concat"])
    assert len(seen) == 3
    for (x, part, poses), start in zip(seen, (0, 2, 3), strict=True):
        assert torch.equal(x, noise[:, :, start : start + 3])
        torch.testing.assert_close(part, source[:, :, start : start + 3])
        assert torch.equal(poses, options[key][:, :, start : start + 3])


def test_the_factory_makes_an_equal_copy(model):
    factory, arguments = model.cached_patcher_init
    copy = factory(*arguments, disable_dynamic=True)
    plan = made(model, held(source=1, camera=True)).plan
    noise = noise_for(plan)
    assert torch.equal(
        predict_alone(model, plan.passes["p"], noise)[0], predict_alone(copy, plan.passes["p"], noise)[0]
    )
