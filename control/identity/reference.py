"""Reference images cut from larger ones: cropped by a mask, framed, background kept or replaced by gray."""

from __future__ import annotations

import numpy as np

from ..errors import UserError
from ..images import resize
from .mask_input import fit_mask
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
        mask = fit_mask(mask, image.shape[0], image.shape[1], "the mask of the reference", "its image")
    identity = Identity("reference", (image,), mask=mask)
    reference = identity.images[0]
    # The mask by itself is white laid on gray: from there to white is 0 to 1.
    white = Identity("reference", (np.ones_like(reference),), mask=identity.mask)
    cropped_mask = np.clip((reference_image(white, height, width, margin=margin)[..., 0] - GRAY) / (1 - GRAY), 0, 1)
    if not keep_background or identity.mask is None:
        return reference_image(identity, height, width, margin=margin), cropped_mask
    return _with_background(reference, identity.mask > 0.5, height, width, margin), cropped_mask


def _with_background(image: np.ndarray, inside: np.ndarray, height: int, width: int, margin: float) -> np.ndarray:
    """Return the crop (height, width, 3) of an image (H, W, 3) about the subject (inside: (H, W) bool), gray beyond."""
    rows, columns = np.flatnonzero(inside.any(1)), np.flatnonzero(inside.any(0))
    size = int(rows[-1]) + 1 - int(rows[0]), int(columns[-1]) + 1 - int(columns[0])
    scale = (1 - 2 * margin) * min(height, width) / max(size)
    down, top = _visible_span(int(rows[0]), size[0], height, image.shape[0], scale)
    across, left = _visible_span(int(columns[0]), size[1], width, image.shape[1], scale)
    visible = image[down, across]
    fitted = resize(visible, *(max(1, round(side * scale)) for side in visible.shape[:2]))
    fitted = fitted[max(0, -top) :, max(0, -left) :]
    top, left = max(0, top), max(0, left)
    fitted = fitted[: height - top, : width - left]
    result = np.full((height, width, 3), GRAY, np.float32)
    result[top : top + fitted.shape[0], left : left + fitted.shape[1]] = fitted
    return np.clip(result, 0, 1)


def _visible_span(first: int, length: int, new: int, full: int, scale: float) -> tuple[slice, int]:
    """Return which pixels of one axis the crop shows, and where in the crop the first of them begins.

    first, length: of the subject; new: the crop's side; full: the image's side. Whole pixels are taken, of which the
    outermost are cut afterwards.
    """
    middle, radius = first + length / 2, new / 2 / scale
    low, high = max(0, int(np.floor(middle - radius))), min(full, int(np.ceil(middle + radius)))
    return slice(low, high), round(new / 2 + (low - middle) * scale)
