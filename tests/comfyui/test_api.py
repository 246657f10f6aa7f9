"""The nodes through the server's API, without a page: what the workflows leave out, and canceling."""

from __future__ import annotations

import shutil
import time

import pytest

from .conftest import ROOT

pytestmark = pytest.mark.comfyui


def node(kind: str, /, **inputs) -> dict:
    return {"class_type": kind, "inputs": inputs}


def prompt(camera: dict, frames: int = 5, steps: int = 2, **conditions) -> dict:
    """A camera, two identities of the same image, spread over a short clip, to a preview."""
    return {
        "load": node("FullDiTLoad", checkpoint="embedded", vae="embedded", precision="default"),
        "example": node("FullDiTExample"),
        "camera": camera,
        "one": node("FullDiTIdentity", name="one", image=["example", 0], mask=["example", 1], strength=1.0),
        "two": node("FullDiTIdentity", name="two", image=["example", 0], track=["example", 2], strength=0.5),
        "conditions": node(
            "FullDiTConditions",
            **{"camera": ["camera", 0], "identities.identity0": ["one", 0], "identities.identity1": ["two", 0]},
            **{"frames": frames, "width": 96, "height": 64, "spread": True, "camera_strength": 1.0},
            depth_strength=1.0,
            **conditions,
        ),
        "sampler": node(
            "FullDiTSampler",
            model=["load", 0],
            clip=["load", 1],
            vae=["load", 2],
            conditions=["conditions", 0],
            prompt="a ball",
            seed=1,
            steps=steps,
            cfg=2.0,
            sampler_name="euler",
            scheduler="simple",
        ),
        "decode": node("VAEDecode", samples=["sampler", 0], vae=["load", 2]),
        "frames": node("FullDiTPreview", conditions=["conditions", 0], layout="frames", height=64),
        "look": node("PreviewImage", images=["decode", 0]),
        "asked": node("PreviewImage", images=["frames", 0]),
    }


def test_a_preset_with_its_amount_and_two_identities(server):
    camera = node(
        "FullDiTCameraPreset", **{"movement": "dolly_in", "movement.amount": 0.3}, frames=5, fps=8.0, ease="linear"
    )
    history = server.wait(server.queue(prompt(camera)))
    assert history["status"]["status_str"] == "success", history["status"]["messages"][-1]
    assert len(history["outputs"]["look"]["images"]) == 5 and len(history["outputs"]["asked"]["images"]) == 5
    # 2 latent frames of 8x12: camera 2, two references of 24, one map as fine as the video. What was resampled is said.
    (text,) = history["outputs"]["conditions"]["text"]
    assert text.startswith("98 tokens, video 48\ncamera 2, references 48\nwho is where 48\n")
    assert "identity 'two' has 17 frames: it was resampled to 5." in text


def test_the_embedded_model_of_few_steps_samples_by_its_own_settings(server):
    camera = node(
        "FullDiTCameraPreset", **{"movement": "dolly_in", "movement.amount": 0.3}, frames=5, fps=8.0, ease="linear"
    )
    asked = prompt(camera, steps=0)
    asked["load"]["inputs"]["checkpoint"] = "embedded, few steps"
    asked["sampler"]["inputs"]["cfg"] = -1.0
    history = server.wait(server.queue(asked))
    assert history["status"]["status_str"] == "success", history["status"]["messages"][-1]
    assert "\n6 steps, euler/simple, shift 3; " in history["outputs"]["sampler"]["text"][0]
    assert "1 pass per step" in history["outputs"]["sampler"]["text"][0]


def test_a_camera_file_of_the_input_folder(server):
    shutil.copy(ROOT / "assets" / "camera.json", server.folder / "input" / "path.json")
    camera = node("FullDiTLoadCamera", file="path.json", frames=5, scale=1.0)
    history = server.wait(server.queue(prompt(camera)))
    assert history["status"]["status_str"] == "success", history["status"]["messages"][-1]
    camera["inputs"]["file"] = "../../outside.json"
    status, answer = server.post("/prompt", {"prompt": prompt(camera)})
    assert status == 400 and "camera" in answer["node_errors"]


def test_cancel_ends_a_run_at_once_and_the_next_works(server):
    camera = node("FullDiTCameraPreset", movement="static", frames=5, fps=8.0, ease="smooth")
    long = server.queue(prompt(camera, steps=1000))
    end = time.monotonic() + 120
    while "/300" not in server.tail(5):  # the bar of the first pass: sampling has begun
        assert time.monotonic() < end, server.tail()
        time.sleep(0.2)
    asked = time.monotonic()
    assert server.post("/interrupt", {})[0] == 200
    history = server.wait(long, 60)
    assert history["status"]["messages"][-1][0] == "execution_interrupted"
    assert time.monotonic() - asked < 15  # one step and the answer, on however busy a machine
    after = server.wait(server.queue(prompt(camera, steps=2)))
    assert after["status"]["status_str"] == "success"
