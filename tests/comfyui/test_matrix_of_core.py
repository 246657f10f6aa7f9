"""What the matrix says about ComfyUI is true of it: its nodes by name, and its estimate of memory."""

from __future__ import annotations

import re
from types import SimpleNamespace

import pytest

from .driver_cases import module

pytestmark = pytest.mark.comfyui

# Names with capitals inside that are neither nodes nor models of the matrix.
OTHERS = {"ComfyUI", "LoRA", "LoRAs"}
NODE = re.compile(r"\b(?=\w*[a-z])[A-Z]\w*[a-z0-9][A-Z]\w*\b")
LACKS = re.compile(r"(\w+), which ComfyUI 0\.33 does not have")


def named_nodes() -> dict[str, set[str]]:
    """The names of nodes in what is said about each family that core runs and this pack does not."""
    families = module("models.families.matrix").FAMILIES.values()
    found, others = {}, {word for family in families for word in re.findall(r"\w+", family.name)} | OTHERS
    for family in families:
        text = " ".join([family.sentence, *(support.sentence for support in family.takes.values())])
        found[family.id] = {name for name in NODE.findall(text) if name not in others}
    return found


def test_the_nodes_that_the_matrix_names_are_there(server, host):
    known = server.get("/object_info")
    version = server.get("/system_stats")["system"]["comfyui_version"]
    if tuple(int(part) for part in version.split(".")[:2]) < (0, 33):
        pytest.skip(f"the sentences are about ComfyUI 0.33, this is {version}")
    named = named_nodes()
    assert named["ltx"] == {"LTXVImgToVideo", "LTXVAddGuide", "GetICLoRAParameters"}
    assert named["minimax-h3"] >= {"MiniMaxH3ReferenceToVideo", "MiniMaxH3ImageToVideo", "MiniMaxH3AddGuide"}
    assert sum(map(len, named.values())) > 15
    families = module("models.families.matrix").FAMILIES
    for family, nodes in named.items():
        lacking = set(LACKS.findall(families[family].sentence))
        assert lacking <= nodes
        assert not {name for name in nodes if (name in known) == (name in lacking)}, family
    references = known["MiniMaxH3ReferenceToVideo"]["input"]["required"] | known["MiniMaxH3ReferenceToVideo"][
        "input"
    ].get("optional", {})
    limits = {
        name: spec[1]["template"]["max"] for name, spec in references.items() if name in ("ref_images", "ref_videos")
    }
    assert limits == {"ref_images": 9, "ref_videos": 3}


@pytest.mark.parametrize(
    ("name", "dim", "size"),
    [("WAN21_T2V", 1536, (832, 480, 81)), ("WAN21_T2V", 5120, (1280, 720, 81)), ("WAN22_T2V", 3072, (1248, 704, 41))],
)
def test_the_memory_of_a_pass_is_what_core_counts(host, monkeypatch, name, dim, size):
    """Core's own method with its own factor for this width, for attention that keeps no scores."""
    import comfy.model_base
    import comfy.model_management
    import comfy.supported_models
    import torch

    monkeypatch.setattr(comfy.model_management, "pytorch_attention_flash_attention", lambda: True)
    config = getattr(comfy.supported_models, name)({"dim": dim, "model_type": "t2v"})
    model = SimpleNamespace(
        memory_usage_factor=config.memory_usage_factor,
        memory_usage_factor_conds=(),
        memory_usage_shape_process={},
        get_dtype=lambda: torch.float16,
        get_dtype_inference=lambda: torch.float16,
        manual_cast_dtype=None,
    )
    geometry = module("models.geometry")
    geometry = geometry.WAN_2_2_5B if dim == 3072 else geometry.WAN_2_1
    width, height, frames = size
    shape = (1, geometry.channels, *geometry.latent_size(frames, height, width))
    counted = comfy.model_base.BaseModel.memory_required(model, shape)
    assert module("models.families.memory").pass_bytes(dim, width, height, frames) == pytest.approx(counted, rel=1e-3)
