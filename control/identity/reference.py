"""Reference images cut from larger ones: found by a mask, framed, background kept or replaced by gray."""

from __future__ import annotations

import numpy as np

from ..errors import UserError
from ..images import resize
from .mask_input import fitted_mask
from .slots import GRAY, Identity, reference_image


def crop_reference(
    image: np.ndarray,
    mask: np.ndarray | None = None,
    keep_background: bool = False,
    height: int = 384,
    width: int = 672,
    margin: float = 0.06,
) -> tuple[np.ndarray, np.ndarray]:
    """Cut out what `mask` shows in `image` (H, W, 3 or 4): an image (height, width, 3) with it centered, and its mask.

    Without a mask, the alpha channel is it, and without that all of the image. The subject fills a centered square with
    a `margin` (a share of its side), as references in training do. keep_background: what surrounds it in the image is
    shown as far as it goes; otherwise it is gray 0.5, as is everything beyond the image. The mask is (height, width);
    both are float32 0..1. Raises UserError as `Identity` does.
    """
    if not (isinstance(margin, (int, float)) and 0 <= margin < 0.5):
        raise UserError(f"the margin is {margin}; a share from 0 to below 0.5 was expected")
    if min(height, width) < 1:
        raise UserError(f"a reference of {height}x{width} was asked for; sides of at least 1 were expected")
    image = np.asarray(image, np.float32)
    if mask is not None:
        mask = fitted_mask(mask, *image.shape[:2], "the mask of the reference", "its image")
    identity = Identity("reference", (image,), mask=mask)
    reference = identity.images[0]
    # The mask by itself is white laid on gray: from there to white is 0 to 1.
    one = Identity("reference", (np.ones_like(reference),), mask=identity.mask)
    placed = np.clip((reference_image(one, height, width, margin=margin)[..., 0] - GRAY) / (1 - GRAY), 0, 1)
    if not keep_background or identity.mask is None:
        return reference_image(identity, height, width, margin=margin), placed
    inside = identity.mask > 0.5
    rows, columns = np.flatnonzero(inside.any(1)), np.flatnonzero(inside.any(0))
    size = rows[-1] + 1 - rows[0], columns[-1] + 1 - columns[0]
    scale = (1 - 2 * margin) * min(height, width) / max(size)
    # As much of the image as the new one shows: whole pixels of it, of which the outermost are cut.
    result = np.full((height, width, 3), GRAY, np.float32)
    spans, places = [], []
    for first, length, new, full in (
        (rows[0], size[0], height, reference.shape[0]),
        (columns[0], size[1], width, reference.shape[1]),
    ):
        middle, reach = first + length / 2, new / 2 / scale
        low, high = max(0, int(np.floor(middle - reach))), min(full, int(np.ceil(middle + reach)))
        spans.append((low, high))
        places.append(round(new / 2 + (low - middle) * scale))
    part = reference[slice(*spans[0]), slice(*spans[1])]
    fitted = resize(part, *(max(1, round(side * scale)) for side in part.shape[:2]))
    fitted = fitted[max(0, -places[0]) :, max(0, -places[1]) :]
    top, left = max(0, places[0]), max(0, places[1])
    fitted = fitted[: height - top, : width - left]
    result[top : top + fitted.shape[0], left : left + fitted.shape[1]] = fitted
    return np.clip(result, 0, 1), placed
