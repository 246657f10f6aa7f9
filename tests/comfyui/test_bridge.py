"""The pack inside ComfyUI's own machinery, in this process: sampling, caches, LoRA, windows, refusals.

A small random checkpoint stands in for the embedded one: what is tested is the bridge, not what was learned.
"""

from __future__ import annotations

import dataclasses
import importlib
import importlib.util
import json
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from .conftest import PACK, ROOT, comfyui_path

pytestmark = pytest.mark.comfyui
FRAMES, HEIGHT, WIDTH = 17, 32, 48
STEPS = 5  # a divisor of 1000: the host rounds its schedule to thousandths


def module(name: str):
    """A module of the pack as the host loaded it."""
    return importlib.import_module(f"{PACK}.{name}")


@pytest.fixture(scope="module")
def files(host, tmp_path_factory):
    """(checkpoint, VAE): random weights that answer differently to everything."""
    return random_weights(tmp_path_factory.mktemp("weights"))


def random_weights(folder, **changes):
    """Write a checkpoint and a VAE into a folder; changes: of the config."""
    torch.manual_seed(0)
    torch.set_num_threads(1)
    vae_parts, presets, networks = (
        module(name) for name in ("models.vae", "models.families.presets", "models.backbone.transformer")
    )
    vae_parts.save_vae(folder / "vae.safetensors", vae_parts.VAE(dim=8).eval())
    mark = vae_parts.fingerprint(vae_parts.load_vae(folder / "vae.safetensors"))
    config = dataclasses.replace(presets.PRESETS["debug"], vae_fingerprint=mark, frames=FRAMES, **changes)
    network = networks.FullDiT(config)
    module("models.backbone.initialize").initialize(network)
    for name, parameter in network.named_parameters():
        if name.endswith(("head.weight", "type_vector", "slot_vectors", "type", "slot")):
            torch.nn.init.normal_(parameter, std=0.3)
    text = module("models.conditioning.text").TextEncoder(dim=config.text_dim)
    module("models.weights.checkpoint").save_model(folder / "model.safetensors", network, text, config, dtype=None)
    return folder / "model.safetensors", folder / "vae.safetensors"


@pytest.fixture(scope="module")
def loaded(files):
    """model, clip, vae as the node gives them, and conditions of every kind."""
    model, clip, vae = module("nodes.bridge.loaders").load_all(*files, "fp32")
    return SimpleNamespace(model=model, clip=clip, vae=vae, conditions=make_conditions())


def make_conditions(frames=FRAMES, **weights):
    """Camera, one identity with mask and track, and depth; weights: strength, start and end of camera and depth."""
    numbers = torch.Generator().manual_seed(1)
    track = torch.zeros(frames, HEIGHT, WIDTH)
    track[:, 8:24, 10:30] = 1
    identity = (
        module("nodes.identity")
        .FullDiTIdentity.execute("ball", torch.rand(1, 20, 20, 3, generator=numbers), track=track)
        .args[0]
    )
    clip = torch.rand(frames, HEIGHT, WIDTH, 3, generator=numbers)
    return (
        module("nodes.conditions")
        .FullDiTConditions.execute(
            frames,
            WIDTH,
            HEIGHT,
            camera=module("control.camera.presets").preset("orbit_right", frames=frames),
            identities={"identity0": identity},
            depth=module("nodes.depth").FullDiTDepth.execute(clip, "disparity").args[0],
            **weights,
        )
        .args[0]
    )


def sample(loaded, model=None, conditions=None, **changes):
    """The latent of the FullDiT Sampler."""
    sampling = module("nodes.drivers.run")
    values = {"seed": 3, "steps": STEPS, "cfg": 2.5, "first_frame_pass": 0.0, "preview": False, **changes}
    options = sampling.SamplingOptions(**values)
    conditions = loaded.conditions if conditions is None else conditions
    with torch.inference_mode():
        latent, _ = sampling.sample(
            model or loaded.model, loaded.clip, loaded.vae, conditions, "a red ball", "", options
        )
    return latent["samples"]


def own_sample(loaded, files, conditions, steps=STEPS, scales=None, first_frame_pass=0.0, seed=3):
    """The same walk by models/sampling/sampler.py, as a raw latent."""
    network, text, config = module("models.weights.checkpoint").load_model(files[0])
    streams = module("nodes.bridge.conditioning").encode(loaded.model, loaded.vae, conditions)
    noise = torch.randn(1, 16, 5, HEIGHT // 8, WIDTH // 8, generator=torch.manual_seed(seed))
    with torch.inference_mode():
        words = text.encode(["a red ball", ""])
        latent = module("models.sampling.sampler").sample(
            network,
            noise,
            words[:1],
            words[1:],
            streams,
            steps=steps,
            guidance=2.5,
            condition_guidance=scales or {},
            shift=config.shift,
            first_frame_pass=first_frame_pass,
        )
    return module("models.vae.latent").denormalize_latent(latent)


def test_frames_that_a_noise_mask_keeps_are_read_as_clean(loaded, monkeypatch):
    """A stock KSampler goes on from a given first frame, as from an image; a mask within frames leaves the times."""
    import nodes as stock

    times = []
    network = loaded.model.model.diffusion_model
    real = network.forward

    def watch(x, timestep, *rest, **more):
        times.append(timestep.clone())
        return real(x, timestep, *rest, **more)

    monkeypatch.setattr(network, "forward", watch)
    positive = loaded.clip.encode_from_tokens_scheduled(loaded.clip.tokenize("a red ball"))
    negative = loaded.clip.encode_from_tokens_scheduled(loaded.clip.tokenize(""))
    out = (
        module("nodes.apply")
        .FullDiTApply.execute(loaded.model, loaded.vae, positive, negative, loaded.conditions)
        .args[:3]
    )
    image = torch.randn(out[2]["samples"].shape, generator=torch.manual_seed(5))
    for kind in ("first frame", "left half"):
        mask = torch.ones(1, 1, *image.shape[2:])
        kept = mask[:, :, 0] if kind == "first frame" else mask[..., : image.shape[-1] // 2]
        kept.zero_()
        times.clear()
        with torch.inference_mode():
            (latent,) = stock.KSampler().sample(
                loaded.model, 3, STEPS, 2.5, "euler", "simple", out[0], out[1], {"samples": image, "noise_mask": mask}
            )
        same = (latent["samples"] - image).abs().expand(image.shape)[(mask == 0).expand(image.shape)]
        assert same.max() < 1e-4, kind
        assert all(t.ndim == 2 and (t[:, 1:] == t[:, 1:2]).all() for t in times)
        assert all((t[:, 0] == 0).all() == (kind == "first frame") for t in times), kind


def test_the_first_frame_may_be_settled_first(loaded, files):
    """Two passes, as our own sampler has them: the second keeps the first pass's first latent frame. (The host's times
    come from a table of 1000, and agree with ours for numbers of steps that divide it.)"""
    conditions = make_conditions()
    theirs = sample(loaded, conditions=conditions, first_frame_pass=0.5, steps=8)
    ours = own_sample(loaded, files, conditions, first_frame_pass=0.5, steps=8)
    assert (theirs - ours).abs().max() / ours.abs().max() < 1e-4
    first = sample(loaded, conditions=conditions, steps=4)
    assert torch.allclose(theirs[:, :, :1], first[:, :, :1], atol=1e-5)
    assert (theirs[:, :, 1:] - first[:, :, 1:]).abs().max() > 1e-3


@pytest.mark.parametrize(
    ("scales", "change"),
    [
        ({}, {}),
        ({"camera": 3.0, "depth": 1.5}, {}),
        ({}, {"camera_end": 0.5, "depth_strength": 0.4, "depth_start": 0.3}),
    ],
    ids=["joint", "one scale per condition", "ranges and strengths"],
)
def test_the_host_samples_what_our_own_sampler_does(loaded, files, scales, change):
    conditions = make_conditions(**change)
    theirs = sample(loaded, conditions=conditions, scales=scales)
    ours = own_sample(loaded, files, conditions, scales=scales)
    assert theirs.shape == ours.shape
    assert (theirs - ours).norm() / ours.norm() < 1e-4


def test_every_condition_matters(loaded):
    whole = sample(loaded)
    names = loaded.conditions.names
    for left_out in names:
        fewer = loaded.conditions.only(name for name in names if name != left_out)
        assert (sample(loaded, conditions=fewer) - whole).abs().max() > 1e-3, left_out


def test_apply_conditions_and_ksampler_do_what_the_sampler_node_does(loaded):
    import nodes as stock

    with torch.inference_mode():
        encode = stock.CLIPTextEncode().encode
        positive, negative = encode(loaded.clip, "a red ball")[0], encode(loaded.clip, "")[0]
        out = (
            module("nodes.apply")
            .FullDiTApply.execute(loaded.model, loaded.vae, positive, negative, loaded.conditions)
            .args[:3]
        )
        (latent,) = stock.KSampler().sample(loaded.model, 3, STEPS, 2.5, "euler", "simple", *out, denoise=1.0)
        images = stock.VAEDecode().decode(loaded.vae, latent)[0]
    assert torch.equal(latent["samples"], sample(loaded))
    assert images.shape[-4:] == (FRAMES, HEIGHT, WIDTH, 3)


def test_keys_and_values_are_computed_once_for_all_steps_and_seeds(loaded):
    store = loaded.model.model.diffusion_model.kv_caches
    sample(loaded)
    before = store.made
    sample(loaded, seed=4)
    sample(loaded, steps=STEPS + 1)
    assert store.made == before
    again = module("nodes.bridge.conditioning").encode(loaded.model, loaded.vae, make_conditions())
    assert again is module("nodes.bridge.conditioning").encode(loaded.model, loaded.vae, loaded.conditions)


def test_keys_and_values_are_freed_when_the_model_leaves_its_device(loaded):
    store = loaded.model.model.diffusion_model.kv_caches
    sample(loaded)
    assert store.nbytes > 0
    clone = loaded.model.clone()
    clone.detach(unpatch_all=False)  # another clone takes its place
    assert store.nbytes > 0
    clone.detach()
    assert store.nbytes == 0


def test_without_room_every_step_computes_anew_to_the_same_video(loaded, monkeypatch):
    store = loaded.model.model.diffusion_model.kv_caches
    store.trim(0)
    whole = sample(loaded)
    store.trim(0)
    before = store.made
    none = module("models.conditioning.kv_store").Room(0)
    monkeypatch.setattr(module("nodes.bridge.network"), "Room", lambda *sizes: none)
    assert torch.equal(sample(loaded), whole)
    assert store.made == before + STEPS and store.nbytes == 0


def test_fewer_blocks_and_tokens_count_fewer_keys_and_values_in_the_estimate(host):
    base_model, config_class = module("nodes.bridge.base_model"), module("models.config").FullDiTConfig
    shape, kept = {base_model.ARGUMENT: [[1, 16, 1000]]}, []
    for changes in ({}, {"condition_blocks": (0, 1, 2), "token_selection": 0.5}):  # three of six blocks
        model = base_model.HostConfig(config_class(**changes)).get_model({})
        activations = model.memory_required([1, 16, 1000])
        kept.append(model.memory_required([1, 16, 1000], shape) - 2 * activations)
    assert kept[1] == pytest.approx(kept[0] / 4)


def test_a_model_that_reads_fewer_tokens_samples_with_its_smaller_cache(host, loaded, tmp_path):
    files = random_weights(tmp_path, condition_blocks=(0,), token_selection=0.5)
    model, clip, vae = module("nodes.bridge.loaders").load_all(*files, "fp32")
    less = SimpleNamespace(model=model, clip=clip, vae=vae, conditions=loaded.conditions)
    stores = [one.model.model.diffusion_model.kv_caches for one in (loaded, less)]
    for store in stores:
        store.trim(0)
    video = sample(less)
    sample(loaded)
    made = stores[1].made
    assert torch.equal(sample(less), video) and stores[1].made == made
    assert 0.2 < stores[1].nbytes / stores[0].nbytes < 0.3


@pytest.mark.parametrize("attention", ["decoupled", "full"])
def test_only_a_decoupled_model_counts_keys_and_values_in_its_estimate(attention):
    base_model, config = module("nodes.bridge.base_model"), module("models.config").FullDiTConfig(attention=attention)
    model = base_model.HostConfig(config).get_model({})
    shape = {base_model.ARGUMENT: [[1, 16, 1000]]}
    counted = model.memory_required([1, 16, 1000], shape) - model.memory_required([1, 16, 1000])
    activations = model.memory_required([1, 16, 1000])
    if attention == "full":
        assert counted == pytest.approx(activations)  # tokens of the sequence, like the video's
    else:
        assert counted > 1.2 * activations


@pytest.mark.parametrize("frames", [1, 9])
def test_the_vae_computes_the_hosts_numbers_with_our_convolutions(loaded, frames):
    import comfy.sd

    tensor_file = module("models.weights.tensor_file")
    path = module("models.weights.checkpoint").embedded_path("fulldit_mini_vae")
    stock, ours = (comfy.sd.VAE(sd=tensor_file.read_tensors(path), dtype=torch.float32) for _ in range(2))
    module("nodes.bridge.fast_vae").use_fast_convolutions(ours)
    images = torch.rand(frames, 16, 24, 3, generator=torch.Generator().manual_seed(5))
    with torch.inference_mode():
        latent = stock.encode(images)
        torch.testing.assert_close(ours.encode(images), latent, atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(ours.decode(latent), stock.decode(latent), atol=1e-4, rtol=1e-4)
    replaced = [m for m in loaded.vae.first_stage_model.modules() if "_conv_forward" in vars(m)]
    assert len(replaced) > 20  # the loader does it where the VAE runs on a CPU


def test_easycache_skips_a_step(loaded, monkeypatch):
    from comfy_extras.nodes_easycache import EasyCacheNode

    network = loaded.model.model.diffusion_model
    passes = []
    real = type(network)._forward
    monkeypatch.setattr(type(network), "_forward", lambda self, *a, **k: passes.append(1) or real(self, *a, **k))
    sample(loaded, steps=12)
    full = len(passes)
    assert full == 24
    cached = EasyCacheNode.execute(loaded.model, 0.5, 0.0, 1.0, False).args[0]
    passes.clear()
    out = sample(loaded, model=cached, steps=12)
    assert 0 < len(passes) < full and torch.isfinite(out).all()


def test_a_lora_changes_the_output_and_the_cache_and_leaves_no_trace(loaded):
    import comfy.sd

    plain = sample(loaded)
    key = "blocks.0.self_attn.k"
    out, inner = loaded.model.model.diffusion_model.get_parameter(f"{key}.weight").shape
    numbers = torch.Generator().manual_seed(2)
    lora = {
        f"diffusion_model.{key}.lora_A.weight": torch.randn(2, inner, generator=numbers),
        f"diffusion_model.{key}.lora_B.weight": torch.randn(out, 2, generator=numbers),
    }
    patched, _ = comfy.sd.load_lora_for_models(loaded.model, loaded.clip, lora, 1.0, 0.0)
    store = loaded.model.model.diffusion_model.kv_caches
    before = store.made
    changed = sample(loaded, model=patched)
    assert (changed - plain).abs().max() > 1e-3
    assert store.made == before + 1
    assert torch.equal(sample(loaded), plain)


@pytest.mark.parametrize("anchor", [False, True])
def test_overlapping_context_windows_slice_every_condition(loaded, monkeypatch, anchor):
    from comfy_extras.nodes_context_windows import ContextWindowsManualNode as Windows

    seen = []
    network = loaded.model.model.diffusion_model
    real = type(network).prefill

    def watch(self, conditions, *args, **kwargs):
        seen.append(conditions)
        return real(self, conditions, *args, **kwargs)

    monkeypatch.setattr(type(network), "prefill", watch)
    windowed = Windows.execute(
        loaded.model, 3, 1, "standard_static", 1, False, "pyramid", 2, False, causal_window_fix=anchor
    ).args[0]
    out = sample(loaded, model=windowed, conditions=make_conditions(depth_strength=0.8 + 0.1 * anchor))
    assert out.shape[2] == 5 and torch.isfinite(out).all()
    lengths = sorted(conditions.latent_size[0] for conditions in seen)
    assert lengths == ([3, 4] if anchor else [3, 3])  # once per window, though there are several steps
    for conditions in seen:
        length = conditions.latent_size[0]
        frames = {stream.name: stream.frames for stream in conditions.streams}
        assert frames == {"camera": length, "reference": 1, "identity_map": length, "depth": length}


def test_block_replacements_and_patches_run(loaded):
    ran = []

    def replaced(args, extra):
        ran.append("block")
        return extra["original_block"](args)

    def patch(args):
        ran.append("attention")
        return args["x"]

    model = loaded.model.clone()
    model.set_model_patch_replace(replaced, "dit", "double_block", 0)
    model.set_model_patch(patch, "attn1_patch")
    same = sample(loaded, model=model)
    assert {"block", "attention"} <= set(ran)
    assert torch.allclose(same, sample(loaded), atol=1e-5)


def test_cancel_stops_within_one_step(loaded, monkeypatch):
    import comfy.model_management as management
    import comfy.utils

    steps = []

    def hook(value, total, preview, node_id=None):
        """As the server's: it is here that a canceled run ends."""
        steps.append(value)
        if value == 2:
            management.interrupt_current_processing(True)
        management.throw_exception_if_processing_interrupted()

    monkeypatch.setattr(comfy.utils, "PROGRESS_BAR_HOOK", hook)
    with pytest.raises(management.InterruptProcessingException):
        sample(loaded, steps=50, preview=True)
    assert steps[-1] <= 3
    assert not management.processing_interrupted()


def test_previews_come_as_images_also_where_the_hosts_are_off(loaded, monkeypatch):
    import comfy.utils

    shown = []
    monkeypatch.setattr(
        comfy.utils, "PROGRESS_BAR_HOOK", lambda value, total, preview, node_id=None: shown.append(preview)
    )
    sample(loaded, preview=True)
    assert len(shown) == STEPS and all(kind == "JPEG" and image.width > 100 for kind, image, _ in shown)


def test_the_text_encoder_is_ours_and_knows_weights(loaded, files):
    _, text, _ = module("models.weights.checkpoint").load_model(files[0])
    for prompt in ("a red ball", "", "ein größerer Würfel, 大きい", "x" * 400):
        ours = text.encode([prompt])
        theirs = loaded.clip.encode_from_tokens(loaded.clip.tokenize(prompt))
        assert torch.allclose(ours, theirs, atol=1e-5), prompt
    weighed = loaded.clip.encode_from_tokens(loaded.clip.tokenize("a (red:1.5) ball"))
    plain = loaded.clip.encode_from_tokens(loaded.clip.tokenize("a red ball"))
    assert weighed.shape == plain.shape and (weighed - plain).abs().max() > 1e-3
    tokens = loaded.clip.tokenize(r"a \(red\) ball")["fulldit_bytes"][0]
    assert loaded.clip.tokenizer.decode([token for token, _ in tokens]) == "a (red) ball"


def test_factories_make_equal_copies(loaded):
    for patcher in (loaded.model, loaded.clip.patcher, loaded.vae.patcher):
        make, arguments = patcher.cached_patcher_init
        copy = make(*arguments, disable_dynamic=True)
        mine, theirs = patcher.model.state_dict(), copy.model.state_dict()
        assert mine.keys() == theirs.keys() and all(torch.equal(mine[k].float(), theirs[k].float()) for k in mine)
        assert copy.cached_patcher_init[0] is make


def test_memory_counts_the_conditions(loaded):
    model = loaded.model.model
    conditions = module("nodes.bridge.conditioning").encode(loaded.model, loaded.vae, loaded.conditions)
    shapes = model.extra_conds_shapes(fulldit=conditions)
    tokens = conditions.tokens(model.fulldit.geometry)
    assert shapes["conditions"] == [1, 16, 4 * (sum(tokens.values()) - tokens["video"])]
    with_them = model.memory_required([1, 16, 5, 4, 6], cond_shapes={k: [v] for k, v in shapes.items()})
    assert with_them > 1.5 * model.memory_required([1, 16, 5, 4, 6])


def test_what_is_refused_before_sampling(loaded, files):
    UserError = module("control.errors").UserError
    applying = module("nodes.bridge.conditioning")
    with pytest.raises(UserError, match="This model is a Linear, but conditions need a FullDiT"):
        applying.config_of(SimpleNamespace(model=torch.nn.Linear(1, 1)))
    other = module("models.vae").VAE(dim=8)
    with pytest.raises(UserError, match="Connect the VAE of Load FullDiT"):
        applying.check_vae(SimpleNamespace(first_stage_model=other), loaded.model)
    with pytest.raises(UserError, match="Camera_guidance is 3, but Conditions has no camera"):
        sample(loaded, conditions=loaded.conditions.only(["depth"]), scales={"camera": 3.0})

    import nodes as stock

    words = stock.CLIPTextEncode().encode(loaded.clip, "")[0]
    applied = module("nodes.drivers.run").apply(loaded.model, loaded.vae, words, words, loaded.conditions)
    positive, negative = applied.positive, applied.negative
    assert "fulldit" not in negative[0][1]
    wrong = {"samples": torch.zeros(1, 16, 3, 4, 6)}
    with pytest.raises(UserError, match="17 frames of 48x32.*9 frames of 48x32"):
        stock.KSampler().sample(loaded.model, 1, 2, 1.0, "euler", "simple", positive, negative, wrong)


def test_a_condition_of_ones_own_goes_through_the_hosts_samplers(host, tmp_path):
    """tests/toy_condition.py: one class, one entry, one node. With the others, alone, and with a scale of its own."""
    spec = importlib.util.spec_from_file_location("toy_condition", ROOT / "tests" / "toy_condition.py")
    toy = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(toy)
    with toy.registered(PACK) as condition:
        files = random_weights(tmp_path, streams=tuple(module("models.conditioning.streams").STREAMS))
        model, clip, vae = module("nodes.bridge.loaders").load_all(*files, "fp32")
        loaded = SimpleNamespace(model=model, clip=clip, vae=vae)
        node = toy.define_node(PACK, condition)
        dark, bright = (node.execute(value, FRAMES).args[0] for value in (0.1, 0.9))
        for scales in ({}, {"brightness": 2.0}):
            one, other = (
                sample(loaded, conditions=make_conditions(conditions={"condition0": value}), scales=scales)
                for value in (dark, bright)
            )
            assert torch.isfinite(one).all() and (one - other).abs().max() > 1e-3
        theirs = sample(loaded, conditions=make_conditions(conditions={"condition0": dark}))
        ours = own_sample(loaded, files, make_conditions(conditions={"condition0": dark}))
        assert (theirs - ours).norm() / ours.norm() < 1e-4


def test_a_model_of_wan_2_2s_latent_has_its_format_and_sizes(host):
    """48 channels, 16x16 pixels: what core's samplers ask the model for comes from its config."""
    import comfy.latent_formats

    presets, geometry = module("models.families.presets"), module("models.geometry")
    channels, side = geometry.WAN_2_2_5B.channels, geometry.WAN_2_2_5B.spatial
    config = dataclasses.replace(
        presets.PRESETS["debug"], in_dim=channels, out_dim=channels, spatial_compression=side, width=96, height=64
    )
    model = module("nodes.bridge.base_model").HostConfig(config).get_model({})
    assert type(model.latent_format) is comfy.latent_formats.Wan22 and model.latent_format.latent_channels == 48
    raw = torch.randn(1, 48, 5, 4, 6, generator=torch.manual_seed(0))
    ours = module("models.vae.latent").normalize_latent(raw)
    assert torch.allclose(model.process_latent_in(raw), ours, atol=1e-5)
    conditions = module("nodes.conditions").FullDiTConditions.execute(17, 96, 64).args[0]
    latent = module("nodes.bridge.conditioning").latent_of(SimpleNamespace(model=model), conditions, None)
    assert latent["samples"].shape == (1, 48, 5, 4, 6)


def test_files_that_are_refused(host, files, tmp_path):
    from safetensors.torch import load_file, save_file

    UserError = module("control.errors").UserError
    load = module("nodes.bridge.loaders").load_all
    checkpoint, vae = files
    cut = tmp_path / "cut.safetensors"
    cut.write_bytes(checkpoint.read_bytes()[:5000])
    pickled = tmp_path / "pickled.safetensors"
    torch.save({"a": torch.zeros(1)}, pickled)
    foreign = tmp_path / "foreign.safetensors"
    save_file({"a": torch.zeros(1)}, foreign)
    more = tmp_path / "more.safetensors"
    config = module("models.weights.checkpoint").read_metadata(checkpoint)
    save_file({**load_file(checkpoint), "extra.weight": torch.zeros(1)}, more, config)
    for path, message in ((cut, "cut short"), (pickled, "pickled"), (foreign, "not a FullDiT"), (more, "extra.weight")):
        with pytest.raises(UserError, match=message):
            load(path, vae)
    other = tmp_path / "other_vae.safetensors"
    module("models.vae").save_vae(other, module("models.vae").VAE(dim=8))
    with pytest.raises(UserError, match="Choose the VAE that came with the checkpoint"):
        load(checkpoint, other)
    with pytest.raises(UserError):
        load(checkpoint, foreign)


def test_the_pack_costs_the_hosts_start_no_package_that_the_host_has_not_imported(host):
    """The pack is imported and its nodes listed where the host is imported already, in a process of its own."""
    code = (
        f"import sys, asyncio, importlib.util; sys.path.insert(0, r'{comfyui_path()}');"
        "import comfy.cli_args; comfy.cli_args.args.cpu = True;"
        "import nodes; from comfy_api.latest import io; before = set(sys.modules);"
        f"spec = importlib.util.spec_from_file_location('pack', r'{ROOT / '__init__.py'}',"
        f" submodule_search_locations=[r'{ROOT}']);"
        "pack = importlib.util.module_from_spec(spec); sys.modules['pack'] = pack; spec.loader.exec_module(pack);"
        "nodes = asyncio.run(asyncio.run(pack.comfy_entrypoint()).get_node_list());"
        "[node.GET_SCHEMA() for node in nodes];"
        "new = {name.partition('.')[0] for name in set(sys.modules) - before};"
        "print(len(nodes), *sorted(new - {'pack'} - set(sys.stdlib_module_names)), sep=',')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=comfyui_path(), check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    count, *packages = done.stdout.split()[-1].split(",")
    known = json.loads((ROOT / "tests" / "nodes" / "schema.json").read_text(encoding="utf-8"))
    assert int(count) == len(known) and packages == []


@pytest.mark.parametrize("count", [1, 2, 5, 6, 13, 21])
def test_a_film_strip_has_no_black_cell(host, count):
    """Every cell of the strip shows a frame; where the last row would not be full, the last frame holds."""
    sampling = importlib.import_module(f"{host.__name__}.nodes.bridge.sampling")
    strip = np.asarray(sampling.film_strip(torch.ones(1, 16, count, 8, 12), [[0.02] * 3] * 16, [0.3] * 3, side=1))
    assert strip.min() > 100 and strip.shape[0] % 8 == 0 and strip.shape[1] % 12 == 0
    assert strip.shape[0] // 8 * (strip.shape[1] // 12) >= count
