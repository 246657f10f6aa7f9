"""Depth sequences that a renderer or a depth camera wrote: EXR and PNG files, one per frame, in a stated convention.

A file of depth does not say what its numbers mean, so the convention is asked for. Frames are read one at a time, and
as often as wanted, so `DepthFiles` is what `normalize_stream` opens.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ..errors import UserError
from ..files import existing
from .exr import exr_size, read_exr
from .exr_channels import choose_channel
from .png import png_bits, png_size, read_png

MOST_BYTES = 2**30  # of a file: eight thousand pixels square with several layers
# 8 bits and fewer are coarse.
COARSE_BITS = 8


@dataclass(frozen=True)
class Convention:
    """What a number in a file means: `description` in words, `kind` as normalize_depth has it, `scale` to meters.

    ray: measured along the ray of the pixel instead of along the camera's axis. unknown_zero: 0 means not known.
    infinite_from: from this number on (before scaling) the pixel is sky.
    """

    description: str
    kind: str
    scale: float = 1.0
    ray: bool = False
    unknown_zero: bool = False
    infinite_from: float = np.inf

    def to_depth(self, raw: np.ndarray, intrinsics: np.ndarray | None) -> np.ndarray:
        """Return a file's numbers (H, W) as depth along the camera's axis in meters; as they are unless depth."""
        if self.kind != "depth":
            return raw
        values = np.where(raw >= self.infinite_from, np.inf, raw * np.float32(self.scale))
        if self.unknown_zero:
            values[raw == 0] = np.nan
        if self.ray and intrinsics is not None:
            values = ray_to_planar(values, intrinsics)
        return values.astype(np.float32)


CONVENTIONS = {
    "metres": Convention(
        "distance along the camera's axis in meters, as Blender's Depth pass (Z)", "depth", infinite_from=1e9
    ),
    "centimetres": Convention(
        "distance along the camera's axis in centimeters, as Unreal's SceneDepth (from 655 m on it is sky)",
        "depth",
        0.01,
        infinite_from=65500,
    ),
    "millimetres": Convention(
        "whole millimeters along the camera's axis, 0 = unknown, as depth cameras write 16-bit PNG",
        "depth",
        0.001,
        unknown_zero=True,
    ),
    "ray metres": Convention("distance along the ray of each pixel in meters", "depth", ray=True, infinite_from=1e9),
    "ray centimetres": Convention("distance along the ray of each pixel in centimeters", "depth", 0.01, True),
    "disparity": Convention("near is bright or large, as most depth videos", "disparity"),
    "inverted": Convention("near is dark, as a Mist pass", "inverted"),
}


@dataclass(frozen=True)
class ImageFormat:
    """A format that depth images are kept in.

    size: height and width of a file. prepare: the channel to read of all files, and warnings. read: one file (H, W)
    float32, given the channel and whether whole numbers become shares of the largest.
    """

    size: Callable[[Path], tuple[int, int]]
    prepare: Callable[[Sequence[Path], str | None], tuple[str | None, list[str]]]
    read: Callable[[Path, str | None, bool], np.ndarray]


def _prepare_png(paths: Sequence[Path], channel: str | None) -> tuple[str | None, list[str]]:
    coarse = any((png_bits(path) or 0) <= COARSE_BITS for path in paths)
    said = "The depth images have 8 bits, 256 steps from near to far: 16 bits or EXR are smoother."
    return None, [said] if coarse else []


FORMATS = {
    ".exr": ImageFormat(
        exr_size,
        choose_channel,
        lambda path, channel, as_shares: read_exr(path, channel or ""),
    ),
    ".png": ImageFormat(png_size, _prepare_png, lambda path, channel, as_shares: read_png(path, as_shares)),
}
ENDINGS = tuple(FORMATS)


@dataclass(frozen=True)
class DepthFiles:
    """Files of one clip; iterating gives frames (H, W) float32 of `kind`: depth in meters, or numbers as they are
    (whole numbers of a PNG as 0..1). warnings: sentences about the files."""

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
        """Return the frames from `start` up to but without `stop`."""
        return replace(self, paths=self.paths[start:stop])

    def frame(self, number: int) -> np.ndarray:
        """Read one frame (H, W). Raises UserError, naming the file, where it is cut short or damaged."""
        path = self.paths[number]
        raw = FORMATS[path.suffix.lower()].read(path, self.channel, self.kind != "depth")
        if raw.shape != (self.height, self.width):
            raise UserError(f"'{path.name}' has another size than when the clip was opened: write the frames again")
        return self.convention.to_depth(raw, self.intrinsics)


def open_depth(
    source: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    convention: str,
    channel: str | None = None,
    intrinsics: Sequence[float] | np.ndarray | None = None,
) -> DepthFiles:
    """Open a folder of EXR or PNG files, one file, or a list of files in order, checked before anything is decoded.

    channel: of an EXR image (None: the one that looks like depth). intrinsics: fx fy cx cy by width and height, for
    distances along rays. Raises UserError for an unknown convention, missing numbers in a sequence, other sizes, files
    that are neither EXR nor PNG or end before their time, and an EXR image without such a channel.
    """
    if convention not in CONVENTIONS:
        known = "; ".join(f"{name}: {one.description}" for name, one in CONVENTIONS.items())
        raise UserError(f"the depth convention '{convention}' is unknown. Known are {known}")
    meaning = CONVENTIONS[convention]
    lens = _check_lens(intrinsics) if meaning.ray else None
    paths = _list_files(source)
    height, width = _check_sizes(paths)
    channel, warnings = FORMATS[paths[0].suffix.lower()].prepare(paths, channel)
    return DepthFiles(tuple(paths), meaning, height, width, channel, lens, tuple(warnings))


def ray_to_planar(distance: np.ndarray, intrinsics: np.ndarray) -> np.ndarray:
    """Return distance along rays (..., H, W) as depth along the camera's axis, for fx fy cx cy by width and height."""
    height, width = distance.shape[-2:]
    fx, fy, cx, cy = intrinsics
    x = ((np.arange(width) + 0.5) / width - cx) / fx
    y = ((np.arange(height) + 0.5) / height - cy) / fy
    planar: np.ndarray = (distance / np.sqrt(1 + x[None] ** 2 + y[:, None] ** 2)).astype(np.float32)
    return planar


def _check_lens(intrinsics: Sequence[float] | np.ndarray | None) -> np.ndarray:
    lens = np.asarray(intrinsics if intrinsics is not None else [], np.float64)
    if lens.shape != (4,) or not np.isfinite(lens).all() or (lens[:2] <= 0).any():
        raise UserError("distances along rays need the lens: give fx fy cx cy, by the image's width and height")
    return lens


def _check_sizes(paths: Sequence[Path]) -> tuple[int, int]:
    """Return height and width of all files. Raises UserError for files that are too large or differ."""
    for path in paths:
        if path.stat().st_size > MOST_BYTES:
            raise UserError(
                f"'{path.name}' has {path.stat().st_size / 1e9:.1f} GB, too much for a depth frame: at most"
                f" {MOST_BYTES / 1e9:.1f} GB are read. Give one file for each frame"
            )
    sizes = [FORMATS[path.suffix.lower()].size(path) for path in paths]
    for path, size in zip(paths, sizes, strict=True):
        if size != sizes[0]:
            raise UserError(
                f"'{path.name}' is {size[1]}x{size[0]}, '{paths[0].name}' {sizes[0][1]}x{sizes[0][0]}:"
                " all must be alike"
            )
    return sizes[0]


def _list_files(source: str | os.PathLike[str] | Sequence[str | os.PathLike[str]]) -> list[Path]:
    if not isinstance(source, (str, os.PathLike)):
        paths = [existing(path, "depth image") for path in source]
    elif Path(source).expanduser().is_dir():
        files = [p for p in Path(source).expanduser().iterdir() if p.suffix.lower() in ENDINGS and p.is_file()]
        if len({p.suffix.lower() for p in files}) > 1:
            raise UserError(f"the folder '{source}' holds EXR and PNG files: keep the depth of one clip by itself")
        paths = _sort_by_number(files)
    else:
        paths = [existing(source, "depth image")]
    if not paths:
        raise UserError(f"'{source}' holds no depth images: numbered {' or '.join(ENDINGS)} files were expected")
    for path in paths:
        if path.suffix.lower() not in ENDINGS:
            raise UserError(f"'{path.name}' is neither EXR nor PNG: depth is kept in {' or '.join(ENDINGS)}")
    return paths


def _sort_by_number(paths: list[Path]) -> list[Path]:
    """Return files by the last number of their names. Raises UserError where numbers are missing or occur twice."""
    digits = [re.findall(r"\d+", path.stem) for path in paths]
    if len(paths) < 2 or not all(digits):
        return sorted(paths)
    order = sorted(zip((int(groups[-1]) for groups in digits), paths, strict=True))
    numbers = [number for number, _ in order]
    for (before, first), (after, second) in zip(order, order[1:], strict=False):
        if before == after:
            raise UserError(f"'{first.name}' and '{second.name}' have the same number: keep one clip in a folder")
    steps = {after - before for before, after in zip(numbers, numbers[1:], strict=False)}
    if len(steps) > 1:
        missing = sorted(set(range(numbers[0], numbers[-1] + 1, min(steps))) - set(numbers))
        shown = ", ".join(map(str, missing[:5])) + (", ..." if len(missing) > 5 else "")
        raise UserError(f"the sequence '{order[0][1].name}' to '{order[-1][1].name}' lacks the frames {shown}")
    return [path for _, path in order]
