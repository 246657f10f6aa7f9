"""Depth sequences that a renderer or a depth camera wrote: EXR and PNG files, one per frame, in a stated convention.

A file of depth does not say what its numbers mean, so the convention is asked for. Frames are read one at a time, and
as often as wanted, so `DepthFiles` is what `normalize_stream` opens.
"""

from __future__ import annotations

import os
import re
import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ..errors import UserError
from ..files import existing
from ..libraries import opencv
from .exr import MOST_PIXELS, read_channels, read_exr, read_header

ENDINGS = (".exr", ".png")
MOST_BYTES = 2**30  # of a file: eight thousand pixels square with several layers
PNG_START = b"\x89PNG\r\n\x1a\n"
# Where depth is kept, most likely first: by the last part of a channel's name.
CHANNELS = ("Z", "V", "DEPTH", "SCENEDEPTH", "WORLDDEPTH", "Y", "R")


@dataclass(frozen=True)
class Convention:
    """What a number in a file means: `says` in words, `kind` as normalize_depth has it, `scale` to meters.

    ray: measured along the ray of the pixel instead of along the camera's axis. unknown_zero: 0 means not known.
    endless: from this number on (before scaling) it is the sky.
    """

    says: str
    kind: str
    scale: float = 1.0
    ray: bool = False
    unknown_zero: bool = False
    endless: float = np.inf


CONVENTIONS = {
    "metres": Convention(
        "distance along the camera's axis in meters, as Blender's Depth pass (Z)", "depth", endless=1e9
    ),
    "centimetres": Convention(
        "distance along the camera's axis in centimeters, as Unreal's SceneDepth (from 655 m on it is sky)",
        "depth",
        0.01,
        endless=65500,
    ),
    "millimetres": Convention(
        "whole millimeters along the camera's axis, 0 = unknown, as depth cameras write 16-bit PNG",
        "depth",
        0.001,
        unknown_zero=True,
    ),
    "ray metres": Convention("distance along the ray of each pixel in meters", "depth", ray=True, endless=1e9),
    "ray centimetres": Convention("distance along the ray of each pixel in centimeters", "depth", 0.01, True),
    "disparity": Convention("near is bright or large, as most depth videos", "disparity"),
    "inverted": Convention("near is dark, as a Mist pass", "inverted"),
}


@dataclass(frozen=True)
class DepthFiles:
    """Files of one clip; iterating gives frames (H, W) float32 of `kind`: depth in meters, or numbers as they are
    (whole numbers of a PNG as 0..1). warnings: sentences about what was found."""

    paths: tuple[Path, ...]
    convention: Convention
    height: int
    width: int
    channel: str | None
    intrinsics: np.ndarray | None
    warnings: tuple[str, ...] = ()

    @property
    def kind(self) -> str:
        """What `normalize_depth` takes the frames for."""
        return self.convention.kind

    def __len__(self) -> int:
        return len(self.paths)

    def __iter__(self) -> Iterator[np.ndarray]:
        for number in range(len(self)):
            yield self.frame(number)

    def part(self, start: int, stop: int) -> DepthFiles:
        """The frames from `start` up to but without `stop`."""
        return replace(self, paths=self.paths[start:stop])

    def frame(self, number: int) -> np.ndarray:
        """One frame. Raises UserError, naming the file, where it is cut short or damaged."""
        path = self.paths[number]
        raw = read_exr(path, self.channel) if path.suffix.lower() == ".exr" else _read_png(path, self.kind != "depth")
        if raw.shape != (self.height, self.width):
            raise UserError(f"'{path.name}' has another size than when the clip was opened: write the frames again")
        if self.kind != "depth":
            return raw
        values = np.where(raw >= self.convention.endless, np.inf, raw * np.float32(self.convention.scale))
        if self.convention.unknown_zero:
            values[raw == 0] = np.nan
        if self.convention.ray:
            values = ray_to_planar(values, self.intrinsics)
        return values.astype(np.float32)


def open_depth(
    source: str | os.PathLike | Sequence[str | os.PathLike],
    convention: str,
    channel: str | None = None,
    intrinsics: np.ndarray | None = None,
) -> DepthFiles:
    """A folder of EXR or PNG files, one file, or a list of files in order, checked before anything is decoded.

    channel: of an EXR image (None: the one that looks like depth). intrinsics: fx fy cx cy by width and height, for
    distances along rays. Raises UserError for an unknown convention, missing numbers in a sequence, other sizes, files
    that are no EXR or PNG or end before their time, and an EXR image without such a channel.
    """
    if convention not in CONVENTIONS:
        known = "; ".join(f"{name}: {one.says}" for name, one in CONVENTIONS.items())
        raise UserError(f"the depth convention '{convention}' is unknown. Known are {known}")
    means = CONVENTIONS[convention]
    if means.ray:
        intrinsics = np.asarray(intrinsics if intrinsics is not None else [], np.float64)
        if intrinsics.shape != (4,) or not np.isfinite(intrinsics).all() or (intrinsics[:2] <= 0).any():
            raise UserError("distances along rays need the lens: give fx fy cx cy, by the image's width and height")
    paths = _listed(source)
    for path in paths:
        if path.stat().st_size > MOST_BYTES:
            raise UserError(
                f"'{path.name}' has {path.stat().st_size / 1e9:.1f} GB, which is no depth frame: at most"
                f" {MOST_BYTES / 1e9:.1f} GB are read. Give one file for each frame"
            )
    sizes = [_size(path) for path in paths]
    for path, size in zip(paths, sizes, strict=True):
        if size[:2] != sizes[0][:2]:
            raise UserError(
                f"'{path.name}' is {size[1]}x{size[0]}, '{paths[0].name}' {sizes[0][1]}x{sizes[0][0]}:"
                " all must be alike"
            )
    warnings = []
    if paths[0].suffix.lower() == ".exr":
        channel = _channel(paths[0], channel)
        for path in paths[1:]:
            if channel not in read_channels(path):
                raise UserError(f"'{path.name}' has no channel '{channel}', which '{paths[0].name}' has")
    elif any(size[2] <= 8 for size in sizes):
        warnings.append("The depth images have 8 bits, 256 steps from near to far: 16 bits or EXR are smoother.")
    return DepthFiles(tuple(paths), means, *sizes[0][:2], channel, intrinsics, tuple(warnings))


def ray_to_planar(distance: np.ndarray, intrinsics: np.ndarray) -> np.ndarray:
    """Distance along rays (..., H, W) to depth along the camera's axis, for fx fy cx cy by width and height."""
    height, width = distance.shape[-2:]
    fx, fy, cx, cy = intrinsics
    x = ((np.arange(width) + 0.5) / width - cx) / fx
    y = ((np.arange(height) + 0.5) / height - cy) / fy
    return (distance / np.sqrt(1 + x[None] ** 2 + y[:, None] ** 2)).astype(np.float32)


def _listed(source: str | os.PathLike | Sequence[str | os.PathLike]) -> list[Path]:
    if not isinstance(source, (str, os.PathLike[str])):
        paths = [existing(path, "depth image") for path in source]
    elif Path(source).expanduser().is_dir():
        found = [p for p in Path(source).expanduser().iterdir() if p.suffix.lower() in ENDINGS and p.is_file()]
        if len({p.suffix.lower() for p in found}) > 1:
            raise UserError(f"the folder '{source}' holds EXR and PNG files: keep the depth of one clip by itself")
        paths = _in_order(found)
    else:
        paths = [existing(source, "depth image")]
    if not paths:
        raise UserError(f"'{source}' holds no depth images: numbered {' or '.join(ENDINGS)} files were expected")
    for path in paths:
        if path.suffix.lower() not in ENDINGS:
            raise UserError(f"'{path.name}' is neither EXR nor PNG: depth is kept in {' or '.join(ENDINGS)}")
    return paths


def _in_order(paths: list[Path]) -> list[Path]:
    """By the last number of their names. Raises UserError where some numbers are missing or twice."""
    numbers = [re.findall(r"\d+", path.stem) for path in paths]
    if len(paths) < 2 or not all(numbers):
        return sorted(paths)
    order = sorted(zip((int(found[-1]) for found in numbers), paths, strict=True))
    given = [number for number, _ in order]
    for (before, first), (after, second) in zip(order, order[1:], strict=False):
        if before == after:
            raise UserError(f"'{first.name}' and '{second.name}' have the same number: keep one clip in a folder")
    steps = {after - before for before, after in zip(given, given[1:], strict=False)}
    step = min(steps)
    if len(steps) > 1:
        missing = sorted(set(range(given[0], given[-1] + 1, step)) - set(given))
        shown = ", ".join(map(str, missing[:5])) + (", ..." if len(missing) > 5 else "")
        raise UserError(f"the sequence '{order[0][1].name}' to '{order[-1][1].name}' lacks the frames {shown}")
    return [path for _, path in order]


def _channel(path: Path, wanted: str | None) -> str:
    names = list(read_channels(path))
    if wanted is not None:
        if wanted not in names:
            raise UserError(f"'{path.name}' has no channel '{wanted}': it has {', '.join(names)}")
        return wanted
    for likely in CHANNELS:
        found = [name for name in names if name.split(".")[-1].upper() == likely]
        # An image's own channels have no layer or one that does not speak of depth.
        if likely in ("R", "Y") and len(names) > 1:
            found = [name for name in found if "DEPTH" in name.upper()] or (found if set("RGBA") >= set(names) else [])
        if len(found) == 1:
            return found[0]
        if found:
            raise UserError(f"'{path.name}' has several channels of depth ({', '.join(found)}): say which to take")
    if len(names) == 1:
        return names[0]
    raise UserError(f"'{path.name}' has no channel that looks like depth: say which of {', '.join(names)} to take")


def _size(path: Path) -> tuple[int, int, int]:
    """Height, width and bits of a file, from its beginning; a PNG is looked through to its end."""
    if path.suffix.lower() == ".exr":
        with path.open("rb") as file:
            header = read_header(file.read(2**20), path)
        return header.height, header.width, 32
    with path.open("rb") as file:
        start = file.read(33)
        if start[:8] != PNG_START or start[12:16] != b"IHDR" or len(start) < 33:
            raise UserError(f"'{path}' is no PNG image, whatever its name says")
        width, height, bits = struct.unpack(">IIB", start[16:25])
        file.seek(-12, os.SEEK_END)
        end = file.read(12)
    if end[4:8] != b"IEND":
        raise UserError(f"the PNG image '{path}' is cut short: write or copy it again")
    if not 0 < height * width <= MOST_PIXELS:
        raise UserError(f"the PNG image '{path}' says it has {width} x {height} pixels, which is no depth frame")
    return height, width, bits


def _read_png(path: Path, shares: bool) -> np.ndarray:
    """A gray PNG (H, W) float32, whole numbers as they are or as shares of the largest."""
    cv2 = opencv("reading PNG images")
    data = path.read_bytes()
    _size(path)
    place = 8
    while place + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, place)
        body = data[place + 4 : place + 8 + length]
        if len(body) < 4 + length or data[place + 8 + length : place + 12 + length] != struct.pack(
            ">I", zlib.crc32(body)
        ):
            raise UserError(f"the PNG image '{path}' is cut short or damaged: write or copy it again")
        place += 12 + length
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:
        image = None
    if image is None:
        raise UserError(f"the PNG image '{path}' cannot be read: write or copy it again")
    largest = np.float32(np.iinfo(image.dtype).max)
    if image.ndim == 3:
        color = image[..., :3].astype(np.int32)
        if np.abs(color - color[..., :1]).max() > largest * 0.02:
            raise UserError(f"'{path.name}' is in colors: depth is a gray image, without a color map")
        image = image[..., 0]
    values = image.astype(np.float32)
    return values / largest if shares else values
