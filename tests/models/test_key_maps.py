"""Keys of public Wan files, in both layouts and every wrapping: all of them, there and back."""

from __future__ import annotations

import pytest
import torch

from comfyui_fulldit.models.weights.key_maps import is_diffusers, to_diffusers, to_wan, to_wan_name

from .wan_keys import image_to_video, text_to_video, vace

DIM, FFN, LAYERS = 32, 64, 3
WAN = {
    "text to video": text_to_video(DIM, FFN, LAYERS),
    "image to video": image_to_video(DIM, FFN, LAYERS),
    "first and last frame": image_to_video(DIM, FFN, LAYERS, first_and_last=True),
    "VACE": vace(DIM, FFN, LAYERS, controls=2),
}


def diffusers_shapes(kind: str) -> dict[str, tuple[int, ...]]:
    """Keys and shapes of diffusers' own classes."""
    diffusers = pytest.importorskip("diffusers")
    sizes = {
        "num_attention_heads": 2,
        "attention_head_dim": DIM // 2,
        "in_channels": 36 if kind in ("image to video", "first and last frame") else 16,
        "text_dim": 4096,
        "freq_dim": 256,
        "ffn_dim": FFN,
        "num_layers": LAYERS,
    }
    if sizes["in_channels"] == 36:
        sizes |= {"image_dim": 1280, "added_kv_proj_dim": DIM}
    if kind == "first and last frame":
        sizes |= {"pos_embed_seq_len": 514}
    with torch.device("meta"):
        if kind == "VACE":
            model = diffusers.WanVACETransformer3DModel(**sizes, vace_layers=[0, 2], vace_in_channels=96)
        else:
            model = diffusers.WanTransformer3DModel(**sizes)
    return {name: tuple(value.shape) for name, value in model.state_dict().items()}


@pytest.mark.parametrize("kind", WAN)
def test_every_key_of_diffusers_translates_to_wan_and_back(kind):
    shapes = diffusers_shapes(kind)
    assert is_diffusers(shapes)
    wan = to_wan(shapes)
    assert wan == WAN[kind] and not is_diffusers(wan)
    assert to_diffusers(wan) == shapes


@pytest.mark.parametrize(
    ("shapes", "count"),
    [
        (image_to_video(5120, 13824, 40), 1303),
        (vace(1536, 8960, 30, controls=15), 1264),
        (vace(5120, 13824, 40, controls=8), 1331),
    ],
    ids=["I2V 14B", "VACE 1.3B", "VACE 14B"],
)
def test_public_files_have_as_many_keys_and_none_becomes_another(shapes, count):
    """The counts are those of the published files."""
    assert len(shapes) == count
    diffusers = to_diffusers(shapes)
    assert len(diffusers) == count and to_wan(diffusers) == shapes


@pytest.mark.parametrize(
    "prefix",
    [
        *("model.diffusion_model.", "diffusion_model.", "model.", "net.", "dit.", "pipe.dit.", "transformer."),
        *("module.", "module.model."),
    ],
)
@pytest.mark.parametrize("kind", WAN)
def test_wrappings_are_taken_off_both_layouts(kind, prefix):
    for shapes in (WAN[kind], to_diffusers(WAN[kind])):
        assert to_wan({prefix + name: shape for name, shape in shapes.items()}) == WAN[kind]


@pytest.mark.parametrize("name", ["blocks", "blocks.1", "blocks.1.", "tokenizers.depth.type_vector", "a.proj_out.b"])
def test_foreign_names_stay(name):
    assert to_wan_name(name) == name
