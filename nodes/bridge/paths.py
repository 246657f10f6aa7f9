"""Where the host keeps files: our model folder, and the user's input folder."""

from __future__ import annotations

import os
from pathlib import Path

import folder_paths

from ...control.errors import UserError

EMBEDDED = "embedded"
FOLDER = "fulldit"
ENVIRONMENT = "FULLDIT_CHECKPOINTS"  # another folder to take the embedded files from, for weights under development


def register_folder() -> None:
    """Make `models/fulldit` known to the host, so that it is listed, and can be moved by extra_model_paths.yaml."""
    if FOLDER not in folder_paths.folder_names_and_paths:
        place = os.path.join(folder_paths.models_dir, FOLDER)
        folder_paths.folder_names_and_paths[FOLDER] = ([place], {".safetensors", ".sft"})


def checkpoint_names() -> list[str]:
    """`embedded`, then the files in `models/fulldit`."""
    register_folder()
    return [EMBEDDED, *folder_paths.get_filename_list(FOLDER)]


def vae_names() -> list[str]:
    """`embedded`, then the files in `models/vae`."""
    return [EMBEDDED, *folder_paths.get_filename_list("vae")]


def embedded_file(name: str) -> Path:
    """The shipped file `name` (without ending), or the one in the folder that FULLDIT_CHECKPOINTS names."""
    other = os.environ.get(ENVIRONMENT)
    if other:
        return Path(other) / f"{name}.safetensors"
    from ...models.weights.checkpoint import embedded_path

    return Path(embedded_path(name))


def model_file(folder: str, name: str, embedded: str) -> Path:
    """The file behind an entry of a list. Raises UserError where it is gone."""
    path = embedded_file(embedded) if name == EMBEDDED else folder_paths.get_full_path(folder, name)
    if path is None or not Path(path).is_file():
        raise UserError(
            f"The file '{name}' is not there ({path or folder}). Press R to refresh the list and choose another, "
            f"or put the file into ComfyUI's folder models/{folder}."
        )
    return Path(path)


DEEP = 3  # folders below the input folder that are searched for camera files
BESIDE = ("cameras", "points3d", "rigs", "frames")  # what COLMAP writes beside the images file, no path by itself


def camera_files(endings: tuple[str, ...]) -> list[str]:
    """Files of these endings in ComfyUI's input folder and its subfolders, with forward slashes; hidden ones left out.

    Of a COLMAP model only the images file is listed, which stands for all of it.
    """
    base = Path(folder_paths.get_input_directory())
    found = []
    for folder, inner, files in os.walk(base):
        place = Path(folder).relative_to(base)
        inner[:] = [] if len(place.parts) >= DEEP else sorted(name for name in inner if not name.startswith("."))
        colmap = any(name.lower() in ("images.txt", "images.bin") for name in files)
        for name in files:
            stem, ending = os.path.splitext(name.lower())
            model = colmap and ending in (".txt", ".bin")
            if name.startswith(".") or (ending not in endings and not model) or (model and stem in BESIDE):
                continue
            found.append((place / name).as_posix())
    return sorted(found, key=lambda name: (name.count("/"), name.lower()))


def changed_at(path: Path) -> int:
    """When a camera file changed last, or one of those beside it where it is part of a COLMAP model."""
    files = [path]
    if path.stem.lower() == "images":
        files += [p for p in path.parent.iterdir() if p.stem.lower() in BESIDE and p.is_file()]
    return max(file.stat().st_mtime_ns for file in files)


def input_file(name: str) -> Path:
    """A file of the input folder by its name. Raises UserError for one that is not there or lies outside of it."""
    folder = Path(folder_paths.get_input_directory()).resolve()
    path = (folder / name).resolve()
    if not path.is_relative_to(folder):
        raise UserError(f"'{name}' lies outside ComfyUI's input folder. Copy the file there and choose it.")
    if not path.is_file():
        raise UserError(f"There is no file '{name}' in ComfyUI's input folder ({folder}). Copy it there and press R.")
    return path


def output_file(prefix: str, ending: str) -> Path:
    """A path in the output folder that does not exist yet: `prefix` (folders allowed), a number, the ending.

    Raises UserError for a prefix that leads out of the output folder.
    """
    base = Path(folder_paths.get_output_directory()).resolve()
    if not (base / prefix).resolve().is_relative_to(base) or not Path(prefix).name:
        raise UserError(f"The prefix '{prefix}' leads out of ComfyUI's output folder: give a name inside of it.")
    folder, name, counter, _, _ = folder_paths.get_save_image_path(prefix, str(base))
    return Path(folder) / f"{name}_{counter:05}_{ending}"


def shown_output(path: Path) -> str:
    """A path of the output folder as the page shows it: relative, with forward slashes."""
    return path.resolve().relative_to(Path(folder_paths.get_output_directory()).resolve()).as_posix()
