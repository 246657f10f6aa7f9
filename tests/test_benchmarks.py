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


def test_rendering_measures_every_variant_and_its_peer_shows_the_same_scene():
    benchmark = load("rendering")
    result = benchmark.measure(48, 80, frames=3, rounds=1)
    assert set(result["ratio_to_points"]) == set(result["frames_per_second"]) >= {"image", "clip", "numpy, points"}
    assert all(value > 0 for value in result["frames_per_second"].values()) and result["ratio_to_points"]["image"] > 0
    image, depth = benchmark.scene(48, 80)
    path = benchmark.preset("truck_right", frames=5, aspect=80 / 48)
    points = benchmark.splat_points(image[0].numpy(), depth[0].numpy().clip(max=1e6), path, 2)
    ours = benchmark.render_along(image, depth, path, linear=False)
    both = ~ours.holes[2].numpy() & (points > 0).all(-1)
    assert both.mean() > 0.5 and abs(points - ours.images[2].numpy())[both].mean() < 0.03
