"""The shipped workflows in the real page: no node lies on another one, in both renderers, and each says what it is."""

from __future__ import annotations

import json

import pytest

from .test_camera_editor import browser  # noqa: F401  (a fixture)
from .test_mask_painter import tabs  # noqa: F401  (a fixture)
from .test_page import FIT, OUT, ROOT

pytestmark = pytest.mark.comfyui

WORKFLOWS = sorted((ROOT / "workflows").glob("*.json"))
LOAD = """async (graph) => { await window.app.loadGraphData(graph, true, true, null); }"""
# Boxes [title, left, top, right, bottom] in units of the graph: as the renderer that is on shows them.
BOXES = """() => {
  const {ds, canvas} = window.app.canvas, from = canvas.getBoundingClientRect();
  const vue = new Map([...document.querySelectorAll('[data-node-id]')].map((e) => [e.dataset.nodeId, e]));
  return window.app.graph._nodes.map((n) => {
    const title = n.constructor.title_mode ? 0 : window.LiteGraph.NODE_TITLE_HEIGHT;
    const plain = [n.pos[0], n.pos[1] - title, n.pos[0] + n.size[0], n.pos[1] + (n.flags.collapsed ? 0 : n.size[1])];
    const element = window.LiteGraph.vueNodesMode && vue.get(String(n.id));
    if (!element) return [n.title, ...plain];
    const b = element.getBoundingClientRect(), x = (v) => (v - from.left) / ds.scale - ds.offset[0];
    const y = (v) => (v - from.top) / ds.scale - ds.offset[1];
    return [n.title, x(b.left), y(b.top), x(b.right), y(b.bottom)];
  });
}"""


def overlaps(boxes: list[list]) -> list[tuple[str, str, int, int]]:
    """Pairs of boxes that lie on one another by more than a border, with the size of the overlap."""
    found = []
    for number, (one, *a) in enumerate(boxes):
        for other, *b in boxes[number + 1 :]:
            wide, high = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
            if wide > 2 and high > 2:
                found.append((one, other, round(wide), round(high)))
    return found


@pytest.mark.parametrize("renderer", ["canvas", "nodes2"])
def test_no_node_lies_on_another_one(tabs, renderer):  # noqa: F811
    page, found = tabs(renderer), {}
    for path in WORKFLOWS:
        page.evaluate(LOAD, json.loads(path.read_text(encoding="utf-8")))
        page.wait_for_timeout(1200)
        page.evaluate(FIT)
        page.wait_for_timeout(1200)
        boxes = page.evaluate(BOXES)
        assert len(boxes) == len(json.loads(path.read_text(encoding="utf-8"))["nodes"])
        OUT.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=OUT / f"layout_{path.stem}_{renderer}.png")
        if over := overlaps(boxes):
            found[path.stem] = over
    assert found == {}
