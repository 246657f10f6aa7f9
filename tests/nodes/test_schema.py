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
    "FullDiTApply",
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
    "FullDiTConditions",
    "FullDiTCropReference",
    "FullDiTDepth",
    "FullDiTDepthAgreement",
    "FullDiTDepthAlong",
    "FullDiTDepthPictures",
    "FullDiTEditTrack",
    "FullDiTExample",
    "FullDiTExtractDepth",
    "FullDiTIdentity",
    "FullDiTIdentityMap",
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
    "FullDiTTransformCamera",
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
            assert "seed" not in name or (node, name) == ("FullDiTSampler", "seed")
