"""Ids, sockets and defaults are promises to saved workflows; every socket explains itself, in two languages.

After a deliberate change of a schema, `FULLDIT_UPDATE=1 python -m pytest tests/nodes/test_schema.py` updates the
snapshot, the English locale and the tables of the help pages.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SNAPSHOT = Path(__file__).with_name("schema.json")
HELP = ROOT / "web" / "docs"
LOCALES = ROOT / "locales"
UPDATE = bool(os.environ.get("FULLDIT_UPDATE"))
NODES = [
    "FullDiTAgreementReport",
    "FullDiTApply",
    "FullDiTBetweenKeyFrames",
    "FullDiTCameraFromGeometry",
    "FullDiTCameraFromLoad3D",
    "FullDiTCameraFromPlucker",
    "FullDiTCameraFromPoses",
    "FullDiTCameraFromVideo",
    "FullDiTCameraPath",
    "FullDiTCameraPreset",
    "FullDiTCameraPreview",
    "FullDiTCameraToLoad3D",
    "FullDiTCameraToPlucker",
    "FullDiTCameraToPoses",
    "FullDiTCameraToTracks",
    "FullDiTCompare",
    "FullDiTConditions",
    "FullDiTControlVideo",
    "FullDiTCropReference",
    "FullDiTDepth",
    "FullDiTDepthAgreement",
    "FullDiTDepthAlong",
    "FullDiTDepthPictures",
    "FullDiTDescribeCamera",
    "FullDiTEditTrack",
    "FullDiTEnhancePrompt",
    "FullDiTExample",
    "FullDiTExportConditions",
    "FullDiTExtractDepth",
    "FullDiTFitVideo",
    "FullDiTIdentity",
    "FullDiTIdentityMap",
    "FullDiTImportConditions",
    "FullDiTKeyFrames",
    "FullDiTKnownFrames",
    "FullDiTLoad",
    "FullDiTLoadCamera",
    "FullDiTLoadLora",
    "FullDiTLoadVideoModel",
    "FullDiTMaskPainter",
    "FullDiTMasksFromTrack",
    "FullDiTModelFamily",
    "FullDiTPairExperts",
    "FullDiTPreview",
    "FullDiTPropagateMask",
    "FullDiTRenderAlong",
    "FullDiTSampler",
    "FullDiTSaveCamera",
    "FullDiTSound",
    "FullDiTStory",
    "FullDiTTrainConditions",
    "FullDiTTransformCamera",
    "FullDiTUpscaleVideo",
]


def flat_inputs(schema):
    """Every input with those inside dynamic ones, as (name on the page, input)."""
    for entry in schema.inputs:
        yield entry.id, entry
        if entry.io_type == "COMFY_DYNAMICCOMBO_V3":
            for option in entry.options:
                for inner in option.inputs:
                    yield f"{entry.id}.{inner.id} ({option.key})", inner
        if entry.io_type == "COMFY_AUTOGROW_V3":
            yield f"{entry.id}.{entry.template.prefix}", entry.template.input


def summary(schema) -> dict:
    """What a saved workflow relies on."""
    inputs = {}
    for name, entry in flat_inputs(schema):
        inputs[name] = {"type": entry.io_type}
        for key in ("default", "optional"):
            if entry.given.get(key) is not None:
                inputs[name][key] = entry.given[key]
    return {
        "display_name": schema.display_name,
        "inputs": inputs,
        "outputs": [[output.io_type, output.display_name] for output in schema.outputs],
    }


def texts(schema) -> dict:
    """The texts of a node, as ComfyUI's locale files hold them."""
    outputs = enumerate(schema.outputs)
    return {
        "display_name": schema.display_name,
        "description": schema.description,
        "inputs": {entry.id: {"name": entry.id, "tooltip": entry.tooltip} for entry in schema.inputs},
        "outputs": {str(i): {"name": o.display_name or o.io_type, "tooltip": o.tooltip} for i, o in outputs},
    }


def read_locale(language) -> dict:
    """The texts of all nodes in one language."""
    return json.loads((LOCALES / language / "nodeDefs.json").read_text(encoding="utf-8"))


def help_rows(node, heading) -> dict[str, str]:
    """The first table below a heading of a help page: name -> text."""
    section = (HELP / f"{node}.md").read_text(encoding="utf-8").partition(f"## {heading}\n")[2]
    section = re.split(r"(?m)^##", section)[0]
    return dict(re.findall(r"(?m)^\| `([^`]+)` \| (.*) \|$", section))


def update_help(node, schema) -> None:
    """Rewrite the rows of a help page that do not begin with their tooltip."""
    page = HELP / f"{node}.md"
    for heading, rows in expected_rows(schema).items():
        for name, text in rows.items():
            old = help_rows(node, heading).get(name, "")
            if not old.startswith(text):
                before, mark, after = page.read_text(encoding="utf-8").partition(f"## {heading}\n")
                after = after.replace(f"| `{name}` | {old} |", f"| `{name}` | {text} |", 1)
                page.write_text(before + mark + after, encoding="utf-8")


def described(value) -> str:
    """A default as the page shows it."""
    if isinstance(value, bool):
        return "on" if value else "off"
    text = str(value)
    return "empty" if text == "" else "see the node" if len(text) > 24 else f"`{text}`"


def ranges_of(schema) -> list[str]:
    """The rows of the table of ranges: every input with a value, with what it takes and its default."""
    rows = []
    for name, entry in flat_inputs(schema):
        if entry.io_type in ("INT", "FLOAT"):
            low, high = (f"{bound:g}" if abs(bound) < 1e6 else f"{bound:.3g}" for bound in (entry.min, entry.max))
            values = f"{low} to {high}"
        elif entry.io_type == "BOOLEAN":
            values = "on or off"
        elif entry.io_type == "COMBO" and len(entry.options or ()) <= 8 and not _of_this_machine(entry):
            values = ", ".join(f"`{option}`" for option in entry.options)
        elif entry.io_type == "COMBO":
            values = "a list on the node"
        elif entry.io_type == "COMFY_DYNAMICCOMBO_V3":
            values = ", ".join(f"`{option.key}`" for option in entry.options)
        elif entry.io_type == "STRING":
            values = "text"
        else:
            continue
        default = "" if entry.default is None else described(entry.default)
        rows.append(f"| `{name}` | {values} | {default} |")
    return rows


def _of_this_machine(entry) -> bool:
    """Whether an input lists files or what the host has, which are others everywhere."""
    if entry.id in ("sampler_name", "scheduler"):
        return True
    return entry.io_type == "COMBO" and any(
        "." in str(option) or "/" in str(option) for option in entry.options or [""]
    )


def range_table(schema) -> str:
    """The section of a help page with the ranges of its inputs; "" for a node that has none."""
    rows = ranges_of(schema)
    head = "## Ranges\n\n| input | values | default |\n|---|---|---|\n"
    return head + "\n".join(rows) + "\n\n" if rows else ""


def expected_rows(schema) -> dict[str, dict[str, str]]:
    """How the rows of a help page begin: heading -> name -> text."""
    optional = {entry.id: " (optional)" if entry.given.get("optional") else "" for entry in schema.inputs}
    return {
        "Inputs": {entry.id: entry.tooltip + optional[entry.id] for entry in schema.inputs},
        "Outputs": {output.display_name or output.io_type: output.tooltip for output in schema.outputs},
    }


def test_the_nodes_are_those_that_saved_workflows_know(host):
    assert sorted(host.schemas) == NODES


def test_schemas_are_what_saved_workflows_know(host):
    now = {name: summary(schema) for name, schema in sorted(host.schemas.items())}
    if UPDATE:
        SNAPSHOT.write_text(json.dumps(now, indent=1) + "\n", encoding="utf-8")
    assert now == json.loads(SNAPSHOT.read_text(encoding="utf-8"))


@pytest.mark.parametrize("node", NODES)
def test_every_node_has_a_category_a_description_and_search_aliases(host, node):
    schema = host.schemas[node]
    assert schema.category.startswith("FullDiT") and len(schema.description) > 20 and schema.search_aliases


@pytest.mark.parametrize("node", NODES)
def test_every_input_and_output_has_a_tooltip(host, node):
    schema = host.schemas[node]
    for name, entry in flat_inputs(schema):
        assert entry.tooltip and len(entry.tooltip) > 8, f"{node}.{name}"
    for output in schema.outputs:
        assert output.tooltip, f"{node} -> {output.io_type}"


@pytest.mark.parametrize("node", NODES)
def test_the_help_page_begins_with_the_name_and_the_description(host, node):
    schema, page = host.schemas[node], (HELP / f"{node}.md").read_text(encoding="utf-8")
    assert page.startswith(f"# {schema.display_name}\n")
    assert " ".join(schema.description.split()) in " ".join(page.split())


@pytest.mark.parametrize("node", NODES)
def test_the_help_page_explains_every_input_and_output_as_the_node_does(host, node):
    if UPDATE:
        update_help(node, host.schemas[node])
    for heading, expected in expected_rows(host.schemas[node]).items():
        rows = help_rows(node, heading)
        assert set(rows) == set(expected)
        for name, text in expected.items():
            assert rows[name].startswith(text), f"{node}.md, {heading}: {name}"


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("node", NODES)
def test_translations_are_complete(host, node, language):
    known, schema = read_locale(language)[node], host.schemas[node]
    assert known["display_name"] and known["description"]
    assert set(known["inputs"]) == {entry.id for entry in schema.inputs}
    assert set(known["outputs"]) == {str(i) for i in range(len(schema.outputs))}
    for entry in [*known["inputs"].values(), *known["outputs"].values()]:
        assert entry["name"] and entry["tooltip"]


def test_the_english_locale_says_what_the_schemas_say(host):
    now = {node: texts(host.schemas[node]) for node in host.schemas}
    if UPDATE:
        file = LOCALES / "en" / "nodeDefs.json"
        file.write_text(json.dumps(now, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    assert read_locale("en") == now


def test_seeds_are_named_so_only_where_the_page_may_change_them(host):
    """The page adds 'control after generate' to every input called seed."""
    for node, schema in host.schemas.items():
        for name, _ in flat_inputs(schema):
            sampling = ("FullDiTSampler", "FullDiTCompare", "FullDiTUpscaleVideo")
            assert "seed" not in name or (node in sampling and name == "seed")


def test_help_pages_say_what_each_input_takes(host):
    """The section Ranges, between the inputs and the outputs, is written by `FULLDIT_UPDATE=1`."""
    for node, schema in host.schemas.items():
        page = HELP / f"{node}.md"
        text = page.read_text(encoding="utf-8")
        wanted = range_table(schema)
        if UPDATE:
            bare = re.sub(r"(?ms)^## Ranges\n.*?(?=^## )", "", text)
            text = bare.replace("## Outputs\n", f"{wanted}## Outputs\n", 1)
            page.write_text(text, encoding="utf-8")
        found = re.search(r"(?ms)^## Ranges\n.*?(?=^## )", text)
        assert (found[0] if found else "") == wanted, node


def test_help_pages_have_an_image_and_say_what_can_go_wrong(host):
    for node, schema in host.schemas.items():
        text = (HELP / f"{node}.md").read_text(encoding="utf-8")
        headings = re.findall(r"(?m)^## (.*)$", text)
        needed = ["Inputs"] * bool(schema.inputs) + ["Outputs"] * bool(schema.outputs) + ["What can go wrong"]
        assert [heading for heading in headings if heading in needed] == needed, node
        assert text.index("![") < text.index("## "), f"{node}: an image stands above the first heading"
        wrong = text.partition("## What can go wrong\n")[2]
        assert re.search(r"(?m)^- \S", wrong), node


@pytest.mark.parametrize("language", ["zh"])
def test_help_pages_of_the_editors_are_translated(language):
    """The pages of the editors in other languages have the same tables and headings."""
    for node in ("FullDiTCameraPath", "FullDiTEditTrack", "FullDiTMaskPainter"):
        english = (HELP / f"{node}.md").read_text(encoding="utf-8")
        other = (HELP / node / f"{language}.md").read_text(encoding="utf-8")
        for pattern in (r"(?m)^#+ ", r"(?m)^\| ", r"(?m)^\| `([^`]+)`", r"```json.*?```", r"!\[", r"(?m)^- "):
            counts = [len(re.findall(pattern, text, re.S)) for text in (english, other)]
            assert counts[0] == counts[1], f"{node}: {pattern}"
        assert re.findall(r"(?s)```json.*?```", english) == re.findall(r"(?s)```json.*?```", other)
