"""A depth clip from its first frame and the way of the camera, ready to be a condition."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from ..camera.trajectory import UNIT, CameraTrajectory
from ..errors import UserError
from .geometry import depth_along, in_camera_unit
from .normalize import DepthClip


def first_depth(clip: DepthClip, camera: CameraTrajectory, offset: float = 0.1) -> tuple[np.ndarray, float, float]:
    """Depth (H, W) of a clip's first frame, with `span` and `bottom`: disparity = value * span + bottom, as 1 / depth.

    Where the clip's recipe knows distances, that is in their unit. Otherwise the clip does not say what is infinitely
    far: `offset`, in shares of its range, is how far its far end is from that. Raises UserError for an offset that is
    not above 0, and for relative depth with a camera that has a unit of its own.
    """
    recipe = clip.recipe
    if recipe.get("kind") == "depth" and recipe.get("scope") != "per frame":
        bottom, top = (float(end) for end in recipe["range"])
        span = top - bottom
    else:
        if not 0 < offset < np.inf:
            raise UserError(f"an offset of {offset} was given; a number above 0 was expected: it puts the far end")
        if camera.unit != UNIT:
            raise UserError(
                f"the camera moves in {camera.unit} but the depth is relative, without a unit: give metric depth, or a"
                f" path in units of the {UNIT}"
            )
        span, bottom = 1.0, float(offset)
    disparity = clip.values[0].astype(np.float64) * span + bottom
    with np.errstate(divide="ignore"):
        return 1 / np.maximum(disparity, 0), span, bottom


class Along(NamedTuple):
    """clip: depth of all frames, holes filled; holes (F, H, W) bool: what the first frame does not show."""

    clip: DepthClip
    holes: np.ndarray
    sentences: list[str]


def clip_along(
    clip: DepthClip, camera: CameraTrajectory, offset: float = 0.1, step: Callable[[], object] | None = None
) -> Along:
    """The first frame of `clip` carried along a camera path, normalized as that clip is.

    offset: see `first_depth`. Holes take the farther one of what is known to both sides, since what a camera uncovers
    lies behind. Raises UserError as `first_depth` and `in_camera_unit` do.
    """
    camera = camera.relative()
    depth, span, bottom = first_depth(clip, camera, offset)
    _, factor = in_camera_unit(depth, camera)
    carried, holes = depth_along(depth, camera, step)
    values = np.empty(carried.shape, np.float32)
    for frame, (seen, hole) in enumerate(zip(carried, holes, strict=True)):
        values[frame] = np.clip((factor / seen - bottom) / span, 0, 1)
        values[frame] = fill_behind(np.where(hole, np.nan, values[frame]))
    share, last = float(holes.mean()), float(holes[-1].mean())
    sentences = [f"{camera.frames} frames; {share:.1%} are holes, {last:.1%} of the last frame."]
    if holes.all((1, 2)).any():
        blank = int(np.argmax(holes.all((1, 2))))
        sentences.append(f"From frame {blank} on the camera sees nothing of what the first frame shows.")
    elif last > 0.3:
        sentences.append("Much of the last frame is made up: take a shorter way, or depth of a later frame as well.")
    if (span, bottom) == (1.0, float(offset)):
        sentences.append(
            f"The depth does not say what is infinitely far; its far end was put {offset:g} of its range before that."
            " If things move too much or too little, change the offset, or give metric depth."
        )
    sentences.append("Things that move by themselves stand still here: one frame says nothing about them.")
    recipe = {key: value for key, value in clip.recipe.items() if key not in ("warnings", "unknown", "sky")}
    return Along(DepthClip(values, {**recipe, "along": "a camera path", "holes": round(share, 6)}), holes, sentences)


def fill_behind(frame: np.ndarray) -> np.ndarray:
    """A frame (H, W), near = 1, without its NaN: the farther of the nearest known to the left and right, else of those
    above and below, else 0."""
    for axis in (1, 0):
        unknown = np.isnan(frame)
        if not unknown.any():
            return frame
        behind = np.fmin(_last_known(frame, axis), np.flip(_last_known(np.flip(frame, axis), axis), axis))
        frame = np.where(unknown, behind, frame)
    return np.nan_to_num(frame, nan=0.0).astype(np.float32)


def _last_known(frame: np.ndarray, axis: int) -> np.ndarray:
    """At each place, the last value along the axis that is no NaN; NaN where there is none."""
    shape = [1, 1]
    shape[axis] = frame.shape[axis]
    places = np.where(np.isnan(frame), 0, np.arange(frame.shape[axis]).reshape(shape))
    return np.take_along_axis(frame, np.maximum.accumulate(places, axis), axis)
