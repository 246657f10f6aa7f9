"""The workflows for public models in a real ComfyUI: in both renderers of its page, and run on tiny random weights.

The networks are core's own, small, under the real files' names and keys; the VAE is the embedded one. Core's text
encoder has no small form: a node of the tests stands in for it.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from safetensors.torch import save_file

from .conftest import OUT, ROOT
from .test_camera_editor import opened
from .test_camera_nodes import module
from .test_page import UPDATE, browser, crop, drop, frames_of  # noqa: F401 - browser is a fixture
from .tiny_models import uni3c_weights, write_camera_wan, write_wan

pytestmark = pytest.mark.comfyui

# The graphs, and the families of their samplers.
FAMILIES = {
    "fulldit_bernini": {"bernini-r"},
    "fulldit_bernini_a14b": {"bernini-r"},
    "fulldit_vace": {"vace"},
    "fulldit_vace_extend": {"vace"},
    "fulldit_vace_outpaint": {"vace"},
    "fulldit_vace_repaint": {"vace"},
    "fulldit_vace_start_end": {"vace"},
    "fulldit_vace_control": {"vace"},
    "fulldit_vace_uni3c": {"vace"},
    "fulldit_phantom": {"phantom"},
    "fulldit_recammaster": {"recammaster"},
    "fulldit_wan_fun_camera": {"fun-camera"},
    "fulldit_three_models": {"bernini-r", "vace", "phantom"},
}
WITH_DEPTH = {"fulldit_vace", "fulldit_vace_uni3c", "fulldit_three_models"}
WITH_KNOWN = {"fulldit_vace_extend", "fulldit_vace_outpaint", "fulldit_vace_repaint", "fulldit_vace_start_end"}
WITH_SOURCE = {"fulldit_recammaster", "fulldit_wan_fun_camera"}
PASSES = {"bernini-r": 3, "vace": 2, "phantom": 3, "recammaster": 2, "fun-camera": 2}
SIZE = {"frames": 9, "width": 48, "height": 32}
MODELS = {
    "wan2.1_bernini_1.3B_fp16.safetensors": ("t2v", 0),
    "wan2.1_vace_1.3B_fp16.safetensors": ("vace", 1),
    "Phantom-Wan-1_3B_fp16.safetensors": ("t2v", 2),
    "wan2.2_bernini_r_high_noise_fp8_scaled.safetensors": ("t2v", 3),
    "wan2.2_bernini_r_low_noise_fp8_scaled.safetensors": ("t2v", 4),
    "wan2.1_vace_14B_fp16.safetensors": ("vace", 5),
    "wan2.1_fun_camera_v1.1_1.3B_bf16.safetensors": ("fun-camera", 6),
}
RECAMMASTER = "Wan2_1_kwai_recammaster_1_3B_step20000_bf16.safetensors"
UNI3C_FILE, VISION = "Wan21_Uni3C_controlnet_fp16.safetensors", "clip_vision_h.safetensors"
VAE, TEXT = "wan_2.1_vae.safetensors", "umt5_xxl_fp8_e4m3fn_scaled.safetensors"
INPUTS = (
    "fulldit_cone.png",
    "fulldit_cylinder.png",
    "fulldit_meadow.mp4",
    "fulldit_meadow.png",
    "fulldit_meadow_end.png",
)

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
    folders = {**dict.fromkeys([*MODELS, RECAMMASTER], "diffusion_models"), VAE: "vae", TEXT: "text_encoders"}
    folders |= {UNI3C_FILE: "model_patches", VISION: "clip_vision"}
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
    """Small models under the names of the large ones; the encoders of text and images are names only."""
    found = places(server)
    for name, (kind, seed) in MODELS.items():
        write_wan(found[name], kind, seed)
    shutil.copy(ROOT / "checkpoints" / "fulldit_mini_vae.safetensors", found[VAE])
    write_camera_wan(found[RECAMMASTER])
    if has_uni3c(server):
        save_file(uni3c_weights(), found[UNI3C_FILE])
    for name in (TEXT, VISION):
        found[name].write_bytes(b"")
    yield
    for path in found.values():
        path.unlink(missing_ok=True)


def has_uni3c(server) -> bool:
    """Whether this ComfyUI is new enough for it."""
    return bool(server.get("/object_info/WanUni3CControlnetApply"))


def skip_unless_it_runs(server, name: str) -> None:
    if name == "fulldit_vace_uni3c" and not has_uni3c(server):
        pytest.skip("this ComfyUI has no Uni3C")


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
    """The prompt with stand-ins for the encoders of text and images, small and short; all else as the page has it."""
    for number, entry in prompt["output"].items():
        if entry["class_type"] == "CLIPLoader":
            assert entry["inputs"] == {"clip_name": TEXT, "type": "wan", "device": "default"}
            prompt["output"][number] = {"class_type": "FullDiTTestTextAndVae", "inputs": {}}
        elif entry["class_type"] == "CLIPVisionEncode":
            image = {"image": entry["inputs"]["image"]}
            prompt["output"][number] = {"class_type": "FullDiTTestVision", "inputs": image}
        elif entry["class_type"] == "FullDiTCameraPath":
            entry["inputs"].update(frames=SIZE["frames"])
        elif entry["class_type"] == "FullDiTRenderAlong":
            entry["inputs"].update(width=SIZE["width"], height=SIZE["height"])
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
            loader = prompt[entry["inputs"]["model"][0]]["inputs"]
            while "family" not in loader:  # Uni3C or Pair Experts between them
                loader = prompt[loader.get("model", loader.get("high"))[0]]["inputs"]
            found[loader["family"]] = history["outputs"][number]["text"][0]
    return found


@pytest.mark.parametrize("name", FAMILIES)
def test_the_page_lists_the_files_that_are_missing(server, browser, no_files, name):  # noqa: F811
    skip_unless_it_runs(server, name)
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
    skip_unless_it_runs(server, name)
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
    """Each sampler says what became of the references, the depth, the camera and the source, in the matrix's words."""
    table = module("models.families.matrix").FAMILIES
    assert set(said) == FAMILIES[name]
    for family, text in said.items():
        assert text.startswith(f"This is {table[family].name}")
        for who in () if name in WITH_SOURCE | WITH_KNOWN else ("cone", "cylinder"):
            assert f"identity of '{who}': {table[family].support('identity').sentence}" in text
        for facet in ("camera", "source") if name in WITH_SOURCE else ():
            assert f"{facet}: {table[family].support(facet).sentence}" in text
        assert (f"known: {table[family].support('known').sentence}" in text) == (name in WITH_KNOWN)
        depth = table[family].support("depth")
        left_out = "" if depth.taken else "Left out. "
        assert (f"depth: {left_out}{depth.sentence}" in text) == (name in WITH_DEPTH)
        control = table[family].support("control").sentence
        assert (f"control of 'scribble': {control}" in text) == (name == "fulldit_vace_control")
        assert ("camera: The render of Uni3C moves the camera" in text) == (name == "fulldit_vace_uni3c")
        assert ("The low-noise expert runs from step 2 on" in text) == (name == "fulldit_bernini_a14b")
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
