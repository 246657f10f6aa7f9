"""Key Frames and Between Key Frames in the real host and on its page; the nodes are the images of their help pages."""

from __future__ import annotations

import pytest

from .conftest import OUT, ROOT
from .test_api import node
from .test_mask_nodes import BUILD
from .test_page import FIT, UPDATE, browser, crop, page, press_run  # noqa: F401 - two of them are fixtures

pytestmark = pytest.mark.comfyui

NODES = ("FullDiTKeyFrames", "FullDiTBetweenKeyFrames")
PLACES = {
    "example": (-420, 0),
    "whole": (-420, 260),
    "keys": (0, 0),
    "count": (420, 0),
    "rate": (420, 160),
    "few": (0, 260),
    "between": (0, 420),
    "asked": (420, 320),
    "seen": (420, 480),
}


def chain() -> dict:
    """The example's camera for 17 frames, the conditions of every fourth one, and five images as those key frames."""
    size = {"frames": 17, "width": 96, "height": 64, "spread": False, "camera_strength": 1.0, "depth_strength": 1.0}
    return {
        "example": node("FullDiTExample"),
        "whole": node("FullDiTConditions", camera=["example", 4], **size),
        "keys": node("FullDiTKeyFrames", conditions=["whole", 0], every=4),
        "count": node("PreviewAny", source=["keys", 1]),
        "rate": node("PreviewAny", source=["keys", 2]),
        "few": node("ImageFromBatch", image=["example", 3], batch_index=0, length=5),
        "between": node("FullDiTBetweenKeyFrames", conditions=["whole", 0], images=["few", 0], every=4),
        "asked": node("FullDiTPreview", conditions=["between", 0], layout="frames", height=64),
        "seen": node("PreviewImage", images=["asked", 0]),
    }


def test_key_frames_are_counted_and_known_of_the_whole_clip(server):
    history = server.wait(server.queue(chain()))
    assert history["status"]["status_str"] == "success", history["status"]["messages"][-1]
    outputs = history["outputs"]
    assert (outputs["count"]["text"], outputs["rate"]["text"]) == (["5"], ["2.0"])
    assert len(outputs["seen"]["images"]) == 17


def test_images_that_are_not_all_key_frames_are_refused_by_their_number(server):
    asked = chain()
    asked["few"]["inputs"]["length"] = 4
    history = server.wait(server.queue(asked))
    assert history["status"]["status_str"] == "error"
    assert "4 key frames came" in str(history["status"]["messages"])


def test_the_nodes_run_on_the_page(server, page):  # noqa: F811
    page.evaluate(BUILD, [chain(), PLACES])
    history = server.wait(press_run(page))
    assert history["status"]["status_str"] == "success", history["status"]["messages"][-1]
    page.evaluate("() => { for (const n of window.app.graph._nodes) n.setSize([n.size[0], n.computeSize()[1]]); }")
    boxes = page.evaluate(FIT)
    page.evaluate("document.querySelectorAll('[data-testid=queue-notification-banner]').forEach(e => e.remove())")
    page.wait_for_timeout(1500)
    OUT.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=OUT / "key_frames.png")
    assert page.errors == []
    if UPDATE:
        for box in boxes[:-1]:
            if box["type"] in NODES:
                crop(OUT / "key_frames.png", box, ROOT / "web" / "docs" / f"{box['type']}.png", width=480)
