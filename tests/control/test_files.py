"""Names of files, and sizes in words."""

from __future__ import annotations

import json

import pytest

from comfyui_fulldit.control.errors import UserError
from comfyui_fulldit.control.files import atomic_path, check_folder, is_path, size_text, write_json


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 MB"),
        (3_072_000, "3.1 MB"),
        (378e6, "378 MB"),
        (999e6, "999 MB"),
        (15_574_833_216, "15.57 GB"),
        (2e10, "20 GB"),
    ],
)
def test_a_size_is_said_in_words(count, text):
    assert size_text(count) == text


@pytest.mark.parametrize("name", ["a\0b", "half \ud800", "n" * 256, "é" * 128, f"{'n' * 256}/file"])
def test_what_no_file_can_be_called_is_refused_before_it_is_written(tmp_path, name):
    assert not is_path(name)
    with pytest.raises(UserError, match="is not the name of a file"), atomic_path(tmp_path / name):
        raise AssertionError("the work has begun")
    with pytest.raises(UserError, match="is not the name of a file"):
        check_folder(tmp_path / name)
    assert not any(tmp_path.iterdir())


def test_the_longest_name_can_be_written(tmp_path):
    path = tmp_path / ("n" * 250 + ".json")
    assert is_path(path)
    with atomic_path(path) as temporary:
        temporary.write_text("{}")
    assert path.read_text() == "{}"


def test_a_name_in_an_unknown_encoding_comes_back_from_json(tmp_path):
    name = b"caf\xe9.mp4".decode(errors="surrogateescape")
    write_json(tmp_path / "report.json", {"é": name})
    text = (tmp_path / "report.json").read_text(encoding="utf-8")
    assert "é" in text and json.loads(text) == {"é": name}
