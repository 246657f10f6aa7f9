"""`docs/models.md` is what the matrix says.

After a change that is meant: `FULLDIT_UPDATE=1 python -m pytest tests/models/test_families_document.py`.
"""

from __future__ import annotations

import os
from pathlib import Path

from comfyui_fulldit.models.families.document import document
from comfyui_fulldit.models.families.family import FACETS
from comfyui_fulldit.models.families.matrix import FAMILIES, model_files

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
