"""Public models on the page: what is said where there is no file, and the reports of loaders and samplers."""

from __future__ import annotations

import json

import pytest

from .conftest import OUT, ROOT
from .test_api import node
from .test_camera_editor import opened
from .test_mask_nodes import BUILD, SAID
from .test_page import FIT, UPDATE, browser, crop, press_run  # noqa: F401 - browser is a fixture
from .tiny_models import write_wan

pytestmark = pytest.mark.comfyui

VACE, PHANTOM = "wan2.1_vace_1.3B_fp16.safetensors", "renamed.safetensors"
NODES = ("FullDiTLoadVideoModel", "FullDiTModelFamily")
BOXES = """(kinds) => window.app.graph._nodes.filter((n) => kinds.includes(n.type)).map((n) => {
  const box = n.widgets.find((w) => w.name === 'tokens').element.firstElementChild;
  return {type: n.type, height: n.size[1], wide: box.scrollWidth - box.clientWidth, seen: box.clientHeight,
    all: box.scrollHeight, lines: box.children.length};
})"""
# A node alone in sight, large enough to be read, with all of its text.
NEAR = """(kind) => {
  const graph = window.app.graph, view = window.app.canvas;
  let node = graph._nodes.find((n) => n.type === kind);
  if (!node) graph.add(node = window.LiteGraph.createNode(kind));
  node.pos = [5000 * node.id, 5000];
  node.setSize([400, node.computeSize()[1] + (node.widgets.some((w) => w.name === 'tokens') ? 110 : 0)]);
  view.ds.scale = 1.2;
  view.ds.offset[0] = 100 - node.pos[0];
  view.ds.offset[1] = 110 - node.pos[1];
  view.setDirty(true, true);
  const box = view.canvas.getBoundingClientRect();
  const place = (x, y) => [box.x + (x + view.ds.offset[0]) * 1.2, box.y + (y + view.ds.offset[1]) * 1.2];
  return {from: place(node.pos[0], node.pos[1] - 30), to: place(node.pos[0] + 400, node.pos[1] + node.size[1])};
}"""


def listed(server) -> list[str]:
    """What the list of Load Video Model holds."""
    (_, settings) = server.get("/object_info/FullDiTLoadVideoModel")["FullDiTLoadVideoModel"]["input"]["required"][
        "model_name"
    ]
    return settings["options"]


@pytest.fixture
def page(request, server, browser):  # noqa: F811
    """The page, empty, in the renderer that the test asks for."""
    tab = opened(server, browser, getattr(request, "param", False))
    yield tab
    tab.close()
    server.post("/settings/Comfy.VueNodes.Enabled", False)


@pytest.fixture
def models(host, server):
    """Tiny models in the server's folder: VACE under its own name, Phantom under one that says nothing."""
    folder = server.models / "diffusion_models"
    files = [write_wan(folder / VACE, "vace"), write_wan(folder / PHANTOM)]
    yield
    for file in files:
        file.unlink()


def test_without_a_model_the_node_and_run_say_which_folder_to_put_one_into(server, page):
    if listed(server) != ["none in models/diffusion_models"]:
        pytest.skip("this ComfyUI has models")
    chain = {
        "load": node("FullDiTLoadVideoModel", family="auto", weight_dtype="default"),
        "about": node("PreviewAny", source=["load", 1]),
    }
    page.evaluate(BUILD, [chain, {"load": (0, 0), "about": (400, 0)}])
    with page.expect_response(lambda r: r.url.endswith("/prompt") and r.request.method == "POST") as answer:
        page.get_by_test_id("queue-button").click()
    assert answer.value.status == 400
    (errors,) = answer.value.json()["node_errors"].values()
    (error,) = errors["errors"]
    assert "folder models/diffusion_models has no model yet" in error["details"]
    assert "docs/models.md" in error["details"] and "wan2.1_bernini_1.3B_fp16.safetensors (2.84 GB" in error["details"]
    page.get_by_test_id("error-overlay").wait_for()  # the page's own word; the sentence is ours
    page.get_by_role("alert").filter(has_text="folder models/diffusion_models has no model yet").wait_for()
    page.evaluate(FIT)
    page.wait_for_timeout(800)
    OUT.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=OUT / "no_video_model.png")
    assert page.errors == []


def test_a_file_that_a_workflow_names_and_that_is_missing_is_named_with_its_address(server):
    def run(name):
        load = node("FullDiTLoadVideoModel", model_name=name, family="auto", weight_dtype="default")
        status, answer = server.post("/prompt", {"prompt": {"1": load, "2": node("PreviewAny", source=["1", 1])}})
        assert status == 400
        return answer["node_errors"]["1"]["errors"][0]["details"]

    said = run("Phantom-Wan-1_3B_fp16.safetensors")
    assert "There is no file 'Phantom-Wan-1_3B_fp16.safetensors' in ComfyUI's folder models/diffusion_models" in said
    assert "2.87 GB" in said and "https://huggingface.co/Kijai/WanVideo_comfy/" in said
    assert "https" not in run("mine.safetensors")


def chain() -> dict:
    """VACE by its file, and Phantom by core's loader and the user's choice; conditions, of which Phantom takes some."""
    size = {"frames": 17, "width": 96, "height": 64, "spread": False, "camera_strength": 1.0, "depth_strength": 1.0}
    return {
        "vace": node("FullDiTLoadVideoModel", model_name=VACE, family="auto", weight_dtype="default"),
        "core": node("UNETLoader", unet_name=PHANTOM, weight_dtype="default"),
        "phantom": node("FullDiTModelFamily", model=["core", 0], family="phantom"),
        "lora": node("FullDiTLoadLora", model=["phantom", 0], lora="tiny.safetensors", strength=0.8),
        "shared": node("FullDiTTestTextAndVae"),
        "example": node("FullDiTExample"),
        "depth": node("FullDiTDepth", images=["example", 3], low=0.02),
        "who": node("FullDiTIdentity", name="cylinder", image=["example", 0], mask=["example", 1], strength=1.0),
        "conditions": node(
            "FullDiTConditions",
            **{"identities.identity0": ["who", 0], "depth": ["depth", 0], "model": ["vace", 0], **size},
        ),
        "apply": node(
            "FullDiTApply",
            model=["vace", 0],
            vae=["shared", 1],
            positive=["shared", 2],
            negative=["shared", 2],
            conditions=["conditions", 0],
            leave_out=False,
        ),
        "sampler": node(
            "FullDiTSampler",
            model=["lora", 0],
            clip=["shared", 0],
            vae=["shared", 1],
            conditions=["conditions", 0],
            prompt="a cylinder that spins",
            seed=7,
            steps=2,
            cfg=-1,
            sampler_name="auto",
            scheduler="auto",
            leave_out=True,
        ),
        "applied": node("PreviewAny", source=["apply", 5]),
        "sampled": node("PreviewAny", source=["sampler", 1]),
    }


PLACES = {
    "vace": (0, 0),
    "core": (0, 520),
    "phantom": (0, 660),
    "lora": (340, 660),
    "shared": (340, 900),
    "example": (340, 0),
    "depth": (340, 190),
    "who": (340, 350),
    "conditions": (680, 0),
    "apply": (1040, 0),
    "sampler": (1040, 460),
    "applied": (1440, 0),
    "sampled": (1440, 460),
}
STARTS = {
    "FullDiTLoadVideoModel": "This is VACE",
    "FullDiTModelFamily": "This is Phantom, as you chose.",
    "FullDiTLoadLora": "tiny.safetensors: 2 of 2 keys",
    "FullDiTConditions": "video 120 tokens",
    "FullDiTApply": "This is VACE",
    "FullDiTSampler": "This is Phantom, as you chose.",
}


@pytest.fixture
def lora(server):
    """A LoRA for the tiny models."""
    import torch
    from safetensors.torch import save_file

    key = "diffusion_model.blocks.0.self_attn.q.lora_"
    file = server.models / "loras" / "tiny.safetensors"
    save_file({f"{key}A.weight": torch.zeros(4, 256), f"{key}B.weight": torch.zeros(256, 4)}, file)
    yield
    file.unlink()


@pytest.mark.parametrize("page", [False, True], indirect=True, ids=["canvas", "nodes2"])
def test_the_nodes_show_what_a_model_is_and_what_became_of_each_condition(server, models, lora, page, request):
    """Wrapped, readable, and no node grows beyond its bound."""
    nodes2 = request.node.callspec.id == "nodes2"
    page.evaluate(BUILD, [chain(), PLACES])
    history = server.wait(press_run(page))
    assert history["status"]["status_str"] == "success", history["status"]["messages"][-1]
    for kind, start in STARTS.items():
        page.wait_for_function(f"(kind) => ({SAID})(kind).startsWith({json.dumps(start)})", arg=kind)
    page.evaluate(FIT)
    page.wait_for_timeout(800)
    for text in page.evaluate(BOXES, list(STARTS)):
        assert text["wide"] == 0, text  # long names are broken, too
        assert text["seen"] == text["all"] or text["seen"] >= 250, text  # what is longer scrolls
        assert text["lines"] >= 2 and text["height"] < 1100, text
    long = page.evaluate(BOXES, list(NODES))
    assert all(text["seen"] <= 262 < text["all"] and text["height"] < 420 for text in long), long
    page.locator("[data-capture-wheel=true]", has_text="This is VACE").first.click()
    page.mouse.wheel(0, 100)
    page.wait_for_function(
        "() => window.app.graph._nodes.some((n) => n.type === 'FullDiTLoadVideoModel'"
        " && n.widgets.some((w) => w.element?.firstElementChild?.scrollTop > 50))"
    )
    page.mouse.wheel(0, -200)
    page.evaluate(FIT)
    page.evaluate("document.querySelectorAll('[data-testid=queue-notification-banner]').forEach(e => e.remove())")
    page.wait_for_timeout(1500)
    image = OUT / f"video_models_{'nodes2' if nodes2 else 'canvas'}.png"
    page.screenshot(path=image)
    assert page.errors == []
    if UPDATE and not nodes2:
        for kind in (*NODES, "FullDiTPairExperts"):
            box = page.evaluate(NEAR, kind)
            page.wait_for_timeout(800)
            page.screenshot(path=image)
            crop(image, box, ROOT / "web" / "docs" / f"{kind}.png", width=480)
