"""Images of Plücker rays, the camera as many networks read it: one color per axis.

Images are `(H, W, 3)`, clips `(F, H, W, 3)`, float32 in [0, 1].
"""

from __future__ import annotations

import numpy as np
from einops import rearrange

from ..control.errors import UserError
from .canvas import Canvas

GAP = 4  # pixels between moments and directions


def draw_plucker_frames(rays: np.ndarray) -> np.ndarray:
    """Draw Plücker rays (F, 6, H, W), moment before direction, as images side by side: `(F, H, 2 W + 4, 3)`.

    Left the moment (gray where a ray passes through the origin), scaled by its largest value in the clip; right the
    direction, one color per axis from -1 (0) to 1 (255). Raises UserError for another shape.
    """
    if rays.ndim != 4 or rays.shape[1] != 6:
        raise UserError(f"Plücker rays have shape {rays.shape}; (frames, 6, height, width) was expected.")
    moment, direction = rearrange(rays, "f (part xyz) h w -> part f h w xyz", part=2)
    largest = max(float(np.abs(moment).max()), 1e-6)
    gap = np.ones((*moment.shape[:2], GAP, 3), np.float32)
    images: np.ndarray = np.concatenate([0.5 + 0.5 * moment / largest, gap, 0.5 + 0.5 * direction], 2)
    clip: np.ndarray = np.clip(images, 0, 1).astype(np.float32)
    return clip


def draw_plucker_sheet(rays: np.ndarray, columns: int = 6, width: int = 720) -> np.ndarray:
    """Draw evenly spaced frames of Plücker rays (F, 6, H, W), moments above directions: `(H', width, 3)`.

    There are `columns` of them, or as many as there is room for. Raises UserError for another shape, and where there
    is no room for one.
    """
    clip = draw_plucker_frames(rays)
    ray_height, ray_width = rays.shape[2:]
    margin, gap, head, smallest = 78, 5, 22, 8
    columns = min(columns, (width - margin - gap) // (smallest + gap))
    if columns < 1:
        raise UserError(f"the sheet is {width} pixels wide; {margin + 2 * gap + smallest} or more were expected")
    picks = np.unique(np.round(np.linspace(0, len(clip) - 1, columns)).astype(int))
    cell_width = (width - margin - gap) // columns - gap
    cell_height = max(smallest, round(cell_width * ray_height / ray_width))
    page = Canvas(head + 2 * (cell_height + gap), width)
    for row, title in enumerate(("moment", "direction")):
        page.text(title, 8, head + row * (cell_height + gap) + cell_height / 2 + 4, size=0.40)
    for column, pick in enumerate(picks):
        page.text(f"frame {pick}", margin + column * (cell_width + gap) + cell_width / 2, 15, size=0.36, align=0.5)
    image = page.image()
    for column, pick in enumerate(picks):
        for row, part in enumerate((clip[pick, :, :ray_width], clip[pick, :, ray_width + GAP :])):
            cell = page.cv2.resize(
                np.ascontiguousarray(part), (cell_width, cell_height), interpolation=page.cv2.INTER_AREA
            )
            top, left = head + row * (cell_height + gap), margin + column * (cell_width + gap)
            image[top : top + cell_height, left : left + cell_width] = cell
    return image
