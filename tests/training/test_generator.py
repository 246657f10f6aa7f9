"""The generator's stage from rendered clips to exported weights, at debug size with a VAE of random weights."""

from __future__ import annotations

import json
import os
import subprocess
import sys
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
from comfyui_fulldit.models.families.presets import PRESETS
from comfyui_fulldit.models.vae.autoencoder import VAE
from comfyui_fulldit.models.vae.vae_file import fingerprint, load_vae, save_vae
from comfyui_fulldit.models.weights.checkpoint import embedded_path, load_model, read_camera_motion_range, read_config
from comfyui_fulldit.scenes import render
from comfyui_fulldit.training import stages
from comfyui_fulldit.training.common import precision
from comfyui_fulldit.training.common.log import read_log
from comfyui_fulldit.training.common.settings import config_path, read_settings
from comfyui_fulldit.training.generator.batches import Batches, draw_times, make_batch, parse_subset, phase_at, without
from comfyui_fulldit.training.generator.settings import GeneratorSettings
from comfyui_fulldit.training.generator.start import networks
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
    there = object_mask(batch.maps, small.bare.blank)
    assert there.shape == (2, 1, *DEBUG.latent_size) and set(there.unique().tolist()) <= {0.0, 1.0}
    plain = small.bare.eval()(batch, noise, t)
    # A network that says nothing errs by the velocity itself.
    wanted = ((batch.video - noise).square() * small.bare.weights).mean(1, keepdim=True)
    assert torch.allclose(plain, wanted.mean((1, 2, 3, 4)), rtol=1e-4)
    weighted = small.bare.train()(batch, noise, t)
    assert torch.allclose(weighted, (wanted * (1 + 2 * there)).mean((1, 2, 3, 4)), rtol=1e-4)


def test_an_empty_map_has_no_objects():
    vae = load_vae(embedded_path("fulldit_mini_vae"))
    blank = blank_map(vae, replace(DEBUG, frames=5, height=64, width=96))
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
        assert torch.allclose(more.bare.state_dict()[name], value, atol=1e-2), name
    assert more.run()["finished"]
    with pytest.raises(UserError, match="presets debug.*does not exist"):
        trainer(place, tmp_path / "none", model="fulldit_huge")
    torch.manual_seed(5)
    save_vae(tmp_path / "other.safetensors", VAE(dim=4))
    with pytest.raises(UserError, match="latents of the VAE"):
        networks(str(weights), fingerprint(load_vae(tmp_path / "other.safetensors")))


def in_two_processes(place, out, until):
    """Train with two processes to the step `until`; returns what each of them says of itself."""
    out.mkdir(exist_ok=True)
    script = out / "train.py"
    script.write_text(TWO_PROCESSES)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    environment = {**os.environ, "ACCELERATE_USE_CPU": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [*command, script, place, out, str(until)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-20000:]
    return [json.loads((out / f"process_{rank}.json").read_text()) for rank in (0, 1)]


TWO_PROCESSES = """
import hashlib, json, sys
from pathlib import Path
from comfyui_fulldit.training.common.settings import config_path, read_settings
from comfyui_fulldit.training.generator.settings import GeneratorSettings
from comfyui_fulldit.training.generator.train_generator import Trainer

place, out, until = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
settings = read_settings(config_path("generator", "debug"), GeneratorSettings)
trainer = Trainer(settings, out, place / "fulldit_mini_vae.safetensors", place / "data", out / "weights.safetensors")
trainer.run(until=until)

def digest(tensors):
    values = b"".join(value.detach().contiguous().numpy().tobytes() for value in tensors.values())
    return hashlib.sha256(values).hexdigest()

state = trainer.data.state()
result = {
    "step": trainer.loop.step,
    "samples": trainer.loop.samples,
    "weights": digest(trainer.bare.state_dict()),
    "average": digest(trainer.ema.values),
    "drawn": [state["batches"]["generator"].tolist(), state["generator"].tolist(), state["batches"]["order"]],
}
(out / f"process_{trainer.accelerator.process_index}.json").write_text(json.dumps(result))
trainer.close()
"""


@pytest.fixture(scope="module")
def halves(place):
    """A run of two processes that was stopped after two steps of four: its folder, and both reports of it."""
    folder = place / "halves"
    return folder, in_two_processes(place, folder, 2), in_two_processes(place, folder, 4)


def test_two_processes_train_one_model(halves):
    """Each draws clips of its own, also after a stop, and both hold the same weights at the end."""
    folder, *reports = halves
    for until, (one, two) in zip((2, 4), reports, strict=True):
        assert one["step"] == two["step"] == until and one["samples"] == 8 * until
        assert one["weights"] == two["weights"] and one["drawn"] != two["drawn"]
    steps = [line["step"] for line in read_log(folder / "log.jsonl") if "loss" in line]
    assert steps == [1, 2, 3, 4]


def test_two_processes_resume_exactly(place, halves):
    """Weights, averages and all random states of both are those of a run without a stop."""
    _, _, resumed = halves
    assert in_two_processes(place, place / "unbroken", 4) == resumed


def test_another_number_of_processes_goes_on_and_says_so(place, halves):
    folder, _, (first, _) = halves
    alone = trainer(place, folder, steps=6)
    assert alone.loop.step == 4 and alone.data.state()["generator"].tolist() == first["drawn"][1]
    notes = [line["note"] for line in read_log(folder / "log.jsonl") if "note" in line]
    assert notes == ["The number of processes changed from 2 to 1: all but the first draw from new seeds."]
    assert alone.run()["steps"] == 6


def test_every_clip_comes_once_an_epoch_and_new_ones_join(place, clips):
    batches = Batches(clips, [{"until": 1, "subsets": {"none": 1}}], DEBUG)
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
    batches = Batches(clips, phases, DEBUG)
    early = {batches.draw(2, 0.1).names for _ in range(30)}
    late = {batches.draw(2, 0.9).names for _ in range(30)}
    assert early == {(), ("camera",)} and late == {("identity",), ("camera", "identity", "depth")}
    with pytest.raises(UserError, match="'pose'"):
        Batches(clips, [{"until": 1, "subsets": {"camera+pose": 1}}], DEBUG)


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
    streams = encode_conditions(rendered.conditions(0), vae, DEBUG).streams
    assert {f"stream.{stream.key}" for stream in streams} == {name for name in stored if name.startswith("stream.")}
    for stream in streams:
        assert torch.equal(stored[f"stream.{stream.key}"][0], stream.data[0].to(stored[f"stream.{stream.key}"].dtype))


def test_everything_computes_in_the_format_of_the_device(place, tmp_path, monkeypatch):
    """On a device without bfloat16 units nothing is computed in bfloat16; the record says what was."""
    monkeypatch.setattr(precision, "pick_dtype", lambda _device: torch.float32)
    small = trainer(place, tmp_path, steps=1)
    assert {p.dtype for p in small.report.held_out.vae.parameters()} == {torch.float32}
    seen = []
    small.bare.model.register_forward_hook(lambda _module, _inputs, output: seen.append(output.dtype))
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
    for name, value in whole.bare.state_dict().items():
        assert torch.equal(value, again.bare.state_dict()[name]), name
        assert torch.equal(whole.ema.values[name], again.ema.values[name]), name

    log = read_log(tmp_path / "halves" / "log.jsonl")
    assert [line["step"] for line in log if "loss" in line] == [1, 2, 3, 4]
    held_out = [line["held_out"] for line in log if "held_out" in line][-1]
    assert set(held_out) == {"none", "camera", "identity", "exchanged", "depth", "all"}
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
