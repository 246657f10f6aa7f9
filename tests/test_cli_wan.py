"""`fulldit generate --model --condition-file`: a tiny Wan with everything that belongs to it, from files to a video."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch

from comfyui_fulldit.cli import main
from comfyui_fulldit.cli.commands import ASSETS
from comfyui_fulldit.control.condition import VideoSize
from comfyui_fulldit.control.conditions import load_conditions
from comfyui_fulldit.control.media import read_video
from comfyui_fulldit.models.pipeline import Pipeline
from comfyui_fulldit.models.vae import VAE, save_vae
from comfyui_fulldit.models.weights.attach import condition_file_of
from comfyui_fulldit.models.weights.condition_file import write_condition_file
from comfyui_fulldit.models.weights.lora_layers import lora_layers
from comfyui_fulldit.models.weights.tensor_file import read_tensors, write_tensors

from .models.nets import small
from .models.test_condition_file import plain, train
from .models.test_umt5 import DIM, tiny_umt5

SIZE = ["--frames", "5", "--height", "32", "--width", "48", "--steps", "2", "--fit-time", "resample", "--quiet"]


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Folder with wan, two condition files on it (of which one says nothing of the conditions), VAE and UMT5."""
    folder = tmp_path_factory.mktemp("wan")
    config = small(text="umt5", text_dim=DIM)
    base = plain(config)
    write_tensors(folder / "wan.safetensors", base, {})
    write_tensors(folder / "wan_other.safetensors", plain(config, seed=8), {})
    torch.manual_seed(0)
    vae = save_vae(folder / "vae.safetensors", VAE(dim=8))
    save_vae(folder / "vae_other.safetensors", VAE(dim=8))
    model, _ = train(config, base)
    for name in ("conditions", "empty"):
        alphas = {layer: module.alpha for layer, module in lora_layers(model).items()}
        made = condition_file_of(model.state_dict(), base, read_tensors(vae), config, alphas, "tiny Wan")
        write_condition_file(folder / f"{name}.safetensors", made)
        with torch.no_grad():  # the other one, without a change of Wan and with tokens of nothing
            for parameter, value in model.named_parameters():
                if "lora_B" in parameter or parameter.startswith("tokenizers."):
                    value.zero_()
    write_tensors(folder / "umt5.safetensors", tiny_umt5(), {})
    return folder


def arguments(files, conditions="conditions", **changes):
    given = {
        "model": "wan.safetensors",
        "condition-file": f"{conditions}.safetensors",
        "vae": "vae.safetensors",
        "text-encoder": "umt5.safetensors",
        **changes,
    }
    return [part for name, file in given.items() if file for part in (f"--{name}", str(files / file))]


def test_a_wan_model_and_a_condition_file_make_a_video(files, tmp_path, capsys):
    pytest.importorskip("transformers")
    videos = {}
    for name in ("conditions", "empty"):
        out = tmp_path / name
        command = ["generate", "--prompt", "a ball", "--camera", "orbit_left:25", "--depth", str(ASSETS / "depth.mp4")]
        assert main([*command, *arguments(files, name), *SIZE, "--out", str(out), "--json"]) == 0
        report = json.loads(capsys.readouterr().out)
        assert report["tokens"]["camera"] == 2 and report["asked"]["conditions"] == ["camera", "depth"]
        videos[name] = read_video(out / "video.mp4")
    frames = [getattr(video, "frames", video) for video in videos.values()]
    assert frames[0].shape[1:3] == (32, 48) and abs(frames[0].astype(float) - frames[1]).max() > 0.01


def test_a_whole_checkpoint_of_both_makes_the_same_video(files, tmp_path, capsys):
    pytest.importorskip("transformers")
    whole = str(tmp_path / "whole.safetensors")
    conditions = ["--condition-file", str(files / "conditions.safetensors")]
    assert main(["convert", str(files / "wan.safetensors"), whole, "--layout", "native", *conditions]) == 0
    command = ["generate", "--prompt", "a ball", "--camera", "orbit_left:25", *SIZE]
    others = ["--vae", str(files / "vae.safetensors"), "--text-encoder", str(files / "umt5.safetensors")]
    assert main([*command, "--checkpoint", whole, *others, "--out", str(tmp_path / "a")]) == 0
    assert main([*command, *arguments(files), "--out", str(tmp_path / "b")]) == 0
    frames = [read_video(tmp_path / name / "video.mp4") for name in "ab"]
    one, other = (getattr(video, "frames", video).astype(float) for video in frames)
    assert abs(one - other).mean() < 0.02 and one.std() > 0.02
    capsys.readouterr()
    assert main([*command, "--checkpoint", whole, "--vae", others[1], "--out", str(tmp_path / "c")]) == 2
    assert "give its file (umt5_xxl_fp16.safetensors" in capsys.readouterr().err


@pytest.fixture(scope="module")
def pair(files):
    """The names of what a pair of experts has, each on a Wan of its own: both networks answer otherwise."""
    config = small(text="umt5", text_dim=DIM)
    bases = {"high": "wan.safetensors", "low": "wan_other.safetensors"}
    for name, times in (("high", (0.8, 1.0)), ("low", (0.0, 0.8))):
        base = read_tensors(files / bases[name])
        model, _ = train(config, base)
        alphas = {layer: module.alpha for layer, module in lora_layers(model).items()}
        own = replace(config, times=times)
        vae = read_tensors(files / "vae.safetensors")
        made = condition_file_of(model.state_dict(), base, vae, own, alphas, f"the {name} Wan")
        write_condition_file(files / f"{name}.safetensors", made)
    return {
        "condition-file": "high.safetensors",
        "low-noise-model": "wan_other.safetensors",
        "low-noise-condition-file": "low.safetensors",
    }


def test_a_pair_of_experts_shares_the_steps(files, pair, tmp_path, monkeypatch):
    """Each is asked at its own times, and what the pair makes is Euler's walk over both."""
    pytest.importorskip("transformers")
    asked: dict[str, list[float]] = {}
    given = arguments(files, **pair)
    names = [files / name for name in ("wan.safetensors", "high.safetensors", "vae.safetensors", "umt5.safetensors")]
    low = (files / "wan_other.safetensors", files / "low.safetensors")
    pipeline = Pipeline.attached(*names, device="cpu", second=low)
    conditions = load_conditions(VideoSize(5, 32, 48, 8.0), {"camera": ["orbit_left:25"]})
    for name, network in (("high", pipeline.model), ("low", pipeline.second)):
        own = network.forward

        def forward(x, t, *rest, own=own, name=name, **more):
            asked.setdefault(name, []).append(float(t[0]) / 1000)
            return own(x, t, *rest, **more)

        monkeypatch.setattr(network, "forward", forward)
    latent, _ = pipeline.sample("a ball", conditions, steps=6)
    assert min(asked["high"]) >= 0.8 > max(asked["low"]) and len(set(asked["high"] + asked["low"])) == 6
    pipeline.second = pipeline.model
    alone, _ = pipeline.sample("a ball", conditions, steps=6)
    assert float((latent - alone).abs().max()) > 1e-3
    command = ["generate", "--prompt", "a ball", "--camera", "orbit_left:25", *given, *SIZE]
    assert main([*command, "--out", str(tmp_path / "out")]) == 0 and (tmp_path / "out" / "video.mp4").exists()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"low-noise-model": None, "low-noise-condition-file": None},
            "'high.safetensors' is for the high-noise expert",
        ),
        ({"low-noise-condition-file": None}, "give all four"),
        ({"low-noise-condition-file": "conditions.safetensors"}, "The low-noise model takes conditions at all times"),
        ({"condition-file": "low.safetensors", "low-noise-condition-file": "high.safetensors"}, "exchange the models"),
        ({"low-noise-model": "wan.safetensors"}, "the low Wan, the low-noise expert of a pair, but 'wan.safetensors'"),
    ],
)
def test_what_is_no_pair_is_refused_in_one_line(files, pair, tmp_path, capsys, changes, words):
    pytest.importorskip("transformers")
    assert main(["generate", *arguments(files, **{**pair, **changes}), *SIZE, "--out", str(tmp_path / "out")]) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1 and words in lines[0]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"condition-file": None, "vae": None, "text-encoder": None}, "give --condition-file with it"),
        ({"model": None, "text-encoder": None}, "give that with --model"),
        ({"vae": None}, "give wan_2.1_vae.safetensors with --vae"),
        ({"condition-file": None, "model": None}, "--text-encoder is that of a Wan model"),
        ({"checkpoint": "wan.safetensors"}, "--model and --checkpoint were both given"),
        ({"text-encoder": None}, "give its file (umt5_xxl_fp16.safetensors"),
        (
            {"model": "wan_other.safetensors"},
            "was trained on tiny Wan, but 'wan_other.safetensors' holds other weights",
        ),
        ({"vae": "vae_other.safetensors"}, "another VAE than 'vae_other.safetensors'"),
        ({"condition-file": "wan.safetensors"}, "is not a condition file"),
        ({"model": "gone.safetensors"}, "gone.safetensors"),
    ],
)
def test_what_does_not_belong_together_is_refused_in_one_line(files, tmp_path, capsys, changes, words):
    pytest.importorskip("transformers")
    out = tmp_path / "out"
    assert main(["generate", *arguments(files, **changes), *SIZE, "--out", str(out)]) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1 and words in lines[0] and not out.exists()
