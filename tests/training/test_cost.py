"""What a step costs by arithmetic, against torch's own counter and by hand; and dry runs on processes that are not."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from comfyui_fulldit.cli import main
from comfyui_fulldit.control.errors import UserError
from comfyui_fulldit.models.backbone.attention import use_backend
from comfyui_fulldit.models.backbone.transformer import FullDiT
from comfyui_fulldit.models.families.presets import PRESETS
from comfyui_fulldit.training.common.settings import config_path, read_settings
from comfyui_fulldit.training.generator.cost import forward_cost
from comfyui_fulldit.training.generator.dry_run import dry_run, fake_batch
from comfyui_fulldit.training.generator.settings import GeneratorSettings, LoRASettings

DEBUG = PRESETS["debug"]


@pytest.mark.parametrize("changes", [{}, {"attention": "full"}, {"joint_text": True}])
def test_the_operations_are_those_that_torch_counts(changes):
    """But for the tokenizers and the time, which are a few of thousands at a real width."""
    config = replace(DEBUG, num_layers=3, freq_dim=2, **changes)
    model = FullDiT(config)
    use_backend(model, "explicit")  # whose products torch's counter knows
    batch = fake_batch(config, ("camera", "identity", "depth"), 1)
    conditions = sum(stream.tokens for stream in batch.conditions.streams)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model.eval()(batch.video, torch.zeros(1), torch.zeros(1, 7, config.text_dim), batch.conditions)
    cost = forward_cost(config, config.geometry.tokens(config.latent_size), conditions, 7)
    assert cost.forward() == pytest.approx(counter.get_total_flops(), rel=0.08)


def test_wan_costs_what_is_known_of_it():
    """20,160 tokens through Wan 1.3B: 127.4 TFLOP by hand, of which attention is 59 %."""
    cost = forward_cost(PRESETS["wan-1.3b"], 20160, 0, 512)
    assert cost.forward() / 1e12 == pytest.approx(127.4, rel=0.01)
    assert cost.attention / cost.forward() == pytest.approx(0.59, abs=0.02)
    assert cost.training() == 3 * cost.forward() and cost.training(recomputed=True) == 4 * cost.forward()
    assert cost.training(frozen=True) == 2 * cost.weights + 3 * cost.attention


def settings(**changes):
    debug = read_settings(config_path("generator", "debug"), GeneratorSettings)
    return replace(debug, optimizer="adamw", gradient_checkpointing=True, precision="fp32", **changes)


def test_a_dry_run_shares_what_is_sharded():
    one, eight = (dry_run(settings(), ranks, clips=1) for ranks in (1, 8))
    assert one["trained"] == one["parameters"] == eight["parameters"]
    assert eight["memory_gib"]["total"] < one["memory_gib"]["total"]
    assert eight["seconds_computing"] == one["seconds_computing"] and eight["tflop_per_clip"] == one["tflop_per_clip"]
    # The gradients of all, in float32, once; the weights at least twice, but for those of the root.
    share = 7 / 8 * 4 * one["parameters"] / 1e9
    assert one["reduced_gb_per_step"] == 0 and eight["reduced_gb_per_step"] == pytest.approx(2 * share, rel=0.1)
    assert share < eight["gathered_gb_per_step"] / 2 < 2 * share
    assert one["condition_tokens"] == 36 and one["conditions"] == ["camera", "identity", "depth"]
    lora = dry_run(settings(lora=LoRASettings(rank=2, base="fp32")), 8, clips=1)
    assert lora["trained"] < lora["parameters"] / 2
    full = dry_run(settings(base="not read", start="bernini-r"), 8, clips=1)
    assert full["trained"] == eight["trained"] and full["tflop_per_clip"] > eight["tflop_per_clip"]


def test_what_cannot_be_computed_is_refused(capsys):
    with pytest.raises(UserError, match="3 processes cannot share micro-batches of 2 clips: set batch"):
        dry_run(settings(), 3)
    assert main(["train", "vae", "--dry-run"]) == 2 and main(["train", "generator", "--dry-run", "--ranks", "0"]) == 2
    assert "--ranks is 0" in capsys.readouterr().err
