"""Depth nodes in the real host: every source that needs no weights, a long clip in pieces through VideoHelperSuite, and
the nodes on the page."""

from __future__ import annotations

import json
import time

import numpy as np
import pytest

from .conftest import OUT, ROOT, VIDEO
from .test_api import node
from .test_mask_nodes import BUILD
from .test_page import FIT, UPDATE, browser, crop, frames_of, page, press_run  # noqa: F401 - two of them are fixtures

pytestmark = pytest.mark.comfyui

CLIP = {"range": "clip", "range.low": 0.02, "range.high": 0.98}
FIXED = {"range": "fixed", "range.near": 2.0, "range.far": 0.1}


def extract(source: str, span: dict = CLIP, stabilize: bool = True, **inputs) -> dict:
    """An Extract Depth node; inputs of the source are named source__..."""
    inner = {name.replace("__", "."): value for name, value in inputs.items()}
    return node("FullDiTExtractDepth", source=source, stabilise=stabilize, **span, **inner)


def world(scene: int = 21) -> dict:
    return extract("world", source__scene=scene, source__frames=17, source__width=96, source__height=64)


def text_of(history: dict, name: str) -> str:
    return "\n".join(history["outputs"][name].get("text", []))


def test_every_source_that_needs_no_weights_gives_a_clip(server):
    """Scene, estimator, depth video, geometry as Depth Anything 3 gives it, and 16-bit files, each to a clip."""
    import cv2

    folder = server.folder / "input" / "renders" / "z"
    folder.mkdir(parents=True, exist_ok=True)
    ground = np.linspace(8000, 1500, 64)[:, None] * np.ones((1, 96))
    for number in range(5):
        cv2.imwrite(str(folder / f"z_{number:03}.png"), (ground - 100 * number).astype(np.uint16))
    prompt = {
        "example": node("FullDiTExample"),
        "scene": world(),
        "small": extract("embedded", images=["example", 3]),
        "video": extract("depth_video", source__depth=["example", 3], source__kind="disparity"),
        "made": node("FullDiTTestGeometry", disparity=["example", 3], images=["example", 3]),
        "geometry": extract("geometry", source__geometry=["made", 0], source__confidence=0.0),
        "files": extract(
            "files",
            source__files="renders/z/",
            source__convention="millimetres",
            source__channel="",
            source__fov=50.0,
            source__start=0,
            source__count=0,
            source__longest=1280,
        ),
        **{
            f"see_{name}": node("PreviewAny", source=[name, 2])
            for name in ("scene", "small", "video", "geometry", "files")
        },
    }
    history = server.wait(server.queue(prompt))
    assert history["status"]["status_str"] == "success", history["status"]["messages"][-1]
    said = {name: text_of(history, f"see_{name}") for name in ("scene", "small", "video", "geometry", "files")}
    assert "exact depth of procedural scene 21" in said["scene"] and "Stabilized" not in said["scene"]
    assert "for the demo" in said["small"] and "Stabilized: points change by" in said["small"]
    assert "depth video" in said["video"] and "connect the images" in said["video"]
    assert "Depth Anything 3 looked at every frame by itself" in said["geometry"] and "Stabilized" in said["geometry"]
    assert "5 in 'renders/z/', millimetres" in said["files"]
    for text in said.values():
        assert json.loads(text.split("Recipe: ")[1])["near"] == 1
    # On the node itself: an image, and the words without the recipe.
    shown = history["outputs"]["scene"]
    assert len(shown["images"]) == 1 and "Recipe" not in shown["text"][0]
    (folder / "z_002.png").unlink()
    prompt = {"files": prompt["files"], "see": node("PreviewAny", source=["files", 2])}
    history = server.wait(server.queue(prompt))
    kind, error = history["status"]["messages"][-1]
    assert kind == "execution_error" and "lacks the frames 2" in error["exception_message"]


def test_without_the_weights_it_says_what_they_are_and_how_large(server):
    prompt = {
        "example": node("FullDiTExample"),
        "depth": extract("depth_anything_v2", images=["example", 3], source__model="Small", source__download="no"),
        "see": node("PreviewAny", source=["depth", 2]),
    }
    history = server.wait(server.queue(prompt))
    kind, error = history["status"]["messages"][-1]
    assert kind == "execution_error" and error["node_type"] == "FullDiTExtractDepth"
    for said in ("Depth-Anything-V2-Small-hf", "99.2 MB", "Apache-2.0", "SHA-256", "Set download to 'yes'"):
        assert said in error["exception_message"], said


def test_a_long_clip_goes_through_videohelpersuite_in_pieces(server):
    """17 frames in pieces of 5: Load Video, Extract Depth and Video Combine on one Meta Batch Manager. The video that
    comes out is that of the whole clip."""

    def graph(batch: int | None, prefix: str) -> dict:
        manager = {} if batch is None else {"meta_batch": ["batches", 0]}
        made = {
            "load": node(
                "VHS_LoadVideo",
                video=VIDEO,
                force_rate=0,
                custom_width=192,
                custom_height=128,
                frame_load_cap=0,
                skip_first_frames=0,
                select_every_nth=1,
                format="None",
                **manager,
            ),
            "depth": extract("embedded", FIXED, images=["load", 0], **manager),
            "save": node(
                "VHS_VideoCombine",
                images=["depth", 1],
                frame_rate=8,
                loop_count=0,
                filename_prefix=prefix,
                format="video/h264-mp4",
                pix_fmt="yuv420p",
                crf=1,
                save_metadata=False,
                trim_to_audio=False,
                pingpong=False,
                save_output=True,
                **manager,
            ),
        }
        if batch is not None:
            made["batches"] = node("VHS_BatchManager", frames_per_batch=batch)
        return made

    def video(prefix: str):
        (path,) = [p for p in server.output.glob(f"{prefix}_*.mp4")]
        import av

        assert frames_of(path) == (17, 128, 192)
        with av.open(str(path)) as container:
            return np.stack([frame.to_ndarray(format="gray") for frame in container.decode(video=0)]) / 255

    history = server.wait(server.queue(graph(None, "whole")))
    assert history["status"]["status_str"] == "success", history["status"]["messages"][-1]
    before = set(server.get("/history"))
    server.queue(graph(5, "pieces"))
    end = time.monotonic() + 240
    while time.monotonic() < end:
        queue = server.get("/queue")
        runs = {key: run for key, run in server.get("/history").items() if key not in before}
        if runs and not queue["queue_running"] and not queue["queue_pending"]:
            break
        time.sleep(0.3)
    assert all(run["status"]["status_str"] == "success" for run in runs.values()), list(runs.values())[-1]["status"]
    said = sorted(text_of(run, "depth") for run in runs.values())
    assert len(said) >= 4 and any("continue a clip of 15 frames" in text for text in said)
    whole, pieces = video("whole"), video("pieces")
    # The estimator keeps the first chunk's view of the clip instead of the whole clip's; nothing jumps between chunks.
    assert np.abs(whole - pieces).mean() < 0.05
    steps = np.abs(np.diff(pieces, axis=0)).mean((1, 2))
    assert steps[[4, 9, 14]].max() < 2 * max(steps.max(initial=0, where=~np.isin(np.arange(16), [4, 9, 14])), 0.01)


def chain() -> dict:
    """A scene's depth, carried along a preset, checked against it, and as images for VACE."""
    return {
        "scene": world(4),
        "camera": node(
            "FullDiTCameraPreset",
            **{"movement": "arc_right", "movement.amount": 7.0},
            frames=17,
            fps=8.0,
            ease="smooth",
        ),
        "along": node("FullDiTDepthAlong", depth=["scene", 0], camera=["camera", 0]),
        "check": node("FullDiTDepthAgreement", camera=["camera", 0], depth=["along", 0]),
        "vace": node("FullDiTDepthPictures", depth=["along", 0], target="vace", width=192, height=128, frames=17),
        "look": node("PreviewImage", images=["vace", 0]),
        "conditions": node(
            "FullDiTConditions",
            camera=["camera", 0],
            depth=["along", 0],
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


PLACES = {
    "scene": (0, 0),
    "camera": (400, 620),
    "along": (400, 0),
    "check": (800, 0),
    "vace": (800, 330),
    "look": (1180, 0),
}
NODES = ("FullDiTExtractDepth", "FullDiTDepthAlong", "FullDiTDepthAgreement", "FullDiTDepthPictures")


def test_depth_along_a_camera_agrees_with_it_and_fits_other_models(server):
    history = server.wait(server.queue(chain()))
    assert history["status"]["status_str"] == "success", history["status"]["messages"][-1]
    assert "holes" in text_of(history, "along") and "Camera and depth agree" in text_of(history, "check")
    assert "WanVaceToVideo" in text_of(history, "vace") and len(history["outputs"]["look"]["images"]) == 17
    assert "depth" in text_of(history, "conditions")


def test_the_nodes_show_their_results_on_the_page(server, page):  # noqa: F811
    """The same chain on the page; its nodes are the images of the help pages."""
    page.evaluate(BUILD, [{name: part for name, part in chain().items() if name in PLACES}, PLACES])
    history = server.wait(press_run(page))
    assert history["status"]["status_str"] == "success", history["status"]["messages"][-1]
    text = """(kind) => window.app.graph._nodes.find((n) => n.type === kind)
      .widgets.find((w) => w.name === 'tokens')?.element.textContent"""
    starts = ("17 frames of exact", "17 frames;", "Camera and depth agree", "17 frames of 192x128")
    for kind, start in zip(NODES, starts, strict=True):
        page.wait_for_function(f"(kind) => ({text})(kind)?.startsWith({json.dumps(start)})", arg=kind)
    for kind in NODES[:2]:
        page.wait_for_function(
            "(kind) => window.app.graph._nodes.find((n) => n.type === kind).imgs?.length === 1", arg=kind
        )
    page.evaluate(
        "(tall) => { for (const n of window.app.graph._nodes)"
        " n.setSize([Math.max(n.size[0], tall.includes(n.type) ? 360 : 0),"
        " n.computeSize()[1] + (tall.includes(n.type) ? 40 : 0)]); }",
        list(NODES[:2]),
    )
    boxes = page.evaluate(FIT)
    page.evaluate("document.querySelectorAll('[data-testid=queue-notification-banner]').forEach(e => e.remove())")
    page.wait_for_timeout(1500)
    OUT.mkdir(parents=True, exist_ok=True)
    image = OUT / "depth_nodes.png"
    page.screenshot(path=image)
    assert page.errors == []
    if UPDATE:
        for box in boxes[:-1]:
            if box["type"] in NODES:
                crop(image, box, ROOT / "web" / "docs" / f"{box['type']}.png", width=480)
