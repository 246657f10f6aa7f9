"""What the drawings of control videos share: OpenCV, images as bytes, the size of strokes, and distinct colors."""

from __future__ import annotations

import colorsys
from typing import Any

import numpy as np

from ..libraries import opencv

SHIFT = 4  # binary digits behind the point in the coordinates that OpenCV draws at
PURPOSE = "drawing control videos"


def cv2() -> Any:
    """Return OpenCV. Raises UserError where it is not installed."""
    return opencv(PURPOSE)


def as_bytes(frames: np.ndarray) -> np.ndarray:
    """Return images 0..1 as uint8, contiguous."""
    return np.ascontiguousarray(np.round(np.clip(frames, 0, 1) * 255).astype(np.uint8))


def as_floats(image: np.ndarray) -> np.ndarray:
    """Return a uint8 image as float32 0..1."""
    result: np.ndarray = image.astype(np.float32) / 255
    return result


def stroke(height: int, width: int) -> int:
    """Return the width of a stroke in pixels: 1 up to 192 lines, 4 at 768."""
    return max(1, round(min(height, width) / 192))


def fixed_point(values: np.ndarray) -> tuple[int, ...]:
    """Return pixel coordinates (pixel centers at whole numbers) as OpenCV draws them with `shift=SHIFT`."""
    return tuple(int(round(float(v) * (1 << SHIFT))) for v in values)


def distinct_colors(count: int) -> np.ndarray:
    """Return `count` colors (count, 3) in 0..1: hues a golden section apart, so that the first ones differ most."""
    hues = [(0.02 + 0.618034 * k) % 1 for k in range(count)]
    lights = [(0.95, 0.75, 1.0)[k // 6 % 3] for k in range(count)]
    colors = [colorsys.hsv_to_rgb(hue, 0.85, light) for hue, light in zip(hues, lights, strict=True)]
    return np.array(colors, np.float32).reshape(count, 3)
