"""COLMAP models: a folder with `cameras` and `images`, as text or binary (https://colmap.github.io/format.html).

Images hold world-to-camera as quaternion w x y z and translation, in OpenCV axes; cameras hold focal length and
principal point in pixels. Lens distortion is left out, and said; fisheye lenses are refused. The frames are the images
in the order of their names. Read from the folder (also from above `sparse/0`), or from one of its files with the other
beside.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ...errors import UserError
from ...files import atomic_path
from ...frame_order import natural_sort_key
from .. import rotations
from ..trajectory import CameraTrajectory, invert, make_poses
from . import colmap_binary
from .choice import choose, choose_folder, find
from .format import UNKNOWN_UNIT, Format, ReadOptions
from .frame_names import spread_by_names
from .lens import check_projection, distortion_notes, nominal_size
from .mirror import mirrored
from .source import MAX_SCENE_BYTES, MAX_TEXT_BYTES, Source
from .values import check_frames, excerpt

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
_LINE_START = 4096


@dataclass(frozen=True)
class Lens:
    """One camera of a model: the name of its lens model, fx fy cx cy (4,), normalized, and its distortion."""

    model: str
    intrinsics: np.ndarray
    distortion: tuple[float, ...]


@dataclass(frozen=True)
class Image:
    """One image of a model: its name, camera, and world-to-camera pose as (w, x, y, z) and (x, y, z)."""

    name: str
    camera: int
    quaternion: tuple[float, ...]
    translation: tuple[float, ...]


def _lens(model: str, width: float, height: float, values: list[float], name: str) -> Lens:
    """Return the lens of a camera of a COLMAP model.

    Raises UserError, which calls the camera `name`, for an unknown model and another number of parameters.
    """
    if model not in MODELS:
        raise UserError(f"{name} has the model {excerpt(model)}; one of {', '.join(MODELS)} was expected")
    _, count, focals = MODELS[model]
    if len(values) != count:
        raise UserError(f"{name} has {len(values)} parameters; its model {model} has {count}")
    if not (0 < width < 1e6 and 0 < height < 1e6):
        raise UserError(f"{name} has an image of {width:g} x {height:g} pixels")
    fx, fy = values[0], values[focals - 1]
    cx, cy = values[focals : focals + 2]
    intrinsics = np.array([fx / width, fy / height, cx / width, cy / height])
    return Lens(model, intrinsics, tuple(values[focals + 2 :]))


def _parse_cameras(source: Source) -> dict[int, Lens]:
    """Return the lens of each camera id in cameras.txt."""
    cameras = {}
    for number, line in source.lines:
        parts = line.split()
        name = f"line {number} of {source.path.name}"
        if len(parts) < 5:
            raise UserError(
                f"{name} has {len(parts)} entries: CAMERA_ID MODEL WIDTH HEIGHT and parameters were expected"
            )
        try:
            key, width, height = int(parts[0]), float(parts[2]), float(parts[3])
            values = [float(part) for part in parts[4:]]
        except ValueError as error:
            raise UserError(f"{name} holds something that is not a number") from error
        cameras[key] = _lens(parts[1], width, height, values, name)
    return cameras


def _is_image_line(parts: list[str]) -> bool:
    """Return whether the words of a line are those of an image, not of its points (which are numbers in threes)."""
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


def _line_starts(path: Path) -> Iterator[tuple[int, str]]:
    """Yield each line's number and first characters: the points of an image may fill megabytes, and are not needed."""
    # The names of images may be in any encoding; of a name only its number counts.
    with open(path, encoding=Source(path).encoding, errors="replace") as file:
        number = 0
        while line := file.readline(_LINE_START):
            number += 1
            yield number, line.strip()
            while line and not line.endswith("\n"):
                line = file.readline(_LINE_START * 256)


def _parse_images(path: Path) -> list[Image]:
    """Return the images of images.txt."""
    images: list[Image] = []
    after_image = False
    for number, line in _line_starts(path):
        if line.startswith("#"):
            continue
        # Each image is followed by a line with its points, which may be empty or missing.
        if after_image and not _is_image_line(line.split()):
            after_image = False
            continue
        if not line:
            continue
        images.append(_parse_image(line, f"line {number} of {path.name}"))
        check_frames(len(images))
        after_image = True
    return images


def _parse_image(line: str, name: str) -> Image:
    parts = line.split(maxsplit=9)
    if len(parts) < 10:
        raise UserError(f"{name} has {len(parts)} entries: IMAGE_ID QW QX QY QZ TX TY TZ CAMERA_ID NAME was expected")
    try:
        values = tuple(float(part) for part in parts[1:8])
        return Image(parts[9], int(parts[8]), values[:4], values[4:])
    except ValueError as error:
        raise UserError(f"{name} holds something that is not a number") from error


def _to_trajectory(
    cameras: dict[int, Lens], images: list[Image], options: ReadOptions, notes: tuple[str, ...]
) -> CameraTrajectory:
    """Return the path through the images of one camera, sorted by their names, with what was said before.

    Raises UserError for a camera that is missing.
    """
    check_frames(len(images))
    images = sorted(images, key=lambda image: natural_sort_key(image.name))
    places, more = choose_folder([image.name for image in images], options.camera)
    images = [images[place] for place in places]
    for image in images:
        if image.camera not in cameras:
            raise UserError(f"the image {excerpt(image.name)} has the camera {image.camera}, which the model lacks")
    quaternions = np.array([image.quaternion for image in images], np.float64)
    rotation = rotations.from_quaternion(quaternions, "the quaternion of an image")
    w2c = make_poses(rotation, np.array([image.translation for image in images], np.float64))
    lenses = [cameras[number] for number in dict.fromkeys(image.camera for image in images)]
    for lens in lenses:
        check_projection(lens.model)
    notes = (*notes, *more, *distortion_notes(value for lens in lenses for value in lens.distortion))
    intrinsics = np.stack([cameras[image.camera].intrinsics for image in images])
    checked = CameraTrajectory(mirrored(w2c, options.mirror, w2c=True), intrinsics, unit=UNKNOWN_UNIT, notes=notes)
    return spread_by_names(checked.replace(c2w=invert(checked.c2w)), [image.name for image in images])


def _model_files(path: Path) -> dict[str, Path]:
    """Return the files `cameras` and `images` of one kind, for a folder or one of its files; empty without a model."""
    folders, extensions = [path.parent], [path.suffix.lower()]
    if path.is_dir():
        folders, extensions = [path, path / "sparse" / "0", path / "sparse", path / "0"], [".bin", ".txt"]
    elif path.stem.lower() not in ("cameras", "images", "points3d"):
        return {}
    for folder in folders:
        for extension in extensions:
            files = {name: folder / f"{name}{extension}" for name in ("cameras", "images")}
            if files["images"].is_file():
                return files
    return {}


def _chosen_model(path: Path, camera: str) -> tuple[Path, str, tuple[str, ...]]:
    """Return the path of the model to read, the camera to choose within it, and what to say.

    COLMAP numbers the models that it could not join (sparse/0, sparse/1): `camera` may be the number of one.
    """
    if not path.is_dir() or (path / "images.bin").is_file() or (path / "images.txt").is_file():
        return path, camera, ()
    for folder in (path / "sparse", path):
        files = [file for file in folder.glob("*/images.*") if file.suffix in (".bin", ".txt")]
        models = sorted({file.parent.name for file in files}, key=natural_sort_key)
        if len(models) > 1:
            place = find(models, camera) if camera else 0
            if place is not None:
                notes = () if camera else choose(models, "", "models")[1]
                return folder / models[place], "", notes
    return path, camera, ()


def _matches(source: Source, extension: str) -> bool:
    files = _model_files(source.path)
    if source.is_folder:
        return bool(files) and files["images"].suffix.lower() == extension
    if extension == ".bin":
        return source.extension == ".bin" and (bool(files) or source.is_binary)
    if source.is_binary or source.is_json:
        return False
    # By the comments that COLMAP writes, its model names, or the ids of an image.
    head = source.head_text
    named = "CAMERA_ID" in head or any(f" {model} " in head for model in MODELS)
    return named or bool(files) and bool(source.lines) and _is_image_line(source.lines[0][1].split())


def _model_sources(path: Path) -> tuple[Source, Source]:
    """Return the files of cameras and images. Raise UserError where one is missing or empty."""
    files = _model_files(path)
    if not files or not files["cameras"].is_file():
        raise UserError(
            "it is one file of a COLMAP model: give the folder, with cameras and images both as .txt or both as .bin"
        )
    for file in files.values():
        if file.stat().st_size == 0:
            raise UserError(f"'{file.name}' of the COLMAP model is empty (0 bytes)")
    return Source(files["cameras"]), Source(files["images"])


def _read_text(source: Source, options: ReadOptions) -> CameraTrajectory:
    path, camera, notes = _chosen_model(source.path, options.camera)
    cameras, images = _model_sources(path)
    if images.size > MAX_SCENE_BYTES:
        raise UserError(f"'{images.path.name}' is larger than {MAX_SCENE_BYTES >> 20} MiB")
    found = _parse_images(images.path)
    return _to_trajectory(_parse_cameras(cameras), found, replace(options, camera=camera), notes)


def _read_binary(source: Source, options: ReadOptions) -> CameraTrajectory:
    path, camera, notes = _chosen_model(source.path, options.camera)
    cameras, images = _model_sources(path)
    if cameras.size > MAX_TEXT_BYTES:
        raise UserError(f"'{cameras.path.name}' is larger than {MAX_TEXT_BYTES >> 20} MiB")
    models = {number: (name, count) for name, (number, count, _) in MODELS.items()}
    lenses = {
        key: _lens(model, width, height, values, f"camera {key}")
        for key, model, width, height, values in colmap_binary.read_cameras(cameras.path, models)
    }
    found = [Image(*row) for row in colmap_binary.read_images(images.path)]
    return _to_trajectory(lenses, found, replace(options, camera=camera), notes)


def _to_model(trajectory: CameraTrajectory) -> tuple[list[tuple[int, int, list[float]]], list[Image]]:
    """Return cameras (width, height, fx fy cx cy in pixels), one per distinct lens, and images; both number from 1."""
    width, height = nominal_size(trajectory)
    pixels = trajectory.intrinsics * (width, height, width, height)
    distinct, camera_index = np.unique(pixels, axis=0, return_inverse=True)
    w2c = trajectory.w2c()
    quaternions = rotations.to_quaternion(w2c[:, :, :3])
    images = [
        Image(f"frame_{frame + 1:05d}.png", int(camera) + 1, tuple(quaternion), tuple(matrix[:, 3]))
        for frame, (camera, quaternion, matrix) in enumerate(zip(camera_index.ravel(), quaternions, w2c, strict=True))
    ]
    return [(width, height, row.tolist()) for row in distinct], images


def _check_folder(path: Path, extension: str) -> Path:
    """Return the folder to write a model into. Raise UserError for a file, and a model of the other kind."""
    other = {".txt": ".bin", ".bin": ".txt"}[extension]
    if path.exists() and not path.is_dir():
        raise UserError(f"'{path}' is a file; a COLMAP model is a folder: give another name")
    if (path / f"images{other}").exists():
        raise UserError(f"'{path}' holds a COLMAP model as {other} files already: give another folder")
    return path


def _numbers_text(values: Iterable[float]) -> str:
    return " ".join(f"{value:.17g}" for value in values)


def _write_text(trajectory: CameraTrajectory, path: Path) -> None:
    folder = _check_folder(path, ".txt")
    cameras, images = _to_model(trajectory)
    camera_lines = ["# CAMERA_ID MODEL WIDTH HEIGHT PARAMS[]"]
    for number, (width, height, parameters) in enumerate(cameras, 1):
        camera_lines.append(f"{number} PINHOLE {width} {height} {_numbers_text(parameters)}")
    image_lines = ["# IMAGE_ID QW QX QY QZ TX TY TZ CAMERA_ID NAME", "# POINTS2D[] as X Y POINT3D_ID"]
    for number, image in enumerate(images, 1):
        pose = _numbers_text((*image.quaternion, *image.translation))
        image_lines += [f"{number} {pose} {image.camera} {image.name}", ""]
    texts = {
        "points3D.txt": "# POINT3D_ID X Y Z R G B ERROR TRACK[]\n",
        "cameras.txt": "\n".join(camera_lines) + "\n",
        "images.txt": "\n".join(image_lines) + "\n",
    }
    for name, text in texts.items():
        with atomic_path(folder / name) as temporary:
            temporary.write_text(text, encoding="utf-8")


def _write_binary(trajectory: CameraTrajectory, path: Path) -> None:
    folder = _check_folder(path, ".bin")
    cameras, images = _to_model(trajectory)
    rows = [(image.name, image.camera, image.quaternion, image.translation) for image in images]
    contents = {
        "points3D.bin": colmap_binary.NO_POINTS,
        "cameras.bin": colmap_binary.pack_cameras(cameras, MODELS["PINHOLE"][0]),
        "images.bin": colmap_binary.pack_images(rows),
    }
    for name, content in contents.items():
        with atomic_path(folder / name) as temporary:
            temporary.write_bytes(content)


COLMAP = Format(
    doc="COLMAP model as text: a folder with cameras.txt and images.txt",
    extensions=("", ".txt"),
    preserves=frozenset({"poses", "intrinsics", "principal point"}),
    matches=lambda source: _matches(source, ".txt"),
    read=_read_text,
    write=_write_text,
    several=True,
)
COLMAP_BINARY = Format(
    doc="COLMAP model as binary: a folder with cameras.bin and images.bin",
    extensions=("", ".bin"),
    preserves=frozenset({"poses", "intrinsics", "principal point"}),
    matches=lambda source: _matches(source, ".bin"),
    read=_read_binary,
    write=_write_binary,
    several=True,
)
