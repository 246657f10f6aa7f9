"""Tuning on one video or a folder of them: what comes out, a stop in the middle, what goes on, what is refused."""

from __future__ import annotations

import dataclasses
import json
import shutil
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from einops import rearrange

from comfyui_fulldit.control import files
from comfyui_fulldit.control.conditions import Conditions, SoundCondition
from comfyui_fulldit.control.errors import UserError
from comfyui_fulldit.control.media import write_video
from comfyui_fulldit.dataset.manifest import Clip, Manifest
from comfyui_fulldit.dataset.open_clips import open_clips
from comfyui_fulldit.models.backbone.transformer import FullDiT
from comfyui_fulldit.models.conditioning.text import TextEncoder
from comfyui_fulldit.models.families.presets import PRESETS
from comfyui_fulldit.models.vae.autoencoder import VAE
from comfyui_fulldit.models.vae.vae_file import fingerprint, load_vae, save_vae
from comfyui_fulldit.models.weights.attach import attach
from comfyui_fulldit.models.weights.checkpoint import load_model, read_camera_motion_range, save_model
from comfyui_fulldit.models.weights.condition_file import read_condition_file
from comfyui_fulldit.models.weights.lora_layers import merge_lora
from comfyui_fulldit.models.weights.tensor_file import read_tensors, write_tensors
from comfyui_fulldit.scenes import render
from comfyui_fulldit.training.generator.held_out import HeldOut
from comfyui_fulldit.training.generator.learner import Learner
from comfyui_fulldit.training.generator.start import networks, prepare, take_up_lora
from comfyui_fulldit.training.tuning.clips import ManyClips, OneClip, check_inside, clips_in
from comfyui_fulldit.training.tuning.settings import TuneOptions, settings_of, subsets_of
from comfyui_fulldit.training.tuning.start import Start
from comfyui_fulldit.training.tuning.tune import tune

DEBUG = PRESETS["debug"]
SIZE = {"frames": DEBUG.frames, "height": DEBUG.height, "width": DEBUG.width}
OPTIONS = TuneOptions(steps=4, rank=2, batch=2)


class Stop(Exception):
    """What a user's cancel raises."""


def words(text: str) -> torch.Tensor:
    """States as a text encoder gives them, (7, 24)."""
    generator = torch.Generator().manual_seed(len(text))
    states = torch.zeros(7, 24, dtype=torch.bfloat16)
    states[:4] = torch.randn(4, 24, generator=generator).bfloat16()
    return states


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A tiny checkpoint, a tiny plain Wan, a VAE, and another VAE."""
    folder = tmp_path_factory.mktemp("place")
    torch.manual_seed(0)
    for name in ("vae", "other"):
        save_vae(folder / f"{name}.safetensors", VAE(dim=4))
    config = replace(DEBUG, vae_fingerprint=fingerprint(load_vae(folder / "vae.safetensors")))
    save_model(folder / "model.safetensors", FullDiT(config), TextEncoder(dim=config.text_dim), config)
    wide = FullDiT(replace(DEBUG, dim=128, num_heads=1, text="umt5", text_len=7, text_dim=24))
    base = {
        name: 0.1 * torch.randn(value.shape)
        for name, value in wide.state_dict().items()
        if not name.startswith("tokenizers.")
    }
    write_tensors(folder / "wan.safetensors", base, {})
    return folder


@pytest.fixture(scope="module")
def clip():
    """One clip of the world with its camera and depth."""
    clips = render([3], **SIZE)
    frames = rearrange(clips.video[0], "c t h w -> t h w c").numpy()
    return OneClip(frames, clips.conditions(0, ("camera", "depth")), "A red ball.")


@pytest.fixture
def start(place):
    return Start(place / "vae.safetensors", place / "model.safetensors")


@pytest.fixture
def on_wan(place, monkeypatch):
    """A tiny plain Wan alone, at the size of the clips."""
    like = replace(PRESETS["wan-1.3b"], **SIZE, fps=8.0, text_len=7)
    monkeypatch.setitem(PRESETS, "wan-1.3b", replace(like, freq_dim=DEBUG.freq_dim))
    return Start(place / "vae.safetensors", None, place / "wan.safetensors")


def loss_of(path, run, vae) -> dict[str, float]:
    """The loss of a checkpoint on the clips of a run, with fixed noise."""
    model, text, config = load_model(path)
    (folder,) = (run / "clips").iterdir()
    autoencoder = load_vae(vae)
    clips = open_clips(folder / "shards", fingerprint(autoencoder), config)
    return HeldOut(clips, autoencoder, config, 0.6, "cpu", len(clips)).losses(Learner(model, text).eval(), bf16=False)


def test_a_model_that_was_tuned_on_one_clip_knows_it_better(start, clip, tmp_path):
    options = TuneOptions(steps=40, learning_rate=1e-2, rank=4, batch=3)
    steps = []
    made = tune(start, clip, options, tmp_path / "run", tmp_path / "new" / "tuned.safetensors", callback=_append(steps))
    assert made.path.is_file() and made.clips == 1 and made.before == 0 and len(made.losses) == 40
    assert steps == list(range(1, 41))
    before, after = (loss_of(path, tmp_path / "run", start.vae) for path in (start.checkpoint, made.path))
    assert set(before) == {"none", "camera", "depth"}
    assert all(after[name] < 0.9 * before[name] for name in before), (before, after)
    old, new = read_tensors(start.checkpoint), read_tensors(made.path)
    changed = {name for name in old if not torch.equal(old[name].float(), new[name].float())}
    assert changed and all(name.startswith("blocks.") for name in changed)
    assert read_camera_motion_range(made.path).clips == 1
    assert not (tmp_path / "run" / "tuned.safetensors").exists()


def _append(steps):
    return lambda step, loss: steps.append(step)


def test_what_was_stopped_goes_on_as_if_nothing_had_been(start, clip, tmp_path):
    whole = tune(start, clip, OPTIONS, tmp_path / "whole", tmp_path / "whole.safetensors")

    def stop(step, loss):
        if step == 2:
            raise Stop

    with pytest.raises(Stop):
        tune(start, clip, OPTIONS, tmp_path / "run", tmp_path / "run.safetensors", callback=stop)
    assert not (tmp_path / "run.safetensors").exists()
    rest = []
    made = tune(start, clip, OPTIONS, tmp_path / "run", tmp_path / "run.safetensors", callback=_append(rest))
    assert rest == [3, 4] and made.before == 2 and made.losses == whole.losses
    ours, theirs = read_tensors(made.path), read_tensors(whole.path)
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    again = tune(start, clip, OPTIONS, tmp_path / "run", tmp_path / "run.safetensors", callback=stop)
    assert again.before == 4 and again.losses == whole.losses, "a run that is finished makes its file again"
    anew = tune(start, clip, OPTIONS, tmp_path / "run", tmp_path / "run.safetensors", resume=False)
    assert anew.before == 0 and anew.losses == whole.losses


def test_more_steps_are_added_to_a_run(start, clip, tmp_path):
    tune(start, clip, OPTIONS, tmp_path / "run", tmp_path / "run.safetensors")
    more = replace(OPTIONS, steps=6, learning_rate=1e-4)
    made = tune(start, clip, more, tmp_path / "run", tmp_path / "run.safetensors")
    assert made.before == 4 and len(made.losses) == 6


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"options": replace(OPTIONS, rank=3)}, "begun with another rank"),
        ({"options": replace(OPTIONS, seed=3, batch=1)}, "begun with another batch and another seed"),
        ({"prompt": "Another ball."}, "begun with another clips"),
    ],
)
def test_a_run_does_not_go_on_with_something_else(start, clip, tmp_path, change, said):
    tune(start, clip, OPTIONS, tmp_path / "run", tmp_path / "run.safetensors")
    told = dataclasses.replace(clip, prompt=change.get("prompt", clip.prompt))
    before = (tmp_path / "run.safetensors").read_bytes()
    with pytest.raises(UserError, match=said):
        tune(start, told, change.get("options", OPTIONS), tmp_path / "run", tmp_path / "run.safetensors")
    assert (tmp_path / "run.safetensors").read_bytes() == before


def test_a_run_whose_beginning_is_not_known_is_refused(start, clip, tmp_path):
    tune(start, clip, OPTIONS, tmp_path / "run", tmp_path / "run.safetensors")
    (tmp_path / "run" / "run.json").write_text("{", encoding="utf-8")
    with pytest.raises(UserError, match=r"run\.json.* is missing or damaged"):
        tune(start, clip, OPTIONS, tmp_path / "run", tmp_path / "run.safetensors")


def short(clip, place):
    return {"clips": replace(clip, frames=clip.frames[:3])}


def small(clip, place):
    return {"clips": replace(clip, frames=clip.frames[:, :12, :18])}


def other_vae(clip, place):
    return {"start": Start(place / "other.safetensors", place / "model.safetensors")}


def nothing(clip, place):
    return {"start": Start(place / "vae.safetensors")}


def no_words(clip, place):
    return {"start": Start(place / "vae.safetensors", None, place / "wan.safetensors")}


def no_wan(clip, place):
    return {"start": Start(place / "vae.safetensors", None, place / "vae.safetensors")}


def sound(clip, place):
    heard = SoundCondition(values=np.zeros(DEBUG.frames, np.float32), rate=8.0)
    return {"clips": replace(clip, conditions=replace(clip.conditions, items=(*clip.conditions.items, heard)))}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (short, "has 3 frames, but 5 are to be learned"),
        (small, "is 18x12, but is to be learned at 48x32"),
        (other_vae, "was trained with the VAE .*, but 'other.safetensors' is"),
        (nothing, "nothing to tune"),
        (no_words, "reads its words by umt5"),
        (no_wan, "'vae.safetensors' cannot be tuned"),
        (sound, "does not take the condition 'sound'"),
    ],
)
def test_what_cannot_be_learned_is_said_before_any_work(start, clip, place, tmp_path, change, said):
    asked = {"start": start, "clips": clip, **change(clip, place)}
    with pytest.raises(UserError, match=said):
        tune(asked["start"], asked["clips"], OPTIONS, tmp_path / "run", tmp_path / "tuned.safetensors")
    assert not (tmp_path / "tuned.safetensors").exists() and not (tmp_path / "run" / "clips").exists()


def test_a_full_disk_is_said_before_any_work(start, clip, tmp_path, monkeypatch):
    monkeypatch.setattr(files.shutil, "disk_usage", lambda path: SimpleNamespace(free=1000))
    with pytest.raises(UserError, match=r"needs .* in .*, but 0 MB are free"):
        tune(start, clip, OPTIONS, tmp_path / "run", tmp_path / "tuned.safetensors")
    assert not (tmp_path / "run" / "clips").exists()


@pytest.mark.parametrize(("name", "value"), [("steps", 0), ("rank", 0), ("batch", 0), ("seed", -1), ("seed", 2**40)])
def test_numbers_that_no_training_can_have_are_refused(name, value):
    with pytest.raises(UserError, match=f"(?i){name} is {value}"):
        TuneOptions(**{name: value})
    with pytest.raises(UserError, match="(?i)learning_rate is 0"):
        TuneOptions(learning_rate=0)


@pytest.fixture
def folder(tmp_path):
    """Videos with captions, one of them cut short, one too short."""
    root = tmp_path / "videos"
    root.mkdir()
    for number in (1, 2):
        frames = rearrange(render([number], **SIZE).video[0], "c t h w -> t h w c").numpy()
        write_video(root / f"clip{number}.mp4", frames, fps=8.0)
        (root / f"clip{number}.txt").write_text(f"Scene {number}.", encoding="utf-8")
    write_video(root / "short.mp4", frames[:2], fps=8.0)
    whole = (root / "clip1.mp4").read_bytes()
    (root / "broken.mp4").write_bytes(whole[: len(whole) // 3])
    return root


def test_a_folder_of_videos_is_learned_without_what_cannot_be(start, folder, tmp_path):
    made = tune(start, clips_in(folder), OPTIONS, tmp_path / "run", tmp_path / "tuned.safetensors")
    assert made.clips == 2 and len(made.losses) == 4
    assert {note.split(":")[1].strip() for note in made.notes} == {"broken", "short"}
    assert sorted(path.name for path in folder.iterdir()) == [
        "broken.mp4",
        "clip1.mp4",
        "clip1.txt",
        "clip2.mp4",
        "clip2.txt",
        "short.mp4",
    ], "nothing is written beside the videos"


def test_a_folder_of_which_nothing_can_be_learned_is_refused(start, folder, tmp_path):
    for path in folder.glob("clip*"):
        path.unlink()
    with pytest.raises(UserError, match="None of the 2 clips can be learned"):
        tune(start, clips_in(folder), OPTIONS, tmp_path / "run", tmp_path / "tuned.safetensors")
    shutil.rmtree(folder)
    folder.mkdir()
    with pytest.raises(UserError, match="There are no clips in"):
        clips_in(folder)


def test_a_manifest_that_leads_out_of_its_folder_is_found_out(tmp_path):
    inside = ManyClips(Manifest([Clip("a", "in/a.mp4")], tmp_path, []))
    check_inside(inside, tmp_path)
    for name in ("../secret.mp4", str(tmp_path.parent / "secret.mp4")):
        with pytest.raises(UserError, match="lies outside of"):
            check_inside(ManyClips(Manifest([Clip("a", name)], tmp_path, [])), tmp_path)


def test_a_plain_wan_becomes_a_condition_file_which_goes_on(on_wan, clip, tmp_path):
    options = replace(OPTIONS, tokenizers=True, learning_rate=1e-2)
    path = tmp_path / "conditions.safetensors"
    tune(on_wan, clip, options, tmp_path / "run", path, encode_text=words)
    first = read_condition_file(path)
    assert first.base_name == "wan.safetensors" and json.loads(first.extra["training"])["step"] == 4
    attach(on_wan.wan, first)
    begun = read_condition_file(tmp_path / "run" / "start.safetensors")
    assert not begun.lora and any(not torch.equal(first.own[name], value) for name, value in begun.own.items())

    further = replace(on_wan, checkpoint=path)
    second = tune(
        further, clip, replace(options, rank=3), tmp_path / "more", tmp_path / "more.safetensors", True, words
    )
    assert len(read_condition_file(second.path).lora["blocks.0.ffn.0.lora_A.weight"]) == 3
    with pytest.raises(UserError, match="has a LoRA of rank 2, but 1 was asked for"):
        tune(further, clip, replace(options, rank=1), tmp_path / "less", tmp_path / "less.safetensors", True, words)
    with pytest.raises(UserError, match="was trained with another VAE"):
        tune(
            replace(further, vae=on_wan.vae.with_name("other.safetensors")),
            clip,
            options,
            tmp_path / "o",
            path,
            True,
            words,
        )


def test_a_training_goes_on_from_what_a_condition_file_and_its_wan_are(on_wan, clip, tmp_path):
    options = replace(OPTIONS, tokenizers=True, learning_rate=1e-2)
    path = tmp_path / "conditions.safetensors"
    tune(on_wan, clip, options, tmp_path / "run", path, encode_text=words)
    config = read_condition_file(path).config
    settings = settings_of(replace(options, rank=3), path, on_wan.wan, config, {"none": 1.0})
    settings = replace(settings, lora=replace(settings.lora, base="fp32"))
    network, text, _ = networks(settings, "")
    prepare(network, text, settings)
    take_up_lora(network, settings)
    merge_lora(network)
    whole = attach(on_wan.wan, read_condition_file(path)).state_dict()
    assert all(torch.allclose(value, whole[name], atol=1e-6) for name, value in network.state_dict().items())


def test_subsets_show_mostly_all_and_always_some_of_it(start, clip, tmp_path):
    config = start.config()

    def weights(conditions: Conditions) -> dict[str, float]:
        run = tmp_path / "-".join(["run", *conditions.names])
        tune(
            start, replace(clip, conditions=conditions), replace(OPTIONS, steps=1), run, run.with_suffix(".safetensors")
        )
        (folder,) = (run / "clips").iterdir()
        return subsets_of(open_clips(folder / "shards", None, config), config)

    both = weights(clip.conditions)
    assert (
        set(both) == {"nothing", "none", "camera", "depth", "camera+depth"}
        and max(both, key=both.get) == "camera+depth"
    )
    assert set(weights(clip.conditions.only(("camera",)))) == {"nothing", "none", "camera"}
    assert set(weights(clip.conditions.only(()))) == {"nothing", "none"}
    assert sum(both.values()) == pytest.approx(10)
