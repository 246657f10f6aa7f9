"""Reference images cropped from the images and masks of their sockets."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...control.errors import UserError
from ...control.identity.mask_input import inverted_mask_warning, parse_frame_numbers
from ...control.identity.reference import crop_reference
from .arrays import to_images, to_masks
from .types import ImageTensor, MaskTensor


def crop_references(
    image: ImageTensor,
    mask: MaskTensor | None,
    frames: str,
    *,
    invert_mask: bool,
    keep_background: bool,
    height: int,
    width: int,
    margin: float,
) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Return references (N, height, width, 3) with what the masks show in their center, its masks (N, height, width),
    and warnings.

    frames: the images to take, such as "0, 8"; all if empty. mask: one for each image, or for each that is taken.
    Raises UserError for another number of masks, and as `crop_reference` does.
    """
    chosen = parse_frame_numbers(frames, len(image)) or list(range(len(image)))
    images = to_images(image[chosen], "the image", max_channels=4)
    masks: Sequence[np.ndarray | None] = [None] * len(images)
    if mask is not None:
        taken = to_masks(mask[chosen] if len(mask) == len(image) else mask, "the mask of the reference")
        if len(taken) != len(images):
            raise UserError(f"{len(taken)} masks came with {len(images)} images: connect one mask for each reference.")
        masks = list(1 - taken if invert_mask else taken)
    references, placed_masks = zip(
        *(
            crop_reference(reference, own_mask, keep_background, height, width, margin)
            for reference, own_mask in zip(images, masks, strict=True)
        ),
        strict=True,
    )
    warnings = [said for own_mask in masks for said in inverted_mask_warning(own_mask, "the mask")]
    return np.stack(references), np.stack(placed_masks), list(dict.fromkeys(warnings))
