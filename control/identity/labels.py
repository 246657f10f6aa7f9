"""What labels are: numbers or flat colors, one for each object, and the object that is chosen behind a file's name.

Annotators write labels: a palette (DAVIS, VOC), small gray numbers (0 and 1, or one for each object), a few gray
levels, or flat colors, which lossy files blur. One object of several is chosen behind the file's name:
'masks.png#2', 'masks.png#ff0000'.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import UserError

# Numbers up to these are labels, whatever else there is but white: as masks they would be black.
MOST_LABEL = {8: 31, 16: 255}
MOST_LEVELS = 8  # gray levels below white that are objects; more are a soft mask
MOST_OBJECTS = 32  # an image of more colors is a picture
VOID = 255  # the number of the pixels that an annotator left open
# Lossy colors: so far from one of a few (the channels' differences together, 0 to 765) they are still the same.
NEAR = 60
LEAST_SHARE, LEAST_COVERED = 0.002, 0.97
BLEND_SHARE = 0.4  # of the rarer of two colors: what lies between them is seen less often than that
_STEP = 16  # of the coarse colors that are counted
_CHOICE = re.compile(r"(.+)#(\d{1,5}|[0-9a-f]{6})", re.IGNORECASE)


def split_choice(path: str | os.PathLike[str]) -> tuple[Path, str | None]:
    """Return the file of a name such as 'masks.png#2', and the object that it chooses; None where it chooses none."""
    text = os.path.expanduser(os.fspath(path))
    found = None if os.path.exists(text) else _CHOICE.fullmatch(text)
    return (Path(found[1]), found[2].lower()) if found else (Path(text), None)


def refuse_choice(name: str, choice: str | None) -> None:
    """Raise UserError where an object is chosen in a file without labels."""
    if choice is not None:
        raise UserError(f"'{name}' holds no labels, so there is no object '{choice}' in it: leave '#{choice}' out")


def choose(objects: Collection[str], name: str, choice: str | None) -> str:
    """Return the one of the objects that is meant.

    Raises UserError, calling the file `name`, where there are several and none is chosen, or another one is.
    """
    known = sorted(objects, key=lambda key: (len(key), key))
    shown = ", ".join(known[:MOST_OBJECTS]) + (", ..." if len(known) > MOST_OBJECTS else "")
    if choice is None and len(known) > 1:
        raise UserError(
            f"'{name}' shows {len(known)} objects ({shown}): choose one behind its name,"
            f" as '{Path(name).name}#{known[0]}'"
        )
    if choice is not None and choice not in objects:
        raise UserError(f"'{name}' shows no object '{choice}': choose one of {shown}")
    return choice or known[0]


def numbered_objects(numbers: Iterable[int], bits: int | None) -> dict[str, int] | None:
    """Return the objects by name that gray numbers stand for; None where they are a mask in white.

    numbers: all that there are. bits: of a pixel, whose largest number is white; None: no number is white.
    """
    present = sorted({int(number) for number in numbers} - {0})
    if not present:
        return None
    if bits is None:
        small, others = present, set()
    else:
        small = [number for number in present if number <= MOST_LABEL[bits]]
        others = set(present) - set(small)
    if small and others <= {VOID}:
        chosen = [number for number in small if number != VOID] or small
    elif bits is not None and (present[-1] == 2**bits - 1 or len(present) > MOST_LEVELS):
        return None
    else:
        chosen = present
    return {str(number): number for number in chosen}


@dataclass(frozen=True, eq=False)
class FlatColors:
    """A few colors that nearly all pixels of a clip are near. colors: (K, 3), 0..255. objects: places by name."""

    colors: np.ndarray
    objects: Mapping[str, int]

    def codes(self, image: np.ndarray) -> np.ndarray:
        """Return the place of each pixel's nearest color, of an image (H, W, 3) of 0..1."""
        pixels = (image[..., :3] * 255).reshape(-1, 3)
        distances = np.stack([np.abs(pixels - color).sum(1) for color in self.colors], 1)
        codes: np.ndarray = distances.argmin(1).reshape(image.shape[:2])
        return codes

    def name_of(self, choice: str | None) -> str | None:
        """Return the object whose color is near a chosen one; the choice itself where none is."""
        if choice is None or choice in self.objects or len(choice) != 6:
            return choice
        color = np.array(list(bytes.fromhex(choice)), float)
        near = {name: np.abs(self.colors[place] - color).sum() for name, place in self.objects.items()}
        best = min(near, key=lambda name: float(near[name]), default=choice)
        return best if near and near[best] <= NEAR else choice


def _is_blend(color: np.ndarray, count: int, larger: Sequence[tuple[np.ndarray, int]]) -> bool:
    """Whether a color is what lossy formats make between two others along their edge: rarer, and on the way."""
    for number, (one, often) in enumerate(larger):
        for other, seldom in larger[:number]:
            way = other - one
            place = float(np.clip((color - one) @ way / (way @ way), 0, 1))
            if np.abs(one + place * way - color).sum() <= 1.5 * NEAR and count < BLEND_SHARE * min(often, seldom):
                return True
    return False


class ColorCounter:
    """Counts coarse colors of many images, to find out whether they are a few flat ones."""

    def __init__(self) -> None:
        self.counts: Counter[int] = Counter()
        self.sums: dict[int, np.ndarray] = {}

    def add(self, pixels: np.ndarray) -> None:
        """Count pixels (N, 3), 0..255."""
        coarse = (pixels // _STEP).astype(np.int64) @ np.array([256, 16, 1])
        found, where, counts = np.unique(coarse, return_inverse=True, return_counts=True)
        for channel in range(3):
            total = np.bincount(where.ravel(), pixels[:, channel], len(found))
            for code, value in zip(found.tolist(), total.tolist(), strict=True):
                self.sums.setdefault(code, np.zeros(3))[channel] += value
        for code, count in zip(found.tolist(), counts.tolist(), strict=True):
            self.counts[code] += count

    def flat_colors(self) -> FlatColors | None:
        """Return the few colors that there are; None for a picture, for soft edges, and for white on black."""
        total = sum(self.counts.values())
        centers: list[tuple[np.ndarray, int]] = []
        for code, count in self.counts.most_common():
            mean = self.sums[code] / count
            near = next((at for at, (color, _) in enumerate(centers) if np.abs(color - mean).sum() <= NEAR), None)
            if near is None:
                centers.append((mean, count))
            else:
                color, have = centers[near]
                centers[near] = ((color * have + mean * count) / (have + count), have + count)
            if len(centers) > 8 * MOST_OBJECTS:
                return None
        listed = sorted((entry for entry in centers if entry[1] >= LEAST_SHARE * total), key=lambda entry: -entry[1])
        covered = sum(count for _, count in listed)
        kept: list[tuple[np.ndarray, int]] = []
        for color, count in listed:
            if not _is_blend(color, count, kept):
                kept.append((color, count))
        if not 2 <= len(kept) <= MOST_OBJECTS + 1 or covered < LEAST_COVERED * total:
            return None
        colors = np.array([color for color, _ in kept])
        is_gray = bool((np.ptp(colors, axis=1) < NEAR / 2).all())
        if is_gray and (colors.max() > 255 - NEAR / 3 or len(kept) > MOST_LEVELS):
            return None
        dark = int(colors.sum(1).argmin())
        background = dark if colors[dark].sum() <= NEAR else 0  # else what there is most of
        names = {self._name(color, is_gray): place for place, color in enumerate(colors) if place != background}
        return FlatColors(colors, names)

    @staticmethod
    def _name(color: np.ndarray, is_gray: bool) -> str:
        rounded = [int(value) for value in np.round(color)]
        return str(rounded[0]) if is_gray else "".join(f"{value:02x}" for value in rounded)
