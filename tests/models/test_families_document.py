"""`docs/models.md` is what the matrix says.

After a change that is meant: `FULLDIT_UPDATE=1 python -m pytest tests/models/test_families_document.py`.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from comfyui_fulldit.models.families.document import document
from comfyui_fulldit.models.families.family import FACETS
from comfyui_fulldit.models.families.matrix import FAMILIES, model_files
from comfyui_fulldit.models.families.memory import memory_class, model_file, needed_bytes, weight_bytes

PAGE = Path(__file__).resolve().parents[2] / "docs" / "models.md"


def test_the_page_is_what_the_matrix_says():
    if os.environ.get("FULLDIT_UPDATE"):
        PAGE.write_text(document(), encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == document()


def test_the_page_holds_every_family_every_file_and_every_answer():
    text = document()
    for family in FAMILIES.values():
        assert (f"\n## {family.name}\n" in text) == family.driven and family.sentence in text
        if family.driven:
            for facet in FACETS:
                assert family.support(facet).sentence in text
    for file in model_files().values():
        assert f"[{file.name}](https://huggingface.co/{file.repository})" in text


def test_the_first_screen_answers_what_on_which_gpu_with_which_file():
    """By wish and by memory, each driven model once for each thing that it takes, and then its first file."""
    text = document()
    first, files = text.index("| you want to control |"), text.index("## Which file?")
    assert len(text[:first].splitlines()) < 8 and "computed, not measured" in text[first:files]
    rows = {line.split(" | ")[0].strip("| "): line for line in text[first:files].splitlines() if line.startswith("| ")}
    assert "| you want to control | 8 GB | 16 GB | 24 GB |" in text
    moves = rows["how the camera moves"].split(" | ")
    assert "**[ReCamMaster 1.3B](#recammaster)**" in moves[1] and "OmniCamera 5B" in moves[2]
    assert "**[Wan Fun Camera 2.2 A14B](#wan-fun-camera)**" in moves[3]
    assert "**VACE 14B with Uni3C**" in rows["camera, identities and depth at once"].split(" | ")[3]
    for family in (one for one in FAMILIES.values() if one.driven and one.id != "fulldit"):
        for variant in family.variants:
            file = model_file(variant)
            assert file.bytes > 1e9 and needed_bytes(variant) / 2**30 <= memory_class(variant)
            assert f"[{file.name}]({file.url})" in text[files : text.index("## Which model takes which control")]


def test_memory_is_weights_and_a_pass():
    (small,) = FAMILIES["recammaster"].variants
    assert weight_bytes(small) == 2.98e9  # 16 bits
    assert needed_bytes(small) / 1e9 == pytest.approx(2.98 + 1.90, abs=0.02)
    large = FAMILIES["vace"].variants[1]
    assert weight_bytes(large) == 34.7e9 / 2  # loaded in 8 bits
    assert needed_bytes(large) / 1e9 == pytest.approx(17.35 + 6.33, abs=0.02)  # at 832x480
    assert weight_bytes(FAMILIES["bernini-r"].variants[1]) == 15.6e9  # of one expert
