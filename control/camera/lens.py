"""The lens of a path for an image of other proportions."""

from __future__ import annotations

import numpy as np


def fit_lens(intrinsics: np.ndarray, width: int, height: int) -> np.ndarray:
    """Return intrinsics (F, 4) for an image of this size, to whose proportions the lens's own image is cropped.

    An image that is too high loses above and below (the horizontal field of view stays), one that is too wide at its
    sides, as CameraCtrl and core's Wan Fun nodes crop. Pixels are square.
    """
    fitted = intrinsics.copy()
    own_aspect = fitted[:, 1] / fitted[:, 0]  # width / height of the lens's image: pixels are square
    ratio = own_aspect / (width / height)
    # Focal lengths count in widths and heights: the side that is cut gets shorter, so its focal length grows.
    crop_x, crop_y = np.maximum(ratio, 1), np.maximum(1 / ratio, 1)
    fitted[:, 0] *= crop_x
    fitted[:, 1] *= crop_y
    fitted[:, 2] = 0.5 + (fitted[:, 2] - 0.5) * crop_x
    fitted[:, 3] = 0.5 + (fitted[:, 3] - 0.5) * crop_y
    return fitted
