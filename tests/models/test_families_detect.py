"""A file is told by its keys, special models first, whatever wraps them; a guess by the name is called one."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys

import pytest
import torch

from comfyui_fulldit.control.errors import UserError
from comfyui_fulldit.models.families.detect import detect, detect_file
from comfyui_fulldit.models.families.matrix import FAMILIES
from comfyui_fulldit.models.families.model_files import PICKLE_TO_SAFETENSORS
from comfyui_fulldit.models.families.rules import RULES, Keys
from comfyui_fulldit.models.weights.checkpoint import embedded_path
from comfyui_fulldit.models.weights.key_maps import PREFIXES, to_diffusers
from comfyui_fulldit.models.weights.tensor_file import read_tensors, write_tensors

from . import wan_shapes as wan
from .wan_shapes import LARGE, MIDDLE, SMALL, t2v

PLAIN = ("wan-t2v", "phantom", "bernini-r")
I2V = t2v(**LARGE, channels=36, image=True)

# (name, weights, family): a real size each.
MODELS = [
    ("recammaster", wan.with_camera_layers(t2v(**SMALL), 1536, range(30)), "recammaster"),
    ("omnicamera", wan.with_camera_layers(t2v(**MIDDLE, channels=48, out=48), 3072, range(0, 30, 5)), "omnicamera"),
    ("omnicamera, partial", wan.with_camera_layers({}, 3072, range(0, 30, 5)), "omnicamera"),
    ("lingbot-world", wan.lingbot(), "lingbot-world"),
    (
        "ltx",
        {"patchify_proj.weight": (4096, 128), "adaln_single.emb.timestep_embedder.linear_1.bias": (4096,)},
        "ltx",
    ),
    (
        "minimax h3",
        {"video_patch_proj.weight": (5120, 96), "audio_patch_proj.weight": (5120, 64)},
        "minimax-h3",
    ),
    ("stand-in", wan.stand_in(), "stand-in"),
    ("steadydancer", wan.steadydancer(), "steadydancer"),
    ("bindweave", wan.bindweave(), "bindweave"),
    ("uni3c", wan.uni3c(), "uni3c"),
    ("depth lora", wan.depth_lora(), "wan-depth-lora"),
    ("t2v with the depth lora in it", t2v(**SMALL, channels=32), "wan-depth-lora"),
    ("vace 1.3B", wan.vace(**SMALL, blocks=15), "vace"),
    ("vace 14B", wan.vace(**LARGE, blocks=8), "vace"),
    (
        "fun camera 1.3B",
        wan.with_control_adapter(t2v(**SMALL, channels=32, image=True), 1536),
        "fun-camera",
    ),
    ("fun camera A14B", wan.with_control_adapter(t2v(**LARGE, channels=36), 5120), "fun-camera"),
    ("fun control 1.3B", t2v(**SMALL, channels=48, image=True), "fun-control"),
    ("fun control V1.1", wan.with_ref_conv(t2v(**SMALL, channels=48, image=True), 1536), "fun-control"),
    ("fun control A14B", t2v(**LARGE, channels=52), "fun-control"),
    ("fun control 5B", wan.with_ref_conv(t2v(**MIDDLE, channels=148, out=48), 3072, 48), "fun-control"),
    ("s2v", t2v(**LARGE) | {"casual_audio_encoder.encoder.final_linear.weight": (5120, 2048)}, "s2v"),
    ("humo 1.7B", t2v(**SMALL) | {"audio_proj.audio_proj_glob_1.layer.bias": (512,)}, "humo"),
    ("humo 17B", t2v(**LARGE, channels=36) | {"audio_proj.audio_proj_glob_1.layer.bias": (512,)}, "humo"),
    ("animate", I2V | {"face_adapter.fuser_blocks.0.k_norm.weight": (128,)}, "animate"),
    (
        "scail-2",
        t2v(**LARGE, channels=20, image=True)
        | {"patch_embedding_pose.weight": (5120, 20, 1, 2, 2), "patch_embedding_mask.weight": (5120, 28, 1, 2, 2)},
        "scail-2",
    ),
    (
        "scail",
        t2v(**LARGE, channels=20, image=True) | {"patch_embedding_pose.weight": (5120, 20, 1, 2, 2)},
        "scail",
    ),
    ("wan-dancer", I2V | {"patch_embedding_global.weight": (5120, 36, 1, 2, 2)}, "wan-dancer"),
    ("i2v 14B", I2V, "wan-i2v"),
    ("first and last frame", I2V | {"img_emb.emb_pos": (1, 514, 1280)}, "wan-i2v"),
    ("i2v A14B", t2v(**LARGE, channels=36), "wan-i2v"),
    ("ti2v 5B", t2v(**MIDDLE, channels=48, out=48), "wan-t2v"),
]
BY_NAME = {name: shapes for name, shapes, _ in MODELS}


@pytest.mark.parametrize(
    ("shapes", "billions", "keys"),
    [
        (t2v(**SMALL), 1.419, 825),
        (t2v(**LARGE), 14.288, 1095),
        (I2V, 16.395, 1303),
        (BY_NAME["vace 1.3B"], 2.154, 1264),
        (BY_NAME["vace 14B"], 17.338, 1331),
        (BY_NAME["fun control V1.1"], 1.565, 985),
        (BY_NAME["fun camera 1.3B"], 1.616, 989),
        (BY_NAME["fun camera A14B"], 14.792, 1101),
    ],
)
def test_the_shapes_that_are_tested_with_are_those_of_the_real_files(shapes, billions, keys):
    assert len(shapes) == keys and wan.parameters(shapes) / 1e9 == pytest.approx(billions, abs=6e-4)


@pytest.mark.parametrize(("name", "shapes", "family"), MODELS, ids=[name for name, _, _ in MODELS])
def test_a_model_is_told_by_its_keys(name, shapes, family):
    found = detect(shapes)
    assert found.family == family and found.candidates == (family,) and found.guess is None
    assert found.quantization == "" and found.layout == "native"
    assert found.sentence.startswith("This is ") and found.sentence.endswith(".")
    assert FAMILIES[family].name in found.sentence or family == "wan-depth-lora"


def test_size_and_channels_are_read():
    found = detect(BY_NAME["fun control A14B"])
    assert (found.dim, found.layers, found.in_channels) == (5120, 40, 52)
    found = detect(BY_NAME["uni3c"])
    assert (found.dim, found.layers, found.in_channels) == (5120, 20, 36)
    assert detect(BY_NAME["stand-in"]).dim == 5120
    # The partial file of OmniCamera has its last block at 25.
    found = detect(BY_NAME["omnicamera, partial"])
    assert (found.dim, found.layers, found.in_channels) == (3072, 26, 0)


def test_a_model_made_from_recammaster_says_what_is_not_used():
    shapes = BY_NAME["recammaster"]
    assert "not used" not in detect(shapes).sentence
    found = detect(shapes | {"blocks.0.memory.weight": (1536, 1536), "memory_embedding.weight": (1536, 16, 1, 4, 4)})
    assert found.family == "recammaster"
    assert "holds 2 weights that ReCamMaster does not have, such as blocks.0.memory.weight" in found.sentence
    assert "Memory-V2V" in found.sentence


def test_pickles_are_told_by_their_names_and_never_opened(tmp_path):
    """What the authors of three models publish, and one that nothing is known of."""
    said = {}
    for name in ("Stand-In_wan2.1_T2V_14B.ckpt", "joint_params_step61000.pth", "memoryv2v.ckpt", "mine.ckpt"):
        (tmp_path / name).write_bytes(b"PK\x03\x04 a zip of pickles")
        with pytest.raises(UserError, match="can run any code when it is loaded, so it is not") as error:
            detect_file(tmp_path / name)
        said[name.split("_")[0].split(".")[0]] = str(error.value)
    assert "By its name it is Stand-In, which is not driven here either way" in said["Stand-In"]
    assert "For identities use Bernini-R or Phantom" in said["Stand-In"] and "save_file" not in said["Stand-In"]
    assert "By its name it is OmniCamera. Convert it once, outside of ComfyUI: python -c" in said["joint"]
    assert "By its name it is ReCamMaster." in said["memoryv2v"]
    assert "By its name" not in said["mine"] and "weights_only=True" in said["mine"]


def test_the_line_that_converts_a_pickle_does_so(tmp_path):
    """As a shell runs it, on a checkpoint of tensors; one with code in it is refused by PyTorch."""
    torch.save({"blocks.0.projector.bias": torch.arange(3.0)}, tmp_path / "a.pth")
    line = PICKLE_TO_SAFETENSORS.replace("python", shlex.quote(sys.executable), 1)
    for given in ("IN", "OUT.safetensors"):
        line = line.replace(
            f" {given}", " " + shlex.quote(str(tmp_path / ("a.pth" if given == "IN" else "b.safetensors")))
        )
    subprocess.run(line, shell=True, check=True, timeout=100)
    assert read_tensors(tmp_path / "b.safetensors")["blocks.0.projector.bias"].tolist() == [0, 1, 2]


@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize(
    "name", ["recammaster", "lingbot-world", "vace 1.3B", "fun control 1.3B", "stand-in", "uni3c", "depth lora"]
)
def test_what_stands_before_the_keys_does_not_matter(prefix, name):
    shapes = BY_NAME[name]
    found = detect({f"{prefix}{key}": shape for key, shape in shapes.items()})
    assert found.prefix == prefix and found.family == detect(shapes).family
    assert (found.dim, found.layers, found.in_channels) == (
        detect(shapes).dim,
        detect(shapes).layers,
        detect(shapes).in_channels,
    )


@pytest.mark.parametrize("prefix", ["", "model.diffusion_model.", "pipe.dit."])
@pytest.mark.parametrize(("name", "shapes", "family"), MODELS, ids=[name for name, _, _ in MODELS])
def test_the_layout_of_diffusers_is_read_as_well(name, shapes, family, prefix):
    translated = {f"{prefix}{key}": shape for key, shape in to_diffusers(shapes).items()}
    found = detect(translated)
    assert found.family == family and (found.dim, found.layers) == (detect(shapes).dim, detect(shapes).layers)
    assert found.layout == ("diffusers" if "head.modulation" in shapes else "native")


@pytest.mark.parametrize("shapes", [t2v(**SMALL), t2v(**LARGE)], ids=["1.3B", "14B"])
def test_wan_phantom_and_bernini_have_the_same_keys(shapes):
    found = detect(shapes)
    assert found.family is None and found.candidates == PLAIN and found.guess is None and found.likely is None
    for family in PLAIN:
        assert FAMILIES[family].name in found.sentence
    assert "choose the family" in found.sentence


@pytest.mark.parametrize(
    ("file_name", "guess"),
    [
        ("Phantom-Wan-1_3B_fp16.safetensors", "phantom"),
        ("wan2.1_bernini_1.3B_fp16.safetensors", "bernini-r"),
        ("wan2.2_bernini_r_high_noise_fp8_scaled.safetensors", "bernini-r"),
        ("wan2.1_t2v_1.3B_fp16.safetensors", "wan-t2v"),
        ("Wan2_1-T2V-14B_fp8.safetensors", "wan-t2v"),
        ("my_merge.safetensors", None),
        ("", None),
    ],
)
def test_a_guess_by_the_name_is_said_to_be_one(file_name, guess):
    found = detect(t2v(**SMALL), file_name=file_name)
    assert (found.family, found.guess, found.likely) == (None, guess, guess)
    assert ("which is a guess: choose" in found.sentence) == (guess is not None)


def test_a_name_changes_nothing_where_the_keys_tell():
    found = detect(BY_NAME["vace 1.3B"], file_name="Phantom.safetensors")
    assert (found.family, found.guess) == ("vace", None)


@pytest.mark.parametrize(
    ("file_name", "guess"),
    [
        ("CamCloneMaster_Step9500_bf16.safetensors", "camclonemaster"),
        ("Wan2.1-Fun-1.3B-InP.safetensors", "wan-i2v"),
        ("model.safetensors", None),
    ],
)
def test_camclonemaster_has_the_shapes_of_its_base(file_name, guess):
    found = detect(t2v(**SMALL, channels=36, image=True), file_name=file_name)
    assert (found.family, found.candidates, found.guess) == (None, ("camclonemaster", "wan-i2v"), guess)


def test_a_special_model_is_not_taken_for_what_comfyui_would_make_of_it():
    """Each of these fits a later rule too; the first one that fits decides."""
    for name in ("recammaster", "omnicamera", "lingbot-world", "steadydancer", "bindweave", "scail-2", "animate"):
        fitting = [rule.families for rule in RULES if rule.fits(Keys(BY_NAME[name]))]
        assert len(fitting) > 1 and fitting[0] == (detect(BY_NAME[name]).family,), name


@pytest.mark.parametrize(
    ("transformer", "family"),
    [
        ({"model_type": "animate2"}, "animate"),
        ({"model_type": "flow_rvs"}, "flow-rvs"),
        ({"model_type": "causal_ar_video"}, "causal-wan"),
        ({"model_type": "t2v", "causal_ar": True}, "causal-wan"),
        ({"model_type": "t2v"}, None),
    ],
)
def test_the_metadata_tells_what_no_key_does(transformer, family):
    assert detect(t2v(**SMALL), {"config": json.dumps({"transformer": transformer})}).family == family


@pytest.mark.parametrize("config", ["not JSON", "[1]", '{"transformer": 3}', "{}"])
def test_a_config_that_cannot_be_read_is_passed_over(config):
    assert detect(t2v(**SMALL), {"config": config}).candidates == PLAIN


@pytest.mark.skipif(not embedded_path("fulldit_mini").exists(), reason="the embedded weights are not in this checkout")
def test_our_own_checkpoint_is_recognized():
    found = detect_file(embedded_path("fulldit_mini"))
    assert found.family == "fulldit" and (found.dim, found.layers) == (192, 6) and "its config" in found.sentence
    assert detect_file(embedded_path("fulldit_mini_vae")).family is None


@pytest.mark.parametrize(
    ("shapes", "words"),
    [
        ({}, "no weights"),
        ({"encoder.block.0.layer.0.SelfAttention.q.weight": (4096, 4096)}, "text encoder"),
        ({"decoder.middle.0.residual.0.gamma": (384,)}, "a VAE"),
        ({"transformer_blocks.0.attn1.to_q.weight": (4096, 4096)}, "LTX"),
        ({"double_blocks.0.img_attn.qkv.weight": (9216, 3072)}, "Flux"),
        ({"lora_unet_blocks_0_self_attn_q.lora_down.weight": (32, 1536)}, "LoRA"),
        ({"diffusion_model.blocks.0.self_attn.q.lora_A.weight": (32, 1536)}, "LoRA"),
        (t2v(**SMALL, channels=99), "99 input channels"),
        ({f"a{number}.weight": (3,) for number in range(9)}, "9 weights, such as a0.weight, a1.weight, a2.weight"),
    ],
)
def test_what_is_unknown_is_said_with_what_came(shapes, words):
    found = detect(shapes)
    assert found.family is None and found.candidates == () and words in found.sentence


def quantized(extra, every="self_attn.q", packed=1) -> dict[str, tuple[int, ...]]:
    """A model with what a format adds beside each weight; `packed` numbers lie in one."""
    shapes = dict(t2v(**SMALL))
    for number in range(30):
        layer = f"blocks.{number}.{every}"
        shapes[f"{layer}.weight"] = (1536, 1536 // packed)
        shapes |= {f"{layer}.{name}": shape for name, shape in extra.items()}
    return shapes


SCALED = {"scale_weight": (), "scale_input": ()}
LAYER = "blocks.0.self_attn.q"


@pytest.mark.parametrize(
    ("shapes", "metadata", "dtypes", "name"),
    [
        (quantized(SCALED) | {"scaled_fp8": (0,)}, {}, {}, "fp8_scaled"),
        (quantized(SCALED) | {"scaled_fp8": (2,)}, {}, {"scaled_fp8": "F8_E4M3"}, "fp8_scaled (float8_e4m3fn)"),
        (
            quantized({"comfy_quant": (26,), "weight_scale": ()}),
            {},
            {f"{LAYER}.weight": "F8_E4M3"} | {f"blocks.{n}.self_attn.q.weight": "F8_E4M3" for n in range(30)},
            "float8_e4m3fn",
        ),
        (
            quantized({"comfy_quant": (26,), "weight_scale": ()}),
            {},
            {f"blocks.{n}.self_attn.q.weight": "I8" for n in range(30)},
            "int8_tensorwise",
        ),
        (quantized({"comfy_quant": (19,), "weight_scale": (1536, 48)}), {}, {}, "mxfp8"),
        (
            quantized({"comfy_quant": (19,), "weight_scale": (1536, 96), "weight_scale_2": ()}, packed=2),
            {},
            {},
            "nvfp4",
        ),
        (quantized({"comfy_quant": (28,), "weight_s_rel": (1536, 12)}), {}, {}, "asym_w4a8_int8"),
        (quantized({"comfy_quant": (26,), "weight_scale": ()}), {}, {}, "8 bit"),
        (
            quantized({"weight_scale": ()}),
            {"_quantization_metadata": json.dumps({"layers": {LAYER: {"format": "mxfp8"}, "b": {"format": "nvfp4"}}})},
            {},
            "mxfp8, nvfp4",
        ),
        (
            quantized({"weight_scale": ()}),
            {"_quantization_metadata": json.dumps({"layers": {LAYER: {"format": "int8_tensorwise", "convrot": True}}})},
            {},
            "int8_tensorwise with convrot",
        ),
        (t2v(**SMALL), {}, {f"{LAYER}.weight": "F8_E4M3"}, "float8_e4m3fn without scales"),
        (t2v(**SMALL), {"_quantization_metadata": "broken"}, {f"{LAYER}.weight": "BF16"}, ""),
    ],
)
def test_the_quantization_is_named_and_changes_nothing_else(shapes, metadata, dtypes, name):
    for prefix in ("", "model.diffusion_model."):
        found = detect(
            {f"{prefix}{key}": shape for key, shape in shapes.items()},
            metadata,
            "Phantom.safetensors",
            {f"{prefix}{key}": dtype for key, dtype in dtypes.items()},
        )
        assert found.quantization == name and (f"quantized as {name}" in found.sentence) == bool(name)
        assert (found.guess, found.dim, found.layers, found.in_channels) == ("phantom", 1536, 30, 16)


def test_a_file_says_the_format_of_its_layers_itself(tmp_path):
    def text(value):
        return torch.tensor(list(json.dumps(value).encode()), dtype=torch.uint8)

    tensors = {
        "vace_patch_embedding.weight": torch.zeros(4, 96, 1, 2, 2),
        "a.weight": torch.zeros(4, 4, dtype=torch.int8),
        "a.comfy_quant": text({"format": "convrot_w4a4"}),
        "b.comfy_quant": text({"format": "int8_tensorwise", "convrot": True}),
    }
    path = tmp_path / "any.safetensors"
    write_tensors(path, tensors, {})
    found = detect_file(path)
    assert found.family == "vace" and found.quantization == "convrot_w4a4, int8_tensorwise with convrot"
    write_tensors(path, {**tensors, "a.comfy_quant": torch.zeros(3, dtype=torch.uint8)}, {})
    assert detect_file(path).quantization == "8 bit, int8_tensorwise"


def test_a_file_of_diffusers_is_guessed_by_its_folder(tmp_path):
    tensors = {name: torch.zeros(1) for name in ("head.modulation",)}
    tensors["patch_embedding.weight"] = torch.zeros(4, 16, 1, 2, 2)
    path = tmp_path / "Bernini-R-1.3B-Diffusers" / "transformer" / "diffusion_pytorch_model.safetensors"
    path.parent.mkdir(parents=True)
    write_tensors(path, tensors, {})
    for place in (path, path.parent, path.parent.parent):
        assert detect_file(place).guess == "bernini-r"
    plain = tmp_path / "Bernini" / "mine.safetensors"
    plain.parent.mkdir()
    write_tensors(plain, tensors, {})
    assert detect_file(plain).guess is None
