"""A camera by rendering on the page: an image, its depth and a path drive VACE; the nodes say the holes at once."""

from __future__ import annotations

import pytest

from .conftest import OUT
from .test_api import node
from .test_camera_nodes import module
from .test_depth_nodes import extract, text_of
from .test_mask_nodes import BUILD, SAID
from .test_page import FIT, browser, page, press_run  # noqa: F401 - two of them are fixtures
from .tiny_models import write_wan

pytestmark = pytest.mark.comfyui

VACE = "wan2.1_vace_1.3B_fp16.safetensors"
SCENE = {"source__scene": 12, "source__frames": 1, "source__width": 96, "source__height": 64}
PLACES = {
    "image": (0, 0),
    "depth": (0, 460),
    "camera": (340, 460),
    "vace": (340, 0),
    "shared": (340, 760),
    "conditions": (760, 0),
    "sampler": (1180, 0),
    "said": (1600, 0),
}


def chain(**more) -> dict:
    """One image with its exact depth, held over the video and seen from a path. more: inputs of Conditions."""
    size = {"frames": 17, "width": 96, "height": 64, "spread": False, "camera_strength": 1.0, "depth_strength": 1.0}
    return {
        "image": node("LoadImage", image="scene.png"),
        "depth": extract("world", **SCENE),
        "camera": node(
            "FullDiTCameraPreset",
            **{"movement": "arc_right", "movement.amount": 7.0},
            frames=17,
            fps=16.0,
            ease="smooth",
        ),
        "vace": node("FullDiTLoadVideoModel", model_name=VACE, family="auto", weight_dtype="default"),
        "shared": node("FullDiTTestTextAndVae"),
        "conditions": node(
            "FullDiTConditions",
            **{
                **size,
                "camera": ["camera", 0],
                "depth": ["depth", 0],
                "source_video": ["image", 0],
                "model": ["vace", 0],
                "fit_time": "hold",
                **more,
            },
        ),
        "sampler": node(
            "FullDiTSampler",
            model=["vace", 0],
            clip=["shared", 0],
            vae=["shared", 1],
            conditions=["conditions", 0],
            prompt="a plain",
            seed=7,
            steps=2,
            cfg=-1,
            sampler_name="auto",
            scheduler="auto",
            leave_out=False,
        ),
        "said": node("PreviewAny", source=["sampler", 1]),
    }


@pytest.fixture
def inputs(host, server):
    """The image in the host's input folder, and the tiny model."""
    import cv2

    frame = module("scenes").render([12], 1, 64, 96).video[0, :, 0].permute(1, 2, 0).numpy()
    cv2.imwrite(str(server.folder / "input" / "scene.png"), (frame[..., ::-1] * 255).round())
    file = write_wan(server.models / "diffusion_models" / VACE, "vace")
    yield
    file.unlink()


def test_an_image_and_a_path_drive_vace_on_the_page(server, inputs, page):  # noqa: F811
    page.evaluate(BUILD, [chain(), PLACES])
    history = server.wait(press_run(page))
    assert history["status"]["status_str"] == "success", history["status"]["messages"][-1]
    for kind in ("FullDiTConditions", "FullDiTSampler"):
        page.wait_for_function(f"(kind) => ({SAID})(kind).includes('are holes, at most')", arg=kind)
        text = page.evaluate(SAID, kind)
        assert "camera: The source video is rendered along the path" in text
        assert "17 frames of 96x64." in text and "in units of the path" in text
        assert "stand still here: one image" in text and "the first was taken" not in text
    page.evaluate(FIT)
    page.evaluate("document.querySelectorAll('[data-testid=queue-notification-banner]').forEach(e => e.remove())")
    page.wait_for_timeout(1500)
    OUT.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=OUT / "rendered_camera.png")
    assert page.errors == []


def test_what_a_camera_lacks_is_said_by_conditions_and_refused_by_the_sampler(server, inputs):
    """Conditions shows it and goes on, for other models; the sampler stops before its first step."""
    prompt = chain()
    del prompt["conditions"]["inputs"]["depth"]
    history = server.wait(server.queue(prompt))
    assert history["status"]["status_str"] == "error"
    (message,) = [body for kind, body in history["status"]["messages"] if kind == "execution_error"]
    assert message["node_id"] == "sampler" and "there is no depth: connect depth" in message["exception_message"]
    assert "camera: Refused. " in text_of(history, "conditions")


def test_one_image_for_a_video_needs_the_fit_that_holds_it(server, inputs):
    history = server.wait(server.queue(chain(fit_time="refuse")))
    (message,) = [body for kind, body in history["status"]["messages"] if kind == "execution_error"]
    assert message["node_id"] == "conditions" and "has 1 frame, the video 17" in message["exception_message"]
    assert "resample or hold" in message["exception_message"]
