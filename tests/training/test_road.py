"""The road of large datasets (Ray, WebDataset, torchrun with two processes) trains what the trainer's own road does."""

from __future__ import annotations

import pytest

from ..test_benchmarks import load


def test_both_roads_have_the_same_clips_and_losses(tmp_path):
    pytest.importorskip("ray")
    result = load("training_road").measure("debug", clips=10, steps=3, batch=4, workers=1, folder=tmp_path)
    assert result["clips"].startswith("8 of ") and result["shards_equal_to_the_byte"]
    assert len(result["losses"]) == 3 and result["losses_apart"] < 3e-5
    own, other = result["held_out"]
    assert abs(own - other) < 0.01 * result["held_out_standard_error"] and result["held_out_clips"] > 1
