"""Curves of a camera path over time: how fast it moves and turns, and its field of view.

Images are `(H, W, 3)`, clips `(F, H, W, 3)`, float32 in [0, 1]. Blue is the first frame and red the last throughout.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..control.camera.rotations import angle_between
from ..control.camera.trajectory import CameraTrajectory
from .canvas import Canvas
from .colors import GRID, INK, NOW, SHADE, SUBJECT, frame_color
from .ticks import ticks

LEFT, RIGHT, HEAD, FOOT = 58.0, 16.0, 24.0, 26.0  # margins in pixels: of the page, of each panel (HEAD), of the page
LIMIT_IN_RANGE = 2.5  # a limit so many times above the largest value is still drawn as a line


@dataclass(frozen=True)
class Curve:
    """Values (N,) at times (N,) in seconds. limit: the largest that a model was trained on. from_zero: starts at 0."""

    title: str
    times: np.ndarray
    values: np.ndarray
    limit: float | None
    from_zero: bool

    def bounds(self) -> tuple[float, float]:
        """Return the ends of an axis that holds the values, and the limit where it is not far above them."""
        high = float(self.values.max()) if len(self.values) else 0.0
        low = 0.0 if self.from_zero or not len(self.values) else float(self.values.min())
        if self.limit is not None and self.limit <= LIMIT_IN_RANGE * high:
            high = max(high, self.limit)
        if self.from_zero:
            return 0.0, max(high * 1.12, 1e-6) if high > 1e-9 else 1.0
        room = max(0.12 * (high - low), 0.05 * abs(high), 1e-6)
        return low - room, high + room


@dataclass(frozen=True)
class Panel:
    """Where on the page a curve is drawn: its sides in pixels, the seconds of its width, the values of its height."""

    left: float
    right: float
    top: float
    bottom: float
    seconds: float
    low: float
    high: float

    def x(self, time: np.ndarray) -> np.ndarray:
        """Return the horizontal coordinates of times, in pixels."""
        return self.left + time / self.seconds * (self.right - self.left)

    def y(self, value: np.ndarray) -> np.ndarray:
        """Return the vertical coordinates of values, in pixels."""
        return self.bottom - (value - self.low) / (self.high - self.low) * (self.bottom - self.top)


def draw_curves(
    trajectory: CameraTrajectory, height: int = 480, width: int = 720, limits: dict[str, float] | None = None
) -> np.ndarray:
    """Draw speed, angular speed and field of view over time, one below the other: `(height, width, 3)`.

    limits: the fastest that a model was trained on, `speed` in units and `angular` in degrees, both per second; a
    dashed line where the curve comes near it.
    """
    return _page_with_curves(trajectory, height, width, limits or {})[0].image()


def draw_curve_frames(
    trajectory: CameraTrajectory, height: int = 480, width: int = 720, limits: dict[str, float] | None = None
) -> np.ndarray:
    """Draw the curves as a clip with a line at the current frame: `(F, height, width, 3)`."""
    page, panels = _page_with_curves(trajectory, height, width, limits or {})
    frames = np.empty((trajectory.frames, height, width, 3), np.float32)
    at = panels[0].x(np.arange(trajectory.frames) / trajectory.fps)
    for index in range(trajectory.frames):
        with_line = page.copy()
        for panel in panels:
            with_line.line(np.array([[at[index], panel.top], [at[index], panel.bottom]]), INK, 1.2)
        frames[index] = with_line.image()
    return frames


def curves(trajectory: CameraTrajectory, limits: dict[str, float]) -> list[Curve]:
    """Return speed and angular speed between the frames, and the field of view at each."""
    c2w, fps = trajectory.c2w, trajectory.fps
    speed = np.linalg.norm(np.diff(c2w[:, :, 3], axis=0), axis=1) * fps
    turning = np.degrees(angle_between(c2w[:-1, :, :3], c2w[1:, :, :3])) * fps
    between = (np.arange(trajectory.frames - 1) + 0.5) / fps
    return [
        Curve("speed, units per second", between, speed, limits.get("speed"), True),
        Curve("turning, degrees per second", between, turning, limits.get("angular"), True),
        Curve("field of view, degrees", np.arange(trajectory.frames) / fps, trajectory.fov()[:, 0], None, False),
    ]


def _page_with_curves(
    trajectory: CameraTrajectory, height: int, width: int, limits: dict[str, float]
) -> tuple[Canvas, list[Panel]]:
    """Return the page with all curves, and the panel of each."""
    page = Canvas(height, width)
    seconds = max((trajectory.frames - 1) / trajectory.fps, 1 / trajectory.fps)
    every_curve = curves(trajectory, limits)
    each = (height - FOOT) / len(every_curve)
    times = ticks(0.0, seconds, 8)
    panels = []
    for row, curve in enumerate(every_curve):
        panel = Panel(LEFT, width - RIGHT, row * each + HEAD, (row + 1) * each - 6, seconds, *curve.bounds())
        _draw_grid(page, panel, times)
        page.text(curve.title, panel.left, panel.top - 7, size=0.40)
        if curve.limit is not None:
            _draw_limit(page, panel, curve.limit)
        page.line(np.array([[panel.left, panel.bottom], [panel.right, panel.bottom]]), SHADE, 1.2)
        _draw_values(page, panel, curve)
        panels.append(panel)
    for time in times:
        unit = " s" if time == times[-1] else ""
        page.text(f"{time:g}{unit}", float(panels[0].x(np.array(time))), height - 10, 0.36, align=0.5)
    return page, panels


def _draw_grid(page: Canvas, panel: Panel, times: list[float]) -> None:
    """Draw lines at round values, with the values beside them, and at round times."""
    for value in ticks(panel.low, panel.high, 3):
        y = float(panel.y(np.array(value)))
        page.line(np.array([[panel.left, y], [panel.right, y]]), GRID)
        page.text(f"{value:g}", panel.left - 6, y + 4, size=0.36, align=1.0)
    for time in times:
        x = float(panel.x(np.array(time)))
        page.line(np.array([[x, panel.top], [x, panel.bottom]]), GRID)


def _draw_limit(page: Canvas, panel: Panel, limit: float) -> None:
    """Write the limit, and draw a dashed line where it is on the axis: far above, it would only flatten the curve."""
    if limit <= panel.high:
        y = float(panel.y(np.array(limit)))
        for start in np.arange(panel.left, panel.right, 10):
            page.line(np.array([[start, y], [min(start + 6, panel.right), y]]), NOW, 1.2)
    page.text(f"trained up to {limit:.3g}", panel.right, panel.top - 7, size=0.36, color=NOW, align=1.0)


def _draw_values(page: Canvas, panel: Panel, curve: Curve) -> None:
    """Draw the curve in the colors of the frames, shaded down to zero where its axis begins there."""
    if not len(curve.values):
        page.text("one frame: no movement", panel.left + 8, (panel.top + panel.bottom) / 2, size=0.36)
        return
    spots = np.stack([panel.x(curve.times), panel.y(curve.values)], -1)
    if curve.from_zero:
        base = [[spots[-1, 0], panel.bottom], [spots[0, 0], panel.bottom]]
        page.area(np.concatenate([spots, base]), SUBJECT, 0.10)
    for index in range(len(spots) - 1):
        page.line(spots[index : index + 2], frame_color(index + 0.5, len(spots)), 2.2)
    if len(spots) == 1:
        page.dot(spots[0], 3, SUBJECT)
