"""The stage `data` with clips of several worlds and sizes."""

from __future__ import annotations

import json

import pytest
import torch

from comfyui_fulldit.dataset.latents import EncodedClips, encode_clips
from comfyui_fulldit.models.families.presets import PRESETS
from comfyui_fulldit.models.vae.autoencoder import VAE
from comfyui_fulldit.models.vae.vae_file import load_vae, save_vae
from comfyui_fulldit.models.weights.tensor_file import read_metadata, read_tensors
from comfyui_fulldit.scenes import WorldOptions, render
from comfyui_fulldit.training.common.entries import EntryError
from comfyui_fulldit.training.common.settings import config_path
from comfyui_fulldit.training.generator.settings import ClipSettings
from comfyui_fulldit.training.stages import encode_data

DEBUG = PRESETS["debug"]
SIZE = (DEBUG.frames, DEBUG.height, DEBUG.width)


def test_clips_of_several_worlds_and_sizes_are_encoded_by_one_config(tmp_path):
    """Worlds of one size share a folder, one behind the other; what is there is not made again."""
    small = {"clips": 2, "shard": 2, "batch": 2}
    entries = [small, {**small, "world": 3, "first_seed": 7}, {**small, "size": [1, 32, 48]}]
    config = json.loads(config_path("generator", "debug").read_text(encoding="utf-8"))
    (tmp_path / "sizes.json").write_text(json.dumps({**config, "data": entries}), encoding="utf-8")
    vae, out = tmp_path / "vae.safetensors", tmp_path / "data"
    save_vae(vae, VAE(dim=4))
    assert encode_data(tmp_path / "sizes.json", vae, out) == 6
    files = sorted(out.rglob("shard_*.safetensors"))
    size = "x".join(map(str, SIZE))
    assert [str(path.relative_to(out)) for path in files] == [
        "1x32x48/shard_00000.safetensors",
        f"{size}/shard_00000.safetensors",
        f"{size}/shard_00001.safetensors",
    ]
    assert [read_metadata(path)["seeds"] for path in files] == ["0..1", "0..1", "7..8"]
    first, second = (read_tensors(path)["video"] for path in files[1:])
    expected = render([7, 8], *SIZE, options=WorldOptions(version=3))
    encoded = encode_clips(load_vae(vae, dtype=torch.bfloat16), [expected], DEBUG)["video"]
    assert torch.equal(second, encoded) and not torch.equal(second, first)
    times = [path.stat().st_mtime_ns for path in files]
    assert encode_data(tmp_path / "sizes.json", vae, out) == 6
    assert [path.stat().st_mtime_ns for path in files] == times


@pytest.mark.parametrize(("share", "conditions"), [(0.0, None), (1.0, None), (1.0, ["camera", "sound"])])
def test_an_entry_says_how_many_of_its_scenes_have_a_sound_and_what_is_encoded(tmp_path, share, conditions):
    config = json.loads(config_path("generator", "debug").read_text(encoding="utf-8"))
    entry = {"clips": 3, "shard": 3, "batch": 3, "world": 3, "sounds": share, "conditions": conditions}
    phases = [{"until": 1.0, "subsets": {"camera+depth+sound": 1}}]
    content = {**config, "data": [entry], "phases": phases}
    (tmp_path / "sounds.json").write_text(json.dumps(content), encoding="utf-8")
    save_vae(tmp_path / "vae.safetensors", VAE(dim=4))
    assert encode_data(tmp_path / "sounds.json", tmp_path / "vae.safetensors", tmp_path / "data") == 3
    clips = EncodedClips(tmp_path / "data")
    assert ("sound" in clips.keys) == bool(share)
    assert not share or clips.present[:, clips.keys.index("sound")].sum() >= 2  # a scene may have no object to hop
    assert "camera" in clips.keys and ("depth" in clips.keys) == (conditions is None)


def test_an_entry_asks_for_conditions_that_there_are():
    with pytest.raises(EntryError, match="expected conditions among camera"):
        ClipSettings(clips=1, conditions=["camera", "smell"])
