"""Points followed through a video: corners by pyramidal Lucas-Kanade, checked backwards; SIFT where that breaks.

Corners that Lucas-Kanade follows are several times more exact than matched SIFT keypoints, and they are as dense in a
generated video; SIFT finds them again where the picture moves too far between two frames.
Positions are in pixels of the working picture, (0, 0) its corner: the centre of the first pixel is (0.5, 0.5).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ...errors import need

# The working picture's longer side: smaller ones are enlarged for the window to fit, larger ones are wasted time.
SMALLEST, LARGEST = 384, 960
COUNT = 700
WINDOW = 15


@dataclass
class Tracks:
    """xy (N, F, 2) float64 positions, NaN where a point is not followed; size (width, height) of the working picture;
    cuts: frames at which next to nothing of the frame before is seen."""

    xy: np.ndarray
    size: tuple[int, int]
    cuts: tuple[int, ...]

    @property
    def seen(self) -> np.ndarray:
        """(N, F) bool."""
        return np.isfinite(self.xy[:, :, 0])


def grey(frames: np.ndarray) -> list[np.ndarray]:
    """Frames (F, H, W, 3) or (F, H, W), uint8 or 0..1 float, as grey uint8 pictures of the working size."""
    cv2 = opencv()
    height, width = frames.shape[1:3]
    longer = max(height, width)
    scale = min(max(longer, SMALLEST), LARGEST) / longer
    size = (max(round(width * scale), 16), max(round(height * scale), 16))
    pictures = []
    for frame in frames:
        if frame.dtype != np.uint8:
            frame = (np.clip(frame, 0, 1) * 255 + 0.5).astype(np.uint8)
        if frame.ndim == 3:
            frame = cv2.cvtColor(np.ascontiguousarray(frame[..., :3]), cv2.COLOR_RGB2GRAY)
        if size != (width, height):
            frame = cv2.resize(frame, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
        pictures.append(frame)
    return pictures


def opencv():
    """OpenCV, or the UserError that names it."""
    try:
        import cv2
    except ImportError as error:
        raise need("opencv-python-headless", "finding a camera in a video") from error
    return cv2


def follow(
    pictures: list[np.ndarray],
    allowed: list[np.ndarray] | None = None,
    count: int = COUNT,
    step: Callable[[], None] = lambda: None,
) -> Tracks:
    """Follow about `count` points per frame. allowed: per frame (H, W) uint8, 0 where nothing may be followed."""
    cv2 = opencv()
    height, width = pictures[0].shape
    spacing = max(4.0, 0.55 * (width * height / count) ** 0.5)
    rows = np.full((0, len(pictures), 2), np.nan)
    ids = np.zeros(0, int)
    points = np.zeros((0, 2), np.float32)
    cuts = []
    for number, picture in enumerate(pictures):
        free = None if allowed is None else allowed[number]
        if number and len(points):
            before = pictures[number - 1]
            moved, good = _step(cv2, before, picture, points)
            if good.mean() < 0.5:
                guess = _sift_guess(cv2, before, picture, points)
                if guess is not None:
                    again, better = _step(cv2, before, picture, points, guess)
                    if better.sum() > good.sum():
                        moved, good = again, better
            if good.mean() < 0.05 or good.sum() < 8:
                cuts.append(number)
            good &= _inside(moved, width, height, free)
            points, ids = moved[good], ids[good]
            rows[ids, number] = points + 0.5
        if len(points) < 0.75 * count or number % 5 == 0:
            fresh = _corners(cv2, picture, free, points, count - len(points), spacing)
            if len(fresh):
                ids = np.concatenate([ids, len(rows) + np.arange(len(fresh))])
                points = np.concatenate([points, fresh])
                added = np.full((len(fresh), len(pictures), 2), np.nan)
                added[:, number] = fresh + 0.5
                rows = np.concatenate([rows, added])
        step()
    long_enough = np.isfinite(rows[:, :, 0]).sum(1) >= 3
    return Tracks(rows[long_enough], (width, height), tuple(cuts))


def _step(cv2, before: np.ndarray, after: np.ndarray, points: np.ndarray, guess: np.ndarray | None = None):
    """Positions (N, 2) in the next picture and whether the way back leads home, (N,) bool."""
    setting = {
        "winSize": (WINDOW, WINDOW),
        "maxLevel": 4,
        "criteria": (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 30, 0.01),
        "minEigThreshold": 1e-4,
    }
    start = points if guess is None else guess
    moved, found, _ = cv2.calcOpticalFlowPyrLK(
        before, after, points, start.copy(), flags=cv2.OPTFLOW_USE_INITIAL_FLOW, **setting
    )
    back, home, _ = cv2.calcOpticalFlowPyrLK(
        after, before, moved, points.copy(), flags=cv2.OPTFLOW_USE_INITIAL_FLOW, **setting
    )
    error = np.linalg.norm(back - points, axis=1)
    return moved, (found.ravel() > 0) & (home.ravel() > 0) & (error < 0.3)


def _inside(points: np.ndarray, width: int, height: int, free: np.ndarray | None) -> np.ndarray:
    """(N,) bool: in the picture with room for most of the window, and not where masked."""
    margin = 3
    good = (points > margin).all(1) & (points[:, 0] < width - 1 - margin) & (points[:, 1] < height - 1 - margin)
    if free is not None:
        column = np.clip(np.rint(points[:, 0]).astype(int), 0, width - 1)
        row = np.clip(np.rint(points[:, 1]).astype(int), 0, height - 1)
        good &= free[row, column] > 0
    return good


def _corners(cv2, picture, free, points, count: int, spacing: float) -> np.ndarray:
    """Up to `count` new corners (n, 2) away from `points` and from what is masked."""
    if count < 1:
        return np.zeros((0, 2), np.float32)
    height, width = picture.shape
    room = np.zeros((height, width), np.uint8)
    room[4 : height - 4, 4 : width - 4] = 255
    if free is not None:
        room &= free
    for x, y in np.rint(points).astype(int):
        cv2.circle(room, (int(x), int(y)), int(spacing), 0, -1)
    found = cv2.goodFeaturesToTrack(picture, count, 0.003, spacing, mask=room, blockSize=5)
    if found is None:
        return np.zeros((0, 2), np.float32)
    found = found.reshape(-1, 2)
    # Of a flat picture the best corner is still noise: what counts is the contrast in grey levels.
    strength = cv2.cornerMinEigenVal(picture, 5)
    column, row = np.rint(found).astype(int).T
    return found[strength[row, column] > 2e-4].astype(np.float32)


def _sift_guess(cv2, before: np.ndarray, after: np.ndarray, points: np.ndarray) -> np.ndarray | None:
    """Where points (N, 2) may have gone, by the nearest SIFT matches; None where too few match."""
    sift = cv2.SIFT_create(1500)
    (first, a), (second, b) = sift.detectAndCompute(before, None), sift.detectAndCompute(after, None)
    if a is None or b is None or len(a) < 8 or len(b) < 8:
        return None
    pairs = cv2.BFMatcher().knnMatch(a, b, k=2)
    matched = [m for m, *other in pairs if other and m.distance < 0.75 * other[0].distance]
    if len(matched) < 8:
        return None
    old = np.array([first[m.queryIdx].pt for m in matched], np.float32)
    new = np.array([second[m.trainIdx].pt for m in matched], np.float32)
    model, inside = cv2.findHomography(old, new, cv2.USAC_MAGSAC, 8.0)
    if model is None or inside.sum() < 8:
        return None
    return cv2.perspectiveTransform(points[:, None], model)[:, 0].astype(np.float32)
