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
    "CLIPLoader",
    "VAELoader",
    "CLIPVisionLoader",
    "CLIPVisionEncode",
    "LoadImage",
    "BatchImagesNode",
    "VHS_LoadVideo",
    "PrimitiveStringMultiline",
    "ModelPatchLoader",
    "WanUni3CControlnetApply",
    "UNETLoader",
    "ImageScaleBy",
    "SeedVR2Preprocess",
    "VAEEncodeTiled",
    "SeedVR2Conditioning",
    "VAEDecodeTiled",
    "SeedVR2PostProcessing",
    "LossGraphNode",
    "LoadAudio",
    "WanContextWindowsManual",
}
# What each graph feeds to Conditions.
CONDITIONS = {
    "fulldit_camera_path": {"camera", "identities.identity0"},
    "fulldit_embedded": {"camera", "identities.identity0", "depth", "model"},
    "fulldit_embedded_control": {"identities.identity0", "conditions.condition0", "model"},
    "fulldit_embedded_key_frames": {"camera", "conditions.condition0", "model"},
    "fulldit_embedded_known": {"camera", "conditions.condition0", "model"},
    "fulldit_embedded_ksampler": {"camera", "identities.identity0", "depth"},
    "fulldit_embedded_sound": {"conditions.condition0", "conditions.condition1", "model"},
    "fulldit_embedded_source": {"camera", "source_video", "model"},
    "fulldit_paint_masks": {"identities.identity0", "identities.identity1"},
    "fulldit_video_controls": {"camera", "identities.identity0", "depth"},
}
# What shows them to the user before or beside the result.
SHOWN = {
    "fulldit_camera_path": ["FullDiTCameraPreview"],
    "fulldit_embedded": ["FullDiTDepth", "FullDiTPreview"],
    "fulldit_embedded_control": ["VHS_LoadVideo", "FullDiTControlVideo"],
    "fulldit_embedded_key_frames": ["FullDiTKnownFrames", "FullDiTKeyFrames", "FullDiTBetweenKeyFrames"],
    "fulldit_embedded_known": ["VHS_LoadVideo", "FullDiTKnownFrames", "FullDiTCameraPreset"],
    "fulldit_embedded_ksampler": ["FullDiTDepth", "FullDiTPreview"],
    "fulldit_embedded_sound": ["LoadAudio", "LoadImage", "FullDiTSound", "FullDiTKnownFrames"],
    "fulldit_embedded_source": ["VHS_LoadVideo", "FullDiTCameraPreset"],
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


# The graphs for public models: what feeds Conditions, and the families of their loaders.
_TWO = {"identities.identity0", "identities.identity1"}
_KNOWN = {"conditions.condition0", "model"}
PUBLIC = {
    "fulldit_bernini": ({*_TWO, "model", "source_video"}, ["bernini-r"]),
    "fulldit_bernini_a14b": ({*_TWO, "model"}, ["bernini-r", "bernini-r"]),
    "fulldit_phantom": ({*_TWO, "model"}, ["phantom"]),
    "fulldit_recammaster": ({"camera", "source_video", "model"}, ["recammaster"]),
    "fulldit_three_models": ({*_TWO, "depth"}, ["bernini-r", "vace", "phantom"]),
    "fulldit_vace": ({*_TWO, "depth", "model"}, ["vace"]),
    "fulldit_vace_extend": (_KNOWN, ["vace"]),
    "fulldit_vace_outpaint": (_KNOWN, ["vace"]),
    "fulldit_vace_repaint": (_KNOWN, ["vace"]),
    "fulldit_vace_start_end": (_KNOWN, ["vace"]),
    "fulldit_vace_control": ({*_TWO, "conditions.condition0", "model"}, ["vace"]),
    "fulldit_vace_uni3c": ({"camera", *_TWO, "depth", "model"}, ["vace"]),
    "fulldit_wan_fun_camera": ({"camera", "source_video", "model"}, ["fun-camera"]),
}
# What the sampler's prompt has to name: the references in their order.
WITH_REFERENCES = sorted(name for name in PUBLIC if PUBLIC[name][0] >= _TWO)
NUMBERED = {"fulldit_bernini", "fulldit_bernini_a14b"}  # Bernini-R calls them image0, image1
# Files beside the models, the text encoder and the VAE.
MORE_FILES = {"fulldit_vace_uni3c": 1, "fulldit_wan_fun_camera": 1}
# Images and clips that each asks for.
MEDIA = {
    "fulldit_phantom": 2,
    "fulldit_bernini_a14b": 2,
    "fulldit_recammaster": 1,
    "fulldit_vace_extend": 1,
    "fulldit_vace_outpaint": 1,
    "fulldit_vace_repaint": 1,
    "fulldit_vace_start_end": 2,
    "fulldit_wan_fun_camera": 1,
}
# A graph whose video goes on to core's upscaler: what the video's way is from there, from node to node and input.
UPSCALED = "fulldit_seedvr2"
UPSCALING = (
    ("ImageScaleBy", "image"),
    ("SeedVR2Preprocess", "resized_images"),
    ("VAEEncodeTiled", "pixels"),
    ("SeedVR2Conditioning", "vae_conditioning"),
    ("KSampler", "positive"),
    ("VAEDecodeTiled", "samples"),
    ("SeedVR2PostProcessing", "images"),
    ("VHS_VideoCombine", "images"),
)
# The graph that trains: it learns one clip, and samples what it made.
TUNE = "fulldit_tune"
TITLE = 30  # height of a node's title bar, which stands above its position


def read(name: str) -> dict:
    """A shipped graph by its name."""
    return json.loads((ROOT / "workflows" / f"{name}.json").read_text(encoding="utf-8"))


def of_type(graph: dict, kind: str) -> list[dict]:
    """The nodes of a type, in the order of their numbers."""
    return [node for node in graph["nodes"] if node["type"] == kind]


def notes_of(graph: dict) -> str:
    """What all notes of a graph say."""
    return "\n".join(node["widgets_values"][0] for node in of_type(graph, "MarkdownNote"))


def test_every_shipped_workflow_is_known_here():
    assert [path.stem for path in WORKFLOWS] == sorted([*CONDITIONS, *PUBLIC, UPSCALED, TUNE])
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
            grows = entry["name"].startswith(("identities.", "conditions.", "masks."))
            name = entry["name"].rstrip("0123456789") if grows else entry["name"]
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


def test_what_one_workflow_learns_it_samples_under_another_camera():
    graph = read(TUNE)
    nodes = {node["id"]: node for node in graph["nodes"]}
    feeds = {
        (nodes[link[3]]["type"], nodes[link[3]]["inputs"][link[4]]["name"]): nodes[link[1]] for link in graph["links"]
    }
    train, sampler = "FullDiTTrainConditions", "FullDiTSampler"
    assert feeds[sampler, "model"]["type"] == feeds["LossGraphNode", "loss"]["type"] == train
    assert feeds[train, "images"]["type"] == feeds["FullDiTCameraFromVideo", "images"]["type"] == "VHS_LoadVideo"
    learned, asked = feeds[train, "conditions"], feeds[sampler, "conditions"]
    assert learned["type"] == asked["type"] == "FullDiTConditions" and learned is not asked
    assert feeds["VHS_VideoCombine", "images"]["type"] == "VAEDecode"
    (trained,), (sampled,) = of_type(graph, train), of_type(graph, sampler)
    values = trained["widgets_values_named"]
    assert trained["widgets_values"] == list(values.values()) and values["prompt"] == sampled["widgets_values"][0]
    assert values["checkpoint"] == values["vae"] == "embedded" and values["resume"]
    assert f"{values['name']}.safetensors" in notes_of(graph)


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


def test_the_sampled_video_goes_through_the_upscaler_of_core():
    """Its first half is the graph of Phantom; the sampler has one step without guidance, as SeedVR2's authors say."""
    graph, first = read(UPSCALED), read("fulldit_phantom")
    nodes = {node["id"]: node for node in graph["nodes"]}
    for node in first["nodes"]:
        if node["type"] not in ("MarkdownNote", "VHS_VideoCombine"):
            assert nodes[node["id"]]["type"] == node["type"]
            assert nodes[node["id"]].get("widgets_values") == node.get("widgets_values")
    (at,) = of_type(graph, "VAEDecode")
    for kind, name in UPSCALING:
        targets = [(nodes[link[3]], link[4]) for link in graph["links"] if link[1] == at["id"]]
        at = next(n for n, place in targets if n["type"] == kind and n["inputs"][place]["name"] == name)
    (sampler,) = of_type(graph, "KSampler")
    assert sampler["widgets_values"][2:] == [1, 1, "euler", "simple", 1]
    offered = [model for node in graph["nodes"] for model in node["properties"].get("models", [])]
    assert len(offered) == 5 and all(
        f"- {m['directory']}: [{m['name']}]({m['url']})" in notes_of(graph) for m in offered
    )
    assert "random weights" in notes_of(graph) and "SeedVR2 was not run" in notes_of(graph)


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


def box(node: dict) -> tuple[float, float, float, float]:
    """Left, top, right and bottom of a node with its title bar."""
    (left, top), (width, height) = node["pos"], node["size"]
    return left, top - TITLE, left + width, top + height


def test_no_node_lies_on_another_and_every_group_holds_its_nodes(graph):
    boxes = [(node["title"] if "title" in node else node["type"], *box(node)) for node in graph["nodes"]]
    for at, (name, left, top, right, bottom) in enumerate(boxes):
        for other, left2, top2, right2, bottom2 in boxes[:at]:
            assert left >= right2 or left2 >= right or top >= bottom2 or top2 >= bottom, (name, other)
        for group in graph["groups"]:
            x, y, width, height = group["bounding"]
            inside = x <= left and right <= x + width and y <= top and bottom <= y + height
            outside = left >= x + width or right <= x or top >= y + height or bottom <= y
            assert inside or outside, (name, group["title"])


def test_what_the_page_offers_to_download_is_what_the_table_says(graph):
    """The page shows the files of `properties.models` that are missing; their names, addresses and folders are those of
    models/families, and the node is set to the same file."""
    from comfyui_fulldit.models.families.matrix import model_files

    table = model_files()
    for node in graph["nodes"]:
        for model in node["properties"].get("models", []):
            assert node["widgets_values"][0] == model["name"]
            if model["name"] in table:
                file = table[model["name"]]
                assert model == {"name": file.name, "url": file.url, "directory": file.folder}


@pytest.mark.parametrize("name", PUBLIC)
def test_public_workflows_say_what_they_download(name):
    """Every loader offers its file, and a note has its folder, address, size and license."""
    from comfyui_fulldit.models.families.matrix import FAMILIES, model_files

    graph = read(name)
    loaders = of_type(graph, "FullDiTLoadVideoModel")
    assert [node["widgets_values"][1] for node in loaders] == PUBLIC[name][1]
    for node in loaders:
        variants = FAMILIES[node["widgets_values"][1]].variants
        assert node["widgets_values"][0] in [file.name for variant in variants for file in variant.files]
    files = model_files()
    offered = [model["name"] for node in graph["nodes"] for model in node["properties"].get("models", [])]
    assert len(set(offered)) == len(offered) == len(loaders) + 2 + MORE_FILES.get(name, 0)
    for file in (files[offer] for offer in offered):
        size = f"{file.bytes / 1e9:.2f} GB" if file.bytes >= 1e9 else f"{file.bytes / 1e6:.0f} MB"
        known = f", {size}" if file.bytes else ""
        assert f"- {file.folder}: [{file.name}]({file.url}){known}, {file.license}\n" in notes_of(graph) + "\n"
    assert "random weights" in notes_of(graph)


@pytest.mark.parametrize("name", PUBLIC)
def test_public_workflows_lead_from_their_models_to_videos(name):
    """Each loader's model reaches a sampler, whose latent becomes a video; the rest is the models' own."""
    from comfyui_fulldit.models.families.matrix import FAMILIES

    graph = read(name)
    nodes = {node["id"]: node for node in graph["nodes"]}
    feeds = {(link[3], link[4]): nodes[link[1]] for link in graph["links"]}

    def source(node: dict, name: str) -> dict:
        place = next(at for at, entry in enumerate(node["inputs"]) if entry["name"] == name)
        return feeds[node["id"], place]

    def loaders_behind(node: dict) -> list[dict]:
        """The loaders whose models a node's MODEL is made of."""
        if node["type"] == "FullDiTLoadVideoModel":
            return [node]
        return [
            one
            for entry in node["inputs"]
            if entry["type"] == "MODEL"
            for one in loaders_behind(source(node, entry["name"]))
        ]

    (conditions,) = of_type(graph, "FullDiTConditions")
    assert {entry["name"] for entry in conditions["inputs"] if entry.get("link")} == PUBLIC[name][0]
    for slot in (0, 1) if name in WITH_REFERENCES else ():
        assert source(conditions, f"identities.identity{slot}")["type"] == "FullDiTIdentity"
    videos = of_type(graph, "VHS_VideoCombine")
    samplers = [source(source(video, "images"), "samples") for video in videos]
    loaders = [one for sampler in samplers for one in loaders_behind(source(sampler, "model"))]
    assert [node["id"] for node in loaders] == [node["id"] for node in of_type(graph, "FullDiTLoadVideoModel")]
    if "model" in PUBLIC[name][0]:
        assert source(conditions, "model") is source(samplers[0], "model")
    for sampler, video in zip(samplers, videos, strict=True):
        assert source(sampler, "conditions") is conditions
        assert source(sampler, "clip")["type"] == "CLIPLoader"
        assert source(sampler, "vae") is source(source(video, "images"), "vae") is of_type(graph, "VAELoader")[0]
        values = dict(zip(sampler_widgets(), sampler["widgets_values"], strict=False))
        assert (values["steps"], values["cfg"], values["negative"]) == (0, -1, "")
        assert values["sampler_name"] == values["scheduler"] == "auto"
        assert values["leave_out"] == (name == "fulldit_three_models")
        rate = FAMILIES[PUBLIC[name][1][0]].variants[0].settings.fps
        assert video["widgets_values"]["format"] == "video/h264-mp4" and video["widgets_values"]["frame_rate"] == rate
    own = [0, 0, 0] if "model" in PUBLIC[name][0] and name != "fulldit_vace_uni3c" else [81, 832, 480]
    assert conditions["widgets_values"][:3] == own


def test_the_camera_of_uni3c_is_rendered_in_the_size_of_the_video():
    """One path for the render and for Conditions, and the depth along it for VACE."""
    graph = read("fulldit_vace_uni3c")
    (conditions,), (render,) = of_type(graph, "FullDiTConditions"), of_type(graph, "FullDiTRenderAlong")
    (path,), (uni3c,) = of_type(graph, "FullDiTCameraPath"), of_type(graph, "WanUni3CControlnetApply")
    assert render["widgets_values"][:2] == conditions["widgets_values"][1:3]
    assert path["widgets_values"][1] == conditions["widgets_values"][0]
    wires = {(link[1], link[2], link[3], graph_input(graph, link)) for link in graph["links"]}
    assert (path["id"], 0, render["id"], "camera") in wires and (path["id"], 0, conditions["id"], "camera") in wires
    assert (render["id"], 0, uni3c["id"], "render_video") in wires
    assert (render["id"], 2, conditions["id"], "depth") in wires
    from comfyui_fulldit.control.camera.splines import path_from_editor_state

    assert abs(path_from_editor_state(path["widgets_values"][0], frames=3).c2w[0, :, 3]).max() == 0  # as the image


def graph_input(graph: dict, link: list) -> str:
    """The name of the input that a wire leads to."""
    return next(node for node in graph["nodes"] if node["id"] == link[3])["inputs"][link[4]]["name"]


def sampler_widgets() -> list[str]:
    """The widgets of the sampler in the page's order, which puts one of its own behind the seed."""
    names = widgets_of("FullDiTSampler")
    return [*names[: names.index("seed") + 1], "control_after_generate", *names[names.index("seed") + 1 :]]


# Of each graph with known frames: where they stand, what is taken, whether the mask is inverted, how it is fitted.
WITH_KNOWN = {
    "fulldit_vace_extend": ("first", "last:17", False, "crop"),
    "fulldit_vace_outpaint": ("0-last", "", False, "pad"),
    "fulldit_vace_repaint": ("0-last", "", True, "crop"),
    "fulldit_vace_start_end": ("first, last", "", False, "crop"),
}


@pytest.mark.parametrize("name", WITH_KNOWN)
def test_known_frames_are_those_of_the_graphs_use(name):
    graph = read(name)
    (known,), (conditions,) = of_type(graph, "FullDiTKnownFrames"), of_type(graph, "FullDiTConditions")
    values = dict(zip(widgets_of("FullDiTKnownFrames"), known["widgets_values"], strict=True))
    fits = dict(zip(widgets_of("FullDiTConditions"), conditions["widgets_values"], strict=True))
    assert (values["frames"], values["take"], values["invert_mask"], fits["fit_space"]) == WITH_KNOWN[name]
    assert values["strength"] == 1 and values["noise"] == 0 and fits["fit_time"] == "resample"
    masked = next(entry for entry in known["inputs"] if entry["name"] == "mask")["link"] is not None
    assert masked == values["invert_mask"] == (name == "fulldit_vace_repaint")


@pytest.mark.parametrize("name", sorted(NUMBERED))
def test_berninis_prompt_names_its_references(name):
    prompt = of_type(read(name), "FullDiTSampler")[0]["widgets_values"][0]
    assert 0 < prompt.index("image0") < prompt.index("image1")


def test_berninis_source_video_is_off():
    graph = read("fulldit_bernini")
    modes = {node["type"]: node["mode"] for node in graph["nodes"]}
    assert modes.pop("VHS_LoadVideo") == 2 and set(modes.values()) == {0}
    assert "Ctrl+M" in notes_of(graph)


@pytest.mark.parametrize("name", sorted(set(WITH_REFERENCES) - NUMBERED))
def test_other_prompts_describe_the_references_in_their_order(name):
    graph = read(name)
    kind = "PrimitiveStringMultiline" if name == "fulldit_three_models" else "FullDiTSampler"
    prompt = of_type(graph, kind)[0]["widgets_values"][0]
    names = [node["widgets_values"][0] for node in of_type(graph, "FullDiTIdentity")]
    assert [prompt.index(name) for name in names] == sorted(prompt.index(name) for name in names)


@pytest.mark.parametrize("name", PUBLIC)
def test_the_images_and_clips_that_public_workflows_ask_for_are_in_the_pack(name):
    graph = read(name)
    files = [node["widgets_values"][0] for node in of_type(graph, "LoadImage")]
    files += [node["widgets_values"]["video"] for node in of_type(graph, "VHS_LoadVideo")]
    assert len(files) == MEDIA.get(name, 3)
    for file in files:
        assert (ROOT / "assets" / file).is_file() and f"assets/{file}" in notes_of(graph)
        assert f"`{file}`" in (ROOT / "assets" / "README.md").read_text(encoding="utf-8")
