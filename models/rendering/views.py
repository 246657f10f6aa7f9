"""From the pixels of one camera to those of another, as matrices of plain numbers.

Pixels are counted from the center of the first: a pixel's center is at whole numbers. A point is known by its pixel
(column u, row v) and its disparity, 1 / distance along the camera's axis.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...control.camera.trajectory import compose, invert

Triple = tuple[float, float, float]
Rows = tuple[Triple, Triple, Triple]
Size = tuple[int, int]  # height, width

# What moves a pixel by less than this share of a pixel does not move it.
STILL = 1e-3


@dataclass(frozen=True, eq=False)
class Camera:
    """One camera: c2w (3, 4), lens fx fy cx cy in shares of the image (4,), and the image's size."""

    c2w: np.ndarray
    lens: np.ndarray
    size: Size

    def matrix(self) -> np.ndarray:
        """Return the matrix (3, 3) from rays with z = 1 to pixels."""
        (height, width), (fx, fy, cx, cy) = self.size, self.lens
        return np.array([[fx * width, 0, cx * width - 0.5], [0, fy * height, cy * height - 0.5], [0, 0, 1]])


@dataclass(frozen=True)
class View:
    """The way from a source camera's pixels to a target's and back.

    A source pixel p = (u, v, 1) with disparity d is seen at `forward @ p + shift * d`, divided by its third number.
    What the target sees at p = (x, y, 1) with disparity q comes from `back @ p + origin * q`, divided likewise; its
    disparity in the source is q over the third number.
    """

    forward: Rows
    shift: Triple
    back: Rows
    origin: Triple

    @classmethod
    def between(cls, source: Camera, target: Camera) -> View:
        """Return the view of one camera's pixels in another."""
        step = compose(invert(target.c2w), source.c2w)
        step_back = invert(step)
        source_lens, target_lens = source.matrix(), target.matrix()
        return cls(
            _rows(target_lens @ step[:, :3] @ np.linalg.inv(source_lens)),
            _triple(target_lens @ step[:, 3]),
            _rows(source_lens @ step_back[:, :3] @ np.linalg.inv(target_lens)),
            _triple(source_lens @ step_back[:, 3]),
        )

    def crop(self, source: Size, target: Size) -> tuple[slice, slice] | None:
        """Return the rows and columns of the source that the target shows as they are, None where it shows more or
        anything moves."""
        moved = np.array(self.forward)
        left, top = np.round(-moved[:2, 2])
        still = np.array([[1, 0, -left], [0, 1, -top], [0, 0, 1]])
        # How far the farthest corner moves, and what is at the distance 1.
        corner = np.array([max(source[1], target[1]), max(source[0], target[0]), 1.0])
        error = np.abs(moved - still) @ corner + np.abs(self.shift)
        if max(error[0], error[1], error[2] * corner.max()) > STILL:
            return None
        inside = 0 <= top <= source[0] - target[0] and 0 <= left <= source[1] - target[1]
        rows, columns = slice(int(top), int(top) + target[0]), slice(int(left), int(left) + target[1])
        return (rows, columns) if inside else None


def lens_of_larger(lens: np.ndarray, size: Size, larger: tuple[float, float]) -> np.ndarray:
    """Return the lens (4,) of a larger image (height, width) of which the lens's own, of `size`, is the middle."""
    share_y, share_x = size[0] / larger[0], size[1] / larger[1]
    fx, fy, cx, cy = lens
    return np.array([fx * share_x, fy * share_y, 0.5 + (cx - 0.5) * share_x, 0.5 + (cy - 0.5) * share_y])


def _triple(values: np.ndarray) -> Triple:
    a, b, c = (float(value) for value in values)
    return a, b, c


def _rows(matrix: np.ndarray) -> Rows:
    a, b, c = (_triple(row) for row in matrix)
    return a, b, c
