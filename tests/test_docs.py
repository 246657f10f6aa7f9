"""The documents are true: what they name exists, and their commands parse."""

from __future__ import annotations

import argparse
import ast
import json
import re
import shlex
from pathlib import Path

import pytest

from comfyui_fulldit.cli import build_parser

ROOT = Path(__file__).resolve().parent.parent
PAGES = [
    ROOT / "README.md",
    *sorted(ROOT.glob("[a-z]*/README.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "web" / "docs").glob("*.md")),
]
# Options in the documents that belong to other programs.
FOREIGN_OPTIONS = {"--nproc-per-node", "--nnodes", "--node-rank", "--rdzv-endpoint", "--url"}
# British spellings, and words that this project has replaced by those of the field.
OLD_WORDS = re.compile(
    r"\b(colours?|coloured|grey|centred?|neighbours?|neighbouring|behaviour|metres|cancelled|pictures?|remarks?"
    r"|(?:normal|stabil|initial|optim|visual)is\w+)\b",
    re.I,
)


def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def page_id(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def anchors_of(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"(?m)^#+ (.*)$", text_of(page))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def commands_of(page: Path) -> list[str]:
    """The arguments of every `fulldit ...` in a page's code blocks and prose, without templates (STAGE) and --help."""
    text = text_of(page)
    lines = re.findall(r"`(fulldit [^`]+)`", " ".join(text.split()))
    for block in re.findall(r"(?ms)^```sh\n(.*?)^```", text):
        lines += [line.split("#")[0] for line in block.replace("\\\n", " ").splitlines() if "torchrun" not in line]
    commands = [match[1] for line in lines if (match := re.search(r"(?:^|/)fulldit (.*)", line))]
    return [command for command in commands if "STAGE" not in command and "--help" not in command]


def options_of(parser: argparse.ArgumentParser) -> set[str]:
    """Every option of a parser and of its commands."""
    options = set()
    for action in parser._actions:
        options |= set(action.option_strings)
        if isinstance(action, argparse._SubParsersAction):
            options |= set().union(*(options_of(command) for command in action.choices.values()))
    return options


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_links_lead_to_files_and_headings_that_exist(page):
    for target, anchor in re.findall(r"\]\(([^)#\s]*)#?([^)\s]*)\)", text_of(page)):
        if target.startswith(("http://", "https://")):
            continue
        linked = page.parent / target if target else page
        assert linked.exists(), f"{page.name} links to {target}"
        assert not anchor or anchor in anchors_of(linked), f"{page.name} links to {target}#{anchor}"


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_images_that_html_shows_exist(page):
    for target in re.findall(r'<img src="([^"]+)"', text_of(page)):
        assert (page.parent / target).is_file(), f"{page.name} shows {target}"


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_source_files_named_in_the_documents_exist(page):
    for name in re.findall(r"`((?:[\w.-]+/)+[\w.-]+\.(?:py|mjs|js|md|svg|toml))`", text_of(page)):
        assert (ROOT / name).is_file(), f"{page.name} names {name}"


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_folders_named_in_the_documents_exist(page):
    for name in re.findall(r"`((?:[a-z][\w.-]*/)+)`", text_of(page)):
        assert name.startswith(("outputs/", "runs/")) or (ROOT / name).is_dir(), f"{page.name} names {name}"


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_options_named_in_the_documents_exist(page):
    named = set(re.findall(r"(?<![\w<-])--[a-z][\w-]*", text_of(page)))
    assert named <= options_of(build_parser()) | FOREIGN_OPTIONS


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_commands_in_the_documents_parse(page):
    for command in commands_of(page):
        build_parser().parse_args(shlex.split(command))


def test_the_readme_shows_how_to_use_the_command_line():
    assert len(commands_of(ROOT / "README.md")) >= 10


def test_the_readme_names_the_two_make_targets():
    text = text_of(ROOT / "README.md")
    assert "make demo" in text and "make test" in text


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_no_document_names_a_path_of_a_machine(page):
    assert not re.search(r"""(^|[\s`("'])/(root|home|work|tmp)/""", text_of(page))


@pytest.mark.parametrize("page", [page for page in PAGES if "gallery" not in page.parts], ids=page_id)
def test_lines_of_prose_fit_into_120_columns(page):
    """All but code, tables, HTML, images and what a command generates between two marks."""
    text = re.sub(r"(?ms)^ *```.*?^ *```|<!-- (.*?) -->.*?<!-- /\1 -->", "", text_of(page))
    lines = [line for line in text.splitlines() if not line.lstrip().startswith(("|", "<", "!["))]
    assert [line for line in lines if len(line) > 120] == []


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_the_documents_use_american_spelling_and_the_words_of_the_field(page):
    prose = re.sub(r"(?s)```.*?```|`[^`]*`|\]\([^)]*\)", "", text_of(page))
    assert OLD_WORDS.findall(prose) == []


def test_the_nodes_use_american_spelling_and_the_words_of_the_field():
    nodes = json.loads((ROOT / "locales" / "en" / "nodeDefs.json").read_text(encoding="utf-8"))
    for name, node in nodes.items():
        entries = [*node["inputs"].values(), *node["outputs"].values()]
        texts = [node["display_name"], node["description"], *(entry["tooltip"] for entry in entries)]
        assert OLD_WORDS.findall(" ".join(texts)) == [], name


def test_the_page_on_architecture_shows_the_imports_that_are_allowed():
    house = ast.parse((ROOT / "tests" / "test_house.py").read_text(encoding="utf-8"))
    constants = {node.targets[0].id: node.value for node in house.body if isinstance(node, ast.Assign)}
    arrows, exceptions = (ast.literal_eval(constants[name]) for name in ("ARROWS", "EXCEPTIONS"))
    text = text_of(ROOT / "docs" / "architecture.md")
    rows = re.findall(r"(?m)^\| `(\w+)/` \| (.*) \|$", text)
    assert {room: set(re.findall(r"`(\w+)/`", targets)) for room, targets in rows} == arrows
    assert all(f"`{file}`" in text for file in exceptions)


def rows_of(heading: str) -> dict[str, tuple[str, str]]:
    """The cells behind the name in the table of a section of docs/formats.md, by the name."""
    section = text_of(ROOT / "docs" / "formats.md").split(f"## {heading}\n")[1].split("\n## ")[0]
    rows = re.findall(r"^\| `(\w+)` \| (.+) \| (.+) \|$", section, re.MULTILINE)
    return {name: (kept, dropped) for name, kept, dropped in rows}


def test_the_table_of_formats_lists_every_reader_with_what_it_keeps():
    from comfyui_fulldit.control.camera.formats import FORMATS
    from comfyui_fulldit.control.depth.readers import DEPTH_READERS
    from comfyui_fulldit.control.identity.mask_files import MASK_READERS

    cameras = rows_of("Camera files")
    assert list(cameras) == list(FORMATS)
    for name, entry in FORMATS.items():
        assert set(cameras[name][0].split(", ")) == set(entry.preserves), name
    assert list(rows_of("Masks")) == list(MASK_READERS)
    assert list(rows_of("Depth")) == list(DEPTH_READERS)
    assert all(
        dropped.strip() for heading in ("Camera files", "Masks", "Depth") for _, dropped in rows_of(heading).values()
    )
