"""Train FullDiT Conditions in the host: what it gives goes into core's nodes and the sampler; cancel, and going on."""

from __future__ import annotations

import shutil
import time
from types import SimpleNamespace

import pytest
import torch

from .conftest import VIDEO
from .test_api import node
from .test_bridge import FRAMES, HEIGHT, WIDTH, make_conditions, module, random_weights, sample
from .tiny_models import FakeCLIP, wan_weights

pytestmark = pytest.mark.comfyui
NONE = "none"


@pytest.fixture(scope="module")
def files(host, tmp_path_factory):
    """(checkpoint, VAE) of random weights."""
    return random_weights(tmp_path_factory.mktemp("to_train"))


@pytest.fixture
def train(files, tmp_path, monkeypatch):
    """The node with folders of its own, as a function of what differs from a short run on one clip."""
    import folder_paths

    module("nodes.bridge.paths").register_folder()
    for kind in ("fulldit", "vae", "diffusion_models"):
        (tmp_path / kind).mkdir()
        endings = folder_paths.folder_names_and_paths[kind][1]
        monkeypatch.setitem(folder_paths.folder_names_and_paths, kind, ([str(tmp_path / kind)], endings))
    for kind in ("input", "output"):
        (tmp_path / kind).mkdir()
        monkeypatch.setattr(folder_paths, f"get_{kind}_directory", lambda kind=kind: str(tmp_path / kind))
    shutil.copy(files[0], tmp_path / "fulldit" / "tiny.safetensors")
    shutil.copy(files[1], tmp_path / "vae" / "tiny_vae.safetensors")
    images = torch.rand(FRAMES, HEIGHT, WIDTH, 3, generator=torch.Generator().manual_seed(4))
    given = {
        **{"checkpoint": "tiny.safetensors", "vae": "tiny_vae.safetensors", "wan_model": NONE, "name": "made"},
        **{"folder": NONE, "prompt": "A ball.", "steps": 3, "learning_rate": 0.01, "rank": 2, "batch": 1},
        **{"variation": 0, "resume": True, "images": images, "conditions": make_conditions()},
    }

    def run(**changes):
        with torch.inference_mode():  # as the host runs every node
            return module("nodes.train").FullDiTTrainConditions.execute(**given | changes).args

    return run


def test_what_was_trained_samples_and_its_loss_is_plotted(train, files, tmp_path):
    import folder_paths
    from comfy_extras.nodes_train import LossGraphNode

    model, losses, name, report = train()
    assert name == "made.safetensors" and (tmp_path / "fulldit" / name).is_file()
    assert "made.safetensors" in folder_paths.get_filename_list("fulldit")
    assert len(losses["loss"]) == 3 and report.startswith("1 clip, 3 steps.\nThe loss went from ")
    LossGraphNode.execute(losses, "loss")
    before, clip, vae = module("nodes.bridge.loaders").load_all(*files, "fp32")
    latents = [
        sample(SimpleNamespace(model=one, clip=clip, vae=vae, conditions=make_conditions())) for one in (before, model)
    ]
    apart = ((latents[1] - latents[0]).norm() / latents[0].norm()).item()
    assert 1e-4 < apart < 1, "another model, and still one"
    again, _, _, report = train()
    assert "3 of them in earlier runs" in report and again is not model


def test_a_canceled_run_goes_on_to_the_same_file(train, tmp_path, monkeypatch):
    import comfy.model_management as management
    import comfy.utils

    train(name="whole", steps=4)
    steps, pictures = [], []

    def show(value, total, preview, *_, **__):
        if total == 4:
            steps.append(value)
            pictures.append(preview)
        if steps == [1]:
            management.interrupt_current_processing(True)

    monkeypatch.setattr(comfy.utils, "PROGRESS_BAR_HOOK", show)
    try:
        with pytest.raises(management.InterruptProcessingException):
            train(steps=4)
    finally:
        management.interrupt_current_processing(False)
    assert steps == [1] and not (tmp_path / "fulldit" / "made.safetensors").exists()
    _, losses, _, report = train(steps=4)
    assert steps == [1, 3, 4] and "2 of them in earlier runs" in report and len(losses["loss"]) == 4
    assert any(picture is not None and picture[1].size == (400, 240) for picture in pictures)
    made, whole = (tmp_path / "fulldit" / f"{name}.safetensors" for name in ("made", "whole"))
    read = module("models.weights.tensor_file").read_tensors
    ours, theirs = read(made), read(whole)
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_a_folder_of_the_input_folder_is_learned(train, tmp_path, files):
    from .conftest import ROOT

    clips = tmp_path / "input" / "clips"
    clips.mkdir()
    shutil.copy(ROOT / "assets" / VIDEO, clips / "a.mp4")
    (clips / "a.txt").write_text("A red ball rolls.", encoding="utf-8")
    (clips / "b.mp4").write_bytes(b"no video")
    assert module("nodes.folders").clip_folders() == ["clips"]
    _, losses, _, report = train(folder="clips", images=None, conditions=None, prompt="", frames=5)
    assert len(losses["loss"]) == 3 and "Left out: b: " in report
    assert sorted(path.name for path in clips.iterdir()) == ["a.mp4", "a.txt", "b.mp4"]


def test_a_plain_wan_becomes_a_condition_file_and_a_model(train, tmp_path):
    write = module("models.weights.tensor_file").write_tensors
    write(tmp_path / "diffusion_models" / "wan.safetensors", wan_weights(), {})
    wan = {"checkpoint": NONE, "wan_model": "wan.safetensors", "steps": 2, "clip": FakeCLIP()}
    with pytest.raises(ValueError, match="reads its words by umt5"):
        train(**wan | {"clip": None})
    model, losses, name, _ = train(**wan)
    conditions = module("models.weights.condition_file").read_condition_file(tmp_path / "fulldit" / name)
    assert conditions.base_name == "wan.safetensors" and len(conditions.lora) == 3 * 4 * 10
    assert len(losses["loss"]) == 2 and len(model.patches) == 40
    on = train(**wan | {"checkpoint": name, "name": "more"})
    assert on[2] == "more.safetensors"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"images": None}, "There is nothing to learn"),
        ({"images": None, "folder": "../"}, "lies outside ComfyUI's input folder"),
        ({"name": "../made"}, "is not a name for the file"),
        ({"name": "tiny"}, "There is a file 'tiny.safetensors' already"),
        ({"images": torch.rand(3, HEIGHT, WIDTH, 3)}, "The clip has 3 frames, but 17 are to be learned"),
        ({"vae": "embedded"}, "was trained with the VAE"),
        ({"checkpoint": NONE}, "There is nothing to tune"),
    ],
)
def test_what_cannot_be_trained_is_said_in_a_sentence(train, tmp_path, changes, said):
    before = sorted(path.name for path in (tmp_path / "fulldit").iterdir())
    with pytest.raises(ValueError, match=said):
        train(**changes)
    assert sorted(path.name for path in (tmp_path / "fulldit").iterdir()) == before


def prompt(steps: int, **changes) -> dict:
    """Training on the example's depth as a video, the loss as a plot, and a clip of the tuned model."""
    files = {"checkpoint": "tiny.safetensors", "vae": "tiny_vae.safetensors"}
    return {
        "load": node("FullDiTLoad", **files),
        "example": node("FullDiTExample"),
        "camera": node("FullDiTCameraPreset", movement="static", frames=FRAMES, fps=8.0, ease="smooth"),
        "conditions": node(
            "FullDiTConditions",
            **{"camera": ["camera", 0], "frames": FRAMES, "width": WIDTH, "height": HEIGHT, "spread": True},
            **{"camera_strength": 1.0, "depth_strength": 1.0},
        ),
        "train": node(
            "FullDiTTrainConditions",
            **files,
            **{"wan_model": NONE, "name": "made", "folder": NONE, "prompt": "depth", "steps": steps, "rank": 2},
            **{"learning_rate": 0.0, "batch": 1, "variation": 0, "resume": True, "images": ["example", 3]},
            conditions=["conditions", 0],
            **changes,
        ),
        "plot": node("LossGraphNode", loss=["train", 1], filename_prefix="loss"),
        "sampler": node(
            "FullDiTSampler",
            **{"model": ["train", 0], "clip": ["load", 1], "vae": ["load", 2], "conditions": ["conditions", 0]},
            **{"prompt": "depth", "seed": 1, "steps": 2, "cfg": 2.0, "sampler_name": "euler", "scheduler": "simple"},
        ),
        "decode": node("VAEDecode", samples=["sampler", 0], vae=["load", 2]),
        "look": node("PreviewImage", images=["decode", 0]),
    }


def test_through_the_api_cancel_leaves_a_run_that_goes_on_into_the_sampler(server, files):
    shutil.copy(files[0], server.models / "fulldit" / "tiny.safetensors")
    shutil.copy(files[1], server.models / "vae" / "tiny_vae.safetensors")
    long = prompt(100000)
    long["train"]["inputs"]["name"] = "long"
    number = server.queue(long)
    log = server.output / "fulldit" / "training" / "long" / "generator" / "log.jsonl"
    end = time.monotonic() + 240
    while not log.exists() or len(log.read_text().splitlines()) < 3:
        assert time.monotonic() < end, server.tail()
        time.sleep(0.2)
    assert server.post("/interrupt", {})[0] == 200
    history = server.wait(number, 120)
    assert history["status"]["messages"][-1][0] == "execution_interrupted"
    assert not (server.models / "fulldit" / "long.safetensors").exists()
    done = len(log.read_text().splitlines())
    long["train"]["inputs"]["steps"] = done + 2
    history = server.wait(server.queue(long))
    assert history["status"]["status_str"] == "success", history["status"]["messages"][-1]
    assert f"{done} of them in earlier runs" in history["outputs"]["train"]["text"][0]
    assert len(history["outputs"]["look"]["images"]) == FRAMES and history["outputs"]["plot"]["images"]
    assert (server.models / "fulldit" / "long.safetensors").is_file()
    listed = server.get("/object_info/FullDiTLoad")["FullDiTLoad"]["input"]["required"]["checkpoint"][1]["options"]
    assert "long.safetensors" in listed


def test_the_api_refuses_paths_that_lead_out(server):
    for change in ({"folder": "../../etc"}, {"name": "../../made"}):
        asked = prompt(2)
        asked["train"]["inputs"] |= change
        status, answer = server.post("/prompt", {"prompt": asked})
        assert status == 400 and "train" in answer["node_errors"], change
