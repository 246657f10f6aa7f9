"""A page to draw lines, areas and text on, smooth at any size."""

from __future__ import annotations

import numpy as np

from ..control.libraries import opencv
from .colors import INK, PAPER, Color, to_bytes

FINE = 2  # drawn so many times larger and averaged down


class Canvas:
    """A page of `height` x `width` pixels, drawn `FINE` times larger; sizes and coordinates are in final pixels."""

    def __init__(self, height: int, width: int):
        self.cv2 = opencv("drawing")
        self.height, self.width = height, width
        # Bytes, since OpenCV 5 writes text on nothing else.
        self.page = np.empty((FINE * height, FINE * width, 3), np.uint8)
        self.page[:] = to_bytes(PAPER)

    def copy(self) -> Canvas:
        """Return a second page with the same drawing."""
        other = object.__new__(Canvas)
        other.__dict__.update(self.__dict__, page=self.page.copy())
        return other

    def line(self, points: np.ndarray, color: Color, width: float = 1.0, closed: bool = False) -> None:
        """Draw a polyline through `points` (N, 2)."""
        thick = max(1, round(width * FINE))
        self.cv2.polylines(
            self.page, [self._to_fixed_point(points)], closed, to_bytes(color), thick, self.cv2.LINE_AA, 4
        )

    def area(self, points: np.ndarray, color: Color, opacity: float = 1.0) -> None:
        """Draw a filled polygon of `points` (N, 2); with an opacity below 1 what is below it stays visible."""
        corners = self._to_fixed_point(points)
        over = self.page.copy() if opacity < 1 else self.page
        self.cv2.fillPoly(over, [corners], to_bytes(color), self.cv2.LINE_AA, 4)
        if opacity < 1:
            self.page[:] = self.cv2.addWeighted(over, opacity, self.page, 1 - opacity, 0)

    def dot(self, point: np.ndarray, radius: float, color: Color) -> None:
        """Draw a disc around `point` (2,)."""
        center = tuple(int(v) for v in self._to_fixed_point(np.asarray(point)[None])[0])
        self.cv2.circle(self.page, center, round(radius * FINE * 16), to_bytes(color), -1, self.cv2.LINE_AA, 4)

    def text(self, text: str, x: float, y: float, size: float = 0.42, color: Color = INK, align: float = 0.0) -> None:
        """Write one line with its baseline at `y`; align 0 starts at x, 0.5 is centered there, 1 ends there."""
        font, scale = self.cv2.FONT_HERSHEY_SIMPLEX, size * FINE
        (wide, _), _ = self.cv2.getTextSize(text, font, scale, FINE)
        origin = (round(x * FINE - align * wide), round(y * FINE))
        self.cv2.putText(self.page, text, origin, font, scale, to_bytes(color), FINE, self.cv2.LINE_AA)

    def image(self) -> np.ndarray:
        """Return the page (height, width, 3) float32 in [0, 1] at its final size."""
        small = self.cv2.resize(self.page, (self.width, self.height), interpolation=self.cv2.INTER_AREA)
        image: np.ndarray = small.astype(np.float32) / 255
        return image

    def _to_fixed_point(self, points: np.ndarray) -> np.ndarray:
        """Return points (N, 2) as OpenCV's integers with four bits behind the point, those far outside moved nearer."""
        fine = np.clip(np.asarray(points, np.float64) * FINE, -8 * self.width, 9 * self.width)
        return np.round(fine * 16).astype(np.int32)
