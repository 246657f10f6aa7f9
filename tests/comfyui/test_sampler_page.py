"""The sampler on the page: advanced inputs can be reached in both renderers, and `preview` samples nothing again."""

from __future__ import annotations

import pytest

from .test_api import node, prompt
from .test_camera_editor import browser  # noqa: F401  (a fixture)
from .test_mask_painter import OUT, press_run, tabs  # noqa: F401  (tabs is a fixture)
from .test_page_panel import listed, show_panel

pytestmark = pytest.mark.comfyui

ADVANCED = ["negative", "camera_guidance", "identity_guidance", "depth_guidance", "preview", "anchor"]
ALONE = """() => {
  const graph = window.app.graph;
  for (const old of [...graph._nodes]) graph.remove(old);
  window.N = window.LiteGraph.createNode('FullDiTSampler');
  graph.add(N);
  N.pos = [40, 60];
  Object.assign(window.app.canvas.ds, {scale: 0.8, offset: [60, 60]});
  window.app.canvas.setDirty(true, true);
}"""
LOAD = """async (prompt) => {
  await window.app.loadApiJson(prompt, 'sampler');
  window.N = window.app.graph._nodes.find(n => n.comfyClass === 'FullDiTSampler');
}"""
PREVIEW = """(on) => {
  const widget = N.widgets.find(w => w.name === 'preview');
  widget.value = on;
  widget.callback?.(on);
}"""


@pytest.mark.parametrize("renderer", ["canvas", "nodes2"])
def test_the_advanced_inputs_can_be_reached(tabs, renderer):  # noqa: F811
    page = tabs(renderer)
    page.evaluate(ALONE)
    page.wait_for_timeout(800)
    OUT.mkdir(parents=True, exist_ok=True)
    if renderer == "nodes2":  # in the node itself, behind a button below its inputs
        shown = page.locator(".lg-node-widget, [data-testid=node-widget]")
        before = set(" ".join(shown.all_inner_texts()).split())
        page.get_by_text("Show advanced inputs").click()
        page.get_by_text("Hide advanced inputs").wait_for()
        page.wait_for_timeout(400)
        page.screenshot(path=OUT / "sampler_advanced_nodes2.png")
        after = set(" ".join(shown.all_inner_texts()).split())
        assert set(ADVANCED) - {"negative"} <= after - before
    # And in the panel beside the graph.
    page.evaluate("() => window.app.canvas.selectNode(N)")
    show_panel(page)
    if not set(ADVANCED) <= set(listed(page)):
        page.get_by_text("Advanced inputs").first.click()
        page.wait_for_timeout(600)
    page.screenshot(path=OUT / f"sampler_advanced_panel_{renderer}.png")
    assert set(ADVANCED) <= set(listed(page))
    assert page.errors == []


@pytest.mark.parametrize("renderer", ["canvas", "nodes2"])
def test_switching_the_preview_does_not_sample_again(server, tabs, renderer):  # noqa: F811
    page = tabs(renderer)
    camera = node("FullDiTCameraPreset", **{"movement": "dolly_in", "movement.amount": 0.3}, frames=5, ease="linear")
    page.evaluate(LOAD, prompt(camera))
    page.wait_for_timeout(800)
    sampler = str(page.evaluate("() => N.id"))

    def ran() -> bool:
        """Run, and return whether the sampler did."""
        history = server.wait(press_run(page))
        assert history["status"]["status_str"] == "success", history["status"]["messages"][-1]
        cached = [data["nodes"] for kind, data in history["status"]["messages"] if kind == "execution_cached"]
        return sampler not in cached[0]

    steps = page.evaluate("() => { const w = N.widgets.find(w => w.name === 'steps'); w.value = 2; return w.value; }")
    assert steps == 2
    page.evaluate("() => { N.widgets.find(w => w.name === 'control_after_generate').value = 'fixed'; }")
    page.evaluate(
        "(seed) => { N.widgets.find(w => w.name === 'seed').value = seed; }", {"canvas": 11, "nodes2": 12}[renderer]
    )
    assert ran()
    for on in (False, True):
        page.evaluate(PREVIEW, on)
        page.wait_for_timeout(300)
        assert not ran()
    page.screenshot(path=OUT / f"sampler_preview_{renderer}.png")
    page.evaluate("() => { N.widgets.find(w => w.name === 'seed').value += 10; }")
    assert ran(), "another seed does sample again"
    assert page.errors == []
