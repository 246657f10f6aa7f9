"""The nodes of masks in a real ComfyUI: against core's own, through the server, and on the page."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from .conftest import OUT, ROOT
from .test_api import node
from .test_camera_editor import opened
from .test_camera_nodes import module
from .test_page import FIT, UPDATE, browser, crop, press_run  # noqa: F401 - browser is a fixture

pytestmark = pytest.mark.comfyui

NODES = ("FullDiTPropagateMask", "FullDiTMasksFromTrack", "FullDiTIdentityMap", "FullDiTCropReference")


def blobs(frames: int, count: int, height: int, width: int) -> torch.Tensor:
    """Ellipses (F, N, H, W) that move, 0 and 1."""
    rows, columns = torch.meshgrid(torch.linspace(0, 1, height), torch.linspace(0, 1, width), indexing="ij")
    masks = torch.zeros(frames, count, height, width)
    for at in range(frames):
        for number in range(count):
            x, y = 0.25 + 0.2 * number + 0.05 * at, 0.3 + 0.15 * number
            masks[at, number] = ((columns - x) / 0.15) ** 2 + ((rows - y) / 0.22) ** 2 < 1
    return masks


def test_tracks_of_sam3_are_those_of_cores_own_node(host):
    """Packed by core, read by both: one object each, at the video's size."""
    from comfy.ldm.sam3.tracker import pack_masks
    from comfy_extras.nodes_sam3 import SAM3_TrackToMask

    masks = blobs(3, 4, 288, 288)
    masks[:, 2] = 0
    data = {"packed_masks": pack_masks(masks - 0.5), "n_frames": 3, "scores": [1.0] * 4, "orig_size": (160, 352)}
    given = module("nodes.mask_sam3").FullDiTMasksFromTrack.execute(data, "given", "3, 0").args
    for track, number in zip(given[:2], (3, 0), strict=True):
        expected = SAM3_TrackToMask.execute(data, str(number)).args[0]
        assert track.shape == expected.shape == (3, 160, 352)
        inside, theirs = track > 0.5, expected > 0.5
        assert (inside & theirs).sum() / (inside | theirs).sum() > 0.98
    assert not given[2].any() and "object 3, found with a score of 100%" in given[3]
    empty = {"packed_masks": None, "n_frames": 3, "scores": [], "orig_size": (160, 352)}
    nothing = SAM3_TrackToMask.execute(empty, "").args[0]
    assert torch.equal(module("nodes.mask_sam3").FullDiTMasksFromTrack.execute(empty).args[0], nothing)


def test_propagation_shows_progress_and_can_be_canceled(host, monkeypatch):
    import comfy.model_management as management
    import comfy.utils

    steps = []
    monkeypatch.setattr(comfy.utils, "PROGRESS_BAR_HOOK", lambda value, total, *_, **__: steps.append((value, total)))
    follow = module("nodes.mask_propagate").FullDiTPropagateMask
    video, mask = torch.rand(5, 64, 96, 3), blobs(1, 1, 64, 96)[:, 0]
    assert follow.execute(video, mask, "0", True).args[0].shape == (5, 64, 96)
    assert steps[-1] == (5, 5)
    management.interrupt_current_processing(True)
    try:
        with pytest.raises(management.InterruptProcessingException):
            follow.execute(video, mask, "0", True)
    finally:
        management.interrupt_current_processing(False)


def chain() -> dict:
    """The example's track as SAM 3 would give it, to slots, to identities, to the map; and one mask of it followed."""
    return {
        "example": node("FullDiTExample"),
        "found": node("FullDiTTestSam3", one=["example", 2]),
        "slots": node("FullDiTMasksFromTrack", track=["found", 0], order="given", objects=""),
        "follow": node("FullDiTPropagateMask", images=["example", 3], mask=["example", 2], at="0, 8, 16", refine=True),
        "cut": node(
            "FullDiTCropReference",
            image=["example", 0],
            mask=["example", 1],
            keep_background=False,
            width=96,
            height=64,
            margin=0.06,
        ),
        "one": node("FullDiTIdentity", name="one", image=["cut", 0], mask=["cut", 1], track=["slots", 0], strength=1.0),
        "two": node(
            "FullDiTIdentity", name="two", image=["cut", 0], mask=["cut", 1], track=["follow", 0], strength=1.0
        ),
        "map": node(
            "FullDiTIdentityMap",
            **{"identities.identity0": ["one", 0], "identities.identity1": ["two", 0]},
            images=["example", 3],
            opacity=0.5,
        ),
        "tracks": node("FullDiTIdentityMap", track1=["slots", 0], track2=["slots", 1], opacity=0.5),
        "saved": node("PreviewImage", images=["map", 0]),
        "over": node("PreviewImage", images=["map", 1]),
    }


def test_a_chain_of_mask_nodes_through_the_server(server):
    history = server.wait(server.queue(chain()))
    assert history["status"]["status_str"] == "success", history["status"]["messages"][-1]
    said = {name: "\n".join(out.get("text", [])) for name, out in history["outputs"].items()}
    assert said["slots"].startswith("2 objects in 17 frames.\ntrack1: object 0, found with a score of 97%")
    assert said["follow"].startswith("17 frames from the masks at frames 0, 8, 16: found in frames 0-16")
    # Both are the same thing: the follower covers the one that SAM 3 found.
    assert "'two' covers" in said["map"] and said["map"].startswith("17 frames of 96x64.")
    assert "green: 'track2', in no frame" in said["tracks"]
    assert [len(history["outputs"][name]["images"]) for name in ("map", "saved", "over")] == [1, 17, 17]

    import urllib.parse
    import urllib.request

    from PIL import Image

    file = history["outputs"]["saved"]["images"][8]
    with urllib.request.urlopen(f"{server.url}/view?{urllib.parse.urlencode(file)}", timeout=60) as answer:
        painted = np.asarray(Image.open(answer).convert("RGB"))
    colors = {tuple(color) for color in (painted // 128).reshape(-1, 3)}
    assert painted.shape == (64, 96, 3) and {(0, 0, 0), (0, 1, 0)} <= colors <= {(0, 0, 0), (1, 0, 0), (0, 1, 0)}


def test_masks_that_cannot_be_used_end_the_run_with_a_sentence(server):
    prompt = chain()
    prompt["follow"]["inputs"]["at"] = "0, 99"
    history = server.wait(server.queue(prompt))
    kind, error = history["status"]["messages"][-1]
    assert kind == "execution_error" and error["node_type"] == "FullDiTPropagateMask"
    assert "Frame 99 was named, but the video has the frames 0 to 16" in error["exception_message"]


PLACES = {
    "example": (0, 0),
    "found": (0, 320),
    "slots": (330, 0),
    "follow": (330, 420),
    "cut": (720, 0),
    "one": (1080, 0),
    "two": (1080, 330),
    "map": (1440, 0),
}
STARTS = {
    "FullDiTPropagateMask": "17 frames from the masks",
    "FullDiTMasksFromTrack": "2 objects in",
    "FullDiTIdentityMap": "17 frames of 96x64.",
}
FOUND = "(kind) => window.app.graph._nodes.find((n) => n.type === kind)"
SAID = f"(kind) => ({FOUND})(kind).widgets.find((w) => w.name === 'tokens')?.element.textContent ?? ''"
BUILD = """async ([prompt, places]) => {
  const graph = window.app.graph, made = {};
  graph.clear();
  for (const [name, place] of Object.entries(places)) {
    const one = window.LiteGraph.createNode(prompt[name].class_type);
    graph.add(one);
    one.pos = place;
    made[name] = one;
  }
  for (const [name, one] of Object.entries(made)) {
    for (const [input, value] of Object.entries(prompt[name].inputs)) {
      if (Array.isArray(value)) {
        const slot = one.inputs.findIndex((entry) => entry.name === input);
        if (slot < 0) throw new Error(`${name} has no input ${input}`);
        made[value[0]].connect(value[1], one, slot);
        await new Promise((done) => setTimeout(done, 50)); // growing sockets grow
      } else {
        const widget = one.widgets.find((w) => w.name === input);
        widget.value = value;
        widget.callback?.(value);
      }
    }
  }
}"""


@pytest.mark.parametrize("nodes2", [False, True], ids=["canvas", "nodes2"])
def test_the_nodes_show_their_reports_on_the_page(server, browser, nodes2):  # noqa: F811
    """The same chain on the page, in both renderers; its nodes are the images of the help pages."""
    page = opened(server, browser, nodes2)
    try:
        page.evaluate(BUILD, [chain(), PLACES])
        history = server.wait(press_run(page))
        assert history["status"]["status_str"] == "success", history["status"]["messages"][-1]
        for kind, start in STARTS.items():
            page.wait_for_function(f"(kind) => ({SAID})(kind).startsWith({json.dumps(start)})", arg=kind)
        page.evaluate(FIT)  # images are loaded when they are in sight
        if nodes2:  # what is said and shown stands in the node's own element
            ids = page.evaluate(
                "(kinds) => kinds.map((k) => window.app.graph._nodes.find((n) => n.type === k).id)", list(STARTS)
            )
            for at, start in zip(ids, STARTS.values(), strict=True):
                page.locator(f'[data-node-id="{at}"]', has_text=start).wait_for()
            page.locator(f'[data-node-id="{ids[-1]}"] img').first.wait_for()
        else:
            page.wait_for_function(f"() => ({FOUND})('FullDiTIdentityMap').imgs?.length === 1")
        page.evaluate(f"""() => {{
          for (const n of window.app.graph._nodes) n.setSize([n.size[0], n.computeSize()[1]]);
          const n = ({FOUND})('FullDiTIdentityMap');
          n.setSize([420, n.computeSize()[1] + 110]);
        }}""")
        boxes = page.evaluate(FIT)
        page.evaluate("document.querySelectorAll('[data-testid=queue-notification-banner]').forEach(e => e.remove())")
        page.wait_for_timeout(1500)
        OUT.mkdir(parents=True, exist_ok=True)
        image = OUT / f"mask_nodes_{'nodes2' if nodes2 else 'canvas'}.png"
        page.screenshot(path=image)
        assert page.errors == []
        if UPDATE and not nodes2:
            for box in boxes[:-1]:
                if box["type"] in NODES:
                    crop(image, box, ROOT / "web" / "docs" / f"{box['type']}.png", width=480)
    finally:
        page.close()
        server.post("/settings/Comfy.VueNodes.Enabled", False)
