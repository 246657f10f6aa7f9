"""Agreement Report, Fit Video, Export and Import, and what Compare and the slow nodes stand on, without a host."""

from __future__ import annotations

import importlib
import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from comfyui_fulldit.control.camera.sequence import sequence
from comfyui_fulldit.control.conditions import (
    CameraCondition,
    Conditions,
    DepthCondition,
    IdentityCondition,
    VideoSize,
)
from comfyui_fulldit.control.depth import DepthClip
from comfyui_fulldit.control.errors import UserError
from comfyui_fulldit.control.identity import Identity
from comfyui_fulldit.models.families.presets import PRESETS

F, H, W = 5, 32, 48


def conditions(frames: int = F) -> Conditions:
    """A camera that moves, depth that slopes, and a mask that walks."""
    ramp = np.linspace(0, 1, H, dtype=np.float32)[None, :, None].repeat(frames, 0).repeat(W, 2)
    masks = np.zeros((frames, H, W), np.float32)
    for frame in range(frames):
        masks[frame, 8:20, 4 + 4 * frame : 14 + 4 * frame] = 1
    image = np.full((8, 8, 3), 0.5, np.float32)
    return Conditions(
        VideoSize(frames, H, W),
        (
            CameraCondition(trajectory=sequence("truck_right:0.4", frames, aspect=1.5)),
            IdentityCondition(identities=(Identity("ball", (image,), mask_video=masks), Identity("cube", (image,)))),
            DepthCondition(clip=DepthClip(ramp)),
        ),
    )


def video(frames: int = F) -> torch.Tensor:
    return torch.rand(frames, H, W, 3, generator=torch.Generator().manual_seed(0))


# Agreement Report


def report(host, **given) -> tuple:
    node = host.nodes["FullDiTAgreementReport"]
    out = node.execute(**{"images": video(), "conditions": conditions(), "estimators": "connected", **given})
    image, text, figures = out.args
    assert out.kwargs["ui"]["text"] == [text] and image.shape[0] == 1 and image.shape[3] == 3
    return text, json.loads(figures)


def test_what_nobody_looked_at_is_not_judged_and_the_report_says_what_to_connect(host):
    text, figures = report(host)
    assert [one["verdict"] for one in figures["conditions"]] == ["not judged"] * 3
    assert "Camera from Video" in text and "Extract Depth" in text and "masks of the finished video" in text
    assert "prompt" in text


def test_what_was_connected_is_compared_with_what_was_asked(host):
    asked = conditions()
    camera = asked.get(CameraCondition).trajectory
    masks = torch.from_numpy(asked.get(IdentityCondition).identities[0].mask_video)
    found = {"camera": camera.scaled(3.0), "depth": asked.get(DepthCondition).clip, "masks": {"mask0": masks}}
    text, figures = report(host, **found)
    assert [one["verdict"] for one in figures["conditions"]] == ["followed"] * 3
    assert all(one["source"] == "connected estimate" for one in figures["conditions"])
    assert "multiplied by 0.333" in text and "Where identity 'cube' is was not asked" in text


def test_what_contradicts_is_not_followed(host):
    asked = conditions()
    other = sequence("truck_left:0.4", F, aspect=1.5)
    upside_down = DepthClip(np.ascontiguousarray(asked.get(DepthCondition).clip.values[:, ::-1]))
    _, figures = report(host, camera=other, depth=upside_down, masks={"mask0": torch.zeros(F, H, W)})
    verdicts = {one["condition"]: one["verdict"] for one in figures["conditions"]}
    assert verdicts["identity"] == verdicts["depth"] == "not followed"
    (position,) = [f for one in figures["conditions"] for f in one["figures"] if f["name"] == "trans_err"]
    assert position["share"] == 0


def test_the_embedded_estimators_stand_beside_their_floor(host):
    text, figures = report(host, estimators="auto")
    camera, identity, depth = figures["conditions"]
    assert {one["source"] for one in figures["conditions"]} == {"embedded estimators"}
    assert depth["figures"][0]["best"] == pytest.approx(10.36, abs=0.01) and "floor 10.4" in text
    assert [figure["name"] for figure in camera["figures"]] == ["rot_err", "trans_err"]
    assert "one look" in text and identity["figures"][0]["name"] == "mask_iou"


def test_a_large_video_is_not_judged_by_estimators_that_do_not_know_it(host):
    large = torch.rand(F, 160, 240, 3)
    _, figures = report(host, images=large, estimators="auto")
    assert all(one["source"] is None for one in figures["conditions"])
    text, _ = report(host, images=large, estimators="embedded")
    assert "nothing but the procedural world" in text


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"images": video(4)}, "has 4 frames, but its conditions are for 5"),
        ({"camera": sequence("static", 7, aspect=1.5)}, "7 poses"),
        ({"depth": DepthClip(np.zeros((3, 4, 4), np.float32))}, "3 frames"),
        ({"masks": {"mask0": torch.zeros(2, H, W)}}, "are 2"),
        ({"masks": {"mask5": torch.zeros(F, H, W)}}, "Masks of identity 6"),
    ],
)
def test_what_belongs_to_another_video_is_refused(host, given, words):
    with pytest.raises(UserError, match=words):
        report(host, **given)


def test_a_condition_of_strength_0_and_no_condition_ask_nothing(host):
    camera = conditions().get(CameraCondition)
    silent = Conditions(VideoSize(F, H, W), (CameraCondition(trajectory=camera.trajectory, strength=0.0),))
    assert "asks nothing" in report(host, conditions=silent)[0]
    assert "nothing to compare" in report(host, conditions=Conditions(VideoSize(F, H, W)))[0]


# Fit Video


def fit(host, **given):
    usual = {"images": torch.rand(48, 60, 100, 3), "source_fps": 24.0, "fit_space": "crop", "time": "keep_speed"}
    return host.nodes["FullDiTFitVideo"].execute(**{**usual, **given})


def test_a_video_takes_the_size_of_its_conditions(host):
    out = fit(host, conditions=conditions(), masks=torch.ones(48, 60, 100))
    images, masks, width, height, frames, fps, text = out.args
    assert images.shape == (F, H, W, 3) and masks.shape == (F, H, W) and masks.min() > 0.999
    assert (width, height, frames, fps) == (W, H, F, 8.0)
    assert text.startswith("Size, length and rate are those of the conditions: 5 frames of 48x32 at 8 fps.")
    assert "10% was cut off at left and right." in text and out.kwargs["ui"]["fulldit_followed"][0]["frames"] == F


def test_a_video_by_itself_is_made_to_fit(host):
    images, masks, width, height, frames, fps, text = fit(host, fps=8.0).args
    assert images.shape == (13, 64, 96, 3) and (frames, fps) == (13, 8.0) and masks.max() == 0
    assert "held" not in text


def test_other_numbers_than_those_of_the_conditions_are_refused(host):
    with pytest.raises(UserError, match="set frames, width, height and fps to 0"):
        fit(host, conditions=conditions(), width=64)


# Export and Import


def test_conditions_come_back_from_the_output_folder(host):
    asked = conditions()
    out = host.nodes["FullDiTExportConditions"].execute(asked, "shots/one")
    folder = out.args[0]
    assert folder.startswith(str(host.folder / "output")) and out.kwargs["ui"]["text"][0].startswith(
        "output/shots/one_"
    )
    folders = importlib.import_module("comfyui_fulldit.nodes.folders")
    (name,) = (name for name in folders.bundles() if name.startswith("shots/"))
    node = host.nodes["FullDiTImportConditions"]
    assert node.validate_inputs(name) is True and node.fingerprint_inputs(name) > 0
    found, camera, depth, *tracks = node.execute(name).args
    assert found.digest() == asked.digest() and camera.frames == F and depth.frames == F
    assert tracks[0].shape == (F, H, W) and tracks[1] is None and tracks[2] is None
    again = host.nodes["FullDiTExportConditions"].execute(found, "shots/one")
    assert again.args[0] != folder


@pytest.mark.parametrize("prefix", ["../outside", "/etc/passwd", ""])
def test_a_folder_outside_of_the_output_folder_is_refused(host, prefix):
    node = host.nodes["FullDiTExportConditions"]
    assert "output folder" in node.validate_inputs(prefix)
    with pytest.raises(UserError, match="output folder"):
        node.execute(conditions(), prefix)


@pytest.mark.parametrize("name", ["../x", "../x [output]", " [output]", "", "nothing here", "/etc"])
def test_a_folder_that_is_no_export_is_refused(host, name):
    assert "folder" in host.nodes["FullDiTImportConditions"].validate_inputs(name)


# Lengths that are said before slow work


def prompt(**inputs) -> dict:
    return {
        "9": {"class_type": "FullDiTLoad", "inputs": {"checkpoint": "embedded", "vae": "embedded"}},
        "8": {"class_type": "LoraLoaderModelOnly", "inputs": {"model": ["9", 0]}},
        "2": {"class_type": "FullDiTConditions", "inputs": {"frames": 17, "depth": ["1", 0], **inputs}},
    }


def check_length(graph: dict, frames: int) -> None:
    downstream = importlib.import_module("comfyui_fulldit.nodes.downstream")
    node = SimpleNamespace(hidden=SimpleNamespace(prompt=graph, unique_id="1"))
    downstream.check_length(node, frames, "the video")


@pytest.mark.parametrize(
    "inputs",
    [{}, {"frames": 0}, {"frames": 0, "model": ["9", 0]}, {"frames": 0, "model": ["8", 0]}, {"fit_time": "refuse"}],
)
def test_a_length_that_conditions_refuse_is_said_before_slow_work(host, inputs):
    check_length(prompt(**inputs), 17)
    with pytest.raises(UserError, match=r"has 24 frames, but the node Conditions \(2\) is for 17: set its `fit_time`"):
        check_length(prompt(**inputs), 24)


@pytest.mark.parametrize(
    "inputs",
    [
        {"fit_time": "resample"},
        {"spread": True},
        {"frames": ["7", 0]},
        {"frames": 0, "model": ["7", 0]},
        {"frames": 0, "source_video": ["7", 0]},
        {"depth": ["1", 1]},
    ],
)
def test_what_only_a_run_can_tell_is_not_refused(host, inputs):
    check_length(prompt(**inputs), 24)


def test_a_node_outside_of_a_graph_checks_nothing(host):
    downstream = importlib.import_module("comfyui_fulldit.nodes.downstream")
    downstream.check_length(SimpleNamespace(), 24, "the video")


# Widgets that follow

MODEL = SimpleNamespace()  # stands for a MODEL


def test_a_camera_takes_length_rate_and_proportions_of_the_model(host, monkeypatch):
    followed = importlib.import_module("comfyui_fulldit.nodes.followed")
    own = followed.Followed(VideoSize(9, 64, 128, 16.0), "the model")
    for name in ("camera", "camera_path", "mask_painter"):
        monkeypatch.setattr(f"comfyui_fulldit.nodes.{name}.follow", lambda model: own if model else followed.Followed())
    given = {"movement": {"movement": "static"}, "frames": 17, "fps": 8.0, "ease": "smooth"}
    out = host.nodes["FullDiTCameraPreset"].execute(**given, model=MODEL)
    path = out.args[0]
    assert (path.frames, path.fps) == (9, 16.0)
    assert path.intrinsics[0, 1] / path.intrinsics[0, 0] == pytest.approx(2.0)
    assert out.kwargs["ui"]["fulldit_followed"] == [
        {"frames": 9, "width": 128, "height": 64, "fps": 16.0, "aspect": 2.0}
    ]
    assert host.nodes["FullDiTCameraPreset"].execute(**given).args[0].frames == 17
    state = host.schemas["FullDiTCameraPath"].inputs[0].default
    assert host.nodes["FullDiTCameraPath"].execute(state, 17, 8.0, model=MODEL).args[0].frames == 9
    masks = host.schemas["FullDiTMaskPainter"].inputs[0].default
    track = host.nodes["FullDiTMaskPainter"].execute(masks, 17, 832, 480, model=MODEL).args[0]
    assert track.shape == (9, 64, 128)
    images = torch.zeros(3, 16, 32, 3)
    assert host.nodes["FullDiTMaskPainter"].execute(masks, 17, 832, 480, images, MODEL).args[0].shape == (3, 16, 32)


def test_the_page_is_told_the_size_of_a_checkpoint_before_anything_runs(host):
    video_size = importlib.import_module("comfyui_fulldit.nodes.page.video_size")
    own = PRESETS["mini-cpu"]
    status, body = video_size.answer("embedded")
    assert status == 200 and (body["frames"], body["width"], body["height"]) == (own.frames, own.width, own.height)
    assert video_size.answer("gone.safetensors")[0] == 404 and "error" in video_size.answer("../x")[1]


# Clips that are kept


class Owner:
    """Stands for a MODEL, CLIP or VAE."""


def test_a_clip_is_kept_as_long_as_its_owners_live(host):
    # The folder of the drivers needs the real host to be imported; the file itself does not.
    import importlib.util
    from pathlib import Path

    path = Path(__file__).resolve().parents[2] / "nodes" / "drivers" / "clip_cache.py"
    spec = importlib.util.spec_from_file_location("clip_cache_alone", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    cache, model, vae = module.ClipCache(most=100), Owner(), Owner()
    clip = np.zeros(10, np.float32)
    cache.put([model, vae], "a", clip)
    assert cache.get([model, vae], "a") is clip
    assert cache.get([model, vae], "b") is None and cache.get([vae, model], "a") is None
    cache.put([model, vae], "b", clip)
    cache.get([model, vae], "a")  # used: the other is the oldest now
    cache.put([model, vae], "c", clip)
    assert cache.get([model, vae], "b") is None and cache.get([model, vae], "a") is clip
    cache.put([model, vae], "large", np.zeros(100, np.float32))
    assert cache.get([model, vae], "large") is None and cache.get([model, vae], "a") is clip
    other = Owner()
    del model
    assert cache.get([other, vae], "a") is None
    assert len(cache._clips) == 0


# Time that is left


def test_the_time_that_is_left_is_told_from_the_steps_that_are_done(host):
    import importlib.util
    from pathlib import Path

    path = Path(__file__).resolve().parents[2] / "nodes" / "bridge" / "step_times.py"
    spec = importlib.util.spec_from_file_location("step_times_alone", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    now = [0.0]
    times = module.StepTimes(20, lambda: now[0])
    said = []
    for step, passed in enumerate((30, 33, 36.5, 39.5), 1):
        now[0] = passed
        said.append(times.after(step))
    assert said[0] == "Step 1 of 20, 30 s each: at most 9 min 30 s left, then decoding."
    assert said[1] == "Step 2 of 20, 3.0 s each: about 54 s left, then decoding."
    assert said[3] == "Step 4 of 20, 3.0 s each: about 48 s left, then decoding."
    now[0] = 90.0
    assert times.after(20) == "20 steps in 90 s."
    trained = module.StepTimes(20, lambda: now[0], then="")
    now[0] += 30.0
    assert trained.after(1) == "Step 1 of 20, 30 s each: at most 9 min 30 s left."
    short = module.StepTimes(4, lambda: now[0])
    now[0] += 0.5
    assert short.after(1) == "Step 1 of 4."
    assert [module.duration(s) for s in (0.44, 61, 119.6, 120, 200, 3600, 7500)] == [
        "0.4 s", "61 s", "2 min", "2 min", "3 min 20 s", "1 h", "2 h 5 min",
    ]  # fmt: skip
