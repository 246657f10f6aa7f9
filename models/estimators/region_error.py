"""How far regions, boxes, normals and skeletons are from what the estimator of depth and objects sees in a clip.

Shapes: F frames of H x W pixels, as large as the estimator looks; asked: the control video, (F, H', W', 3) in 0..1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...control.control_video.drawing import cv2
from ...control.control_video.regions import labels_of
from ...control.images import resize_clip

_CLUSTERS, _ROUNDS, _THINNED = 24, 8, 2
_LAB = np.array([50.0, 60.0, 60.0], np.float32)  # lightness and colors of Lab count about as much as depth and objects
_PART = 0.25  # of an object's largest part: what is smaller is a speck
_SMOOTH = 1.0  # pixels, of the disparity before its slope is taken
_FARTHEST = 0.1  # of the width: a pixel that is farther away is lost
_LINE = 0.3  # brightness from which on a pixel belongs to a drawing


@dataclass(frozen=True, eq=False)
class Look:
    """A clip (F, H, W, 3) as the estimator saw it, objects (F, H, W) bool, depth and disparity (F, H, W).

    lens (F, 2): the focal lengths fx and fy in shares of width and height.
    """

    clip: np.ndarray
    objects: np.ndarray
    depth: np.ndarray
    disparity: np.ndarray
    lens: np.ndarray


def box_error(asked: np.ndarray, look: Look) -> float | None:
    """Return 1 less the mean IoU of the asked boxes and those around what is seen; None without boxes.

    Every pixel of an object belongs to the nearest box of its frame.
    """
    labels, count = labels_of(asked)
    height, width = look.objects.shape[1:]
    scale = np.array([width / asked.shape[2], height / asked.shape[1]] * 2)
    rows, columns = np.mgrid[:height, :width]
    shared: list[float] = []
    for drawn, objects in zip(labels, look.objects, strict=True):
        boxes = [_extent(drawn == k) * scale for k in range(count) if (drawn == k).any()]
        away = [
            np.maximum(np.maximum(x0 - columns, columns + 1 - x1), np.maximum(y0 - rows, rows + 1 - y1))
            for x0, y0, x1, y1 in boxes
        ]
        owner = np.argmin(away, 0) if boxes else None
        for k, box in enumerate(boxes):
            seen = _largest_parts(objects & (owner == k))
            shared.append(_box_iou(box, _extent(seen)) if seen.any() else 0.0)
    return 1 - float(np.mean(shared)) if shared else None


def _extent(mask: np.ndarray) -> np.ndarray:
    """Return left, top, right and bottom edge of a mask (H, W) that is not empty."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1])


def _largest_parts(mask: np.ndarray) -> np.ndarray:
    """Return a mask (H, W) without specks."""
    _, parts, stats, _ = cv2().connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    areas = stats[:, 4].copy()
    areas[0] = 0  # the background
    large: np.ndarray = (areas >= max(2, _PART * areas.max()))[parts]
    return large


def _box_iou(one: np.ndarray, other: np.ndarray) -> float:
    sides = np.minimum(one[2:], other[2:]) - np.maximum(one[:2], other[:2])
    shared = float(np.prod(sides.clip(0)))
    return shared / float(np.prod(one[2:] - one[:2]) + np.prod(other[2:] - other[:2]) - shared)


def segmentation_error(asked: np.ndarray, look: Look) -> float | None:
    """Return 1 less the mean IoU of the asked regions and what is seen; None without regions.

    Pixels are put together by color, depth and objects (k-means); each group counts for the region that it fits best,
    so that regions need no meaning.
    """
    labels, count = labels_of(_thinned(asked, look))
    if not count:
        return None
    groups = _groups(look)
    both = np.zeros((_CLUSTERS, count + 1))
    np.add.at(both, (groups, labels.ravel() + 1), 1)
    found = both.argmax(1)[groups] - 1
    present = [k for k in range(count) if (labels == k).any()]
    ious = [_share(found == k, labels.ravel() == k) for k in present]
    return 1 - float(np.mean(ious))


def _share(one: np.ndarray, other: np.ndarray) -> float:
    return float((one & other).sum() / (one | other).sum())


def _thinned(asked: np.ndarray, look: Look) -> np.ndarray:
    """Return every second pixel of a control video at the estimator's size, the nearest of its own."""
    height, width = look.depth.shape[1:]
    rows, columns = (
        ((np.arange(0, size, _THINNED) + 0.5) / size * own).astype(int)
        for size, own in ((height, asked.shape[1]), (width, asked.shape[2]))
    )
    return asked[:, rows][:, :, columns]


def _groups(look: Look) -> np.ndarray:
    """Return the group (N,) of every second pixel of a clip; the same clip has always the same groups."""
    thin = (slice(None), slice(None, None, _THINNED), slice(None, None, _THINNED))
    colors = np.ascontiguousarray(look.clip[thin].reshape(1, -1, 3).clip(0, 1), np.float32)
    lab = cv2().cvtColor(colors, cv2().COLOR_RGB2LAB)[0] / _LAB
    others = [2 * values[thin].reshape(-1, 1).astype(np.float32) for values in (look.depth, look.objects)]
    cv2().setRNGSeed(0)
    ends = (cv2().TERM_CRITERIA_COUNT + cv2().TERM_CRITERIA_EPS, _ROUNDS, 1e-3)
    features = np.concatenate([lab, *others], 1)
    groups: np.ndarray = cv2().kmeans(features, _CLUSTERS, None, ends, 1, cv2().KMEANS_PP_CENTERS)[1]
    return groups.ravel()


def normal_error(asked: np.ndarray, look: Look) -> float | None:
    """Return the mean angle in degrees between asked normals and those of the depth that is seen; None without any."""
    colors = resize_clip(asked, *look.depth.shape[1:])
    known = colors.max(-1) > _LINE
    if not known.any():
        return None
    wanted = (2 * colors[known] - 1) * [1, -1, -1]  # right, down, forward
    found = normals_of(look.disparity, look.lens)[known]
    lengths = np.linalg.norm(wanted, axis=-1) * np.linalg.norm(found, axis=-1)
    cosine = (wanted * found).sum(-1) / np.maximum(lengths, 1e-9)
    return float(np.degrees(np.arccos(cosine.clip(-1, 1))).mean())


def normals_of(disparity: np.ndarray, lens: np.ndarray) -> np.ndarray:
    """Return normals (F, H, W, 3) along right, down and forward, toward the camera, of a disparity (F, H, W)."""
    _, height, width = disparity.shape
    smooth = np.stack([cv2().GaussianBlur(np.ascontiguousarray(one), (0, 0), _SMOOTH) for one in disparity])
    z = 1 / np.maximum(smooth, 1e-3)
    x = ((np.arange(width) + 0.5) / width - 0.5) / lens[:, 0, None, None] * z
    y = ((np.arange(height)[:, None] + 0.5) / height - 0.5) / lens[:, 1, None, None] * z
    points = np.stack([x, y, z], -1)
    normals = np.cross(np.gradient(points, axis=2), np.gradient(points, axis=1))
    facing: np.ndarray = np.where((normals * points).sum(-1, keepdims=True) > 0, -normals, normals)
    return facing


def pose_error(asked: np.ndarray, look: Look) -> float | None:
    """Return the mean distance in pixels between skeletons and the objects that are seen; None without a skeleton.

    It is the mean of two: from the skeleton to the nearest pixel of an object, and from the objects around it back.
    """
    drawn = resize_clip(asked, *look.objects.shape[1:]).max(-1) > _LINE
    farthest = _FARTHEST * look.objects.shape[2]
    errors: list[float] = []
    for skeleton, objects in zip(drawn, look.objects, strict=True):
        if not skeleton.any():
            continue
        x0, y0, x1, y1 = _extent(skeleton)
        margin = round(farthest / 2)
        around = np.zeros_like(objects)
        around[max(0, y0 - margin) : y1 + margin, max(0, x0 - margin) : x1 + margin] = True
        there = _distances(objects, farthest)[skeleton].mean()
        back = _distances(skeleton, farthest)[objects & around]
        errors.append(float(there + (back.mean() if len(back) else farthest)) / 2)
    return float(np.mean(errors)) if errors else None


def _distances(mask: np.ndarray, most: float) -> np.ndarray:
    """Return the distance (H, W) of every pixel to the nearest of a mask, at most `most`."""
    if not mask.any():
        return np.full(mask.shape, most)
    away: np.ndarray = cv2().distanceTransform((~mask).astype(np.uint8), cv2().DIST_L2, 3).clip(max=most)
    return away
