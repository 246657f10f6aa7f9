"""The mask painter as a person uses it: mouse, pen, fingers and keyboard in the real page, and the masks of a run.

Leaves screenshots and what was measured in `outputs/comfyui`.
"""

from __future__ import annotations

import importlib.util
import json
import sys
import urllib.request

import numpy as np
import pytest

from .test_camera_editor import browser, opened, spent  # noqa: F401  (browser is a fixture)
from .test_page import FIT, OUT, ROOT, UPDATE, crop, press_run

pytestmark = pytest.mark.comfyui

ADD = """([type, size]) => {
  const graph = window.app.graph;
  // Not graph.clear(): a new node would get the number of an old one, and with it what the page kept of its widgets.
  for (const old of [...graph._nodes]) graph.remove(old);
  const node = window.LiteGraph.createNode(type), start = performance.now();
  for (const [name, value] of Object.entries(size))
    node.widgets.find(w => w.name === name).value = value;
  graph.add(node);
  node.pos = [40, 60];
  Object.assign(window.app.canvas.ds, {scale: 1, offset: [180, 40]});
  window.app.canvas.setDirty(true, true);
  window.N = node;
  return new Promise((done) => {
    const look = () => node.fulldit?.view?.drawn ? done(performance.now() - start) : requestAnimationFrame(look);
    look();
  });
}"""
# A node of a type, its widgets, where its inputs come from: {name: [node, output]}.
NODE = """([type, widgets, links, pos]) => {
  const graph = window.app.graph, node = window.LiteGraph.createNode(type);
  graph.add(node);
  node.pos = pos;
  for (const [name, value] of Object.entries(widgets)) {
    const widget = node.widgets.find(w => w.name === name);
    if (widget.options?.values?.push && !widget.options.values.includes(value)) widget.options.values.push(value);
    widget.value = value;
  }
  for (const [name, [from, output]] of Object.entries(links))
    graph.getNodeById(from).connect(output, node, node.inputs.findIndex(i => i.name === name));
  return node.id;
}"""


@pytest.fixture(scope="module")
def report(request):
    """What was measured, written when the tests are done."""
    found: dict = {}
    yield found
    OUT.mkdir(parents=True, exist_ok=True)
    name = request.module.__name__.rsplit("test_", 1)[1]
    (OUT / f"{name}.json").write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


@pytest.fixture(scope="module")
def masks():
    """control.identity of this checkout; its packages need no ComfyUI."""
    name = "fulldit_checked"
    spec = importlib.util.spec_from_file_location(name, ROOT / "__init__.py", submodule_search_locations=[str(ROOT)])
    sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sys.modules[name])
    return importlib.import_module(f"{name}.control.identity.state")


@pytest.fixture(scope="module")
def tabs(server, browser):  # noqa: F811
    """Pages by name, each opened when it is first asked for: loading one is the longest part of a test."""
    kinds = {"canvas": {}, "nodes2": {"nodes2": True}, "touch": {"has_touch": True}}
    made = {}

    def give(name):
        if name not in made:
            tab = made[name] = opened(server, browser, **kinds[name])
            tab.renderer = name
            assert not [url for url in tab.fetched if "mask_painter" in url], "nothing is loaded before it is wanted"
        made[name].errors.clear()
        made[name].bring_to_front()
        return made[name]

    yield give
    for tab in made.values():
        tab.close()
    server.post("/settings/Comfy.VueNodes.Enabled", False)


@pytest.fixture(params=["canvas", "nodes2"])
def page(request, tabs):
    """The page with one Mask Painter, 832x480 and 17 frames, in both renderers."""
    add(tabs(request.param))
    return tabs(request.param)


@pytest.fixture
def plain(tabs):
    """The same where nodes are painted on a canvas."""
    add(tabs("canvas"))
    return tabs("canvas")


def add(page, kind="FullDiTMaskPainter", **size) -> float:
    """The node alone on the page; how long its painter took to show itself."""
    took = page.evaluate(ADD, [kind, size])
    page.wait_for_timeout(400)
    page.locator(".fulldit-masks").focus()
    return took


def state(page) -> dict:
    """What the node would be queued with."""
    return json.loads(page.evaluate("() => N.widgets.find(w => w.name === 'masks').value"))


def keys(page, slot=0) -> list:
    return state(page)["slots"][slot]["keys"]


def shapes(page, slot=0, key=0) -> list:
    return keys(page, slot)[key]["shapes"]


def at(page, u, v):
    """The point of the page at a share of the image."""
    return page.evaluate(
        """([u, v]) => {
      const {view} = N.fulldit, box = view.stage.getBoundingClientRect(), p = view.toStage([u, v]);
      return [box.left + p.x * box.width / view.width, box.top + p.y * box.height / view.height];
    }""",
        [u, v],
    )


def drag(page, *points, steps=8):
    """The left button pressed at the first point, pulled along the others, and released."""
    page.mouse.move(*at(page, *points[0]))
    page.mouse.down()
    for point in points[1:]:
        page.mouse.move(*at(page, *point), steps=steps)
    page.mouse.up()
    page.wait_for_timeout(120)


def go(page, frame):
    """Scrub by the ruler of the timeline."""
    x, y = page.evaluate(
        """(frame) => {
      const {timeline} = N.fulldit, box = timeline.canvas.getBoundingClientRect();
      return [box.left + timeline.at(frame) * box.width / timeline.width, box.top + 8 * box.height / timeline.height];
    }""",
        frame,
    )
    page.mouse.click(x, y)
    page.wait_for_timeout(150)


def row(page, frame, slot=0):
    """The point of the timeline at a frame in a slot's row."""
    return page.evaluate(
        """([frame, slot]) => {
      const {timeline} = N.fulldit, box = timeline.canvas.getBoundingClientRect();
      return [box.left + timeline.at(frame) * box.width / timeline.width,
              box.top + (22 + 26 * slot + 13) * box.height / timeline.height];
    }""",
        [frame, slot],
    )


def shot(page, name):
    OUT.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=OUT / f"mask_painter_{name}_{page.renderer}.png")


def run(server, page) -> dict:
    """Press Run and wait; the outputs of the nodes."""
    history = server.wait(press_run(page))
    assert history["status"]["status_str"] == "success", history["status"]["messages"][-1]
    return history["outputs"]


def saved(server, outputs, node) -> np.ndarray:
    """The images that a SaveImage node wrote, (F, H, W) 0..1."""
    from PIL import Image

    files = [server.output / image["subfolder"] / image["filename"] for image in outputs[str(node)]["images"]]
    return np.stack([np.asarray(Image.open(file).convert("L"), np.float32) / 255 for file in files])


def save_track(page, output=0, source=None):
    """Nodes that write a track of the node as images; the id of the last one."""
    image = page.evaluate(NODE, ["MaskToImage", {}, {"mask": [source or page.evaluate("N.id"), output]}, [900, 80]])
    return page.evaluate(NODE, ["SaveImage", {"filename_prefix": "masks"}, {"images": [image, 0]}, [900, 200]])


def test_every_tool_paints_and_the_masks_come_out(server, page, report, masks):
    assert page.locator(".fulldit-masks .layer-over").is_visible()
    assert not page.get_by_text('"fulldit-masks"').count(), "the JSON is not shown beside the painter"
    first = state(page)
    assert first["size"] == [832, 480] and keys(page) == []
    drag(page, (0.15, 0.3), (0.3, 0.25), (0.3, 0.5))
    (stroke,) = shapes(page)
    assert stroke["kind"] == "brush" and len(stroke["points"]) >= 3 and stroke["points"][0][2] == 0.045
    assert stroke["points"][0][:2] == pytest.approx([0.15, 0.3], abs=0.004)
    page.keyboard.press("e")
    drag(page, (0.2, 0.2), (0.2, 0.4))
    assert shapes(page)[1]["op"] == "subtract"
    page.keyboard.press("]")
    assert page.evaluate("N.fulldit.radius") == pytest.approx(0.045 * 1.15)
    page.keyboard.press("r")
    drag(page, (0.5, 0.1), (0.6, 0.3))
    box = shapes(page)[2]
    assert box["kind"] == "box" and box["centre"] == pytest.approx([0.55, 0.2], abs=0.004)
    page.keyboard.press("o")
    page.keyboard.down("Alt")
    drag(page, (0.52, 0.15), (0.58, 0.25))
    page.keyboard.up("Alt")
    assert shapes(page)[3]["kind"] == "ellipse" and shapes(page)[3]["op"] == "subtract"
    page.keyboard.press("l")
    drag(page, (0.7, 0.1), (0.9, 0.1), (0.9, 0.4), (0.72, 0.4))
    assert shapes(page)[4]["kind"] == "polygon"
    page.keyboard.press("p")
    for corner in ((0.5, 0.6), (0.7, 0.6), (0.6, 0.9), (0.5, 0.6)):
        page.mouse.click(*at(page, *corner))
        page.wait_for_timeout(60)
    assert [len(shapes(page)[5]["points"]), len(shapes(page))] == [3, 6]
    # The bucket fills the hole that the ellipse cut.
    page.keyboard.press("g")
    page.mouse.click(*at(page, 0.55, 0.2))
    page.wait_for_timeout(200)
    assert shapes(page)[6]["kind"] == "bitmap"
    shot(page, "tools")

    # Undo and redo inside the painter leave the graph alone.
    for _ in range(3):
        page.keyboard.press("Control+z")
    assert len(shapes(page)) == 4
    for _ in range(3):
        page.keyboard.press("Control+Shift+z")
    assert len(shapes(page)) == 7
    assert page.evaluate("() => N.fulldit !== 'removed' && window.app.graph._nodes.length") == 1

    # Select: move, size by a corner, turn by the knob, take out.
    page.keyboard.press("v")
    drag(page, (0.52, 0.12), (0.57, 0.17))
    box = shapes(page)[2]
    assert box["centre"] == pytest.approx([0.6, 0.25], abs=0.006)
    drag(page, (0.65, 0.35), (0.7, 0.45))
    sized = shapes(page)[2]
    assert sized["size"] == pytest.approx([0.15, 0.3], abs=0.01) and sized["centre"] == pytest.approx(
        [0.625, 0.3], abs=0.006
    )
    tall = page.evaluate("N.fulldit.view.tall")
    drag(page, (0.625, 0.15 - 22 / tall), (0.8, 0.3))
    assert 60 < shapes(page)[2]["turn"] < 120
    assert page.evaluate("() => [...N.pos].map(Math.round)") == [40, 60], "dragging must not move the node"
    page.keyboard.press("ArrowRight")
    assert shapes(page)[2]["centre"][0] == pytest.approx(0.625 + 1 / 832, abs=0.006)
    shot(page, "select")
    page.keyboard.press("Delete")
    assert len(shapes(page)) == 6

    # What comes out of a run (Save Image rounds down) is what Python draws of the state, and what the page shows.
    saver = save_track(page)
    outputs = run(server, page)
    track = saved(server, outputs, saver)
    wanted = masks.state_from_json(json.dumps(state(page))).rasterize()[0]
    assert track.shape == wanted.shape == (17, 480, 832)
    assert np.abs(track - wanted).max() <= 1.01 / 255 and 0.02 < track.mean() < 0.5
    shown = page.evaluate("""() => {
      const {sheet} = N.fulldit.view.scene.layers[0];
      const small = new OffscreenCanvas(832, 480), pen = small.getContext('2d');
      pen.drawImage(sheet.canvas, 0, 0, 832, 480);
      return [...pen.getImageData(0, 0, 832, 480).data].filter((_, k) => k % 4 === 3).map(v => v > 127 ? 1 : 0);
    }""")
    seen = np.array(shown, bool).reshape(480, 832)
    alike = (seen & (track[0] > 0.5)).sum() / (seen | (track[0] > 0.5)).sum()
    report.setdefault(page.renderer, {})["shown_against_run_iou"] = round(float(alike), 4)
    assert alike > 0.98
    page.wait_for_function("() => N.fulldit.part.report.textContent.includes('in 17 of 17 frames')", timeout=120_000)
    assert page.errors == []


def test_keys_in_betweens_and_slots_can_be_edited(server, page, masks):
    page.keyboard.press("o")
    page.mouse.click(*at(page, 0.02, 0.02))  # a click alone draws nothing
    assert keys(page) == []
    page.keyboard.press("o")
    drag(page, (0.1, 0.3), (0.3, 0.7))
    go(page, 16)
    page.keyboard.press("v")
    drag(page, (0.2, 0.5), (0.7, 0.5))
    assert [key["frame"] for key in keys(page)] == [0, 16]
    assert shapes(page, 0, 1)[0]["centre"][0] == pytest.approx(0.7, abs=0.006)
    go(page, 8)
    sheet = """() => {
      const {sheet} = N.fulldit.view.scene.layers[0], {width, height} = sheet;
      const a = sheet.pen.getImageData(0, 0, width, height).data;
      let sum = 0, x = 0;
      for (let k = 0; k < width * height; k++) { sum += a[4 * k + 3]; x += a[4 * k + 3] * (k % width + 0.5); }
      return [x / sum / width, sum / 255 / (width * height)];
    }"""
    page.wait_for_function("() => !N.fulldit.wanted.length", timeout=30_000)  # the worker draws in-betweens
    x, area = page.evaluate(sheet)
    assert x == pytest.approx(0.45, abs=0.01) and area == pytest.approx(np.pi / 4 * 0.2 * 0.4, rel=0.05)
    assert len(page.evaluate("N.fulldit.view.scene.onion")) == 2
    shot(page, "between")

    # Painting between two keys makes one from what is seen there.
    page.keyboard.press("b")
    drag(page, (0.4, 0.8), (0.5, 0.8))
    page.wait_for_function("() => N.fulldit.state.slots[0].keys.length === 3", timeout=30_000)
    assert [key["frame"] for key in keys(page)] == [0, 8, 16]
    assert [shape["kind"] for shape in shapes(page, 0, 1)] == ["bitmap", "brush"]
    # Keys are moved by their diamonds, held, copied, emptied, deleted.
    page.mouse.move(*row(page, 8))
    page.mouse.down()
    page.mouse.move(*row(page, 11), steps=4)
    page.mouse.up()
    assert [key["frame"] for key in keys(page)] == [0, 11, 16]
    page.locator(".fulldit-masks [data-field=ease]").select_option("hold")
    assert keys(page)[1]["ease"] == "hold"
    page.locator(".fulldit-masks").focus()
    page.keyboard.press("Control+c")
    page.keyboard.press("ArrowUp")
    assert page.evaluate("N.fulldit.frame") == 0
    page.keyboard.press("Control+v")
    assert shapes(page, 0, 0) == shapes(page, 0, 1)
    page.keyboard.press("Control+z")
    go(page, 4)
    page.keyboard.press("n")
    page.wait_for_function("() => N.fulldit.state.slots[0].keys.length === 4", timeout=30_000)
    assert keys(page)[1] == {"frame": 4, "shapes": []} and page.evaluate("N.fulldit.view.scene.layers.length") == 0
    page.keyboard.press("Delete")
    assert [key["frame"] for key in keys(page)] == [0, 11, 16]

    # A second slot, its name, its place, hidden in the view and there in the run.
    page.locator(".fulldit-masks [data-do=add_slot]").click()
    page.locator(".fulldit-masks").focus()
    page.keyboard.press("r")
    drag(page, (0.8, 0.1), (0.95, 0.3))
    name = page.locator(".fulldit-masks .layer .name").nth(1)
    name.dblclick()
    name.fill("lamp")
    name.press("Enter")
    assert [slot["name"] for slot in state(page)["slots"]] == ["object 1", "lamp"]
    page.locator(".fulldit-masks .layer .eye").nth(1).click()
    assert state(page)["slots"][1]["visible"] is False
    page.keyboard.press("x")
    page.wait_for_timeout(600)
    shot(page, "large")
    page.keyboard.press("Escape")
    assert page.evaluate("() => !document.querySelector('.fulldit-editor-large')")
    page.keyboard.press("?")
    page.wait_for_timeout(200)
    shot(page, "card")
    page.keyboard.press("Escape")
    one, two = save_track(page, 0), save_track(page, 1)
    outputs = run(server, page)
    wanted = masks.state_from_json(json.dumps(state(page))).rasterize()
    for saver, track in ((one, wanted[0]), (two, wanted[1])):
        assert np.abs(saved(server, outputs, saver) - track).max() <= 1.01 / 255
    assert wanted[1].max() == 1

    # Another number of frames spreads the keys; play goes through them.
    page.evaluate("() => { const w = N.widgets.find(w => w.name === 'frames'); w.value = 33; w.callback(33); }")
    assert page.evaluate("() => N.fulldit.state.slots[0].keys.map(k => k.frame)") == [0, 22, 32]
    page.locator(".fulldit-masks").focus()
    page.keyboard.press("Home")
    page.keyboard.press("Space")
    page.wait_for_timeout(700)
    page.keyboard.press("Space")
    assert page.evaluate("N.fulldit.frame") > 0
    assert page.errors == []


def write_clip(server) -> np.ndarray:
    """A textured square that goes to the right over a quiet ground, as clip.mp4 in the input folder; its track."""
    import av

    random = np.random.default_rng(1)
    ground = np.full((96, 192, 3), 0.35) + 0.05 * random.random((12, 24, 3)).repeat(8, 0).repeat(8, 1)
    thing = 0.4 + 0.6 * random.random((5, 5, 3)).repeat(8, 0).repeat(8, 1)
    track = np.zeros((13, 96, 192))
    with av.open(str(server.folder / "input" / "clip.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=8)
        stream.width, stream.height, stream.pix_fmt, stream.options = 192, 96, "yuv420p", {"crf": "8"}
        for number in range(13):
            image = ground.copy()
            image[28:68, 20 + 8 * number : 60 + 8 * number] = thing
            track[number, 28:68, 20 + 8 * number : 60 + 8 * number] = 1
            frame = av.VideoFrame.from_ndarray((image * 255).astype(np.uint8), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return track


def iou(one, other):
    one, other = one > 0.5, other > 0.5
    return (one & other).sum() / max(1, (one | other).sum())


def test_a_mask_over_a_video_is_propagated(server, plain, report, masks):
    page, track = plain, write_clip(server)
    load = page.evaluate(NODE, ["VHS_LoadVideo", {"video": "clip.mp4"}, {}, [-300, 60]])
    page.evaluate(
        "(id) => window.app.graph.getNodeById(id).connect(0, N, N.inputs.findIndex(i => i.name === 'images'))", load
    )
    page.wait_for_timeout(200)
    assert "Run this node once" in page.locator(".fulldit-masks .hint").text_content()
    run(server, page)
    page.wait_for_function("() => N.fulldit.view.scene.image", timeout=120_000)
    assert page.evaluate("() => [N.fulldit.state.frames, ...N.fulldit.state.size]") == [13, 192, 96]
    page.locator(".fulldit-masks").focus()
    page.keyboard.press("Home")
    page.keyboard.press("r")
    drag(page, (20 / 192, 28 / 96), (60 / 192, 68 / 96))
    page.keyboard.press("t")
    page.wait_for_function("() => !N.fulldit.following", timeout=60_000)
    made = keys(page)
    assert made[0]["frame"] == 0 and made[-1]["frame"] == 12 and len(made) >= 2, made
    found = masks.state_from_json(json.dumps(state(page))).rasterize()[0]
    fits = [iou(*pair) for pair in zip(found, track, strict=True)]
    report["follow"] = {"keys": len(made), "least_iou": round(float(min(fits)), 3)}
    assert min(fits) > 0.8
    go(page, 6)
    page.wait_for_timeout(500)
    shot(page, "video")
    if UPDATE:
        (box,) = [box for box in page.evaluate(FIT) if box["type"] == "FullDiTMaskPainter"]
        page.wait_for_timeout(1200)
        shot(page, "help")
        crop(OUT / "mask_painter_help_canvas.png", box, ROOT / "web" / "docs" / "FullDiTMaskPainter.png", width=640)
    # From the host's cache the frames come again to a page that knows nothing of them.
    page.evaluate("() => { N.fulldit.setStage(null); }")
    run(server, page)
    page.wait_for_function("() => N.fulldit.view.scene.image", timeout=120_000)
    # What the server refuses is a sentence, and leaves everything as it is.
    before = state(page)
    asked = {"id": "x", "first": 0, "last": 1, "masks": [{"frame": 0, "size": [8, 8], "runs": "64"}]}
    status, answer = server.post("/fulldit/propagate", {**asked, "stage": "../../input"})
    assert status == 400 and "run the graph" in answer["error"]
    page.evaluate(
        "() => { N.fulldit.stage = {...N.fulldit.stage, stage: 'stage_0000000000000000'};"
        " N.fulldit.frame = 12; N.fulldit.remove(); N.fulldit.frame = 6; }"
    )
    page.locator(".fulldit-masks").focus()
    page.keyboard.press("t")
    page.wait_for_function("() => !N.fulldit.following", timeout=60_000)
    assert "gone" in page.locator(".fulldit-masks .note").text_content()
    assert len(keys(page)) == len(before["slots"][0]["keys"]) - 1
    assert page.errors == []


def test_a_track_becomes_keys_that_can_be_edited(server, plain):
    page = plain
    add(page, "FullDiTEditTrack")
    assert "Run this node once" in page.locator(".fulldit-masks .hint").text_content()
    example = page.evaluate(NODE, ["FullDiTExample", {}, {}, [-300, 60]])
    page.evaluate(
        """(id) => {
      const from = window.app.graph.getNodeById(id), input = (name) => N.inputs.findIndex(i => i.name === name);
      from.connect(2, N, input('track1'));
      from.connect(3, N, input('images'));
    }""",
        example,
    )
    saver = save_track(page)
    value = "(name) => N.widgets.find(w => w.name === name).value"
    before = saved(server, run(server, page), saver)
    page.wait_for_function("() => N.fulldit.state.slots[0]?.keys.length > 1", timeout=120_000)
    page.wait_for_function("() => N.fulldit.view.scene.image", timeout=120_000)
    assert page.evaluate(value, "masks") == "", "nothing is kept before the first edit"
    page.wait_for_timeout(400)
    shot(page, "track")
    if UPDATE:
        boxes = page.evaluate(FIT)
        page.wait_for_timeout(1200)
        shot(page, "track_help")
        (box,) = [box for box in boxes if box["type"] == "FullDiTEditTrack"]
        crop(OUT / "mask_painter_track_help_canvas.png", box, ROOT / "web" / "docs" / "FullDiTEditTrack.png", width=640)
        page.evaluate("() => Object.assign(window.app.canvas.ds, {scale: 1, offset: [180, 40]})")
        page.wait_for_timeout(400)
    page.locator(".fulldit-masks").focus()
    page.keyboard.press("Home")
    page.keyboard.press("r")
    drag(page, (0.02, 0.03), (0.2, 0.2))
    assert page.evaluate(value, "masks") and page.evaluate(value, "source")
    assert len(shapes(page)) == len(page.evaluate("N.fulldit.state.slots[0].keys[0].shapes")) >= 2
    after = saved(server, run(server, page), saver)
    assert after[0, 5, 5] == 1 and before[0, 5, 5] == 0 and iou(after[0, 20:], before[0, 20:]) > 0.95
    assert not page.locator(".fulldit-masks .banner").is_visible()

    # Another track comes in: the edits hold until the user takes the new one.
    flip = page.evaluate(NODE, ["InvertMask", {}, {"mask": [example, 2]}, [-300, 400]])
    page.evaluate(
        "(id) => window.app.graph.getNodeById(id).connect(0, N, N.inputs.findIndex(i => i.name === 'track1'))", flip
    )
    held = saved(server, run(server, page), saver)
    assert np.array_equal(held, after)
    banner = page.locator(".fulldit-masks .banner")
    banner.wait_for(state="visible", timeout=120_000)
    shot(page, "taken")
    page.locator(".fulldit-masks [data-do=take]").click()
    assert not banner.is_visible()
    taken = saved(server, run(server, page), saver)
    assert iou(taken[0], 1 - before[0]) > 0.9
    assert page.errors == []


def test_broken_masks_are_refused_before_the_run(server, plain):
    page = plain
    page.evaluate("""() => {
      const w = N.widgets.find(w => w.name === 'masks');
      const slot = {name: 'x', keys: [{frame: 9}]};
      w.value = JSON.stringify({format: 'fulldit-masks', version: 1, size: [8, 8], frames: 3, slots: [slot]});
      w.callback(w.value);
    }""")
    note = page.locator(".fulldit-masks .note")
    assert "key 0 of slot 'x'" in note.text_content().lower() or "key 0" in note.text_content()
    text = page.evaluate("N.widgets.find(w => w.name === 'masks').value")
    inputs = {"masks": text, "frames": 3, "width": 64, "height": 64}
    status, answer = server.post("/prompt", {"prompt": {"1": {"class_type": "FullDiTMaskPainter", "inputs": inputs}}})
    assert status == 400 and "key 0 of slot 'x'" in json.dumps(answer)
    page.locator(".fulldit-masks").focus()
    drag(page, (0.4, 0.4), (0.6, 0.6))
    assert len(shapes(page)) == 1 and not page.evaluate("N.fulldit.part.note.classList.contains('wrong')")
    assert page.errors == []


def test_modules_are_served_and_the_page_pays_little(server):
    module = server.get("/object_info/FullDiTMaskPainter")["FullDiTMaskPainter"]["python_module"].split(".")[-1]
    folder = f"/extensions/{module}"
    with urllib.request.urlopen(f"{server.url}{folder}/mask_painter/attach.mjs", timeout=20) as answer:
        assert "javascript" in answer.headers["Content-Type"]
    listed = [path for path in server.get("/extensions") if folder in path]
    assert listed == [f"{folder}/fulldit.js"]
    with urllib.request.urlopen(f"{server.url}{listed[0]}", timeout=20) as answer:
        assert len(answer.read()) <= 10_000
