"""Who is in the video, how they look and where they stand.

An identity takes the slot of its place in the list: the first is slot 0, the second slot 1, and so on.
Shapes: F frames, H height, W width.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import UserError
from ..images import resize
from ..strength import check_strength

# As many slots as the FullDiT checkpoints were trained with, as the painters have outputs, and as there are colors.
SLOTS = 3
# As many as Conditions carries: what the public model takes that takes the most. Each model refuses what is too much
# for it (`models/encode.py`).
MOST_IDENTITIES = 8
# What an identity is called that nobody has named: by the command line and by the node.
DEFAULT_NAMES = ("identity", "object")
# Slot k is painted in row k of the identity map: red, green, blue. No two share a channel, so soft edges stay readable.
SLOT_COLORS = np.eye(SLOTS, dtype=np.float32)
GRAY = 0.5


@dataclass(frozen=True, eq=False)
class Identity:
    """One person or object.

    name: the one in warnings and errors.
    images: one or more reference images (H, W, 3), 0..1. A fourth channel (alpha) of the first becomes the mask
        where none is given; the others keep theirs, since what they are laid on is the model's to say (`lay_on`).
    mask: (H, W) of the first image: 1 on the identity, 0 elsewhere; None = the whole image.
    mask_video: (F, H, W): where the identity is in each frame; None = anywhere.
    strength: weight of its conditions, 0..5. start, end: the part of sampling in which they hold, 0..1.
    Raises UserError for no image, other shapes, NaN, values outside 0..1, an empty mask.
    """

    name: str
    images: tuple[np.ndarray, ...]
    mask: np.ndarray | None = None
    mask_video: np.ndarray | None = None
    strength: float = 1.0
    start: float = 0.0
    end: float = 1.0

    def __post_init__(self) -> None:
        provided = self.images if isinstance(self.images, (tuple, list)) else (self.images,)
        if not provided or any(image is None for image in provided):
            raise UserError(f"identity '{self.name}' has no image: give at least one reference image")
        images: list[np.ndarray] = [np.asarray(image, np.float32) for image in provided]
        mask = self.mask
        for number, image in enumerate(images):
            what = f"image {number + 1} of identity '{self.name}'"
            if image.ndim != 3 or image.shape[2] not in (3, 4) or min(image.shape[:2]) < 1:
                raise UserError(f"{what} has shape {image.shape}; (height, width, 3) was expected")
            check_range(image, what)
            if image.shape[2] == 4 and number == 0 and mask is None:
                mask = image[..., 3]
            images[number] = image[..., :3] if number == 0 else image
        if mask is not None:
            mask = np.asarray(mask, np.float32)
            check_range(mask, f"the mask of identity '{self.name}'")
            if mask.shape != images[0].shape[:2]:
                raise UserError(
                    f"the mask of identity '{self.name}' has shape {mask.shape} but its image is"
                    f" {images[0].shape[:2]}: both must have the same height and width"
                )
            if not mask.max() > 0.5:
                raise UserError(f"the mask of identity '{self.name}' is empty: paint the identity white")
        masks = self.mask_video
        if masks is not None:
            masks = np.asarray(masks, np.float32)
            if masks.ndim != 3 or min(masks.shape) < 1:
                raise UserError(
                    f"the track of identity '{self.name}' has shape {masks.shape}; (frames, height, width) was expected"
                )
            check_range(masks, f"the track of identity '{self.name}'")
        check_strength(self.strength, self.start, self.end, f"identity '{self.name}'")
        for field, value in (("images", tuple(images)), ("mask", mask), ("mask_video", masks)):
            object.__setattr__(self, field, value)


def check_range(values: np.ndarray, what: str, beyond: float = 1e-3) -> None:
    """Raise UserError unless all values are finite and within 0..1, or beyond it by no more than `beyond`."""
    if not np.isfinite(values).all():
        raise UserError(f"{what} holds NaN or infinity: numbers between 0 and 1 were expected")
    if values.size and (values.min() < -beyond or values.max() > 1 + beyond):
        raise UserError(
            f"{what} holds values from {values.min():.4g} to {values.max():.4g}: numbers between 0 and 1 were expected"
            " (divide 8-bit images by 255)"
        )


def lay_on(image: np.ndarray, shade: float) -> np.ndarray:
    """Return an image (H, W, 3 or 4) as (H, W, 3): where its alpha is 0 there is the shade."""
    if image.shape[2] == 3:
        return image
    laid: np.ndarray = image[..., :3] * image[..., 3:] + shade * (1 - image[..., 3:])
    return laid


def identity_map(identities: Sequence[Identity], frames: int, height: int, width: int) -> np.ndarray:
    """Return where the identities are as an image (F, H, W, 3), slot k in SLOT_COLORS[k] on black, soft edges kept.

    Where mask videos overlap, the later slot is in front. An identity without one paints nothing. Those of another size
    are resized. Raises UserError for one of another length, and for more identities than colors.
    """
    if len(identities) > len(SLOT_COLORS):
        raise UserError(
            f"{len(identities)} identities were given, but there are {len(SLOT_COLORS)} slots: leave some out"
        )
    for identity in identities:
        if identity.mask_video is not None and len(identity.mask_video) != frames:
            raise UserError(
                f"the track of identity '{identity.name}' has {len(identity.mask_video)} frames, the video {frames}:"
                f" give one mask per frame"
            )
    return slot_map([identity.mask_video for identity in identities], frames, height, width)


def slot_map(tracks: Sequence[np.ndarray | None], frames: int, height: int, width: int) -> np.ndarray:
    """The image of tracks (frames, h, w) in their slots' colors, as `identity_map` has it: (frames, H, W, 3).

    The first track is slot 0's; None paints nothing.
    """
    image = np.zeros((frames, height, width, 3), np.float32)
    for slot, track in enumerate(tracks):
        if track is None:
            continue
        for frame, mask in zip(image, track, strict=True):
            cover = np.clip(resize(mask, height, width), 0, 1)[..., None]
            frame *= 1 - cover
            frame += SLOT_COLORS[slot] * cover
    return image


def reference_image(identity: Identity, height: int, width: int, index: int = 0, margin: float = 0.06) -> np.ndarray:
    """The identity alone, as the network sees it: (height, width, 3) on gray 0.5.

    The image is cut out by its mask, cropped to what the mask covers, scaled to fit a centered square with a `margin`
    (a share of its side; references in training are framed so). Without a mask the whole image is fitted in. `index`
    chooses among several images; only the first has a mask.
    """
    image = lay_on(identity.images[index], GRAY)
    if index == 0 and identity.mask is not None:
        cover = np.clip(identity.mask, 0, 1)
        rows, columns = np.flatnonzero((cover > 0.5).any(1)), np.flatnonzero((cover > 0.5).any(0))
        box = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
        image, cover = image[box], cover[box]
        scale = (1 - 2 * margin) * min(height, width) / max(image.shape[:2])
    else:
        cover = np.ones(image.shape[:2], np.float32)
        scale = min(height / image.shape[0], width / image.shape[1])
    new = [max(1, round(side * scale)) for side in image.shape[:2]]
    # Colors are weighted by the mask while resizing, so that the old background does not bleed into the edge.
    cover = cover[..., None]
    small = resize(cover, *new)
    color = resize(image * cover, *new) / np.maximum(small, 1e-6)
    result = np.full((height, width, 3), GRAY, np.float32)
    top, left = (height - new[0]) // 2, (width - new[1]) // 2
    inside = result[top : top + new[0], left : left + new[1]]
    inside[:] = GRAY * (1 - small) + np.clip(color, 0, 1) * small
    return result
