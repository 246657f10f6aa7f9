"""A page to draw lines, areas and words on, smooth at any size."""

from __future__ import annotations

import numpy as np

from ..control.libraries import opencv
from .sheet import INK, PAPER

FINE = 2  # drawn so many times larger and averaged down


class Canvas:
    """A page of `height` x `width` pixels, drawn `FINE` times larger; sizes and places are in final pixels."""

    def __init__(self, height: int, width: int):
        self.cv2 = opencv("drawing")
        self.height, self.width = height, width
        # Bytes, since OpenCV 5 writes text on nothing else.
        self.page = np.empty((FINE * height, FINE * width, 3), np.uint8)
        self.page[:] = _bytes(PAPER)

    def copy(self) -> Canvas:
        """A second page with the same drawing."""
        other = object.__new__(Canvas)
        other.__dict__.update(self.__dict__, page=self.page.copy())
        return other

    def line(self, points: np.ndarray, color: tuple, width: float = 1.0, closed: bool = False) -> None:
        """A polyline through `points` (N, 2)."""
        thick = max(1, round(width * FINE))
        self.cv2.polylines(self.page, [self._spots(points)], closed, _bytes(color), thick, self.cv2.LINE_AA, 4)

    def area(self, points: np.ndarray, color: tuple, opacity: float = 1.0) -> None:
        """A filled polygon; less opaque ones let what is below shine through."""
        spots = self._spots(points)
        over = self.page.copy() if opacity < 1 else self.page
        self.cv2.fillPoly(over, [spots], _bytes(color), self.cv2.LINE_AA, 4)
        if opacity < 1:
            self.page[:] = self.cv2.addWeighted(over, opacity, self.page, 1 - opacity, 0)

    def dot(self, point: np.ndarray, radius: float, color: tuple) -> None:
        """A disc."""
        center = tuple(int(v) for v in self._spots(np.asarray(point)[None])[0])
        self.cv2.circle(self.page, center, round(radius * FINE * 16), _bytes(color), -1, self.cv2.LINE_AA, 4)

    def text(self, text: str, x: float, y: float, size: float = 0.42, color: tuple = INK, align: float = 0.0) -> None:
        """One line with its baseline at `y`; align 0 starts at x, 0.5 is centered there, 1 ends there."""
        font, scale = self.cv2.FONT_HERSHEY_SIMPLEX, size * FINE
        (wide, _), _ = self.cv2.getTextSize(text, font, scale, FINE)
        place = (round(x * FINE - align * wide), round(y * FINE))
        self.cv2.putText(self.page, text, place, font, scale, _bytes(color), FINE, self.cv2.LINE_AA)

    def image(self) -> np.ndarray:
        """The page at its final size."""
        small = self.cv2.resize(self.page, (self.width, self.height), interpolation=self.cv2.INTER_AREA)
        return small.astype(np.float32) / 255

    def _spots(self, points: np.ndarray) -> np.ndarray:
        """Places as OpenCV's integers with four bits behind the point; far outside is as good as outside."""
        places = np.clip(np.asarray(points, np.float64) * FINE, -8 * self.width, 9 * self.width)
        return np.round(places * 16).astype(np.int32)


def _bytes(color: tuple) -> tuple[int, int, int]:
    return tuple(round(255 * float(part)) for part in color)
