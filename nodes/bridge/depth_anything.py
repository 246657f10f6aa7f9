"""Depth Anything V2 in the host: its models in the host's model folders."""

from __future__ import annotations

import os
from pathlib import Path

import folder_paths

MODELS = "depthanything"  # the folder of models; other packs for Depth Anything use the same
NAMES = ("Small", "Base", "Large")


def model_folders() -> list[Path]:
    """The host's folders for Depth Anything models, the first for downloads."""
    if MODELS not in folder_paths.folder_names_and_paths:
        place = os.path.join(folder_paths.models_dir, MODELS)
        folder_paths.folder_names_and_paths[MODELS] = ([place], {".safetensors"})
    return [Path(place) for place in folder_paths.folder_names_and_paths[MODELS][0]]


def model_names() -> list[str]:
    """Small, Base and Large, whether they are there or not, and what else lies in those folders: models of transformers
    and single files of the authors'."""
    from ...models.estimators.depth_anything import is_model
    from ...models.estimators.depth_anything_download import MODELS as published
    from ...models.estimators.depth_anything_keys import is_original

    known = {model.folder for model in published.values()}
    others = {
        entry.name
        for place in model_folders()
        if place.is_dir()
        for entry in place.iterdir()
        if (is_model(entry) and entry.name not in known) or is_original(entry)
    }
    return [*NAMES, *sorted(others)]


def model_place(name: str) -> Path | None:
    """Where the model of this name lies: a folder, or a single file of the authors'; None where it is not there."""
    from ...models.estimators.depth_anything import is_model
    from ...models.estimators.depth_anything_keys import is_original

    for place in model_folders():
        if Path(name).name == name and (is_model(place / name) or is_original(place / name)):
            return place / name
    return None
