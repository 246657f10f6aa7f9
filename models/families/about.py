"""What a model takes and which files belong to it, in lines: for a node's text and for `fulldit models FILE`."""

from __future__ import annotations

from collections.abc import Sequence

from ...control.files import size_text
from .family import FACETS, Family, ModelFile
from .matrix import FACET_NAMES, ROLE_NAMES, belonging_files, in_words, other_models

CELLS = {"native": "yes", "part": "in part", "rendered": "by rendering", "refused": "no", "ignored": "no"}


def about_family(family: Family, dim: int, file_name: str = "") -> list[str]:
    """Return one line for each thing that a user can say, and one for each file that a model of this width needs.

    file_name: the model's own, by which the other expert of two is found.
    """
    lines = [] if family.driven else [family.sentence]
    for facet in FACETS:
        support = family.support(facet)
        lines.append(f"{facet}: {CELLS[support.how]}. {support.sentence}")
    missing = [facet for facet in FACETS if not family.support(facet).taken]
    lines += [f"For {FACET_NAMES[facet]}: {other_models(facet)}." for facet in missing]
    files = belonging_files(family, dim, file_name)
    if files:
        lines.append(f"It needs {_needed(files)}.")
    return lines


def _needed(files: Sequence[ModelFile]) -> str:
    """Each role with the files that can fill it: one of them is enough."""
    roles: dict[str, list[str]] = {}
    for file in files:
        size = size_text(file.bytes) if file.bytes else "size: the hub says it"
        roles.setdefault(file.role, []).append(f"{file.folder}/{file.name} ({size}, {file.license})")
    return in_words([f"the {ROLE_NAMES[role]} {in_words(same, 'or')}" for role, same in roles.items()])
