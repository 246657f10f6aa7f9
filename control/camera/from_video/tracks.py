"""Points followed through a video: corners and blobs at two sizes, by Lucas-Kanade from frame to frame (SIFT where the
image jumps), then aligned with the frame in which they were first seen.

Positions are in pixels of the working image, (0, 0) its corner: the center of the first pixel is (0.5, 0.5).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from ... import libraries
from . import patches as patch

# The working image's longer side: smaller ones are enlarged for the window to fit, larger ones are wasted time.
SMALLEST, LARGEST = 384, 960
COUNT = 700
# Distance of a patch's samples in pixels of an image 672 wide, and the share of the points.
SIZES = ((1.0, 0.5), (2.0, 0.3), (4.0, 0.2))
# A position that its patch does not fix this well (pixels) is not worth having.
VAGUE = 0.35


@dataclass
class Tracks:
    """xy (N, F, 2) float64 positions, NaN where a point is not followed; size (width, height) of the working image;
    cuts: frames at which next to nothing of the frame before is seen."""

    xy: np.ndarray
    size: tuple[int, int]
    cuts: tuple[int, ...]

    @property
    def seen(self) -> np.ndarray:
        """(N, F) bool."""
        return np.isfinite(self.xy[:, :, 0])


opencv = partial(libraries.opencv, "finding a camera in a video")


def gray(frames: np.ndarray) -> list[np.ndarray]:
    """Frames (F, H, W, 3) or (F, H, W), uint8 or 0..1 float, as gray uint8 images of the working size."""
    cv2 = opencv()
    height, width = frames.shape[1:3]
    longer = max(height, width)
    scale = min(max(longer, SMALLEST), LARGEST) / longer
    size = (max(round(width * scale), 16), max(round(height * scale), 16))
    images = []
    for frame in frames:
        if frame.dtype != np.uint8:
            frame = (np.clip(frame, 0, 1) * 255 + 0.5).astype(np.uint8)
        if frame.ndim == 3:
            frame = cv2.cvtColor(np.ascontiguousarray(frame[..., :3]), cv2.COLOR_RGB2GRAY)
        if size != (width, height):
            frame = cv2.resize(frame, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
        images.append(frame)
    return images


def follow(
    images: list[np.ndarray],
    allowed: list[np.ndarray] | None = None,
    count: int = COUNT,
    step: Callable[[], None] = lambda: None,
) -> Tracks:
    """Follow about `count` points per frame. allowed: per frame (H, W) uint8, 0 where nothing may be followed."""
    height, width = images[0].shape
    scale = max(height, width) / 672
    layers = [Layer(len(images), apart * scale, round(share * count), scale) for apart, share in SIZES]
    cuts = []
    for number, image in enumerate(images):
        free = None if allowed is None else allowed[number]
        lost = [layer.advance(images[number - 1], image, number, free) for layer in layers] if number else []
        if lost and all(lost):
            cuts.append(number)
        for layer in layers:
            layer.replenish(image, number, free)
        step()
    return Tracks(np.concatenate([layer.rows() for layer in layers]), (width, height), tuple(cuts))


class Layer:
    """The points of one patch size."""

    def __init__(self, frames: int, step: float, count: int, scale: float):
        self.frames, self.step, self.count = frames, step, count
        self.window = round(step * (patch.GRID // 2)) * 2 + 1
        self.spacing = max(4.0, 0.45 * self.window)
        self.scale = scale
        self.points = np.zeros((0, 2), np.float32)
        self.ids = np.zeros(0, int)
        self.patches: patch.Patches | None = None
        self.all: list[np.ndarray] = []

    def rows(self) -> np.ndarray:
        """(N, F, 2) of the points seen in at least three frames."""
        rows = np.array(self.all).reshape(-1, self.frames, 2)
        return rows[np.isfinite(rows[:, :, 0]).sum(1) >= min(3, self.frames)]

    def advance(self, before: np.ndarray, after: np.ndarray, number: int, free: np.ndarray | None) -> bool:
        """Follow into the next frame; True where next to nothing is found again."""
        if not len(self.points):
            return False
        cv2 = opencv()
        moved, good = _flow(cv2, before, after, self.points, self.window)
        if good.mean() < 0.5:
            guess = _sift_guess(cv2, before, after, self.points)
            if guess is not None:
                again, better = _flow(cv2, before, after, self.points, self.window, guess)
                if better.sum() > good.sum():
                    moved, good = again, better
        lost = good.mean() < 0.05 or good.sum() < 8
        good &= _inside(moved, after.shape, free, self.window / 4)
        kept = self.patches.only(good)
        start = moved[good]
        found, kept, alike = patch.align(kept, patch.smooth(after, self.step), start, self.step)
        size = np.sqrt(np.abs(np.linalg.det(kept.warp)))
        fine = (alike > patch.ALIKE) & (np.linalg.norm(found - start, axis=1) < 3 * self.scale)
        fine &= (size > 0.5) & (size < 2.0) & _inside(found, after.shape, free, self.window / 4)
        self.points, self.ids, self.patches = found[fine], self.ids[good][fine], kept.only(fine)
        for index, point in zip(self.ids, self.points, strict=True):
            self.all[index][number] = point + 0.5
        return lost

    def replenish(self, image: np.ndarray, number: int, free: np.ndarray | None) -> None:
        """New points where there is room."""
        wanted = self.count - len(self.points)
        if wanted < (0.2 * self.count if number % 4 else 1):
            return
        cv2 = opencv()
        height, width = image.shape
        rim = self.window // 2 + 1
        room = np.zeros((height, width), np.uint8)
        room[rim : height - rim, rim : width - rim] = 255
        if free is not None:
            room &= free
        for x, y in np.rint(self.points).astype(int):
            cv2.circle(room, (int(x), int(y)), int(self.spacing), 0, -1)
        block = self.window // 2 * 2 - 1
        found = cv2.goodFeaturesToTrack(image, wanted * 2, 0.001, self.spacing, mask=room, blockSize=block)
        if found is None:
            return
        found = found.reshape(-1, 2)
        fresh = patch.take(patch.smooth(image, self.step), found, self.step)
        worst = np.sqrt(np.linalg.eigvalsh(fresh.spread)[:, 1])
        good = np.flatnonzero(worst < VAGUE * self.scale)[:wanted]
        first = len(self.all)
        for index in good:
            row = np.full((self.frames, 2), np.nan)
            row[number] = found[index] + 0.5
            self.all.append(row)
        self.ids = np.concatenate([self.ids, first + np.arange(len(good))])
        self.points = np.concatenate([self.points, found[good]])
        fresh = fresh.only(good)
        self.patches = fresh if self.patches is None else self.patches.and_also(fresh)


def _flow(cv2, before: np.ndarray, after: np.ndarray, points: np.ndarray, window: int, guess: np.ndarray | None = None):
    """Positions (N, 2) in the next image and whether the way back leads home, (N,) bool."""
    setting = {
        "winSize": (window, window),
        "maxLevel": 4,
        "criteria": (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 20, 0.02),
        "flags": cv2.OPTFLOW_USE_INITIAL_FLOW,
    }
    start = points if guess is None else guess
    moved, found, _ = cv2.calcOpticalFlowPyrLK(before, after, points, start.copy(), **setting)
    back, home, _ = cv2.calcOpticalFlowPyrLK(after, before, moved, points.copy(), **setting)
    error = np.linalg.norm(back - points, axis=1)
    return moved, (found.ravel() > 0) & (home.ravel() > 0) & (error < 0.7)


def _inside(points: np.ndarray, shape: tuple[int, int], free: np.ndarray | None, margin: float) -> np.ndarray:
    """(N,) bool: in the image with room for most of the window, and not where masked."""
    height, width = shape
    good = (points > margin).all(1) & (points[:, 0] < width - 1 - margin) & (points[:, 1] < height - 1 - margin)
    if free is not None:
        column = np.clip(np.rint(points[:, 0]).astype(int), 0, width - 1)
        row = np.clip(np.rint(points[:, 1]).astype(int), 0, height - 1)
        good &= free[row, column] > 0
    return good


def _sift_guess(cv2, before: np.ndarray, after: np.ndarray, points: np.ndarray) -> np.ndarray | None:
    """Where points (N, 2) may have gone, by a homography through SIFT matches; None where too few match."""
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
