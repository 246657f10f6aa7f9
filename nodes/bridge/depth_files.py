"""Where depth lies in the host's folders: sequences of the input folder, and Depth Anything models."""

from __future__ import annotations

import os
from pathlib import Path

import folder_paths

from ...control.depth.files import ENDINGS
from ...control.errors import UserError

DEEP = 3  # folders below the input folder that are searched
MODELS = "depthanything"  # the folder of models; other packs for Depth Anything use the same
NAMES = ("Small", "Base", "Large")


def depth_folders() -> list[str]:
    """Folders below the input folder that hold EXR or PNG files, and single EXR files, with forward slashes."""
    base = Path(folder_paths.get_input_directory())
    found = []
    for folder, inner, files in os.walk(base):
        place = Path(folder).relative_to(base)
        inner[:] = [] if len(place.parts) >= DEEP else sorted(name for name in inner if not name.startswith("."))
        files = [name for name in files if not name.startswith(".") and name.lower().endswith(ENDINGS)]
        if files and place.parts:
            found.append(place.as_posix() + "/")
        found += [(place / name).as_posix() for name in files if name.lower().endswith(".exr")]
    return sorted(found, key=lambda name: (not name.endswith("/"), name.count("/"), name.lower()))


def depth_input(name: str) -> Path:
    """A file or folder of the input folder by its name. Raises UserError for one that is not there or lies outside."""
    base = Path(folder_paths.get_input_directory()).resolve()
    if not name.strip().strip("/"):
        raise UserError("No depth files were chosen: copy a folder of EXR or PNG files into ComfyUI's input folder.")
    path = (base / name).resolve()
    if not path.is_relative_to(base) or path == base:
        raise UserError(f"'{name}' lies outside ComfyUI's input folder. Copy the files there and choose them.")
    if not path.exists():
        raise UserError(f"There is no '{name}' in ComfyUI's input folder ({base}). Copy it there and press R.")
    return path


def depth_changed(name: str) -> str:
    """Another text when the files changed."""
    path = depth_input(name)
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    return "|".join(f"{file.name}:{file.stat().st_mtime_ns}" for file in files if file.suffix.lower() in ENDINGS)


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
