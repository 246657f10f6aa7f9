"""The workflow with core's upscaler, and Upscale Video, on the real page.

SeedVR2 has no small form, so the workflow is looked at, not run; Upscale Video runs in test_upscale_video.py.
"""

from __future__ import annotations

import json

import pytest

from .conftest import ROOT
from .test_camera_editor import opened
from .test_page import FIT, OUT, UPDATE, browser, crop, drop, page  # noqa: F401 - two of them are fixtures
from .test_public_workflows import BROKEN, MISSING, files, graph_file, overlapping, photograph, uploads  # noqa: F401

pytestmark = pytest.mark.comfyui
NAME = "fulldit_seedvr2"
FILES = {"diffusion_models": "seedvr2_3b_int8_convrot.safetensors", "vae": "seedvr2_ema_vae_fp16.safetensors"}
CHAIN = """() => {
  const { graph } = window.app, { LiteGraph } = window;
  graph.clear();
  const make = (type, x, y) => {
    const node = LiteGraph.createNode(type);
    node.pos = [x, y];
    graph.add(node);
    return node;
  };
  const load = make('FullDiTLoad', 0, 0), images = make('LoadImage', 0, 300);
  const upscale = make('FullDiTUpscaleVideo', 420, 0);
  for (const [slot, name] of ['model', 'clip', 'vae'].entries()) load.connect(slot, upscale, name);
  images.connect(0, upscale, 'images');
  upscale.setSize([Math.max(upscale.size[0], 380), upscale.computeSize()[1] + 20]);
  return [upscale.inputs.filter((i) => i.link != null).map((i) => i.name), upscale.widgets.map((w) => w.name)];
}"""


@pytest.fixture(scope="module")
def seedvr2(server):
    """Whether this ComfyUI has it; the names of its files."""
    if not server.get("/object_info/SeedVR2Conditioning"):
        pytest.skip("this ComfyUI has no SeedVR2")
    return {name: server.models / folder / name for folder, name in FILES.items()}


@pytest.fixture
def names(seedvr2):
    """Its files, by their names alone."""
    for path in seedvr2.values():
        path.write_bytes(b"")
    yield
    for path in seedvr2.values():
        path.unlink()


def test_the_page_lists_the_upscaler_among_the_files_that_are_missing(server, browser, seedvr2):  # noqa: F811
    tab = opened(server, browser)
    try:
        drop(tab, graph_file(NAME))
        tab.get_by_test_id("error-overlay-see-errors").click()
        tab.get_by_test_id("missing-model-importable-rows").wait_for()
        rows = tab.evaluate(MISSING)
        nodes = json.loads(graph_file(NAME).read_text(encoding="utf-8"))["nodes"]
        offered = [model for node in nodes for model in node["properties"].get("models", [])]
        assert sorted(zip(rows[::3], rows[1::3], strict=True)) == sorted((m["name"], m["directory"]) for m in offered)
        assert tab.errors == []
    finally:
        tab.close()


def test_the_workflow_is_whole_and_fits_the_nodes_of_the_host(server, browser, files, names):  # noqa: F811
    tab = opened(server, browser, True)
    tab.set_viewport_size({"width": 2600, "height": 1600})
    try:
        drop(tab, graph_file(NAME))
        tab.wait_for_timeout(2000)
        assert tab.evaluate(BROKEN) == [] and tab.get_by_test_id("error-overlay").count() == 0
        assert overlapping(tab) == [] and tab.errors == []
        image, box = photograph(tab, NAME)
        if UPDATE:
            crop(image, box, graph_file(NAME).with_suffix(".jpg"), width=1000)
        prompt = tab.evaluate("async () => await window.app.graphToPrompt()")["output"]
        for entry in prompt.values():
            known = server.get(f"/object_info/{entry['class_type']}")[entry["class_type"]]["input"]
            assert set(known["required"]) <= {name.split(".")[0] for name in entry["inputs"]}, entry["class_type"]
    finally:
        tab.close()
        server.post("/settings/Comfy.VueNodes.Enabled", False)


def test_the_node_is_connected_by_the_names_of_its_inputs(page):  # noqa: F811
    """The node is the image of its help page."""
    linked, widgets = page.evaluate(CHAIN)
    assert linked == ["model", "clip", "vae", "images"]
    assert [name for name in widgets if name != "control_after_generate"] == [
        *("fps", "factor", "prompt", "seed", "steps", "noise", "window", "overlap")
    ]
    boxes = page.evaluate(FIT)
    page.wait_for_timeout(1500)
    OUT.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=OUT / "upscale_node.png")
    assert page.errors == []
    if UPDATE:
        box = next(box for box in boxes[:-1] if box["type"] == "FullDiTUpscaleVideo")
        crop(OUT / "upscale_node.png", box, ROOT / "web" / "docs" / "FullDiTUpscaleVideo.png", width=480)
