"""Masks in image files: white on black, an alpha channel, or labels (labels.py) as palettes, numbers or colors."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..image_header import png_palette
from ..media import decode_image, read_image, to_gray
from .labels import (
    MOST_LABEL,
    MOST_OBJECTS,
    VOID,
    ColorCounter,
    FlatColors,
    choose,
    numbered_objects,
    refuse_choice,
    split_choice,
)

SAMPLE = 20_000  # pixels of each image in lossy colors that are counted


@dataclass(frozen=True, eq=False)
class LabelImage:
    """An image of labels: codes (H, W) and the code of each object, by its name: a number, or a color as 'ff0000'."""

    codes: np.ndarray
    objects: dict[str, int]


def read_labels(path: Path) -> LabelImage | None:
    """Return the labels in an image file; None where it is a picture or a mask in white. Raises as `read_image`."""
    pixels = decode_image(path)
    if pixels.ndim == 3 and pixels.shape[2] == 4:
        if np.ptp(pixels[..., 3]):
            return None  # cut out by its alpha channel
        pixels = pixels[..., :3]
    if pixels.dtype not in (np.uint8, np.uint16):
        return None
    palette = png_palette(path)
    flat = pixels.ndim == 2 or not np.ptp(pixels, axis=2).any()
    if flat and not palette:
        return _numbered(pixels.reshape(*pixels.shape[:2], -1)[..., 0])
    if pixels.dtype != np.uint8:
        return None
    color = pixels.reshape(*pixels.shape[:2], -1).astype(np.int32)[..., [0] * 3 if pixels.ndim == 2 else [2, 1, 0]]
    return _colored(color @ np.array([65536, 256, 1]), palette)


def _numbered(gray: np.ndarray) -> LabelImage | None:
    codes = gray.astype(np.int32)
    values = np.unique(codes)
    if not values.any():
        return LabelImage(codes, {})
    if len(values) == 1 and values[0] > MOST_LABEL[8 * gray.dtype.itemsize]:
        return None  # one gray over the whole image is how strong the mask is
    objects = numbered_objects(values.tolist(), 8 * gray.dtype.itemsize)
    return None if objects is None else LabelImage(codes, objects)


def _colored(codes: np.ndarray, palette: Sequence[int] | None) -> LabelImage | None:
    """Return flat colors (H, W), 0xrrggbb, as labels: numbered by a palette, or named by their color."""
    present = [int(code) for code in np.unique(codes)]
    if len(present) > MOST_OBJECTS:
        return None
    white_on_black = 0xFFFFFF in present and all(len(set(code.to_bytes(3, "big"))) == 1 for code in present)
    if white_on_black:
        return None
    edge = np.concatenate([codes[0], codes[-1], codes[:, 0], codes[:, -1]])
    common = np.unique(edge, return_counts=True)
    # Black is the background; without it, the first of a palette, or what there is most of along the edge.
    background = 0 if 0 in present else palette[0] if palette else int(common[0][common[1].argmax()])
    # A damaged image may point beyond its palette: such a color has no number, as without one.
    names = {code: str(palette.index(code)) if palette and code in palette else f"{code:06x}" for code in present}
    return LabelImage(codes, {name: code for code, name in names.items() if code != background and name != str(VOID)})


@dataclass(frozen=True, eq=False)
class MaskImages:
    """The masks (H, W), 0..1, of image files; what they are was told by all of them together.

    means: 'white', 'alpha', or the name of an object. colors: of lossy label images, whose objects these are. faint:
    whether all alpha is so low that it counts as 0 and 1.
    """

    paths: tuple[Path, ...]
    means: str
    colors: FlatColors | None = None
    faint: bool = False

    def __len__(self) -> int:
        return len(self.paths)

    def __iter__(self) -> Iterator[np.ndarray]:
        for path in self.paths:
            yield self._read(path)

    def _read(self, path: Path) -> np.ndarray:
        if self.colors is not None:
            flat: np.ndarray = self.colors.codes(read_image(path)) == self.colors.objects[self.means]
            return flat.astype(np.float32)
        if self.means in ("white", "alpha"):
            image = read_image(path)
            mask: np.ndarray = image[..., 3] if self.means == "alpha" and image.shape[2] == 4 else to_gray(image)
            if self.faint:
                mask = (mask > 0).astype(np.float32)
            return mask
        labels = read_labels(path)
        if labels is None or self.means not in labels.objects:
            shape = labels.codes.shape if labels else read_image(path).shape[:2]
            return np.zeros(shape, np.float32)
        mask = (labels.codes == labels.objects[self.means]).astype(np.float32)
        return mask


def open_mask_images(paths: Sequence[Path], name: str, choice: str | None = None) -> MaskImages:
    """Return the masks in image files, which `name` stands for in errors. They are read once to tell what they are.

    choice: the object in label images. Raises UserError where they show several objects and none is chosen, for an
    object that is not in them, and for a choice where there are no labels.
    """
    labels = [read_labels(path) for path in paths]
    objects = {key for found in labels if found is not None for key in found.objects}
    if all(found is not None for found in labels) and objects:
        return MaskImages(tuple(paths), choose(objects, name, choice))
    alphas = [image[..., 3] for image in map(read_image, paths) if image.shape[2] == 4]
    alpha = any(values.min() < 1 for values in alphas)
    if alpha and max(values.max() for values in alphas) <= MOST_LABEL[8] / 255:
        refuse_choice(name, choice)
        return MaskImages(tuple(paths), "alpha", faint=True)
    colors = None if alpha else _lossy_colors(paths)
    if colors is not None:
        return MaskImages(tuple(paths), choose(colors.objects, name, colors.name_of(choice)), colors)
    refuse_choice(name, choice)
    return MaskImages(tuple(paths), "alpha" if alpha else "white")


def _lossy_colors(paths: Sequence[Path]) -> FlatColors | None:
    """Return the flat colors of images that a lossy format has blurred; None for pictures and masks in white."""
    counter = ColorCounter()
    for path in paths:
        pixels = read_image(path)[..., :3].reshape(-1, 3) * 255
        counter.add(pixels[:: max(1, len(pixels) // SAMPLE)])
    return counter.flat_colors()


def read_mask_image(path: str | os.PathLike[str]) -> np.ndarray:
    """Return a mask (H, W), float32 0..1, white = 1, of an image file; of labels, the object behind its name.

    Raises UserError as `open_mask_images` and `read_image` do.
    """
    file, choice = split_choice(path)
    return next(iter(open_mask_images([file], str(file), choice)))
