"""Weights between a checkpoint and what a training made of it."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from comfyui_fulldit.models.backbone.initialize import initialize
from comfyui_fulldit.models.backbone.transformer import FullDiT
from comfyui_fulldit.models.conditioning.text import TextEncoder
from comfyui_fulldit.models.families.presets import PRESETS
from comfyui_fulldit.models.weights.checkpoint import save_model
from comfyui_fulldit.training.common.entries import EntryError
from comfyui_fulldit.training.common.settings import config_path, read_settings
from comfyui_fulldit.training.generator.blend import blend
from comfyui_fulldit.training.generator.learner import Learner
from comfyui_fulldit.training.generator.settings import GeneratorSettings
from comfyui_fulldit.training.generator.start import grown

DEBUG = PRESETS["debug"]


@pytest.fixture
def start(tmp_path):
    torch.manual_seed(0)
    model = FullDiT(DEBUG)
    initialize(model)
    text = TextEncoder(dim=DEBUG.text_dim)
    save_model(tmp_path / "start.safetensors", model, text, DEBUG)
    return tmp_path / "start.safetensors", model, text


def settings_of(**changes) -> GeneratorSettings:
    return replace(read_settings(config_path("generator", "debug"), GeneratorSettings), **changes)


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_what_both_have_is_between_and_what_is_new_stays(start, share):
    path, before, text = start
    trained = grown(before, replace(DEBUG, streams=(*DEBUG.streams, "known")))
    with torch.no_grad():
        for parameter in trained.parameters():
            parameter.add_(1.0)
    ends = {name: value.clone() for name, value in trained.state_dict().items()}
    held = dict(trained.named_parameters())
    learner = Learner(trained, TextEncoder(dim=DEBUG.text_dim))
    learner.text.load_state_dict(text.state_dict())
    blend(learner, settings_of(model=str(path), blend=share))
    blended = learner.model.state_dict()
    for name, value in ends.items():
        old = before.state_dict().get(name)
        expected = value if old is None else old + share
        torch.testing.assert_close(blended[name], expected, atol=4e-3, rtol=0)  # the file has bfloat16
        assert torch.equal(held[name], value)  # what the averages hold is not touched
    assert any(name not in before.state_dict() for name in ends)


def test_without_a_checkpoint_or_with_a_lora_there_is_nothing_between():
    for changes in ({}, {"model": "fulldit_mini", "lora": {"rank": 4}}):
        with pytest.raises(EntryError, match="expected 1 with a preset"):
            settings_of(blend=0.5, **changes)
