"""Render along Camera in the real host: through its server, canceled, and on the page."""

from __future__ import annotations

import json

import pytest

from .conftest import OUT, ROOT, VIDEO
from .test_api import node
from .test_camera_nodes import module
from .test_depth_nodes import extract, text_of
from .test_mask_nodes import BUILD
from .test_page import FIT, UPDATE, browser, crop, page, press_run  # noqa: F401 - two of them are fixtures

pytestmark = pytest.mark.comfyui

RENDER = "FullDiTRenderAlong"
SCENE = {"source__scene": 12, "source__frames": 1, "source__width": 384, "source__height": 256}
PLACES = {"load": (0, 0), "camera": (0, 420), "depth": (330, 0), "render": (760, 0), "look": (1200, 0)}


def chain() -> dict:
    """The first frame of a video, its estimated depth, and both along a preset at twice the size."""
    return {
        "load": node(
            "VHS_LoadVideo",
            video=VIDEO,
            force_rate=0,
            custom_width=192,
            custom_height=128,
            frame_load_cap=1,
            skip_first_frames=0,
            select_every_nth=1,
            format="None",
        ),
        "camera": node(
            "FullDiTCameraPreset",
            **{"movement": "arc_right", "movement.amount": 7.0},
            frames=17,
            fps=8.0,
            ease="smooth",
        ),
        "depth": extract("embedded", images=["load", 0]),
        "render": node(RENDER, images=["load", 0], depth=["depth", 0], camera=["camera", 0], width=384, height=0),
        "look": node("PreviewImage", images=["render", 0]),
        "mask": node("MaskToImage", mask=["render", 1]),
        "holes": node("PreviewImage", images=["mask", 0]),
        "said": node("PreviewAny", source=["render", 3]),
        "conditions": node(
            "FullDiTConditions",
            camera=["camera", 0],
            depth=["render", 2],
            frames=17,
            width=96,
            height=64,
            spread=False,
            camera_strength=1.0,
            depth_strength=1.0,
        ),
        "asked": node("FullDiTPreview", conditions=["conditions", 0], layout="frames", height=64),
        "seen": node("PreviewImage", images=["asked", 0]),
    }


def test_an_image_is_rendered_along_a_path_through_the_server(server):
    history = server.wait(server.queue(chain()))
    assert history["status"]["status_str"] == "success", history["status"]["messages"][-1]
    assert len(history["outputs"]["look"]["images"]) == len(history["outputs"]["holes"]["images"]) == 17
    said = text_of(history, "said")
    assert said.startswith("17 frames of 384x256.") and "are holes, at most" in said
    assert "put 0.1 of its range before that" in said and "Holes of each frame in %: 0 " in said
    assert "depth" in text_of(history, "conditions")
    # On the node itself: an image, and the words without the list.
    shown = history["outputs"]["render"]
    assert len(shown["images"]) == 1 and "Holes of each" not in shown["text"][0]


def test_a_canceled_run_ends_and_progress_is_shown(host, monkeypatch):
    import comfy.model_management as management
    import comfy.utils

    steps = []
    monkeypatch.setattr(comfy.utils, "PROGRESS_BAR_HOOK", lambda value, total, *_, **__: steps.append((value, total)))
    scene = module("scenes").render([5], 1, 64, 96)
    image = scene.video[0].permute(1, 2, 3, 0).contiguous()
    depth = module("control.depth").normalize_depth(scene.depth[0].numpy(), "depth")
    path = module("control.camera.presets").preset("truck_right", frames=6, aspect=1.5)
    finder = module("nodes.render_along").FullDiTRenderAlong
    images, holes, _, _ = finder.execute(image, depth, path).args
    assert images.shape == (6, 64, 96, 3) and holes[1:].any() and steps[-1] == (6, 6)
    management.interrupt_current_processing(True)
    try:
        with pytest.raises(management.InterruptProcessingException):
            finder.execute(image, depth, path)
    finally:
        management.interrupt_current_processing(False)


def test_the_node_shows_its_frames_on_the_page(host, server, page):  # noqa: F811
    """A procedural scene and its exact depth; the node is the image of its help page."""
    import cv2

    frame = module("scenes").render([12], 1, 256, 384).video[0, :, 0].permute(1, 2, 0).numpy()
    cv2.imwrite(str(server.folder / "input" / "scene.png"), (frame[..., ::-1] * 255).round())
    parts = {name: part for name, part in chain().items() if name in PLACES}
    parts |= {"load": node("LoadImage", image="scene.png"), "depth": extract("world", **SCENE)}
    page.evaluate(BUILD, [parts, PLACES])
    history = server.wait(press_run(page))
    assert history["status"]["status_str"] == "success", history["status"]["messages"][-1]
    found = f"window.app.graph._nodes.find((n) => n.type === {json.dumps(RENDER)})"
    page.wait_for_function(
        f"{found}.widgets.find((w) => w.name === 'tokens')?.element.textContent.startsWith('17 frames of')"
    )
    page.wait_for_function(f"{found}.imgs?.length === 1")
    page.evaluate(f"{found}.setSize([400, {found}.computeSize()[1]])")
    boxes = page.evaluate(FIT)
    page.evaluate("document.querySelectorAll('[data-testid=queue-notification-banner]').forEach(e => e.remove())")
    page.wait_for_timeout(1500)
    OUT.mkdir(parents=True, exist_ok=True)
    image = OUT / "render_along.png"
    page.screenshot(path=image)
    assert page.errors == []
    if UPDATE:
        (box,) = [box for box in boxes[:-1] if box["type"] == RENDER]
        crop(image, box, ROOT / "web" / "docs" / f"{RENDER}.png", width=480)
