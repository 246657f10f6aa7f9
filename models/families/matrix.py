"""The matrix: every family that is known, by id, and which of them take what.

One table for the nodes, the errors, `docs/models.md` and `fulldit models`.
"""

from __future__ import annotations

import re

from .driven import DRIVEN
from .driven_camera import DRIVEN_CAMERA
from .family import FACETS, Family, ModelFile
from .undriven import UNDRIVEN

FAMILIES: dict[str, Family] = {family.id: family for family in (*DRIVEN, *DRIVEN_CAMERA, *UNDRIVEN)}

# Facets in the words of a sentence.
FACET_NAMES = {
    "camera": "a camera path",
    "identity": "reference images",
    "mask": "masks of who is where",
    "depth": "a depth clip",
    "source": "a source video",
    "known": "known frames",
    "control": "control videos (edges, poses and the like)",
}
# Roles of files in the words of a sentence.
ROLE_NAMES = {
    "model": "model",
    "second expert": "second expert",
    "lora": "LoRA",
    "text encoder": "text encoder",
    "vae": "VAE",
    "clip vision": "CLIP vision model",
    "control net": "control net",
}
_OTHER_EXPERT = {"high": "low", "low": "high"}
_BY_HOW = ("native", "part", "rendered")


def families_that_take(facet: str) -> list[Family]:
    """Return the driven families that take a facet, those first that take it as the user means it.

    Raises LookupError for a facet that does not exist.
    """
    if facet not in FACETS:
        raise LookupError(f"'{facet}' is not one of {', '.join(FACETS)}")
    taking = [family for family in FAMILIES.values() if family.driven and family.support(facet).taken]
    return sorted(taking, key=lambda family: _BY_HOW.index(family.support(facet).how))


def other_models(facet: str) -> str:
    """Return a part of a sentence that names the models that take a facet: 'FullDiT and VACE; Bernini-R in part; Wan
    Fun Control by rendering'.

    Raises LookupError for a facet that does not exist.
    """
    names: dict[str, list[str]] = {how: [] for how in _BY_HOW}
    for family in families_that_take(facet):
        names[family.support(facet).how].append(family.name)
    endings = {"native": "", "part": " in part", "rendered": " by rendering"}
    return "; ".join(f"{in_words(names[how])}{endings[how]}" for how in _BY_HOW if names[how])


def in_words(names: list[str], last: str = "and") -> str:
    """Return names as a list in words: 'a, b and c'."""
    return f" {last} ".join(filter(None, (", ".join(names[:-1]), *names[-1:])))


def belonging_files(family: Family, dim: int, file_name: str = "") -> list[ModelFile]:
    """Return the files that a model of this family and width needs beside itself: encoder, VAE, LoRA, other expert.

    file_name: the model's own. Where the table has it, its variant is taken, and the other expert of the same form.
    """
    if not family.variants:
        return []
    named = [variant for variant in family.variants if any(file.name == file_name for file in variant.files)]
    if not named:
        return [file for file in family.variant(dim).files if file.role != "model"]
    other = re.sub("(high|low)_noise", lambda found: f"{_OTHER_EXPERT[found[1]]}_noise", file_name)
    return [
        file
        for file in named[0].files
        if file.role not in ("model", "second expert") or file.name == other != file_name
    ]


def model_files() -> dict[str, ModelFile]:
    """Return every file of the families by its name."""
    found = [file for family in FAMILIES.values() for variant in family.variants for file in variant.files]
    found += [file for family in FAMILIES.values() for file in family.files]
    return {file.name: file for file in found}
