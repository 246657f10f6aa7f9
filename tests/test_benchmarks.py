"""The benchmarks run; the figures themselves are not tested."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np

from comfyui_fulldit.models.weights.checkpoint import embedded_path

FOLDER = Path(__file__).resolve().parent.parent / "benchmarks"


def load(name: str):
    spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


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


def test_dataset_annotation_measures_the_pipeline_beside_the_floor():
    result = load("dataset_annotation").measure(1, 64, 96)
    assert set(result["pipeline"]) >= {"depth_mae", "mask_iou"} and set(result["floor"]) >= {"depth_mae", "mask_iou"}
    assert result["pipeline"]["depth_mae"] < 60 and result["floor"]["mask_iou"] > 0.2
    assert 0 <= result["cameras_kept"] <= result["cameras_found"] <= 1 and result["clips_per_second"] > 0


def test_long_clips_find_a_seam_where_windows_meet_and_none_where_there_is_none():
    benchmark = load("long_clips")
    borders = benchmark.border_frames(benchmark.Windows(3, 1), 21)
    # Six latent frames hold the frames 0, 1-4, 5-8, ...: windows of the latent frames 0-2, 2-4 and 3-5.
    assert borders.tolist() == [5, 9, 17]
    even = np.arange(21.0)[:, None, None, None] * np.ones((1, 2, 2, 3))
    assert benchmark.seams(even, borders) == {"seam": 1.0, "seam_of_all": 1.0, "latent_steps": 1.0}
    jump = even + (np.arange(21) >= 9)[:, None, None, None]
    assert benchmark.seams(jump, borders)["seam"] > 1.2
    steps = np.repeat([0.0, 0.1, 0.3], 32)[:, None, None, None] * np.ones((1, 2, 2, 3))
    assert benchmark.drift(steps) == [25.5, 76.5] and benchmark.drift(even) == []


def test_long_clips_measures_one(tmp_path):
    result = load("long_clips").measure((13,), window=9, overlap=4, steps=1)
    clip = result["clips"]["13"]
    assert clip["peak_memory_mb"] > 50 and clip["seam"] > 0 and clip["of_the_scene"]["seam"] > 0
    assert result["memory_ratio"] == 1


def test_one_shot_measures_a_tuned_model_beside_the_one_before(tmp_path):
    benchmark = load("one_shot")
    options = benchmark.TuneOptions(steps=2, batch=1, rank=2)
    result = benchmark.measure(7, options, steps=1, others=1, out=tmp_path / "run")
    assert set(result["before"]) == set(result["after"]) > {"all conditions", "camera", "prompt alone", "rot_err"}
    assert result["steps"] == 2 and all(value > 0 for value in result["after"].values())


def test_vae_quality_measures_every_file_on_the_same_clips():
    result = load("vae_quality").measure([embedded_path("fulldit_mini_vae")], clips=2, sizes={3: (5, 32, 48)})
    figures = result["world 3, 5x32x48"]["fulldit_mini_vae.safetensors"]
    assert set(figures["psnr"]) == {"video", "disparity", "identity", "reference", "objects"}
    assert figures["psnr"]["objects"] < figures["psnr"]["video"] and figures["psnr"]["video"] > 18
    assert figures["errors"]["frames"] > 0 and figures["seconds_a_clip"] > 0
