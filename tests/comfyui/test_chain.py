"""The whole way, by a person's hand: video in, track, edit, reference, depth, camera, generate, video out.

The shipped graph is dropped onto the page. The track comes from SAM 3 and the depth from Depth Anything 3, whose data a
node of the tests makes, since their weights are not here. The track is then mended with the brush.
"""

from __future__ import annotations

import json
import re

import pytest

from .conftest import OUT, ROOT
from .test_page import FIT, browser, drop, frames_of, page, press_run  # noqa: F401 - two of them are fixtures

pytestmark = pytest.mark.comfyui

REWIRE = """async () => {
  const graph = window.app.graph, find = (type) => graph._nodes.find((n) => n.type === type);
  const add = (type, pos) => {
    const node = window.LiteGraph.createNode(type);
    graph.add(node);
    node.pos = pos;
    return node;
  };
  const wire = (from, output, to, name) => {
    const slot = to.inputs.findIndex((input) => input.name === name);
    if (slot < 0) throw new Error(`${to.type} has no input ${name}`);
    from.connect(output, to, slot);
  };
  const load = find('VHS_LoadVideo'), edit = find('FullDiTEditTrack'), depth = find('FullDiTExtractDepth');
  const example = add('FullDiTExample', [30, 980]), sam = add('FullDiTTestSam3', [30, 1200]);
  const slots = add('FullDiTMasksFromTrack', [30, 1320]), geometry = add('FullDiTTestGeometry', [200, 1200]);
  wire(example, 2, sam, 'one');
  wire(load, 0, sam, 'images');
  wire(sam, 0, slots, 'track');
  wire(slots, 0, edit, 'track1');
  const source = depth.widgets.find((w) => w.name === 'source');
  source.value = 'geometry';
  source.callback?.('geometry');
  await new Promise((done) => setTimeout(done, 300));
  wire(example, 3, geometry, 'disparity');
  wire(load, 0, geometry, 'images');
  wire(geometry, 0, depth, 'source.geometry');
  graph.remove(find('FullDiTPropagateMask'));
  graph.remove(find('FullDiTMaskPainter'));
  find('FullDiTSampler').widgets.find((w) => w.name === 'steps').value = 4;
}"""
SPOT = """([u, v]) => {
  const {view} = window.app.graph._nodes.find((n) => n.type === 'FullDiTEditTrack').fulldit;
  const box = view.stage.getBoundingClientRect(), p = view.toStage([u, v]);
  return [box.left + p.x * box.width / view.width, box.top + p.y * box.height / view.height];
}"""
MASKS = """() => window.app.graph._nodes.find((n) => n.type === 'FullDiTEditTrack')
  .widgets.find((w) => w.name === 'masks').value"""
TEXT = """(kind) => window.app.graph._nodes.find((n) => n.type === kind)
  .widgets.find((w) => w.name === 'tokens')?.element.textContent ?? ''"""


def run(server, page) -> tuple[dict, dict]:  # noqa: F811
    """Press Run and wait: what each kind of node said, and the video that came out."""
    history = server.wait(press_run(page), 400)
    assert history["status"]["status_str"] == "success", history["status"]["messages"][-1]
    kinds = {str(n["id"]): n["type"] for n in page.evaluate("() => window.app.graph.serialize().nodes")}
    said = {kinds[name]: "\n".join(out["text"]) for name, out in history["outputs"].items() if "text" in out}
    (video,) = [gif for out in history["outputs"].values() for gif in out.get("gifs", [])]
    return said, video


def covered(said: dict) -> float:
    """The share of the image that the map shows in red, in percent."""
    return float(re.search(r"red: 'cylinder', in frames 0-16, ([\d.]+)%", said["FullDiTIdentityMap"])[1])


def test_a_video_becomes_controls_and_a_generated_video(server, page):  # noqa: F811
    drop(page, ROOT / "workflows" / "fulldit_video_controls.json")
    page.wait_for_timeout(800)
    page.evaluate(REWIRE)
    page.evaluate(FIT)
    page.wait_for_function(
        "() => window.app.graph._nodes.find((n) => n.type === 'FullDiTEditTrack').fulldit?.view?.drawn"
    )
    assert page.evaluate(MASKS) == ""
    said, video = run(server, page)
    assert frames_of(server.output / video["subfolder"] / video["filename"]) == (17, 64, 96)
    assert said["FullDiTMasksFromTrack"].startswith("2 objects in 17 frames.\ntrack1: object 0")
    assert "track1" in said["FullDiTEditTrack"] and "every frame keeps at least 95%" in said["FullDiTEditTrack"]
    assert "Movement: " in said["FullDiTCameraFromVideo"]
    assert "Depth Anything 3" in said["FullDiTExtractDepth"] or "geometry" in said["FullDiTExtractDepth"]
    assert said["FullDiTConditions"].startswith("269 tokens, video 120\ncamera 5, references 24")
    before = covered(said)
    page.wait_for_timeout(1500)  # the track's keys and the video's frames reach the page
    OUT.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=OUT / "chain_tracked.png")

    # A stroke beside the thing, on the first frame: the keys become the user's own.
    page.mouse.move(*page.evaluate(SPOT, [0.08, 0.2]))
    page.mouse.down()
    for u in (0.12, 0.16, 0.2, 0.24):
        page.mouse.move(*page.evaluate(SPOT, [u, 0.3]), steps=3)
    page.mouse.up()
    page.wait_for_function(f"() => ({MASKS})() !== ''", timeout=60_000)
    state = json.loads(page.evaluate(MASKS))
    assert state["format"] == "fulldit-masks" and state["frames"] == 17 and len(state["slots"][0]["keys"]) >= 2

    said, video = run(server, page)
    assert "every frame keeps" not in said["FullDiTEditTrack"] and "are others than" not in said["FullDiTEditTrack"]
    assert covered(said) > before
    assert frames_of(server.output / video["subfolder"] / video["filename"]) == (17, 64, 96)
    page.wait_for_function(f"(kind) => ({TEXT})(kind).startsWith('17 frames of')", arg="FullDiTIdentityMap")
    page.evaluate("document.querySelectorAll('[data-testid=queue-notification-banner]').forEach(e => e.remove())")
    page.wait_for_timeout(1500)
    page.screenshot(path=OUT / "chain_edited.png")
    assert page.errors == []
