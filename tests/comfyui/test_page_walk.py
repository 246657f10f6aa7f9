"""What happens to a graph with both editors in a day's work: undo, another tab, a reload, the properties panel, a
subgraph, a copy, bypass. In both renderers, the pixels of the editors and of what lies behind are where they were.
"""

from __future__ import annotations

import io
import json

import numpy as np
import pytest

from .test_camera_editor import browser, opened  # noqa: F401  (browser is a fixture)
from .test_mask_painter import NODE, write_clip
from .test_page import OUT, ROOT, wait_until_ready
from .test_page_panel import show_panel

pytestmark = pytest.mark.comfyui

FIND = """() => {
  const all = [], visit = (graph) => graph._nodes.forEach((n) => { all.push(n); if (n.subgraph) visit(n.subgraph); });
  visit(window.app.rootGraph ?? window.app.graph);
  window.M = all.find((n) => n.comfyClass === 'FullDiTMaskPainter');
  window.C = all.find((n) => n.comfyClass === 'FullDiTCameraPath');
}"""
# Both editors are there, with what lies behind them, and nothing moves any more.
READY = """() => {
  const [m, c] = [window.M?.fulldit, window.C?.fulldit];
  return m?.view?.scene.image && m.view.drawn && m.frames.has(m.frame) && !m.view.pending
    && c?.view?.frames && !c.view.backdrop.empty && !c.view.pending;
}"""
PLACE = """() => {
  const {canvas} = window.app;
  canvas.deselectAll?.();
  const [mx, my] = window.M.pos;
  Object.assign(canvas.ds, {scale: 1, offset: [90 - mx, 130 - my]});
  canvas.setDirty(true, true);
}"""
STATE = """() => ({
  keys: M.fulldit.state.slots[0].keys.map((key) => key.frame), history: M.fulldit.history.values.length,
  at: M.fulldit.history.at, report: M.fulldit.part.report.textContent, follow: !M.fulldit.part.follow.disabled,
  stage: M.fulldit.stage?.stage, camera: C.fulldit.text, cameraHistory: C.fulldit.history.values.length,
})"""


INSIDE = "() => window.app.canvas.graph._nodes.map(n => n.comfyClass).sort()"


class Walk:
    """A page with both editors, and how they looked at first."""

    def __init__(self, page):
        self.page, self.first, self.worst = page, None, {}

    def wait(self):
        self.page.wait_for_timeout(600)
        self.page.evaluate(FIND)
        self.page.evaluate(PLACE)
        for _ in range(3):  # in Nodes 2.0 a node that is made anew gets its element a little later
            self.page.wait_for_function(f"() => {{ ({FIND})(); return ({READY})(); }}", timeout=60_000, polling=200)
            self.page.wait_for_timeout(250)

    def look(self) -> dict[str, np.ndarray]:
        """What is seen of both editors, (H, W, 3), without the pointer and the focus."""
        from PIL import Image

        page = self.page
        self.wait()
        page.mouse.move(4, 996)
        page.evaluate("() => document.activeElement?.blur()")
        page.evaluate("() => { M.fulldit.scrub(0); M.fulldit.unsay(); C.fulldit.choose(0); C.fulldit.unsay(); }")
        page.evaluate("() => { C.fulldit.view.look('home'); C.fulldit.fit(); }")
        self.wait()
        page.wait_for_timeout(500)
        seen = {}
        for name, root in (("painter", ".fulldit-masks"), ("camera", ".fulldit-camera")):
            shot = page.locator(f"{root} .stage").first.screenshot()
            seen[name] = np.asarray(Image.open(io.BytesIO(shot)).convert("RGB"), np.float32)
        return seen

    def same(self, after: str) -> dict:
        """The state now; fails where a pixel is elsewhere."""
        seen = self.look()
        self.page.screenshot(path=OUT / f"walk_{after.replace(' ', '_')}_{self.page.renderer}.png")
        if self.first is None:
            self.first = seen
        for name, image in seen.items():
            assert image.shape == self.first[name].shape, f"the {name} after {after}"
            differs = np.abs(image - self.first[name]).max(-1) > 24
            self.worst[f"{name} after {after}"] = round(float(differs.mean()), 5)
            assert differs.mean() < 0.004, f"the {name} after {after}"
        return self.page.evaluate(STATE)


def paint(page, *points):
    """Pull the mouse over the painter, in shares of the frame."""
    place = """([u, v]) => {
      const {view} = M.fulldit, box = view.stage.getBoundingClientRect(), p = view.toStage([u, v]);
      return [box.left + p.x * box.width / view.width, box.top + p.y * box.height / view.height];
    }"""
    page.mouse.move(*page.evaluate(place, points[0]))
    page.mouse.down()
    for point in points[1:]:
        page.mouse.move(*page.evaluate(place, point), steps=6)
    page.mouse.up()
    page.wait_for_timeout(250)


def outside(page, *keys):
    """Press keys that are the graph's, not an editor's."""
    page.evaluate("() => { document.activeElement?.blur(); window.app.canvas.canvas.focus(); }")
    page.mouse.move(4, 996)
    for key in keys:
        page.keyboard.press(key)
    page.wait_for_timeout(1500)


@pytest.fixture(params=["canvas", "nodes2"])
def walk(request, server, browser):  # noqa: F811
    page = opened(server, browser, request.param == "nodes2")
    page.renderer = request.param
    OUT.mkdir(parents=True, exist_ok=True)
    yield Walk(page)
    page.close()
    server.post("/settings/Comfy.VueNodes.Enabled", False)


def test_the_editors_stay_as_they_are_through_a_days_work(server, walk):
    page = walk.page
    write_clip(server)
    graph = json.loads((ROOT / "workflows" / "fulldit_camera_path.json").read_text(encoding="utf-8"))
    page.evaluate("(graph) => window.app.loadGraphData(graph, true, true, null)", graph)
    page.wait_for_timeout(1000)
    load = page.evaluate(NODE, ["VHS_LoadVideo", {"video": "clip.mp4"}, {}, [-1300, 40]])
    painter = page.evaluate(NODE, ["FullDiTMaskPainter", {}, {"images": [load, 0]}, [-900, 40]])
    page.evaluate(
        """([load, painter]) => {
      const {graph} = window.app, camera = graph._nodes.find((n) => n.type === 'FullDiTCameraPath');
      camera.pos = [-160, 40];
      graph.getNodeById(load).connect(0, camera, camera.inputs.findIndex((i) => i.name === 'image'));
      for (const node of [...graph._nodes])  // what only the model needs would sample for a while
        if (!['FullDiTCameraPath', 'FullDiTCameraPreview'].includes(node.type) && ![load, painter].includes(node.id))
          graph.remove(node);
    }""",
        [load, painter],
    )
    page.evaluate(FIND)
    page.evaluate(PLACE)
    page.wait_for_function("() => window.M.fulldit?.view && window.C.fulldit?.view", timeout=60_000)
    page.get_by_test_id("queue-button").click()
    walk.wait()

    # Both editors are used.
    page.locator(".fulldit-masks").focus()
    page.keyboard.press("r")
    paint(page, (0.1, 0.3), (0.3, 0.7))
    page.keyboard.press("End")
    page.keyboard.press("m")
    paint(page, (0.2, 0.5), (0.7, 0.5))
    page.evaluate("() => { C.fulldit.start('orbit_left'); C.fulldit.fit(); }")
    page.mouse.click(1000, 960)  # the graph takes note of a change when the button is released
    page.wait_for_timeout(500)
    before = walk.same("work")
    assert before["keys"] == [0, 12] and before["follow"] and before["history"] == 3
    assert "2 keyframes" in before["report"], "the report is about what is painted now"

    # One step back in the graph takes the camera's path back, one step forward brings it again.
    outside(page, "Control+z")
    walk.wait()
    undone = page.evaluate(STATE)
    assert undone["camera"] != before["camera"] and undone["keys"] == [0, 12] and undone["follow"]
    assert undone["history"] == 3 and undone["cameraHistory"] >= 2, "the editors' own histories are still there"
    page.evaluate("() => { C.fulldit.step(1); }")
    assert walk.same("graph undo") == before

    page.evaluate("() => window.app.extensionManager.command.execute('Comfy.NewBlankWorkflow')")
    page.wait_for_function("() => window.app.graph._nodes.length === 0", timeout=30_000)
    labels = page.locator(".workflow-label")
    labels.nth(labels.count() - 2).click()
    page.wait_for_function("() => window.app.graph._nodes.length > 2", timeout=30_000)
    assert walk.same("another tab") == before

    page.evaluate("() => window.app.canvas.selectNode(window.M)")
    show_panel(page)
    page.mouse.move(1500, 500)
    page.mouse.wheel(0, 200)
    page.wait_for_timeout(400)
    show_panel(page, False)
    assert walk.same("the properties panel") == before

    for _ in range(2):  # bypassed, and back
        page.evaluate("() => window.app.canvas.selectNode(window.M)")
        outside(page, "Control+b")
    assert walk.same("bypass") == before

    page.evaluate("() => window.app.canvas.selectNode(window.M)")
    outside(page, "Control+c", "Control+v")
    copies = page.evaluate(
        "() => window.app.graph._nodes.filter(n => n.comfyClass === 'FullDiTMaskPainter').map(n => n.widgets[0].value)"
    )
    assert len(copies) == 2 and copies[0] == copies[1]
    page.evaluate(
        "() => { const g = window.app.graph; g.remove(g._nodes.findLast(n => n.comfyClass === M.comfyClass)); }"
    )
    page.mouse.click(1000, 960)
    assert walk.same("a copy") == before

    page.reload(wait_until="domcontentloaded")
    wait_until_ready(page)
    assert walk.same("a reload") == before

    # In a subgraph they are other nodes: the frames, the masks, the path and the backdrop go with them.
    page.evaluate("() => { window.S = window.app.graph.convertToSubgraph(new Set([M, C])).node; }")
    page.wait_for_timeout(600)
    page.evaluate("() => window.app.canvas.openSubgraph(S.subgraph, S)")
    page.wait_for_timeout(600)
    assert page.evaluate(INSIDE) == ["FullDiTCameraPath", "FullDiTMaskPainter"]
    within = walk.same("a subgraph")
    for name in ("keys", "stage", "follow", "camera"):
        assert within[name] == before[name], name
    print(json.dumps({page.renderer: walk.worst}))
    assert page.errors == []
