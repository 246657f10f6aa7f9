"""Checkpoint, VAE, LoRA and video model files: the shipped ones, and those in the host's model folders."""

from __future__ import annotations

import os
import re
from pathlib import Path

import folder_paths

from ...control.errors import UserError, shorten
from ...control.files import size_text
from ...models.families.matrix import model_files

EMBEDDED = "embedded"
# The checkpoints that come with the pack, by their names in the list of Load FullDiT.
EMBEDDED_CHECKPOINTS = {EMBEDDED: "fulldit_mini", "embedded, few steps": "fulldit_mini_few_steps"}
NONE = "none"
FOLDER = "fulldit"
VIDEO_MODELS = "diffusion_models"
# The page shows an empty list as 'undefined'.
NO_VIDEO_MODEL, NO_LORA = "none in models/diffusion_models", "none in models/loras"
FIRST_MODEL = "wan2.1_bernini_1.3B_fp16.safetensors"  # the one to begin with
_PLAIN = re.compile(r"[^\W_][\w .-]{0,99}")
ENVIRONMENT = "FULLDIT_CHECKPOINTS"  # another folder to take the embedded files from, for weights under development


def register_folder() -> None:
    """Register `models/fulldit` with the host, so that it is listed and extra_model_paths.yaml can move it."""
    if FOLDER not in folder_paths.folder_names_and_paths:
        folder = os.path.join(folder_paths.models_dir, FOLDER)
        folder_paths.folder_names_and_paths[FOLDER] = ([folder], {".safetensors", ".sft"})


def checkpoint_names() -> list[str]:
    """Return the embedded checkpoints, then the files in `models/fulldit`."""
    register_folder()
    return [*EMBEDDED_CHECKPOINTS, *folder_paths.get_filename_list(FOLDER)]


def vae_names() -> list[str]:
    """Return `embedded`, then the files in `models/vae`."""
    return [EMBEDDED, *folder_paths.get_filename_list("vae")]


def lora_names() -> list[str]:
    """Return the files in `models/loras`; where there is none, one entry that says so."""
    return folder_paths.get_filename_list("loras") or [NO_LORA]


def video_model_names() -> list[str]:
    """Return the files in `models/diffusion_models`; where there is none, one entry that says so."""
    return folder_paths.get_filename_list(VIDEO_MODELS) or [NO_VIDEO_MODEL]


def video_model_file(name: str) -> Path:
    """Return the file behind an entry of `video_model_names`.

    Raises UserError, with where to get it, if it is not there.
    """
    path = folder_paths.get_full_path(VIDEO_MODELS, name)
    if path is not None and Path(path).is_file():
        return Path(path)
    if name == NO_VIDEO_MODEL:
        raise UserError(
            f"ComfyUI's folder models/{VIDEO_MODELS} has no model yet. Download one that docs/models.md of this pack "
            f"lists, for example {_download(FIRST_MODEL)}, put it there, press R on the page and choose it here."
        )
    where = f" It can be downloaded: {_download(name)}." if name in model_files() else ""
    raise UserError(
        f"There is no file '{name}' in ComfyUI's folder models/{VIDEO_MODELS}.{where} Put it there and press R on the "
        f"page, or choose another one; docs/models.md of this pack lists the models."
    )


def _download(name: str) -> str:
    """A file of the matrix with its address and size."""
    file = model_files()[name]
    size = f"{size_text(file.bytes)}, " if file.bytes else ""
    return f"{file.name} ({size}{file.license}) from {file.url}"


def embedded_file(name: str) -> Path:
    """Return the shipped file `name` (without extension), or the one in the folder that FULLDIT_CHECKPOINTS names."""
    folder = os.environ.get(ENVIRONMENT)
    if folder:
        return Path(folder) / f"{name}.safetensors"
    from ...models.weights.checkpoint import embedded_path

    return Path(embedded_path(name))


def checkpoint_file(name: str) -> Path:
    """Return the file behind an entry of `checkpoint_names`. Raises UserError if it is gone."""
    own = EMBEDDED_CHECKPOINTS.get(name)
    return _existing(embedded_file(own) if own else folder_paths.get_full_path(FOLDER, name), FOLDER, name)


def new_checkpoint_file(name: str) -> Path:
    """Return where a checkpoint or condition file of this name is written in `models/fulldit`, with its ending.

    Raises UserError for what is not the name of a file, which may have no folders.
    """
    plain = name.strip().removesuffix(".safetensors") if isinstance(name, str) else ""
    if not _PLAIN.fullmatch(plain):
        raise UserError(
            f"{shorten(name)} is not a name for the file: letters, digits, '_', '-', '.' and blanks were expected, of "
            f"which the first is a letter or digit."
        )
    register_folder()
    return Path(folder_paths.get_folder_paths(FOLDER)[0]) / f"{plain}.safetensors"


def vae_file(name: str) -> Path:
    """Return the file behind an entry of `vae_names`. Raises UserError if it is gone."""
    shipped = name == EMBEDDED
    return _existing(
        embedded_file("fulldit_mini_vae") if shipped else folder_paths.get_full_path("vae", name), "vae", name
    )


def lora_file(name: str) -> Path:
    """Return the file behind an entry of `lora_names`. Raises UserError if it is not there."""
    if name == NO_LORA:
        raise UserError(
            "ComfyUI's folder models/loras has no LoRA yet. Put one there, press R on the page and choose it here."
        )
    return _existing(folder_paths.get_full_path("loras", name), "loras", name)


def _existing(path: str | Path | None, folder: str, name: str) -> Path:
    """Return the path of the file `name` of a list of `folder`. Raises UserError if it is not there."""
    if path is None or not Path(path).is_file():
        raise UserError(
            f"The file '{name}' is not there ({path or folder}). Press R to refresh the list and choose another, "
            f"or put the file into ComfyUI's folder models/{folder}."
        )
    return Path(path)
