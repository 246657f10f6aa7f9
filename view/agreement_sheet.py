"""What was asked of a video and what came out, as one image: frames of both, and a gauge for every figure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np

from ..control.camera.trajectory import CameraTrajectory
from ..control.images import resize_clip
from .canvas import Canvas
from .colors import GRID, INK, NOTE, NOW, SUBJECT
from .sheet import Row, cell_width, contact_sheet, draw_camera

ROW, HEAD = 30, 34  # heights of a gauge and of the line above the gauges, in pixels
Shown: TypeAlias = np.ndarray | CameraTrajectory | None  # frames (F, H, W), or a path
Gauge: TypeAlias = tuple[str, str, float | None]  # name, numbers, share of the way from ignored to the floor
GREEN = (0.24, 0.60, 0.36)


def shown_as(values: Shown, height: int, width: int) -> np.ndarray | None:
    """Return a path, or frames (F, H, W), as images (F, height, width, 3)."""
    if values is None:
        return None
    if isinstance(values, CameraTrajectory):
        return draw_camera(values, height, width)
    gray = resize_clip(np.asarray(values, np.float32), height, width).clip(0, 1)
    return np.repeat(gray[..., None], 3, -1)


def draw_agreement(
    clip: np.ndarray,
    pairs: Sequence[tuple[str, Shown, Shown]],
    gauges: Sequence[Gauge],
    height: int = 96,
) -> np.ndarray:
    """Draw the clip (F, H, W, 3), what was asked and seen of each condition, and the gauges: (H', W', 3) in 0..1.

    pairs: title, what was asked and what was seen. gauges: those of a report.
    """
    width = cell_width(clip, height)
    rows: list[Row] = [("the video", np.clip(clip, 0, 1))]
    for title, asked, seen in pairs:
        for word, values in (("asked", asked), ("came out", seen)):
            images = shown_as(values, height, width)
            if images is not None:
                rows.append((f"{title} {word}", images))
    sheet = contact_sheet(rows, height=height)
    return np.concatenate([sheet, _draw_gauges(gauges, sheet.shape[1])]) if gauges else sheet


def _draw_gauges(gauges: Sequence[Gauge], width: int) -> np.ndarray:
    """Draw one line per figure: its name, a bar from a video that ignores the condition to the best, its numbers."""
    page = Canvas(HEAD + ROW * len(gauges) + 8, width)
    left, right = 230.0, max(330.0, width * 0.52)
    page.text("ignored", left, 22, size=0.36, color=NOTE)
    page.text("at the floor", right, 22, size=0.36, color=NOTE, align=1.0)
    for index, (title, text, share) in enumerate(gauges):
        middle = HEAD + ROW * (index + 0.5)
        page.text(title, 8, middle + 4, size=0.36)
        page.text(text, right + 12, middle + 4, size=0.34, color=INK)
        _draw_bar(page, left, right, middle, share)
    return page.image()


def _draw_bar(page: Canvas, left: float, right: float, middle: float, share: float | None) -> None:
    def box(start: float, end: float) -> np.ndarray:
        return np.array([[start, middle - 6], [end, middle - 6], [end, middle + 6], [start, middle + 6]])

    page.area(box(left, right), GRID)
    if share is None:
        return
    color = GREEN if share >= 0.75 else SUBJECT if share >= 0.35 else NOW
    end = left + max(0.01, share) * (right - left)
    page.area(box(left, end), color)
    page.line(np.array([[end, middle - 9], [end, middle + 9]]), INK, 1.5)
