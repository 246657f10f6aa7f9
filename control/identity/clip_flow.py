"""How pixels move from frame to frame of a clip: dense optical flow both ways, checked, and kept for a while.

Flow (`control.flow`) is looked for on gray images of at most FLOW_PIXELS. A pixel is trusted where going there and
back ends near where it began, and within the image.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from .. import libraries
from ..errors import UserError
from ..optical_flow import dense_flow, remap, there_and_back

FLOW_PIXELS = 66_000
# So many pairs of neighboring frames are kept: about 70 MB, whatever the clip's length.
KEPT_PAIRS = 128
# What going there and back may miss: half a pixel of the small image and a twentieth of the way (squares of them).
MISS, MISS_SHARE = 1.0, 0.05
# By so many levels (0..255) what came from there may differ in color, in the mean of its surroundings.
DIFFERENT = 30.0


WHAT = "following masks along a video"
opencv = partial(libraries.opencv, WHAT)


@dataclass(frozen=True, eq=False)
class Step:
    """From one frame to a neighbor, seen from the new frame, at the flow's own small size (h, w).

    back (h, w, 2): where each pixel was, x and y, in small pixels from here. known (h, w): 2 where that is trusted,
    1 where going there and back ends elsewhere, 0 where the pixel comes from beyond the image or looks different.
    forth (h, w, 2): where the pixels of the old frame go. apart: by how many levels (0..255) the new frame differs from
    the old one moved along the flow, in the mean.
    """

    back: np.ndarray
    known: np.ndarray
    forth: np.ndarray
    apart: float


class Clip:
    """A clip (F, H, W, 3), 0..1 or bytes, and the flow between its frames. Frames are read when they are needed."""

    def __init__(self, frames: Any):
        shape = np.shape(frames)
        if len(shape) != 4 or shape[3] not in (3, 4) or min(shape[:3]) < 1:
            raise UserError(f"the video has shape {shape}; (frames, height, width, 3) was expected")
        self.frames, self.shape = frames, shape[:3]
        share = min(1.0, (FLOW_PIXELS / (shape[1] * shape[2])) ** 0.5)
        self.small = tuple(max(1, round(side * share)) for side in shape[1:3])
        self._flows: OrderedDict[tuple[int, int], np.ndarray] = OrderedDict()
        self._colors: OrderedDict[int, np.ndarray] = OrderedDict()

    def __len__(self) -> int:
        return self.shape[0]

    def image(self, number: int, part: tuple[slice, slice] = (slice(None), slice(None))) -> np.ndarray:
        """A frame, or a part of it, as bytes (h, w, 3)."""
        image = np.asarray(self.frames[number])[(*part, slice(0, 3))]
        if image.dtype != np.uint8:
            image = np.nan_to_num(image.astype(np.float32), nan=0.0, posinf=1.0, neginf=0.0)
            image = (np.clip(image, 0, 1) * 255 + 0.5).astype(np.uint8)
        return np.ascontiguousarray(image)

    def color(self, number: int) -> np.ndarray:
        """A frame as bytes (h, w, 3) of the small size."""
        if number not in self._colors:
            cv2 = opencv()
            small = cv2.resize(self.image(number), self.small[::-1], interpolation=cv2.INTER_AREA)
            _keep(self._colors, number, small, 8)
        return self._colors[number]

    def gray(self, number: int) -> np.ndarray:
        """A frame as gray bytes (h, w) of the small size."""
        cv2 = opencv()
        return cv2.cvtColor(self.color(number), cv2.COLOR_RGB2GRAY)

    def flow(self, one: int, other: int) -> np.ndarray:
        """Where each pixel of frame `one` is in frame `other` (h, w, 2), from itself, in small pixels."""
        if (one, other) not in self._flows:
            found = dense_flow(self.gray(one), self.gray(other), WHAT)
            _keep(self._flows, (one, other), found.astype(np.float16), 2 * KEPT_PAIRS)
        return self._flows[one, other].astype(np.float32)

    def step(self, old: int, new: int) -> Step:
        """The step from frame `old` to its neighbor `new`."""
        cv2 = opencv()
        back, forth = self.flow(new, old), self.flow(old, new)
        height, width = self.small
        there, missed = there_and_back(back, forth, WHAT)
        sure = (missed**2).sum(-1) <= MISS + MISS_SHARE * (back**2).sum(-1)
        moved = remap(self.color(old), there, WHAT)
        apart = cv2.blur(cv2.absdiff(moved, self.color(new)).astype(np.float32), (5, 5)).mean(-1)
        within = (there >= 0).all(-1) & (there <= (width - 1, height - 1)).all(-1)
        known = np.where(within & (apart < DIFFERENT), 1 + sure, 0).astype(np.uint8)
        return Step(back, known, forth, float(apart.mean()))


def _keep(store: OrderedDict, key: Any, value: np.ndarray, most: int) -> None:
    store[key] = value
    while len(store) > most:
        store.popitem(last=False)
