"""The benchmarks run; the figures themselves are not tested."""

from __future__ import annotations

import importlib.util
from pathlib import Path

FOLDER = Path(__file__).resolve().parent.parent / "benchmarks"


def load(name: str):
    spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_condition_cache_measures_every_variant():
    result = load("condition_cache").measure("debug", rounds=1)
    assert set(result["ratio_to_plain"]) >= {"plain", "cached", "recomputed", "full"}
    assert result["ratio_to_plain"]["plain"] == 1
    assert all(value > 0 for value in result["seconds"].values())
    assert result["tokens"]["reference"] > 0 and result["cache_bytes"]["keys_values"] > 0


def test_training_step_measures_every_precision_and_attention():
    result = load("training_step").measure("debug", steps=1)
    assert set(result["seconds"]) == {f"{p}, {a}" for p in ("auto", "bf16", "fp32") for a in ("explicit", "sdpa")}
    assert all(value > 0 for value in result["seconds"].values()) and result["auto"] in ("bfloat16", "float32")
