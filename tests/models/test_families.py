"""The matrix answers every question about every family, and says what is true of its files."""

from __future__ import annotations

import pytest

from comfyui_fulldit.control.control_video import KINDS
from comfyui_fulldit.models.families.about import about_family
from comfyui_fulldit.models.families.family import FACETS, Family
from comfyui_fulldit.models.families.matrix import (
    FACET_NAMES,
    FAMILIES,
    belonging_files,
    families_that_take,
    in_words,
    model_files,
    other_models,
)
from comfyui_fulldit.models.families.rules import RULES
from comfyui_fulldit.models.weights.checkpoint import embedded_path, read_config

from . import wan_shapes as wan
from .wan_shapes import LARGE, SMALL, t2v

ALL = pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)
DRIVEN = [family for family in FAMILIES.values() if family.driven]
PUBLIC = pytest.mark.parametrize("family", [one for one in DRIVEN if one.id != "fulldit"], ids=lambda one: one.id)


def is_sentence(text: str) -> bool:
    return text[:1].isupper() and text.endswith(".") and "  " not in text


@ALL
def test_every_family_answers_for_every_facet(family: Family):
    assert FAMILIES[family.id] is family and set(family.takes) == set(FACETS)
    for facet, support in {**family.takes, **family.with_depth_lora}.items():
        assert is_sentence(support.sentence), (facet, support.sentence)
        assert bool(support.strength) == bool(support.span) == support.taken
        assert not support.taken or (is_sentence(support.strength) and is_sentence(support.span))
    for text in (*family.notes, family.unverified, family.sentence):
        assert not text or text.endswith("."), text


@ALL
def test_a_family_that_is_not_driven_says_what_to_do_instead(family: Family):
    assert family.driven == (family in DRIVEN)
    if family.driven:
        assert family.variants and not family.sentence
    else:
        assert len(family.sentence) > 60 and family.sentence.endswith(".") and "ComfyUI" in family.sentence
        assert not any(family.support(facet).taken for facet in FACETS)


def test_every_family_that_is_told_by_keys_is_in_the_matrix_and_the_other_way_round():
    told = {family for rule in RULES for family in rule.families}
    assert told | {"fulldit", "causal-wan", "flow-rvs"} == set(FAMILIES)


@PUBLIC
def test_every_driven_family_has_files_and_settings(family: Family):
    for variant in family.variants:
        roles = [file.role for file in variant.files]
        assert roles[0] == "model" and "text encoder" in roles and "vae" in roles
        assert ("second expert" in roles) == (variant.settings.boundary > 0) == variant.name.endswith("A14B")
        assert variant.memory and variant.dim % 128 == 0 and variant.layers in (30, 40)
        settings = variant.settings
        assert settings.steps >= 20 and settings.shift >= 1 and settings.fps in (15, 16, 24)
        assert (
            settings.scales["text"] > 1 and settings.negative.startswith("色调艳丽") and "倒着走" in settings.negative
        )
        assert (settings.frames - 1) % 4 == 0 and settings.width % 16 == settings.height % 16 == 0


def test_the_scales_have_the_names_that_the_drivers_ask_for():
    names = {family.id: set(family.variants[0].settings.scales) for family in DRIVEN}
    assert names == {
        "fulldit": {"text"},
        "bernini-r": {"source", "identity", "text"},
        "vace": {"text"},
        "phantom": {"identity", "text"},
        "recammaster": {"text"},
        "omnicamera": {"camera", "text"},
        "scail-2": {"text"},
        "fun-camera": {"text"},
        "fun-control": {"text"},
        "wan-depth-lora": {"text"},
        "wan-t2v": {"text"},
    }


@pytest.mark.skipif(not embedded_path("fulldit_mini").exists(), reason="the embedded weights are not in this checkout")
def test_the_row_of_fulldit_is_the_embedded_checkpoint():
    (variant,), config = FAMILIES["fulldit"].variants, read_config(embedded_path("fulldit_mini"))
    settings = variant.settings
    assert (variant.dim, variant.layers) == (config.dim, config.num_layers)
    assert (settings.steps, settings.shift, settings.scales["text"]) == (config.steps, config.shift, config.guidance)
    assert (settings.frames, settings.height, settings.width) == (config.frames, config.height, config.width)
    assert FAMILIES["fulldit"].most_identities == config.slots
    facets = {facet for facet in FACETS if facet != "mask" and FAMILIES["fulldit"].support(facet).taken}
    assert facets | {"sound"} == set(config.conditions) and set(KINDS) <= set(config.streams)


def test_a_name_stands_for_one_file_only():
    for family in DRIVEN:
        for file in (file for variant in family.variants for file in variant.files):
            assert model_files()[file.name] == file
            assert file.path.endswith(file.name) and file.name.endswith(".safetensors")
            assert file.url == f"https://huggingface.co/{file.repository}/resolve/main/{file.path}"
            assert "/" not in file.folder and file.license.startswith("Apache-2.0")


@pytest.mark.parametrize(
    ("name", "shapes"),
    [
        ("wan2.1_t2v_1.3B_fp16", t2v(**SMALL)),
        ("wan2.1_bernini_1.3B_fp16", t2v(**SMALL)),
        ("Phantom-Wan-1_3B_fp16", t2v(**SMALL)),
        ("wan2.1_t2v_14B_fp16", t2v(**LARGE)),
        ("wan2.2_bernini_r_low_noise_fp16", t2v(**LARGE)),
        ("wan2.1_vace_1.3B_fp16", wan.vace(**SMALL, blocks=15)),
        ("wan2.1_vace_14B_fp16", wan.vace(**LARGE, blocks=8)),
    ],
)
def test_the_sizes_of_files_are_those_of_their_weights(name, shapes):
    assert model_files()[f"{name}.safetensors"].bytes == pytest.approx(2 * wan.parameters(shapes), rel=0.015)


def test_those_that_take_a_facet_as_it_is_meant_come_first():
    assert {facet: [family.id for family in families_that_take(facet)] for facet in FACETS} == {
        "camera": ["fulldit", "recammaster", "omnicamera", "fun-camera", "bernini-r", "vace", "fun-control"],
        "identity": ["fulldit", "bernini-r", "phantom", "scail-2", "vace", "fun-control"],
        "mask": ["fulldit", "scail-2", "vace"],
        "depth": ["fulldit", "vace", "wan-depth-lora", "fun-control", "bernini-r"],
        "source": ["fulldit", "bernini-r", "recammaster", "omnicamera", "scail-2", "vace", "fun-camera", "fun-control"],
        "known": ["fulldit", "vace"],
        "control": ["fulldit", "vace", "fun-control"],
    }
    with pytest.raises(LookupError, match="sound"):
        families_that_take("sound")


def test_other_models_are_named_in_a_part_of_a_sentence():
    assert other_models("camera") == (
        "FullDiT, ReCamMaster, OmniCamera and Wan Fun Camera; Bernini-R, VACE and Wan Fun Control by rendering"
    )
    assert other_models("mask") == "FullDiT and SCAIL-2; VACE in part"
    assert other_models("identity") == "FullDiT, Bernini-R, Phantom and SCAIL-2; VACE and Wan Fun Control in part"
    assert set(FACET_NAMES) == set(FACETS)


def test_names_become_words():
    assert [in_words(names) for names in ([], ["a"], ["a", "b"], ["a", "b", "c"])] == ["", "a", "a and b", "a, b and c"]
    assert in_words(["a", "b"], "or") == "a or b"


def test_the_depth_lora_changes_what_a_model_takes():
    wan_t2v, phantom = FAMILIES["wan-t2v"], FAMILIES["phantom"]
    assert (wan_t2v.support("depth").how, wan_t2v.support("depth", depth_lora=True).how) == ("refused", "native")
    assert (phantom.support("depth").how, phantom.support("depth", depth_lora=True).how) == ("refused", "part")
    assert phantom.support("identity", depth_lora=True) == phantom.support("identity")
    assert FAMILIES["vace"].support("camera", depth_lora=True).how == "rendered"


def names_of(*arguments) -> list[str]:
    return [file.name.removesuffix(".safetensors") for file in belonging_files(*arguments)]


def test_the_files_that_belong_to_a_model_are_named():
    shared = ["umt5_xxl_fp8_e4m3fn_scaled", "umt5_xxl_fp16", "wan_2.1_vae"]
    bernini, plain = FAMILIES["bernini-r"], FAMILIES["wan-t2v"]
    assert names_of(bernini, 1536) == shared
    low, high = ("wan2.2_bernini_r_low_noise_mxfp8", "wan2.2_bernini_r_high_noise_mxfp8")
    assert names_of(bernini, 5120, f"{high}.safetensors") == [low, *shared]
    assert names_of(bernini, 5120, f"{low}.safetensors") == [high, *shared]
    assert names_of(bernini, 5120, "mine.safetensors")[:2] == [
        "wan2.2_bernini_r_low_noise_fp8_scaled",
        "wan2.2_bernini_r_low_noise_mxfp8",
    ]
    assert names_of(plain, 3072) == [*shared[:2], "wan2.2_vae"]
    assert names_of(plain, 5120, "wan2.2_t2v_low_noise_14B_fp8_scaled.safetensors")[0].startswith("wan2.2_t2v_high")
    assert names_of(FAMILIES["wan-depth-lora"], 1536)[0].startswith("wan2.1-1.3b-control-lora-depth")
    assert names_of(FAMILIES["recammaster"], 1536) == shared
    assert names_of(FAMILIES["lingbot-world"], 5120) == []


def test_of_files_that_can_replace_each_other_one_is_asked_for():
    (needs,) = [line for line in about_family(FAMILIES["bernini-r"], 1536) if line.startswith("It needs")]
    assert needs == (
        "It needs the text encoder text_encoders/umt5_xxl_fp8_e4m3fn_scaled.safetensors (6.74 GB, Apache-2.0) or "
        "text_encoders/umt5_xxl_fp16.safetensors (11.4 GB, Apache-2.0) and the VAE "
        "vae/wan_2.1_vae.safetensors (254 MB, Apache-2.0)."
    )
