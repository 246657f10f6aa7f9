"""Depth sequences that a renderer, a depth camera or an estimator wrote: one file per frame, in a stated convention.

A file of depth does not say what its numbers mean, so the convention is asked for. Frames are read one at a time, and
as often as wanted, so `DepthFiles` is what `normalize_stream` opens.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ..errors import UserError
from ..files import existing, is_folder
from ..frame_order import find_frames, missing_frames, sort_frames
from .conventions import Convention, find_convention
from .image_formats import ENDINGS, FORMATS, OpenedImages

MOST_BYTES = 2**30  # of a file: eight thousand pixels square with several layers


@dataclass(frozen=True)
class DepthFiles:
    """Files of one clip; iterating gives frames (H, W) float32 of `kind`: depth in meters, or numbers as they are
    (whole numbers of a PNG or PGM as 0..1)."""

    paths: tuple[Path, ...]
    convention: Convention
    height: int
    width: int
    images: OpenedImages
    intrinsics: np.ndarray | None

    @property
    def channel(self) -> str | None:
        """The channel of EXR images that is read."""
        return self.images.channel

    @property
    def warnings(self) -> tuple[str, ...]:
        """Sentences about the files."""
        return self.images.warnings

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
        raw = self.images.read(path)
        if raw.shape != (self.height, self.width):
            raise UserError(f"'{path.name}' has another size than when the clip was opened: write the frames again")
        return self.convention.to_depth(raw, self.intrinsics)


def open_depth(
    source: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    convention: str,
    channel: str | None = None,
    intrinsics: Sequence[float] | np.ndarray | None = None,
    per_meter: float | None = None,
) -> DepthFiles:
    """Open a folder of EXR, PNG, PGM or PFM files, one file, or a list of files in order, checked before they are read.

    channel: of an EXR image (None: the one that looks like depth). intrinsics: fx fy cx cy by width and height, for
    distances along rays. per_meter: steps of the files' numbers per meter, where they differ from the convention's.
    Raises UserError for an unknown convention, missing numbers in a sequence, other sizes, files of other formats or
    that end before their time, and an EXR image without such a channel.
    """
    meaning = find_convention(convention)
    if per_meter is not None:
        meaning = meaning.with_scale(per_meter)
    lens = _check_lens(intrinsics) if meaning.ray else None
    paths = _list_files(source)
    height, width = _check_sizes(paths)
    images = FORMATS[paths[0].suffix.lower()].open(paths, channel, meaning.kind)
    return DepthFiles(tuple(paths), meaning, height, width, images, lens)


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
    elif is_folder(source):
        files = find_frames(source, ENDINGS)
        if len({p.suffix.lower() for p in files}) > 1:
            kinds = " and ".join(sorted({p.suffix[1:].upper() for p in files}))
            raise UserError(f"the folder '{source}' holds {kinds} files: keep the depth of one clip by itself")
        paths = sort_frames(files)
        missing = missing_frames(paths)
        if missing:
            raise UserError(f"the sequence '{paths[0].name}' to '{paths[-1].name}' lacks the frames {missing}")
    else:
        paths = [existing(source, "depth image")]
    if not paths:
        raise UserError(f"'{source}' holds no depth images: numbered {', '.join(ENDINGS)} files were expected")
    for path in paths:
        if path.suffix.lower() not in ENDINGS:
            raise UserError(f"'{path.name}' is neither EXR, PNG, PGM nor PFM: write depth as one of these")
    return paths
