"""How pixels move from frame to frame of a clip: dense optical flow both ways, checked, and cached.

Flow (`control.optical_flow`) is computed on gray images of at most FLOW_PIXELS. A pixel is trusted where the flow
forward and back ends near where it began, and within the image.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass
from functools import partial
from typing import Protocol, TypeVar

import numpy as np

from .. import libraries
from ..errors import UserError
from ..optical_flow import dense_flow, forward_backward_error, remap

FLOW_PIXELS = 66_000
# So many pairs of neighboring frames are cached: about 70 MB, whatever the clip's length.
CACHED_PAIRS = 128
CACHED_COLORS = 8
# What the flow forward and back may miss: half a pixel of the small image and a twentieth of the way (squares of them).
MAX_ERROR, MAX_ERROR_SHARE = 1.0, 0.05
# By so many levels (0..255) a pixel may differ in color from where it came from, in the mean of its surroundings.
MAX_COLOR_DIFFERENCE = 30.0
# How far Step.confidence trusts the flow of a pixel.
UNKNOWN, DOUBTED, TRUSTED = 0, 1, 2


PURPOSE = "following masks along a video"
opencv = partial(libraries.opencv, PURPOSE)

Key = TypeVar("Key", bound=Hashable)


class Frames(Protocol):
    """What a clip is read from: an array (F, H, W, 3), or anything with its shape that reads frames when indexed."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    def __getitem__(self, number: int, /) -> np.ndarray: ...


@dataclass(frozen=True, eq=False)
class Step:
    """From one frame to a neighbor, seen from the new frame, at the flow's own small size (h, w).

    back (h, w, 2): the flow from the new frame to the old, x and y, in small pixels. confidence (h, w): TRUSTED where
    the flow forward and back agree, DOUBTED where they do not, UNKNOWN where the pixel comes from beyond the image or
    looks different. forth (h, w, 2): the flow from the old frame to the new. difference: by how many levels (0..255)
    the new frame differs from the old one moved along the flow, in the mean.
    """

    back: np.ndarray
    confidence: np.ndarray
    forth: np.ndarray
    difference: float


class Clip:
    """A clip (F, H, W, 3), 0..1 or bytes, and the flow between its frames. Frames are read when they are needed."""

    def __init__(self, frames: Frames):
        shape = np.shape(frames)
        if len(shape) != 4 or shape[3] not in (3, 4) or min(shape[:3]) < 1:
            raise UserError(f"the video has shape {shape}; (frames, height, width, 3) was expected")
        self.frames = frames
        self.shape: tuple[int, int, int] = shape[:3]
        share = min(1.0, (FLOW_PIXELS / (shape[1] * shape[2])) ** 0.5)
        self.flow_size = (max(1, round(shape[1] * share)), max(1, round(shape[2] * share)))
        self._flows: OrderedDict[tuple[int, int], np.ndarray] = OrderedDict()
        self._colors: OrderedDict[int, np.ndarray] = OrderedDict()

    def __len__(self) -> int:
        return self.shape[0]

    def image(self, number: int, part: tuple[slice, slice] = (slice(None), slice(None))) -> np.ndarray:
        """Return a frame, or a part of one, as bytes (h, w, 3)."""
        rows, columns = part
        image = np.asarray(self.frames[number])[rows, columns, :3]
        if image.dtype != np.uint8:
            image = np.nan_to_num(image.astype(np.float32), nan=0.0, posinf=1.0, neginf=0.0)
            image = (np.clip(image, 0, 1) * 255 + 0.5).astype(np.uint8)
        return np.ascontiguousarray(image)

    def color(self, number: int) -> np.ndarray:
        """Return a frame as bytes (h, w, 3) of the flow's size."""
        if number not in self._colors:
            cv2 = opencv()
            small = cv2.resize(self.image(number), self.flow_size[::-1], interpolation=cv2.INTER_AREA)
            _cache(self._colors, number, small, CACHED_COLORS)
        return self._colors[number]

    def gray(self, number: int) -> np.ndarray:
        """Return a frame as gray bytes (h, w) of the flow's size."""
        cv2 = opencv()
        gray: np.ndarray = cv2.cvtColor(self.color(number), cv2.COLOR_RGB2GRAY)
        return gray

    def flow(self, start: int, end: int) -> np.ndarray:
        """Return the flow (h, w, 2) that takes each pixel of frame `start` to its position in frame `end`."""
        if (start, end) not in self._flows:
            flow = dense_flow(self.gray(start), self.gray(end), PURPOSE)
            _cache(self._flows, (start, end), flow.astype(np.float16), 2 * CACHED_PAIRS)
        return self._flows[start, end].astype(np.float32)

    def step(self, old: int, new: int) -> Step:
        """Return the step from frame `old` to its neighbor `new`."""
        cv2 = opencv()
        back, forth = self.flow(new, old), self.flow(old, new)
        height, width = self.flow_size
        positions, error = forward_backward_error(back, forth, PURPOSE)
        consistent = (error**2).sum(-1) <= MAX_ERROR + MAX_ERROR_SHARE * (back**2).sum(-1)
        moved = remap(self.color(old), positions, PURPOSE)
        difference = cv2.blur(cv2.absdiff(moved, self.color(new)).astype(np.float32), (5, 5)).mean(-1)
        within = (positions >= 0).all(-1) & (positions <= (width - 1, height - 1)).all(-1)
        usable = within & (difference < MAX_COLOR_DIFFERENCE)
        confidence = np.where(usable, np.where(consistent, TRUSTED, DOUBTED), UNKNOWN).astype(np.uint8)
        return Step(back, confidence, forth, float(difference.mean()))


def _cache(store: OrderedDict[Key, np.ndarray], key: Key, value: np.ndarray, size: int) -> None:
    """Add an entry and drop the oldest ones beyond `size`."""
    store[key] = value
    while len(store) > size:
        store.popitem(last=False)
