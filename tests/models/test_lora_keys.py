"""LoRA files of every writer arrive on the right modules of the model, with the tensors as they were."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch

from comfyui_fulldit.control.errors import UserError
from comfyui_fulldit.models.weights.lora_keys import fit_to_shapes, normalize_lora

from .wan_keys import image_to_video, text_to_video, vace

DIM, FFN, LAYERS, RANK = 32, 64, 12, 4
SHAPES = text_to_video(DIM, FFN, LAYERS)
# Modules of Wan and diffusers' names of them. `blocks.1` and `blocks.11` tell whether numbers are read whole.
DIFFUSERS = {
    "blocks.11.self_attn.q": "blocks.11.attn1.to_q",
    "blocks.1.cross_attn.q": "blocks.1.attn2.to_q",
    "blocks.1.self_attn.o": "blocks.1.attn1.to_out.0",
    "blocks.0.ffn.0": "blocks.0.ffn.net.0.proj",
    "blocks.0.ffn.2": "blocks.0.ffn.net.2",
    "blocks.1.norm3": "blocks.1.norm2",
    "blocks.0.modulation": "blocks.0.scale_shift_table",
    "head.modulation": "scale_shift_table",
    "head.head": "proj_out",
    "time_embedding.0": "condition_embedder.time_embedder.linear_1",
    "patch_embedding": "patch_embedding",
}


@dataclass(frozen=True)
class Layout:
    """How a writer names a key: prefix + the module (in diffusers' words, with underscores) + a tail."""

    prefix: str = ""
    diffusers: bool = False
    flat: bool = False
    down: str = "lora_A.weight"
    up: str = "lora_B.weight"
    alpha: bool = False

    def key(self, module: str, tail: str) -> str:
        name = DIFFUSERS[module] if self.diffusers else module
        return f"{self.prefix}{name.replace('.', '_') if self.flat else name}.{tail}"


PEFT = {"down": "lora_A.default.weight", "up": "lora_B.default.weight"}
KOHYA = {"down": "lora_down.weight", "up": "lora_up.weight", "alpha": True}
LAYOUTS = {
    "diffusion-pipe, ai-toolkit": Layout("diffusion_model."),
    "the same of an adapter": Layout("diffusion_model.", **PEFT),
    "LightX2V": Layout("diffusion_model.", **KOHYA),
    "musubi, kohya": Layout("lora_unet_", flat=True, **KOHYA),
    "kohya on diffusers": Layout("lora_unet_", diffusers=True, flat=True, **KOHYA),
    "VideoX-Fun": Layout("lora_unet__", flat=True, **KOHYA),
    "DiffSynth": Layout(**PEFT),
    "DiffSynth, whole pipeline": Layout("pipe.dit.", **PEFT),
    "DiffSynth, network": Layout("dit.", **PEFT),
    "checkpoint": Layout("model.diffusion_model."),
    "diffusers, finetrainers, SimpleTuner": Layout("transformer.", diffusers=True),
    "older diffusers": Layout("transformer.", diffusers=True, down="lora.down.weight", up="lora.up.weight"),
    "diffusers without wrapping": Layout(diffusers=True),
    "diffusers in ComfyUI's wrapping": Layout("diffusion_model.", diffusers=True),
    "transformer with Wan's names": Layout("transformer."),
    "PEFT": Layout("base_model.model."),
    "PEFT on diffusers": Layout("base_model.model.", diffusers=True, **PEFT),
    "PEFT on a wrapped network": Layout("base_model.model.diffusion_model.", **PEFT),
    "wrapped in parallel": Layout("module.", **KOHYA),
    "LyCORIS": Layout("lycoris_", flat=True, **KOHYA),
    "LyCORIS on diffusers": Layout("lycoris_", diffusers=True, flat=True, **KOHYA),
    "OneTrainer": Layout("lora_transformer_", diffusers=True, flat=True, **KOHYA),
    "OneTrainer with Wan's names": Layout("lora_transformer_", flat=True, **KOHYA),
    "older transformers": Layout(
        "transformer.", diffusers=True, down="lora_linear_layer.down.weight", up="lora_linear_layer.up.weight"
    ),
    "Mochi": Layout("diffusion_model.", down="lora_A", up="lora_B"),
}


def random_lora(layout: Layout) -> tuple[dict, dict]:
    """(a LoRA in a layout, the same under core's keys): pairs, changes of weights and biases, and of parameters."""
    numbers = torch.Generator().manual_seed(0)
    written, wanted = {}, {}

    def put(module, tail, core_tail, *shape):
        value = torch.randn(shape, generator=numbers)
        written[layout.key(module, tail)] = wanted[f"diffusion_model.{module}.{core_tail}"] = value

    for module in DIFFUSERS:
        if module.endswith("modulation"):
            put(module, "diff", "diff", *SHAPES[module])
            continue
        if module.endswith("norm3"):
            put(module, "diff", "diff", DIM)
            put(module, "diff_b", "diff_b", DIM)
            continue
        out, into, *kernel = SHAPES[f"{module}.weight"]
        put(module, layout.down, "lora_A.weight", RANK, into, *kernel)
        put(module, layout.up, "lora_B.weight", out, RANK, *(1 for _ in kernel))
        if layout.alpha:
            put(module, "alpha", "alpha")
    return written, wanted


@pytest.mark.parametrize("writer", LAYOUTS)
def test_every_writers_lora_arrives_on_the_right_modules(writer):
    written, wanted = random_lora(LAYOUTS[writer])
    lora = normalize_lora(written, SHAPES)
    assert lora.unknown == () and set(lora.applied) == set(DIFFUSERS)
    assert lora.state.keys() == wanted.keys()
    assert all(torch.equal(lora.state[key], wanted[key]) for key in wanted)
    kind = "diffusers' names" if LAYOUTS[writer].diffusers else "Wan's names"
    prefix = repr(LAYOUTS[writer].prefix) if LAYOUTS[writer].prefix else "no prefix"
    assert lora.layout == f"{prefix}, {kind}"
    assert fit_to_shapes(lora, SHAPES) == lora


@pytest.mark.parametrize(
    ("shapes", "diffusers", "wan"),
    [
        (image_to_video(DIM, FFN, 2), "blocks.0.attn2.add_k_proj", "blocks.0.cross_attn.k_img"),
        (image_to_video(DIM, FFN, 2), "blocks.1.attn2.add_v_proj", "blocks.1.cross_attn.v_img"),
        (
            image_to_video(DIM, FFN, 2),
            "condition_embedder.image_embedder.ff.net.0.proj",
            "img_emb.proj.1",
        ),
        (vace(DIM, FFN, 2, controls=2), "vace_blocks.1.proj_out", "vace_blocks.1.after_proj"),
        (vace(DIM, FFN, 2, controls=2), "vace_blocks.0.proj_in", "vace_blocks.0.before_proj"),
        (vace(DIM, FFN, 2, controls=2), "vace_blocks.1.attn1.to_out.0", "vace_blocks.1.self_attn.o"),
    ],
)
@pytest.mark.parametrize("prefix", ["transformer.", "lycoris_", "lora_transformer_"])
def test_names_that_only_some_families_have(shapes, diffusers, wan, prefix):
    name = diffusers if prefix.endswith(".") else diffusers.replace(".", "_")
    lora = normalize_lora({f"{prefix}{name}.diff_b": torch.zeros(DIM)}, shapes)
    assert list(lora.state) == [f"diffusion_model.{wan}.diff_b"]
    assert normalize_lora({f"lycoris_{wan.replace('.', '_')}.diff": torch.zeros(1)}, shapes).applied == (wan,)


@pytest.mark.parametrize(
    "tails",
    [
        ("lokr_w1", "lokr_w2_a", "lokr_w2_b", "alpha"),
        ("lokr_w1_a", "lokr_w1_b", "lokr_w2", "lokr_t2"),
        ("hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b", "alpha", "dora_scale"),
        ("oft_blocks", "rescale"),
        ("a1.weight", "a2.weight", "b1.weight", "b2.weight"),
        ("lora_down.weight", "lora_up.weight", "reshape_weight"),
        ("set_weight",),
        ("w_norm", "b_norm"),
    ],
)
def test_other_kinds_of_changes_keep_their_tails(tails):
    file = {f"lycoris_blocks_0_attn1_to_v.{tail}": torch.rand(2, 2) for tail in tails}
    lora = normalize_lora(file, SHAPES)
    core = {"lora_down.weight": "lora_A.weight", "lora_up.weight": "lora_B.weight"}
    assert list(lora.state) == [f"diffusion_model.blocks.0.self_attn.v.{core.get(tail, tail)}" for tail in tails]
    assert all(torch.equal(new, old) for new, old in zip(lora.state.values(), file.values(), strict=True))


def test_keys_of_other_networks_are_named_and_left_out():
    written, wanted = random_lora(LAYOUTS["musubi, kohya"])
    foreign = {
        "lora_te_text_model_encoder.lora_down.weight": torch.zeros(1),
        "lora_unet_blocks_99_ffn_0.lora_down.weight": torch.zeros(1),
        "lora_unet_blocks_0_ffn_0.lora_up.bias": torch.zeros(1),
        "lora_unet_blocks_0_self_attn_norm_q.diff_b": torch.zeros(1),
        "blocks.0.ffn.0.weight": torch.zeros(1),
    }
    lora = normalize_lora({**written, **foreign}, SHAPES)
    assert lora.unknown == tuple(foreign) and lora.state.keys() == wanted.keys()


def test_a_file_without_a_key_of_the_model_is_refused():
    file = {"double_blocks.0.img_attn.qkv.lora_A.weight": torch.zeros(1), "b.lora_B.weight": torch.zeros(1)}
    with pytest.raises(UserError) as caught:
        normalize_lora(file, SHAPES)
    message = str(caught.value)
    assert "None of the 2 keys" in message and "'double_blocks.0.img_attn.qkv.lora_A.weight'" in message
    assert "'diffusion_model.blocks.0.cross_attn.q.lora_A.weight' were expected" in message
    assert message.endswith("Choose a LoRA that was made for this kind of model.")
    with pytest.raises(UserError, match="it has nothing"):
        normalize_lora({}, SHAPES)


def test_stand_in_is_refused_by_name():
    file = {f"blocks.0.self_attn.q_loras.{way}.weight": torch.zeros(2, 2) for way in ("down", "up")}
    with pytest.raises(UserError, match=r"Stand-In.*q_loras\.down\.weight.*not a LoRA"):
        normalize_lora({**file, "blocks.0.self_attn.q.lora_A.weight": torch.zeros(2, 2)}, SHAPES)


def test_half_a_pair_is_refused():
    written, _ = random_lora(LAYOUTS["diffusion-pipe, ai-toolkit"])
    del written["diffusion_model.blocks.0.ffn.2.lora_A.weight"]
    with pytest.raises(UserError, match=r"'blocks\.0\.ffn\.2' lacks 'lora_A\.weight'"):
        normalize_lora(written, SHAPES)
    with pytest.raises(UserError, match="lacks 'hada_w1_b'"):
        normalize_lora({"lycoris_blocks_0_ffn_0.hada_w1_a": torch.zeros(2, 2)}, SHAPES)


def test_two_adapters_in_one_file_are_refused():
    file = {f"blocks.0.ffn.0.lora_{side}.{name}.weight": torch.zeros(2, 2) for name in ("high", "low") for side in "AB"}
    with pytest.raises(UserError, match=r"changes 'blocks\.0\.ffn\.0' twice"):
        normalize_lora(file, SHAPES)


def test_a_lora_for_another_size_is_refused():
    wider = normalize_lora(
        {"blocks.0.ffn.0.lora_A.weight": torch.zeros(2, 2 * DIM), "blocks.0.ffn.0.lora_B.weight": torch.zeros(FFN, 2)},
        SHAPES,
    )
    with pytest.raises(UserError, match=r"another size of the model: blocks\.0\.ffn\.0 \(64x64, the model's is 64x32"):
        fit_to_shapes(wider, SHAPES)


@pytest.mark.parametrize(
    ("module", "tensors", "misfit"),
    [
        ("patch_embedding", {"diff": (DIM, 36, 1, 2, 2)}, "32x36x1x2x2, the model's is 32x16x1x2x2"),
        ("patch_embedding", {"set_weight": (DIM, 36, 1, 2, 2)}, "32x36x1x2x2"),
        ("blocks.1.modulation", {"diff": (1, 6, 5)}, "1x6x5, the model's is 1x6x32"),
        ("blocks.0.ffn.0", {"diff_b": (DIM,)}, "32, the model's is 64"),
        ("blocks.0.ffn.0", {"lora_A.weight": (4, DIM), "lora_B.weight": (DIM, 4)}, "32x32, the model's is 64x32"),
    ],
)
def test_parts_of_another_shape_are_left_out_and_said(module, tensors, misfit):
    """As in a LoRA of image-to-video on a text-to-video model, whose patch embedding has fewer channels."""
    fits = {"diffusion_model.blocks.0.ffn.2.diff_b": torch.zeros(DIM)}
    extra = {f"diffusion_model.{module}.{tail}": torch.zeros(shape) for tail, shape in tensors.items()}
    lora = fit_to_shapes(normalize_lora({**fits, **extra}, SHAPES), SHAPES)
    assert list(lora.state) == list(fits) and lora.applied == ("blocks.0.ffn.2",)
    (said,) = lora.misfits
    assert said.startswith(f"{module} (") and misfit in said


@pytest.mark.parametrize(
    ("into", "wider", "fits"),
    [
        (32, (DIM, 32, 1, 2, 2), True),
        (16, (DIM, 32, 1, 2, 2), False),
        (8, (DIM, 8, 1, 2, 2), False),
        (32, (DIM, 32), False),
    ],
)
def test_a_lora_may_widen_the_patch_embedding(into, wider, fits):
    """As the control LoRAs of 32 channels do: core pads the weight to `reshape_weight`."""
    file = {
        "diffusion_model.patch_embedding.reshape_weight": torch.tensor(wider),
        "diffusion_model.patch_embedding.lora_A.weight": torch.zeros(RANK, into * 4),
        "diffusion_model.patch_embedding.lora_B.weight": torch.zeros(DIM, RANK),
        "diffusion_model.patch_embedding.diff_b": torch.zeros(DIM),
    }
    lora = fit_to_shapes(normalize_lora(file, SHAPES), SHAPES)
    assert list(lora.state) == (list(file) if fits else ["diffusion_model.patch_embedding.diff_b"])
    assert bool(lora.misfits) != fits


def test_parameters_of_unknown_shape_are_not_judged():
    lora = normalize_lora({"blocks.0.ffn.0.diff": torch.zeros(1)}, SHAPES)
    assert fit_to_shapes(lora, {}) == lora
