"""What the documents say is there is there."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from comfyui_fulldit.cli import build_parser

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", *sorted(ROOT.glob("docs/*.md")), *sorted(ROOT.glob("*/README.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8")):
        if not target.startswith(("http://", "https://")):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_the_readme_names_the_two_commands():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert "make demo" in text and "make test" in text


def test_commands_in_the_readme_parse():
    """Every `fulldit ...` line of a code block is taken by the parser as it stands."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    parsed = 0
    for block in re.findall(r"```sh\n(.*?)```", text, re.S):
        for line in block.replace("\\\n", " ").splitlines():
            line = line.split("#")[0].strip()
            if "bin/fulldit " in line:
                build_parser().parse_args(shlex.split(line.split("bin/fulldit ", 1)[1]))
                parsed += 1
    assert parsed >= 5


def test_no_path_of_a_machine():
    for path in PAGES:
        assert not re.search(r"(^|[\s`(\"'])/(root|home|work|tmp)/", path.read_text(encoding="utf-8")), path
