"""What the painter finds again after a reload of the page: its frames, and a report of what is painted now."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import types
from pathlib import Path

import numpy as np
import pytest
import torch

from comfyui_fulldit.control.errors import UserError

FIXTURE = Path(__file__).resolve().parents[1] / "fixtures" / "mask_report.mjs"
CLIP = torch.rand(5, 24, 48, 3, generator=torch.Generator().manual_seed(0))


class LoadImage:
    """A V1 loader of the host."""

    FUNCTION = "load"

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"image": (["clip.png"],)}}

    def load(self, image):
        if image != "clip.png":
            raise ValueError(f"no {image}")
        return (CLIP, "mask")


@pytest.fixture
def pages(host, monkeypatch):
    """The modules `stage` and `stage_source`, with a host that has one loader; nothing is stored yet."""
    from comfyui_fulldit.nodes.page import stage, stage_source

    temp = host.folder / "temp"
    monkeypatch.setattr(sys.modules["folder_paths"], "get_temp_directory", lambda: str(temp), raising=False)
    nodes = types.ModuleType("nodes")
    example = host.nodes["FullDiTExample"]
    monkeypatch.setattr(example, "INPUT_TYPES", classmethod(lambda cls: {"required": {}}), raising=False)
    nodes.NODE_CLASS_MAPPINGS = {"LoadImage": LoadImage, "FullDiTExample": example}
    monkeypatch.setitem(sys.modules, "nodes", nodes)
    shutil.rmtree(temp, ignore_errors=True)
    monkeypatch.setattr(stage, "_last", None)
    return stage, stage_source


def loader(kind="LoadImage", output=0, **inputs):
    return {"nodes": {"7": {"class_type": kind, "inputs": inputs}}, "output": ["7", output]}


def test_a_stage_that_is_stored_is_found_by_its_name(pages):
    stage, source = pages
    message = stage.save_stage(CLIP)
    assert source.recover_stage({"stage": message["stage"], "source": None}) == message
    assert json.loads(json.dumps(message)) == message


def test_a_stage_that_is_gone_is_made_from_its_loader(pages):
    stage, source = pages
    asked = {"stage": "stage_0123456789abcdef", "source": loader(image="clip.png", unknown=3)}
    message = source.recover_stage(asked)
    assert (message["count"], message["width"], message["height"]) == (5, 48, 24)
    assert len(stage.open_stage(message["stage"])) == 5
    example = source.recover_stage({"stage": None, "source": loader("FullDiTExample", 3)})
    assert example["count"] == 17, "a node of the newer kind"


@pytest.mark.parametrize(
    ("source", "says"),
    [
        (None, "gone from the server: run this node once"),
        (loader("KSampler"), "come from KSampler: run this node once"),
        (loader(image="other.png"), "no other.png"),
        (loader(image=["8", 0]), "not all known"),
        ({"nodes": {}, "output": ["7", 0]}, "run this node once"),
        ({"nodes": {"7": 3}, "output": ["7", 0]}, "run this node once"),
        ("../input", "run this node once"),
    ],
)
def test_what_cannot_be_made_again_says_what_to_do(pages, source, says):
    with pytest.raises(UserError, match=says):
        pages[1].recover_stage({"stage": "../../input", "source": source})


def test_a_loader_that_feeds_itself_ends(pages):
    with pytest.raises(UserError, match="not all known"):
        pages[1].recover_stage({"source": loader(image=["7", 0])})


def test_a_request_that_is_no_object_is_refused(pages):
    with pytest.raises(UserError, match="reload the page"):
        pages[1].recover_stage(None)


def line(text, report=None, missing=""):
    node = shutil.which("node")
    if node is None:
        pytest.skip("there is no node to run the page's modules with")
    sent = json.dumps({"text": text, "report": report, "missing": missing})
    done = subprocess.run([node, FIXTURE], input=sent, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def painted(keys, name="cup ☕"):
    box = {"kind": "box", "centre": [0.5, 0.5], "size": [0.2, 0.2]}
    slots = [{"name": name, "keys": [{"frame": frame, "shapes": [box]} for frame in range(keys)]}]
    return json.dumps(
        {"format": "fulldit-masks", "version": 1, "size": [48, 24], "frames": 17, "slots": slots}, ensure_ascii=False
    )


def test_the_report_is_about_what_is_painted_now(host):
    from comfyui_fulldit.nodes.page.painter import checksum

    text, later = painted(2), painted(8)
    report = {"text": host.nodes["FullDiTMaskPainter"].execute(text, 17, 48, 24).args[3], "of": checksum(text)}
    assert line(text, report)["sum"] == checksum(text)
    assert line(text, report)["line"] == report["text"] and "2 keys" in report["text"]
    assert line(later, report)["line"] == "cup ☕: 8 keyframes"
    assert line(painted(1), report)["line"] == "cup ☕: 1 keyframe"
    assert line(painted(0))["line"] == "Nothing is painted yet."
    assert line(text, report, "Run this node.")["line"].startswith("Run this node.\ntrack1")


def test_the_page_switches_previews_without_a_prompt(host):
    from comfyui_fulldit.nodes.page import live_preview

    assert live_preview.is_wished("401", True) and not live_preview.is_wished("401", False), "the prompt's own"
    live_preview.set_wish({"node": "401", "on": False})
    assert not live_preview.is_wished("401", True) and not live_preview.is_wished("7:401", True)
    live_preview.set_wish({"node": 401, "on": True})
    assert live_preview.is_wished("401", False) and live_preview.is_wished(None, True)
    for broken in (None, {"node": "401"}, {"node": ["401"], "on": True}, {"on": False}):
        with pytest.raises(UserError, match="reload the page"):
            live_preview.set_wish(broken)


@pytest.mark.parametrize(
    ("frames", "columns", "rows"), [(1, 1, 1), (2, 2, 1), (3, 3, 1), (4, 2, 2), (5, 2, 2), (9, 3, 2)]
)
def test_frames_in_a_node_leave_no_cell_black(frames, columns, rows):
    from comfyui_fulldit.control.identity.preview import tile_frames

    page = tile_frames(np.ones((frames, 10, 20, 3), np.float32), cell=20, gap=2)
    assert page.shape == (rows * 12 - 2, columns * 22 - 2, 3)
    cells = [page[12 * row : 12 * row + 10, 22 * col : 22 * col + 20] for row in range(rows) for col in range(columns)]
    assert all(cell.min() == 1 for cell in cells)
