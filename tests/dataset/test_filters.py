"""What filters measure, and what they take out."""

from __future__ import annotations

import json
import sys
from fractions import Fraction
from types import SimpleNamespace

import av
import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from comfyui_fulldit.control.errors import UserError
from comfyui_fulldit.control.images import resize
from comfyui_fulldit.control.media import write_video
from comfyui_fulldit.dataset.engine import run
from comfyui_fulldit.dataset.filters import detectors
from comfyui_fulldit.dataset.filters.figures import find_cuts, measure, to_hsv
from comfyui_fulldit.dataset.filters.filter_work import FilterWork
from comfyui_fulldit.dataset.filters.hashes import clip_hash, duplicates, reject_duplicates
from comfyui_fulldit.dataset.filters.shots import split_clip
from comfyui_fulldit.dataset.filters.thresholds import Thresholds, parse_range
from comfyui_fulldit.dataset.manifest import Clip, DepthFile, read_manifest, write_manifest
from comfyui_fulldit.scenes import render


def moving(seed, frames=12, step=2, height=48, width=64):
    """A random image that moves to the left: (F, H, W, 3)."""
    rough = np.random.default_rng(seed).random((8, 32, 3)).astype(np.float32) * 0.8
    wide = resize(rough, height, width * 4).clip(0, 1)
    return np.stack([wide[:, step * k : step * k + width] for k in range(frames)])


def ffmpeg_motion(first, second):
    """VMAF's motion of a second gray frame, by FFmpeg's own filter."""
    graph, base = av.filter.Graph(), Fraction(1, 8)
    source = graph.add_buffer(width=first.shape[1], height=first.shape[0], format="gray", time_base=base)
    motion, sink = graph.add("vmafmotion"), graph.add("buffersink")
    source.link_to(motion)
    motion.link_to(sink)
    graph.configure()
    for number, pixels in enumerate((first, second)):
        frame = av.VideoFrame.from_ndarray(pixels, format="gray")
        frame.pts, frame.time_base = number, base
        graph.push(frame)
        score = float(graph.pull().metadata["lavfi.vmafmotion.score"])
    return score


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_motion_is_vmafs(seed):
    gray = np.round(moving(seed, 2, 5)[..., :1] * 255).repeat(3, -1)
    ours = measure(gray / 255).motion
    assert ours == pytest.approx(ffmpeg_motion(*gray[..., 0].astype(np.uint8)), rel=2e-3) and ours > 1


def test_luminance_and_hue_are_those_of_colors():
    red = np.zeros((2, 16, 16, 3), np.float32)
    red[..., 0] = 1
    assert measure(red).luminance == pytest.approx(0.2126 * 255) and measure(red).motion == 0
    colors = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0], [0.5, 0.5, 0.5]], np.float32)
    hue, saturation, value = to_hsv(colors).T / 255
    assert np.allclose(hue, [0, 1 / 3, 2 / 3, 1 / 6, 0], atol=1e-6)
    assert np.allclose(saturation, [1, 1, 1, 1, 0]) and np.allclose(value, [1, 1, 1, 1, 0.5])


def test_cuts_are_found_and_pans_are_none():
    shots = np.concatenate([moving(0), 1 - moving(1), moving(2)])
    assert measure(shots).cuts == [12, 24]
    assert measure(moving(3, 30, 6)).cuts == []
    assert find_cuts(np.array([20.0, 22, 21, 20])) == [] and find_cuts(np.array([0.0, 0, 16, 0])) == [3]
    assert measure(shots).motion == pytest.approx(
        np.average([measure(s).motion for s in (moving(0), 1 - moving(1), moving(2))]), rel=1e-4
    )


def test_the_world_has_no_cuts():
    for video in render(range(4), 17, 64, 96).video:
        assert measure(video.permute(1, 2, 3, 0).numpy()).cuts == []


def test_duplicates_are_found_at_another_size_and_compression(tmp_path):
    clips = {f"c{seed}": moving(seed) for seed in range(8)}
    hashes = {name: clip_hash(frames) for name, frames in clips.items()}
    smaller = np.stack([resize(frame, 36, 50) for frame in clips["c3"]]).clip(0, 1)
    noisy = (clips["c5"] + np.random.default_rng(0).normal(0, 0.01, clips["c5"].shape)).clip(0, 1)
    assert duplicates(hashes) == {}
    hashes |= {"small": clip_hash(smaller), "noisy": clip_hash(noisy)}
    assert duplicates(hashes) == {"small": "c3", "noisy": "c5"}
    assert duplicates({"a": "00" * 24, "b": "ff" + "00" * 23, "c": "ff0f" + "00" * 22, "d": "ffff" + "00" * 22}) == {
        "b": "a",
        "c": "a",
    }  # 8 and 12 bits of 192; 16 are too many


def test_a_filter_keeps_figures_and_says_why(tmp_path):
    ranges = Thresholds(motion=(0.5, 14), luminance=(20, 200), seconds=(1, None))
    write_video(tmp_path / "good.mp4", moving(0, 16), 8)
    write_video(tmp_path / "still.mp4", moving(0, 16, 0), 8)
    write_video(tmp_path / "dark.mp4", moving(1, 16) * 0.05, 8)
    write_video(tmp_path / "cut.mp4", np.concatenate([moving(2), 1 - moving(3)]), 8)
    write_video(tmp_path / "again.mp4", [resize(frame, 36, 50) for frame in moving(0, 16)], 8)
    names = ("good", "still", "dark", "cut", "again")
    write_manifest(tmp_path / "m.jsonl", [Clip(name, f"{name}.mp4", license="x") for name in names])
    summary = run(read_manifest(tmp_path / "m.jsonl"), FilterWork(ranges), "filtered", reject=reject_duplicates)
    assert (summary.done, summary.rejected) == (5, 4)
    (kept,) = read_manifest(tmp_path / "filtered.jsonl")
    assert kept.id == "good" and set(kept.figures) == {"seconds", "cuts", "luminance", "motion", "hash"}
    assert kept.figures["seconds"] == 2 and kept.figures["cuts"] == 0
    lines = (json.loads(line) for line in (tmp_path / "filtered" / "failed.jsonl").read_text().splitlines())
    reasons = {line["id"]: line["reason"] for line in lines}
    assert reasons["still"].startswith("Motion 0") and "luminance" in reasons["dark"].lower()
    assert reasons["cut"] == "Cuts 1 is above 0." and reasons["again"] == "It shows the same as 'good'."
    assert "Cuts at the frames 12" in summary.report.read_text()


def test_ranges_are_read():
    assert [parse_range(text) for text in ("2..14", "..0.3", "4..")] == [(2, 14), (None, 0.3), (4, None)]
    for text in ("3", "a..b", "nan..4", "2..nan"):
        with pytest.raises(UserError, match="LOW..HIGH"):
            parse_range(text)
    assert (
        Thresholds().why_not({"motion": 1.0, "text": 0.4, "hash": "00"})
        == "Motion 1 is below 2; text 0.4 is above 0.3."
    )


def test_long_videos_become_shots(tmp_path):
    write_video(tmp_path / "long.mp4", np.concatenate([moving(0), 1 - moving(1, 30), moving(2, 4)]), 8)
    clip = Clip("long", "long.mp4", license="x")
    shots = split_clip(clip, tmp_path, 1, 2)
    assert [(shot.id, shot.span) for shot in shots] == [
        ("long-000", (0, 12)),
        ("long-001", (12, 27)),
        ("long-002", (27, 42)),
    ]
    write_video(tmp_path / "one.mp4", moving(0), 8)
    one = Clip("one", "one.mp4", depth=DepthFile("d"), license="x")
    assert split_clip(one, tmp_path, 1, 2) == [one] and split_clip(one, tmp_path, 3, 5) == []
    assert split_clip(one, tmp_path, 0, 1e308) == [one]
    with pytest.raises(UserError, match="longest must be above"):
        split_clip(one, tmp_path, 3, 2)
    with pytest.raises(UserError, match="before they are annotated"):
        split_clip(Clip("one", "one.mp4", (0, 4), depth=DepthFile("d"), license="x"), tmp_path)


def test_text_is_measured_where_a_detector_is_installed(monkeypatch):
    class Reader:
        def __init__(self, languages, **options):
            assert languages == ["en"] and not options["recognizer"]

        def detect(self, image):
            assert image.dtype == np.uint8
            return [[[0, 20, 0, 10]]], [[[[10, 5], [30, 5], [30, 10], [10, 10]]]]

    monkeypatch.setitem(sys.modules, "easyocr", SimpleNamespace(Reader=Reader))
    coverage = detectors.text_coverage()([np.zeros((20, 40, 3), np.float32)])
    assert coverage == pytest.approx((200 + 100 - 50) / 800)
    monkeypatch.setitem(sys.modules, "easyocr", None)
    with pytest.raises(UserError, match="pip install easyocr"):
        detectors.text_coverage()


def test_aesthetics_are_clips_features_times_a_head(tmp_path):
    transformers = pytest.importorskip("transformers")
    sides = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    vision = {**sides, "image_size": 32, "patch_size": 8}
    torch.manual_seed(0)
    config = transformers.CLIPConfig(text_config={**sides, "vocab_size": 64}, vision_config=vision, projection_dim=8)
    model = transformers.CLIPModel(config).eval()
    model.save_pretrained(tmp_path)
    with pytest.raises(UserError, match="lacks head.safetensors"):
        detectors.aesthetics(tmp_path)
    weight, bias = torch.randn(1, 8), torch.randn(1)
    save_file({"weight": weight, "bias": bias}, tmp_path / "head.safetensors")
    processor = transformers.CLIPImageProcessor(size={"shortest_edge": 32}, crop_size=32)
    processor.save_pretrained(tmp_path)
    frames = list(moving(0, 2))
    found = detectors.aesthetics(tmp_path)(frames)
    pixels = processor(images=[(frame * 255).round().astype(np.uint8) for frame in frames], return_tensors="pt")
    with torch.no_grad():
        features = model.get_image_features(**pixels)
    features = getattr(features, "pooler_output", features)
    wanted = (torch.nn.functional.normalize(features, dim=-1) @ weight.T + bias).mean()
    assert found == pytest.approx(float(wanted), abs=1e-4)
