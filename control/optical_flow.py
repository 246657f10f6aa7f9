"""Dense optical flow between two images, and whether it can be relied on: shared by masks and depth.

DIS (Kroeger et al., 'Fast Optical Flow using Dense Inverse Search', ECCV 2016) as OpenCV has it. A pixel that does not
come back near to where it began, when it goes along the flow and back, has been hidden or mistaken for another.
"""

from __future__ import annotations

import numpy as np

from .libraries import opencv

LEAST_SIDE = 16  # DIS cannot match in an image smaller than two of its patches


def dense_flow(one: np.ndarray, other: np.ndarray, what: str, fast: bool = False) -> np.ndarray:
    """Where each pixel of `one` is in `other`, from itself (h, w, 2), x and y; two gray images (h, w) in bytes.

    what: what it is for, for the UserError where OpenCV is missing. Nothing moves in images that are too small.
    """
    if min(one.shape) < LEAST_SIDE:
        return np.zeros((*one.shape, 2), np.float32)
    cv2 = opencv(what)
    preset = cv2.DISOPTICAL_FLOW_PRESET_FAST if fast else cv2.DISOPTICAL_FLOW_PRESET_MEDIUM
    return cv2.DISOpticalFlow_create(preset).calc(one, other, None)


def there_and_back(flow: np.ndarray, reverse: np.ndarray, what: str) -> tuple[np.ndarray, np.ndarray]:
    """Where each pixel goes along `flow` (h, w, 2), and how far from itself `reverse` brings it back, x and y."""
    there = grid(*flow.shape[:2]) + flow
    return there, remap(reverse, there, what) + flow


def grid(height: int, width: int) -> np.ndarray:
    """The place of every pixel (h, w, 2), x and y."""
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    return np.stack([x, y], -1)


def remap(values: np.ndarray, where: np.ndarray, what: str) -> np.ndarray:
    """Values (H, W) or (H, W, C) at places (h, w, 2), x and y, bilinear; beyond the image those of its rim."""
    cv2 = opencv(what)
    where = where.astype(np.float32, copy=False)
    return cv2.remap(values, where[..., 0], where[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
