"""The backbone is Wan 2.1's: same keys, same numbers as diffusers, same fields as the host takes."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch

from comfyui_fulldit.control.errors import UserError
from comfyui_fulldit.evaluation.speed.peers import diffusers_transformer
from comfyui_fulldit.models.backbone.attention import BACKENDS, use_backend
from comfyui_fulldit.models.backbone.initialize import initialize
from comfyui_fulldit.models.backbone.transformer import FullDiT
from comfyui_fulldit.models.config import CORE_FIELDS, FullDiTConfig
from comfyui_fulldit.models.families.presets import PRESETS
from comfyui_fulldit.models.weights.key_maps import to_diffusers, to_wan

from .nets import GEOMETRY, apart, conditions, latent, randomized, small, words
from .wan_keys import text_to_video


def diffusers_twin(config: FullDiTConfig):
    pytest.importorskip("diffusers")
    return diffusers_transformer(config).eval()


@pytest.mark.parametrize("dim", [48, 64, 96])  # head sizes 24, 32 and 48: the axes share the channels differently
@torch.no_grad()
def test_without_conditions_it_equals_diffusers(dim):
    config = small(dim=dim)
    model = randomized(config)
    twin = diffusers_twin(config)
    backbone = {n: v for n, v in model.state_dict().items() if not n.startswith("tokenizers.")}
    twin.load_state_dict(to_diffusers(backbone), strict=True)
    x, t, context = latent(batch=2), torch.tensor([37.5, 911.0]), words(config, 2)
    expected = twin(x, t, context).sample
    assert apart(model(x, t, context), expected) < 1e-5
    # The comparison can fail: another time gives another velocity.
    assert apart(model(x, t + 30, context), expected) > 1e-3


@torch.no_grad()
def test_blocks_of_wan_1_3b_equal_those_of_diffusers():
    """At their real widths and number of heads, two blocks of them."""
    config = replace(PRESETS["wan-1.3b"], num_layers=2, streams=())
    model = randomized(config, scale=0.03)
    twin = diffusers_twin(config)
    twin.load_state_dict(to_diffusers(model.state_dict()), strict=True)
    x, t, context = latent(), torch.tensor([640.0]), words(config)
    expected = twin(x, t, context).sample
    assert apart(model(x, t, context), expected) < 1e-5
    assert apart(model(x, t, 2 * context), expected) > 1e-3


def test_tokens_lie_in_memory_as_the_blocks_read_them():
    """A view across the latent would stay one through every sum: 2 % of a step of Wan 1.3B on a CPU."""
    tokens, _ = randomized(small()).embed_video(latent())
    assert tokens.is_contiguous()


@pytest.mark.parametrize("name, count, size", [("wan-1.3b", 825, 1.419e9), ("wan-14b", 1095, 14.288e9)])
def test_wan_scale_has_the_published_keys(name, count, size):
    config = PRESETS[name]
    model = FullDiT(config, device="meta", dtype=torch.bfloat16)
    official = text_to_video(config.dim, config.ffn_dim, config.num_layers)
    own = {n: tuple(v.shape) for n, v in model.state_dict().items() if not n.startswith("tokenizers.")}
    assert own == official
    assert len(official) == count
    assert sum(torch.Size(shape).numel() for shape in official.values()) == pytest.approx(size, rel=1e-3)
    assert model.patch_embedding.weight.dtype == torch.float32


@torch.no_grad()
def test_time_per_frame_equals_time_per_sample_when_constant():
    for attention in ("decoupled", "full"):
        model = randomized(small(attention=attention))
        x, context = latent(batch=2), words(model.config, 2)
        given = conditions(2)
        t = torch.tensor([120.0, 700.0])
        alike = model(x, t[:, None].expand(2, GEOMETRY[0]), context, given)
        assert apart(alike, model(x, t, context, given)) < 1e-6
        per_frame = t[:, None].repeat(1, GEOMETRY[0])
        per_frame[:, 0] = 0
        assert apart(model(x, per_frame, context, given), alike) > 1e-3


@torch.no_grad()
def test_attention_backends_agree():
    model = randomized(small())
    x, t, context, given = latent(), torch.tensor([400.0]), words(model.config), conditions()
    found = {}
    for backend in BACKENDS:
        use_backend(model, backend)
        found[backend] = model(x, t, context, given)
    assert apart(found["explicit"], found["sdpa"]) < 1e-5


def test_an_unknown_attention_backend_is_refused():
    with pytest.raises(UserError, match="sdpa"):
        use_backend(FullDiT(small()), "flash9")


@torch.no_grad()
def test_an_attention_of_a_host_gets_every_call_with_its_options():
    model = randomized(small())
    x, t, context, given = latent(), torch.tensor([400.0]), words(model.config), conditions()
    use_backend(model, "explicit")
    expected = model(x, t, context, given)
    calls = []

    def own(q, k, v, heads, transformer_options=None, kind="self"):
        calls.append((kind, q.shape[1], k.shape[1], transformer_options["mark"]))
        return BACKENDS["explicit"](q, k, v, heads)

    use_backend(model, own)
    assert torch.equal(model(x, t, context, given, transformer_options={"mark": 1}), expected)
    total = sum(s.tokens for s in given.streams)
    video = x[0, 0].numel() // 4
    # The last block's condition tokens are read but attend to nothing more.
    condition = [("condition", total, total, 1)] * (model.config.num_layers - 1)
    assert calls == condition + [("self", video, video + total, 1), ("text", video, 7, 1)] * model.config.num_layers


@torch.no_grad()
def test_a_host_can_replace_a_block_and_patch_what_comes_after_each():
    model = randomized(small())
    x, t, context, given = latent(), torch.tensor([400.0]), words(model.config), conditions()
    plain = model(x, t, context, given)
    seen = []

    def replaced(args, extra):
        seen.append(sorted(args))
        return extra["original_block"](args)

    def after(args):
        seen.append(args["block_index"])
        return {"img": args["img"]}

    options = {"patches_replace": {"dit": {("double_block", 1): replaced}}, "patches": {"double_block": [after]}}
    assert torch.equal(model(x, t, context, given, transformer_options=options), plain)
    assert seen == [0, ["img", "pe", "transformer_options", "txt", "vec"], 1]
    assert options["block_index"] == 1 and options["total_blocks"] == 2


@torch.no_grad()
def test_a_host_can_patch_the_attention_to_the_text():
    model = randomized(small())
    x, t, context, given = latent(), torch.tensor([400.0]), words(model.config), conditions()

    def after_text(args):
        return args["x"] * 1.5

    patched = model(x, t, context, given, transformer_options={"patches": {"attn2_patch": [after_text]}})
    assert apart(patched, model(x, t, context, given)) > 1e-3


@torch.no_grad()
def test_rope_options_stretch_video_and_conditions_alike():
    model = randomized(small())
    x, t, context, given = latent(), torch.tensor([400.0]), words(model.config), conditions()
    plain = model(x, t, context, given)
    moved = model(x, t, context, given, transformer_options={"rope_options": {"shift_t": 3.0, "shift_x": 1.0}})
    assert apart(moved, plain) < 1e-4  # attention sees differences of places only
    stretched = model(x, t, context, given, transformer_options={"rope_options": {"scale_x": 2.0}})
    assert apart(stretched, plain) > 1e-3


@torch.no_grad()
def test_initial_weights_predict_a_velocity_of_zero():
    model = FullDiT(small())
    initialize(model)
    assert model(latent(), torch.tensor([400.0]), words(model.config), conditions()).abs().max() == 0


def test_initial_type_vectors_are_zero_and_slots_are_orthogonal():
    model = FullDiT(small())
    initialize(model)
    assert all(tokenizer.type_vector.abs().max() == 0 for tokenizer in model.tokenizers.values())
    slots = model.tokenizers["reference"].slot_vectors
    assert torch.allclose(slots @ slots.T, 0.09 * model.config.dim * torch.eye(3), atol=1e-4)


@torch.no_grad()
def test_an_initial_coarse_patch_embeds_the_mean_of_its_fine_patches():
    model = FullDiT(small())
    initialize(model)
    fine, coarse = model.tokenizers["depth"], model.tokenizers["identity_map"]
    flat = torch.randn(1, 16, 1, 1, 1).expand(1, 16, 1, 4, 4)
    assert torch.allclose(coarse(flat, torch.float32)[0, 0], fine(flat, torch.float32)[0, 0], atol=1e-5)


@pytest.mark.parametrize("attention", ["decoupled", "full"])
@torch.no_grad()
def test_an_empty_cache_is_no_conditions(attention):
    model = randomized(small(attention=attention))
    x, t, context = latent(), torch.tensor([400.0]), words(model.config)
    empty = model.prefill(conditions().select(()))
    assert empty.nbytes == 0 and torch.equal(model(x, t, context, kv_cache=empty), model(x, t, context))


def test_every_layer_with_weights_comes_from_operations():
    class Own:
        made = 0

    def wrap(kind):
        class Made(getattr(torch.nn, kind)):
            def __init__(self, *args, **kwargs):
                Own.made += 1
                super().__init__(*args, **kwargs)

        return Made

    for kind in ("Linear", "Conv3d", "LayerNorm", "RMSNorm"):
        setattr(Own, kind, wrap(kind))
    model = FullDiT(small(), operations=Own)
    layers = [m for m in model.modules() if type(m).__name__ == "Made"]
    held = {id(p) for m in layers for p in m.parameters(recurse=False)}
    loose = [name for name, p in model.named_parameters() if id(p) not in held]
    assert all(name.endswith(("modulation", "type_vector", "slot_vectors")) for name in loose), loose
    assert Own.made == len(layers)


@pytest.mark.parametrize(
    "changes",
    [
        {"attention": "full", "vae_fingerprint": "abc", "streams": ("camera", "depth")},
        {"patches": (("depth", (1, 4, 4)),)},
    ],
)
def test_a_config_comes_back_from_its_metadata(changes):
    config = small(**changes)
    assert FullDiTConfig.from_json(config.to_json()) == config


def test_a_config_names_the_conditions_of_its_streams():
    assert small(streams=("camera", "depth")).conditions == ("camera", "depth")


def test_the_hosts_part_of_a_config_holds_the_hosts_fields_alone():
    assert set(json.loads(small().to_json())["transformer"]) == set(CORE_FIELDS)


@pytest.mark.parametrize("wrong", [["depth"], [["depth", 2]], [["depth", [1, 2]]], [["depth", [1, 0, 2]]]])
def test_malformed_patches_are_refused(wrong):
    with pytest.raises(UserError, match="pairs of a stream and three sizes"):
        small(patches=wrong)


def test_patches_of_an_unknown_stream_are_refused():
    with pytest.raises(UserError, match="condition streams pose"):
        small(patches=[["pose", [1, 2, 2]]])


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        ({"dim": 50, "num_heads": 4}, "multiple"),
        ({"streams": ["camera", "smell"]}, "smell"),
        ({"dim": "48"}, "type int"),
        ({"colour": 1}, "colour"),
        ({"attention": "sparse"}, "decoupled"),
    ],
)
def test_a_wrong_field_of_a_config_is_refused_by_name(broken, message):
    with pytest.raises(UserError, match=message):
        FullDiTConfig.from_dict(broken)


def test_a_config_of_another_project_is_refused():
    with pytest.raises(UserError, match="not one of FullDiT"):
        FullDiTConfig.from_json('{"transformer": {"dim": 5}}')


def test_keys_of_image_to_video_and_of_vace_translate_as_well():
    diffusers = pytest.importorskip("diffusers")
    size = {"num_attention_heads": 2, "attention_head_dim": 24, "ffn_dim": 96, "text_dim": 32, "freq_dim": 32}
    image = diffusers.WanTransformer3DModel(
        **size, num_layers=2, in_channels=36, image_dim=1280, added_kv_proj_dim=48, pos_embed_seq_len=514
    ).state_dict()
    wan = to_wan(image)
    assert wan["img_emb.proj.0.bias"].shape == (1280,) and wan["img_emb.emb_pos"].shape == (1, 514, 1280)
    assert {f"blocks.1.cross_attn.{name}.weight" for name in ("k_img", "v_img", "norm_k_img")} <= set(wan)
    vace = diffusers.WanVACETransformer3DModel(**size, num_layers=2, vace_layers=[0, 1]).state_dict()
    assert {"vace_blocks.0.before_proj.weight", "vace_blocks.1.after_proj.bias", "head.head.bias"} <= set(to_wan(vace))
    for state in (image, vace):
        assert not any("attn1" in name or "attn2" in name or "embedder" in name for name in to_wan(state))
        assert set(to_diffusers(to_wan(state))) == set(state)


@pytest.mark.parametrize("checkpointed", [False, True])
def test_training_runs_conditions_beside_the_video_with_the_same_result(checkpointed):
    """As `prefill` and the video one after the other: output and all gradients, strengths included."""

    streams = conditions(2)
    streams = replace(streams, streams=(replace(streams.streams[0], strength=0.5), *streams.streams[1:]))
    config = small()
    nets = [randomized(config), randomized(config).train()]
    if checkpointed:
        nets[1].checkpoint_gradients()
    calls = []
    nets[1].blocks[0].together = lambda *args, _run=nets[1].blocks[0].together, **kw: (
        calls.append(1) or _run(*args, **kw)
    )
    outputs = [net(latent(batch=2), torch.full((2,), 300.0), words(config, 2), streams) for net in nets]
    for output in outputs:
        output.square().mean().backward()
    assert calls and apart(outputs[1].detach(), outputs[0].detach()) < 1e-6
    gradients = [torch.cat([p.grad.flatten() for p in net.parameters() if p.grad is not None]) for net in nets]
    assert apart(*gradients) < 1e-6
