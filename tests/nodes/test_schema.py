"""Ids, sockets and defaults are promises to saved workflows; every socket explains itself, in two languages."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SNAPSHOT = Path(__file__).with_name("schema.json")
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
    "FullDiTMaskPainter",
    "FullDiTMasksFromTrack",
    "FullDiTPreview",
    "FullDiTPropagateMask",
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


def test_the_list_of_nodes(host):
    assert sorted(host.schemas) == NODES


def test_schemas_are_what_saved_workflows_know(host):
    """After a change that is meant: FULLDIT_UPDATE=1 python -m pytest tests/nodes"""
    now = {name: summary(schema) for name, schema in sorted(host.schemas.items())}
    if os.environ.get("FULLDIT_UPDATE"):
        SNAPSHOT.write_text(json.dumps(now, indent=1) + "\n", encoding="utf-8")
    assert now == json.loads(SNAPSHOT.read_text(encoding="utf-8"))


@pytest.mark.parametrize("node", NODES)
def test_everything_explains_itself(host, node):
    schema = host.schemas[node]
    assert schema.category.startswith("FullDiT") and len(schema.description) > 20 and schema.search_aliases
    for name, entry in flat_inputs(schema):
        assert entry.tooltip and len(entry.tooltip) > 8, f"{node}.{name}"
    for output in schema.outputs:
        assert output.tooltip, f"{node} -> {output.io_type}"


@pytest.mark.parametrize("node", NODES)
def test_the_help_page_names_every_input_and_output(host, node):
    page = (ROOT / "web" / "docs" / f"{node}.md").read_text(encoding="utf-8")
    assert page.startswith(f"# {host.schemas[node].display_name}")
    for entry in host.schemas[node].inputs:
        assert f"`{entry.id}`" in page, f"{node}.md does not explain {entry.id}"
    for output in host.schemas[node].outputs:
        assert f"`{output.display_name or output.io_type}`" in page


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("node", NODES)
def test_translations_are_complete(host, node, language):
    known = json.loads((ROOT / "locales" / language / "nodeDefs.json").read_text(encoding="utf-8"))[node]
    schema = host.schemas[node]
    assert known["display_name"] and known["description"]
    if language == "en":
        assert known["display_name"] == schema.display_name and known["description"] == schema.description
    assert set(known["inputs"]) == {entry.id for entry in schema.inputs}
    assert set(known["outputs"]) == {str(i) for i in range(len(schema.outputs))}
    for entry in [*known["inputs"].values(), *known["outputs"].values()]:
        assert entry["name"] and entry["tooltip"]


def test_seeds_are_named_so_only_where_the_page_may_change_them(host):
    """The page adds 'control after generate' to every input called seed."""
    for node, schema in host.schemas.items():
        for name, _ in flat_inputs(schema):
            assert "seed" not in name or (node, name) == ("FullDiTSampler", "seed")
