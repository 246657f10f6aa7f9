"""Depth and camera of one scene: the depth of later frames from the first and the path, and whether the two agree.

Lengths are in the camera's unit. Where that is the median depth of the first frame, any depth is scaled so that its
first frame has the median 1; where the path has a unit of its own (meters), depth must be in the same.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..camera.trajectory import UNIT, CameraTrajectory, compose, invert
from ..errors import UserError
from ..images import indices, resize_clip
from .normalize import DepthClip

NEAREST = 1e-6
MOST_DETAIL = 4
# Residuals, in shares of the clip's range, up to which camera and depth agree, and from which they do not.
AGREE, DISAGREE = 0.05, 0.1
# How far the far end of a clip is from infinity, in shares of its range, where nothing says it.
OFFSETS = (0.02, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6)


def in_camera_unit(depth: np.ndarray, camera: CameraTrajectory) -> tuple[np.ndarray, float]:
    """First-frame depth (H, W) in the camera's unit, and what it was multiplied by (1 for a unit of its own)."""
    depth = np.asarray(depth, np.float64)
    if depth.ndim != 2 or min(depth.shape) < 2:
        raise UserError(f"the first frame's depth has shape {depth.shape}; (height, width) was expected")
    known = depth > 0
    if not known.any():
        raise UserError("the first frame's depth has no value above 0, so nothing can be carried to later frames")
    if camera.unit != UNIT:
        return depth, 1.0
    middle = float(np.median(depth[known]))
    if not np.isfinite(middle):
        raise UserError("more than half of the first frame is infinitely far, so its median gives no unit of length")
    return depth / middle, 1 / middle


def depth_along(
    depth: np.ndarray, camera: CameraTrajectory, step: Callable[[], object] | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Depth of every frame of `camera` from that of its first: (F, H, W) float32 and holes (F, H, W) bool.

    depth (H, W): along the camera's axis, in any unit where the camera's is the median depth (see `in_camera_unit`),
    infinite = sky, NaN or <= 0 = unknown. The result is in the camera's unit. Every pixel is carried as the piece of a
    plane that it shows, the nearest wins, and cracks of one pixel are closed. Holes are what the first frame does not
    show or did not know; they are NaN. Nothing is known about things that move. step is called after
    every frame. Raises UserError for other shapes.
    """
    first, _ = in_camera_unit(depth, camera)
    disparity = np.where(first > 0, 1 / np.where(first > 0, first, 1), np.nan)
    result = np.empty((camera.frames, *first.shape), np.float32)
    for frame in range(camera.frames):
        seen = carry(disparity, camera, 0, frame)
        with np.errstate(divide="ignore"):
            result[frame] = 1 / np.maximum(seen, 0)
        if step is not None:
            step()
    return result, np.isnan(result)


def carry(disparity: np.ndarray, camera: CameraTrajectory, start: int, end: int) -> np.ndarray:
    """1 / depth (H, W) in the camera's unit as seen in frame `start`, as it is seen in frame `end`; NaN = not seen."""
    height, width = disparity.shape
    if start == end:
        return np.array(disparity, np.float64)
    step = compose(invert(camera.c2w[end]), camera.c2w[start])
    lens, other = camera.intrinsics[start], camera.intrinsics[end]
    disparity = np.asarray(disparity, np.float64)
    right, down = _slopes(disparity, 1), _slopes(disparity, 0)
    row, column = np.nonzero(~np.isnan(disparity))
    value, right, down = disparity[row, column], right[row, column], down[row, column]
    detail = _detail(value, row, column, step, lens, other, height, width)
    buffer = np.full(height * width, -np.inf)
    for part in range(detail * detail):
        off_y, off_x = (np.array(divmod(part, detail)) + 0.5) / detail - 0.5
        seen = np.maximum(value + right * off_x + down * off_y, 0)
        # Homogeneous: a point at infinity has disparity 0 and a direction still.
        x = ((column + 0.5 + off_x) / width - lens[2]) / lens[0]
        y = ((row + 0.5 + off_y) / height - lens[3]) / lens[1]
        moved = step[:, :1] * x + step[:, 1:2] * y + step[:, 2:3] + step[:, 3:] * seen
        ahead = moved[2] > NEAREST
        z = np.where(ahead, moved[2], 1)
        at_x = np.floor((moved[0] / z * other[0] + other[2]) * width)
        at_y = np.floor((moved[1] / z * other[1] + other[3]) * height)
        inside = ahead & (at_x >= 0) & (at_x < width) & (at_y >= 0) & (at_y < height)
        place = (at_y[inside] * width + at_x[inside]).astype(np.int64)
        np.maximum.at(buffer, place, (seen / z)[inside])
    return _close(buffer.reshape(height, width))


def _detail(value, row, column, step, lens, other, height, width) -> int:
    """Into how many pieces a side of a pixel must be cut so that what comes nearer has no cracks."""
    if not value.size:
        return 1
    x = ((column + 0.5) / width - lens[2]) / lens[0]
    y = ((row + 0.5) / height - lens[3]) / lens[1]
    z = step[2, 0] * x + step[2, 1] * y + step[2, 2] + step[2, 3] * value
    z = z[z > NEAREST]
    grows = float(np.quantile(1 / z, 0.98)) if z.size else 1.0
    grows *= max(other[0] / lens[0], other[1] / lens[1])
    # A turned pixel covers up to sqrt(2) in a direction.
    return int(np.clip(np.ceil(1.42 * grows), 1, MOST_DETAIL))


def _slopes(disparity: np.ndarray, axis: int) -> np.ndarray:
    """Change per pixel along an axis: the smaller of both sides', 0 at edges, where the sides differ in sign."""
    step = np.nan_to_num(np.diff(disparity, axis=axis))
    pad = [(0, 0), (0, 0)]
    pad[axis] = (1, 0)
    before = np.pad(step, pad)
    pad[axis] = (0, 1)
    after = np.pad(step, pad)
    return np.where(before * after > 0, np.sign(before) * np.minimum(np.abs(before), np.abs(after)), 0)


def _close(buffer: np.ndarray) -> np.ndarray:
    """-inf becomes NaN, but a pixel with known ones on both opposite sides in two directions takes their mean."""
    known = np.isfinite(buffer)
    padded = np.pad(np.where(known, buffer, 0), 1)
    there = np.pad(known, 1).astype(np.float64)
    total, count, lines = np.zeros(buffer.shape), np.zeros(buffer.shape), np.zeros(buffer.shape)
    height, width = buffer.shape
    for down, right in ((0, 1), (1, 0), (1, 1), (1, -1)):
        one = (slice(1 + down, 1 + down + height), slice(1 + right, 1 + right + width))
        two = (slice(1 - down, 1 - down + height), slice(1 - right, 1 - right + width))
        both = there[one] * there[two]
        total += both * (padded[one] + padded[two])
        count += 2 * both
        lines += both
    closed = ~known & (lines >= 2)
    result = np.where(known, buffer, np.nan)
    result[closed] = (total / np.maximum(count, 1))[closed]
    return result


@dataclass(frozen=True)
class Agreement:
    """How well a camera path and a depth clip tell of one scene.

    residual: mean absolute difference between the depth that the path predicts from the first frame and the clip's, as
    a share of the clip's range, leaving out the tenth that differs most (things that move). still: the same if the
    camera stood still. holes: share of the last frame that the first does not show. offset: how far the far end of the
    clip is from infinity, in shares of its range. agrees: True, False, or None where nothing can be said. sentences:
    what a user should know.
    """

    residual: float
    still: float
    holes: float
    offset: float
    agrees: bool | None
    sentences: list[str]


def agreement(camera: CameraTrajectory, clip: DepthClip, looks: int = 6, side: int = 96) -> Agreement:
    """Check a camera path against a depth clip before anything is generated from both.

    The first frame is carried along the path to `looks` later frames, at a longer side of `side` pixels. Where the
    clip's recipe does not say what is infinitely far, that is fitted as well. Raises UserError for another number of
    frames.
    """
    if camera.frames != clip.frames:
        raise UserError(f"the camera path has {camera.frames} frames, the depth clip {clip.frames}: they must be alike")
    if clip.frames < 2:
        sentence = "One frame alone says nothing about whether camera and depth agree."
        return Agreement(0.0, 0.0, 0.0, 0.0, None, [sentence])
    shrink = min(1.0, side / max(clip.values.shape[1:]))
    size = [max(2, round(length * shrink)) for length in clip.values.shape[1:]]
    chosen = np.unique(np.concatenate([[0], 1 + indices(clip.frames - 1, min(looks, clip.frames - 1))]))
    values = resize_clip(clip.values[chosen], *size).astype(np.float64)
    camera = camera.relative()
    path = camera.replace(c2w=camera.c2w[chosen], intrinsics=camera.intrinsics[chosen])
    still = path.replace(c2w=np.repeat(path.c2w[:1], len(chosen), 0), intrinsics=path.intrinsics[0])
    offset, (residual, holes) = min(
        ((offset, _residual(path, values, offset)) for offset in _offsets(clip.recipe)), key=lambda found: found[1][0]
    )
    unmoved = _residual(still, values, offset)[0]
    others = {
        "backwards": path.replace(c2w=invert(path.c2w)),
        **{f"{scale:g} times as far": path.scaled(scale) for scale in (0.25, 0.5, 2, 4)},
    }
    moves = bool(np.abs(path.c2w - still.c2w).max() > 1e-3 or np.abs(path.intrinsics - still.intrinsics).max() > 1e-3)
    tried = {name: _residual(other, values, offset)[0] for name, other in others.items()} if moves else {}
    agrees = None if AGREE < residual < DISAGREE else residual <= AGREE
    if moves and residual > AGREE / 2 and min(unmoved, *tried.values()) < 0.5 * residual:
        agrees = False
    return Agreement(
        residual, unmoved, holes, offset, agrees, _sentences(residual, unmoved, holes, moves, tried, agrees)
    )


def _sentences(
    residual: float, unmoved: float, holes: float, moves: bool, tried: dict[str, float], agrees: bool | None
) -> list[str]:
    said = f"residual {residual:.1%} of the depth range"
    if not moves:
        sentences = [
            f"The camera stands still, and so does the depth ({said})."
            if agrees
            else f"The camera stands still, but the depth moves ({said}): something moves, it flickers, or the path is"
            " not that of the clip."
        ]
    elif agrees:
        sentences = [f"Camera and depth agree ({said}; {unmoved:.1%} if the camera stood still)."]
    elif agrees is None:
        sentences = [f"Camera and depth agree in part only ({said}; {unmoved:.1%} if the camera stood still)."]
    else:
        sentences = [f"Camera and depth contradict each other ({said}; {unmoved:.1%} if the camera stood still)."]
    if moves and residual > AGREE / 2:
        better = min(tried, key=tried.__getitem__)
        if tried[better] < 0.5 * residual and tried[better] <= unmoved:
            sentences.append(
                f"The depth moves as if the camera moved {better} (residual {tried[better]:.1%}): check the path's"
                " direction and unit of length."
            )
        elif unmoved < 0.5 * residual:
            sentences.append("The depth moves less than the path says: it may be of a camera that stood still.")
    if holes > 0.02:
        sentences.append(f"{holes:.0%} of the last frame is not seen in the first; depth there is the clip's alone.")
    return sentences


def _offsets(recipe: dict) -> tuple[float, ...]:
    """What to add to normalized values so that 0 is infinitely far, where the recipe says it; else what to try."""
    if recipe.get("kind") == "depth" and recipe.get("scope") != "per frame":
        bottom, top = recipe["range"]
        return (float(bottom) / (float(top) - float(bottom)),)
    return OFFSETS


def _residual(path: CameraTrajectory, values: np.ndarray, offset: float) -> tuple[float, float]:
    """Mean difference of what is carried from the first frame, in shares of the range, and holes of the last frame."""
    middle = float(np.median(values[0])) + offset
    if middle <= 0:
        return np.inf, 0.0
    disparity = (values + offset) / middle
    off, holes = [], 0.0
    for frame in range(1, len(values)):
        seen = carry(disparity[0], path, 0, frame)
        known = np.isfinite(seen)
        holes = 1 - float(known.mean())
        # Clipped values say "at least so near" and "at least so far" only.
        seen = np.clip(seen[known] * middle - offset, 0, 1)
        off.append(np.abs(seen - values[frame][known]))
    every = np.sort(np.concatenate(off))
    if every.size < 0.05 * values[1:].size:
        return np.inf, holes
    return float(every[: max(1, int(0.9 * every.size))].mean()), holes
