"""The words of the editors: all texts that the page asks for are listed, and every language has all of them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "web" / "shared" / "locales"
ENGLISH = json.loads((FOLDER / "en.json").read_text(encoding="utf-8"))
MODULES = [path for path in sorted((ROOT / "web").glob("*/*.mjs")) if path.name != "words.mjs"]
SOURCE = "\n".join(path.read_text(encoding="utf-8") for path in MODULES)
LANGUAGES = sorted({path.stem for path in FOLDER.glob("*.json")} - {"en"})
# Ease and movement names stand in the sources with an underscore, or in parts.
DERIVED = re.compile(r"(quad|cubic|quart|quint|sine|expo|circ|back) (in|out|in out)")


def texts(pattern: str) -> set[str]:
    return {
        json.loads(f'"{text}"')
        for found in re.findall(pattern, SOURCE)
        for text in ([found] if isinstance(found, str) else found)
    }


def test_every_text_that_is_asked_for_is_listed():
    asked = texts(r'(?<![\w.])t\(\s*"((?:[^"\\]|\\.)*)"') | texts(r'(?<![\w.])t\([^"()]*\? "([^"]*)" : "([^"]*)"')
    asked |= texts(r'button\("\w+", "([^"]*)"')
    assert len(asked) > 100 and asked <= set(ENGLISH)
    assert all(key == text for key, text in ENGLISH.items()), "English is the key"


def test_no_text_is_listed_that_nobody_asks_for():
    presets = json.loads((ROOT / "web" / "camera_path" / "presets.json").read_text(encoding="utf-8"))
    shown = {name.replace("_", " ") for name in presets} | {entry["doc"] for entry in presets.values()}
    stale = [
        key
        for key in ENGLISH
        if key not in shown
        and not DERIVED.fullmatch(key)
        and json.dumps(key, ensure_ascii=False) not in SOURCE
        and not re.search(rf"\b{re.escape(key)}\b", SOURCE)
    ]
    assert stale == []
    assert shown <= set(ENGLISH)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_language_has_every_text(language):
    words = json.loads((FOLDER / f"{language}.json").read_text(encoding="utf-8"))
    assert list(words) == list(ENGLISH), "the same texts in the same order"
    assert not [key for key, text in words.items() if not text.strip() or text == key], "all are translated"
    for key, text in words.items():
        assert re.findall(r"\{\w+\}", key) == re.findall(r"\{\w+\}", text) or set(re.findall(r"\{\w+\}", key)) == set(
            re.findall(r"\{\w+\}", text)
        ), f"the values of '{key}'"
        shortcut = re.search(r" (\([A-Z?]\)|\(Ctrl\+[\w+]+\)|\(Delete\))", key)
        assert shortcut is None or shortcut[0] in text, f"the shortcut of '{key}'"


def test_the_node_texts_have_the_same_languages():
    assert {path.name for path in (ROOT / "locales").iterdir()} == {"en", *LANGUAGES}
    english, *others = (
        json.loads((ROOT / "locales" / name / "nodeDefs.json").read_text(encoding="utf-8"))
        for name in ("en", *LANGUAGES)
    )

    def keys(value, path=()):
        return (
            {path}
            if not isinstance(value, dict)
            else set().union(*(keys(v, (*path, k)) for k, v in value.items()), {path})
        )

    for other in others:
        assert keys(other) == keys(english)
