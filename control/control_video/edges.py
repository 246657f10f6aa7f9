"""Edges of images in five ways. Every function takes frames (F, H, W, 3) in 0..1 and returns control frames like them.

Sizes are shares of the frame's shorter side, so that a clip and its enlargement have the same edges.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .drawing import SHIFT, as_bytes, as_floats, cv2, fixed_point, stroke

# Canny's two thresholds, as most packs have them.
LOW, HIGH = 100, 200
# The gradient (in values 0..1 a pixel, after smoothing) that is white in a soft edge.
FULL_GRADIENT = 0.18
SCRIBBLE_LOW, SCRIBBLE_HIGH = 30, 80
LINEART_GAIN = 9.0
SHORTEST_SEGMENT = 0.09  # of the shorter side


def canny(frames: np.ndarray, low: int = LOW, high: int = HIGH) -> np.ndarray:
    """Return Canny's edges of the gray frames."""
    return _each(frames, lambda image: cv2().Canny(_gray(image), low, high))


def soft_edge(frames: np.ndarray) -> np.ndarray:
    """Return edges as bright as the largest gradient of any channel, smooth across: like HED without a network."""

    def draw(image: np.ndarray) -> np.ndarray:
        smooth = _blur(image.astype(np.float32) / 255, 0.012)
        across, down = (cv2().Scharr(smooth, cv2().CV_32F, *axis) / 32 for axis in ((1, 0), (0, 1)))
        gradient = np.sqrt(across**2 + down**2).max(-1)
        return as_bytes(_blur(np.minimum(gradient / FULL_GRADIENT, 1), 0.008))

    return _each(frames, draw)


def scribble(frames: np.ndarray) -> np.ndarray:
    """Return thick strokes along the edges that are left when details are smoothed away."""

    def draw(image: np.ndarray) -> np.ndarray:
        edges = cv2().Canny(_gray(_blur(image, 0.03)), SCRIBBLE_LOW, SCRIBBLE_HIGH)
        side = 2 * max(1, round(min(image.shape[:2]) * 0.01)) + 1
        disc = cv2().getStructuringElement(cv2().MORPH_ELLIPSE, (side, side))
        thick: np.ndarray = cv2().dilate(edges, disc)
        return thick

    return _each(frames, draw)


def lineart(frames: np.ndarray) -> np.ndarray:
    """Return lines where the image is darker than its surroundings (a difference of Gaussians)."""

    def draw(image: np.ndarray) -> np.ndarray:
        gray = _gray(image).astype(np.float32) / 255
        return as_bytes(LINEART_GAIN * (_blur(gray, 0.02) - _blur(gray, 0.0075)) - 0.1)

    return _each(frames, draw)


def mlsd(frames: np.ndarray) -> np.ndarray:
    """Return straight segments (OpenCV's line segment detector), those that are not short."""
    detector = cv2().createLineSegmentDetector()

    def draw(image: np.ndarray) -> np.ndarray:
        height, width = image.shape[:2]
        found = detector.detect(_gray(image))[0]
        drawn = np.zeros((height, width), np.uint8)
        for x0, y0, x1, y1 in np.zeros((0, 4)) if found is None else found.reshape(-1, 4):
            if np.hypot(x1 - x0, y1 - y0) >= SHORTEST_SEGMENT * min(height, width):
                ends = fixed_point(np.array([x0, y0])), fixed_point(np.array([x1, y1]))
                cv2().line(drawn, *ends, 255, stroke(height, width), cv2().LINE_AA, SHIFT)
        return drawn

    return _each(frames, draw)


def _each(frames: np.ndarray, draw: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Return what is drawn of every frame (H, W) uint8, as control frames (F, H, W, 3)."""
    drawn = np.stack([as_floats(draw(image)) for image in as_bytes(frames)])
    return np.repeat(drawn[..., None], 3, -1)


def _gray(image: np.ndarray) -> np.ndarray:
    gray: np.ndarray = cv2().cvtColor(image, cv2().COLOR_RGB2GRAY)
    return gray


def _blur(image: np.ndarray, share: float) -> np.ndarray:
    """Return the image smoothed by a Gaussian of a share of the shorter side, of half a pixel at least."""
    sigma = max(0.5, share * min(image.shape[:2]))
    blurred: np.ndarray = cv2().GaussianBlur(image, (0, 0), sigma)
    return blurred
