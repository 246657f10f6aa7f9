"""Skeletons as OpenPose draws them (Cao et al., 'OpenPose', TPAMI 2019): 18 points of the body, 17 limbs, by color.

Poses (F, P, 18, 2) are x and y in pixels of P people, pixel centers at whole numbers; visible (F, P, 18) says which
points are drawn. A limb is drawn where both of its ends are.
"""

from __future__ import annotations

import numpy as np

from .drawing import SHIFT, as_floats, cv2, fixed_point

POINTS = (
    "nose", "neck", "right shoulder", "right elbow", "right wrist", "left shoulder", "left elbow", "left wrist",
    "right hip", "right knee", "right ankle", "left hip", "left knee", "left ankle", "right eye", "left eye",
    "right ear", "left ear",
)  # fmt: skip
LIMBS = (
    (1, 2), (1, 5), (2, 3), (3, 4), (5, 6), (6, 7), (1, 8), (8, 9), (9, 10), (1, 11), (11, 12), (12, 13), (1, 0),
    (0, 14), (14, 16), (0, 15), (15, 17),
)  # fmt: skip
COLORS = (
    (255, 0, 0), (255, 85, 0), (255, 170, 0), (255, 255, 0), (170, 255, 0), (85, 255, 0), (0, 255, 0), (0, 255, 85),
    (0, 255, 170), (0, 255, 255), (0, 170, 255), (0, 85, 255), (0, 0, 255), (85, 0, 255), (170, 0, 255),
    (255, 0, 255), (255, 0, 170), (255, 0, 85),
)  # fmt: skip
LIMB_BRIGHTNESS = 0.6
# Half the width of a limb in shares of the frame's shorter side, with a least one in pixels: 4 of 512 as OpenPose's.
HALF_WIDTH, LEAST_HALF_WIDTH = 4 / 512, 1.0


def draw_skeletons(poses: np.ndarray, visible: np.ndarray, height: int, width: int) -> np.ndarray:
    """Return a control video (F, H, W, 3)."""
    half = max(LEAST_HALF_WIDTH, HALF_WIDTH * min(height, width))
    frames = []
    for people, seen in zip(poses, visible, strict=True):
        image = np.zeros((height, width, 3), np.uint8)
        for points, shown in zip(people, seen, strict=True):
            _draw(image, points, shown, half)
        frames.append(as_floats(image))
    return np.stack(frames)


def _draw(image: np.ndarray, points: np.ndarray, shown: np.ndarray, half: float) -> None:
    for (first, second), color in zip(LIMBS, COLORS, strict=False):
        if shown[first] and shown[second]:
            ends = points[[first, second]]
            dim = tuple(int(LIMB_BRIGHTNESS * channel) for channel in color)
            _ellipse(image, ends, half, dim)
    for place, color in zip(points[shown], np.array(COLORS)[shown], strict=True):
        cv2().circle(
            image, fixed_point(place), fixed_point(np.array([half]))[0], color.tolist(), -1, cv2().LINE_AA, SHIFT
        )


def _ellipse(image: np.ndarray, ends: np.ndarray, half: float, color: tuple[int, ...]) -> None:
    """Fill the ellipse whose long axis has these two ends (2, 2)."""
    center, offset = ends.mean(0), (ends[1] - ends[0]) / 2
    length = max(float(np.hypot(*offset)), 1e-6)
    along, across = offset, half * np.array([-offset[1], offset[0]]) / length
    angles = np.linspace(0, 2 * np.pi, 24, endpoint=False)[:, None]
    outline = center + np.cos(angles) * along + np.sin(angles) * across
    cv2().fillPoly(image, [np.round(outline * (1 << SHIFT)).astype(np.int32)], color, cv2().LINE_AA, SHIFT)
