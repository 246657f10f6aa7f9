"""The shipped graphs, read as a page would read them: every node known, every wire whole, every value in its place."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
WORKFLOWS = sorted((ROOT / "workflows").glob("*.json"))
SCHEMAS = json.loads(Path(__file__).with_name("schema.json").read_text(encoding="utf-8"))
STOCK = {"VAEDecode", "PreviewImage", "KSampler", "CLIPTextEncode", "VHS_VideoCombine"}


def test_both_workflows_are_there():
    assert [path.stem for path in WORKFLOWS] == ["fulldit_embedded", "fulldit_embedded_ksampler"]
    assert not [p for p in ROOT.iterdir() if p.name in ("example", "examples", "workflow", "example_workflows")]


@pytest.fixture(params=WORKFLOWS, ids=lambda path: path.stem)
def graph(request):
    found = json.loads(request.param.read_text(encoding="utf-8"))
    assert request.param.with_suffix(".jpg").read_bytes()[:2] == b"\xff\xd8"
    return found


def test_nodes_are_known_and_wires_whole(graph):
    nodes = {node["id"]: node for node in graph["nodes"]}
    assert {node["type"] for node in nodes.values()} <= STOCK | set(SCHEMAS)
    for link, source, out, target, place, kind in graph["links"]:
        assert link in nodes[source]["outputs"][out]["links"]
        assert nodes[target]["inputs"][place]["link"] == link
        assert kind in (nodes[source]["outputs"][out]["type"], "*")
    wired = {link[0] for link in graph["links"]}
    for node in nodes.values():
        assert {entry["link"] for entry in node.get("inputs", []) if entry.get("link")} <= wired


def test_sockets_are_those_of_the_nodes(graph):
    for node in graph["nodes"]:
        if node["type"] not in SCHEMAS:
            continue
        known = SCHEMAS[node["type"]]
        assert [[o["type"], o["name"]] for o in node["outputs"]] == [[t, n or t] for t, n in known["outputs"]]
        names = set(known["inputs"]) | {name.split(" (")[0] for name in known["inputs"]}
        for entry in node.get("inputs", []):
            name = entry["name"].rstrip("0123456789") if "identities." in entry["name"] else entry["name"]
            assert name in names, f"{node['type']} has no input {entry['name']}"


def test_everything_is_in_the_graph_and_ends_in_a_video(graph):
    types = [node["type"] for node in graph["nodes"]]
    for needed in ("FullDiTLoad", "FullDiTIdentity", "FullDiTDepth", "FullDiTConditions", "FullDiTPreview"):
        assert types.count(needed) == 1
    conditions = next(node for node in graph["nodes"] if node["type"] == "FullDiTConditions")
    given = {entry["name"] for entry in conditions["inputs"] if entry.get("link")}
    assert given == {"camera", "identities.identity0", "depth"}
    video = next(node for node in graph["nodes"] if node["type"] == "VHS_VideoCombine")
    assert video["widgets_values"]["format"] == "video/h264-mp4"
    load = next(node for node in graph["nodes"] if node["type"] == "FullDiTLoad")
    assert load["widgets_values"][:2] == ["embedded", "embedded"]
