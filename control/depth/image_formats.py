"""The formats of images that depth is kept in, one file a frame: EXR, PNG, PGM and PFM."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .colormaps import decode, recognize
from .exr import exr_size, read_exr
from .exr_channels import choose_channel
from .netpbm import netpbm_bits, netpbm_size, read_netpbm
from .png import png_bits, png_size, read_png, to_gray_png

# 8 bits and fewer are coarse.
COARSE_BITS = 8
LOOKED_AT = 4  # files of a clip, to know its colors
COARSE = "The depth images have 8 bits, 256 steps from near to far: 16 bits or EXR are smoother."


@dataclass(frozen=True)
class OpenedImages:
    """Images of one clip. read: one file as (H, W) float32. channel: that of EXR images. warnings: sentences."""

    read: Callable[[Path], np.ndarray]
    channel: str | None = None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class ImageFormat:
    """A format that depth images are kept in.

    size: height and width of a file. open: the files of a clip, given the channel to read (None: the one that looks
    like depth) and the kind of their numbers, which decides whether whole numbers become shares of the largest.
    """

    size: Callable[[Path], tuple[int, int]]
    open: Callable[[Sequence[Path], str | None, str], OpenedImages]


def _open_exr(paths: Sequence[Path], channel: str | None, kind: str) -> OpenedImages:
    chosen, warnings = choose_channel(paths, channel)
    return OpenedImages(lambda path: read_exr(path, chosen), chosen, tuple(warnings))


def _open_png(paths: Sequence[Path], channel: str | None, kind: str) -> OpenedImages:
    warnings = [COARSE] if any((png_bits(path) or 0) <= COARSE_BITS for path in paths) else []
    some = [_shares(read_png(path)) for path in paths[:: max(1, len(paths) // LOOKED_AT)]]
    in_color = [image for image in some if image.ndim == 3]
    colormap, said = recognize(in_color, kind, f"'{paths[0].name}'") if in_color else (None, [])
    if colormap is not None:
        return OpenedImages(lambda path: decode(_as_color(_shares(read_png(path))), colormap), None, (*said, *warnings))

    def read(path: Path) -> np.ndarray:
        image = to_gray_png(read_png(path), path)
        return image.astype(np.float32) if kind == "depth" else _shares(image)

    return OpenedImages(read, None, tuple(warnings))


def _open_netpbm(paths: Sequence[Path], channel: str | None, kind: str) -> OpenedImages:
    coarse = any(0 < netpbm_bits(path) <= COARSE_BITS for path in paths)
    return OpenedImages(lambda path: read_netpbm(path, kind != "depth"), None, (COARSE,) if coarse else ())


def _shares(image: np.ndarray) -> np.ndarray:
    """Return whole numbers as shares of their type's largest."""
    return image.astype(np.float32) / np.float32(np.iinfo(image.dtype).max)


def _as_color(image: np.ndarray) -> np.ndarray:
    return image if image.ndim == 3 else np.repeat(image[..., None], 3, -1)


FORMATS = {
    ".exr": ImageFormat(exr_size, _open_exr),
    ".png": ImageFormat(png_size, _open_png),
    ".pgm": ImageFormat(netpbm_size, _open_netpbm),
    ".pfm": ImageFormat(netpbm_size, _open_netpbm),
}
ENDINGS = tuple(FORMATS)
