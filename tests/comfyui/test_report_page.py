"""Compare, Agreement Report, Fit Video, Export and Import on the page: what follows is gray, what failed says so."""

from __future__ import annotations

import json

import pytest

from .conftest import OUT, ROOT, VIDEO
from .test_api import node
from .test_mask_nodes import BUILD
from .test_mask_painter import opened
from .test_page import FIT, UPDATE, browser, crop, page, press_run  # noqa: F401 - two of them are fixtures
from .test_report_nodes import loaded, sampled

pytestmark = pytest.mark.comfyui

SHOWN = {
    "FullDiTCompare": "all conditions: ",  # made, or kept from an earlier test
    "FullDiTAgreementReport": "camera: ",
    "FullDiTFitVideo": "Size, length and rate are those of the conditions: ",
    "FullDiTExportConditions": "output/fulldit/conditions",
    "FullDiTConditions": "269 tokens, video 120",
}
PLACES = {
    "load": (0, 0),
    "example": (0, 220),
    "depth": (300, 420),
    "one": (300, 0),
    "conditions": (640, 0),
    "compare": (1080, 0),
    "sampler": (1080, 1060),
    "decode": (1920, 1060),
    "report": (1500, 0),
    "video": (300, 760),
    "fit": (640, 760),
    "export": (1920, 0),
    "import": (1920, 300),
    "look": (2340, 0),
    "seen": (2340, 420),
}
TEXT = """(kind) => {
  const node = window.app.graph._nodes.find((n) => n.type === kind);
  return node.widgets.find((w) => w.name === 'tokens')?.element.textContent ?? '';
}"""


def chain(server) -> dict:
    """All five nodes behind the example's conditions, which follow the model."""
    prompt = loaded(
        compare=sampled("FullDiTCompare"),
        sampler=sampled("FullDiTSampler"),
        decode=node("VAEDecode", samples=["sampler", 0], vae=["load", 2]),
        report=node("FullDiTAgreementReport", images=["decode", 0], conditions=["conditions", 0], estimators="auto"),
        video=node(
            "VHS_LoadVideo",
            video=VIDEO,
            force_rate=0,
            custom_width=0,
            custom_height=0,
            frame_load_cap=0,
            skip_first_frames=0,
            select_every_nth=1,
            format="None",
        ),
        fit=node("FullDiTFitVideo", images=["video", 0], source_fps=24.0, conditions=["conditions", 0]),
        look=node("PreviewImage", images=["compare", 0]),
        seen=node("PreviewImage", images=["fit", 0]),
        export=node("FullDiTExportConditions", conditions=["conditions", 0]),
    )
    prompt["import"] = node("FullDiTImportConditions")
    return prompt


def labels(page, kind: str) -> dict:  # noqa: F811
    """The widgets of a node: label and whether it is gray."""
    return page.evaluate(
        "(kind) => Object.fromEntries(window.app.graph._nodes.find((n) => n.type === kind).widgets"
        ".map((w) => [w.name, [w.label ?? w.name, !!w.disabled]]))",
        kind,
    )


def test_the_nodes_show_what_they_did_and_what_they_follow(server, page):  # noqa: F811
    prompt = chain(server)
    del prompt["import"]  # its list is empty before anything was exported
    page.evaluate(BUILD, [prompt, {name: place for name, place in PLACES.items() if name in prompt}])
    page.wait_for_timeout(1000)
    # Before anything has run: the size of the loaded checkpoint.
    assert labels(page, "FullDiTConditions")["frames"] == ["frames (17 from model)", False]
    history = server.wait(press_run(page), 400)
    assert history["status"]["status_str"] == "success", history["status"]["messages"][-1]
    for kind, start in SHOWN.items():
        page.wait_for_function(f"([kind, start]) => ({TEXT})(kind).startsWith(start)", arg=[kind, start])
    assert labels(page, "FullDiTFitVideo")["width"] == ["width (96 from conditions)", False]
    for kind in ("FullDiTCompare", "FullDiTAgreementReport"):
        page.wait_for_function(f"window.app.graph._nodes.find((n) => n.type === {json.dumps(kind)}).imgs?.length === 1")
    page.evaluate(
        "() => { for (const [kind, size] of [['FullDiTCompare', [400, 1000]], ['FullDiTAgreementReport', [420, 900]]])"
        " window.app.graph._nodes.find((n) => n.type === kind).setSize(size); }"
    )
    page.evaluate(FIT)
    page.evaluate("document.querySelectorAll('[data-testid=queue-notification-banner]').forEach(e => e.remove())")
    page.wait_for_timeout(1500)
    OUT.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=OUT / "report_nodes.png")
    assert page.errors == []
    if UPDATE:
        for kind in SHOWN:
            photograph(page, kind)


def photograph(page, kind: str) -> None:  # noqa: F811
    """The image of a help page: the node alone, as large as it can be read."""
    box = page.evaluate(
        """(kind) => {
          const node = window.app.graph._nodes.find((n) => n.type === kind), view = window.app.canvas;
          const area = view.canvas.getBoundingClientRect(), scale = Math.min(1, (area.height - 160) / node.size[1]);
          view.ds.scale = scale;
          view.ds.offset[0] = 300 / scale - node.pos[0];
          view.ds.offset[1] = 110 / scale - node.pos[1];
          view.setDirty(true, true);
          const place = (x, y) => [area.x + (x + view.ds.offset[0]) * scale, area.y + (y + view.ds.offset[1]) * scale];
          const [left, top] = node.pos, [width, height] = node.size;
          return {from: place(left, top - 30), to: place(left + width, top + height)};
        }""",
        kind,
    )
    page.wait_for_timeout(800)
    page.screenshot(path=OUT / f"{kind}.png")
    crop(OUT / f"{kind}.png", box, ROOT / "web" / "docs" / f"{kind}.png", width=480)


def test_import_lists_what_was_exported(server, page):  # noqa: F811
    prompt = chain(server)
    page.evaluate("() => window.app.refreshComboInNodes()")
    page.wait_for_timeout(1500)
    page.evaluate(BUILD, [{"import": prompt["import"]}, {"import": (100, 100)}])
    page.wait_for_timeout(500)
    value = page.evaluate("() => window.app.graph._nodes[0].widgets[0].value")
    assert value and value.endswith("[output]")
    if UPDATE:
        photograph(page, "FullDiTImportConditions")


@pytest.mark.parametrize("nodes2", [False, True], ids=["canvas", "nodes2"])
def test_an_error_stands_in_its_node_until_the_next_run(server, browser, nodes2):  # noqa: F811
    tab = opened(server, browser, nodes2)
    try:
        error_and_back(server, tab, f"error_in_node{'_2' * nodes2}")
    finally:
        tab.close()
        server.post("/settings/Comfy.VueNodes.Enabled", False)


def error_and_back(server, page, picture: str) -> None:  # noqa: F811
    """Ask for a length that the camera does not have, and take it back."""
    prompt = {
        name: part for name, part in chain(server).items() if name in ("load", "example", "depth", "one", "conditions")
    }
    prompt["show"] = node("FullDiTPreview", conditions=["conditions", 0])
    prompt["look"] = node("PreviewImage", images=["show", 0])
    places = {**PLACES, "show": (1080, 0)}
    page.evaluate(BUILD, [prompt, {name: places[name] for name in prompt}])
    set_frames = """(value) => {
      const node = window.app.graph._nodes.find((n) => n.type === 'FullDiTConditions');
      const w = node.widgets.find((w) => w.name === 'frames');
      w.value = value; w.callback?.(value);
    }"""
    said = """() => window.app.graph._nodes.find((n) => n.type === 'FullDiTConditions').widgets
      .find((w) => w.name === 'fulldit_error')?.element.textContent ?? ''"""
    page.evaluate(set_frames, 13)
    page.wait_for_timeout(300)
    assert labels(page, "FullDiTConditions")["frames"] == ["frames", False]  # a number of one's own
    server.wait(press_run(page))
    page.wait_for_function(f"({said})().includes('set `fit_time` to resample')")
    page.evaluate(FIT)
    page.wait_for_timeout(1500)
    page.screenshot(path=OUT / f"{picture}.png")
    page.evaluate(set_frames, 17)
    history = server.wait(press_run(page))
    assert history["status"]["status_str"] == "success"
    page.wait_for_function(f"({said})() === ''")
