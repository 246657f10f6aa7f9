"""Camera files of this and other programs, recognized by their content; all become `CameraTrajectory`.

One file per format: fulldit_json.py (this pack's JSON), nerf.py (transforms.json, nerfstudio's camera path),
recammaster.py (ReCamMaster's JSON), videox.py (VideoX-Fun's JSON), matrices.py (matrices as JSON and .npy), gltf.py
(gltf_buffers.py reads its numbers, gltf_write.py writes it), usd_fbx.py (`workers/` holds the scripts that read USD and
FBX), colmap.py (colmap_binary.py: its binary files), realestate.py (RealEstate10K), tum.py (TUM and KITTI),
text_table.py (tables with a header, EuRoC), nuke.py (.chan), numpy_poses.py (LLFF, ViPE), metashape.py (Metashape's
XML). What they share: format.py (what a format is, defaults), source.py (the file being read), values.py (checked
numbers), axes.py (OpenCV and OpenGL), timing.py (animations and stamps),
frame_names.py (numbers in image names), lens.py (sizes in pixels, lenses that a path cannot have), choice.py (one of
several cameras), mirror.py (left-handed cameras). `FORMATS` lists the formats: whether each is read and written, and
what it preserves.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from ...errors import UserError
from ...files import JsonObject, existing, is_folder
from ..trajectory import CameraTrajectory
from .colmap import COLMAP, COLMAP_BINARY
from .format import DEFAULT_ASPECT, DEFAULT_FRAMES, UNKNOWN_UNIT, Format, ReadOptions
from .fulldit_json import FORMAT, FULLDIT
from .gltf import GLTF, GLTF_JSON
from .matrices import MATRICES, NPY
from .metashape import METASHAPE
from .mirror import MIRRORS
from .nerf import CAMERA_PATH, TRANSFORMS
from .nuke import CHAN
from .numpy_poses import LLFF, VIPE
from .realestate import REALESTATE
from .recammaster import RECAMMASTER
from .source import Source
from .text_table import TABLE
from .tum import KITTI, TUM
from .usd_fbx import FBX, USD
from .videox import VIDEOX

__all__ = [
    "FORMATS",
    "MIRRORS",
    "UNKNOWN_UNIT",
    "Format",
    "file_extensions",
    "read_camera",
    "write_camera",
]

# In the order in which they are tried. An extension alone chooses the first format whose usual extension it is.
FORMATS: dict[str, Format] = {
    "fulldit": FULLDIT,
    "transforms": TRANSFORMS,
    "nerfstudio_path": CAMERA_PATH,
    "recammaster": RECAMMASTER,
    "videox_fun": VIDEOX,
    "matrices": MATRICES,
    "llff": LLFF,
    "vipe": VIPE,
    "npy": NPY,
    "glb": GLTF,
    "gltf": GLTF_JSON,
    "usd": USD,
    "fbx": FBX,
    "colmap": COLMAP,
    "colmap_binary": COLMAP_BINARY,
    "metashape": METASHAPE,
    "realestate10k": REALESTATE,
    "table": TABLE,
    "chan": CHAN,
    "tum": TUM,
    "kitti": KITTI,
}

# Farther away, differences between poses are lost in rounding.
MAX_DISTANCE = 1e9


def file_extensions(write: bool = False) -> tuple[str, ...]:
    """Return the extensions of all files that can be read (or written), each once: for file lists."""
    formats = (entry for entry in FORMATS.values() if (entry.writable if write else entry.readable))
    return tuple(dict.fromkeys(extension for entry in formats for extension in entry.extensions if extension))


def read_camera(
    path: str | os.PathLike[str],
    frames: int | None = None,
    default_frames: int = DEFAULT_FRAMES,
    aspect: float = DEFAULT_ASPECT,
    camera: str = "",
    mirror: str = "none",
) -> CameraTrajectory:
    """Return the trajectory in a file (COLMAP: also a folder). frames: spread the path over so many; None = as it is.

    A file of keyframes has no length and no image aspect: it gets `default_frames` and `aspect` (width / height).
    camera: name or number of one of several cameras (or models of COLMAP); empty = the first. mirror: the axis of the
    cameras that points the other way than x right, y down, z forward, one of MIRRORS.
    Raises UserError for a missing, truncated or foreign file: its name, the line where there is one, what was expected.
    """
    path = Path(os.path.expanduser(path))
    source = Source(path if is_folder(path) else existing(path, "camera file"))
    try:
        trajectory = _read(source, ReadOptions(default_frames, aspect, camera, mirror))
        distance = float(abs(trajectory.c2w[:, :, 3]).max())
        if distance > MAX_DISTANCE:
            raise UserError(f"a position of {distance:.3g} is not a camera's: the file is damaged or of another kind")
    except UserError as error:
        raise UserError(f"the camera file '{path}' cannot be read: {error.clause}") from error
    return trajectory if frames is None else trajectory.resample(frames)


def _read(source: Source, options: ReadOptions) -> CameraTrajectory:
    """Return the trajectory by the first format that matches. Raises UserError where none does."""
    for entry in FORMATS.values():
        if entry.read and entry.matches(source):
            if options.camera and not entry.several:
                raise UserError(
                    f"a camera '{options.camera[:40]}' was asked for, but it holds only one: leave it empty"
                )
            return entry.read(source, options)
    raise UserError(_describe_unknown(source))


def write_camera(trajectory: CameraTrajectory, path: str | os.PathLike[str], format: str | None = None) -> None:
    """Write a trajectory, whole or not at all. format: a name in FORMATS; None = by the extension of the path.

    Raises UserError for an extension or name that no writable format has.
    """
    path = Path(path)
    writers = {name: entry.write for name, entry in FORMATS.items() if entry.write is not None}
    name = _format_by_extension(path) if format is None else format
    if name not in writers:
        raise UserError(f"'{name}' is not a camera format that can be written: {', '.join(writers)} are")
    writers[name](trajectory, path)


def _format_by_extension(path: Path) -> str:
    """Return the name of the format in which to write a path. Raises UserError where no format has its extension."""
    extension = path.suffix.lower()
    if extension in (".usd", ".usdc", ".usdz"):
        raise UserError(f"'{path.name}': USD is written as text: use the extension .usda")
    writable = {name: entry.extensions for name, entry in FORMATS.items() if entry.writable}
    usual = [name for name, extensions in writable.items() if extensions[0] == extension]
    possible = usual or [name for name, extensions in writable.items() if extension in extensions]
    if not possible:
        known = ", ".join(file_extensions(write=True))
        raise UserError(f"'{path.name}' has an extension that no camera format has: use {known}")
    return possible[0]


def _describe_unknown(source: Source) -> str:
    """Return why a file is of no known format, and what a file of its kind would be."""
    if source.is_folder:
        return "it is a folder without a COLMAP model (cameras and images, as .bin or .txt, here or in sparse/0)"
    if source.is_json:
        return f"{_describe_json(source.json)}; expected as JSON: {_docs_by_extension('.json', '.gltf')}"
    if source.is_binary:
        return (
            "it is neither text nor a file whose first bytes are known; expected:"
            f" {_docs_by_extension('.npy', '.npz', '.glb', '.usda', '.fbx', '.bin')}"
        )
    expected = (
        "; expected as text: 19 numbers a line (RealEstate10K), 8 (TUM), 12 or 16 (KITTI), 7 or 8 (Nuke .chan),"
        " a header with tx ty tz qx qy qz qw, or a COLMAP model"
    )
    if not source.lines or not any(character.isdigit() for character in source.text[:10_000]):
        return f"it holds no line of numbers{expected}"
    number, line = source.lines[min(1, len(source.lines) - 1)]
    return f"line {number} has {len(line.split())} entries{expected}"


def _describe_json(value: Any) -> str:
    if not isinstance(value, dict):
        return f"the JSON holds a {type(value).__name__}, not a camera"
    if "format" in value:
        return f"its format is '{str(value['format'])[:60]}', not {FORMAT}"
    return f"the JSON has the keys {_keys_text(value)} and no camera in them"


def _docs_by_extension(*extensions: str) -> str:
    """Return the descriptions of the readable formats with one of these extensions."""
    return "; ".join(e.doc for e in FORMATS.values() if e.readable and set(e.extensions) & set(extensions))


def _keys_text(value: JsonObject) -> str:
    return ", ".join(str(key)[:40] for key in list(value)[:6]) or "none"
