"""Several clips of one scene as one clip: side by side, each below its title."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from ..control.errors import UserError
from ..control.libraries import opencv
from .canvas import Canvas
from .colors import PAPER

BAND, GAP = 22, 4  # in pixels: the title above a clip, and the room between clips
LEAST = 240  # a cell is at least so wide, so that its title fits
COLUMNS = 3


def draw_comparison(clips: Mapping[str, np.ndarray], columns: int = COLUMNS) -> Iterator[np.ndarray]:
    """Draw clips (F, H, W, 3), 0..1, by their titles, `columns` in a row: yield the frames (H', W', 3) of one clip.

    A clip of another length holds its last frame. Raises UserError where there is none.
    """
    if not clips:
        raise UserError("A comparison needs at least one clip, but there is none.")
    height, width = next(iter(clips.values())).shape[1:3]
    grow = max(1, -(-LEAST // width))
    height, width = grow * height, grow * width
    columns = min(columns, len(clips))
    rows = -(-len(clips) // columns)
    page = np.empty((GAP + rows * (BAND + height + GAP), GAP + columns * (width + GAP), 3), np.float32)
    page[:] = PAPER
    cells = []
    for index, (title, clip) in enumerate(clips.items()):
        top, left = GAP + index // columns * (BAND + height + GAP), GAP + index % columns * (width + GAP)
        band = Canvas(BAND, width)
        band.text(title, 4, BAND - 7)
        page[top : top + BAND, left : left + width] = band.image()
        cells.append((clip, page[top + BAND : top + BAND + height, left : left + width]))
    return _fill_in(page, cells)


def _fill_in(page: np.ndarray, cells: list[tuple[np.ndarray, np.ndarray]]) -> Iterator[np.ndarray]:
    """Yield the page (H', W', 3) once for every frame of the clips, each in its cell, a view of the page."""
    cv2 = opencv("drawing")
    for number in range(max(len(clip) for clip, _ in cells)):
        for clip, cell in cells:
            frame = np.ascontiguousarray(clip[min(number, len(clip) - 1)], np.float32)
            method = cv2.INTER_AREA if frame.shape[0] > cell.shape[0] else cv2.INTER_LINEAR
            cell[:] = cv2.resize(frame, cell.shape[1::-1], interpolation=method).clip(0, 1)
        yield page.copy()
