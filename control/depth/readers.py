"""Depth clips in files of any kind, chosen by what the file is.

`DEPTH_READERS` lists what is read, in the order in which it is tried, and what the numbers of each are taken for where
a user does not say so.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from ..clip_files import ARRAY, FOLDER, IMAGE, VIDEO, ClipFile, Reader, choose_reader, open_color_clip
from ..errors import UserError
from ..files import is_folder
from ..frame_order import find_frames
from .colormaps import DecodedFrames, few_frames, recognize
from .conventions import find_convention
from .files import DepthFiles, open_depth
from .image_formats import ENDINGS
from .netpbm import netpbm_bits, netpbm_largest, read_netpbm
from .png import png_bits, read_png
from .whole_numbers import WholeNumbers, judge_numbers

READ_AS = {"depth": "metres", "auto": "disparity"}  # the convention in which a kind of numbers is read
FINE_BITS = 16
DISTANCES = ("Z", "DEPTH", "SCENEDEPTH", "WORLDDEPTH")  # channels of an EXR image that renderers write as distances


@dataclass(frozen=True)
class DepthReader:
    """One kind of file.

    description: in words. open: the clip in a file, whose numbers are of a kind. kind: what they are where the user
    says 'auto'; 'auto' again leaves that to `open`, which may tell by the file, or to the values (see
    `normalize_depth`).
    """

    description: str
    matches: Callable[[Path], bool]
    open: Callable[[Path, str], ClipFile]
    kind: str = "auto"


def open_depth_clip(
    path: str | os.PathLike[str], kind: str = "auto", convention: str = "auto", channel: str | None = None
) -> ClipFile:
    """Open a clip of depth; its `kind` is what the numbers are.

    convention: of images that `open_depth` reads ('auto': by the file). channel: of EXR images (None: the one that
    looks like depth). Raises UserError for a file that cannot be read or has no such convention or channel.
    """
    file = Path(os.path.expanduser(path))
    if convention != "auto" or channel:
        return _open_stated(file, kind, convention, channel)
    reader = choose_reader(DEPTH_READERS, file)
    kind = reader.kind if kind == "auto" else kind
    clip = reader.open(file, kind)
    return clip if kind == "auto" else replace(clip, kind=kind)


def _open_stated(file: Path, kind: str, convention: str, channel: str | None) -> ClipFile:
    first = _first_rendered(file)
    if first is None or first.suffix.lower() not in ENDINGS:
        raise UserError(
            f"a depth convention or channel is stated for '{file.name}', but only images in {', '.join(ENDINGS)} have"
            " one: leave it away"
        )
    stated = kind if convention == "auto" else find_convention(convention).kind
    if kind not in ("auto", stated):
        raise UserError(
            f"the depth is said to be '{kind}', but the numbers of the convention '{convention}' are of the kind"
            f" '{stated}': leave one of them at 'auto'"
        )
    if convention == "auto":
        stated = choose_reader(DEPTH_READERS, file).kind if kind == "auto" else kind
        convention = READ_AS.get(stated, stated)
    return replace(_of_files(file, open_depth(file, convention, channel), stated), kind=stated)


def _open_rendered(path: Path, kind: str) -> ClipFile:
    files = open_depth(path, READ_AS.get(kind, kind))
    if kind in ("disparity", "inverted") and _is_distance(files.channel):
        raise UserError(
            f"the EXR channel '{files.channel}' of '{path.name}' holds distances by its name, but is said to be"
            f" '{kind}': say 'auto' or 'depth', or state the channel too where it really is"
        )
    return _of_files(path, files, kind)


def _open_whole(path: Path, kind: str) -> ClipFile:
    """Open PNG or netpbm images; of 16 bits, the range of their numbers says whether they are distances."""
    if kind != "auto":
        return _open_rendered(path, kind)
    files = open_depth(path, READ_AS[kind])
    ending, numbers = files.paths[0].suffix.lower(), WholeNumbers(False)
    if ending == ".png":
        numbers, kind = judge_numbers(files.paths, read_png), "disparity"
    elif netpbm_bits(files.paths[0]) == FINE_BITS:
        largest = netpbm_largest(files.paths[0])
        numbers = judge_numbers(files.paths, lambda file: read_netpbm(file, as_shares=False), largest)
    if numbers.are_distances:
        files, kind = open_depth(path, "millimetres"), "depth"
    clip = _of_files(path, files, kind)
    said = (numbers.sentence,) if numbers.sentence else ()
    return replace(clip, kind=kind, warnings=(*clip.warnings, *said))


def _is_distance(channel: str | None) -> bool:
    return (channel or "").upper().split(".")[-1] in DISTANCES


def _of_files(path: Path, files: DepthFiles, kind: str) -> ClipFile:
    warnings = files.warnings
    if kind == "disparity" and _is_distance(files.channel):
        said = (
            f"The EXR channel '{files.channel}' holds distances by its name, but was read as disparity (near is large)."
        )
        warnings += (f"{said} Say 'auto' or 'depth' if near comes out far.",)
    return ClipFile(files, still=not path.is_dir(), warnings=warnings)


def _first_rendered(path: Path) -> Path | None:
    """Return the file that stands for a sequence: itself, or the first EXR or PNG file of a folder."""
    if is_folder(path):
        return min(find_frames(path, ENDINGS), default=None)
    return path if os.path.isfile(path) else None


def _is_exr(path: Path) -> bool:
    first = _first_rendered(path)
    return first is not None and first.suffix.lower() == ".exr"


def _is_fine_png(path: Path) -> bool:
    first = _first_rendered(path)
    return first is not None and first.suffix.lower() == ".png" and png_bits(first) == FINE_BITS


def _is_netpbm(path: Path) -> bool:
    first = _first_rendered(path)
    return first is not None and first.suffix.lower() in (".pgm", ".pfm")


def _with_any_kind(reader: Reader) -> DepthReader:
    """Return a reader of clips as one of depth, whatever its numbers are."""
    return DepthReader(reader.description, reader.matches, lambda path, kind: reader.open(path))


def _in_any_color(reader: Reader) -> DepthReader:
    """Return a reader of images as one of depth, which may be in the colors of a colormap."""

    def open_images(path: Path, kind: str) -> ClipFile:
        shown = open_color_clip(path)
        colormap, warnings = recognize(few_frames(shown.frames), kind, f"'{path.name}'")
        clip = reader.open(path) if colormap is None else replace(shown, frames=DecodedFrames(shown.frames, colormap))
        return replace(clip, warnings=(*clip.warnings, *warnings))

    return DepthReader(reader.description, reader.matches, open_images)


DEPTH_READERS: dict[str, DepthReader] = {
    "array": _with_any_kind(ARRAY),
    "exr": DepthReader(
        "EXR of a renderer, one file or a numbered sequence: meters along the camera's axis",
        _is_exr,
        _open_rendered,
        "depth",
    ),
    "png16": DepthReader(
        "PNG of 16 bits, one file or a numbered sequence: near is bright, unless its numbers are a depth camera's",
        _is_fine_png,
        _open_whole,
    ),
    "netpbm": DepthReader(
        "PGM or PFM, one file or a numbered sequence: a PGM's near is bright, unless its numbers are a depth camera's",
        _is_netpbm,
        _open_whole,
    ),
    "image": _in_any_color(IMAGE),
    "folder": _in_any_color(FOLDER),
    "video": _in_any_color(VIDEO),
}
