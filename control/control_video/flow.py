"""Optical flow as colors: the direction is the hue of Middlebury's wheel, the speed the saturation (Baker et al.,
'A Database and Evaluation Methodology for Optical Flow', IJCV 2011).

The scale is fixed, so that a color says the same in every clip. Flows (F, H, W, 2) are x and y in pixels, from each
frame to the next; that of the last frame is how it came from the one before.
"""

from __future__ import annotations

import numpy as np

from ..errors import UserError
from ..optical_flow import dense_flow
from .drawing import PURPOSE, as_bytes, cv2

# The movement per frame, in shares of the frame's width, that has the full color.
FULL_SPEED = 1 / 25
# Steps of the wheel between red, yellow, green, cyan, blue and magenta.
_STEPS = (15, 6, 4, 11, 13, 6)
_BEYOND = 0.75  # brightness of what is faster than the full speed


def color_wheel() -> np.ndarray:
    """Return the wheel's colors (55, 3) in 0..1, from red over yellow on."""
    corners = np.array([[1, 0, 0], [1, 1, 0], [0, 1, 0], [0, 1, 1], [0, 0, 1], [1, 0, 1]], np.float32)
    parts = []
    for corner, after, steps in zip(corners, np.roll(corners, -1, 0), _STEPS, strict=True):
        share = np.arange(steps, dtype=np.float32)[:, None] / steps
        parts.append(corner + (after - corner) * share)
    return np.concatenate(parts)


def color_flow(flow: np.ndarray) -> np.ndarray:
    """Return flows (F, H, W, 2) as images (F, H, W, 3): white where nothing moves, darker beyond the full speed."""
    wheel = color_wheel()
    scaled = flow.astype(np.float32) / (FULL_SPEED * flow.shape[2])
    speed = np.hypot(scaled[..., 0], scaled[..., 1])[..., None]
    turn = np.arctan2(-scaled[..., 1], -scaled[..., 0]) / np.pi
    place = (turn + 1) / 2 * (len(wheel) - 1)
    low = np.floor(place).astype(int)
    share = (place - low)[..., None]
    color = (1 - share) * wheel[low] + share * wheel[(low + 1) % len(wheel)]
    result: np.ndarray = np.where(speed <= 1, 1 - speed * (1 - color), color * _BEYOND).astype(np.float32)
    return result


def flow_of_colors(images: np.ndarray) -> np.ndarray:
    """Return the flows (F, H, W, 2) that images (F, H, W, 3) of `color_flow` show, up to the full speed.

    What is faster has its direction at the full speed; black, as of padding, does not move.
    """
    most, least = images.max(-1), images.min(-1)
    # One channel of the wheel's colors is always 1 and one 0: what is added to that is white, which fades with speed.
    speed = np.where(most > (1 + _BEYOND) / 2, 1 - least / np.maximum(most, 1e-6), most > _BEYOND / 2)
    red, green, blue = np.moveaxis(images, -1, 0)
    chroma = np.maximum(most - least, 1e-6)
    hue = np.select([most == red, most == green], [(green - blue) / chroma % 6, 2 + (blue - red) / chroma], 4)
    hue = np.where((most > red) & (most > green), 4 + (red - green) / chroma, hue)
    last = sum(_STEPS) - 1
    place = np.interp(hue, np.arange(len(_STEPS) + 1), np.concatenate([[0], np.cumsum(_STEPS)])).clip(0, last)
    turn = (2 * place / last - 1) * np.pi
    scaled = -np.stack([np.cos(turn), np.sin(turn)], -1) * speed[..., None]
    result: np.ndarray = (scaled * (FULL_SPEED * images.shape[2])).astype(np.float32)
    return result


def detect_flow(frames: np.ndarray) -> np.ndarray:
    """Return the flow (F, H, W, 2) of a clip (F, H, W, 3) by DIS. Raises UserError for a single frame."""
    if len(frames) < 2:
        raise UserError("the flow of a single image was asked for; a clip of two frames or more was expected")
    gray = [cv2().cvtColor(image, cv2().COLOR_RGB2GRAY) for image in as_bytes(frames)]
    flows = [dense_flow(start, end, PURPOSE) for start, end in zip(gray[:-1], gray[1:], strict=True)]
    flows.append(-dense_flow(gray[-1], gray[-2], PURPOSE))
    return np.stack(flows)
