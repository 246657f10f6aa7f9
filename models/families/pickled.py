"""Checkpoints that are published as pickles: never loaded, and told by their names alone."""

from __future__ import annotations

from pathlib import Path

from ...control.errors import UserError
from ..weights.tensor_file import PathLike, PickledFile
from .matrix import FAMILIES
from .model_files import PICKLE_TO_SAFETENSORS

# What the names of pickles hold, lowercase and without separators, and the families.
_NAMES = {
    "standin": "stand-in",
    "jointparams": "omnicamera",
    "omnicamera": "omnicamera",
    "recammaster": "recammaster",
    "memoryv2v": "recammaster",
    "camclonemaster": "camclonemaster",
}


def explain_pickle(path: PathLike, error: PickledFile) -> UserError:
    """Return the error for a pickle, with what it is by its name, and what to do instead."""
    name = "".join(letter for letter in Path(path).name.lower() if letter.isalnum())
    found = next((FAMILIES[family] for part, family in _NAMES.items() if part in name), None)
    if found is None:
        return UserError(f"{error} Convert it once, outside of ComfyUI: {PICKLE_TO_SAFETENSORS}")
    if not found.driven:
        return UserError(
            f"{error} By its name it is {found.name}, which is not driven here either way: {found.sentence}"
        )
    return UserError(
        f"{error} By its name it is {found.name}. Convert it once, outside of ComfyUI: {PICKLE_TO_SAFETENSORS}"
    )
