"""Depth clips in files of any kind, chosen by what the file is.

`DEPTH_READERS` lists what is read, in the order in which it is tried, and what the numbers of each are taken for where
a user does not say so.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from ..clip_files import ARRAY, FOLDER, IMAGE, VIDEO, ClipFile, Reader, choose_reader
from .files import ENDINGS, open_depth
from .png import png_bits

DISTANCES = ("Z", "DEPTH", "SCENEDEPTH", "WORLDDEPTH")  # channels of an EXR image that renderers write as distances


@dataclass(frozen=True)
class DepthReader:
    """One kind of file.

    description: in words. kind: what its numbers are where the user says 'auto'; 'auto' again leaves that to the values
    (see `normalize_depth`). open: the clip in a file, whose numbers are of a kind.
    """

    description: str
    matches: Callable[[Path], bool]
    open: Callable[[Path, str], ClipFile]
    kind: str = "auto"


def open_depth_clip(path: str | os.PathLike[str], kind: str = "auto") -> ClipFile:
    """Open a clip of depth; its `kind` is what the numbers are. Raises UserError for a file that cannot be read."""
    file = Path(path).expanduser()
    reader = choose_reader(DEPTH_READERS, file)
    kind = reader.kind if kind == "auto" else kind
    return replace(reader.open(file, kind), kind=kind)


def _open_rendered(path: Path, kind: str) -> ClipFile:
    files = open_depth(path, "metres" if kind == "depth" else kind)
    warnings = files.warnings
    if kind == "disparity" and (files.channel or "").upper().split(".")[-1] in DISTANCES:
        said = (
            f"The EXR channel '{files.channel}' holds distances by its name, but was read as disparity (near is large)."
        )
        warnings += (f"{said} Say 'auto' or 'depth' if near comes out far.",)
    return ClipFile(files, still=not path.is_dir(), warnings=warnings)


def _first_rendered(path: Path) -> Path | None:
    """Return the file that stands for a sequence: itself, or the first EXR or PNG file of a folder."""
    if path.is_dir():
        return min((file for file in path.iterdir() if file.suffix.lower() in ENDINGS), default=None)
    return path if path.is_file() else None


def _is_exr(path: Path) -> bool:
    first = _first_rendered(path)
    return first is not None and first.suffix.lower() == ".exr"


def _is_fine_png(path: Path) -> bool:
    first = _first_rendered(path)
    return first is not None and first.suffix.lower() == ".png" and png_bits(first) == 16


def _with_any_kind(reader: Reader) -> DepthReader:
    """Return a reader of clips as one of depth, whatever its numbers are."""
    return DepthReader(reader.description, reader.matches, lambda path, kind: reader.open(path))


DEPTH_READERS: dict[str, DepthReader] = {
    "array": _with_any_kind(ARRAY),
    "exr": DepthReader(
        "EXR of a renderer, one file or a numbered sequence: meters along the camera's axis",
        _is_exr,
        _open_rendered,
        "depth",
    ),
    "png16": DepthReader(
        "PNG of 16 bits, one file or a numbered sequence: near is bright", _is_fine_png, _open_rendered, "disparity"
    ),
    "image": _with_any_kind(IMAGE),
    "folder": _with_any_kind(FOLDER),
    "video": _with_any_kind(VIDEO),
}
