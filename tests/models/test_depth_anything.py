"""Depth Anything V2 equals transformers on a tiny random network, and a missing model says how to get it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from comfyui_fulldit.control.errors import UserError
from comfyui_fulldit.control.images import resize_clip
from comfyui_fulldit.models.estimators.depth_anything import (
    estimate_depth_anything,
    is_model,
    load_depth_anything,
    prepare,
)
from comfyui_fulldit.models.estimators.depth_anything_download import MODELS, check_pinned, missing_model
from comfyui_fulldit.models.estimators.depth_anything_keys import is_original
from comfyui_fulldit.models.weights.downloads import RemoteFile, RemoteModel


@pytest.fixture(scope="module")
def tiny(tmp_path_factory) -> Path:
    """A folder with a tiny random Depth Anything of transformers."""
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    backbone = transformers.Dinov2Config(
        hidden_size=64,
        num_hidden_layers=4,
        num_attention_heads=1,
        image_size=70,
        patch_size=14,
        mlp_ratio=2,
        out_indices=[1, 2, 3, 4],
        apply_layernorm=True,
        reshape_hidden_states=False,
    )
    config = transformers.DepthAnythingConfig(
        backbone_config=backbone,
        reassemble_hidden_size=64,
        neck_hidden_sizes=[8, 8, 8, 8],
        fusion_hidden_size=8,
        head_hidden_size=8,
        depth_estimation_type="relative",
    )
    network = transformers.DepthAnythingForDepthEstimation(config).eval()
    for weight in network.parameters():  # a fresh head gives zeros
        weight.data += torch.randn_like(weight) * 0.2
    folder = tmp_path_factory.mktemp("models") / "Tiny-Depth-hf"
    network.save_pretrained(folder, safe_serialization=True)
    return folder


@pytest.mark.parametrize("size", [(48, 72), (130, 90)])
def test_depth_equals_that_of_transformers(tiny, size):
    """The same network by transformers' own image processor and afterwork."""
    transformers = pytest.importorskip("transformers")
    # Smooth and away from black and white: theirs is rounded and clipped to bytes between the two passes of a resize.
    frames = resize_clip(np.random.default_rng(1).random((3, 6, 8, 3), np.float32), *size)
    frames = (40 + frames * 170).astype(np.uint8)
    network = load_depth_anything(tiny)
    found = estimate_depth_anything(network, frames, side=70, batch=2)
    processor = transformers.DPTImageProcessor(
        size={"height": 70, "width": 70},
        keep_aspect_ratio=True,
        ensure_multiple_of=14,
        resample=3,
        do_rescale=True,
        do_normalize=True,
        image_mean=[0.485, 0.456, 0.406],
        image_std=[0.229, 0.224, 0.225],
    )
    inputs = processor(images=list(frames), return_tensors="pt")["pixel_values"]
    mine = prepare(torch.from_numpy(frames).permute(0, 3, 1, 2) / 255, 70)
    assert mine.shape == inputs.shape
    assert float((mine - inputs).abs().max()) < 0.03  # a byte is 0.018
    with torch.no_grad():
        outputs = network(pixel_values=mine)  # a random network makes much of a byte
    theirs = processor.post_process_depth_estimation(outputs, target_sizes=[size] * 3)
    theirs = torch.stack([one["predicted_depth"] for one in theirs]).clamp(min=0).numpy()
    assert found.shape == theirs.shape == (3, *size) and np.ptp(theirs) > 0.01
    assert np.abs(found - theirs).max() < 1e-4 * np.ptp(theirs)


@pytest.fixture
def clip() -> np.ndarray:
    return np.random.default_rng(0).random((3, 28, 42, 3), np.float32)


def test_frames_that_come_one_at_a_time_give_the_same(tiny, clip):
    network = load_depth_anything(tiny)
    steps = []
    whole = estimate_depth_anything(network, clip, lambda: steps.append(1), side=28)
    streamed = estimate_depth_anything(network, iter(clip), side=28, batch=2)
    assert len(steps) == 3 and np.abs(whole - streamed).max() < 1e-4 * max(float(np.ptp(whole)), 1e-3)


def test_estimating_can_be_canceled(tiny, clip):
    network = load_depth_anything(tiny)
    with pytest.raises(UserError, match="stopped at frame 2"):
        estimate_depth_anything(network, clip, cancel=iter([False, False, True]).__next__, side=28)


def test_frames_that_are_not_a_video_are_refused(tiny, clip):
    network = load_depth_anything(tiny)
    for bad, message in ((clip[..., :2], "shape"), (clip[:0], "no frames"), (clip * np.nan, "NaN")):
        with pytest.raises(UserError, match=message):
            estimate_depth_anything(network, bad, side=28)


def test_a_cut_or_foreign_model_is_refused_by_name(tiny, tmp_path):
    assert is_model(tiny) and not is_model(tmp_path)
    with pytest.raises(UserError, match="holds no Depth Anything"):
        load_depth_anything(tmp_path)
    cut = tmp_path / "cut"
    cut.mkdir()
    (cut / "config.json").write_bytes((tiny / "config.json").read_bytes())
    (cut / "model.safetensors").write_bytes((tiny / "model.safetensors").read_bytes()[:1000])
    with pytest.raises(UserError, match="cannot be read"):
        load_depth_anything(cut)


def test_the_authors_own_files_are_read(tiny, tmp_path):
    """The tiny network's weights under the names of depth_anything_v2_*.safetensors give the same depth."""
    network = load_depth_anything(tiny)
    with safe_open(tiny / "model.safetensors", "pt") as file:
        saved = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (not a dict)
    place = tmp_path / "depth_anything_v2_vitx.safetensors"
    save_file(as_the_authors_name_them(saved), place)
    assert is_original(place) and not is_original(tiny / "model.safetensors")
    again = load_depth_anything(place)
    frames = np.random.default_rng(2).random((2, 42, 56, 3), np.float32)
    first, second = (estimate_depth_anything(one, frames, side=42) for one in (network, again))
    assert np.ptp(first) > 1e-3 and np.array_equal(first, second)
    metric = place.rename(tmp_path / "depth_anything_v2_metric_vitx.safetensors")
    assert not is_original(metric), "meters are something else"
    metric.write_bytes(metric.read_bytes()[:5000])
    with pytest.raises(UserError, match="not a whole Depth Anything V2"):
        load_depth_anything(metric)


def as_the_authors_name_them(saved: dict) -> dict:
    """Weights of transformers' file as the authors' code names them, written apart from the reader's table."""
    made = {}
    for key, value in saved.items():
        key = key.replace("backbone.embeddings.patch_embeddings.projection", "pretrained.patch_embed.proj")
        key = key.replace("backbone.embeddings.position_embeddings", "pretrained.pos_embed")
        key = key.replace("backbone.embeddings.", "pretrained.").replace("backbone.layernorm", "pretrained.norm")
        key = key.replace("backbone.encoder.layer.", "pretrained.blocks.")
        key = key.replace("attention.output.dense", "attn.proj")
        key = key.replace("layer_scale1.lambda1", "ls1.gamma").replace("layer_scale2.lambda1", "ls2.gamma")
        key = key.replace("neck.reassemble_stage.layers.", "depth_head.@")
        key = key.replace("head.conv1", "depth_head.scratch.output_conv1")
        key = key.replace("head.conv2", "depth_head.scratch.output_conv2.0")
        key = key.replace("head.conv3", "depth_head.scratch.output_conv2.2")
        if "@" in key:
            part, kind = key.split("@")[1].split(".", 1)
            name = f"projects.{part}" if kind.startswith("projection") else f"resize_layers.{part}"
            key = f"depth_head.{name}.{kind.split('.')[1]}"
        for number in range(4):
            key = key.replace(f"neck.convs.{number}.", f"depth_head.scratch.layer{number + 1}_rn.")
            key = key.replace(f"neck.fusion_stage.layers.{number}.", f"depth_head.scratch.refinenet{4 - number}.")
        if "refinenet" in key:
            key = key.replace("projection", "out_conv").replace("residual_layer", "resConfUnit")
            key = key.replace("convolution", "conv")
        made[key] = value
    for key in [key for key in made if ".attention.attention.query." in key]:
        parts = [made.pop(key.replace("query", name)) for name in ("query", "key", "value")]
        made[key.replace("attention.attention.query", "attn.qkv")] = torch.cat(parts)
    return made


def test_the_small_model_is_pinned_with_license_size_and_checksum():
    small = MODELS["Small"]
    assert small.is_resolved
    assert small.describe().startswith("depth-anything/Depth-Anything-V2-Small-hf at revision 5426e4f0")
    assert "99.2 MB" in small.describe() and "Apache-2.0" in small.describe()
    assert small.files[1].digest[7:] in small.describe()


@pytest.mark.parametrize("name", ["Base", "Large"])
def test_the_license_of_the_other_models_is_stated(name):
    assert not MODELS[name].is_resolved and "CC-BY-NC-4.0" in MODELS[name].describe()


def test_a_missing_pinned_model_says_what_it_is_and_how_to_get_it(tmp_path):
    message = str(missing_model(MODELS["Small"], tmp_path, ask_hub=False))
    assert str(tmp_path) in message and "99.2 MB" in message and "download to 'yes'" in message
    assert not any(tmp_path.iterdir())


def test_a_missing_unpinned_model_is_looked_up_when_the_user_asks(hub, tmp_path):
    model = RemoteModel(hub.repository, "MIT", (RemoteFile("config.json"), RemoteFile("model.safetensors")))
    message = str(missing_model(model, tmp_path, ask_hub=False))
    assert "is not pinned" in message and "download to 'ask'" in message and hub.questions == 0
    message = str(missing_model(model, tmp_path, ask_hub=True))
    assert hub.repository in message and "3.1 MB" in message and "MIT" in message and hub.questions == 1
    assert hub.sha256("model.safetensors") in message and not any(tmp_path.iterdir())
    assert f"https://huggingface.co/{model.repository}" in message and str(tmp_path / model.folder) in message


def test_only_what_is_pinned_is_downloaded(tmp_path):
    check_pinned(MODELS["Small"], tmp_path)
    for name in ("Base", "Large"):
        with pytest.raises(UserError, match=f"{name}-hf is not pinned.*yourself, and put them into"):
            check_pinned(MODELS[name], tmp_path)


def test_a_missing_model_says_why_the_hub_cannot_be_asked(hub, tmp_path):
    hub.broken = ConnectionError("connection refused")
    message = str(missing_model(MODELS["Base"], tmp_path, ask_hub=True))
    assert "cannot be shown now" in message and "connection refused" in message
