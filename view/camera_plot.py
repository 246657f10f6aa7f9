"""Images of a camera path: where it goes in space, how fast it moves and turns, and the rays of its pixels.

Images are `(H, W, 3)`, clips `(F, H, W, 3)`, float32 in [0, 1]. Blue is the first frame and red the last throughout.
"""

from __future__ import annotations

import numpy as np

from ..control.camera.rotations import angle_between, look_at_rotation
from ..control.camera.trajectory import CameraTrajectory
from ..control.errors import UserError
from .canvas import Canvas
from .sheet import INK, NOW, SUBJECT

GRID = (0.87, 0.88, 0.88)
SHADE = (0.74, 0.76, 0.78)
AZIMUTH, ELEVATION = -36.0, 26.0  # the viewer stands behind, to the left and above, in degrees
FRUSTUMS = 9
REACH = 2.5  # a limit so many times above the largest value is still drawn as a line


class View:
    """How space is seen: a perspective image from behind and above that holds all of `points` (N, 3)."""

    def __init__(self, points: np.ndarray, box: tuple[float, float, float, float]):
        left, top, right, bottom = box
        turn, rise = np.radians(AZIMUTH), np.radians(ELEVATION)
        back = np.array([np.sin(turn) * np.cos(rise), -np.sin(rise), -np.cos(turn) * np.cos(rise)])
        self.rotation = look_at_rotation(-back)
        center = (points.min(0) + points.max(0)) / 2
        size = max(float(np.linalg.norm(points - center, axis=1).max()), 1e-6)
        self.eye = center + 5.0 * size * back
        flat = self._flat(points)
        low, high = flat.min(0), flat.max(0)
        self.scale = float(np.min([right - left, bottom - top] / np.maximum(high - low, 1e-6)))
        self.middle = (low + high) / 2
        self.place = np.array([(left + right) / 2, (top + bottom) / 2])

    def depth(self, points: np.ndarray) -> np.ndarray:
        """Distance from the viewer along the line of sight (N,)."""
        return (points - self.eye) @ self.rotation[:, 2]

    def __call__(self, points: np.ndarray) -> np.ndarray:
        """Places on the page (N, 2) of points in space (N, 3)."""
        return (self._flat(points) - self.middle) * self.scale + self.place

    def _flat(self, points: np.ndarray) -> np.ndarray:
        seen = (np.atleast_2d(points) - self.eye) @ self.rotation
        return seen[:, :2] / np.maximum(seen[:, 2:], 1e-6)


def draw_path(trajectory: CameraTrajectory, height: int = 480, width: int = 720) -> np.ndarray:
    """The path in space with cameras along it, the subject at distance 1 and the ground: `(height, width, 3)`."""
    page, view, corners = _space(trajectory, height, width)
    ends = {0, trajectory.frames - 1}
    for index in [*_apart(view(corners.reshape(-1, 3)).reshape(-1, 6, 2)), *sorted(ends)]:
        color = _color(index, trajectory.frames)
        if index in ends:
            _frustum(page, view, corners[index], color, 1.7, 0.28)
        else:
            _frustum(page, view, corners[index], tuple(0.35 + 0.65 * part for part in color), 0.9, 0)
    return page.image()


def path_frames(trajectory: CameraTrajectory, height: int = 480, width: int = 720) -> np.ndarray:
    """The same view as a clip: the path stands still and the camera moves along it. `(F, height, width, 3)`."""
    page, view, corners = _space(trajectory, height, width)
    frames = np.empty((trajectory.frames, height, width, 3), np.float32)
    for index in range(trajectory.frames):
        drawn = page.copy()
        _frustum(drawn, view, corners[index], _color(index, trajectory.frames), 1.8, 0.32)
        frames[index] = drawn.image()
    return frames


def _space(trajectory: CameraTrajectory, height: int, width: int) -> tuple[Canvas, View, np.ndarray]:
    """The page with ground, subject, path and captions; the view; and the corners (F, 6, 3) of every camera."""
    c2w = trajectory.relative().c2w
    places, subject = c2w[:, :, 3], np.array([[0.0, 0.0, 1.0]])
    known = np.concatenate([places, subject])
    span = max(float((known.max(0) - known.min(0)).max()), 1e-3)
    corners = _corners(c2w, trajectory, 0.2 * span)
    floor = known[:, 1].max() + 0.28 * span
    step = _nice(span / 4)
    around = np.concatenate([known, corners.reshape(-1, 3)])
    low = np.floor((around[:, [0, 2]].min(0)) / step) * step
    high = np.ceil((around[:, [0, 2]].max(0)) / step) * step
    edge = np.array([[x, floor, z] for x in (low[0], high[0]) for z in (low[1], high[1])])
    view = View(np.concatenate([around, edge]), (14, 46, width - 14, height - 34))
    page = Canvas(height, width)

    def on_floor(points: np.ndarray) -> np.ndarray:
        return np.stack([points[:, 0], np.full(len(points), floor), points[:, 2]], -1)

    for x in np.arange(low[0], high[0] + step / 2, step):
        page.line(view(np.array([[x, floor, low[1]], [x, floor, high[1]]])), GRID)
    for z in np.arange(low[1], high[1] + step / 2, step):
        page.line(view(np.array([[low[0], floor, z], [high[0], floor, z]])), GRID)
    for point in (subject, places[:1], places[-1:]):
        page.line(view(np.concatenate([point, on_floor(point)])), SHADE)
    page.line(view(on_floor(places)), SHADE, 2.0)
    page.dot(view(on_floor(subject))[0], 3, SHADE)
    radius = float(np.clip(0.035 * span * view.scale / view.depth(subject)[0], 4, 14))
    page.dot(view(subject)[0], radius, SUBJECT)
    page.dot(view(subject)[0] - 0.3 * radius, 0.35 * radius, tuple(0.5 + 0.5 * c for c in SUBJECT))
    page.text("subject", *(view(subject)[0] + (radius + 4, 4)), size=0.38, color=SUBJECT)
    flat = view(places)
    for index in range(trajectory.frames - 1):
        page.line(flat[index : index + 2], _color(index + 0.5, trajectory.frames), 2.6)
    if trajectory.frames <= 100:
        for index, spot in enumerate(flat):
            page.dot(spot, 2.0, _color(index, trajectory.frames))

    turned = np.degrees(angle_between(c2w[:1, :, :3], c2w[:, :, :3]))
    length = float(np.linalg.norm(np.diff(places, axis=0), axis=1).sum())
    page.text(f"{_count(trajectory)}   path {length:.3g}   turned up to {turned.max():.3g} degrees", 12, 20)
    page.text(f"grid {step:g}", width - 12, 20, color=(0.5, 0.52, 0.55), align=1.0)
    _time_bar(page, 12, height - 18, min(220, width - 24))
    return page, view, corners


def _corners(c2w: np.ndarray, trajectory: CameraTrajectory, size: float) -> np.ndarray:
    """Apex, the four corners of the image, and the tip of the mark at its top, of every camera: (F, 6, 3)."""
    half = np.minimum(0.5 / trajectory.intrinsics[:, :2], 3.0)  # at depth 1
    half = half / np.linalg.norm(half, axis=1, keepdims=True)  # one size of image at any lens: the depth tells it
    depth = np.clip(np.mean(trajectory.intrinsics[:, :2] * 2 * half, axis=1), 0.35, 2.5)
    wide, high = half.T
    nothing = np.zeros_like(wide)
    local = np.stack(
        [
            np.stack([nothing, nothing, nothing], -1),
            np.stack([-wide, -high, depth], -1),
            np.stack([wide, -high, depth], -1),
            np.stack([wide, high, depth], -1),
            np.stack([-wide, high, depth], -1),
            np.stack([nothing, -1.45 * high, depth], -1),
        ],
        1,
    )
    return np.einsum("fij,fnj->fni", c2w[:, :, :3], 0.5 * size * local) + c2w[:, None, :, 3]


def _apart(flat: np.ndarray) -> list[int]:
    """Frames between the first and the last whose cameras (F, 6, 2) on the page do not crowd each other."""
    size = np.linalg.norm(flat[0, 1] - flat[0, 3])
    chosen: list[int] = []
    for index in np.unique(np.round(np.linspace(0, len(flat) - 1, FRUSTUMS)).astype(int))[1:-1]:
        others = flat[[0, *chosen, len(flat) - 1]]
        if np.linalg.norm(others - flat[index], axis=-1).max(1).min() > 0.45 * size:
            chosen.append(int(index))
    return chosen


def _frustum(page: Canvas, view: View, corners: np.ndarray, color: tuple, width: float, fill: float) -> None:
    flat = view(corners)
    if fill:
        page.area(flat[1:5], color, fill)
    for corner in flat[1:5]:
        page.line(np.stack([flat[0], corner]), color, width)
    page.line(flat[1:5], color, width, closed=True)
    top = flat[1:3].mean(0)
    page.area(np.stack([0.6 * top + 0.4 * flat[1], 0.6 * top + 0.4 * flat[2], flat[5]]), color)
    page.dot(flat[0], 1.3 * width + 0.8, color)


def draw_curves(
    trajectory: CameraTrajectory, height: int = 480, width: int = 720, limits: dict[str, float] | None = None
) -> np.ndarray:
    """Speed, angular speed and field of view over time, one below the other: `(height, width, 3)`.

    limits: the fastest that a model has seen, `speed` in units and `angular` in degrees, both per second; drawn as a
    dashed line where the curve comes near it.
    """
    return _curves(trajectory, height, width, limits)[0].image()


def curve_frames(
    trajectory: CameraTrajectory, height: int = 480, width: int = 720, limits: dict[str, float] | None = None
) -> np.ndarray:
    """The curves as a clip with a line at the current frame: `(F, height, width, 3)`."""
    page, at, rows = _curves(trajectory, height, width, limits)
    frames = np.empty((trajectory.frames, height, width, 3), np.float32)
    for index in range(trajectory.frames):
        drawn = page.copy()
        for top, bottom in rows:
            drawn.line(np.array([[at[index], top], [at[index], bottom]]), INK, 1.2)
        frames[index] = drawn.image()
    return frames


def _curves(
    trajectory: CameraTrajectory, height: int, width: int, limits: dict[str, float] | None
) -> tuple[Canvas, np.ndarray, list[tuple[float, float]]]:
    """The page, the place of every frame on its time axis (F,), and top and bottom of each panel."""
    limits = limits or {}
    c2w, fps = trajectory.c2w, trajectory.fps
    speed = np.linalg.norm(np.diff(c2w[:, :, 3], axis=0), axis=1) * fps
    turning = np.degrees(angle_between(c2w[:-1, :, :3], c2w[1:, :, :3])) * fps
    between = (np.arange(trajectory.frames - 1) + 0.5) / fps
    every = np.arange(trajectory.frames) / fps
    panels = [
        ("speed, units per second", between, speed, limits.get("speed"), True),
        ("turning, degrees per second", between, turning, limits.get("angular"), True),
        ("field of view, degrees", every, trajectory.fov()[:, 0], None, False),
    ]
    page = Canvas(height, width)
    left, right, head, foot = 58.0, width - 16.0, 24.0, 26.0
    most = max(float(every[-1]), 1 / fps)
    each = (height - foot) / len(panels)
    rows = [(row * each + head, (row + 1) * each - 6) for row in range(len(panels))]

    def across(time: np.ndarray | float) -> np.ndarray:
        return left + np.asarray(time) / most * (right - left)

    ticks = _ticks(0.0, most, 8)
    for (title, times, values, limit, from_zero), (top, bottom) in zip(panels, rows, strict=True):
        low, high = _bounds(values, limit, from_zero)

        def down(value: np.ndarray | float, low=low, high=high, top=top, bottom=bottom) -> np.ndarray:
            return bottom - (np.asarray(value) - low) / (high - low) * (bottom - top)

        for tick in _ticks(low, high, 3):
            y = float(down(tick))
            page.line(np.array([[left, y], [right, y]]), GRID)
            page.text(f"{tick:g}", left - 6, y + 4, size=0.36, align=1.0)
        for tick in ticks:
            x = float(across(tick))
            page.line(np.array([[x, top], [x, bottom]]), GRID)
        page.text(title, left, top - 7, size=0.40)
        if limit is not None:
            y = float(down(limit))
            # A limit far above the curve would only flatten it: its figure is enough.
            for start in np.arange(left, right, 10) if limit <= high else ():
                page.line(np.array([[start, y], [min(start + 6, right), y]]), NOW, 1.2)
            page.text(f"trained up to {limit:.3g}", right, top - 7, size=0.36, color=NOW, align=1.0)
        page.line(np.array([[left, bottom], [right, bottom]]), SHADE, 1.2)
        if len(values):
            spots = np.stack([across(times), down(values)], -1)
            if from_zero:
                page.area(np.concatenate([spots, [[spots[-1, 0], bottom], [spots[0, 0], bottom]]]), SUBJECT, 0.10)
            for index in range(len(spots) - 1):
                page.line(spots[index : index + 2], _color(index + 0.5, len(spots)), 2.2)
            if len(spots) == 1:
                page.dot(spots[0], 3, SUBJECT)
        else:
            page.text("one frame: no movement", left + 8, (top + bottom) / 2, size=0.36)
    for tick in ticks:
        unit = " s" if tick == ticks[-1] else ""
        page.text(f"{tick:g}{unit}", float(across(tick)), height - 10, 0.36, align=0.5)
    return page, across(every), rows


def plucker_clip(rays: np.ndarray) -> np.ndarray:
    """Plücker rays (F, 6, H, W), moment before direction, as images side by side: `(F, H, 2 W + 4, 3)`.

    Left the moment (gray where a ray passes through the origin), scaled by its largest value in the clip; right the
    direction, one color per axis from -1 (0) to 1 (255).
    """
    if rays.ndim != 4 or rays.shape[1] != 6:
        raise UserError(f"Plücker rays have shape {rays.shape}; (frames, 6, height, width) was expected.")
    moment, direction = np.moveaxis(rays[:, :3], 1, -1), np.moveaxis(rays[:, 3:], 1, -1)
    most = max(float(np.abs(moment).max()), 1e-6)
    gap = np.ones((*moment.shape[:2], 4, 3), np.float32)
    images = np.concatenate([0.5 + 0.5 * moment / most, gap, 0.5 + 0.5 * direction], 2)
    return np.clip(images, 0, 1).astype(np.float32)


def plucker_sheet(rays: np.ndarray, columns: int = 6, width: int = 720) -> np.ndarray:
    """`columns` evenly spaced frames of Plücker rays (F, 6, H, W), moments above directions: `(H', width, 3)`."""
    clip = plucker_clip(rays)
    picks = np.unique(np.round(np.linspace(0, len(clip) - 1, columns)).astype(int))
    high, wide = rays.shape[2:]
    margin, gap, head = 78, 5, 22
    cell = max(8, (width - margin - gap) // columns - gap)
    tall = max(8, round(cell * high / wide))
    page = Canvas(head + 2 * (tall + gap), width)
    for row, title in enumerate(("moment", "direction")):
        page.text(title, 8, head + row * (tall + gap) + tall / 2 + 4, size=0.40)
    for column in range(len(picks)):
        page.text(f"frame {picks[column]}", margin + column * (cell + gap) + cell / 2, 15, size=0.36, align=0.5)
    image = page.image()
    for column, pick in enumerate(picks):
        for row, part in enumerate((clip[pick, :, :wide], clip[pick, :, wide + 4 :])):
            small = page.cv2.resize(np.ascontiguousarray(part), (cell, tall), interpolation=page.cv2.INTER_AREA)
            top, left = head + row * (tall + gap), margin + column * (cell + gap)
            image[top : top + tall, left : left + cell] = small
    return image


def _time_bar(page: Canvas, x: float, y: float, length: float) -> None:
    page.text("first", x, y + 7, size=0.36)
    page.text("last frame", x + length - 66, y + 7, size=0.36)
    start, end = x + 36, x + length - 72
    edges = np.linspace(start, end, 65)
    for index in range(64):
        a, b = edges[index : index + 2]
        page.area(np.array([[a, y], [b, y], [b, y + 8], [a, y + 8]]), _color(index, 64))


def _color(index: float, count: int) -> tuple[float, float, float]:
    """Blue for the first of `count` frames, over violet, to red for the last."""
    share = 0.0 if count < 2 else float(np.clip(index / (count - 1), 0, 1))
    stops = np.array([[0.13, 0.45, 0.78], [0.49, 0.33, 0.67], [0.85, 0.27, 0.16]])
    return tuple(float(np.interp(share, [0, 0.5, 1], column)) for column in stops.T)


def _count(trajectory: CameraTrajectory) -> str:
    frames = trajectory.frames
    return f"{frames} frame{'s' if frames > 1 else ''}, {frames / trajectory.fps:.3g} s"


def _nice(value: float) -> float:
    """The nearest of 1, 2, 2.5, 5 times a power of ten, not below half of `value`."""
    power = 10.0 ** np.floor(np.log10(value))
    return float(min((m * power for m in (1, 2, 2.5, 5, 10)), key=lambda m: abs(np.log(m / value))))


def _bounds(values: np.ndarray, limit: float | None, from_zero: bool) -> tuple[float, float]:
    """Lower and upper end of an axis that holds the values, and the limit where it is in reach."""
    high = float(values.max()) if len(values) else 0.0
    low = 0.0 if from_zero or not len(values) else float(values.min())
    if limit is not None and limit <= REACH * high:
        high = max(high, limit)
    if from_zero:
        return 0.0, max(high * 1.12, 1e-6) if high > 1e-9 else 1.0
    room = max(0.12 * (high - low), 0.05 * abs(high), 1e-6)
    return low - room, high + room


def _ticks(low: float, high: float, count: int) -> list[float]:
    step = _nice((high - low) / count)
    first = np.ceil(low / step - 1e-9) * step
    return [float(round(tick, 10)) + 0.0 for tick in np.arange(first, high + step * 1e-6, step)]
