"""The properties panel beside the editors: it lists no empty entry and leaves their width alone, in both renderers."""

from __future__ import annotations

import pytest

from .test_camera_editor import browser  # noqa: F401  (a fixture)
from .test_mask_painter import OUT, press_run, tabs  # noqa: F401  (tabs is a fixture)

pytestmark = pytest.mark.comfyui

ADD = """(type) => {
  const graph = window.app.graph;
  for (const old of [...graph._nodes]) graph.remove(old);
  window.N = window.LiteGraph.createNode(type);
  graph.add(N);
  N.pos = [40, 60];
  Object.assign(window.app.canvas.ds, {scale: 1, offset: [180, 40]});
  window.app.canvas.setDirty(true, true);
  return new Promise((done) => {
    const look = () => N.fulldit?.view?.width ? done() : requestAnimationFrame(look);
    look();
  });
}"""
WIDTH = "() => document.querySelector('.fulldit-editor').getBoundingClientRect().width / window.app.canvas.ds.scale"
ENTRIES = "[data-testid=section-widgets-list] .widget-item"
# The inputs that each node with an editor has beside it: what the panel may list.
EDITORS = {
    "FullDiTMaskPainter": ["frames", "width", "height"],
    "FullDiTEditTrack": ["accuracy"],
    "FullDiTCameraPath": ["frames", "fps", "aspect"],
}


def show_panel(page, wanted: bool = True) -> None:
    """Open or close the panel, and wait until it is."""
    panel = page.get_by_test_id("properties-panel")
    if panel.is_visible() != wanted:
        page.locator("[aria-label='Toggle properties panel']").click()
    panel.wait_for(state="visible" if wanted else "hidden")
    page.wait_for_timeout(600)


def listed(page) -> list[str]:
    """The names of the panel's entries."""
    return [text.split("\n")[0] for text in page.locator(ENTRIES).all_inner_texts()]


@pytest.mark.parametrize("renderer", ["canvas", "nodes2"])
@pytest.mark.parametrize("kind", EDITORS)
def test_the_panel_leaves_an_editor_as_it_is(tabs, renderer, kind):  # noqa: F811
    page = tabs(renderer)
    page.evaluate(ADD, kind)
    page.wait_for_timeout(400)
    wide = page.evaluate(WIDTH)
    assert wide > 0.9 * page.evaluate("N.size[0]")
    page.evaluate("() => window.app.canvas.selectNode(N)")
    show_panel(page)
    assert listed(page) == EDITORS[kind]
    for place in ((1450, 500), (1000, 930)):  # the wheel over the panel, and over the graph
        page.mouse.move(*place)
        page.mouse.wheel(0, 120)
        page.wait_for_timeout(400)
    OUT.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=OUT / f"panel_{kind}_{renderer}.png")
    assert page.evaluate(WIDTH) == pytest.approx(wide, abs=1)

    # Within a subgraph, whose own panel lists the widgets of the nodes in it.
    page.evaluate("() => { window.S = window.app.graph.convertToSubgraph(new Set([N])).node; }")
    page.evaluate("() => window.app.canvas.selectNode(S)")
    page.wait_for_timeout(800)
    advanced = page.get_by_text("Advanced inputs")
    advanced.click()
    page.wait_for_timeout(600)
    assert [name for name in listed(page) if name in ("editor", "masks", "path")] == []
    page.evaluate("() => window.app.canvas.openSubgraph(S.subgraph, S)")
    page.locator(".fulldit-editor").wait_for()
    page.wait_for_timeout(600)
    assert page.evaluate(WIDTH) == pytest.approx(wide, abs=1)
    page.evaluate("() => window.app.canvas.setGraph(window.app.rootGraph ?? window.app.graph)")
    assert page.errors == []


def test_the_text_of_a_report_keeps_its_width(server, tabs):  # noqa: F811
    page = tabs("canvas")
    page.evaluate("""() => {
      for (const old of [...window.app.graph._nodes]) window.app.graph.remove(old);
      const make = (type) => { const n = window.LiteGraph.createNode(type); window.app.graph.add(n); return n; };
      const preset = make('FullDiTCameraPreset');
      window.N = make('FullDiTCameraPreview');
      preset.pos = [-300, 60];
      N.pos = [40, 60];
      preset.connect(0, N, 0);
    }""")
    server.wait(press_run(page))
    page.wait_for_function("() => N.widgets.some(w => w.name === 'tokens' && w.value)", timeout=60_000)
    page.evaluate("() => window.app.canvas.selectNode(N)")
    show_panel(page)
    assert "tokens" not in listed(page)
    assert (
        page.evaluate("() => { const w = N.widgets.find(w => w.name === 'tokens'); w.width = 50; return w.width; }")
        is None
    )
    assert page.errors == []
