"""From files to shards: what is encoded from a dataset is what would be encoded from the world itself."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from comfyui_fulldit.cli import main
from comfyui_fulldit.control.condition import VideoSize
from comfyui_fulldit.control.conditions import CameraCondition, DepthCondition, IdentityCondition
from comfyui_fulldit.control.errors import UserError
from comfyui_fulldit.control.media import write_image
from comfyui_fulldit.dataset.clip_conditions import fit_clip_to, places_of
from comfyui_fulldit.dataset.clip_files import ClipFiles
from comfyui_fulldit.dataset.encode_work import EncodeWork, encode_manifest
from comfyui_fulldit.dataset.latents import EncodedClips
from comfyui_fulldit.dataset.manifest import CameraFile, Clip, DepthFile, read_manifest, write_manifest
from comfyui_fulldit.dataset.readers import read_dataset
from comfyui_fulldit.dataset.shards.tar_clips import TarClips
from comfyui_fulldit.models.vae.autoencoder import VAE
from comfyui_fulldit.models.vae.vae_file import fingerprint, save_vae
from comfyui_fulldit.scenes import render

from . import layouts
from .conftest import DEBUG, SIZE

SEEDS = list(range(4))


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Scenes as files, with frames that lose nothing but what 8 bits lose; one has a camera only, one depth only."""
    folder = tmp_path_factory.mktemp("world")
    layouts.world(SEEDS, folder / "scenes", *SIZE)
    clips = list(read_dataset("world", folder / "scenes", folder))
    rendered = render(SEEDS, *SIZE)
    for index, clip in enumerate(clips):
        for number, frame in enumerate(rendered.video[index].permute(1, 2, 3, 0).numpy()):
            write_image(folder / "frames" / clip.id / f"{number:04d}.png", frame)
        clips[index] = replace(clip, video=f"frames/{clip.id}")
    clips[1] = replace(clips[1], depth=None, identities=())
    clips[2] = replace(clips[2], camera=None, identities=())
    write_manifest(folder / "manifest.jsonl", clips)
    return folder


@pytest.fixture(scope="module")
def encoded_world(world, vae_file, vae):
    manifest = read_manifest(world / "manifest.jsonl")
    work = EncodeWork(str(vae_file), fingerprint(vae), DEBUG, "cpu")
    summary = encode_manifest(manifest, work, "encoded", world / "encoded" / "shards", per_shard=3)
    assert (summary.done, summary.failed) == (4, 0), (world / "encoded" / "failed.jsonl").read_text()
    return world


def test_clips_of_files_are_encoded_as_those_of_the_world(encoded_world, encoded, vae):
    """Up to 8 bits of the frames, and of the references."""
    ours = TarClips(encoded_world / "encoded" / "shards", fingerprint(vae), SIZE)
    theirs = EncodedClips(encoded / "plain")
    assert ours.ids == [f"scene{seed:05d}" for seed in SEEDS]
    assert (ours.patterns(("camera",)) > 0).tolist() == [True, True, False, True]
    assert (ours.patterns(("depth",)) > 0).tolist() == [True, False, True, True]
    assert (ours.patterns(("identity",)) > 0).tolist() == [True, False, False, True]
    assert torch.allclose(ours.get("c2w", [0, 1, 3]), theirs.get("c2w", [0, 1, 3]), atol=1e-5)
    assert (ours.get("video", SEEDS).float() - theirs.get("video", SEEDS).float()).abs().mean() < 0.02
    for key in theirs.keys:
        if theirs.has(key, [0]):
            left, right = (clips.get(f"stream.{key}", [0]).float() for clips in (ours, theirs))
            assert (left - right).abs().mean() < 0.02, key
    captions = ours.get("captions", [3])[0].tolist()
    assert bytes(captions).rstrip(b"\0").decode() == render([3], *SIZE).captions[0]


def test_an_encoding_goes_on_and_knows_what_is_there(encoded_world, vae_file, vae, tmp_path):
    manifest = read_manifest(encoded_world / "manifest.jsonl")
    shards = encoded_world / "encoded" / "shards"
    work = EncodeWork(str(vae_file), fingerprint(vae), DEBUG, "cpu")
    assert encode_manifest(manifest, work, "encoded", shards).before == 4 and len(TarClips(shards)) == 4
    torch.manual_seed(1)
    other = save_vae(tmp_path / "other.safetensors", VAE(dim=4))
    with pytest.raises(UserError, match="another VAE"):
        encode_manifest(manifest, EncodeWork(str(other), "0" * 64, DEBUG), "encoded", shards)
    with pytest.raises(UserError, match="made with another.*VAE"):
        encode_manifest(manifest, EncodeWork(str(other), "0" * 64, DEBUG), "encoded", tmp_path / "new")
    changed = replace(manifest, clips=[replace(manifest.clips[0], captions={"full": "Other."}), *manifest.clips[1:]])
    with pytest.raises(UserError, match="1 clips are in the shards.*other lines"):
        encode_manifest(changed, work, "encoded", shards)


def test_frames_are_chosen_by_their_times(world):
    assert places_of(30, 24.0, VideoSize(5, 8, 8, 8.0)).tolist() == [0, 3, 6, 9, 12]
    assert places_of(5, 8.0, VideoSize(9, 8, 8, 16.0)).tolist() == [0, 1, 1, 2, 2, 3, 3, 4, 4]
    with pytest.raises(UserError, match="has 12 frames at 24 per second .0.5 s., but.* at 8 take 13"):
        places_of(12, 24.0, VideoSize(5, 8, 8, 8.0))
    clip = replace(read_manifest(world / "manifest.jsonl").clips[0], fps=16.0)
    fitted = fit_clip_to(ClipFiles(clip, world), VideoSize(3, 32, 48, 8.0), DEBUG.conditions)
    truth = render([0], *SIZE)
    path = fitted.conditions.get(CameraCondition).trajectory
    assert np.allclose(path.c2w, truth.trajectory(0).c2w[::2], atol=1e-6) and path.fps == 8
    assert np.abs(fitted.frames - truth.video[0].permute(1, 2, 3, 0).numpy()[::2]).max() < 0.01
    assert fitted.conditions.get(DepthCondition).clip.values.shape == (3, 32, 48)
    assert len(fitted.conditions.get(IdentityCondition).identities) == 1


def test_a_clip_of_files_has_a_low_resolution_video_that_its_name_draws(world):
    clip = read_manifest(world / "manifest.jsonl").clips[0]
    video = VideoSize(3, 32, 48, 8.0)
    first, again = (fit_clip_to(ClipFiles(clip, world), video, ("lowres",)) for _ in range(2))
    (small,), (same,) = first.conditions.items, again.conditions.items
    assert small.frames.shape == (3, 16, 24, 3) and small.digest() == same.digest()
    other = fit_clip_to(ClipFiles(replace(clip, id="another"), world), video, ("lowres",))
    assert other.conditions.items[0].digest() != small.digest()
    assert abs(float(small.frames.mean() - first.frames.mean())) < 0.15


def test_cameras_come_in_units_of_the_scenes_depth(world, tmp_path):
    """By depth in the same unit, by the manifest; without either the camera is left out, and that is said."""
    truth = render([0], *SIZE)
    layouts.vipe(truth, tmp_path)
    clip = next(read_dataset("vipe", tmp_path, tmp_path))
    video = VideoSize(*SIZE, 8.0)

    def camera(clip):
        fitted = fit_clip_to(ClipFiles(clip, tmp_path), video, ("camera", "identity"))
        found = fitted.conditions.get(CameraCondition)
        return found and found.trajectory, fitted

    path, fitted = camera(clip)
    assert np.allclose(path.c2w, truth.trajectory(0).c2w, atol=2e-3)  # of depth in half precision
    # A reference is cut from the frame in which the masks are largest.
    identity = fitted.conditions.get(IdentityCondition).identities[0]
    areas = (truth.identity[0] == 0).sum((1, 2))
    assert identity.mask.sum() == areas.max() and identity.images[0].shape == (32, 48, 3)
    alone = replace(clip, depth=None)
    path, fitted = camera(alone)
    assert path is None and "unit of length" in fitted.notes[0]
    stated = float(truth.depth[0, 0].median())
    path, _ = camera(replace(alone, camera=replace(alone.camera, median_depth=stated)))
    assert np.allclose(path.c2w, truth.trajectory(0).c2w, atol=1e-5)


def test_files_of_another_length_fail_with_a_reason(world, vae_file, vae, tmp_path):
    clips = read_manifest(world / "manifest.jsonl").clips
    np.save(tmp_path / "depth.npy", np.ones((3, 32, 48), np.float32))
    bad = [
        replace(clips[0], id="long", span=(0, 99)),
        replace(clips[1], id="gone", camera=CameraFile("none.json")),
        replace(clips[2], id="depth", depth=DepthFile(str(tmp_path / "depth.npy"), "depth")),
        Clip("fast", clips[0].video, fps=200.0, license="x"),
    ]
    write_manifest(world / "bad.jsonl", [*bad, clips[3]])
    work = EncodeWork(str(vae_file), fingerprint(vae), DEBUG, "cpu")
    summary = encode_manifest(read_manifest(world / "bad.jsonl"), work, "bad", tmp_path / "shards")
    assert (summary.done, summary.failed) == (1, 4)
    lines = [json.loads(line) for line in (world / "bad" / "failed.jsonl").read_text().splitlines()]
    said = {line["id"]: line["reason"] for line in lines}
    assert "not downloaded whole" in said["long"] and "does not exist" in said["gone"]
    assert "has 3 entries" in said["depth"] and "take a longer clip" in said["fast"]


def test_states_of_a_text_encoder_are_cached(encoded_world, vae_file, vae, tmp_path):
    transformers = pytest.importorskip("transformers")
    tokenizers = pytest.importorskip("tokenizers")
    words = tokenizers.Tokenizer(
        tokenizers.models.WordLevel({"<pad>": 0, "</s>": 1, "<unk>": 2, "A": 3, "and": 4}, "<unk>")
    )
    words.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    fast = transformers.PreTrainedTokenizerFast(tokenizer_object=words, pad_token="<pad>", unk_token="<unk>")
    fast.save_pretrained(tmp_path / "t5")
    torch.manual_seed(0)
    sides = {"vocab_size": 8, "d_model": 8, "d_kv": 4, "d_ff": 8, "num_layers": 1, "num_heads": 2}
    model = transformers.UMT5EncoderModel(transformers.UMT5Config(**sides)).eval()
    model.save_pretrained(tmp_path / "t5")
    manifest = read_manifest(encoded_world / "manifest.jsonl")
    manifest = replace(manifest, clips=manifest.clips[:1])
    work = EncodeWork(str(vae_file), fingerprint(vae), DEBUG, "cpu", str(tmp_path / "t5"))
    summary = encode_manifest(manifest, work, "with_text", tmp_path / "shards")
    assert summary.failed == 0, (encoded_world / "with_text" / "failed.jsonl").read_text()
    states = TarClips(tmp_path / "shards").get("text", [0])[0]
    ids = torch.tensor([fast(manifest.clips[0].captions["full"]).input_ids])
    with torch.no_grad():
        wanted = model(input_ids=ids).last_hidden_state[0]
    assert states.shape == (512, 8) and not states[ids.shape[1] :].any()
    difference = (states[: ids.shape[1]].float() - wanted).abs()
    assert difference.max() < 0.05 and difference.mean() < 0.01  # where the encoder computes in bfloat16
    with pytest.raises(UserError, match="is not a text encoder"):
        encode_manifest(manifest, replace(work, text=str(tmp_path)), "no_text", tmp_path / "none")


def test_the_command_leads_from_a_folder_to_a_training(tmp_path, vae_file, capsys):
    """`fulldit scene`s as a dataset: read, filtered, annotated, encoded and trained on for the debug config's steps."""
    layouts.world([*range(8)], tmp_path / "scenes", *SIZE)
    layouts.cut_short(tmp_path / "scenes" / "scene00007" / "video.mp4")
    set_, run_ = tmp_path / "set", tmp_path / "run"
    assert main(["dataset", "read", "world", str(tmp_path / "scenes"), "--out", str(set_), "--quiet", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["clips"] == 8
    ranges = ["--motion", "0..", "--luminance", "0..255", "--cuts", "..9"]
    assert main(["dataset", "filter", str(set_ / "manifest.jsonl"), *ranges, "--quiet", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["kept"], report["failed"]) == (7, 1)
    assert main(["dataset", "annotate", str(set_ / "filtered.jsonl"), "--depth", "small", "--quiet"]) == 0
    assert "7 clips kept" in capsys.readouterr().out
    run_.mkdir()
    (run_ / "fulldit_mini_vae.safetensors").write_bytes(vae_file.read_bytes())
    encode = ["dataset", "encode", str(set_ / "annotated.jsonl"), "--model", "debug", "--vae", str(vae_file)]
    encode += ["--to", str(run_ / "data"), "--quiet"]
    assert main([*encode, "--held-out", "0.3"]) == 0
    assert f"held out: 2 of 7 clips: {run_ / 'held_out'}" in capsys.readouterr().out
    parts = [TarClips(run_ / part) for part in ("data", "held_out")]
    assert [len(clips) for clips in parts] == [5, 2] and len({id for clips in parts for id in clips.ids}) == 7
    assert main([*encode, "--held-out", "0.3"]) == 0 and "7 were done before" in capsys.readouterr().out
    for other in ([], ["--held-out", "0.5"]):
        assert main([*encode, *other]) == 2
        assert "which are to go elsewhere now" in capsys.readouterr().err
    assert main(["train", "generator", "--config", "debug", "--out", str(run_)]) == 0
    assert (run_ / "fulldit_mini.safetensors").exists()


def test_the_command_refuses_in_one_line(tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    (tmp_path / "m.jsonl").write_text('{"id": "a", "video": "a.mp4", "license": "x"}\n')
    (tmp_path / "two.jsonl").write_text(
        (tmp_path / "m.jsonl").read_text() + '{"id": "b", "video": "b.mp4", "license": "x"}\n'
    )
    manifest, two = str(tmp_path / "m.jsonl"), str(tmp_path / "two.jsonl")
    for arguments, said in (
        (["read", "folder", str(tmp_path / "empty"), "--out", str(tmp_path / "o")], "No clips of the layout"),
        (["read", "vipe", str(tmp_path / "none"), "--out", str(tmp_path / "o")], "is not a folder"),
        (["filter", manifest, "--motion", "3"], "LOW..HIGH"),
        (["annotate", manifest, "--captions", "http://localhost/v1"], "--captions-model"),
        (["annotate", manifest, "--depth", "moge"], "needs its model"),
        (["encode", manifest, "--model", "nothing"], "nothing"),
        (["encode", manifest, "--held-out", "0.5"], "All 1 clips would be held out"),
        (["encode", two, "--held-out", "0.5", "--to", str(tmp_path / "held_out")], "the folder of what is held out"),
        (["filter", str(tmp_path / "no.jsonl")], "does not exist"),
    ):
        assert main(["dataset", *arguments, "--quiet"]) == 2, arguments
        lines = capsys.readouterr().err.strip().splitlines()
        assert len(lines) == 1 and said in lines[0], lines
