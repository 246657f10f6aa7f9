"""Open Wan weights in every layout and number format that public files have, as a FullDiT's backbone."""

from __future__ import annotations

import json

import pytest
import torch

from comfyui_fulldit.control.errors import UserError
from comfyui_fulldit.models.backbone.transformer import FullDiT
from comfyui_fulldit.models.weights.key_maps import to_diffusers
from comfyui_fulldit.models.weights.open_weights import load_backbone
from comfyui_fulldit.models.weights.quantized import dequantize

from .nets import randomized, small

FP8 = {"float8_e4m3fn": torch.float8_e4m3fn, "float8_e5m2": torch.float8_e5m2}


@pytest.fixture(scope="module")
def weights() -> dict[str, torch.Tensor]:
    """Random weights of a small Wan, in the original layout."""
    return {n: v.clone() for n, v in randomized(small()).state_dict().items() if not n.startswith("tokenizers.")}


def is_quantized(name: str, value: torch.Tensor) -> bool:
    """Whether repackers store a tensor in fp8: the matrices of the blocks."""
    return name.startswith("blocks.") and name.endswith(".weight") and value.ndim == 2


def quantize(value: torch.Tensor, dtype: torch.dtype) -> tuple[torch.Tensor, torch.Tensor]:
    """(the matrix in fp8, its scale)."""
    scale = value.abs().max() / torch.finfo(dtype).max
    return (value / scale).to(dtype), scale


def old_fp8(weights, dtype=torch.float8_e4m3fn, prefix="") -> dict[str, torch.Tensor]:
    """The older layout of ComfyUI's repacks."""
    state = {f"{prefix}scaled_fp8": torch.zeros(2, dtype=dtype)}
    for name, value in weights.items():
        if is_quantized(name, value):
            layer = prefix + name.removesuffix(".weight")
            state[f"{layer}.weight"], state[f"{layer}.scale_weight"] = quantize(value, dtype)
            state[f"{layer}.scale_input"] = torch.ones(())
        else:
            state[prefix + name] = value
    return state


def new_fp8(weights, kind="float8_e4m3fn", in_metadata=False, prefix="") -> tuple[dict, dict]:
    """The newer layout, and the file's metadata, which may hold what the layers' tensors say otherwise."""
    state, layers = {}, {}
    for name, value in weights.items():
        if is_quantized(name, value):
            layer = prefix + name.removesuffix(".weight")
            state[f"{layer}.weight"], state[f"{layer}.weight_scale"] = quantize(value, FP8[kind])
            state[f"{layer}.input_scale"] = torch.ones(())
            layers[layer] = {"format": kind, "full_precision_matrix_mult": True}
        else:
            state[prefix + name] = value
    if in_metadata:
        return state, {"_quantization_metadata": json.dumps({"format_version": "1.0", "layers": layers})}
    for layer, entry in layers.items():
        state[f"{layer}.comfy_quant"] = torch.tensor(list(json.dumps(entry).encode()), dtype=torch.uint8)
    return state, {}


def expected(weights, dtype) -> dict[str, torch.Tensor]:
    """What any fp8 file of `weights` holds, multiplied out."""
    result = {}
    for name, value in weights.items():
        result[name] = value
        if is_quantized(name, value):
            q, scale = quantize(value, dtype)
            result[name] = q.float() * scale
    return result


def equal(found, wanted) -> bool:
    return found.keys() == wanted.keys() and all(torch.equal(found[name], wanted[name]) for name in wanted)


@pytest.mark.parametrize("kind", FP8)
@pytest.mark.parametrize("prefix", ["", "model.diffusion_model."])
def test_fp8_of_either_layout_is_the_stored_number_times_its_scale(weights, kind, prefix):
    wanted = expected(weights, FP8[kind])
    assert (wanted["blocks.0.ffn.0.weight"] - weights["blocks.0.ffn.0.weight"]).abs().max() > 1e-3
    assert equal(dequantize(old_fp8(weights, FP8[kind], prefix)), wanted)
    for in_metadata in (False, True):
        assert equal(dequantize(*new_fp8(weights, kind, in_metadata, prefix)), wanted)


def test_metadata_may_name_layers_without_the_wrapping_of_their_keys(weights):
    state, _ = new_fp8(weights, in_metadata=True, prefix="model.diffusion_model.")
    _, metadata = new_fp8(weights, in_metadata=True)
    del state["model.diffusion_model.blocks.0.ffn.0.weight_scale"]
    with pytest.raises(UserError, match=r"'blocks\.0\.ffn\.0\.weight' in fp8 without its scale"):
        dequantize(state, metadata)


@pytest.mark.parametrize("shape", [(4,), (4, 1), (2, 3), (4, 6)])
def test_a_scale_may_be_one_per_row_or_per_block(shape):
    q = torch.randn(4, 6, generator=torch.manual_seed(0)).to(torch.float8_e4m3fn)
    scale = torch.rand(shape, generator=torch.manual_seed(1)) + 0.5
    wanted = q.float().clone()
    for row in range(4):
        for column in range(6):
            grid = scale.reshape(shape[0], -1)
            wanted[row, column] *= grid[row * shape[0] // 4, column * grid.shape[1] // 6]
    conf = torch.tensor(list(b'{"format": "float8_e4m3fn"}'), dtype=torch.uint8)
    found = dequantize({"a.weight": q, "a.weight_scale": scale, "a.comfy_quant": conf})
    assert equal(found, {"a.weight": wanted})


def test_a_scale_of_another_shape_is_refused():
    q = torch.zeros(4, 6, dtype=torch.float8_e4m3fn)
    with pytest.raises(UserError, match=r"scale of shape \(3,\) for 'a'"):
        dequantize({"a.weight": q, "a.weight_scale": torch.ones(3)})
    with pytest.raises(UserError, match=r"scale of shape \(4, 4\)"):
        dequantize({"a.weight": q, "a.weight_scale": torch.ones(4, 4)})


@pytest.mark.parametrize("kind", ["mxfp8", "nvfp4", "int8_tensorwise", "convrot_w4a4", "asym_w4a8_int8"])
def test_other_formats_are_refused_by_name(weights, kind):
    layer = {"a.weight": torch.zeros(4, 6, dtype=torch.int8), "a.weight_scale": torch.ones(())}
    conf = torch.tensor(list(json.dumps({"format": kind}).encode()), dtype=torch.uint8)
    with pytest.raises(UserError, match=rf"layers in {kind} \('a'\).*in fp8_scaled, bf16 or fp16"):
        dequantize({**layer, "a.comfy_quant": conf})
    metadata = {"_quantization_metadata": json.dumps({"layers": {"a": {"format": kind}}})}
    with pytest.raises(UserError, match=kind):
        dequantize(layer, metadata)


@pytest.mark.parametrize("dtype", [torch.int8, torch.uint8])
def test_integers_that_nothing_declares_are_refused_by_name(dtype):
    with pytest.raises(UserError, match=f"'a.weight' in {str(dtype).removeprefix('torch.')}"):
        dequantize({"a.weight": torch.zeros(4, 6, dtype=dtype)})
    conf = torch.tensor(list(b'{"format": "float8_e4m3fn"}'), dtype=torch.uint8)
    with pytest.raises(UserError, match="'a.weight' in"):
        dequantize(
            {"a.weight": torch.zeros(4, 6, dtype=dtype), "a.weight_scale": torch.ones(()), "a.comfy_quant": conf}
        )


@pytest.mark.parametrize("broken", ['{"layers": [1]}', "[]", "{", '{"layers": {"a": {}}}'])
def test_malformed_declarations_are_refused(broken):
    with pytest.raises(UserError, match="in which format its layers are stored"):
        dequantize({"a.weight": torch.zeros(2, 2)}, {"_quantization_metadata": broken})


def test_a_layer_without_its_scale_is_refused(weights):
    state = old_fp8(weights)
    del state["blocks.1.ffn.2.scale_weight"]
    with pytest.raises(UserError, match=r"'blocks\.1\.ffn\.2\.weight' in fp8 without its scale"):
        dequantize(state)
    state, metadata = new_fp8(weights)
    del state["blocks.1.ffn.2.weight_scale"]
    with pytest.raises(UserError, match=r"'blocks\.1\.ffn\.2\.weight' in fp8 without its scale"):
        dequantize(state, metadata)


def test_a_file_that_was_only_cast_to_fp8_needs_no_scales(weights):
    cast = {name: value.to(torch.float8_e4m3fn) for name, value in weights.items()}
    assert equal(dequantize(cast), {name: value.float() for name, value in cast.items()})


FILES = {
    "native": lambda w: (w, {}),
    "diffusers": lambda w: (to_diffusers(w), {}),
    "diffusers, wrapped": lambda w: ({f"transformer.{n}": v for n, v in to_diffusers(w).items()}, {}),
    "a whole checkpoint": lambda w: ({f"model.diffusion_model.{n}": v for n, v in w.items()}, {}),
    "bf16": lambda w: ({n: v.bfloat16() for n, v in w.items()}, {}),
    "old fp8": lambda w: (old_fp8(w, prefix="diffusion_model."), {}),
    "new fp8": lambda w: new_fp8(w, "float8_e5m2"),
    "new fp8, diffusers": lambda w: (to_diffusers(new_fp8(w)[0]), {}),
}
NUMBERS = {
    "bf16": lambda w: {n: v.bfloat16().float() for n, v in w.items()},
    "old fp8": lambda w: expected(w, torch.float8_e4m3fn),
    "new fp8": lambda w: expected(w, torch.float8_e5m2),
    "new fp8, diffusers": lambda w: expected(w, torch.float8_e4m3fn),
}


@pytest.mark.parametrize("kind", FILES)
def test_every_layout_gives_the_backbone_the_same_numbers(weights, kind):
    state, metadata = FILES[kind](weights)
    model = FullDiT(small())
    load_backbone(model, state, metadata=metadata)
    wanted = NUMBERS.get(kind, lambda w: w)(weights)
    assert equal({n: v for n, v in model.state_dict().items() if not n.startswith("tokenizers.")}, wanted)
    patch = wanted["patch_embedding.weight"]
    assert torch.equal(model.tokenizers["depth"].patch_embedding.weight, patch), "the tokenizers start from it"


@pytest.mark.parametrize("kind", FILES)
def test_unknown_and_missing_keys_are_refused_in_every_layout(weights, kind):
    state, metadata = FILES[kind](weights)
    with pytest.raises(UserError, match=r"has blocks\.0\.cam_encoder\.weight, which do not belong there"):
        load_backbone(FullDiT(small()), {**state, "blocks.0.cam_encoder.weight": torch.zeros(2, 2)}, metadata=metadata)
    lost = next(name for name in state if name.endswith("patch_embedding.bias"))
    with pytest.raises(UserError, match=r"lacks patch_embedding\.bias"):
        load_backbone(FullDiT(small()), {n: v for n, v in state.items() if n != lost}, metadata=metadata)


def test_weights_of_image_to_video_or_of_another_size_are_refused(weights):
    with pytest.raises(UserError, match="text-to-video"):
        load_backbone(FullDiT(small()), {**weights, "img_emb.proj.0.weight": torch.zeros(1)})
    with pytest.raises(UserError, match="other shapes"):
        load_backbone(FullDiT(small(ffn_dim=48)), weights)


def test_a_network_in_half_precision_takes_them(weights):
    model = FullDiT(small(), dtype=torch.bfloat16)
    load_backbone(model, weights)
    vectors = model.tokenizers["reference"].slot_vectors.float()
    across = vectors @ vectors.T
    assert torch.allclose(across, across.diagonal().diag(), atol=0.05), "slots start as directions of their own"
