"""Masks in image files: white on black, an alpha channel, or labels, where each object has a number or a color.

Annotators write labels: a palette (DAVIS, VOC), small gray numbers (0 and 1, or one for each object), or flat colors.
One object of several is chosen behind the file's name: 'masks.png#2', 'masks.png#ff0000'.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import UserError
from ..image_header import png_palette
from ..media import decode_image, read_image, to_gray

# Gray images with no number above these are labels: as masks they would be black.
MOST_LABEL = {np.dtype(np.uint8): 31, np.dtype(np.uint16): 255}
MOST_OBJECTS = 32  # an image of more colors is a picture
VOID = "255"  # the number of the pixels that an annotator left open
_CHOICE = re.compile(r"(.+)#(\d{1,5}|[0-9a-f]{6})", re.IGNORECASE)


@dataclass(frozen=True, eq=False)
class LabelImage:
    """An image of labels: codes (H, W) and the code of each object, by its name: a number, or a color as 'ff0000'."""

    codes: np.ndarray
    objects: dict[str, int]


def split_choice(path: str | os.PathLike[str]) -> tuple[Path, str | None]:
    """Return the file of a name such as 'masks.png#2', and the object that it chooses; None where it chooses none."""
    text = os.path.expanduser(os.fspath(path))
    found = None if os.path.exists(text) else _CHOICE.fullmatch(text)
    return (Path(found[1]), found[2].lower()) if found else (Path(text), None)


def read_labels(path: Path) -> LabelImage | None:
    """Return the labels in an image file; None where it is a picture or a mask in white. Raises as `read_image`."""
    pixels = decode_image(path)
    if pixels.ndim == 3 and pixels.shape[2] == 4:
        if np.ptp(pixels[..., 3]):
            return None  # cut out by its alpha channel
        pixels = pixels[..., :3]
    if pixels.dtype not in MOST_LABEL:
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
    if gray.max() > MOST_LABEL[gray.dtype]:
        return None
    codes = gray.astype(np.int32)
    return LabelImage(codes, {str(value): int(value) for value in np.unique(codes) if value})


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
    names = {code: str(palette.index(code)) if palette else f"{code:06x}" for code in present}
    return LabelImage(codes, {name: code for code, name in names.items() if code != background and name != VOID})


@dataclass(frozen=True, eq=False)
class MaskImages:
    """The masks (H, W), 0..1, of image files; what they are was told by all of them together.

    means: 'white', 'alpha', or the name of an object in label images.
    """

    paths: tuple[Path, ...]
    means: str

    def __len__(self) -> int:
        return len(self.paths)

    def __iter__(self) -> Iterator[np.ndarray]:
        for path in self.paths:
            yield self._read(path)

    def _read(self, path: Path) -> np.ndarray:
        if self.means in ("white", "alpha"):
            image = read_image(path)
            mask: np.ndarray = image[..., 3] if self.means == "alpha" and image.shape[2] == 4 else to_gray(image)
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
        return MaskImages(tuple(paths), _chosen(objects, name, choice))
    if choice is not None:
        raise UserError(f"'{name}' holds no labels, so there is no object '{choice}' in it: leave '#{choice}' out")
    alpha = any(image.shape[2] == 4 and image[..., 3].min() < 1 for image in map(read_image, paths))
    return MaskImages(tuple(paths), "alpha" if alpha else "white")


def _chosen(objects: set[str], name: str, choice: str | None) -> str:
    known = sorted(objects, key=lambda key: (len(key), key))
    shown = ", ".join(known[:MOST_OBJECTS])
    if choice is None and len(known) > 1:
        raise UserError(
            f"'{name}' shows {len(known)} objects ({shown}): choose one behind its name,"
            f" as '{Path(name).name}#{known[0]}'"
        )
    if choice is not None and choice not in objects:
        raise UserError(f"'{name}' shows no object '{choice}': choose one of {shown}")
    return choice or known[0]


def read_mask_image(path: str | os.PathLike[str]) -> np.ndarray:
    """Return a mask (H, W), float32 0..1, white = 1, of an image file; of labels, the object behind its name.

    Raises UserError as `open_mask_images` and `read_image` do.
    """
    file, choice = split_choice(path)
    return next(iter(open_mask_images([file], str(file), choice)))
