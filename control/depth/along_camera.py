"""A depth clip from its first frame and the path of the camera, ready to be a condition."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from ..camera.trajectory import CameraTrajectory
from .geometry import depth_along
from .normalize import DepthClip
from .scale import DepthScale, describe_offset

NOTABLE_HOLES = 0.3  # share of the last frame


class CarriedDepth(NamedTuple):
    """clip: depth of all frames, holes filled. holes (F, H, W) bool: what the first frame does not show. report:
    sentences."""

    clip: DepthClip
    holes: np.ndarray
    report: list[str]


def carry_clip(
    clip: DepthClip, camera: CameraTrajectory, offset: float = 0.1, step: Callable[[], object] | None = None
) -> CarriedDepth:
    """Return the first frame of `clip` carried along a camera path, normalized as that clip is.

    offset: see `DepthScale.of`. Holes take the farther one of what is known to both sides, since what a camera uncovers
    lies behind. Raises UserError as `DepthScale.of` does.
    """
    camera = camera.relative()
    scale = DepthScale.of(clip, camera, offset)
    carried, holes = depth_along(scale.distances(clip.values[0]), camera, step)
    return CarriedDepth(filled_clip(carried, holes, clip, scale), holes, _describe(holes, scale.offset))


def filled_clip(depth: np.ndarray, holes: np.ndarray, clip: DepthClip, scale: DepthScale) -> DepthClip:
    """Return depth (F, H, W) in the path's unit, seen along it, as values like those of the clip that it comes from.

    holes (F, H, W) bool: what is not seen; there, and where depth is NaN, `fill_behind` says what is taken instead.
    """
    values = np.empty(depth.shape, np.float32)
    for frame, (seen, hole) in enumerate(zip(depth, holes, strict=True)):
        values[frame] = fill_behind(np.where(hole, np.nan, scale.normalize(seen)))
    share = round(float(holes.mean()), 6)
    recipe = {key: value for key, value in clip.recipe.items() if key not in ("warnings", "unknown", "sky")}
    return DepthClip(values, {**recipe, "along": "a camera path", "holes": share})


def _describe(holes: np.ndarray, offset: float | None) -> list[str]:
    """Return a report about holes (F, H, W), and about an offset that was assumed."""
    share, last = float(holes.mean()), float(holes[-1].mean())
    report = [f"{len(holes)} frames; {share:.1%} are holes, {last:.1%} of the last frame."]
    blank = np.flatnonzero(holes.all((1, 2)))
    if len(blank):
        report.append(f"From frame {blank[0]} on the camera sees nothing of what the first frame shows.")
    elif last > NOTABLE_HOLES:
        report.append("Much of the last frame is made up: take a shorter path, or depth of a later frame as well.")
    if offset is not None:
        report.append(describe_offset(offset))
    report.append("Objects that move by themselves stand still here: one frame does not show how they move.")
    return report


def fill_behind(frame: np.ndarray) -> np.ndarray:
    """Return a frame (H, W), near = 1, without its NaN, float32.

    A NaN takes the farther of the nearest known values to the left and right, else of those above and below, else 0.
    """
    for axis in (1, 0):
        unknown = np.isnan(frame)
        if not unknown.any():
            return frame
        behind = np.fmin(_last_known(frame, axis), np.flip(_last_known(np.flip(frame, axis), axis), axis))
        frame = np.where(unknown, behind, frame)
    filled: np.ndarray = np.nan_to_num(frame, nan=0.0).astype(np.float32)
    return filled


def _last_known(frame: np.ndarray, axis: int) -> np.ndarray:
    """Return at each pixel the last value along the axis that is not NaN; NaN where there is none."""
    shape = [1, 1]
    shape[axis] = frame.shape[axis]
    positions = np.where(np.isnan(frame), 0, np.arange(frame.shape[axis]).reshape(shape))
    return np.take_along_axis(frame, np.maximum.accumulate(positions, axis), axis)
