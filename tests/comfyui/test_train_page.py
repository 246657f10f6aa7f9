"""The workflow that tunes, as a person uses it: drop it, run a few steps, see the loss, its plot and the video.

`FULLDIT_UPDATE=1` also renews the workflow's thumbnail and the image of the node's help page.
"""

from __future__ import annotations

import json

import pytest

from .test_page import FIT, OUT, ROOT, UPDATE, browser, crop, drop, frames_of, page, press_run  # noqa: F401

pytestmark = pytest.mark.comfyui
WORKFLOW = ROOT / "workflows" / "fulldit_tune.json"
FEW = """() => { for (const n of window.app.graph._nodes) for (const w of n.widgets ?? [])
  if (w.name === 'steps') w.value = 2; }"""


def test_drop_train_and_see_the_tuned_video(server, page):  # noqa: F811
    drop(page, WORKFLOW)
    page.wait_for_timeout(800)
    broken = page.evaluate("() => window.app.graph._nodes.filter(n => n.has_errors).map(n => n.type)")
    assert broken == [] and page.locator("[role=dialog]:visible").count() == 0
    OUT.mkdir(parents=True, exist_ok=True)
    if UPDATE:
        boxes = page.evaluate(FIT)
        page.wait_for_timeout(1500)
        page.screenshot(path=OUT / "train.png")
        (node,) = [box for box in boxes if box["type"] == "FullDiTTrainConditions"]
        crop(OUT / "train.png", node, ROOT / "web" / "docs" / "FullDiTTrainConditions.png", width=480)
    page.evaluate(FEW)
    history = server.wait(press_run(page), 600)
    assert history["status"]["status_str"] == "success", history["status"]["messages"][-1]
    graph = json.loads(WORKFLOW.read_text(encoding="utf-8"))
    outputs = {node["type"]: history["outputs"].get(str(node["id"]), {}) for node in graph["nodes"]}
    assert "2 steps." in outputs["FullDiTTrainConditions"]["text"][0] and outputs["LossGraphNode"]["images"]
    (video,) = outputs["VHS_VideoCombine"]["gifs"]
    assert frames_of(server.output / video["subfolder"] / video["filename"]) == (17, 64, 96)
    assert (server.models / "fulldit" / "my_clip.safetensors").is_file()
    page.wait_for_timeout(2000)
    boxes = page.evaluate(FIT)
    page.evaluate("document.querySelectorAll('[data-testid=queue-notification-banner]').forEach(e => e.remove())")
    page.wait_for_timeout(1500)
    page.screenshot(path=OUT / "fulldit_tune.png")
    assert page.errors == []
    if UPDATE:
        crop(OUT / "fulldit_tune.png", boxes[-1], WORKFLOW.with_suffix(".jpg"), width=1000)
