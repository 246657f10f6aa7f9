"""The workflows for public models in a real ComfyUI: in both renderers of its page, and run on tiny random weights.

The networks are core's own, small, under the real files' names and keys; the VAE is the embedded one. Core's text
encoder has no small form: a node of the tests stands in for it.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from .conftest import OUT, ROOT
from .test_camera_editor import opened
from .test_camera_nodes import module
from .test_page import UPDATE, browser, crop, drop, frames_of  # noqa: F401 - browser is a fixture
from .tiny_models import write_wan

pytestmark = pytest.mark.comfyui

# The graphs, and the families of their samplers.
FAMILIES = {
    "fulldit_bernini": {"bernini-r"},
    "fulldit_vace": {"vace"},
    "fulldit_phantom": {"phantom"},
    "fulldit_three_models": {"bernini-r", "vace", "phantom"},
}
WITH_DEPTH = {"fulldit_vace", "fulldit_three_models"}
PASSES = {"bernini-r": 3, "vace": 2, "phantom": 3}
SIZE = {"frames": 9, "width": 48, "height": 32}
MODELS = {
    "wan2.1_bernini_1.3B_fp16.safetensors": ("t2v", 0),
    "wan2.1_vace_1.3B_fp16.safetensors": ("vace", 1),
    "Phantom-Wan-1_3B_fp16.safetensors": ("t2v", 2),
}
VAE, TEXT = "wan_2.1_vae.safetensors", "umt5_xxl_fp8_e4m3fn_scaled.safetensors"
INPUTS = ("fulldit_cone.png", "fulldit_cylinder.png", "fulldit_meadow.mp4")

BROKEN = "() => window.app.graph._nodes.filter((n) => n.has_errors).map((n) => n.type)"
# Title, left, top, right and bottom of every node as it is shown, with its title bar.
RECTANGLES = """() => window.app.graph._nodes.map((n) => {
  const shown = document.querySelector(`[data-node-id="${n.id}"]`)?.getBoundingClientRect();
  const scale = window.app.canvas.ds.scale, [x, y] = n.pos;
  const width = shown ? shown.width / scale : n.size[0], height = shown ? shown.height / scale - 30 : n.size[1];
  return [n.title, x, y - 30, x + width, y + height];
})"""
# Shows nodes and groups between the page's own buttons; where they then are.
FRAME = """() => {
  const {graph, canvas} = window.app, page = canvas.canvas.getBoundingClientRect(), [x, y] = [90, 100];
  const boxes = [...graph._groups.map((g) => [...g.pos, ...g.size]),
    ...graph._nodes.map((n) => [n.pos[0], n.pos[1] - 30, n.size[0], n.size[1] + 30])];
  const left = Math.min(...boxes.map((b) => b[0])), top = Math.min(...boxes.map((b) => b[1]));
  const width = Math.max(...boxes.map((b) => b[0] + b[2])) - left;
  const height = Math.max(...boxes.map((b) => b[1] + b[3])) - top;
  const scale = Math.min((page.width - 2 * x) / width, (page.height - 2 * y) / height);
  canvas.ds.scale = scale;
  canvas.ds.offset[0] = x / scale - left;
  canvas.ds.offset[1] = y / scale - top;
  canvas.setDirty(true, true);
  const from = [page.x + x, page.y + y];
  return {from, to: [from[0] + width * scale, from[1] + height * scale]};
}"""
MISSING = "() => document.querySelector('[data-testid=missing-model-importable-rows]').innerText.split('\\n')"
SHOWN = """() => window.app.graph._nodes.filter((n) => n.type === 'VHS_VideoCombine')
  .every((n) => n.widgets.find((w) => w.name === 'videopreview').videoEl?.videoWidth > 0)"""


def places(server) -> dict[str, Path]:
    """Every model file of the workflows, where the server looks for it."""
    folders = {**dict.fromkeys(MODELS, "diffusion_models"), VAE: "vae", TEXT: "text_encoders"}
    return {name: server.models / folder / name for name, folder in folders.items()}


@pytest.fixture(scope="module", autouse=True)
def uploads(server):
    """The images and the clip of the pack, as if they were uploaded."""
    for name in INPUTS:
        shutil.copy(ROOT / "assets" / name, server.folder / "input" / name)


@pytest.fixture
def no_files(server):
    """None of the models."""
    for path in places(server).values():
        path.unlink(missing_ok=True)


@pytest.fixture(scope="module")
def files(server, host):
    """Small models under the names of the large ones; the text encoder is a name only."""
    found = places(server)
    for name, (kind, seed) in MODELS.items():
        write_wan(found[name], kind, seed)
    shutil.copy(ROOT / "checkpoints" / "fulldit_mini_vae.safetensors", found[VAE])
    found[TEXT].write_bytes(b"")
    yield
    for path in found.values():
        path.unlink(missing_ok=True)


def graph_file(name: str) -> Path:
    return ROOT / "workflows" / f"{name}.json"


def overlapping(page) -> list[tuple[str, str]]:
    """The titles of nodes that lie on each other on the page."""
    found, shown = [], page.evaluate(RECTANGLES)
    for at, (name, left, top, right, bottom) in enumerate(shown):
        for other, left2, top2, right2, bottom2 in shown[:at]:
            if left < right2 and left2 < right and top < bottom2 and top2 < bottom:
                found.append((name, other))
    return found


def photograph(page, name: str) -> tuple[Path, dict]:
    """A screenshot of the whole graph, and where on it the graph is."""
    box = page.evaluate(FRAME)
    page.evaluate("document.querySelectorAll('[data-testid=queue-notification-banner]').forEach(e => e.remove())")
    page.wait_for_timeout(2000)
    OUT.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=OUT / f"{name}.png")
    return OUT / f"{name}.png", box


def small(prompt: dict) -> dict:
    """The prompt with a stand-in for the text encoder, small and short; all else as the page has it."""
    for number, entry in prompt["output"].items():
        if entry["class_type"] == "CLIPLoader":
            assert entry["inputs"] == {"clip_name": TEXT, "type": "wan", "device": "default"}
            prompt["output"][number] = {"class_type": "FullDiTTestTextAndVae", "inputs": {}}
        elif entry["class_type"] == "FullDiTConditions":
            entry["inputs"].update(SIZE)
        elif entry["class_type"] == "FullDiTSampler":
            entry["inputs"].update(steps=2)
    return prompt


def run(server, page) -> tuple[dict, dict]:
    """Run the graph on the page; the nodes of the prompt and the history."""
    prompt = small(page.evaluate("async () => await window.app.graphToPrompt()"))
    queued = page.evaluate("async (prompt) => await window.app.api.queuePrompt(0, prompt)", prompt)
    history = server.wait(queued["prompt_id"])
    assert history["status"]["status_str"] == "success", history["status"]["messages"][-1]
    return prompt["output"], history


def contrast(path: Path) -> float:
    """The deviation of a video's values, of 0 to 255."""
    import av
    import numpy as np

    with av.open(str(path)) as container:
        return float(np.std([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]))


def reports(prompt: dict, history: dict) -> dict[str, str]:
    """What each sampler said, by the family of its model."""
    found = {}
    for number, entry in prompt.items():
        if entry["class_type"] == "FullDiTSampler":
            family = prompt[entry["inputs"]["model"][0]]["inputs"]["family"]
            found[family] = history["outputs"][number]["text"][0]
    return found


@pytest.mark.parametrize("name", FAMILIES)
def test_the_page_lists_the_files_that_are_missing(server, browser, no_files, name):  # noqa: F811
    page = opened(server, browser)
    try:
        drop(page, graph_file(name))
        page.get_by_test_id("error-overlay-see-errors").click()
        page.get_by_test_id("missing-model-importable-rows").wait_for()
        rows = page.evaluate(MISSING)
        assert set(rows[2::3]) == {"Download"}
        nodes = json.loads(graph_file(name).read_text(encoding="utf-8"))["nodes"]
        offered = [model for node in nodes for model in node["properties"].get("models", [])]
        assert sorted(zip(rows[::3], rows[1::3], strict=True)) == sorted((m["name"], m["directory"]) for m in offered)
        assert page.get_by_test_id("error-group-missing-media").count() == 0 and page.errors == []
    finally:
        page.close()


@pytest.mark.parametrize("nodes2", [False, True], ids=["canvas", "nodes2"])
@pytest.mark.parametrize("name", FAMILIES)
def test_drop_look_and_run(server, browser, files, name, nodes2):  # noqa: F811
    """Nothing is missing or lies on another node, before and after a run, and every model makes its video."""
    page = opened(server, browser, nodes2)
    page.set_viewport_size({"width": 2600, "height": 1600})
    try:
        drop(page, graph_file(name))
        page.wait_for_timeout(2000)
        assert page.evaluate(BROKEN) == [] and page.get_by_test_id("error-overlay").count() == 0
        assert page.locator("[role=dialog]:visible").count() == 0 and overlapping(page) == []
        image, box = photograph(page, f"{name}_{'nodes2' if nodes2 else 'canvas'}")
        if UPDATE and nodes2:
            crop(image, box, graph_file(name).with_suffix(".jpg"), width=1000)

        prompt, history = run(server, page)
        combined = [number for number, entry in prompt.items() if entry["class_type"] == "VHS_VideoCombine"]
        assert len(combined) == len(FAMILIES[name])
        for number in combined:
            (video,) = history["outputs"][number]["gifs"]
            path = server.output / video["subfolder"] / video["filename"]
            assert path.suffix == ".mp4" and frames_of(path) == (SIZE["frames"], SIZE["height"], SIZE["width"])
            assert contrast(path) > 10  # not the one color of numbers that are none
        check_reports(name, reports(prompt, history))
        page.wait_for_function(SHOWN)
        page.wait_for_timeout(1000)
        assert overlapping(page) == [] and page.errors == []
        photograph(page, f"{name}_{'nodes2' if nodes2 else 'canvas'}_run")
    finally:
        page.close()
        server.post("/settings/Comfy.VueNodes.Enabled", False)


def check_reports(name: str, said: dict[str, str]) -> None:
    """Each sampler says what became of both references and of the depth, in the words of the matrix."""
    table = module("models.families.matrix").FAMILIES
    assert set(said) == FAMILIES[name]
    for family, text in said.items():
        assert text.startswith(f"This is {table[family].name}, as you chose.\n")
        for who in ("cone", "cylinder"):
            assert f"identity of '{who}': {table[family].support('identity').sentence}" in text
        depth = table[family].support("depth")
        left_out = "" if depth.taken else "Left out. "
        assert (f"depth: {left_out}{depth.sentence}" in text) == (name in WITH_DEPTH)
        # Bernini-R takes depth as a source video: one pass more.
        passes = PASSES[family] + (family == "bernini-r" and name in WITH_DEPTH)
        assert f"{passes} passes per step" in text and "2 steps, uni_pc/simple" in text
        if family == "bernini-r":
            last = text.splitlines()[-1]
            assert 0 < last.index("image0") < last.index("image1")


def test_berninis_source_video_can_be_turned_on(server, browser, files):  # noqa: F811
    """As Ctrl+M does it: the muted loader then feeds the video that is changed."""
    page = opened(server, browser)
    try:
        drop(page, graph_file("fulldit_bernini"))
        page.evaluate("() => { window.app.graph._nodes.find((n) => n.type === 'VHS_LoadVideo').mode = 0; }")
        prompt, history = run(server, page)
        (text,) = reports(prompt, history).values()
        source = module("models.families.matrix").FAMILIES["bernini-r"].support("source").sentence
        assert f"source: {source}" in text and "4 passes per step" in text
    finally:
        page.close()
