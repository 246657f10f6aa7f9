"""Points tracked through a video: corners and blobs at several sizes, by Lucas-Kanade from frame to frame (SIFT where
the image jumps), then aligned with the frame in which they were first seen.

Positions are in pixels of the working image, (0, 0) its corner: the center of the first pixel is (0.5, 0.5).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from ... import libraries
from ...progress import Step
from . import patches as patch

# The working image's longer side: smaller images are enlarged for the window to fit, larger ones are wasted time.
MIN_SIDE, MAX_SIDE = 384, 960
COUNT = 700
# Distance of a patch's samples in pixels of an image 672 wide, and the share of the points.
PATCH_SIZES = ((1.0, 0.5), (2.0, 0.3), (4.0, 0.2))
# Points whose position their patch does not fix this well (pixels) are not tracked.
MAX_DEVIATION = 0.35
# Pixels between a point and where the flow back from the next frame leads.
MAX_ROUND_TRIP = 0.7
# Fewer matches or inliers do not make a homography.
MIN_MATCHES = 8


@dataclass
class Tracks:
    """xy (N, F, 2) float64 positions, NaN where a point is not tracked; size (width, height) of the working image;
    cuts: frames in which next to nothing of the frame before is seen."""

    xy: np.ndarray
    size: tuple[int, int]
    cuts: tuple[int, ...]


opencv = partial(libraries.opencv, "estimating a camera from a video")


def to_working_images(frames: np.ndarray) -> list[np.ndarray]:
    """Return frames (F, H, W, 3) or (F, H, W), uint8 or 0..1 float, as gray uint8 images of the working size."""
    cv2 = opencv()
    height, width = frames.shape[1:3]
    longer = max(height, width)
    scale = min(max(longer, MIN_SIDE), MAX_SIDE) / longer
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


def track_points(
    images: list[np.ndarray],
    allowed: list[np.ndarray] | None = None,
    count: int = COUNT,
    step: Step = lambda: None,
) -> Tracks:
    """Track about `count` points per frame through gray images (H, W).

    allowed: per frame (H, W) uint8, 0 where no point may be. step: called after each frame.
    """
    height, width = images[0].shape
    scale = max(height, width) / 672
    layers = [TrackLayer(len(images), size * scale, round(share * count), scale) for size, share in PATCH_SIZES]
    cuts = []
    for frame, image in enumerate(images):
        mask = None if allowed is None else allowed[frame]
        lost = [layer.advance(images[frame - 1], image, frame, mask) for layer in layers] if frame else []
        if lost and all(lost):
            cuts.append(frame)
        for layer in layers:
            layer.replenish(image, frame, mask)
        step()
    return Tracks(np.concatenate([layer.tracks() for layer in layers]), (width, height), tuple(cuts))


class TrackLayer:
    """The points of one patch size: those tracked now, and the positions of all so far."""

    def __init__(self, frames: int, step: float, count: int, scale: float):
        """step: distance of a patch's samples in pixels. scale: pixels of this image per pixel of one 672 wide."""
        self.frames, self.step, self.count = frames, step, count
        self.window = round(step * (patch.GRID // 2)) * 2 + 1
        self.spacing = max(4.0, 0.45 * self.window)
        self.scale = scale
        self.points = np.zeros((0, 2), np.float32)
        self.ids = np.zeros(0, int)
        self.patches: patch.Patches | None = None
        self.positions: list[np.ndarray] = []

    def tracks(self) -> np.ndarray:
        """Return the positions (N, F, 2) of the points seen in at least three frames."""
        tracks = np.array(self.positions).reshape(-1, self.frames, 2)
        result: np.ndarray = tracks[np.isfinite(tracks[:, :, 0]).sum(1) >= min(3, self.frames)]
        return result

    def advance(self, before: np.ndarray, after: np.ndarray, frame: int, mask: np.ndarray | None) -> bool:
        """Track into the image `after`, which is number `frame`; return whether next to nothing is seen again."""
        if self.patches is None or not len(self.points):
            return False
        moved, good = self._flow(before, after)
        lost = bool(good.mean() < 0.05 or good.sum() < MIN_MATCHES)
        margin = self.window / 4
        good &= _is_inside(moved, after.shape, mask, margin)
        start = moved[good]
        patches = self.patches.select(good)
        aligned, patches, correlation = patch.align_patches(patches, patch.blur(after, self.step), start, self.step)
        size = np.sqrt(np.abs(np.linalg.det(patches.warp)))
        keep = (correlation > patch.MIN_CORRELATION) & (np.linalg.norm(aligned - start, axis=1) < 3 * self.scale)
        keep &= (size > 0.5) & (size < 2.0) & _is_inside(aligned, after.shape, mask, margin)
        self.points, self.ids, self.patches = aligned[keep], self.ids[good][keep], patches.select(keep)
        for index, point in zip(self.ids, self.points, strict=True):
            self.positions[index][frame] = point + 0.5
        return lost

    def _flow(self, before: np.ndarray, after: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the positions (N, 2) of the points in the next image, and which of them are good (N,)."""
        moved, good = _lucas_kanade(before, after, self.points, self.window)
        if good.mean() < 0.5:
            guess = _sift_guess(before, after, self.points)
            if guess is not None:
                moved_again, good_again = _lucas_kanade(before, after, self.points, self.window, guess)
                if good_again.sum() > good.sum():
                    return moved_again, good_again
        return moved, good

    def replenish(self, image: np.ndarray, frame: int, mask: np.ndarray | None) -> None:
        """Add new points where there is room: in every fourth frame, or when a fifth of them is missing."""
        missing = self.count - len(self.points)
        if missing < (0.2 * self.count if frame % 4 else 1):
            return
        corners = self._find_corners(image, 2 * missing, mask)
        if not len(corners):
            return
        patches = patch.extract_patches(patch.blur(image, self.step), corners, self.step)
        deviation = np.sqrt(np.linalg.eigvalsh(patches.covariance)[:, 1])
        good = np.flatnonzero(deviation < MAX_DEVIATION * self.scale)[:missing]
        first_id = len(self.positions)
        for index in good:
            positions = np.full((self.frames, 2), np.nan)
            positions[frame] = corners[index] + 0.5
            self.positions.append(positions)
        self.ids = np.concatenate([self.ids, first_id + np.arange(len(good))])
        self.points = np.concatenate([self.points, corners[good]])
        patches = patches.select(good)
        self.patches = patches if self.patches is None else self.patches.concatenate(patches)

    def _find_corners(self, image: np.ndarray, count: int, mask: np.ndarray | None) -> np.ndarray:
        """Return up to `count` corners (n, 2) away from the tracked points, the border and the mask."""
        cv2 = opencv()
        height, width = image.shape
        border = self.window // 2 + 1
        room = np.zeros((height, width), np.uint8)
        room[border : height - border, border : width - border] = 255
        if mask is not None:
            room &= mask
        for x, y in np.rint(self.points).astype(int):
            cv2.circle(room, (int(x), int(y)), int(self.spacing), 0, -1)
        block = self.window // 2 * 2 - 1
        corners = cv2.goodFeaturesToTrack(image, count, 0.001, self.spacing, mask=room, blockSize=block)
        return np.zeros((0, 2), np.float32) if corners is None else corners.reshape(-1, 2)


def _lucas_kanade(
    before: np.ndarray, after: np.ndarray, points: np.ndarray, window: int, guess: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return positions (N, 2) in the next image, and whether the flow back leads to the start again, (N,) bool."""
    cv2 = opencv()
    options: dict[str, Any] = {
        "winSize": (window, window),
        "maxLevel": 4,
        "criteria": (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 20, 0.02),
        "flags": cv2.OPTFLOW_USE_INITIAL_FLOW,
    }
    start = points if guess is None else guess
    moved, forward_ok, _ = cv2.calcOpticalFlowPyrLK(before, after, points, start.copy(), **options)
    back, back_ok, _ = cv2.calcOpticalFlowPyrLK(after, before, moved, points.copy(), **options)
    error = np.linalg.norm(back - points, axis=1)
    return moved, (forward_ok.ravel() > 0) & (back_ok.ravel() > 0) & (error < MAX_ROUND_TRIP)


def _is_inside(points: np.ndarray, shape: tuple[int, ...], mask: np.ndarray | None, margin: float) -> np.ndarray:
    """Return (N,) bool: in the image with room for most of the window, and not where the mask is 0."""
    height, width = shape
    inside = np.asarray((points > margin).all(1))
    inside &= (points[:, 0] < width - 1 - margin) & (points[:, 1] < height - 1 - margin)
    if mask is not None:
        column = np.clip(np.rint(points[:, 0]).astype(int), 0, width - 1)
        row = np.clip(np.rint(points[:, 1]).astype(int), 0, height - 1)
        inside &= mask[row, column] > 0
    return inside


def _sift_guess(before: np.ndarray, after: np.ndarray, points: np.ndarray) -> np.ndarray | None:
    """Return points (N, 2) moved by a homography through SIFT matches; None where too few match."""
    cv2 = opencv()
    sift = cv2.SIFT_create(1500)
    (keypoints, a), (keypoints_after, b) = sift.detectAndCompute(before, None), sift.detectAndCompute(after, None)
    if a is None or b is None or len(a) < MIN_MATCHES or len(b) < MIN_MATCHES:
        return None
    pairs = cv2.BFMatcher().knnMatch(a, b, k=2)
    matches = [m for m, *other in pairs if other and m.distance < 0.75 * other[0].distance]
    if len(matches) < MIN_MATCHES:
        return None
    old = np.array([keypoints[m.queryIdx].pt for m in matches], np.float32)
    new = np.array([keypoints_after[m.trainIdx].pt for m in matches], np.float32)
    homography, inliers = cv2.findHomography(old, new, cv2.USAC_MAGSAC, 8.0)
    if homography is None or inliers.sum() < MIN_MATCHES:
        return None
    return np.asarray(cv2.perspectiveTransform(points[:, None], homography))[:, 0].astype(np.float32)
