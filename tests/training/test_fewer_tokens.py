"""A checkpoint goes on with fewer condition tokens in fewer blocks: it grows, trains, resumes, and is counted."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from comfyui_fulldit.control.errors import UserError
from comfyui_fulldit.models.backbone.attention import use_backend
from comfyui_fulldit.models.backbone.transformer import FullDiT
from comfyui_fulldit.models.families.presets import PRESETS
from comfyui_fulldit.models.weights.checkpoint import load_model, read_config
from comfyui_fulldit.training.common.settings import config_path, read_settings
from comfyui_fulldit.training.generator.cost import forward_cost
from comfyui_fulldit.training.generator.dry_run import dry_run, fake_batch
from comfyui_fulldit.training.generator.settings import GeneratorSettings, LoRASettings, Phase
from comfyui_fulldit.training.generator.start import config_of, grown, networks

from .test_generator import place, trainer  # noqa: F401  (place is a fixture)

LESS = {"condition_blocks": [0], "token_selection": 0.5}
ALL = [Phase(until=1.0, subsets={"camera+identity+depth": 1})]


@pytest.fixture(scope="module")
def first(place, tmp_path_factory):  # noqa: F811
    """A checkpoint that reads everything in both of its blocks."""
    out = tmp_path_factory.mktemp("first")
    trainer(place, out, steps=1).run()
    return out / "weights.safetensors"


def test_what_a_checkpoint_knows_stays_and_predictors_begin_at_zero(place, first, tmp_path):  # noqa: F811
    settings = trainer(place, tmp_path, model=str(first), **LESS).settings
    before, _, old = load_model(first)
    after, _, config = networks(settings, old.vae_fingerprint)
    assert config == config_of(settings) == replace(old, condition_blocks=(0,), token_selection=0.5)
    added = {name for name in after.state_dict() if name not in before.state_dict()}
    assert added == {f"blocks.0.importance.{name}" for name in ("0.weight", "0.bias", "2.weight", "2.bias")}
    assert not after.blocks[0].importance[2].weight.any() and after.blocks[0].importance[0].weight.any()
    assert all(torch.equal(after.state_dict()[name], value) for name, value in before.state_dict().items())
    # And back: with all blocks and all tokens it is bit for bit what it was.
    again = grown(after, old)
    assert again.state_dict().keys() == before.state_dict().keys()
    assert all(torch.equal(again.state_dict()[name], value) for name, value in before.state_dict().items())
    # A checkpoint that selects already keeps its predictors.
    with torch.no_grad():
        after.blocks[0].importance[2].weight.fill_(0.5)
    further = grown(after, replace(config, condition_blocks=(0, 1), token_selection=0.25))
    assert torch.equal(further.blocks[0].importance[2].weight, after.blocks[0].importance[2].weight)
    assert not further.blocks[1].importance[2].weight.any()


def test_it_trains_resumes_bit_for_bit_and_loads(place, first, tmp_path):  # noqa: F811
    changes = {"model": str(first), "phases": ALL, **LESS}
    whole = trainer(place, tmp_path / "whole", **changes)
    assert whole.run()["finished"]
    trainer(place, tmp_path / "halves", **changes).run(until=2)
    torch.manual_seed(999)
    again = trainer(place, tmp_path / "halves", **changes)
    assert again.loop.step == 2
    again.run()
    for name, value in whole.learner.state_dict().items():
        assert torch.equal(value, again.learner.state_dict()[name]), name
    assert whole.learner.model.blocks[0].importance[2].weight.any(), "the predictor learned nothing"
    model, _, config = load_model(tmp_path / "whole" / "weights.safetensors")
    assert (config.condition_blocks, config.token_selection) == ((0,), 0.5) and model.blocks[1].importance is None


def test_a_lora_trains_its_predictors(place, first, tmp_path):  # noqa: F811
    run = trainer(place, tmp_path, model=str(first), phases=ALL, lora=LoRASettings(rank=2, base="fp32"), **LESS)
    trained = {name for name, p in run.learner.named_parameters() if p.requires_grad}
    assert {name.split(".", 1)[1] for name in trained if ".importance." in name} == {
        f"blocks.0.importance.{name}" for name in ("0.weight", "0.bias", "2.weight", "2.bias")
    }
    run.run()
    assert run.learner.model.blocks[0].importance[2].weight.any()
    assert read_config(tmp_path / "weights.safetensors").reads_less


def test_blocks_that_a_model_does_not_have_are_refused(place, first):  # noqa: F811
    settings = read_settings(config_path("generator", "debug"), GeneratorSettings, {"condition_blocks": [0, 2]})
    with pytest.raises(UserError, match="increasing numbers of its blocks, from 0 to 1"):
        config_of(settings)


@pytest.mark.parametrize(
    "changes",
    [{"condition_blocks": (0, 2)}, {"token_selection": 0.4}, {"condition_blocks": (1, 2), "token_selection": 0.5}],
)
def test_the_operations_are_those_that_torch_counts(changes):
    """The difference that reading less makes, in which nothing is left out."""

    def counted(config):
        model = FullDiT(config).eval()
        use_backend(model, "explicit")
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            model(batch.video, torch.zeros(1), torch.zeros(1, 7, config.text_dim), batch.conditions)
        return counter.get_total_flops()

    whole = replace(PRESETS["debug"], num_layers=3)
    less = replace(whole, **changes)
    batch = fake_batch(whole, ("camera", "identity", "depth"), 1)
    conditions = sum(stream.tokens for stream in batch.conditions.streams)
    video = whole.geometry.tokens(whole.latent_size)
    ours, theirs = (of(whole) - of(less) for of in (lambda c: forward_cost(c, video, conditions, 7).forward(), counted))
    assert theirs > 0 and ours == pytest.approx(theirs, rel=1e-3)


def test_a_dry_run_counts_less():
    debug = read_settings(config_path("generator", "debug"), GeneratorSettings)
    debug = replace(debug, optimizer="adamw", gradient_checkpointing=True, precision="fp32", phases=ALL)
    whole, less = dry_run(debug, 2, clips=1), dry_run(replace(debug, **LESS), 2, clips=1)
    assert less["tflop_per_clip"] < whole["tflop_per_clip"] and less["condition_tokens"] == whole["condition_tokens"]
    assert less["parameters"] > whole["parameters"] == less["parameters"] - 64 * 50 - 1
