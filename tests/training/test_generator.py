"""The generator's stage from rendered clips to exported weights, at debug size with a VAE of random weights."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch

from comfyui_fulldit.control.camera.motion_range import CameraMotionRange, measure_motion_range
from comfyui_fulldit.control.camera.trajectory import CameraTrajectory
from comfyui_fulldit.control.errors import UserError
from comfyui_fulldit.dataset.latents import EncodedClips, encode_clips, write_shards
from comfyui_fulldit.dataset.loss_weights import blank_map, object_mask
from comfyui_fulldit.dataset.motion_range import of_clips
from comfyui_fulldit.dataset.text_rows import row_text, text_rows
from comfyui_fulldit.models.backbone.initialize import initialize
from comfyui_fulldit.models.backbone.transformer import FullDiT
from comfyui_fulldit.models.conditioning.condition_streams import Stream
from comfyui_fulldit.models.conditioning.text import TextEncoder
from comfyui_fulldit.models.families.presets import PRESETS
from comfyui_fulldit.models.vae.autoencoder import VAE
from comfyui_fulldit.models.vae.vae_file import fingerprint, load_vae, save_vae
from comfyui_fulldit.models.weights.checkpoint import (
    embedded_path,
    load_model,
    read_camera_motion_range,
    read_config,
    save_model,
)
from comfyui_fulldit.scenes import render
from comfyui_fulldit.training import stages
from comfyui_fulldit.training.common import precision
from comfyui_fulldit.training.common.log import read_log
from comfyui_fulldit.training.common.settings import config_path, read_settings
from comfyui_fulldit.training.generator.batches import (
    Batches,
    Part,
    draw_times,
    make_batch,
    parse_subset,
    phase_at,
    without,
)
from comfyui_fulldit.training.generator.data import TrainingData
from comfyui_fulldit.training.generator.settings import GeneratorSettings, LoRASettings, Phase, VideoSettings
from comfyui_fulldit.training.generator.start import config_of, grown, networks
from comfyui_fulldit.training.generator.train_generator import Trainer
from comfyui_fulldit.training.stages import encode_data, run

DEBUG = PRESETS["debug"]
SIZE = (DEBUG.frames, DEBUG.height, DEBUG.width)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with a random VAE and the debug config's clips."""
    folder = tmp_path_factory.mktemp("run")
    torch.manual_seed(0)
    save_vae(folder / "fulldit_mini_vae.safetensors", VAE(dim=4))
    encode_data(config_path("generator", "debug"), folder / "fulldit_mini_vae.safetensors", folder / "data")
    return folder


@pytest.fixture(scope="module")
def clips(place):
    return EncodedClips(place / "data")


def trainer(place, out, **changes):
    settings = read_settings(config_path("generator", "debug"), GeneratorSettings)
    return Trainer(
        replace(settings, **changes),
        out,
        place / "fulldit_mini_vae.safetensors",
        place / "data",
        out / "weights.safetensors",
    )


def test_encoded_clips_are_what_was_rendered(place, clips):
    rendered = render([0, 1], *SIZE)
    assert len(clips) == 8
    assert row_text(clips.get("captions", [1])[0]) == rendered.captions[1]
    for slot in range(3):
        assert [clips.has(f"reference.{slot}", [i]) for i in (0, 1)] == rendered.present[:, slot].tolist()
    c2w, intrinsics = rendered.trajectories()
    assert torch.allclose(clips.get("c2w", [0, 1]), c2w) and torch.allclose(clips.get("intrinsics", [0, 1]), intrinsics)
    assert (
        clips.get("video", [0]).shape == (1, 16, *DEBUG.latent_size) and clips.get("video", [0]).dtype == torch.bfloat16
    )


def of_world(seeds, size) -> CameraMotionRange:
    """The reach of scenes as they are rendered."""
    scenes = render(seeds, *size)
    paths = zip(*(values.numpy() for values in scenes.trajectories()), strict=True)
    return measure_motion_range(CameraTrajectory(poses, lens, fps=scenes.fps) for poses, lens in paths)


def test_the_reach_of_the_clips_is_that_of_the_world(clips):
    """Measured from the encoded clips or from the world they were rendered from: the same figures."""
    ours, worlds = of_clips(clips, DEBUG.fps).to_json(), of_world(range(len(clips)), SIZE).to_json()
    assert ours["clips"] == worlds["clips"] == len(clips)
    assert np.allclose(
        np.concatenate([np.ravel(v) for v in ours.values()]),
        np.concatenate([np.ravel(v) for v in worlds.values()]),
        atol=1e-4,
    )
    assert of_clips(clips, DEBUG.fps, most=3).clips == 3


def test_the_shipped_weights_know_the_reach_of_what_they_saw():
    """Some of the clips that the embedded model was trained on lie within its reach, which is a plausible one."""
    known = read_camera_motion_range(embedded_path("fulldit_mini"))
    config = read_config(embedded_path("fulldit_mini"))
    some = of_world(range(100, 108), (config.frames, config.height, config.width))
    assert known.clips >= 1000
    for name in ("pan", "tilt", "roll", "right", "down", "forward", "fov"):
        (low, high), (least, most) = getattr(some, name), getattr(known, name)
        assert least - 1e-3 <= low and high <= most + 1e-3, name
    assert some.turn <= known.turn + 1e-3 and some.distance_step <= known.distance_step + 1e-3
    assert 20 < known.turn < 120 and 0.2 < known.distance < 3


def test_text_survives_rows():
    texts = ["A ball.", "", "é" * 200]
    back = [row_text(row) for row in text_rows(texts, 64)]
    assert back[:2] == texts[:2] and back[2] == "é" * 32


def test_shards_are_kept_joined_and_guarded(place, tmp_path):
    torch.manual_seed(0)
    vae = VAE(dim=4).bfloat16()
    assert write_shards(vae, tmp_path, DEBUG, 2, shard=2) == 2
    first = (tmp_path / "shard_00000.safetensors").stat().st_mtime_ns
    known = EncodedClips(tmp_path)
    assert write_shards(vae, tmp_path, DEBUG, 4, shard=2) == 4
    assert (tmp_path / "shard_00000.safetensors").stat().st_mtime_ns == first
    assert len(known) == 2 and known.rescan() == 4
    torch.manual_seed(1)
    with pytest.raises(UserError, match="another VAE"):
        write_shards(VAE(dim=4).bfloat16(), tmp_path, DEBUG, 4, shard=2)
    (tmp_path / "shard_00000.safetensors").unlink()
    with pytest.raises(UserError, match="missing before"):
        EncodedClips(tmp_path)


def test_the_last_clips_may_be_asked_to_show_several_objects(tmp_path):
    small = replace(DEBUG, frames=1, height=16, width=16)
    write_shards(VAE(dim=4).bfloat16(), tmp_path, small, 12, shard=4, batch=4, several=8)
    clips = EncodedClips(tmp_path)
    present = torch.tensor([[clips.has(f"reference.{slot}", [i]) for slot in range(3)] for i in range(12)]).sum(1)
    plain = render(range(4), *SIZE).present.sum(1)
    assert present[:4].tolist() == plain.tolist() and present[:4].min() == 1
    assert present[4:].min() >= 2


def test_errors_in_objects_count_as_asked(place, tmp_path):
    """In training an object's places count three times; where they are is read off the identity map."""
    small = trainer(place, tmp_path, object_weight=3.0)
    batch = small.data.batches.draw(2, 0.0)
    noise, t = torch.randn(batch.video.shape), torch.full((2,), 0.5)
    there = object_mask(batch.maps, small.learner.blanks[DEBUG.latent_size])
    assert there.shape == (2, 1, *DEBUG.latent_size) and set(there.unique().tolist()) <= {0.0, 1.0}
    plain = small.learner.eval()(batch, noise, t)
    # A network that says nothing errs by the velocity itself.
    wanted = ((batch.video - noise).square() * small.learner.weights).mean(1, keepdim=True)
    assert torch.allclose(plain, wanted.mean((1, 2, 3, 4)), rtol=1e-4)
    weighted = small.learner.train()(batch, noise, t)
    assert torch.allclose(weighted, (wanted * (1 + 2 * there)).mean((1, 2, 3, 4)), rtol=1e-4)


def test_an_empty_map_has_no_objects():
    vae = load_vae(embedded_path("fulldit_mini_vae"))
    blank = blank_map(vae, DEBUG.geometry, (2, 8, 12))
    full = torch.zeros(1, 3, 5, 64, 96)
    full[:, 1, :, :, :48] = 1  # slot 1 fills the left half
    from comfyui_fulldit.models.conditioning.encoder import encode_frames

    there = object_mask(encode_frames(vae, full), blank)
    assert object_mask(blank, blank).sum() == 0
    assert there[..., :5].mean() > 0.95 and there[..., 8:].mean() < 0.05


def test_going_on_from_a_checkpoint(place, tmp_path):
    first = trainer(place, tmp_path / "first")
    first.run()
    weights = tmp_path / "first" / "weights.safetensors"
    more = trainer(place, tmp_path / "more", model=str(weights))
    assert more.loop.step == 0 and more.config == first.config
    for name, value in first.ema.values.items():
        assert torch.allclose(more.learner.state_dict()[name], value, atol=1e-2), name
    assert more.run()["finished"]
    with pytest.raises(UserError, match="presets debug.*does not exist"):
        trainer(place, tmp_path / "none", model="fulldit_huge")
    torch.manual_seed(5)
    save_vae(tmp_path / "other.safetensors", VAE(dim=4))
    with pytest.raises(UserError, match="latents of the VAE"):
        networks(replace(more.settings, model=str(weights)), fingerprint(load_vae(tmp_path / "other.safetensors")))


def test_a_checkpoint_grows(place, tmp_path):
    """Larger patches give the mean of the finer tokens, a new stream says nothing yet, the rest is as it was."""
    small = replace(DEBUG, streams=("camera", "identity_map", "depth"))
    torch.manual_seed(1)
    before = FullDiT(small)
    initialize(before)
    with torch.no_grad():
        for parameter in before.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    weights = tmp_path / "weights.safetensors"
    save_model(weights, before, TextEncoder(dim=small.text_dim), small, dtype=None)
    settings = replace(
        trainer(place, tmp_path / "run").settings,
        model=str(weights),
        world=3,
        vae="another",
        video=VideoSettings(frames=9, height=64, width=64, patches={"depth": [1, 4, 4]}),
    )
    after, _, config = networks(settings, "the new VAE")
    assert (config.frames, config.height, config.width, config.fps) == (9, 64, 64, 12.0)
    assert config.vae_fingerprint == "the new VAE" and config.patch_of("depth") == (1, 4, 4)
    depth = torch.randn(1, 16, 3, 8, 8)
    fine = before.tokenizers["depth"](depth, torch.float32).reshape(1, 3, 2, 2, 2, 2, -1).mean((3, 5)).flatten(1, 3)
    assert torch.allclose(after.tokenizers["depth"](depth, torch.float32), fine, atol=1e-5)
    assert "reference" in config.streams and not after.tokenizers["reference"].type_vector.any()
    for name, value in before.state_dict().items():
        if ".depth.patch_embedding.weight" not in name:
            assert torch.equal(after.state_dict()[name], value), name


def test_kinds_of_control_videos_join_those_that_share_their_tokenizer():
    torch.manual_seed(2)
    few = replace(DEBUG, streams=("camera", "depth", "canny", "pose"))
    before, config = FullDiT(few), replace(few, streams=("camera", "depth", "canny", "normals", "pose"))
    initialize(before)
    after, data = grown(before, config), torch.randn(1, 16, *DEBUG.latent_size)
    for kind in ("canny", "pose"):
        mine, theirs = (network.embed_stream(Stream(kind, data), torch.float32) for network in (after, before))
        assert torch.equal(mine, theirs), kind
    new = after.embed_stream(Stream("normals", data), torch.float32)
    assert not torch.allclose(new, after.embed_stream(Stream("canny", data), torch.float32), atol=1e-2)


def test_conditions_join_a_checkpoint_that_lacks_them(place, tmp_path):
    first = trainer(place, tmp_path / "first")
    first.run()
    weights = tmp_path / "first" / "weights.safetensors"
    mark = first.config.vae_fingerprint
    settings = replace(first.settings, model=str(weights))
    joined = replace(settings, phases=[Phase(until=1.0, subsets={"camera": 1, "known": 1, "source": 1})])
    old = networks(settings, mark)[0].eval()
    new, _, config = networks(joined, mark)
    assert config.conditions == (*DEBUG.conditions, "source", "known")
    assert config == config_of(joined) and config_of(settings) == first.config
    for name in ("known", "source"):
        embedding = new.tokenizers[name].patch_embedding
        assert torch.equal(embedding.weight[:, : DEBUG.in_dim], new.patch_embedding.weight)
        assert torch.equal(embedding.bias, new.patch_embedding.bias)
    assert (new.tokenizers["known"].patch_embedding.weight[:, DEBUG.in_dim :] == 0).all()
    x, context = torch.randn(1, 16, *DEBUG.latent_size), torch.randn(1, 3, DEBUG.text_dim)
    with torch.no_grad():
        assert torch.equal(new.eval()(x, torch.tensor([500.0]), context), old(x, torch.tensor([500.0]), context))


def test_a_config_trains_conditions_that_join(place, tmp_path):
    """From rendered clips over shards to weights that a user can load and that take them."""
    first = trainer(place, tmp_path / "first")
    first.run()
    weights = tmp_path / "first" / "weights.safetensors"
    phases = [{"until": 1.0, "subsets": {"known": 1, "camera+known": 1, "source": 1, "camera": 0.01}}]
    changes = {"model": str(weights), "phases": phases, "steps": 3}
    settings = read_settings(config_path("generator", "debug"), GeneratorSettings, changes)
    assert settings.conditions() == ("known", "camera", "source")
    config = config_of(settings)
    vae = load_vae(place / "fulldit_mini_vae.safetensors")
    write_shards(vae, tmp_path / "data", config, clips=4, shard=4, batch=4)
    clips = EncodedClips(tmp_path / "data")
    assert {"known", "source"} < set(clips.keys) and clips.get("stream.known", [0]).shape[1] == DEBUG.in_dim + 4
    more = Trainer(
        settings,
        tmp_path / "more",
        place / "fulldit_mini_vae.safetensors",
        tmp_path / "data",
        tmp_path / "more.safetensors",
    )
    before = more.learner.model.tokenizers["known"].patch_embedding.weight.detach().clone()
    assert more.run()["finished"]
    assert not torch.equal(more.learner.model.tokenizers["known"].patch_embedding.weight, before)
    assert load_model(tmp_path / "more.safetensors")[2].conditions == (*DEBUG.conditions, "source", "known")


def test_every_clip_comes_once_an_epoch_and_new_ones_join(place, clips):
    batches = Batches([clips], [{"until": 1, "subsets": {"none": 1}, "tokens": None}], DEBUG)
    seen = batches.orders[0].take("any", 3) + batches.orders[0].take("any", 5)
    assert sorted(seen) == list(range(8))
    assert sorted(batches.orders[0].take("any", 8)) == list(range(8))
    assert batches.orders[0].state["any"][0] == 2


def test_the_schedule_brings_conditions_in_one_after_the_other(clips):
    phases = [
        {"until": 0.5, "subsets": {"none": 1, "camera": 1}, "tokens": None},
        {"until": 1.0, "subsets": {"identity": 1, "camera+identity+depth": 1}, "tokens": None},
    ]
    assert phase_at(phases, 0.49) is phases[0] and phase_at(phases, 1.0) is phases[1]
    batches = Batches([clips], phases, DEBUG)
    early = {batches.draw(2, 0.1).names for _ in range(30)}
    late = {batches.draw(2, 0.9).names for _ in range(30)}
    assert early == {(), ("camera",)} and late == {("identity",), ("camera", "identity", "depth")}
    with pytest.raises(UserError, match="'pose'"):
        Batches([clips], [{"until": 1, "subsets": {"camera+pose": 1}, "tokens": None}], DEBUG)


def test_conditions_are_dropped_by_removal(clips):
    def streams(names, **how):
        batch = make_batch(clips, [0], names, DEBUG, [True], **how)
        return [] if batch.conditions is None else [s.name for s in batch.conditions.streams], batch

    count = sum(clips.has(f"reference.{slot}", [0]) for slot in range(3))
    assert streams(parse_subset("nothing"))[0] == [] and streams(())[0] == []
    assert streams(("camera",))[0] == ["camera"]
    assert streams(("identity",))[0] == ["reference"] * count + ["identity_map"]
    assert streams(("identity",), with_optional=False)[0] == ["reference"] * count
    assert streams(("camera", "identity", "depth"))[0] == ["camera", *["reference"] * count, "identity_map", "depth"]
    nothing, none = streams(None)[1].tokens, streams(())[1].tokens
    empty = make_batch(clips, [1], None, DEBUG, [False]).tokens
    assert torch.equal(nothing, empty) and not torch.equal(nothing, none)


def test_times_cover_the_line_and_lead_only_in_their_share():
    generator = torch.Generator().manual_seed(0)
    t = torch.cat([draw_times(16, 3, 3.0, 0.0, generator) for _ in range(50)])
    assert t.min() >= 0 and t.max() <= 1 and abs(t.median() - 0.75) < 0.02
    clean_first_frame_prob = draw_times(64, 3, 3.0, 1.0, generator)
    assert (
        clean_first_frame_prob.shape == (64, 3)
        and (clean_first_frame_prob[:, 0] <= clean_first_frame_prob[:, 1]).all()
        and torch.equal(clean_first_frame_prob[:, 1], clean_first_frame_prob[:, 2])
    )
    assert 0.3 < (clean_first_frame_prob[:, 0] == 0).float().mean() < 0.7


def test_what_training_encodes_is_what_a_users_conditions_give():
    from comfyui_fulldit.models.encode import encode_conditions

    torch.manual_seed(0)
    vae = VAE(dim=4)
    rendered = render([3], *SIZE)
    stored = encode_clips(vae, [rendered], DEBUG)
    streams = encode_conditions(rendered.conditions(0, DEBUG.conditions), vae, DEBUG).streams
    assert {f"stream.{stream.key}" for stream in streams} == {name for name in stored if name.startswith("stream.")}
    for stream in streams:
        assert torch.equal(stored[f"stream.{stream.key}"][0], stream.data[0].to(stored[f"stream.{stream.key}"].dtype))


def test_everything_computes_in_the_format_of_the_device(place, tmp_path, monkeypatch):
    """On a device without bfloat16 units nothing is computed in bfloat16; the record says what was."""
    monkeypatch.setattr(precision, "pick_dtype", lambda _device: torch.float32)
    small = trainer(place, tmp_path, steps=1)
    assert {p.dtype for p in small.report.held_out.vae.parameters()} == {torch.float32}
    seen = []
    small.learner.model.register_forward_hook(lambda _module, _inputs, output: seen.append(output.dtype))
    record = small.run()
    assert set(seen) == {torch.float32} and record["precision"] == "float32"
    assert record["settings"]["precision"] == "auto"


def test_resuming_is_bit_exact_and_the_weights_load(place, tmp_path):
    whole = trainer(place, tmp_path / "whole")
    record = whole.run()
    assert record["steps"] == 4 and record["finished"] and record["samples"] == 16

    halves = trainer(place, tmp_path / "halves")
    halves.run(until=2)
    torch.manual_seed(999)
    again = trainer(place, tmp_path / "halves")
    assert again.loop.step == 2
    again.run()
    for name, value in whole.learner.state_dict().items():
        assert torch.equal(value, again.learner.state_dict()[name]), name
        assert torch.equal(whole.ema.values[name], again.ema.values[name]), name

    log = read_log(tmp_path / "halves" / "log.jsonl")
    assert [line["step"] for line in log if "loss" in line] == [1, 2, 3, 4]
    held_out = [line["held_out"] for line in log if "held_out" in line][-1]
    assert set(held_out) == {"none", "exchanged", "all", *DEBUG.conditions}
    assert all(value > 0 for value in held_out.values())
    assert (tmp_path / "whole" / "loss.png").exists() and list((tmp_path / "whole" / "sheets").glob("*.png"))
    model, text, config = load_model(tmp_path / "whole" / "weights.safetensors", "cpu", torch.float32)
    assert config.vae_fingerprint == whole.config.vae_fingerprint
    reach = of_clips(whole.data.clips, DEBUG.fps)
    assert read_camera_motion_range(tmp_path / "whole" / "weights.safetensors") == CameraMotionRange.from_json(
        reach.to_json()
    )
    trained = whole.ema.values["model.head.head.weight"]
    assert torch.allclose(model.state_dict()["head.head.weight"], trained, atol=1e-2)


def test_all_three_after_pairs_only(place, tmp_path):
    """The configs of the paper's claim of emergence: their base, but all three never occur together; and it trains."""
    for name, base in (("emergence", "cpu"), ("emergence_gpu", "gpu")):
        settings = read_settings(config_path("generator", name), GeneratorSettings)
        like = read_settings(config_path("generator", base), GeneratorSettings)
        assert replace(settings, never=[]) == like
        left = [parse_subset(key) or () for phase in settings.schedule() for key in phase["subsets"]]
        assert {("camera", "identity"), ("camera", "depth"), ("identity", "depth")} <= set(left)
        assert max(map(len, left)) == 2 and any("camera+identity+depth" in phase.subsets for phase in like.phases)

    small = trainer(place, tmp_path, phases=like.phases, never=settings.never, steps=5, log_steps=5)
    seen = []
    real = small.data.batches.draw
    small.data.batches.draw = lambda *given: seen.append(real(*given)) or seen[-1]
    record = small.run()
    assert record["finished"] and record["settings"]["never"] == ["camera+identity+depth"]
    assert len(seen) == 10 and max(len(batch.names) for batch in seen) <= 2
    # All three at once are measured on held-out clips, though never trained.
    assert record["held_out"]["all"] > 0 and load_model(tmp_path / "weights.safetensors", "cpu", torch.float32)


def test_steps_that_are_no_number_change_nothing_and_end_the_run_after_three(place, tmp_path, monkeypatch):
    small = trainer(place, tmp_path, steps=20)
    draw, broken = small.data.draw, {2, 4, 5, 6}

    def draw_broken(progress):
        batch, noise, t = draw(progress)
        return batch, noise * float("nan" if small.loop.step + 1 in broken else 1), t

    monkeypatch.setattr(small.data, "draw", draw_broken)
    small.run(until=1)
    before = {name: value.clone() for name, value in small.learner.state_dict().items()}
    small.run(until=2)
    assert small.loop.step == 2 and all(torch.equal(v, before[k]) for k, v in small.learner.state_dict().items())
    small.run(until=3)
    moved = small.learner.state_dict()
    assert any(not torch.equal(value, before[name]) for name, value in moved.items())
    with pytest.raises(UserError, match="not a number in 3 steps in a row, up to step 6"):
        small.run()
    assert all(bool(torch.isfinite(value).all()) for value in small.learner.state_dict().values())
    notes = [line["step"] for line in read_log(tmp_path / "log.jsonl") if "note" in line]
    assert notes == [2, 4, 5, 6]
    again = trainer(place, tmp_path, steps=20)
    assert again.loop.step == 3  # what was saved last is from before


def test_a_lora_trains_beside_a_base_that_stays_and_is_merged_into_what_is_exported(place, tmp_path):
    first = trainer(place, tmp_path / "first", steps=1)
    first.run()
    start = str(tmp_path / "first" / "weights.safetensors")
    small = trainer(place, tmp_path / "lora", model=start, lora=LoRASettings(rank=2, base="fp32"), precision="fp32")
    trained = {name for name, p in small.learner.named_parameters() if p.requires_grad}
    assert all("lora_" in name or ".tokenizers." in name for name in trained) and len(trained) > 40
    saved = small.run()
    assert saved["trained"] < saved["parameters"] and small.ema.values.keys() == trained
    q = "blocks.0.self_attn.q"
    layer = small.learner.model.get_submodule(q)
    before, after = (load_model(path)[0].state_dict() for path in (start, tmp_path / "lora" / "weights.safetensors"))
    assert torch.equal(layer.weight, before[f"{q}.weight"])
    low = [small.ema.values[f"model.{q}.lora_{matrix}.weight"] for matrix in "BA"]
    assert torch.allclose(after[f"{q}.weight"], before[f"{q}.weight"] + low[0] @ low[1], atol=2e-3)
    assert torch.equal(after["blocks.0.norm3.weight"], before["blocks.0.norm3.weight"])


def test_clips_of_several_sizes_come_by_phase_and_in_batches_of_equal_tokens(place, tmp_path):
    (tmp_path / "data").mkdir()
    shutil.copytree(place / "data", tmp_path / "data" / "large")
    vae = load_vae(place / "fulldit_mini_vae.safetensors", dtype=torch.bfloat16)
    write_shards(vae, tmp_path / "data" / "small", replace(DEBUG, frames=1), 8)
    settings = read_settings(config_path("generator", "debug"), GeneratorSettings)
    early, late = Phase(0.5, {"camera": 1.0}, tokens=6), Phase(1.0, {"depth": 1.0})
    settings = replace(settings, phases=[early, late], object_weight=1.0, micro_tokens=24, shift_tokens=12, batch=4)
    data = TrainingData(settings, DEBUG, vae, tmp_path / "data", Part(1, 2))
    assert len(data) == 16 and data.shift(12) == settings.shift and data.shift(48) == 2 * settings.shift
    assert {tuple(data.draw(0.1)[0].video.shape) for _ in range(5)} == {(2, 16, 1, 4, 6)}
    seen = Counter(tuple(data.draw(0.9)[0].video.shape) for _ in range(300))
    assert seen.keys() == {(2, 16, 1, 4, 6), (1, 16, 2, 4, 6)}
    # As many clips of each size, so as many of each are seen: twice as many micro-batches of the large ones.
    assert 170 < seen[1, 16, 2, 4, 6] < 230
    with pytest.raises(UserError, match="at most 3 video tokens, but those at hand have 6, 12"):
        TrainingData(replace(settings, phases=[Phase(1.0, {"none": 1.0}, 3)]), DEBUG, vae, tmp_path / "data")
    weighted = TrainingData(replace(settings, object_weight=2.0), DEBUG, vae, tmp_path / "data")
    assert {size: tuple(blank.shape[2:]) for size, blank in weighted.blank_maps.items()} == {
        (1, 4, 6): (1, 4, 6),
        (2, 4, 6): (2, 4, 6),
    }
    with pytest.raises(UserError, match="micro-batch of 2 clips cannot be dealt evenly to 3"):
        TrainingData(replace(settings, micro_tokens=None), DEBUG, vae, tmp_path / "data", Part(0, 3))


def test_parts_of_a_micro_batch_are_the_whole(place):
    """Every clip is read once, with the noise and the time that it has where one process reads all."""
    settings = replace(read_settings(config_path("generator", "debug"), GeneratorSettings), batch=12)
    vae = load_vae(place / "fulldit_mini_vae.safetensors")
    whole, *parts = (
        TrainingData(settings, DEBUG, vae, place / "data", part) for part in (Part(), *(Part(i, 3) for i in range(3)))
    )
    for progress in (0.0, 0.4, 0.9):
        batch, noise, t = whole.draw(progress)
        pieces = [part.draw(progress) for part in parts]
        assert {piece[0].names for piece in pieces} == {batch.names}
        assert torch.equal(torch.cat([piece[0].video for piece in pieces]), batch.video)
        assert torch.equal(torch.cat([piece[1] for piece in pieces]), noise)
        assert torch.equal(torch.cat([piece[2] for piece in pieces]), t)


def test_subsets_are_taken_out_by_name():
    phases = [
        {"until": 0.5, "subsets": {"none": 1}, "tokens": 9},
        {"until": 1.0, "subsets": {"camera": 1, "depth": 3}, "tokens": None},
    ]
    assert without(phases, []) == phases
    assert without(phases, ["depth"])[1] == {"until": 1.0, "subsets": {"camera": 1}, "tokens": None}
    assert phases[1]["subsets"] == {"camera": 1, "depth": 3}
    with pytest.raises(UserError, match="'identity', but no phase"):
        without(phases, ["identity"])
    with pytest.raises(UserError, match="nothing is left"):
        without(phases, ["none"])


def test_stages_refuse_what_is_missing(tmp_path, monkeypatch):
    with pytest.raises(UserError, match="no stage 'video'"):
        run("video", "debug", tmp_path)
    with pytest.raises(UserError, match="There is no config"):
        run("all", "huge", tmp_path)
    import comfyui_fulldit.models.weights.checkpoint as checkpoint

    monkeypatch.setattr(checkpoint, "embedded_path", lambda name: tmp_path / f"{name}.safetensors")
    with pytest.raises(UserError, match="no VAE yet"):
        run("generator", "debug", tmp_path)


def test_no_stage_follows_one_that_was_stopped(tmp_path, monkeypatch):
    monkeypatch.setattr(stages, "run_stage", lambda name, *_: {"finished": False} if name == "generator" else {})
    assert list(run("all", "debug", tmp_path)) == ["vae", "data", "generator"]


def test_all_stages_run_from_nothing_at_debug_size(tmp_path):
    results = run("all", "debug", tmp_path)
    assert list(results) == ["vae", "data", "generator", "estimators"]
    for name in ("fulldit_mini_vae", "fulldit_mini", "fulldit_mini_estimators"):
        assert (tmp_path / f"{name}.safetensors").stat().st_size > 1000
    assert json.loads((tmp_path / "generator" / "record.json").read_text())["steps"] == 4
