"""Dense optical flow between two images, and whether it can be relied on: shared by masks and depth.

DIS (Kroeger et al., 'Fast Optical Flow using Dense Inverse Search', ECCV 2016) as OpenCV has it. A pixel that does not
come back near to where it began, when it goes along the flow and back, was occluded or matched to another.

Shapes: (h, w) gray bytes; flows and positions (h, w, 2), x and y, in pixels. `purpose` names what the flow is for, in
the UserError where OpenCV is missing.
"""

from __future__ import annotations

import numpy as np

from .libraries import opencv

MIN_SIDE = 16  # DIS cannot match in an image smaller than two of its patches


def dense_flow(start: np.ndarray, end: np.ndarray, purpose: str, fast: bool = False) -> np.ndarray:
    """Return the flow (h, w, 2) that takes each pixel of the image `start` to its position in the image `end`.

    The flow is 0 between images that are smaller than MIN_SIDE.
    """
    if min(start.shape) < MIN_SIDE:
        return np.zeros((*start.shape, 2), np.float32)
    cv2 = opencv(purpose)
    preset = cv2.DISOPTICAL_FLOW_PRESET_FAST if fast else cv2.DISOPTICAL_FLOW_PRESET_MEDIUM
    flow: np.ndarray = cv2.DISOpticalFlow_create(preset).calc(start, end, None)
    return flow


def forward_backward_error(flow: np.ndarray, reverse: np.ndarray, purpose: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the positions (h, w, 2) at the end of `flow`, and how far from its start `reverse` brings each back."""
    positions = pixel_grid(*flow.shape[:2]) + flow
    return positions, remap(reverse, positions, purpose) + flow


def pixel_grid(height: int, width: int) -> np.ndarray:
    """Return the position of every pixel (h, w, 2), float32."""
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    return np.stack([x, y], -1)


def remap(values: np.ndarray, positions: np.ndarray, purpose: str) -> np.ndarray:
    """Return values (H, W) or (H, W, C) at positions (h, w, 2), bilinear; beyond the image those of its border."""
    cv2 = opencv(purpose)
    positions = positions.astype(np.float32, copy=False)
    result: np.ndarray = cv2.remap(
        values, positions[..., 0], positions[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return result
