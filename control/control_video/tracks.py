"""Points that are followed through a clip, and their drawing.

Points (F, N, 2) are x and y in pixels, pixel centers at whole numbers; visible (F, N) says where each is seen.
"""

from __future__ import annotations

import numpy as np

from .drawing import SHIFT, as_bytes, as_floats, cv2, distinct_colors, fixed_point, stroke

MOST = 48  # points of a clip
DOT = 0.3  # brightness from which on a pixel belongs to a dot
_SAME_HUE, _FEWEST = 0.12, 3  # largest difference of two colors of one dot; pixels of a dot that is seen
_QUALITY, _LOST = 0.02, 1.0  # of corners beside the best; pixels that a point may be off when it is followed back


def draw_tracks(
    points: np.ndarray, visible: np.ndarray, height: int, width: int, colors: np.ndarray | None = None
) -> np.ndarray:
    """Return a control video (F, H, W, 3): a disc for every visible point, point k in color k of (N, 3)."""
    colors = 255 * (distinct_colors(points.shape[1]) if colors is None else colors)
    radius = fixed_point(np.array([1.7 * stroke(height, width)]))[0]
    frames = []
    for places, seen in zip(points, visible, strict=True):
        image = np.zeros((height, width, 3), np.uint8)
        for place, color in zip(places[seen], colors[seen], strict=True):
            cv2().circle(image, fixed_point(place), radius, color.tolist(), -1, cv2().LINE_AA, SHIFT)
        frames.append(as_floats(image))
    return np.stack(frames)


def points_of_tracks(frames: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the points (F, N, 2) that drawings (F, H, W, 3) of `draw_tracks` show, and where they are visible (F, N).

    They are those of the first frame, found again by their colors. Where one is hidden, its place is the last known.
    """
    bright = frames.max(-1) > DOT
    _, _, _, centers = cv2().connectedComponentsWithStats(bright[0].astype(np.uint8), connectivity=8)
    start = centers[1:].astype(np.float32)  # the first component is the background
    column, row = start.round().astype(int).reshape(-1, 2).T
    colors = _hues(frames[0, row, column])
    near = 2 * 1.7 * stroke(*frames.shape[1:3]) + 1
    points, visible = [start], [np.ones(len(start), bool)]
    for image, shown in zip(frames[1:], bright[1:], strict=True):
        places = np.argwhere(shown)[:, ::-1].astype(np.float32)
        apart = np.linalg.norm(_hues(image[shown])[:, None] - colors[None], axis=-1)
        owner = np.where(apart.min(1) < _SAME_HUE, apart.argmin(1), -1) if len(start) and len(places) else np.zeros(0)
        here, seen = points[-1].copy(), np.zeros(len(start), bool)
        for k in range(len(start)):
            own = places[owner == k]
            if len(own):
                # Where two discs touch, some pixels have the color of a third: those far from the middle are left out.
                own = own[np.linalg.norm(own - np.median(own, 0), axis=1) < near]
            if len(own) >= _FEWEST:
                here[k], seen[k] = own.mean(0), True
        points.append(here)
        visible.append(seen)
    return np.stack(points), np.stack(visible)


def _hues(colors: np.ndarray) -> np.ndarray:
    """Return colors (N, 3) at full brightness."""
    full: np.ndarray = colors / np.maximum(colors.max(-1, keepdims=True), 1e-6)
    return full


def detect_tracks(frames: np.ndarray, most: int = MOST) -> tuple[np.ndarray, np.ndarray]:
    """Return the points and where they are visible: corners of the first frame, followed by Lucas and Kanade's method.

    A point that does not come back when it is followed backwards is lost from there on.
    """
    gray = [cv2().cvtColor(image, cv2().COLOR_RGB2GRAY) for image in as_bytes(frames)]
    apart = max(3.0, min(gray[0].shape) / 12)
    found = cv2().goodFeaturesToTrack(gray[0], most, _QUALITY, apart)
    start = np.zeros((0, 2), np.float32) if found is None else found.reshape(-1, 2)
    return follow(gray, start)


def follow(gray: list[np.ndarray], start: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return points (F, N, 2) and visible (F, N) of points `start` (N, 2) in gray images (H, W) uint8."""
    points, visible = [start.astype(np.float32)], [np.ones(len(start), bool)]
    window = (2 * max(3, round(min(gray[0].shape) / 20)) + 1,) * 2
    for before, after in zip(gray[:-1], gray[1:], strict=True):
        if not len(start):
            points.append(points[0])
            visible.append(visible[0])
            continue
        place = points[-1][:, None]
        there, found, _ = cv2().calcOpticalFlowPyrLK(before, after, place, None, winSize=window)
        back, returned, _ = cv2().calcOpticalFlowPyrLK(after, before, there, None, winSize=window)
        good = (found & returned).ravel().astype(bool) & (np.linalg.norm((back - place)[:, 0], axis=1) < _LOST)
        points.append(there[:, 0])
        visible.append(visible[-1] & good)
    return np.stack(points), np.stack(visible)
