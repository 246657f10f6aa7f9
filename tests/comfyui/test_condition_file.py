"""A plain Wan with a condition file in the host: the same video as outside it, and all that core puts on a model."""

from __future__ import annotations

import dataclasses
import uuid
from types import SimpleNamespace

import pytest
import torch

from .test_bridge import FRAMES, HEIGHT, STEPS, WIDTH, make_conditions, module, sample
from .tiny_models import WIDTHS, FakeCLIP, fp8_scaled, wan_weights, windowed

pytestmark = pytest.mark.comfyui
LORA = "diffusion_model.blocks.1.self_attn.v"


def config_for(attention: str):
    return module("models.config").FullDiTConfig(
        **WIDTHS, text_len=512, attention=attention, text="umt5", frames=FRAMES, height=HEIGHT, width=WIDTH, fps=8.0
    )


def write_files(folder, attention: str):
    """Write a tiny Wan, a VAE, and a condition file on both with everything in it drawn at random."""
    tensor_file, layers = module("models.weights.tensor_file"), module("models.weights.lora_layers")
    vae_parts, attach = module("models.vae"), module("models.weights.attach")
    torch.manual_seed(0)
    torch.set_num_threads(1)
    base, config = wan_weights(), config_for(attention)
    vae = vae_parts.save_vae(folder / "vae.safetensors", vae_parts.VAE(dim=8).eval())
    vae_parts.save_vae(folder / "other_vae.safetensors", vae_parts.VAE(dim=8).eval())
    tensor_file.write_tensors(folder / "wan.safetensors", base, {})
    tensor_file.write_tensors(folder / "fp8.safetensors", fp8_scaled(base), {})
    cast = {n: v.to(torch.float8_e4m3fn) if v.ndim == 2 else v for n, v in base.items()}
    tensor_file.write_tensors(folder / "cast.safetensors", cast, {})
    tensor_file.write_tensors(folder / "other.safetensors", wan_weights(seed=5), {})
    network = module("models.backbone.transformer").FullDiT(config)
    module("models.weights.open_weights").load_backbone(network, base)
    alphas = dict.fromkeys(layers.add_lora(network, rank=4, alpha=2.0), 2.0)
    numbers = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for name, value in network.named_parameters():
            if "lora_B" in name or name.endswith("_vector") or name.endswith("_vectors"):
                value.copy_(torch.randn(value.shape, generator=numbers) * 0.1)
    made = attach.condition_file_of(
        network.state_dict(), base, tensor_file.read_tensors(vae), config, alphas, "tiny Wan", dtype=torch.float32
    )
    module("models.weights.condition_file").write_condition_file(folder / "conditions.safetensors", made)
    return folder


def load(folder, base="wan.safetensors", precision="fp32", vae="vae.safetensors", conditions="conditions.safetensors"):
    """What the node gives, with a text encoder, as the tests of the bridge take it."""
    model, clip, autoencoder = module("nodes.bridge.attached").load_attached(
        folder / base, folder / conditions, folder / vae, precision
    )
    assert clip is None
    return SimpleNamespace(model=model, clip=FakeCLIP(), vae=autoencoder, conditions=make_conditions())


@pytest.fixture(scope="module", params=["decoupled", "full"])
def folder(host, request, tmp_path_factory):
    return write_files(tmp_path_factory.mktemp("attached"), request.param)


@pytest.fixture(scope="module")
def loaded(folder):
    return load(folder)


@pytest.fixture(scope="module")
def plain(loaded):
    """The latent that it samples."""
    return sample(loaded)


def apart(a: torch.Tensor, b: torch.Tensor) -> float:
    return ((a - b).norm() / b.norm()).item()


def test_the_host_samples_what_our_own_sampler_does(loaded, folder, plain):
    read = module("models.weights.condition_file").read_condition_file(folder / "conditions.safetensors")
    network = module("models.weights.attach").attach(folder / "wan.safetensors", read)
    streams = module("nodes.bridge.conditioning").encode(loaded.model, loaded.vae, loaded.conditions)
    noise = torch.randn(1, 16, 5, HEIGHT // 8, WIDTH // 8, generator=torch.manual_seed(3))
    words = [loaded.clip.encode_from_tokens_scheduled(text)[0][0] for text in ("a red ball", "")]
    with torch.inference_mode():
        latent = module("models.sampling.sampler").sample(
            network, noise, *words, streams, steps=STEPS, guidance=2.5, shift=read.config.shift
        )
    ours = module("models.vae.latent").denormalize_latent(latent)
    assert apart(plain, ours) < 1e-4


def test_the_file_changes_the_output_of_its_wan(loaded, folder, plain):
    """Against core's own Wan of the same file: without conditions by the LoRA alone, and much more with them."""
    none = make_conditions().only(())
    bare = sample(loaded, conditions=none)
    assert apart(plain, bare) > 0.02
    stripped = loaded.model.clone()
    stripped.patches, stripped.patches_uuid = {}, uuid.uuid4()
    core = module("nodes.bridge.video_models").load_video_model(str(folder / "wan.safetensors"), "wan-t2v")
    numbers = torch.Generator().manual_seed(2)
    x, text = torch.randn(1, 16, 3, 4, 6, generator=numbers), torch.randn(1, 9, 4096, generator=numbers)
    answers = [answer(patcher, x, text) for patcher in (loaded.model, stripped, core)]
    assert apart(answers[1], answers[2]) < 1e-3, "without the LoRA it is core's Wan"
    assert apart(answers[0], answers[2]) > 0.02


def answer(patcher, x, text):
    import comfy.model_management

    comfy.model_management.load_models_gpu([patcher])
    with torch.inference_mode():
        return patcher.model.apply_model(x, torch.tensor([0.6]), c_crossattn=text)


def test_every_condition_matters(loaded, plain):
    names = loaded.conditions.names
    for left_out in names:
        fewer = loaded.conditions.only(name for name in names if name != left_out)
        assert apart(sample(loaded, conditions=fewer), plain) > 1e-4, left_out


def test_a_base_in_fp8_is_run_by_cores_quantized_layers(loaded, folder, plain):
    import comfy.model_management
    import comfy.ops

    small = load(folder, "fp8.safetensors")
    network = small.model.model.diffusion_model
    weight = network.blocks[0].self_attn.q.weight
    assert "uantized" in type(weight).__name__ or weight.dtype == torch.float8_e4m3fn
    assert network.tokenizers["camera"].net[0].weight.dtype == torch.float32
    assert isinstance(network.tokenizers["camera"].net[0], comfy.ops.manual_cast.Linear)
    # Core puts away quantized weights of a CPU outside of inference mode alone (it fails so with its own Wan too).
    free = comfy.model_management.unload_all_models
    free()
    without = load(folder, "fp8.safetensors")
    without.model.patches.clear()
    x, text = torch.randn(1, 16, 3, 4, 6), torch.randn(1, 9, 4096)
    bare = answer(without.model, x, text)
    free()
    assert apart(answer(small.model, x, text), bare) > 0.02, "the LoRA is on quantized layers too"
    assert 0 < apart(sample(small), plain) < 0.25
    free()


def test_a_base_that_was_cast_to_fp8_is_taken_as_well(loaded, folder):
    cast = load(folder, "cast.safetensors", precision="default")
    assert cast.model.model.diffusion_model.tokenizers["reference"].slot_vectors.dtype.itemsize > 1
    x, text = torch.randn(1, 16, 3, 4, 6), torch.randn(1, 9, 4096)
    assert 0 < apart(answer(cast.model, x, text).float(), answer(loaded.model, x, text)) < 0.3


def test_cores_lora_goes_on_top_and_leaves_no_trace(loaded, plain):
    import comfy.sd

    numbers = torch.Generator().manual_seed(2)
    lora = {
        f"{LORA}.lora_A.weight": torch.randn(2, 256, generator=numbers) * 0.3,
        f"{LORA}.lora_B.weight": torch.randn(256, 2, generator=numbers) * 0.3,
    }
    patched, _ = comfy.sd.load_lora_for_models(loaded.model, None, lora, 1.0, 0.0)
    assert apart(sample(loaded, model=patched), plain) > 1e-3
    assert torch.equal(sample(loaded), plain)


def test_context_windows_and_easycache_run_on_it(loaded, plain):
    from comfy_extras.nodes_easycache import EasyCacheNode

    out = sample(loaded, model=windowed(loaded.model))
    assert torch.isfinite(out).all() and 0 < apart(out, plain) < 2
    cached = EasyCacheNode.execute(loaded.model, 0.5, 0.0, 1.0, False).args[0]
    assert torch.isfinite(sample(loaded, model=cached, steps=10)).all()


@pytest.mark.parametrize("whole", [True, False], ids=["as a whole", "block by block"])
def test_it_compiles(loaded, plain, whole):
    from comfy_api.torch_helpers import set_torch_compile_wrapper

    compiled = loaded.model.clone()
    keys = ["diffusion_model"] if whole else [f"diffusion_model.blocks.{i}" for i in range(WIDTHS["num_layers"])]
    set_torch_compile_wrapper(compiled, backend="eager", keys=keys)
    loaded.model.model.diffusion_model.kv_caches.trim(0)  # so that the conditions go through it as well
    assert apart(sample(loaded, model=compiled), plain) < 1e-3


def test_a_part_of_it_stays_in_main_memory_where_there_is_little_room(loaded, plain):
    """Core loads as much as it is told; the rest is cast where it is used, with its LoRA."""
    function, arguments = loaded.model.cached_patcher_init
    patcher = function(*arguments, disable_dynamic=True)
    patcher.load(torch.device("cpu"), lowvram_model_memory=2**20)
    assert patcher.model.model_lowvram
    x, text = torch.randn(1, 16, 3, 4, 6), torch.randn(1, 9, 4096)
    with torch.inference_mode():
        low = patcher.model.apply_model(x, torch.tensor([0.6]), c_crossattn=text)
    assert apart(low, answer(loaded.model, x, text)) < 1e-4


def test_the_factory_makes_an_equal_copy(loaded, plain):
    function, arguments = loaded.model.cached_patcher_init
    again = function(*arguments, disable_dynamic=True)
    assert torch.equal(sample(loaded, model=again), plain)
    assert len(again.patches) == len(loaded.model.patches) == 40


def test_what_does_not_belong_together_is_refused(folder, tmp_path):
    error = module("control.errors").UserError
    for changes, words in (
        ({"base": "other.safetensors"}, "was trained on tiny Wan, but 'other.safetensors' holds other weights"),
        ({"vae": "other_vae.safetensors"}, "another VAE than 'other_vae.safetensors'"),
        ({"conditions": "wan.safetensors"}, "is not a condition file"),
        ({"base": "vae.safetensors"}, "cannot be the base of a condition file"),
    ):
        with pytest.raises(error, match=words):
            load(folder, **changes)
    tensor_file = module("models.weights.tensor_file")
    for kind, change, words in (
        (
            "wide",
            {"seed": 0, "dim": 512, "num_heads": 4},
            "belongs to a Wan with width 256, but 'wide.safetensors' has",
        ),
        ("deep", {"seed": 0, "num_layers": 5}, "4 blocks, but 'deep.safetensors' has 5 blocks"),
    ):
        tensor_file.write_tensors(folder / f"{kind}.safetensors", wan_weights(**change), {})
        with pytest.raises(error, match=words):
            load(folder, f"{kind}.safetensors")
    good = wan_weights()
    for change, words in (
        (lambda w: w.pop("blocks.1.norm3.bias"), r"lacks 'blocks\.1\.norm3\.bias'"),
        (
            lambda w: w.update({"blocks.0.cam_encoder.weight": torch.zeros(256, 12)}),
            "has 'blocks.0.cam_encoder.weight'",
        ),
        (lambda w: w["head.head.bias"].fill_(torch.nan), "NaN or infinity in 'head.head.bias'"),
        (lambda w: w.update({"head.head.bias": torch.zeros(3)}), r"'head\.head\.bias' of shape \(3,\)"),
    ):
        weights = {name: value.clone() for name, value in good.items()}
        change(weights)
        tensor_file.write_tensors(tmp_path / "bad.safetensors", weights, {})
        with pytest.raises(error, match=words):
            load(folder, tmp_path / "bad.safetensors")


def test_the_vae_may_come_from_cores_loader_in_another_format(loaded, folder):
    import comfy.sd

    conditioning, read = module("nodes.bridge.conditioning"), module("models.weights.tensor_file").read_tensors
    vae = comfy.sd.VAE(sd={name: value.half() for name, value in read(folder / "vae.safetensors").items()})
    assert conditioning.vae_fingerprint(vae) != conditioning.config_of(loaded.model).vae_fingerprint
    assert conditioning.encode(loaded.model, vae, loaded.conditions) is not None
    other = comfy.sd.VAE(sd=read(folder / "other_vae.safetensors"))
    with pytest.raises(module("control.errors").UserError, match="trained with the VAE"):
        conditioning.encode(loaded.model, other, loaded.conditions)


def test_a_model_of_wan_2_2s_latent_takes_its_own_vae(host, tmp_path, monkeypatch):
    """TI2V-5B's VAE, made small: core knows it by its keys and fixes its width."""
    import comfy.ldm.wan.vae2_2 as vae2_2

    real, narrow = vae2_2.WanVAE, {"dim": 8, "dec_dim": 8}
    monkeypatch.setattr(vae2_2, "WanVAE", lambda **sizes: real(**{**sizes, **narrow}))
    torch.manual_seed(0)
    wan = real(**narrow, z_dim=48, dim_mult=[1, 2, 4, 4], num_res_blocks=2, attn_scales=[])
    tensor_file, attach = module("models.weights.tensor_file"), module("models.weights.attach")
    tensor_file.write_tensors(tmp_path / "vae.safetensors", wan.state_dict(), {})
    channels = {"in_dim": 48, "out_dim": 48}
    base = wan_weights(**channels)
    tensor_file.write_tensors(tmp_path / "wan.safetensors", base, {})
    config = dataclasses.replace(config_for("decoupled"), **channels, spatial_compression=16, height=64, width=96)
    network = module("models.backbone.transformer").FullDiT(config)
    module("models.weights.open_weights").load_backbone(network, base)
    alphas = dict.fromkeys(module("models.weights.lora_layers").add_lora(network, rank=2), 2.0)
    made = attach.condition_file_of(network.state_dict(), base, wan.state_dict(), config, alphas, "tiny 5B")
    module("models.weights.condition_file").write_condition_file(tmp_path / "conditions.safetensors", made)
    loaded = load(tmp_path)
    assert loaded.model.model.latent_format.latent_channels == 48 and loaded.vae.latent_channels == 48
    numbers = torch.Generator().manual_seed(2)
    x, text = torch.randn(1, 48, 3, 4, 6, generator=numbers), torch.randn(1, 9, 4096, generator=numbers)
    assert torch.isfinite(answer(loaded.model, x, text)).all()
    pixels = torch.rand(5, 64, 96, 3, generator=numbers)
    assert loaded.vae.encode(pixels).shape == (1, 48, 2, 4, 6)


def test_load_lora_refuses_a_condition_file(loaded, folder):
    with pytest.raises(module("control.errors").UserError, match="is a condition file.*Load FullDiT"):
        module("nodes.bridge.lora").load_lora(loaded.model, folder / "conditions.safetensors", 1.0)


def test_the_node_finds_the_files_in_the_hosts_folders(folder):
    import folder_paths

    node = module("nodes.load").FullDiTLoad
    paths = module("nodes.bridge.paths")
    paths.register_folder()
    kinds = ("fulldit", "vae", "diffusion_models")
    for kind in kinds:
        folder_paths.add_model_folder_path(kind, str(folder))
    try:
        names = [entry for entry in node.define_schema().inputs if entry.id == "wan_model"][0].options
        assert names[0] == "none" and "wan.safetensors" in names
        model, clip, vae = node.execute("conditions.safetensors", "vae.safetensors", "fp32", "wan.safetensors").args
        assert clip is None and module("nodes.bridge.conditioning").config_of(model).vae_fingerprint
        error = module("control.errors").UserError
        with pytest.raises(error, match="is a condition file"):
            node.execute("conditions.safetensors", "vae.safetensors")
        with pytest.raises(error, match="not a condition file"):
            node.execute("embedded", "vae.safetensors", "default", "wan.safetensors")
    finally:
        for kind in kinds:
            folder_paths.folder_names_and_paths[kind][0].remove(str(folder))
