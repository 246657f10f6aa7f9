"""References on white, as public models were trained with them: each by itself, or several on one canvas.

Shapes: F frames, H height, W width. Images are float32, 0..1.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..condition import VideoSize, check_frames, check_sides
from ..errors import UserError
from ..images import resize_sharp
from .slots import Identity, lay_on

WHITE = 1.0
# About what the mask shows, as a share of its longer side.
MARGIN = 0.05
# Between two images on one canvas, as a share of the canvas's shorter side.
GAP = 0.04


def on_white(identity: Identity, index: int = 0) -> np.ndarray:
    """Return one reference image of an identity on white (H, W, 3), in its own size and proportions.

    Where it has a mask (the first image) or an alpha channel (the others), the identity is cut out by it and the image
    cropped to what it covers, with a small margin. Without one it is the whole image.
    """
    return _cropped(identity, index)[0]


def label_on_white(identity: Identity, color: Sequence[float], index: int = 0) -> np.ndarray:
    """Return where `on_white` shows the identity: an image of its size (H, W, 3), in this color on white."""
    inside = _cropped(identity, index)[1]
    return np.where(inside[..., None], np.asarray(color, np.float32), np.float32(WHITE))


def _cropped(identity: Identity, index: int) -> tuple[np.ndarray, np.ndarray]:
    """Return a reference on white (H, W, 3), cropped to the identity, and where the identity is in it (H, W)."""
    image = identity.images[index]
    if index == 0 and identity.mask is not None:
        image = np.concatenate([image, np.clip(identity.mask, 0, 1)[..., None]], 2)
    laid: np.ndarray = np.clip(lay_on(image, WHITE), 0, 1)
    inside = image[..., 3:].max(2, initial=0) > 0.5
    if not inside.any():  # it has no mask, or an alpha that hides all of it
        return laid, np.ones(laid.shape[:2], bool)
    rows, columns = np.flatnonzero(inside.any(1)), np.flatnonzero(inside.any(0))
    margin = round(MARGIN * max(rows[-1] + 1 - rows[0], columns[-1] + 1 - columns[0]))
    # The margin may reach beyond the image, where everything is white.
    wide = np.pad(laid, ((margin, margin), (margin, margin), (0, 0)), constant_values=WHITE)
    where = np.pad(inside, margin)
    part = np.s_[rows[0] : rows[-1] + 1 + 2 * margin, columns[0] : columns[-1] + 1 + 2 * margin]
    return wide[part], where[part]


def pad_white(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """Return an image (H, W, 3) made as large as fits, larger or smaller, centered on white: (height, width, 3).

    Nothing of it is cut off, and its proportions stay.
    """
    inner = _fitted(image, height, width)
    result = np.full((height, width, 3), WHITE, np.float32)
    top, left = (height - inner[0]) // 2, (width - inner[1]) // 2
    result[top : top + inner[0], left : left + inner[1]] = np.clip(resize_sharp(image, *inner), 0, 1)
    return result


def _fitted(image: np.ndarray, height: int, width: int) -> tuple[int, int]:
    """Return the size of an image (H, W, 3) as large as fits; the shorter side is rounded down, as the authors do."""
    own_height, own_width = image.shape[:2]
    if own_width * height > width * own_height:
        return max(1, own_height * width // own_width), width
    return height, max(1, own_width * height // own_height)


def white_canvas(images: Sequence[np.ndarray], height: int, width: int) -> np.ndarray:
    """Return references (H, W, 3) laid out on one white canvas (height, width, 3), from left to right and down.

    They stand in a grid of equal cells, each centered in its own and as large as it fits; a last row that is not full
    is centered. Of all grids it is the one in which the images are largest (the geometric mean of their areas). A
    single image fills the canvas, as `pad_white` does it. Raises UserError for no image.
    """
    if not images:
        raise UserError("there is no reference image to lay out: give at least one")
    rows, columns = max(_grids(len(images)), key=lambda grid: _size_in(grid, images, height, width))
    cell_height, cell_width, gap = _cell((rows, columns), height, width)
    result = np.full((height, width, 3), WHITE, np.float32)
    top = (height - rows * cell_height - (rows - 1) * gap) // 2
    for row in range(rows):
        members = images[row * columns : (row + 1) * columns]
        left = (width - len(members) * cell_width - (len(members) - 1) * gap) // 2
        for image in members:
            cell = pad_white(image, cell_height, cell_width)
            result[top : top + cell_height, left : left + cell_width] = cell
            left += cell_width + gap
        top += cell_height + gap
    return result


def _grids(count: int) -> list[tuple[int, int]]:
    """Return every grid (rows, columns) for so many images that has no empty row, the widest first."""
    grids = [(-(-count // columns), columns) for columns in range(count, 0, -1)]
    return [(rows, columns) for rows, columns in grids if (rows, columns - 1) not in grids]


def _cell(grid: tuple[int, int], height: int, width: int) -> tuple[int, int, int]:
    """Return height and width of the cells of a grid on a canvas, and the gap between two of them."""
    rows, columns = grid
    gap = 0 if grid == (1, 1) else round(GAP * min(height, width))
    return max(1, (height - (rows - 1) * gap) // rows), max(1, (width - (columns - 1) * gap) // columns), gap


def _size_in(grid: tuple[int, int], images: Sequence[np.ndarray], height: int, width: int) -> float:
    """Return how large images are in the cells of a grid: the sum of the logarithms of their scales."""
    cell_height, cell_width, _ = _cell(grid, height, width)
    scales = [min(cell_height / image.shape[0], cell_width / image.shape[1]) for image in images]
    return float(np.log(scales).sum())


def mask_union(identities: Sequence[Identity], video: VideoSize) -> np.ndarray | None:
    """Return where any of the identities is, (F, H, W): the largest of their mask videos; None where none has one.

    An identity of strength 0 does not count. Raises UserError for a mask video that is not fitted to the video.
    """
    masks = []
    for identity in identities:
        if identity.mask_video is not None and identity.strength != 0:
            what = f"the track of identity '{identity.name}'"
            check_frames(len(identity.mask_video), video, what)
            check_sides(identity.mask_video.shape[1:], video, what)
            masks.append(identity.mask_video)
    return np.clip(np.maximum.reduce(masks), 0, 1) if masks else None
