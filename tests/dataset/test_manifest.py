"""Manifests are read strictly: what cannot be used is named by line and field."""

from __future__ import annotations

import json

import pytest

from comfyui_fulldit.control.errors import UserError
from comfyui_fulldit.dataset.manifest import (
    CameraFile,
    Clip,
    DepthFile,
    IdentityFiles,
    SourceVideo,
    read_manifest,
    safe_id,
    write_manifest,
)

FULL = Clip(
    "a-1",
    "videos/a.mp4",
    (3, 20),
    24.0,
    {"full": "Ein Café"},
    CameraFile("a.json", "cam01", "x", 1.2, 3.4),
    (IdentityFiles("cup", ("cup.png",), "cup_mask.png", "masks.zip#2"),),
    DepthFile("depth.zip", "disparity", "auto", "Z", (0, 4)),
    "moving.npz",
    SourceVideo("videos/b.mp4", "b", (0, 17)),
    None,
    "CC-BY-4.0",
    {"dataset": "test"},
    {"motion": 2.5, "hash": "00ff"},
)


def test_a_manifest_comes_back(tmp_path):
    clips = [FULL, Clip("b", "b.mp4", license="x"), Clip("c", "c.mp4", crop=(1, 2, 3, 4), license="x")]
    assert write_manifest(tmp_path / "m.jsonl", clips) == 3
    assert read_manifest(tmp_path / "m.jsonl").clips == clips
    assert json.loads((tmp_path / "m.jsonl").read_text().splitlines()[1]) == {
        "id": "b",
        "video": "b.mp4",
        "license": "x",
    }


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"id": "a"}', "Line 2.*'video' is missing"),
        ('{"id": "a", "video": 3}', "'video' is 3; a text was expected"),
        ('{"id": "a", "video": "v", "fps": true}', "'fps' is True; a number"),
        ('{"id": "a", "video": "v", "fps": NaN}', "'fps' is nan; a number"),
        ('{"id": "a", "video": "v", "span": [4, 4]}', "'span'.*later end"),
        ('{"id": "a", "video": "v", "span": [4]}', "'span' has 1 entries; 2"),
        ('{"id": "a", "video": "v", "camera": {"fil": "x"}}', "'camera.fil' is not a field"),
        ('{"id": "a", "video": "v", "identities": [{"name": 1}]}', r"'identities\[0\].name' is 1"),
        ('{"id": "a", "video": "v", "figures": {"motion": []}}', "'figures.motion'"),
        ('{"id": "a.b", "video": "v"}', "'id' is 'a.b'"),
        ('{"id": "first", "video": "v"}', "'first' stands in line 1 too"),
        ('{"id": "a", "video": "v", "crop": [0, 0, 2, 2], "camera": {"file": "c"}}', "'crop' and 'camera'"),
        ('{"id": "a", "vid', "not a JSON object.*cut short"),
        ("[1]", r"'the clip' is \[1\]; an object"),
        ('{"id": "a", "video": "v"}', "'license' is missing"),
    ],
)
def test_a_line_that_cannot_be_used_is_named(tmp_path, line, said):
    (tmp_path / "m.jsonl").write_text('{"id": "first", "video": "v", "license": "x"}\n' + line + "\n")
    with pytest.raises(UserError, match=said):
        read_manifest(tmp_path / "m.jsonl", "refuse")


def test_clips_without_a_license_are_skipped_refused_or_taken(tmp_path):
    write_manifest(tmp_path / "m.jsonl", [Clip("a", "a.mp4"), Clip("b", "b.mp4", license="x")])
    skipped = read_manifest(tmp_path / "m.jsonl")
    assert [clip.id for clip in skipped] == ["b"] and skipped.skipped == ["a"]
    assert len(read_manifest(tmp_path / "m.jsonl", "take")) == 2
    with pytest.raises(UserError, match="is not one of"):
        read_manifest(tmp_path / "m.jsonl", "maybe")


def test_other_encodings_and_empty_manifests_are_refused(tmp_path):
    (tmp_path / "m.jsonl").write_bytes('{"id": "a", "video": "é"}'.encode("latin-1"))
    with pytest.raises(UserError, match="Line 1.*not UTF-8"):
        read_manifest(tmp_path / "m.jsonl")
    (tmp_path / "m.jsonl").write_text("\n\n")
    with pytest.raises(UserError, match="no lines"):
        read_manifest(tmp_path / "m.jsonl")
    (tmp_path / "m.jsonl").write_bytes(b"\xef\xbb\xbf" + b'{"id": "a", "video": "v", "license": "x"}\r\n')
    assert read_manifest(tmp_path / "m.jsonl").clips[0].video == "v"


def test_ids_are_made_of_anything():
    assert [safe_id(text) for text in ("a/b c.d", "--x", "é", "x" * 300)] == ["a-b-c-d", "x", "clip", "x" * 200]
