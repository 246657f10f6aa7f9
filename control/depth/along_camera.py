"""A depth clip from its first frame and the path of the camera, ready to be a condition."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ..camera.trajectory import UNIT, CameraTrajectory
from ..errors import UserError
from .geometry import depth_along, in_camera_unit
from .normalize import DepthClip

NOTABLE_HOLES = 0.3  # share of the last frame


@dataclass(frozen=True, eq=False)
class FirstFrame:
    """Depth (H, W) of a clip's first frame; disparity = value * extent + bottom, as 1 / depth.

    assumed: whether the far end is where `offset` puts it, since the clip does not say what is infinitely far.
    """

    depth: np.ndarray
    extent: float
    bottom: float
    assumed: bool

    @classmethod
    def of(cls, clip: DepthClip, camera: CameraTrajectory, offset: float = 0.1) -> FirstFrame:
        """Return the first frame of a clip, in the unit of its distances where its recipe knows them.

        offset: else, how far the clip's far end is from infinity, in shares of its range. Raises UserError for an
        offset that is not above 0, and for relative depth with a camera that has a unit of its own.
        """
        recipe = clip.recipe
        assumed = recipe.get("kind") != "depth" or recipe.get("scope") == "per frame"
        if assumed:
            if not 0 < offset < np.inf:
                raise UserError(f"the offset is {offset}; a number above 0 was expected: it puts the far end")
            if camera.unit != UNIT:
                raise UserError(
                    f"the camera moves in {camera.unit} but the depth is relative, without a unit: give metric"
                    f" depth, or a path in units of the {UNIT}"
                )
            extent, bottom = 1.0, float(offset)
        else:
            bottom, top = (float(end) for end in recipe["range"])
            extent = top - bottom
        disparity = clip.values[0].astype(np.float64) * extent + bottom
        with np.errstate(divide="ignore"):
            return cls(1 / np.maximum(disparity, 0), extent, bottom, assumed)

    def normalize(self, depth: np.ndarray, factor: float) -> np.ndarray:
        """Return depth (H, W), times `factor` in the camera's unit, as values of the clip; NaN stays."""
        values: np.ndarray = np.clip((factor / depth - self.bottom) / self.extent, 0, 1)
        return values


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

    offset: see `FirstFrame.of`. Holes take the farther one of what is known to both sides, since what a camera uncovers
    lies behind. Raises UserError as `FirstFrame.of` and `in_camera_unit` do.
    """
    camera = camera.relative()
    first = FirstFrame.of(clip, camera, offset)
    _, factor = in_camera_unit(first.depth, camera)
    carried, holes = depth_along(first.depth, camera, step)
    values = np.empty(carried.shape, np.float32)
    for frame, (depth, hole) in enumerate(zip(carried, holes, strict=True)):
        values[frame] = first.normalize(depth, factor)
        values[frame] = fill_behind(np.where(hole, np.nan, values[frame]))
    share = round(float(holes.mean()), 6)
    recipe = {key: value for key, value in clip.recipe.items() if key not in ("warnings", "unknown", "sky")}
    carried_clip = DepthClip(values, {**recipe, "along": "a camera path", "holes": share})
    return CarriedDepth(carried_clip, holes, _describe(holes, offset if first.assumed else None))


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
        report.append(
            f"The depth does not say what is infinitely far; its far end was put {offset:g} of its range before that."
            " If the image moves too much or too little, change the offset, or give metric depth."
        )
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
