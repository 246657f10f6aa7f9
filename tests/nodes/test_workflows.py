"""The shipped graphs, read as a page would read them: every node known, every wire whole, every value in its place."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
WORKFLOWS = sorted((ROOT / "workflows").glob("*.json"))
SCHEMAS = json.loads(Path(__file__).with_name("schema.json").read_text(encoding="utf-8"))
STOCK = {
    "VAEDecode",
    "PreviewImage",
    "KSampler",
    "CLIPTextEncode",
    "VHS_VideoCombine",
    "MarkdownNote",
    "UNETLoader",
    "CLIPLoader",
    "VAELoader",
    "CLIPVisionLoader",
    "CLIPVisionEncode",
    "LoadImage",
    "WanCameraImageToVideo",
    "ModelSamplingSD3",
    "VHS_LoadVideo",
}
# What each graph feeds to Conditions.
CONDITIONS = {
    "fulldit_camera_path": {"camera", "identities.identity0"},
    "fulldit_embedded": {"camera", "identities.identity0", "depth"},
    "fulldit_embedded_ksampler": {"camera", "identities.identity0", "depth"},
    "fulldit_paint_masks": {"identities.identity0", "identities.identity1"},
    "fulldit_video_controls": {"camera", "identities.identity0", "depth"},
}
# What shows them to the user before or beside the result.
SHOWN = {
    "fulldit_camera_path": ["FullDiTCameraPreview"],
    "fulldit_embedded": ["FullDiTDepth", "FullDiTPreview"],
    "fulldit_embedded_ksampler": ["FullDiTDepth", "FullDiTPreview"],
    "fulldit_paint_masks": ["FullDiTMaskPainter", "FullDiTCropReference", "FullDiTIdentityMap"],
    "fulldit_video_controls": [
        "VHS_LoadVideo",
        "FullDiTMaskPainter",
        "FullDiTPropagateMask",
        "FullDiTEditTrack",
        "FullDiTCropReference",
        "FullDiTCameraFromVideo",
        "FullDiTExtractDepth",
        "FullDiTIdentityMap",
    ],
}


def test_every_shipped_workflow_is_known_here():
    assert [path.stem for path in WORKFLOWS] == [*CONDITIONS, "fulldit_wan_fun_camera"]
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


def test_sockets_have_the_names_and_types_of_the_nodes(graph):
    for node in graph["nodes"]:
        if node["type"] not in SCHEMAS:
            continue
        known = SCHEMAS[node["type"]]
        assert [[o["type"], o["name"]] for o in node["outputs"]] == [[t, n or t] for t, n in known["outputs"]]
        names = set(known["inputs"]) | {name.split(" (")[0] for name in known["inputs"]}
        for entry in node.get("inputs", []):
            name = entry["name"].rstrip("0123456789") if "identities." in entry["name"] else entry["name"]
            assert name in names, f"{node['type']} has no input {entry['name']}"


WIDGETS = {"INT", "FLOAT", "STRING", "BOOLEAN", "COMBO"}


def widgets_of(node: str) -> list[str]:
    """The widgets of a node in the page's order: the optional ones behind all others."""
    known = SCHEMAS[node]["inputs"]
    return sorted(
        (name for name in known if known[name]["type"] in WIDGETS), key=lambda name: "optional" in known[name]
    )


def test_saved_values_still_stand_at_the_places_of_their_widgets(graph):
    """The page gives a node its saved values one after the other; widgets that are left over keep their defaults."""
    compared = 0
    for node in graph["nodes"]:
        known = SCHEMAS.get(node["type"], {"inputs": {}})["inputs"]
        if any(entry["type"] == "COMFY_DYNAMICCOMBO_V3" for entry in known.values()):
            continue  # its widgets come and go
        saved = [entry["name"] for entry in node.get("inputs", []) if "widget" in entry]
        if known and saved:
            assert saved == widgets_of(node["type"])[: len(saved)], node["type"]
            compared += 1
    assert compared >= 3


def test_the_values_of_conditions_have_these_places():
    """A new widget of the node is optional and last, else the values of every saved workflow move."""
    places = ["frames", "width", "height", "spread", "camera_strength", "depth_strength"]
    places += ["camera_start", "camera_end", "depth_start", "depth_end", "fit_time", "fit_space"]
    places += ["source_strength", "source_start", "source_end"]
    assert widgets_of("FullDiTConditions") == places


@pytest.mark.parametrize("name", CONDITIONS)
def test_each_workflow_leads_from_the_embedded_model_to_a_video(name):
    nodes = json.loads((ROOT / "workflows" / f"{name}.json").read_text(encoding="utf-8"))["nodes"]
    types = [node["type"] for node in nodes]
    needed = ["FullDiTLoad", "FullDiTConditions", "VHS_VideoCombine", *SHOWN[name]]
    assert all(types.count(kind) == 1 for kind in needed)
    assert types.count("FullDiTIdentity") == sum("identities" in condition for condition in CONDITIONS[name])
    conditions = next(node for node in nodes if node["type"] == "FullDiTConditions")
    assert {entry["name"] for entry in conditions["inputs"] if entry.get("link")} == CONDITIONS[name]
    video = next(node for node in nodes if node["type"] == "VHS_VideoCombine")
    assert video["widgets_values"]["format"] == "video/h264-mp4"
    load = next(node for node in nodes if node["type"] == "FullDiTLoad")
    assert load["widgets_values"][:2] == ["embedded", "embedded"]


def test_both_camera_workflows_hold_the_same_path_in_their_editor():
    """The path that drives the embedded model drives core's Wan Fun Camera node."""
    from comfyui_fulldit.control.camera.splines import path_from_editor_state

    states = []
    for name in ("fulldit_camera_path", "fulldit_wan_fun_camera"):
        nodes = json.loads((ROOT / "workflows" / f"{name}.json").read_text(encoding="utf-8"))["nodes"]
        editor = next(node for node in nodes if node["type"] == "FullDiTCameraPath")
        states.append(editor["widgets_values"][0])
    assert states[0] == states[1]
    assert path_from_editor_state(states[0], frames=17).distance()[-1] > 0.3


def test_painted_masks_cover_every_frame_and_no_edits_are_saved():
    from comfyui_fulldit.control.identity.state import state_from_json

    def painted(name: str) -> list:
        nodes = json.loads((ROOT / "workflows" / f"{name}.json").read_text(encoding="utf-8"))["nodes"]
        painter = next(node for node in nodes if node["type"] == "FullDiTMaskPainter")
        for node in nodes:  # an editor without edits follows the track that comes in
            assert node["type"] != "FullDiTEditTrack" or node["widgets_values"][0] == node["widgets_values"][-1] == ""
        return state_from_json(painter["widgets_values"][0]).rasterize(64, 96)

    front, back = painted("fulldit_paint_masks")
    for track in (front, back):
        assert len(track) == 17 and all(mask.max() == 1 for mask in track)
    assert not (front * back).any() and (front[0] * front[-1]).sum() < 0.9 * front[0].sum()
    assert [len(track) for track in painted("fulldit_video_controls")] == [17]


def test_the_video_that_load_video_asks_for_is_in_the_pack():
    nodes = json.loads((ROOT / "workflows" / "fulldit_video_controls.json").read_text(encoding="utf-8"))["nodes"]
    load = next(node for node in nodes if node["type"] == "VHS_LoadVideo")
    note = next(node for node in nodes if node["type"] == "MarkdownNote")
    file = load["widgets_values"]["video"]
    assert (ROOT / "assets" / file).is_file() and f"assets/{file}" in note["widgets_values"][0]


def test_wan_gets_its_size_from_one_node():
    graph = json.loads((ROOT / "workflows" / "fulldit_wan_fun_camera.json").read_text(encoding="utf-8"))
    nodes = {node["type"]: node for node in graph["nodes"]}
    links = {link[0]: link for link in graph["links"]}
    for entry in nodes["WanCameraImageToVideo"]["inputs"]:
        if entry["name"] in ("width", "height", "length", "camera_conditions"):
            assert links[entry["link"]][1] == nodes["FullDiTCameraToPlucker"]["id"], entry["name"]
    assert "random weights" in nodes["MarkdownNote"]["widgets_values"][0]
