"""The generator's stage from rendered clips to exported weights, at debug size with a VAE of random weights."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from comfyui_fulldit.control.camera.reach import Reach
from comfyui_fulldit.control.errors import UserError
from comfyui_fulldit.models.checkpoint import embedded_path, load_model, read_config, read_reach
from comfyui_fulldit.models.config import PRESETS
from comfyui_fulldit.models.vae.autoencoder import VAE
from comfyui_fulldit.models.vae.file import save_vae
from comfyui_fulldit.scenes import render
from comfyui_fulldit.training.batches import Batches, draw_times, make_batch, parse_subset, phase_at, without
from comfyui_fulldit.training.command import encode_data, run
from comfyui_fulldit.training.generator import GeneratorSettings, Trainer
from comfyui_fulldit.training.latents import EncodedClips, encode_clips, row_text, text_rows, write_shards
from comfyui_fulldit.training.reach import of_clips, of_world
from comfyui_fulldit.training.report import read_log
from comfyui_fulldit.training.settings import config_path, read_settings

DEBUG = PRESETS["debug"]
SIZE = (DEBUG.frames, DEBUG.height, DEBUG.width)
GEOMETRY = ((DEBUG.frames - 1) // 4 + 1, DEBUG.height // 8, DEBUG.width // 8)


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
    assert torch.equal(clips.get("present", [0, 1]).bool(), rendered.present)
    c2w, intrinsics = rendered.trajectories()
    assert torch.allclose(clips.get("c2w", [0, 1]), c2w) and torch.allclose(
        clips.get("intrinsics", [0, 1]), intrinsics
    )
    assert clips.get("video", [0]).shape == (1, 16, *GEOMETRY) and clips.get("video", [0]).dtype == torch.bfloat16


def test_the_reach_of_the_clips_is_that_of_the_world(clips):
    """Measured from the encoded clips or from the world they were rendered from: the same figures."""
    ours, worlds = of_clips(clips, DEBUG.fps).to_json(), of_world(len(clips), SIZE, batch=3).to_json()
    assert ours["clips"] == worlds["clips"] == len(clips)
    assert np.allclose(np.concatenate([np.ravel(v) for v in ours.values()]),
                       np.concatenate([np.ravel(v) for v in worlds.values()]), atol=1e-4)  # fmt: skip
    assert of_clips(clips, DEBUG.fps, most=3).clips == 3


def test_the_shipped_weights_know_the_reach_of_what_they_saw():
    """Some of the clips that the embedded model was trained on lie within its reach, which is a plausible one."""
    known = read_reach(embedded_path("fulldit_mini"))
    config = read_config(embedded_path("fulldit_mini"))
    some = of_world(8, (config.frames, config.height, config.width), first_seed=100)
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
    assert write_shards(vae, tmp_path, 2, shard=2, size=SIZE) == 2
    first = (tmp_path / "shard_00000.safetensors").stat().st_mtime_ns
    known = EncodedClips(tmp_path)
    assert write_shards(vae, tmp_path, 4, shard=2, size=SIZE) == 4
    assert (tmp_path / "shard_00000.safetensors").stat().st_mtime_ns == first
    assert len(known) == 2 and known.rescan() == 4
    torch.manual_seed(1)
    with pytest.raises(UserError, match="another VAE"):
        write_shards(VAE(dim=4).bfloat16(), tmp_path, 4, shard=2, size=SIZE)
    (tmp_path / "shard_00000.safetensors").unlink()
    with pytest.raises(UserError, match="missing before"):
        EncodedClips(tmp_path)


def test_every_clip_comes_once_an_epoch_and_new_ones_join(place, clips):
    batches = Batches(clips, [{"until": 1, "subsets": {"none": 1}}], GEOMETRY, DEBUG.fps)
    seen = batches.order.take("any", 3) + batches.order.take("any", 5)
    assert sorted(seen) == list(range(8))
    assert sorted(batches.order.take("any", 8)) == list(range(8))
    assert batches.order.state["any"][0] == 2


def test_the_schedule_brings_conditions_in_one_after_the_other(clips):
    phases = [
        {"until": 0.5, "subsets": {"none": 1, "camera": 1}},
        {"until": 1.0, "subsets": {"identity": 1, "camera+identity+depth": 1}},
    ]
    assert phase_at(phases, 0.49) is phases[0] and phase_at(phases, 1.0) is phases[1]
    batches = Batches(clips, phases, GEOMETRY, DEBUG.fps)
    early = {batches.draw(2, 0.1).names for _ in range(30)}
    late = {batches.draw(2, 0.9).names for _ in range(30)}
    assert early == {(), ("camera",)} and late == {("identity",), ("camera", "identity", "depth")}
    with pytest.raises(UserError, match="'pose'"):
        Batches(clips, [{"until": 1, "subsets": {"camera+pose": 1}}], GEOMETRY, DEBUG.fps)


def test_conditions_are_dropped_by_removal(clips):
    def streams(names, **how):
        batch = make_batch(clips, [0], names, GEOMETRY, DEBUG.fps, [True], **how)
        return [] if batch.conditions is None else [s.name for s in batch.conditions.streams], batch

    count = int(clips.get("present", [0]).sum())
    assert streams(parse_subset("nothing"))[0] == [] and streams(())[0] == []
    assert streams(("camera",))[0] == ["camera"]
    assert streams(("identity",))[0] == ["reference"] * count + ["identity_map"]
    assert streams(("identity",), with_map=False)[0] == ["reference"] * count
    assert streams(("camera", "identity", "depth"))[0] == ["camera", *["reference"] * count, "identity_map", "depth"]
    nothing, none = streams(None)[1].tokens, streams(())[1].tokens
    empty = make_batch(clips, [1], None, GEOMETRY, DEBUG.fps, [False]).tokens
    assert torch.equal(nothing, empty) and not torch.equal(nothing, none)


def test_times_cover_the_line_and_lead_only_in_their_share():
    generator = torch.Generator().manual_seed(0)
    t = torch.cat([draw_times(16, 3, 3.0, 0.0, generator) for _ in range(50)])
    assert t.min() >= 0 and t.max() <= 1 and abs(t.median() - 0.75) < 0.02
    lead = draw_times(64, 3, 3.0, 1.0, generator)
    assert lead.shape == (64, 3) and (lead[:, 0] <= lead[:, 1]).all() and torch.equal(lead[:, 1], lead[:, 2])
    assert 0.3 < (lead[:, 0] == 0).float().mean() < 0.7


def test_the_batched_road_equals_the_users_road(place):
    """What training encodes in batches is what one user's controls give."""
    from comfyui_fulldit.models.encode import encode_controls

    torch.manual_seed(0)
    vae = VAE(dim=4)
    rendered = render([3], *SIZE)
    stored = encode_clips(vae, rendered)
    conditions = encode_controls(rendered.controls(0), vae, DEBUG, *SIZE)
    given = {(s.name, s.slot): s.data for s in conditions.streams}
    depth, maps = stored["depth"].float(), stored["identity_map"].float()
    assert torch.allclose(given["depth", None], depth, atol=0.02, rtol=0.02)
    assert torch.allclose(given["identity_map", None], maps, atol=0.02, rtol=0.02)
    assert {slot for name, slot in given if name == "reference"} == set(range(int(rendered.present.sum())))


def test_resuming_is_bit_exact_and_the_weights_load(place, tmp_path):
    whole = trainer(place, tmp_path / "whole")
    record = whole.run()
    assert record["steps"] == 4 and record["finished"] and record["samples"] == 16

    halves = trainer(place, tmp_path / "halves")
    halves.run(until=2)
    torch.manual_seed(999)
    again = trainer(place, tmp_path / "halves")
    assert again.step == 2
    again.run()
    for name, value in whole.bare.state_dict().items():
        assert torch.equal(value, again.bare.state_dict()[name]), name
        assert torch.equal(whole.average.values[name], again.average.values[name]), name

    log = read_log(tmp_path / "halves" / "log.jsonl")
    assert [line["step"] for line in log if "loss" in line] == [1, 2, 3, 4]
    held_out = [line["held_out"] for line in log if "held_out" in line][-1]
    assert set(held_out) == {"none", "camera", "identity", "depth", "all"} and all(v > 0 for v in held_out.values())
    assert (tmp_path / "whole" / "loss.png").exists() and list((tmp_path / "whole" / "sheets").glob("*.png"))
    model, text, config = load_model(tmp_path / "whole" / "weights.safetensors", "cpu", torch.float32)
    assert config.vae == whole.config.vae
    reach = of_clips(whole.clips, DEBUG.fps)
    assert read_reach(tmp_path / "whole" / "weights.safetensors") == Reach.from_json(reach.to_json())
    trained = whole.average.values["model.head.head.weight"]
    assert torch.allclose(model.state_dict()["head.head.weight"], trained, atol=1e-2)


def test_all_three_after_pairs_only(place, tmp_path):
    """The configs of the paper's claim of emergence: their base, but all three never occur together; and it trains."""
    for name, base in (("emergence", "cpu"), ("emergence_gpu", "gpu")):
        settings = read_settings(config_path("generator", name), GeneratorSettings)
        like = read_settings(config_path("generator", base), GeneratorSettings)
        assert replace(settings, never=[]) == like
        left = [parse_subset(key) or () for phase in without(like.phases, settings.never) for key in phase["subsets"]]
        assert {("camera", "identity"), ("camera", "depth"), ("identity", "depth")} <= set(left)
        assert max(map(len, left)) == 2 and any("camera+identity+depth" in phase["subsets"] for phase in like.phases)

    small = trainer(place, tmp_path, phases=like.phases, never=settings.never, steps=5, log_steps=5)
    seen = []
    real = small.batches.draw
    small.batches.draw = lambda *given: seen.append(real(*given)) or seen[-1]
    record = small.run()
    assert record["finished"] and record["settings"]["never"] == ["camera+identity+depth"]
    assert len(seen) == 10 and max(len(batch.names) for batch in seen) <= 2
    # All three at once are measured on held-out clips, though never trained.
    assert record["held_out"]["all"] > 0 and load_model(tmp_path / "weights.safetensors", "cpu", torch.float32)


def test_subsets_are_taken_out_by_name():
    phases = [{"until": 0.5, "subsets": {"none": 1}}, {"until": 1.0, "subsets": {"camera": 1, "depth": 3}}]
    assert without(phases, []) == phases
    assert without(phases, ["depth"])[1] == {"until": 1.0, "subsets": {"camera": 1}}
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
    import comfyui_fulldit.models.checkpoint as checkpoint

    monkeypatch.setattr(checkpoint, "embedded_path", lambda name: tmp_path / f"{name}.safetensors")
    with pytest.raises(UserError, match="no VAE yet"):
        run("generator", "debug", tmp_path)


def test_all_stages_run_from_nothing_at_debug_size(tmp_path):
    results = run("all", "debug", tmp_path)
    assert list(results) == ["vae", "data", "generator", "estimators"]
    for name in ("fulldit_mini_vae", "fulldit_mini", "fulldit_mini_estimators"):
        assert (tmp_path / f"{name}.safetensors").stat().st_size > 1000
    assert json.loads((tmp_path / "generator" / "record.json").read_text())["steps"] == 4
