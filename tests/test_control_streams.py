"""Control videos and sound from the command line and the world to a network that was built for them, and to none."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from comfyui_fulldit.cli import main
from comfyui_fulldit.control.bundle import read_bundle, write_bundle
from comfyui_fulldit.control.conditions import Conditions, ControlVideoCondition, SoundCondition
from comfyui_fulldit.control.control_video import KINDS as ALL_KINDS
from comfyui_fulldit.control.control_video import ControlVideo
from comfyui_fulldit.control.control_video.detect import FROM_FRAMES
from comfyui_fulldit.control.errors import UserError
from comfyui_fulldit.control.media import write_video
from comfyui_fulldit.control.sound import write_tone
from comfyui_fulldit.dataset.latents import EncodedClips, write_shards
from comfyui_fulldit.models.backbone.initialize import initialize
from comfyui_fulldit.models.backbone.transformer import FullDiT
from comfyui_fulldit.models.conditioning.text import TextEncoder
from comfyui_fulldit.models.config import FIRST_STREAMS
from comfyui_fulldit.models.encode import check_conditions, count_tokens, encode_conditions
from comfyui_fulldit.models.families.presets import PRESETS
from comfyui_fulldit.models.pipeline import Pipeline
from comfyui_fulldit.models.vae import VAE, fingerprint, load_vae, save_vae
from comfyui_fulldit.models.weights.checkpoint import embedded_path, read_config, save_model
from comfyui_fulldit.scenes.control_videos import draw_kinds
from comfyui_fulldit.training.generator.batches import Batches, make_batch
from comfyui_fulldit.view.sheet import condition_frames

KINDS = ("canny", "pose", "flow")
CONFIG = replace(PRESETS["debug"], streams=(*FIRST_STREAMS, *KINDS, "sound"), frames=5, height=32, width=48)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """Random weights of a model that knows three kinds of control videos and sound, and of a VAE."""
    folder = tmp_path_factory.mktemp("weights")
    torch.manual_seed(0)
    save_vae(folder / "vae.safetensors", VAE(dim=4).eval())
    config = replace(CONFIG, vae_fingerprint=fingerprint(load_vae(folder / "vae.safetensors")))
    model = FullDiT(config)
    initialize(model)
    torch.nn.init.normal_(model.head.head.weight, std=0.3)
    save_model(folder / "model.safetensors", model, TextEncoder(dim=config.text_dim), config)
    return folder / "model.safetensors", folder / "vae.safetensors"


def control(*kinds: str, seed: int = 0, **weights) -> ControlVideoCondition:
    draw = np.random.default_rng(seed).random
    return ControlVideoCondition(videos=tuple(ControlVideo(kind, draw((5, 32, 48, 3)), **weights) for kind in kinds))


def conditions(*items) -> Conditions:
    return Conditions(CONFIG.video, items)


def test_kinds_share_one_tokenizer_and_differ_by_their_vector(checkpoint):
    pipeline = Pipeline.load(*checkpoint)
    model = pipeline.model
    assert set(model.tokenizers) == {*FIRST_STREAMS, "control", "sound"}
    assert model.tokenizers["control"].slot_vectors.shape == (3, CONFIG.dim)
    frames = control("canny").videos[0].frames
    asked = conditions(ControlVideoCondition(videos=tuple(ControlVideo(kind, frames) for kind in KINDS)))
    streams = encode_conditions(asked, pipeline.vae, pipeline.config).streams
    assert [stream.name for stream in streams] == list(KINDS)
    tokens = [model.embed_stream(stream, torch.float32) for stream in streams]
    vectors = model.tokenizers["control"].slot_vectors
    for k, one in enumerate(tokens):
        expected = (vectors[k].float() - vectors[0].float()).expand_as(one)
        torch.testing.assert_close(one - tokens[0], expected, atol=1e-5, rtol=0)
    assert count_tokens(asked, CONFIG) == {"video": 12, "canny": 12, "pose": 12, "flow": 12}


def test_each_control_video_has_its_strength_and_range(checkpoint):
    pipeline = Pipeline.load(*checkpoint)
    asked = conditions(
        ControlVideoCondition(
            videos=(*control("canny", strength=0.5, end=0.4).videos, *control("pose", strength=0).videos)
        )
    )
    (stream,) = encode_conditions(asked, pipeline.vae, pipeline.config).streams
    assert (stream.name, stream.strength, stream.start, stream.end) == ("canny", 0.5, 0, 0.4)


def test_the_video_depends_on_them_and_on_their_kind(checkpoint):
    pipeline = Pipeline.load(*checkpoint)

    def latent(*items):
        return pipeline.generate("a ball", conditions(*items), seed=1, steps=2).frames

    canny = latent(control("canny"))
    assert np.array_equal(canny, latent(control("canny")))
    loud, quiet = (SoundCondition(values=np.full(5, v), rate=8.0) for v in (1.0, 0.1))
    for other in (latent(control("pose")), latent(control("canny", seed=1)), latent(control("canny"), loud)):
        assert not np.array_equal(other, canny)
    assert not np.array_equal(latent(loud), latent(quiet))


def test_a_checkpoint_refuses_kinds_that_it_does_not_know():
    with pytest.raises(UserError, match="does not take 'boxes' of the condition 'control', only canny, pose, flow"):
        check_conditions(conditions(control("canny", "boxes")), CONFIG)
    with pytest.raises(UserError, match="does not take the condition 'control' .its streams: camera, reference"):
        check_conditions(conditions(control("canny")), PRESETS["debug"])


@pytest.mark.skipif(
    not embedded_path("fulldit_mini_few_steps").exists(), reason="the embedded weights are not in this checkout"
)
@pytest.mark.parametrize("option", [("--control", "canny=edges.mp4"), ("--sound", "beat.wav")])
def test_an_embedded_checkpoint_loads_and_refuses_them_by_name(option, capsys):
    assert main(["generate", "--checkpoint", "fulldit_mini_few_steps", "--prompt", "a ball", *option]) == 2
    said = capsys.readouterr().err
    assert f"does not take the condition '{option[0][2:]}'" in said and "camera, reference, identity_map, depth" in said


@pytest.mark.skipif(not embedded_path("fulldit_mini").exists(), reason="the embedded weights are not in this checkout")
def test_the_embedded_checkpoint_takes_every_kind_and_others_refuse_what_they_lack():
    config = read_config(embedded_path("fulldit_mini"))
    frames = np.random.default_rng(0).random((config.frames, config.height, config.width, 3))

    def asked(*kinds):
        videos = tuple(ControlVideo(kind, frames) for kind in kinds)
        return Conditions(config.video, (ControlVideoCondition(videos=videos),))

    assert set(count_tokens(asked(*ALL_KINDS), config)) == {"video", *ALL_KINDS}
    without = replace(config, streams=tuple(name for name in config.streams if name != "pose"))
    with pytest.raises(UserError, match="does not take 'pose' of the condition 'control', only canny"):
        check_conditions(asked("canny", "pose"), without)


def test_the_command_line_takes_them(checkpoint, tmp_path, capsys):
    model, vae = checkpoint
    rng = np.random.default_rng(0)
    write_video(tmp_path / "clip.mp4", rng.random((5, 32, 48, 3)))
    write_tone(tmp_path / "beat.wav", np.array([0, 1, 0, 1, 0.5]), 8.0)
    arguments = ["generate", "--checkpoint", str(model), "--vae", str(vae), "--prompt", "a ball", "--steps", "2"]
    arguments += ["--control", f"canny=detect:{tmp_path / 'clip.mp4'}", "--control", f"pose={tmp_path / 'clip.mp4'}"]
    arguments += ["--sound", str(tmp_path / "beat.wav"), "--sound-strength", "0.5", "--control-guidance", "2"]
    assert main([*arguments, "--quiet", "--json", "--out", str(tmp_path / "out")]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["asked"]["conditions"] == ["control", "sound"]
    assert (tmp_path / "out" / "video.mp4").is_file()


def test_shards_keep_what_each_clip_has_and_batches_bring_it(checkpoint, tmp_path):
    pipeline = Pipeline.load(*checkpoint)
    write_shards(pipeline.vae, tmp_path / "data", pipeline.config, clips=8, shard=4)
    clips = EncodedClips(tmp_path / "data")
    assert "sound" not in clips.keys and set(clips.keys) & set(KINDS) == {"canny", "flow"}  # world 2 has no figures
    for index in range(8):
        kinds = [name for name in ("canny", "flow") if clips.has(name, [index])]
        assert 1 <= len(kinds) <= 2
    phases = [{"until": 1.0, "subsets": {"camera+control": 1.0}, "tokens": None}]
    batches = Batches([clips], phases, pipeline.config)
    seen = set()
    for _ in range(12):
        batch = batches.draw(2, 0.5)
        names = [stream.name for stream in batch.conditions.streams]
        assert names[0] == "camera" and set(names[1:]) <= {"canny", "flow"} and 2 <= len(names) <= 3
        seen.add(tuple(names[1:]))
    assert len(seen) >= 2
    one = next(i for i in range(8) if clips.has("canny", [i]))
    stream = next(s for s in make_batch(clips, [one], ("control",), CONFIG, [True]).conditions.streams)
    assert stream.data.shape == (1, 16, 2, 4, 6)


def test_kinds_of_a_shard_are_drawn_among_those_of_the_checkpoint():
    from comfyui_fulldit.scenes import make_scene

    for seed in range(50):
        assert set(draw_kinds(make_scene(seed), CONFIG.streams)) <= {"canny", "flow"}


def test_they_come_back_from_a_bundle_and_are_drawn(tmp_path):
    sound = SoundCondition(values=np.array([0, 0.5, 1, 0.25, 0]), rate=8.0, strength=0.5)
    asked = conditions(control("canny", "pose", strength=0.7, start=0.1), sound)
    said = write_bundle(asked, tmp_path / "out")
    assert any("control_canny/00000.png" in line for line in said) and not any("left out" in line for line in said)
    found, warnings = read_bundle(tmp_path / "out")
    assert found.digest() == asked.digest() and not warnings and found.names == ("control", "sound")
    rows = condition_frames(asked, 32, 48)
    assert [title for title, _ in rows] == ["canny", "pose", "sound"]
    bars = rows[-1][1]
    assert bars.shape == (5, 32, 48, 3) and not np.array_equal(bars[1], bars[2])
    assert set(FROM_FRAMES) >= {"canny", "flow"}
