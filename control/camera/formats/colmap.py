"""COLMAP models: a folder with `cameras` and `images`, as text or binary (https://colmap.github.io/format.html).

Images hold world-to-camera as quaternion w x y z and translation, in OpenCV axes; cameras hold focal length and
principal point in pixels. Lens distortion is left out: a path is of a pinhole camera. The frames are the images in the
order of their names. Read from the folder (also from above `sparse/0`), or from one of its files with the other beside.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...errors import UserError
from ...files import atomic_path
from .. import rotations
from ..trajectory import CameraTrajectory, invert
from . import colmap_binary
from .common import (
    LARGEST,
    LARGEST_SCENE,
    UNKNOWN,
    Format,
    Reading,
    Source,
    check_frames,
    from_quaternion,
    natural,
    nominal_size,
    pose,
    words,
)

# Model name: number in binary files, number of parameters, number of focal lengths among them
# (src/colmap/sensor/models.h; focal lengths come first, then the principal point).
MODELS = {
    "SIMPLE_PINHOLE": (0, 3, 1),
    "PINHOLE": (1, 4, 2),
    "SIMPLE_RADIAL": (2, 4, 1),
    "RADIAL": (3, 5, 1),
    "OPENCV": (4, 8, 2),
    "OPENCV_FISHEYE": (5, 8, 2),
    "FULL_OPENCV": (6, 12, 2),
    "FOV": (7, 5, 2),
    "SIMPLE_RADIAL_FISHEYE": (8, 4, 1),
    "RADIAL_FISHEYE": (9, 5, 1),
    "THIN_PRISM_FISHEYE": (10, 12, 2),
    "RAD_TAN_THIN_PRISM_FISHEYE": (11, 16, 2),
}
# Longer than any line of an image without its points.
_START = 4096


@dataclass(frozen=True)
class Image:
    """One image of a model: its name, camera, and world-to-camera pose as (w, x, y, z) and (x, y, z)."""

    name: str
    camera: int
    quaternion: tuple[float, ...]
    translation: tuple[float, ...]


def intrinsics_of_model(model: str, width: float, height: float, values: list[float], what: str) -> np.ndarray:
    """fx fy cx cy (4,) normalized, of a camera of a COLMAP model. Raises UserError for an unknown model."""
    if model not in MODELS:
        raise UserError(f"{what} has the model {words(model)}; one of {', '.join(MODELS)} was expected")
    _, count, focals = MODELS[model]
    if len(values) != count:
        raise UserError(f"{what} has {len(values)} parameters; its model {model} has {count}")
    if not (0 < width < 1e6 and 0 < height < 1e6):
        raise UserError(f"{what} has an image of {width:g} x {height:g} pixels")
    fx, fy = values[0], values[focals - 1]
    cx, cy = values[focals : focals + 2]
    return np.array([fx / width, fy / height, cx / width, cy / height])


def _cameras_text(source: Source) -> dict[int, np.ndarray]:
    cameras = {}
    for number, line in source.lines:
        parts = line.split()
        what = f"line {number} of {source.path.name}"
        if len(parts) < 5:
            raise UserError(
                f"{what} has {len(parts)} entries: CAMERA_ID MODEL WIDTH HEIGHT and parameters were expected"
            )
        try:
            key, width, height = int(parts[0]), float(parts[2]), float(parts[3])
            values = [float(part) for part in parts[4:]]
        except ValueError as error:
            raise UserError(f"{what} holds something that is not a number") from error
        cameras[key] = intrinsics_of_model(parts[1], width, height, values, what)
    return cameras


def _image_line(parts: list[str]) -> bool:
    """Whether the words of a line are those of an image, not of its points (which are numbers in threes)."""
    if len(parts) < 10:
        return False
    try:
        int(parts[0]), int(parts[8])
    except ValueError:
        return False
    return not _is_number(parts[9])


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _starts(path: Path) -> Iterator[tuple[int, str]]:
    """Each line's number and first characters: the points of an image may fill megabytes, and do not count.

    Raises UserError for what is not text.
    """
    try:
        with open(path, encoding="utf-8-sig") as file:
            number = 0
            while line := file.readline(_START):
                number += 1
                yield number, line.strip()
                while line and not line.endswith("\n"):
                    line = file.readline(_START * 256)
    except UnicodeDecodeError as error:
        raise UserError(f"'{path.name}' is not text") from error


def _images_text(path: Path) -> list[Image]:
    images: list[Image] = []
    points = False
    for number, line in _starts(path):
        if line.startswith("#"):
            continue
        # Behind each image stands a line with its points, which may be empty or missing.
        if points and not _image_line(line.split()):
            points = False
            continue
        if not line:
            continue
        parts, what = line.split(maxsplit=9), f"line {number} of {path.name}"
        if len(parts) < 10:
            raise UserError(
                f"{what} has {len(parts)} entries: IMAGE_ID QW QX QY QZ TX TY TZ CAMERA_ID NAME was expected"
            )
        try:
            values = tuple(float(part) for part in parts[1:8])
            images.append(Image(parts[9], int(parts[8]), values[:4], values[4:]))
        except ValueError as error:
            raise UserError(f"{what} holds something that is not a number") from error
        check_frames(len(images))
        points = True
    return images


def trajectory_of(cameras: dict[int, np.ndarray], images: list[Image]) -> CameraTrajectory:
    """The path through the images in the order of their names. Raises UserError for a camera that is missing."""
    check_frames(len(images))
    images = sorted(images, key=lambda image: natural(image.name))
    for image in images:
        if image.camera not in cameras:
            raise UserError(f"the image {words(image.name)} has the camera {image.camera}, which the model lacks")
    quaternions = np.array([image.quaternion for image in images], np.float64)
    rotation = from_quaternion(quaternions, "the quaternion of an image")
    w2c = pose(rotation, np.array([image.translation for image in images], np.float64))
    intrinsics = np.stack([cameras[image.camera] for image in images])
    checked = CameraTrajectory(w2c, intrinsics, unit=UNKNOWN)
    return checked.replace(c2w=invert(checked.c2w))


def _model(path: Path) -> dict[str, Path]:
    """The files `cameras` and `images` of one kind, for a folder or one of its files; empty when there are none."""
    if path.is_dir():
        folders, endings = [path, path / "sparse" / "0", path / "sparse", path / "0"], (".bin", ".txt")
    elif path.stem.lower() in ("cameras", "images", "points3d"):
        folders, endings = [path.parent], (path.suffix.lower(),)
    else:
        return {}
    for folder in folders:
        for ending in endings:
            files = {name: folder / f"{name}{ending}" for name in ("cameras", "images")}
            if files["images"].is_file():
                return files
    return {}


def _looks(source: Source, ending: str) -> bool:
    files = _model(source.path)
    if source.folder:
        return bool(files) and files["images"].suffix.lower() == ending
    if ending == ".bin":
        return source.ending == ".bin" and (bool(files) or source.binary)
    if source.binary or source.is_json:
        return False
    # By the comments that COLMAP writes, its model names, or the ids of an image.
    head = source.head.decode("utf-8", "replace")
    named = "CAMERA_ID" in head or any(f" {model} " in head for model in MODELS)
    return named or bool(files) and bool(source.lines) and _image_line(source.lines[0][1].split())


def _files(source: Source) -> tuple[Source, Source]:
    files = _model(source.path)
    if not files or not files["cameras"].is_file():
        raise UserError(
            "it is one file of a COLMAP model: give the folder, with cameras and images both as .txt or both as .bin"
        )
    for file in files.values():
        if file.stat().st_size == 0:
            raise UserError(f"'{file.name}' of the COLMAP model is empty (0 bytes)")
    return Source(files["cameras"]), Source(files["images"])


def _read_text(source: Source, reading: Reading) -> CameraTrajectory:
    cameras, images = _files(source)
    if images.size > LARGEST_SCENE:
        raise UserError(f"'{images.path.name}' is larger than {LARGEST_SCENE >> 20} MiB")
    return trajectory_of(_cameras_text(cameras), _images_text(images.path))


def _read_binary(source: Source, reading: Reading) -> CameraTrajectory:
    cameras, images = _files(source)
    if cameras.size > LARGEST:
        raise UserError(f"'{cameras.path.name}' is larger than {LARGEST >> 20} MiB")
    names = {number: (name, count) for name, (number, count, _) in MODELS.items()}
    found = {
        key: intrinsics_of_model(model, width, height, values, f"camera {key}")
        for key, model, width, height, values in colmap_binary.read_cameras(cameras.path, names)
    }
    return trajectory_of(found, [Image(*row) for row in colmap_binary.read_images(images.path)])


def _table(trajectory: CameraTrajectory) -> tuple[list[tuple[int, int, list[float]]], list[Image]]:
    """Cameras (width, height, fx fy cx cy in pixels), one for each different one, and images, numbered from 1."""
    width, height = nominal_size(trajectory)
    pixels = trajectory.intrinsics * (width, height, width, height)
    different, which = np.unique(pixels, axis=0, return_inverse=True)
    w2c = trajectory.w2c()
    quaternions = rotations.to_quaternion(w2c[:, :, :3])
    images = [
        Image(f"frame_{frame + 1:05d}.png", int(camera) + 1, tuple(quaternion), tuple(matrix[:, 3]))
        for frame, (camera, quaternion, matrix) in enumerate(zip(which.ravel(), quaternions, w2c, strict=True))
    ]
    return [(width, height, row.tolist()) for row in different], images


def _folder(path: Path, ending: str) -> Path:
    other = {".txt": ".bin", ".bin": ".txt"}[ending]
    if path.exists() and not path.is_dir():
        raise UserError(f"'{path}' is a file; a COLMAP model is a folder: give another name")
    if (path / f"images{other}").exists():
        raise UserError(f"'{path}' holds a COLMAP model as {other} files already: give another folder")
    return path


def _write_text(trajectory: CameraTrajectory, path: Path) -> None:
    folder = _folder(path, ".txt")
    cameras, images = _table(trajectory)
    lines = ["# CAMERA_ID MODEL WIDTH HEIGHT PARAMS[]"]
    for number, (width, height, values) in enumerate(cameras, 1):
        lines.append(f"{number} PINHOLE {width} {height} {' '.join(f'{value:.17g}' for value in values)}")
    shots = ["# IMAGE_ID QW QX QY QZ TX TY TZ CAMERA_ID NAME", "# POINTS2D[] as X Y POINT3D_ID"]
    for number, image in enumerate(images, 1):
        values = " ".join(f"{value:.17g}" for value in (*image.quaternion, *image.translation))
        shots += [f"{number} {values} {image.camera} {image.name}", ""]
    texts = {"points3D.txt": "# POINT3D_ID X Y Z R G B ERROR TRACK[]\n", "cameras.txt": "\n".join(lines) + "\n"}
    for name, text in {**texts, "images.txt": "\n".join(shots) + "\n"}.items():
        with atomic_path(folder / name) as temporary:
            temporary.write_text(text, encoding="utf-8")


def _write_binary(trajectory: CameraTrajectory, path: Path) -> None:
    folder = _folder(path, ".bin")
    cameras, images = _table(trajectory)
    rows = [(image.name, image.camera, image.quaternion, image.translation) for image in images]
    contents = {
        "points3D.bin": colmap_binary.NO_POINTS,
        "cameras.bin": colmap_binary.cameras(cameras, MODELS["PINHOLE"][0]),
        "images.bin": colmap_binary.images(rows),
    }
    for name, content in contents.items():
        with atomic_path(folder / name) as temporary:
            temporary.write_bytes(content)


COLMAP = Format(
    doc="COLMAP model as text: a folder with cameras.txt and images.txt",
    endings=("", ".txt"),
    carries=frozenset({"poses", "intrinsics", "principal point"}),
    looks=lambda source: _looks(source, ".txt"),
    read=_read_text,
    write=_write_text,
)
COLMAP_BINARY = Format(
    doc="COLMAP model as binary: a folder with cameras.bin and images.bin",
    endings=("", ".bin"),
    carries=frozenset({"poses", "intrinsics", "principal point"}),
    looks=lambda source: _looks(source, ".bin"),
    read=_read_binary,
    write=_write_binary,
)
