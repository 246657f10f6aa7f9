"""The user's folders of the host: camera files and depth sequences of the input folder, new files of the output folder.

Lists hold paths relative to the input folder, with forward slashes. Every name that comes back from the page is checked
to lie inside of the folder.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from pathlib import Path

import folder_paths

from ..control.bundle import is_bundle
from ..control.bundle.manifest import MANIFEST
from ..control.depth.image_formats import ENDINGS as DEPTH_EXTENSIONS
from ..control.errors import UserError, shorten
from ..control.files import MOST_NAME_BYTES, is_path
from ..control.frame_order import natural_sort_key

DEPTH_ONLY = tuple(extension for extension in DEPTH_EXTENSIONS if extension != ".png")
MOST_NAME = 1000  # characters of a name with its folders
NUMBERED = "_00001_.json"  # what a file has behind its prefix
MAX_DEPTH = 3  # levels of folders below the input folder that are searched
IN_OUTPUT = " [output]"  # how the host marks names of the output folder
CLIPS = "manifest.jsonl"  # names what belongs to the clips of a folder
VIDEOS = (".mp4", ".mov", ".mkv", ".webm", ".avi", ".m4v")
COLMAP_IMAGES = ("images.txt", "images.bin")
COLMAP_OTHERS = ("cameras", "points3d", "rigs", "frames")  # COLMAP writes these beside the images file


def camera_files(extensions: Collection[str]) -> list[str]:
    """Return the files with these extensions in the input folder and its subfolders.

    Of a COLMAP model only the images file is listed, which stands for all of it.
    """
    result = []
    for folder, names in _walk_input_folder():
        has_colmap_model = any(name.lower() in COLMAP_IMAGES for name in names)
        for name in names:
            stem, extension = os.path.splitext(name.lower())
            in_colmap_model = has_colmap_model and extension in (".txt", ".bin")
            if stem not in COLMAP_OTHERS if in_colmap_model else extension in extensions:
                result.append((folder / name).as_posix())
    return sorted(result, key=lambda name: (name.count("/"), natural_sort_key(name.lower())))


def camera_file_modified(path: Path) -> int:
    """Return when a camera file was last modified, in nanoseconds; of a COLMAP model, the newest of its files."""
    files = [path]
    if path.stem.lower() == "images":
        files += [p for p in path.parent.iterdir() if p.stem.lower() in COLMAP_OTHERS and p.is_file()]
    return max(file.stat().st_mtime_ns for file in files)


def depth_sequences() -> list[str]:
    """Return the folders below the input folder that hold depth images (ending with /), then single files of depth.

    A single PNG is not listed: most of them in the input folder are pictures.
    """
    result = []
    for folder, names in _walk_input_folder():
        names = [name for name in names if name.lower().endswith(DEPTH_EXTENSIONS)]
        if names and folder.parts:
            result.append(folder.as_posix() + "/")
        result += [(folder / name).as_posix() for name in names if name.lower().endswith(DEPTH_ONLY)]
    return sorted(result, key=lambda name: (not name.endswith("/"), name.count("/"), natural_sort_key(name.lower())))


def depth_sequence_fingerprint(name: str) -> str:
    """Return a text that changes when the files of a depth sequence change."""
    path = depth_sequence(name)
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    return "|".join(
        f"{file.name}:{file.stat().st_mtime_ns}" for file in files if file.suffix.lower() in DEPTH_EXTENSIONS
    )


def input_file(name: str) -> Path:
    """Return a file of the input folder. Raises UserError if it does not exist or lies outside of the folder."""
    path = _inside_input_folder(name)
    if not path.is_file():
        raise UserError(
            f"There is no file '{name}' in ComfyUI's input folder ({_input_folder()}). Copy it there and press R."
        )
    return path


def depth_sequence(name: str) -> Path:
    """Return a file or folder of the input folder. Raises UserError if it does not exist or lies outside of it."""
    if not name.strip().strip("/"):
        raise UserError("No depth files were chosen: copy a folder of EXR or PNG files into ComfyUI's input folder.")
    path = _inside_input_folder(name)
    if not path.exists():
        raise UserError(
            f"There is no '{name}' in ComfyUI's input folder ({_input_folder()}). Copy it there and press R."
        )
    return path


def bundles() -> list[str]:
    """Return the folders of exported conditions: those of the output folder, marked as the host marks them, then those
    of the input folder."""
    found = [f"{name}{IN_OUTPUT}" for name in _bundles_in(Path(folder_paths.get_output_directory()))]
    return [*found, *_bundles_in(_input_folder())]


def bundle(name: str) -> Path:
    """Return the folder behind an entry of `bundles`. Raises UserError if it is gone, or lies outside of them."""
    _check_name(name)
    base, where = _input_folder(), "input"
    if name.endswith(IN_OUTPUT):
        base, where, name = Path(folder_paths.get_output_directory()), "output", name.removesuffix(IN_OUTPUT)
    base = base.resolve()
    path = (base / name).resolve()
    if not name.strip() or not path.is_relative_to(base):
        raise UserError(f"'{name}' is not a folder of ComfyUI's {where} folder: export conditions, then press R.")
    if not is_bundle(path):
        raise UserError(f"There is no folder '{name}' with a manifest.json in ComfyUI's {where} folder: press R.")
    return path


def bundle_modified(path: Path) -> int:
    """Return when the newest file of a bundle was modified, in nanoseconds."""
    return max(file.stat().st_mtime_ns for file in path.rglob("*") if file.is_file())


def clip_folders() -> list[str]:
    """Return the folders of the input folder that hold videos or a manifest."""
    found = [
        folder.as_posix()
        for folder, names in _walk_input_folder()
        if folder.parts and any(name == CLIPS or name.lower().endswith(VIDEOS) for name in names)
    ]
    return sorted(found, key=natural_sort_key)


def clip_folder(name: str) -> Path:
    """Return the folder behind an entry of `clip_folders`. Raises UserError if it is gone, or lies outside."""
    path = _inside_input_folder(name)
    if not path.is_dir():
        raise UserError(
            f"There is no folder '{name}' in ComfyUI's input folder ({_input_folder()}). Put videos there and press R."
        )
    return path


def clip_folder_fingerprint(name: str) -> str:
    """Return a text that changes when a file of a folder of clips does."""
    files = sorted(path for path in clip_folder(name).rglob("*") if path.is_file())
    return "|".join(f"{path}:{path.stat().st_size}:{path.stat().st_mtime_ns}" for path in files)


def training_folder(name: str) -> Path:
    """Return the folder of a training with this name, in the output folder."""
    return Path(folder_paths.get_output_directory()) / "fulldit" / "training" / name


def check_output_prefix(prefix: str) -> None:
    """Raise UserError for a prefix that leads out of the output folder, and for what no file can be called."""
    _check_name(prefix)
    _check_name(f"{prefix}{NUMBERED}")
    base = Path(folder_paths.get_output_directory()).resolve()
    if not (base / prefix).resolve().is_relative_to(base) or not Path(prefix).name:
        raise UserError(f"The prefix '{prefix}' leads out of ComfyUI's output folder: use a name inside of it.")


def new_output_file(prefix: str, extension: str) -> Path:
    """Return a path in the output folder that does not exist yet: `prefix` (folders allowed), a number, the extension.

    Raises UserError for a prefix that leads out of the output folder, and where its folders cannot be made.
    """
    check_output_prefix(prefix)
    base = Path(folder_paths.get_output_directory()).resolve()
    try:
        folder, name, counter, _, _ = folder_paths.get_save_image_path(prefix, str(base))
    except OSError as error:  # one of its folders is a file, or may not be written to
        raise UserError(
            f"The folder of '{prefix}' cannot be made in ComfyUI's output folder ({error.strerror}): choose another."
        ) from error
    return Path(folder) / f"{name}_{counter:05}_{extension}"


def new_output_folder(prefix: str) -> Path:
    """Return a folder in the output folder that does not exist yet. Raises UserError as `new_output_file` does."""
    file = new_output_file(prefix, "")
    return file.with_name(file.name.rstrip("_"))


def relative_to_output(path: Path) -> str:
    """Return a path of the output folder as the page shows it: relative, with forward slashes."""
    return path.resolve().relative_to(Path(folder_paths.get_output_directory()).resolve()).as_posix()


def _bundles_in(base: Path) -> list[str]:
    found = [folder.as_posix() for folder, names in _walk(base) if MANIFEST in names and is_bundle(base / folder)]
    return sorted((name for name in found if name != "."), key=natural_sort_key)


def _input_folder() -> Path:
    return Path(folder_paths.get_input_directory())


def _walk_input_folder() -> Iterator[tuple[Path, list[str]]]:
    """Yield every searched folder, relative to the input folder, with its files. Hidden names are left out."""
    return _walk(_input_folder())


def _walk(base: Path) -> Iterator[tuple[Path, list[str]]]:
    for root, subfolders, files in os.walk(base):
        folder = Path(root).relative_to(base)
        subfolders[:] = [] if len(folder.parts) >= MAX_DEPTH else sorted(n for n in subfolders if not n.startswith("."))
        yield folder, [name for name in files if not name.startswith(".")]


def _check_name(name: object) -> None:
    """Raise UserError for what no file can be called."""
    if not isinstance(name, str) or len(name) > MOST_NAME or not is_path(name):
        raise UserError(
            f"{shorten(name)} is not a file name: a text of at most {MOST_NAME} characters was expected, with at most"
            f" {MOST_NAME_BYTES} bytes between two slashes."
        )


def _inside_input_folder(name: str) -> Path:
    """Return the path behind a name. Raises UserError unless it lies inside of the input folder, links resolved."""
    _check_name(name)
    base = _input_folder().resolve()
    path = (base / name).resolve()
    if not path.is_relative_to(base) or path == base:
        raise UserError(f"'{name}' lies outside ComfyUI's input folder. Copy the file there and choose it.")
    return path
