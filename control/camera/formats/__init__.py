"""Camera files of this and other programs, one file per format, told apart by their content.

`FORMATS` lists them: what each is called, whether it is read and written, and what it carries. All turn into
`CameraTrajectory`: camera-to-world, OpenCV axes.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from ...errors import UserError
from ...files import existing
from ..trajectory import CameraTrajectory
from .colmap import COLMAP, COLMAP_BINARY
from .common import DEFAULT_ASPECT, DEFAULT_FOV, UNKNOWN, Format, Reading, Source
from .gltf import GLTF, GLTF_JSON
from .matrices import MATRICES, NPY, from_matrices, from_object
from .nerf import CAMERA_PATH, TRANSFORMS, from_camera_path, from_transforms, is_transforms
from .own import FORMAT, OWN, VERSION, from_own, to_own
from .realestate import REALESTATE, to_realestate
from .recammaster import RECAMMASTER
from .scenes import FBX, USD
from .tum import KITTI, TUM
from .videox import VIDEOX, from_list, is_list

__all__ = [
    "DEFAULT_ASPECT",
    "DEFAULT_FOV",
    "FORMAT",
    "FORMATS",
    "UNKNOWN",
    "VERSION",
    "Format",
    "endings",
    "from_json",
    "read_camera",
    "to_json",
    "to_realestate",
    "write_camera",
]

# In the order in which they are tried. An ending alone chooses the first format whose usual ending it is.
FORMATS: dict[str, Format] = {
    "fulldit": OWN,
    "transforms": TRANSFORMS,
    "nerfstudio_path": CAMERA_PATH,
    "recammaster": RECAMMASTER,
    "videox_fun": VIDEOX,
    "matrices": MATRICES,
    "npy": NPY,
    "glb": GLTF,
    "gltf": GLTF_JSON,
    "usd": USD,
    "fbx": FBX,
    "colmap": COLMAP,
    "colmap_binary": COLMAP_BINARY,
    "realestate10k": REALESTATE,
    "tum": TUM,
    "kitti": KITTI,
}

to_json = to_own
# Beyond this, differences between poses are lost in rounding.
FARTHEST = 1e9


def endings(write: bool = False) -> tuple[str, ...]:
    """The endings of all files that can be read (or written), each once: for file lists."""
    wanted = (entry for entry in FORMATS.values() if (entry.writes if write else entry.reads))
    return tuple(dict.fromkeys(ending for entry in wanted for ending in entry.endings if ending))


def read_camera(
    path: str | os.PathLike, frames: int | None = None, keyed: int = 17, aspect: float = DEFAULT_ASPECT
) -> CameraTrajectory:
    """The trajectory in a file (COLMAP: also a folder). frames: spread the path over so many; None = as it is.

    A file of keys has no length and no shape of the image: it gets `keyed` frames and `aspect` (width / height).
    Raises UserError for a missing, truncated or foreign file: its name, the line where there is one, what was expected.
    """
    path = Path(path).expanduser()
    source = Source(path if path.is_dir() else existing(path, "camera file"))
    try:
        for entry in FORMATS.values():
            if entry.read and entry.looks(source):
                trajectory = entry.read(source, Reading(keyed, aspect))
                break
        else:
            raise UserError(_unknown(source))
        farthest = float(abs(trajectory.c2w[:, :, 3]).max())
        if farthest > FARTHEST:
            raise UserError(f"a position of {farthest:.3g} is no camera's: the file is damaged or of another kind")
    except UserError as error:
        raise UserError(f"the camera file '{path}' cannot be read: {error.clause}") from error
    return trajectory if frames is None else trajectory.resample(frames)


def write_camera(trajectory: CameraTrajectory, path: str | os.PathLike, format: str | None = None) -> None:
    """Write a trajectory, whole or not at all. format: a name in FORMATS; None = by the ending of the path.

    Raises UserError for an ending or name that no written format has.
    """
    path = Path(path)
    written = {name: entry for name, entry in FORMATS.items() if entry.writes}
    if format is None:
        ending = path.suffix.lower()
        if ending in (".usd", ".usdc", ".usdz"):
            raise UserError(f"'{path.name}': USD is written as text: use the ending .usda")
        usual = [name for name, entry in written.items() if entry.endings[0] == ending]
        format = next(iter(usual or [name for name, entry in written.items() if ending in entry.endings]), None)
        if format is None:
            raise UserError(
                f"'{path.name}' has an ending that no camera format has: use {', '.join(endings(write=True))}"
            )
    if format not in written:
        raise UserError(f"'{format}' is no camera format that can be written: {', '.join(written)} are")
    written[format].write(trajectory, path)


def from_json(value: Any, keyed: int = 17, aspect: float = DEFAULT_ASPECT) -> CameraTrajectory:
    """The trajectory of a JSON value: what `to_json` gave, a list of matrices or rows, or what NeRF programs write.

    Raises UserError for anything else.
    """
    if isinstance(value, list):
        return from_list(value) if is_list(value) else from_matrices(value, aspect=aspect)
    if not isinstance(value, dict):
        raise UserError(f"the JSON holds a {type(value).__name__}, not a camera")
    if value.get("format") == FORMAT:
        return from_own(value, keyed, aspect)
    if "format" in value:
        raise UserError(f"its format is '{str(value['format'])[:60]}', not {FORMAT}")
    if "c2w" in value:
        return from_object(value, aspect)
    if is_transforms(value):
        return from_transforms(value, aspect)
    if "camera_path" in value:
        return from_camera_path(value)
    raise UserError(f"the JSON has the keys {_keys(value)} and no camera in them")


def _unknown(source: Source) -> str:
    """Why a file is none of the known ones, and what one of its kind would be."""
    if source.folder:
        return "it is a folder without a COLMAP model (cameras and images, as .bin or .txt, here or in sparse/0)"
    if source.is_json:
        expected = f"; expected as JSON: {_kinds('.json', '.gltf')}"
        value = source.json
        if not isinstance(value, dict):
            return f"the JSON holds a {type(value).__name__}, not a camera{expected}"
        if "format" in value:
            return f"its format is '{str(value['format'])[:60]}', not {FORMAT}{expected}"
        return f"the JSON has the keys {_keys(value)} and no camera in them{expected}"
    if source.binary:
        return (
            "it is neither text nor a file whose first bytes are known; expected:"
            f" {_kinds('.npy', '.glb', '.usda', '.fbx', '.bin')}"
        )
    expected = "; expected as text: 19 numbers a line (RealEstate10K), 8 (TUM), 12 or 16 (KITTI), or a COLMAP model"
    if not source.lines or not any(character.isdigit() for character in source.text[:10_000]):
        return f"it holds no line of numbers{expected}"
    number, line = source.lines[min(1, len(source.lines) - 1)]
    return f"line {number} has {len(line.split())} entries{expected}"


def _kinds(*wanted: str) -> str:
    """The formats with one of these endings, in words."""
    return "; ".join(entry.doc for entry in FORMATS.values() if entry.reads and set(entry.endings) & set(wanted))


def _keys(value: dict) -> str:
    return ", ".join(str(key)[:40] for key in list(value)[:6]) or "none"
